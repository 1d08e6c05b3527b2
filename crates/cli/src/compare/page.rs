//! A comparison as a page.

use std::fmt::Write;

use engine::metrics::Metrics;

use super::measure::{Comparison, Difference};
use super::terminal;
use crate::page::{self, escape, number};

pub(super) fn page(comparison: &Comparison, source: &str) -> String {
    let [first, second] = comparison.names.each_ref().map(|name| escape(name));
    let mut body = format!(
        "<p>{first} is {}, {second} is {}; both were asked for {} rows of {}.</p>\n",
        escape(&comparison.kinds[0]),
        escape(&comparison.kinds[1]),
        comparison.rows,
        escape(source)
    );
    for warning in &comparison.warnings {
        let _ = writeln!(body, "<p class=\"warning\">{}</p>", escape(warning));
    }
    let _ = writeln!(body, "<table><tr><th></th><th>{first}</th><th>{second}</th></tr>");
    for (name, values) in terminal::rows(comparison) {
        let _ =
            writeln!(body, "<tr><td>{}</td><td>{}</td><td>{}</td></tr>", escape(&name), values[0], values[1]);
    }
    body += "</table>\n<h2>Where they differ</h2>\n";
    body += &shares(comparison);
    for sentence in terminal::difference(comparison) {
        let _ = writeln!(body, "<p>{}</p>", escape(&sentence));
    }
    if !comparison.unknown.is_empty() {
        let _ = writeln!(body, "<p>Neither knows the labels {}.</p>", escape(&comparison.unknown.join(", ")));
    }
    if comparison.bad.1 > 0 {
        let _ = writeln!(body, "<p>{} rows were left out:</p><ul>", comparison.bad.1);
        for (line, why) in &comparison.bad.0 {
            let _ = writeln!(body, "<li>line {line}: {}</li>", escape(why));
        }
        body += "</ul>\n";
    }
    body += &classes(comparison);
    body += &examples(comparison);
    page::whole(&format!("{} and {}", comparison.names[0], comparison.names[1]), page::MODEL_STYLE, &body)
}

/// A bar: on how many rows both are right, only one, none.
fn shares(comparison: &Comparison) -> String {
    let Difference::Classes { both_right, only_first, only_second, both_wrong, .. } = comparison.difference
    else {
        return String::new();
    };
    let [first, second] = comparison.names.each_ref().map(|name| escape(name));
    let parts = [
        ("good", "both right".to_owned(), both_right),
        ("a", format!("only {first}"), only_first),
        ("b", format!("only {second}"), only_second),
        ("bad", "both wrong".to_owned(), both_wrong),
    ];
    let (mut bar, mut legend) = (String::new(), String::new());
    for (colour, name, rows) in parts {
        let _ = write!(
            bar,
            "<i style=\"flex-grow: {rows}; background: var(--{colour})\" title=\"{name}: {rows}\"></i>"
        );
        let _ = write!(legend, "<span><i style=\"background: var(--{colour})\"></i>{name} {rows}</span> ");
    }
    format!("<div class=\"shares\">{bar}</div>\n<p class=\"legend note\">{legend}</p>\n")
}

/// F1 class by class, the largest change first.
fn classes(comparison: &Comparison) -> String {
    /// More are not read.
    const SHOWN: usize = 30;
    let [Metrics::Classification(first), Metrics::Classification(second)] = &comparison.metrics else {
        return String::new();
    };
    let mut changes: Vec<(usize, f64)> = first
        .classes
        .iter()
        .zip(&second.classes)
        .enumerate()
        .map(|(class, (first, second))| (class, second.f1 - first.f1))
        .collect();
    changes.sort_by(|a, b| b.1.abs().total_cmp(&a.1.abs()));
    let mut html = String::from("<h2>Class by class (F1)</h2>\n<table><tr><th>class</th>");
    let names = comparison.names.each_ref().map(|name| escape(name));
    let _ = writeln!(html, "<th>{}</th><th>{}</th><th>change</th><th>rows</th></tr>", names[0], names[1]);
    for (class, change) in changes.into_iter().take(SHOWN) {
        let colour = if change < 0.0 { "var(--bad)" } else { "var(--good)" };
        let _ = writeln!(
            html,
            "<tr><td>{}</td><td>{:.3}</td><td>{:.3}</td><td style=\"color:{colour}\">{change:+.3}</td><td>{}</td></tr>",
            escape(comparison.classes.get(class).map_or("", String::as_str)),
            first.classes[class].f1,
            second.classes[class].f1,
            first.classes[class].rows
        );
    }
    html + "</table>\n"
}

fn examples(comparison: &Comparison) -> String {
    if comparison.examples.is_empty() {
        return String::new();
    }
    let names = comparison.names.each_ref().map(|name| escape(name));
    let mut html = format!(
        "<h2>Rows they disagree about</h2>\n<div class=\"wide\"><table class=\"left\"><tr><th>line</th><th>true</th>\
         <th>{}</th><th>{}</th><th>row</th></tr>\n",
        names[0], names[1]
    );
    for example in &comparison.examples {
        let told =
            example.told.each_ref().map(|(label, score)| format!("{} ({})", escape(label), number(*score)));
        let _ = writeln!(
            html,
            "<tr class=\"line\"><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td class=\"text\">{}</td></tr>",
            example.line,
            escape(&example.truth),
            told[0],
            told[1],
            escape(&example.excerpt)
        );
    }
    html + "</table></div>\n"
}
