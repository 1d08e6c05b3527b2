//! Charts for pages: curves, clouds of points, bars, confusion matrices.

use std::fmt::Write;

use crate::page::{escape, number};

const WIDTH: f64 = 340.0;
const HEIGHT: f64 = 260.0;
const LEFT: f64 = 56.0;
const RIGHT: f64 = 18.0;
const TOP: f64 = 10.0;
const BOTTOM: f64 = 38.0;

/// The most points a curve keeps: more are not seen, and make the page heavy.
const MOST_POINTS: usize = 400;

/// What is drawn in one colour.
pub(crate) struct Series {
    pub(crate) name: String,
    /// A colour of the page's style, such as `var(--a)`.
    pub(crate) colour: &'static str,
    pub(crate) points: Vec<(f64, f64)>,
    pub(crate) look: Look,
}

/// How points are drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Look {
    Line,
    Dashed,
    Marked,
    Cloud,
}

/// A chart with axes.
pub(crate) struct Chart<'a> {
    pub(crate) title: &'a str,
    pub(crate) x: &'a str,
    pub(crate) y: &'a str,
    /// From the least to the greatest.
    pub(crate) x_range: (f64, f64),
    pub(crate) y_range: (f64, f64),
    pub(crate) series: Vec<Series>,
}

/// The colours of several curves.
pub(crate) const COLOURS: [&str; 8] =
    ["var(--a)", "var(--b)", "var(--good)", "var(--bad)", "#8e6bd1", "#b8860b", "#4aa3a2", "#888"];

impl Chart<'_> {
    /// A figure with its legend.
    pub(crate) fn draw(&self) -> String {
        let mut svg = format!(
            "<figure><figcaption>{}</figcaption>\n<svg viewBox=\"0 0 {WIDTH} {HEIGHT}\" width=\"{WIDTH}\" \
             font-size=\"11\" fill=\"var(--ink)\" role=\"img\" aria-label=\"{}\">\n",
            escape(self.title),
            escape(self.title)
        );
        self.axes(&mut svg);
        self.series.iter().for_each(|series| self.series(&mut svg, series));
        svg.push_str("</svg>\n<div class=\"note\">");
        for series in self.series.iter().filter(|series| !series.name.is_empty()) {
            let mark = match series.look {
                Look::Line | Look::Marked => "━",
                Look::Dashed => "╌╌",
                Look::Cloud => "●",
            };
            let _ = write!(
                svg,
                "<span style=\"color:{}\">{mark}</span> {} &nbsp; ",
                series.colour,
                escape(&series.name)
            );
        }
        svg.push_str("</div></figure>\n");
        svg
    }

    fn x(&self, value: f64) -> f64 {
        LEFT + share(value, self.x_range) * (WIDTH - LEFT - RIGHT)
    }

    fn y(&self, value: f64) -> f64 {
        HEIGHT - BOTTOM - share(value, self.y_range) * (HEIGHT - TOP - BOTTOM)
    }

    fn axes(&self, svg: &mut String) {
        const TICKS: i32 = 4;
        for tick in 0..=TICKS {
            let at = f64::from(tick) / f64::from(TICKS);
            let (x, y) = (between(self.x_range, at), between(self.y_range, at));
            let _ = writeln!(
                svg,
                "<path d=\"M{:.1} {TOP}V{:.1}M{LEFT} {:.1}H{:.1}\" stroke=\"var(--pale)\" fill=\"none\"/>\
                 <text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{}</text>\
                 <text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{}</text>",
                self.x(x),
                HEIGHT - BOTTOM,
                self.y(y),
                WIDTH - RIGHT,
                self.x(x),
                HEIGHT - BOTTOM + 14.0,
                tick_label(x, self.x_range),
                LEFT - 5.0,
                self.y(y) + 4.0,
                tick_label(y, self.y_range),
            );
        }
        let _ = writeln!(
            svg,
            "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{}</text>\
             <text transform=\"translate(11 {:.1}) rotate(-90)\" text-anchor=\"middle\">{}</text>",
            (LEFT + WIDTH - RIGHT) / 2.0,
            HEIGHT - 6.0,
            escape(self.x),
            (TOP + HEIGHT - BOTTOM) / 2.0,
            escape(self.y),
        );
    }

    fn series(&self, svg: &mut String, series: &Series) {
        let points = thinned(&series.points);
        let points = || points.iter().map(|(x, y)| (self.x(*x), self.y(*y)));
        if series.look != Look::Cloud {
            let path: String = points().map(|(x, y)| format!("{x:.1},{y:.1} ")).collect();
            let dash = if series.look == Look::Dashed { " stroke-dasharray=\"4 4\"" } else { "" };
            let _ = writeln!(
                svg,
                "<polyline points=\"{path}\" fill=\"none\" stroke=\"{}\" stroke-width=\"1.8\"{dash}/>",
                series.colour
            );
        }
        let (radius, opacity) = match series.look {
            Look::Line | Look::Dashed => return,
            Look::Marked => (3.0, 1.0),
            Look::Cloud => (2.0, 0.5),
        };
        for (x, y) in points() {
            let _ = writeln!(
                svg,
                "<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"{radius}\" fill=\"{}\" fill-opacity=\"{opacity}\"/>",
                series.colour
            );
        }
    }
}

