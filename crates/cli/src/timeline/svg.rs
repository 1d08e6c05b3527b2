//! The picture as SVG: lanes, counts with their limits, and requests, over one axis of time.

use std::fmt::Write;

use insight::timeline::{Age, Count, Lane, Phase};

use super::Picture;
use super::terminal::shown;
use crate::page::escape;

const LEFT: f64 = 250.0;
const WIDTH: f64 = 1100.0;
const RIGHT: f64 = 20.0;
const LANE: f64 = 22.0;
const GRAPH: f64 = 130.0;
const GAP: f64 = 46.0;
const TOP: f64 = 30.0;
/// Labels of the axis at most.
const TICKS: u32 = 12;

/// Colours that people tell apart who don't see red and green.
const OLD: &str = "#4477aa";
const NEW: &str = "#e08a1e";
/// Colours that the page sets, for light and for dark.
const GOOD: &str = "var(--good)";
const BAD: &str = "var(--bad)";
const INK: &str = "var(--ink)";
const PALE: &str = "var(--pale)";

/// How a line is drawn: a colour alone does not tell it from others.
#[derive(Clone, Copy)]
struct Pen {
    colour: &'static str,
    width: f64,
    dashes: &'static str,
}

const TOTAL: Pen = Pen { colour: INK, width: 1.5, dashes: "none" };
const READY: Pen = Pen { colour: GOOD, width: 3.5, dashes: "none" };
const FAILED: Pen = Pen { colour: BAD, width: 2.0, dashes: "3 3" };

/// Returns the drawing.
pub(super) fn draw(picture: &Picture<'_>) -> String {
    let lanes = shown(picture);
    #[expect(clippy::cast_precision_loss, reason = "a few hundred pods")]
    let lanes_height = LANE * lanes.len().max(1) as f64;
    let has_rates = !picture.timeline.rates().is_empty();
    let counts_top = TOP + lanes_height + GAP;
    let rates_top = counts_top + GRAPH + GAP;
    let height = if has_rates { rates_top + GRAPH + GAP } else { counts_top + GRAPH + GAP };
    let mut drawing = Drawing { picture, text: String::new() };
    drawing.open(height);
    drawing.axis(TOP, height - GAP);
    for (index, lane) in lanes.iter().enumerate() {
        #[expect(clippy::cast_precision_loss, reason = "a few hundred pods")]
        let top = TOP + LANE * index as f64;
        drawing.lane(lane, top);
    }
    drawing.counts(counts_top);
    if has_rates {
        drawing.rates(rates_top);
    }
    drawing.text.push_str("</svg>\n");
    drawing.text
}

struct Drawing<'a> {
    picture: &'a Picture<'a>,
    text: String,
}

