//! The picture as lines of text.

use std::collections::HashSet;

use insight::timeline::{Age, Lane, Phase};
use jiff::Timestamp;

use super::Picture;

/// Whether the terminal wants colours.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Colours {
    Yes,
    No,
}

impl Colours {
    /// Asks the terminal and the user (`NO_COLOR`).
    pub(crate) fn find() -> Self {
        if console::colors_enabled() { Self::Yes } else { Self::No }
    }

    fn paint(self, text: &str, code: u8) -> String {
        match self {
            Self::Yes => format!("\u{1b}[{code}m{text}\u{1b}[0m"),
            Self::No => text.to_owned(),
        }
    }
}

const BLUE: u8 = 34;
const GREEN: u8 = 32;
const RED: u8 = 31;

/// The mark of a phase in a lane.
fn mark(phase: Phase, age: Age) -> char {
    match (phase, age) {
        (Phase::Created, _) => '·',
        (Phase::Scheduled, _) => ':',
        (Phase::Image, _) => '-',
        (Phase::Started, _) => '=',
        (Phase::Ready, Age::New) => '█',
        (Phase::Ready, Age::Old) => '▒',
        (Phase::Finished, _) => '.',
        (Phase::Terminating, _) => 'x',
        (Phase::Gone, _) => ' ',
    }
}

/// Returns the picture for a terminal of so many rows and columns.
pub(super) fn frame(picture: &Picture<'_>, (rows, columns): (usize, usize), colours: Colours) -> Vec<String> {
    const FRAME_LINES: usize = 6;
    const STATE: usize = 18;
    let lanes = shown(picture);
    let label =
        lanes.iter().map(|lane| lane.name.chars().count()).max().unwrap_or(8).clamp(8, columns.max(24) / 3);
    let width = columns.saturating_sub(label + STATE + 3).clamp(10, 200);
    let fitting = rows.saturating_sub(FRAME_LINES + 1).max(1);
    let hidden = lanes.len().saturating_sub(fitting);
    let mut lines = vec![heading(picture)];
    // The latest pods matter most.
    for lane in lanes.iter().skip(hidden) {
        let age = picture.timeline.age(lane);
        let bar: String = (0..width).map(|column| at(picture, lane, age, column, width)).collect();
        let bar = colours.paint(&bar, if age == Age::Old { BLUE } else { GREEN });
        let state = match &lane.trouble {
            Some(trouble) if lane.is_active() && !lane.is_ready() => colours.paint(&cut(trouble, STATE), RED),
            _ => lane.phase().word().to_owned(),
        };
        lines.push(format!("{:<label$} {bar} {state}", tail(&lane.name, label)));
    }
    if hidden > 0 {
        let pods = if hidden == 1 { "pod" } else { "pods" };
        lines.push(format!("({hidden} more {pods} above)"));
    }
    let limits = picture.timeline.limits().last().map(|(_, limits)| *limits);
    let most = limits.map(|limits| format!("at most {}", limits.most)).unwrap_or_default();
    let least = limits.map(|limits| format!("at least {}", limits.least_ready)).unwrap_or_default();
    lines.push(format!("{:<label$} {} {most}", "pods", digits(picture, width, |count| count.total)));
    lines.push(format!("{:<label$} {} {least}", "ready", digits(picture, width, |count| count.ready)));
    if let Some(rate) = picture.timeline.rates().last() {
        lines.push(format!("requests {:.0}/s, failed {:.0}/s", rate.answered, rate.failed));
    }
    lines.push(cut(
        "· created  : scheduled  - image  = started  █ ready (new)  ▒ ready (old)  x terminating",
        columns,
    ));
    lines
}

/// The pods that were there while the picture was taken.
pub(super) fn shown<'a>(picture: &'a Picture<'_>) -> Vec<&'a Lane> {
    let is_past = |lane: &&Lane| lane.entered(Phase::Gone).is_some_and(|gone| gone < picture.from);
    picture.timeline.lanes().into_iter().filter(|lane| !is_past(lane)).collect()
}

fn heading(picture: &Picture<'_>) -> String {
    format!("deployment `{}` in `{}`, {:.1} s", picture.name, picture.namespace, picture.seconds(picture.to))
}

fn moment(picture: &Picture<'_>, column: usize, width: usize) -> Timestamp {
    #[expect(clippy::cast_precision_loss, reason = "columns of a terminal")]
    let share = (column as f64 + 0.5) / width as f64;
    let after = jiff::SignedDuration::try_from_secs_f64(picture.length() * share).unwrap_or_default();
    picture.from.checked_add(after).unwrap_or(picture.to)
}

fn at(picture: &Picture<'_>, lane: &Lane, age: Age, column: usize, width: usize) -> char {
    let moment = moment(picture, column, width);
    if moment > picture.to {
        return ' ';
    }
    let is_then =
        |span: &insight::timeline::Span| span.from <= moment && span.to.is_none_or(|to| moment < to);
    lane.spans().iter().rfind(|span| is_then(span)).map_or(' ', |span| mark(span.phase, age))
}

/// A count over time, one digit a column; `+` is more than nine.
fn digits(picture: &Picture<'_>, width: usize, of: impl Fn(&insight::timeline::Count) -> u32) -> String {
    let digit = |column: usize| {
        let moment = moment(picture, column, width);
        let count = picture.timeline.counts().iter().rfind(|count| count.at <= moment);
        match count.filter(|_| moment <= picture.to).map(&of) {
            None => ' ',
            Some(count) => char::from_digit(count, 10).unwrap_or('+'),
        }
    };
    (0..width).map(digit).collect()
}

/// The end of a name tells pods apart.
fn tail(name: &str, width: usize) -> String {
    let length = name.chars().count();
    if length <= width { name.to_owned() } else { name.chars().skip(length - width).collect() }
}

fn cut(text: &str, width: usize) -> String {
    text.chars().take(width).collect()
}

/// What was told already, where lines can't be drawn over.
#[derive(Default)]
pub(crate) struct Told {
    moments: HashSet<(String, Phase)>,
    troubles: HashSet<(String, String)>,
}

impl Told {
    /// Returns a line for each moment not told yet.
    pub(super) fn news(&mut self, picture: &Picture<'_>) -> Vec<String> {
        let mut news: Vec<(Timestamp, Phase, String)> = Vec::new();
        for lane in shown(picture) {
            let age = match picture.timeline.age(lane) {
                Age::Old => "old",
                Age::New => "new",
            };
            for phase in Phase::ALL {
                let Some(at) = lane.entered(phase) else { continue };
                if self.moments.insert((lane.name.clone(), phase)) && at >= picture.from {
                    news.push((at, phase, format!("{}  {age}  {}", lane.name, phase.word())));
                }
            }
            if let Some(trouble) = &lane.trouble
                && self.troubles.insert((lane.name.clone(), trouble.clone()))
            {
                news.push((picture.to, lane.phase(), format!("{}  {age}  {trouble}", lane.name)));
            }
        }
        news.sort();
        news.into_iter().map(|(at, _, words)| format!("{:>7.2} s  {words}", picture.seconds(at))).collect()
    }
}
