//! The pictures of one small rollout.

use insight::timeline::{Change, Timeline};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::terminal::{Colours, Told, frame};
use super::{Picture, html};

fn start() -> Timestamp {
    "2026-11-20T08:00:00Z".parse().unwrap()
}

fn pod(name: &str, hash: &str, is_ready: bool) -> Change {
    let ready = if is_ready { "True" } else { "False" };
    Change::Pod(Box::new(
        serde_json::from_value(json!({"metadata": {"name": name, "uid": name, "labels": {"pod-template-hash": hash}},
            "status": {"conditions": [{"type": "Ready", "status": ready}],
                "containerStatuses": [{"name": "c", "image": "i", "imageID": "", "ready": is_ready, "restartCount": 0,
                    "state": {"waiting": {"reason": "Err<Image>Pull"}}}]}}))
        .unwrap(),
    ))
}

fn read<K: serde::de::DeserializeOwned>(value: Value) -> Box<K> {
    Box::new(serde_json::from_value(value).unwrap())
}

/// An old pod is ready all the time; a new one is created after 2 s and has no image.
fn rollout() -> Timeline {
    let set = |hash: &str, revision: &str| {
        Change::ReplicaSet(read(json!({"metadata": {"name": hash, "labels": {"pod-template-hash": hash},
            "annotations": {"deployment.kubernetes.io/revision": revision}}})))
    };
    let mut timeline = Timeline::default();
    let spec = json!({"metadata": {"name": "web"}, "spec": {"replicas": 1, "selector": {}, "template": {}}});
    for (after, change) in [
        (0, Change::Deployment(read(spec))),
        (0, set("1", "1")),
        (0, set("2", "2")),
        (0, pod("web-1-a", "1", true)),
        (2, pod("web-2-b", "2", false)),
        (4, Change::Requests { answered: 0, failed: 0 }),
        (5, Change::Requests { answered: 70, failed: 0 }),
    ] {
        timeline.record(start() + SignedDuration::from_secs(after), &change);
    }
    timeline
}

fn with_picture(check: impl FnOnce(&Picture<'_>)) {
    let timeline = rollout();
    let to = start() + SignedDuration::from_secs(10);
    check(&Picture { name: "web", namespace: "a&b", timeline: &timeline, from: start(), to });
}

#[test]
fn the_terminal_shows_lanes_counts_and_limits_within_its_width() {
    with_picture(|picture| {
        let lines = frame(picture, (24, 80), Colours::No);
        assert!(lines.iter().all(|line| line.chars().count() <= 80), "{lines:#?}");
        assert!(lines[1].starts_with("web-1-a  ▒▒▒▒▒▒▒▒▒▒▒▒") && lines[1].ends_with("ready"), "{lines:#?}");
        assert!(
            lines[2].starts_with("web-2-b            ·") && lines[2].ends_with("Err<Image>Pull"),
            "{lines:#?}"
        );
        assert!(
            lines[3].starts_with("pods     1111111111222") && lines[3].ends_with("at most 2"),
            "{lines:#?}"
        );
        assert!(
            lines[4].starts_with("ready    1111111111111") && lines[4].ends_with("at least 1"),
            "{lines:#?}"
        );
        assert_eq!(lines[5], "requests 70/s, failed 0/s");
    });
}

#[test]
fn a_small_terminal_hides_the_oldest_pods() {
    with_picture(|picture| {
        let lines = frame(picture, (8, 40), Colours::No);
        assert!(lines[1].contains("web-2-b"), "{lines:#?}");
        assert_eq!(lines[2], "(1 more pod above)");
    });
}

#[test]
fn without_a_terminal_each_moment_is_told_once() {
    with_picture(|picture| {
        let mut told = Told::default();
        let news = told.news(picture);
        assert!(news.contains(&"   2.00 s  web-2-b  new  created".to_owned()), "{news:#?}");
        assert!(news.contains(&"  10.00 s  web-2-b  new  Err<Image>Pull".to_owned()), "{news:#?}");
        assert_eq!(told.news(picture), Vec::<String>::new());
    });
}

#[test]
fn the_page_needs_nothing_else_and_trusts_no_text() {
    with_picture(|picture| {
        let page = html::page(picture);
        assert!(
            page.contains("Rollout of web in a&amp;b") && page.contains("Err&lt;Image&gt;Pull"),
            "{page}"
        );
        assert!(!page.contains("<script") && !page.contains("src=") && !page.contains("Err<"), "{page}");
        assert_eq!(page.matches("http").count(), 1, "only the name of the SVG dialect");
        assert!(page.contains("at most 2 pods") && page.contains("at least 1 ready"), "{page}");
        assert!(page.contains("requests per second") && page.contains("none failed"), "{page}");
        assert!(page.contains("not complete after 10.0 s"), "{page}");
    });
}