impl Drawing<'_> {
    fn put(&mut self, line: std::fmt::Arguments<'_>) {
        // Writing to a string never fails.
        let _ = self.text.write_fmt(line);
        self.text.push('\n');
    }

    fn x(&self, seconds: f64) -> f64 {
        LEFT + (WIDTH - LEFT - RIGHT) * (seconds / self.picture.length()).clamp(0.0, 1.0)
    }

    fn open(&mut self, height: f64) {
        self.put(format_args!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" role=\"img\" \
             aria-label=\"pods over time\" font-family=\"system-ui, sans-serif\" font-size=\"12\" fill=\"{INK}\">"
        ));
        for (id, colour) in [("old", OLD), ("new", NEW)] {
            self.put(format_args!(
                "<pattern id=\"ending-{id}\" width=\"6\" height=\"6\" patternUnits=\"userSpaceOnUse\" \
                 patternTransform=\"rotate(45)\"><rect width=\"6\" height=\"6\" fill=\"var(--paper)\"/>\
                 <rect width=\"2.5\" height=\"6\" fill=\"{colour}\"/></pattern>"
            ));
        }
    }

    fn axis(&mut self, top: f64, bottom: f64) {
        let length = self.picture.length();
        let step = tick(length);
        for index in 0..=TICKS {
            let at = step * f64::from(index);
            if at > length {
                break;
            }
            // Multiples of a tenth, without the dust that fractions of two leave.
            let label = (at * 10.0).round() / 10.0;
            let x = self.x(at);
            self.put(format_args!(
                "<line x1=\"{x:.1}\" x2=\"{x:.1}\" y1=\"{top}\" y2=\"{bottom}\" stroke=\"{PALE}\"/>\
                 <text x=\"{x:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{label} s</text>",
                top - 10.0
            ));
        }
    }

    fn lane(&mut self, lane: &Lane, top: f64) {
        let age = self.picture.timeline.age(lane);
        let trouble = lane.trouble.as_deref().filter(|_| lane.is_active() && !lane.is_ready());
        let name = escape(&lane.name);
        self.put(format_args!(
            "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\" textLength=\"{}\" lengthAdjust=\"spacingAndGlyphs\">{name}</text>",
            LEFT - 8.0,
            top + 15.0,
            LEFT.min(lane.name.chars().map(|_| 6.4).sum::<f64>()).min(LEFT - 12.0),
        ));
        for span in lane.spans() {
            let from = self.picture.seconds(span.from);
            let to = self.picture.seconds(span.to.unwrap_or(self.picture.to));
            let (from_x, to_x) = (self.x(from), self.x(to));
            if span.to.is_some_and(|to| to < self.picture.from) {
                continue;
            }
            let (fill, opacity, inset) = look(span.phase, age);
            self.put(format_args!(
                "<rect x=\"{from_x:.1}\" y=\"{:.1}\" width=\"{:.1}\" height=\"{:.1}\" fill=\"{fill}\" \
                 fill-opacity=\"{opacity}\"><title>{name}: {} from {from:.2} s, for {:.2} s</title></rect>",
                top + 3.0 + inset,
                (to_x - from_x).max(0.8),
                LANE - 6.0 - 2.0 * inset,
                span.phase.word(),
                to - from
            ));
        }
        if let Some(trouble) = trouble {
            let x = self.x(self.picture.length()) - 4.0;
            self.put(format_args!(
                "<text x=\"{x:.1}\" y=\"{:.1}\" text-anchor=\"end\" fill=\"{BAD}\" font-weight=\"bold\">{}</text>",
                top + 15.0,
                escape(trouble)
            ));
        }
    }

    /// Pods and ready pods as steps, their limits as dashed lines.
    fn counts(&mut self, top: f64) {
        let limits = self.picture.timeline.limits().to_vec();
        let counts = self.picture.timeline.counts().to_vec();
        let most = limits.iter().map(|(_, limits)| f64::from(limits.most)).fold(0.0, f64::max);
        let highest = counts.iter().map(|count| f64::from(count.total)).fold(most, f64::max).max(1.0) + 0.5;
        let y = |value: f64| top + GRAPH * (1.0 - value / highest);
        self.graph("pods", top);
        let ends = limits.iter().skip(1).map(|(at, _)| *at).chain([self.picture.to]);
        for ((from, limits), to) in limits.iter().zip(ends) {
            if to < self.picture.from {
                continue;
            }
            let (x1, x2) = (self.x(self.picture.seconds(*from)), self.x(self.picture.seconds(to)));
            for (value, words) in [
                (limits.most, format!("at most {} pods", limits.most)),
                (limits.least_ready, format!("at least {} ready", limits.least_ready)),
            ] {
                let y = y(f64::from(value));
                self.put(format_args!(
                    "<line x1=\"{x1:.1}\" x2=\"{x2:.1}\" y1=\"{y:.1}\" y2=\"{y:.1}\" stroke=\"{BAD}\" stroke-dasharray=\"6 4\"/>\
                     <text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\" fill=\"{BAD}\">{words}</text>",
                    LEFT - 8.0,
                    y + 4.0
                ));
            }
        }
        self.steps(&counts, |count| y(f64::from(count.ready)), READY);
        self.steps(&counts, |count| y(f64::from(count.total)), TOTAL);
    }

    fn graph(&mut self, title: &str, top: f64) {
        let (x1, x2, bottom) = (self.x(0.0), self.x(self.picture.length()), top + GRAPH);
        self.put(format_args!(
            "<line x1=\"{x1:.1}\" x2=\"{x2:.1}\" y1=\"{bottom}\" y2=\"{bottom}\" stroke=\"{INK}\"/>\
             <text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\" font-weight=\"bold\">{title}</text>",
            LEFT - 8.0,
            top - 8.0
        ));
    }

    fn steps(&mut self, counts: &[Count], y: impl Fn(&Count) -> f64, pen: Pen) {
        let mut path = String::new();
        for count in counts {
            let (x, y) = (self.x(self.picture.seconds(count.at)), y(count));
            let _ =
                if path.is_empty() { write!(path, "M{x:.1} {y:.1}") } else { write!(path, "H{x:.1}V{y:.1}") };
        }
        if !path.is_empty() {
            let end = self.x(self.picture.length());
            self.put(format_args!(
                "<path d=\"{path}H{end:.1}\" fill=\"none\" stroke=\"{}\" stroke-width=\"{}\" stroke-dasharray=\"{}\"/>",
                pen.colour, pen.width, pen.dashes
            ));
        }
    }

    /// Requests answered and failed per second.
    fn rates(&mut self, top: f64) {
        let rates = self.picture.timeline.rates().to_vec();
        let highest = rates.iter().map(|rate| rate.answered.max(rate.failed)).fold(1.0, f64::max) * 1.1;
        self.graph("requests per second", top);
        for (pen, is_failed) in [(READY, false), (FAILED, true)] {
            let mut path = String::new();
            for rate in &rates {
                let value = if is_failed { rate.failed } else { rate.answered };
                let x = self.x(self.picture.seconds(rate.to));
                let y = top + GRAPH * (1.0 - value / highest);
                let _ = write!(path, "{}{x:.1} {y:.1}", if path.is_empty() { "M" } else { "L" });
            }
            self.put(format_args!(
                "<path d=\"{path}\" fill=\"none\" stroke=\"{}\" stroke-width=\"2\" stroke-dasharray=\"{}\"/>",
                pen.colour, pen.dashes
            ));
        }
        let failed: f64 = rates.iter().map(|rate| rate.failed).sum();
        let words = if failed > 0.0 { "some failed" } else { "none failed" };
        self.put(format_args!(
            "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">up to {:.0}</text>\
             <text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\" fill=\"{BAD}\">{words}</text>",
            LEFT - 8.0,
            top + 14.0,
            highest / 1.1,
            LEFT - 8.0,
            top + GRAPH
        ));
    }
}

