//! The page about a trained model and its data.

use std::fmt::Write;

use engine::metrics::{self, Classification, Metrics};
use engine::train::{Dataset, HeldOut, Report, Task, Trained};

use crate::chart::{self, COLOURS, Chart, Look, Series};
use crate::output;
use crate::page::{self, card, escape, number};

/// The classes of many that curves are drawn for.
const CURVES: usize = 6;

/// The classes of many that a matrix shows.
const MATRIX: usize = 25;

/// The features shown, of each class if there are several.
const FEATURES: usize = 20;

/// Returns the page; `source` is what the table is called.
pub(super) fn page(dataset: &Dataset, trained: &Trained, source: &str) -> String {
    let report = &trained.report;
    let mut body = format!(
        "<p>{} that predicts <b>{}</b>, fitted in {} to {} rows of {}; {} rows were held out to measure it.</p>\n",
        escape(trained.model.kind()),
        escape(dataset.label()),
        output::span(report.fit_time),
        report.rows_fitted,
        escape(source),
        report.rows_held_out,
    );
    body += &cards(report, dataset.task());
    if let Some(held_out) = &report.held_out {
        body += &match &held_out.metrics {
            Metrics::Classification(measures) => classes(dataset, report, held_out, measures),
            Metrics::Regression(_) => numbers(held_out),
        };
    }
    body += &folds(report);
    body += &features(report);
    body += &data(report);
    body += &made(dataset, report);
    page::whole(&format!("Model of {}", dataset.label()), page::MODEL_STYLE, &body)
}

fn cards(report: &Report, task: Task) -> String {
    let mut html = String::from("<div class=\"cards\">");
    let baseline = report.baseline.map(|baseline| format!("commonest class: {}", number(baseline)));
    for (name, value) in report.metrics.iter().flat_map(Metrics::listed) {
        let word = match (name, task) {
            ("accuracy", _) => baseline.clone().unwrap_or_default(),
            ("F1", _) if report.classes > 2 => "mean over classes".to_owned(),
            ("F1", _) => "of the second class".to_owned(),
            ("ROC-AUC", _) => "0.5 is chance".to_owned(),
            ("R²", _) => "0 is the mean".to_owned(),
            ("log-loss", _) => "lower is better".to_owned(),
            _ => "error, in its own unit".to_owned(),
        };
        html += &card(name, &number(value), &word);
    }
    html += &card("features", &report.features.to_string(), "");
    html += "</div>\n";
    html
}

fn classes(dataset: &Dataset, report: &Report, held_out: &HeldOut, measures: &Classification) -> String {
    let names: Vec<String> = dataset.classes().iter().map(ToString::to_string).collect();
    let mut html = String::from("<h2>On the rows held out</h2>\n<div class=\"charts\">");
    let shown = shown(measures);
    html += &roc(held_out, &names, &shown);
    html += &precision_recall(held_out, &names, &shown);
    html += &calibration(held_out, &names);
    html += &learning_curve(report, "accuracy");
    html += "</div>\n<h2>Confusion</h2>\n";
    html += &confusion(&names, measures);
    html += "<h2>Class by class</h2>\n<table><tr><th>class</th><th>precision</th><th>recall</th><th>F1</th><th>rows</th></tr>\n";
    for (name, class) in names.iter().zip(&measures.classes) {
        let _ = writeln!(
            html,
            "<tr><td>{}</td><td>{:.3}</td><td>{:.3}</td><td>{:.3}</td><td>{}</td></tr>",
            escape(name),
            class.precision,
            class.recall,
            class.f1,
            class.rows
        );
    }
    html + "</table>\n"
}

/// The second of two classes; the commonest of many.
fn shown(measures: &Classification) -> Vec<usize> {
    if measures.classes.len() == 2 {
        return vec![1];
    }
    let mut order: Vec<usize> = (0..measures.classes.len()).collect();
    order.sort_by_key(|class| std::cmp::Reverse(measures.classes[*class].rows));
    order.truncate(CURVES);
    order
}

/// The scores of a class, and which rows are of it.
fn of_class(held_out: &HeldOut, class: usize) -> (Vec<bool>, Vec<f64>) {
    let positives = held_out.classes.iter().map(|truth| *truth == class).collect();
    let scores = held_out.probabilities.iter().map(|row| row.get(class).copied().unwrap_or(0.0)).collect();
    (positives, scores)
}

fn curves(
    held_out: &HeldOut,
    names: &[String],
    shown: &[usize],
    curve: impl Fn(&[bool], &[f64]) -> Vec<(f64, f64)>,
) -> Vec<Series> {
    let series = shown.iter().zip(COLOURS).map(|(class, colour)| {
        let (positives, scores) = of_class(held_out, *class);
        Series { name: names[*class].clone(), colour, points: curve(&positives, &scores), look: Look::Line }
    });
    series.collect()
}

const UNIT: (f64, f64) = (0.0, 1.0);

fn diagonal(name: &str) -> Series {
    let points = vec![(0.0, 0.0), (1.0, 1.0)];
    Series { name: name.to_owned(), colour: "var(--ink)", points, look: Look::Dashed }
}