fn share(value: f64, (low, high): (f64, f64)) -> f64 {
    if high > low { ((value - low) / (high - low)).clamp(0.0, 1.0) } else { 0.5 }
}

fn between((low, high): (f64, f64), at: f64) -> f64 {
    low + (high - low) * at
}

fn tick_label(value: f64, (low, high): (f64, f64)) -> String {
    let span = (high - low).abs();
    match span {
        _ if span >= 1e6 => format!("{value:.1e}"),
        _ if span >= 8.0 => format!("{value:.0}"),
        _ if span >= 0.5 => format!("{value:.2}"),
        _ => format!("{value:.3}"),
    }
}

/// Every so many points; the first and the last stay.
fn thinned(points: &[(f64, f64)]) -> Vec<(f64, f64)> {
    let step = points.len().div_ceil(MOST_POINTS).max(1);
    let last = points.len().saturating_sub(1);
    let kept = points.iter().enumerate().filter(|(place, _)| place % step == 0 || *place == last);
    kept.map(|(_, point)| *point).collect()
}

/// A range that holds all values, a little wider.
pub(crate) fn range(values: impl Iterator<Item = f64>) -> (f64, f64) {
    let finite = values.filter(|value| value.is_finite());
    let (low, high) = finite
        .fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), value| (low.min(value), high.max(value)));
    match high - low {
        span if span > 0.0 => (low - span * 0.03, high + span * 0.03),
        _ if low.is_finite() => (low - 0.5, high + 0.5),
        _ => (0.0, 1.0),
    }
}

/// A table of named values with bars; those below zero in another colour.
pub(crate) fn bars(title: &str, rows: &[(String, f64)]) -> String {
    let largest = rows.iter().map(|(_, value)| value.abs()).fold(0.0, f64::max);
    let mut html = format!("<figure><figcaption>{}</figcaption>\n<table>\n", escape(title));
    for (name, value) in rows {
        let width = if largest > 0.0 { 150.0 * value.abs() / largest } else { 0.0 };
        let colour = if *value < 0.0 { "var(--b)" } else { "var(--a)" };
        let _ = writeln!(
            html,
            "<tr><td class=\"text\">{}</td><td style=\"text-align:left\"><span class=\"bar\" \
             style=\"width:{width:.0}px;background:{colour}\"></span> {}</td></tr>",
            escape(name),
            number(*value)
        );
    }
    html.push_str("</table></figure>\n");
    html
}

/// How often each true class (row) was told as each class (column); rows are shaded by their shares.
pub(crate) fn matrix(classes: &[String], counts: &[Vec<usize>]) -> String {
    let mut html = String::from("<div class=\"wide\"><table class=\"matrix\"><tr><th>true ╲ told</th>");
    classes.iter().for_each(|class| {
        let _ = write!(html, "<th>{}</th>", escape(class));
    });
    html.push_str("<th>rows</th></tr>\n");
    for (place, (class, row)) in classes.iter().zip(counts).enumerate() {
        let total: usize = row.iter().sum();
        let _ = write!(html, "<tr><td>{}</td>", escape(class));
        for (column, count) in row.iter().enumerate() {
            #[expect(clippy::cast_precision_loss, reason = "a shade")]
            let shade = 100.0 * *count as f64 / total.max(1) as f64;
            let colour = if column == place { "var(--a)" } else { "var(--b)" };
            let _ = write!(
                html,
                "<td style=\"background:color-mix(in srgb, {colour} {:.0}%, transparent);padding:2px 12px\">{count}</td>",
                shade * 0.6
            );
        }
        let _ = writeln!(html, "<td>{total}</td></tr>");
    }
    html.push_str("</table></div>\n");
    html
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_curves_are_thinned_and_keep_their_ends() {
        let points: Vec<(f64, f64)> = (0..10_000).map(|x| (f64::from(x), 0.0)).collect();
        let thin = thinned(&points);
        assert!(thin.len() <= MOST_POINTS + 1);
        assert_eq!((thin[0], thin[thin.len() - 1]), (points[0], points[9_999]));
        assert_eq!(thinned(&points[..3]), points[..3]);
        assert!(thinned(&[]).is_empty());
    }

    #[test]
    fn names_in_charts_are_escaped() {
        let drawn = matrix(&["<b>".to_owned()], &[vec![3]]) + &bars("a&b", &[("<i>".to_owned(), -1.0)]);
        assert!(drawn.contains("&lt;b&gt;") && drawn.contains("&lt;i&gt;") && drawn.contains("a&amp;b"));
        assert!(!drawn.contains("<i>"));
    }
}