/// How a phase looks: its fill, its opacity, and how much thinner than the lane it is.
fn look(phase: Phase, age: Age) -> (&'static str, f64, f64) {
    let (colour, ending) = match age {
        Age::Old => (OLD, "url(#ending-old)"),
        Age::New => (NEW, "url(#ending-new)"),
    };
    match phase {
        Phase::Created => (colour, 0.15, 5.0),
        Phase::Scheduled => (colour, 0.25, 4.0),
        Phase::Image => (colour, 0.4, 3.0),
        Phase::Started => (colour, 0.55, 2.0),
        Phase::Ready => (colour, 1.0, 0.0),
        Phase::Finished => ("#999", 0.4, 4.0),
        Phase::Terminating => (ending, 0.9, 2.0),
        Phase::Gone => ("none", 0.0, 0.0),
    }
}

/// Returns the legend as its own small drawing.
pub(super) fn legend() -> String {
    let mut text = String::new();
    let groups = [("old pods", Age::Old), ("new pods", Age::New)];
    let phases =
        [Phase::Created, Phase::Scheduled, Phase::Image, Phase::Started, Phase::Ready, Phase::Terminating];
    for (words, age) in groups {
        let _ = write!(text, "<span class=\"group\"><b>{words}</b>");
        for phase in phases {
            let (fill, opacity, inset) = look(phase, age);
            let _ = write!(
                text,
                " <svg width=\"26\" height=\"16\" aria-hidden=\"true\"><rect y=\"{inset}\" width=\"26\" height=\"{}\" \
                 fill=\"{fill}\" fill-opacity=\"{opacity}\"/></svg> {}",
                16.0 - 2.0 * inset,
                phase.word()
            );
        }
        text.push_str("</span>\n");
    }
    text
}

/// A step of the axis that gives 5 to 12 ticks.
fn tick(length: f64) -> f64 {
    const STEPS: [f64; 13] = [0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 30.0, 60.0, 120.0, 300.0, 600.0];
    STEPS.into_iter().find(|step| length / step <= f64::from(TICKS)).unwrap_or(length / 10.0)
}
