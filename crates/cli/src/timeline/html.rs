//! The picture as one page that needs nothing else.

use std::fmt::Write;

use insight::timeline::{Age, Lane, Phase};

use super::Picture;
use super::svg;
use super::terminal::shown;
use crate::page::escape;

const STYLE: &str = ".legend { font-size: 13px } .group { display: block } \
td:nth-child(2), th:nth-child(2) { text-align: left }";

/// Returns the page.
pub(super) fn page(picture: &Picture<'_>) -> String {
    let began = picture.from.round(jiff::Unit::Second).unwrap_or(picture.from);
    let body = format!(
        "<p>{}. It began at {began}.</p>\n{}\
         <div class=\"legend\">{}<span class=\"group\"><b>below</b> \
         <span style=\"color:var(--ink)\">━</span> thin: pods that are not ending \
         <span style=\"color:var(--good)\">▬</span> thick: ready pods, or requests answered \
         <span style=\"color:var(--bad)\">╌╌</span> dashed: the limits (replicas and surge, replicas without the \
         unavailable), or requests failed</span></div>\n\
         <h2>Seconds from the start</h2>\n{}",
        escape(&summary(picture)),
        svg::draw(picture),
        svg::legend(),
        table(picture),
    );
    crate::page::whole(&format!("Rollout of {} in {}", picture.name, picture.namespace), STYLE, &body)
}

/// Says in a sentence how it went.
pub(super) fn summary(picture: &Picture<'_>) -> String {
    let timeline = picture.timeline;
    let during = |at: &jiff::Timestamp| *at >= picture.from;
    // What held when the watch began counts too; the first instants, while the list of pods comes in, don't.
    let counts = timeline.counts();
    let before = counts.iter().rposition(|count| count.at <= picture.from).unwrap_or(0);
    let most = counts.iter().skip(before).map(|count| count.total).max().unwrap_or(0);
    let least = lowest_ready(picture);
    let lanes = shown(picture);
    let new = lanes.iter().filter(|lane| timeline.age(lane) == Age::New).count();
    let made = lanes.iter().filter(|lane| lane.entered(Phase::Created).as_ref().is_some_and(during)).count();
    let limits = timeline.limits().last().map(|(_, limits)| *limits);
    let allowed = limits.map(|limits| format!(" (at most {} allowed)", limits.most)).unwrap_or_default();
    let wanted =
        limits.map(|limits| format!(" (at least {} wanted)", limits.least_ready)).unwrap_or_default();
    let pods = if made == 1 { "pod" } else { "pods" };
    let end = if timeline.is_settled() { "complete" } else { "not complete" };
    format!(
        "rollout {end} after {:.1} s: {made} {pods} made, {new} of the latest template; never more than {most} in all{allowed}, \
         never fewer than {least} ready{wanted}",
        picture.seconds(picture.to)
    )
}

/// The fewest ready pods since there were as many as wanted, or since the start.
fn lowest_ready(picture: &Picture<'_>) -> u32 {
    let counts = picture.timeline.counts();
    let wanted = picture.timeline.limits().last().map_or(0, |(_, limits)| limits.least_ready);
    let is_full = |count: &insight::timeline::Count| i64::from(count.ready) >= i64::from(wanted);
    let first = counts.iter().position(is_full).unwrap_or(0);
    counts.iter().skip(first).map(|count| count.ready).min().unwrap_or(0)
}

fn table(picture: &Picture<'_>) -> String {
    let mut text = String::from("<table>\n<tr><th>pod</th><th></th>");
    let phases = [
        Phase::Created,
        Phase::Scheduled,
        Phase::Image,
        Phase::Started,
        Phase::Ready,
        Phase::Terminating,
        Phase::Gone,
    ];
    for phase in phases {
        let _ = write!(text, "<th>{}</th>", phase.word());
    }
    text.push_str("</tr>\n");
    for lane in shown(picture) {
        let _ = write!(text, "<tr><td>{}</td><td>{}</td>", escape(&lane.name), age(picture, lane));
        for phase in phases {
            let at = lane.entered(phase).map(|at| match at < picture.from {
                true => "before".to_owned(),
                false => format!("{:.2}", picture.seconds(at)),
            });
            let _ = write!(text, "<td>{}</td>", at.unwrap_or_default());
        }
        text.push_str("</tr>\n");
    }
    text.push_str("</table>\n");
    text
}

fn age(picture: &Picture<'_>, lane: &Lane) -> String {
    let age = match picture.timeline.age(lane) {
        Age::Old => "old",
        Age::New => "new",
    };
    match picture.timeline.revision(lane) {
        Some(revision) => format!("{age}, revision {revision}"),
        None => age.to_owned(),
    }
}