fn roc(held_out: &HeldOut, names: &[String], shown: &[usize]) -> String {
    let mut series = curves(held_out, names, shown, metrics::roc);
    series.push(diagonal("chance"));
    let (x, y) = ("share of others told so (false positives)", "share found (recall)");
    Chart { title: "ROC", x, y, x_range: UNIT, y_range: UNIT, series }.draw()
}

fn precision_recall(held_out: &HeldOut, names: &[String], shown: &[usize]) -> String {
    let series = curves(held_out, names, shown, metrics::precision_recall);
    let (x, y) = ("share found (recall)", "share right (precision)");
    Chart { title: "Precision and recall", x, y, x_range: UNIT, y_range: UNIT, series }.draw()
}

/// Of two classes the second's probability; of more that of the class told.
fn calibration(held_out: &HeldOut, names: &[String]) -> String {
    let (right, told): (Vec<bool>, Vec<f64>) = match names {
        [_, _] => of_class(held_out, 1),
        _ => held_out
            .probabilities
            .iter()
            .zip(&held_out.classes)
            .map(|(row, truth)| {
                let best = row.iter().copied().fold(0.0, f64::max);
                (row.get(*truth).copied() == Some(best), best)
            })
            .unzip(),
    };
    let points = metrics::calibration(&right, &told).iter().map(|at| (at.told, at.true_share)).collect();
    let name = match names {
        [_, second] => format!("probability of {second}"),
        _ => "probability of the class told".to_owned(),
    };
    let series = vec![
        Series { name, colour: COLOURS[0], points, look: Look::Marked },
        diagonal("as probable as told"),
    ];
    let (x, y) = ("probability told", "share that was true");
    Chart { title: "Calibration", x, y, x_range: UNIT, y_range: UNIT, series }.draw()
}

fn learning_curve(report: &Report, measure: &str) -> String {
    if report.learning_curve.len() < 2 {
        return String::new();
    }
    let curve = |name: &str, colour, of: fn(&engine::train::CurvePoint) -> f64| {
        #[expect(clippy::cast_precision_loss, reason = "a place in a chart")]
        let points = report.learning_curve.iter().map(|point| (point.rows as f64, of(point))).collect();
        Series { name: name.to_owned(), colour, points, look: Look::Marked }
    };
    let series = vec![
        curve("rows fitted on", COLOURS[1], |point| point.fitted),
        curve("rows held out", COLOURS[0], |point| point.held_out),
    ];
    let (low, high) = chart::range(series.iter().flat_map(|series| series.points.iter().map(|(_, y)| *y)));
    let x_range = chart::range(series[0].points.iter().map(|(x, _)| *x));
    let y_range = (low, high.min(1.0).max(low + 0.01));
    Chart { title: "Would more rows help?", x: "rows fitted on", y: measure, x_range, y_range, series }.draw()
}

fn confusion(names: &[String], measures: &Classification) -> String {
    if names.len() <= MATRIX {
        return chart::matrix(names, &measures.confusion);
    }
    let mut mistakes: Vec<(usize, usize, usize)> = Vec::new();
    for (truth, row) in measures.confusion.iter().enumerate() {
        mistakes.extend(
            row.iter()
                .enumerate()
                .filter(|(told, count)| *told != truth && **count > 0)
                .map(|(told, count)| (*count, truth, told)),
        );
    }
    mistakes.sort_by_key(|(count, ..)| std::cmp::Reverse(*count));
    let mut html = format!(
        "<p class=\"note\">{} classes are too many for a matrix: the {MATRIX} commonest mistakes</p>\n\
         <table class=\"left\"><tr><th>true</th><th>told</th><th>rows</th></tr>\n",
        names.len()
    );
    for (count, truth, told) in mistakes.into_iter().take(MATRIX) {
        let _ = writeln!(
            html,
            "<tr><td>{}</td><td>{}</td><td>{count}</td></tr>",
            escape(&names[truth]),
            escape(&names[told])
        );
    }
    html + "</table>\n"
}

fn numbers(held_out: &HeldOut) -> String {
    let points = held_out.numbers.clone();
    let range = chart::range(points.iter().flat_map(|(truth, told)| [*truth, *told]));
    let cloud =
        Series { name: "a row".to_owned(), colour: COLOURS[0], points: points.clone(), look: Look::Cloud };
    let ideal = Series {
        name: "told as it is".to_owned(),
        colour: "var(--ink)",
        points: vec![(range.0, range.0), (range.1, range.1)],
        look: Look::Dashed,
    };
    let told = Chart {
        title: "Told and true",
        x: "true",
        y: "told",
        x_range: range,
        y_range: range,
        series: vec![cloud, ideal],
    };
    let errors: Vec<(f64, f64)> = points.iter().map(|(truth, told)| (*told, told - truth)).collect();
    let (x_range, y_range) =
        (chart::range(errors.iter().map(|(x, _)| *x)), chart::range(errors.iter().map(|(_, y)| *y)));
    let zero = Series {
        name: String::new(),
        colour: "var(--ink)",
        points: vec![(x_range.0, 0.0), (x_range.1, 0.0)],
        look: Look::Dashed,
    };
    let cloud = Series { name: "a row".to_owned(), colour: COLOURS[1], points: errors, look: Look::Cloud };
    let errors = Chart {
        title: "Errors",
        x: "told",
        y: "told less true",
        x_range,
        y_range,
        series: vec![cloud, zero],
    };
    format!("<h2>On the rows held out</h2>\n<div class=\"charts\">{}{}</div>\n", told.draw(), errors.draw())
}

