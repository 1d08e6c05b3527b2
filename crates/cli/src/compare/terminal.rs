//! A comparison as text.

use super::measure::{Comparison, Difference, micros};
use crate::page::number;

pub(super) fn lines(comparison: &Comparison) -> Vec<String> {
    let [first, second] = &comparison.names;
    let width = first.chars().count().max(second.chars().count()).max(12);
    let mut lines: Vec<String> =
        comparison.warnings.iter().map(|warning| format!("warning: {warning}")).collect();
    lines.push(format!("{:<16} {first:>width$} {second:>width$}", ""));
    for (name, values) in rows(comparison) {
        lines.push(format!("{name:<16} {:>width$} {:>width$}", values[0], values[1]));
    }
    lines.push(String::new());
    lines.extend(difference(comparison));
    if !comparison.unknown.is_empty() {
        lines.push(format!("neither knows the labels {}", comparison.unknown.join(", ")));
    }
    if comparison.bad.1 > 0 {
        lines.push(format!("{} rows were left out:", comparison.bad.1));
        lines.extend(comparison.bad.0.iter().map(|(line, why)| format!("  line {line}: {why}")));
    }
    if !comparison.examples.is_empty() {
        lines.push(String::new());
        lines.push(format!("rows they disagree about (true: {first} / {second}):"));
    }
    for example in &comparison.examples {
        let [(a, a_score), (b, b_score)] = &example.told;
        lines.push(format!(
            "  line {}: {}: {a} ({}) / {b} ({})  {}",
            example.line,
            example.truth,
            number(*a_score),
            number(*b_score),
            example.excerpt.replace(['\n', '\r'], " ")
        ));
    }
    lines
}

/// Measures by name, of both models.
pub(super) fn rows(comparison: &Comparison) -> Vec<(String, [String; 2])> {
    let listed = comparison.metrics.each_ref().map(engine::metrics::Metrics::listed);
    let mut rows: Vec<(String, [String; 2])> = Vec::new();
    for (name, value) in &listed[0] {
        let other = listed[1].iter().find(|(other, _)| other == name);
        let other = other.map_or("–".to_owned(), |(_, value)| precise(*value));
        rows.push(((*name).to_owned(), [precise(*value), other]));
    }
    for (name, value) in listed[1].iter().filter(|(name, _)| listed[0].iter().all(|(other, _)| other != name))
    {
        rows.push(((*name).to_owned(), ["–".to_owned(), precise(*value)]));
    }
    let timings = &comparison.timings;
    let span = |duration: std::time::Duration| format!("{:.1} us", micros(duration));
    rows.push(("one row, median".to_owned(), [0, 1].map(|model| span(timings[model].median))));
    rows.push(("one row, p99".to_owned(), [0, 1].map(|model| span(timings[model].slow))));
    rows.push(("rows a second".to_owned(), [0, 1].map(|model| grouped(timings[model].rate))));
    rows
}

/// A whole number, its digits in threes.
fn grouped(value: f64) -> String {
    let digits = format!("{value:.0}");
    let places = (1..=digits.len()).rev();
    digits.chars().zip(places).fold(String::new(), |mut text, (digit, place)| {
        text.push(digit);
        if place > 1 && place % 3 == 1 {
            text.push(',');
        }
        text
    })
}

/// Models differ in the last digits.
fn precise(value: f64) -> String {
    match value.abs() {
        size if size < 100.0 => format!("{value:.4}"),
        _ => number(value),
    }
}

/// What sets them apart, in sentences.
pub(super) fn difference(comparison: &Comparison) -> Vec<String> {
    let [first, second] = &comparison.names;
    let rows = comparison.rows;
    match &comparison.difference {
        Difference::Classes { both_right, only_first, only_second, both_wrong, disagreements, chance } => {
            let mut sentences = vec![
                format!("{rows} rows: they disagree about {disagreements}"),
                format!(
                    "both right {both_right}, only {first} {only_first}, only {second} {only_second}, both wrong {both_wrong}"
                ),
            ];
            sentences.push(match (only_first == only_second, *chance < 0.05) {
                (true, _) => "neither is right more often".to_owned(),
                (false, is_sure) => {
                    let better = if only_second > only_first { second } else { first };
                    let word = if is_sure { "hardly by chance" } else { "which may be chance" };
                    format!("{better} is right more often, {word} (p = {})", number(*chance))
                }
            });
            sentences
        }
        Difference::Numbers { mean, largest, nearer } => vec![
            format!(
                "{rows} rows: the answers are {} apart on average, {} at most",
                number(*mean),
                number(*largest)
            ),
            format!("{first} is nearer to what is true on {} rows, {second} on {}", nearer[0], nearer[1]),
        ],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_stand_in_threes() {
        for (value, expected) in [(0.0, "0"), (999.0, "999"), (1000.4, "1,000"), (1_234_567.0, "1,234,567")] {
            assert_eq!(grouped(value), expected);
        }
    }
}