fn folds(report: &Report) -> String {
    if report.folds.is_empty() {
        return String::new();
    }
    let mut html = format!(
        "<h2>{} folds</h2>\n<table><tr><th>measure</th><th>mean</th><th>±</th></tr>\n",
        report.folds.len()
    );
    for (name, mean, deviation) in report.folds_listed() {
        let _ =
            writeln!(html, "<tr><td>{name}</td><td>{}</td><td>{}</td></tr>", number(mean), number(deviation));
    }
    html + "</table>\n"
}

/// A class, if there are several, and what speaks for it.
type Group = (Option<String>, Vec<(String, f64)>);

fn features(report: &Report) -> String {
    if report.importances.is_empty() {
        return String::new();
    }
    let is_weighed = report.importances.iter().any(|importance| importance.weight < 0.0);
    let mut groups: Vec<Group> = Vec::new();
    for importance in &report.importances {
        let class = importance.class.as_ref().map(ToString::to_string);
        if groups.last().is_none_or(|(last, _)| *last != class) {
            groups.push((class, Vec::new()));
        }
        if let Some((_, rows)) = groups.last_mut()
            && rows.len() < FEATURES
        {
            rows.push((importance.feature.clone(), importance.weight));
        }
    }
    let mut html = String::from("<h2>What counts</h2>\n");
    html += match is_weighed {
        true => {
            "<p class=\"note\">Weights, largest first: a feature of positive weight speaks for the class, or raises the number. Numbers are on one scale (standard scores).</p>\n"
        }
        false => "<p class=\"note\">Each feature's share of what all splits of the trees gained.</p>\n",
    };
    html += "<div class=\"charts\">";
    for (class, rows) in groups.iter().take(CURVES * 2) {
        let title = class.as_deref().map_or(String::new(), |class| format!("for {class}"));
        html += &chart::bars(&title, rows);
    }
    if groups.len() > CURVES * 2 {
        let _ = write!(html, "<p class=\"note\">and {} more classes</p>", groups.len() - CURVES * 2);
    }
    html + "</div>\n"
}

fn data(report: &Report) -> String {
    let mut html = String::from("<h2>Data</h2>\n");
    if !report.summary.classes.is_empty() {
        let mut classes: Vec<(String, f64)> = report
            .summary
            .classes
            .iter()
            .map(|(name, count)| (name.clone(), f64::from(u32::try_from(*count).unwrap_or(u32::MAX))))
            .collect();
        classes.sort_by(|a, b| b.1.total_cmp(&a.1));
        let rest = classes.len().saturating_sub(MATRIX);
        classes.truncate(MATRIX);
        html += &rows_of_classes(&classes);
        if rest > 0 {
            let _ = write!(html, "<p class=\"note\">and {rest} more classes</p>");
        }
    }
    html += "<div class=\"wide\"><table class=\"left\"><tr><th>column</th><th>taken for</th><th>missing</th><th>holds</th></tr>\n";
    for column in &report.summary.columns {
        let _ = writeln!(
            html,
            "<tr><td>{}</td><td>{}</td><td>{}</td><td class=\"text\">{}</td></tr>",
            escape(&column.name),
            column.kind.word(),
            column.missing,
            escape(&column.words)
        );
    }
    html += "</table></div>\n";
    for note in &report.notes {
        let _ = writeln!(html, "<p class=\"note\">{}</p>", escape(note));
    }
    html
}

fn rows_of_classes(classes: &[(String, f64)]) -> String {
    let largest = classes.first().map_or(1.0, |(_, count)| *count);
    let mut html = String::from("<table><tr><th>class</th><th>rows</th><th></th></tr>\n");
    for (name, count) in classes {
        let _ = writeln!(
            html,
            "<tr><td>{}</td><td>{count}</td><td style=\"text-align:left\"><span class=\"bar\" style=\"width:{:.0}px;background:var(--a)\"></span></td></tr>",
            escape(name),
            200.0 * count / largest
        );
    }
    html + "</table>\n"
}

fn made(dataset: &Dataset, report: &Report) -> String {
    let mut html = String::from("<h2>How it was made</h2>\n<table class=\"left\">\n");
    let mut row = |name: &str, value: &str| {
        let _ = writeln!(html, "<tr><td>{}</td><td>{}</td></tr>", escape(name), escape(value));
    };
    report.parameters.iter().for_each(|(name, value)| row(name, value));
    if let Some(hash) = dataset.hash() {
        row("SHA-256 of the data", hash);
    }
    row("made by", &format!("pinnace {}", env!("CARGO_PKG_VERSION")));
    html + "</table>\n"
}
