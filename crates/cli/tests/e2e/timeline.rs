//! `timeline`: the page and the lines of a rollout that completes, and of one that does not.

use std::process::{Child, Stdio};

use crate::deployments::{NEW, deployed, rolling, set_image};
use crate::faults::{REACHED, serves};
use crate::support::{User, Who, eventually};

/// Starts a timeline of `web`; what it says goes to files, so that it never waits for a reader.
fn start(user: &User, more: &[&str]) -> Child {
    let file = |name: &str| std::fs::File::create(user.home().join(name)).unwrap();
    let mut command = user.prepare(user.pinnace_path());
    command.args(["timeline", "deployment/web", "--html", "rollout.html"]).args(more);
    let child = command.stdout(file("lines")).stderr(Stdio::from(file("notes"))).spawn().unwrap();
    eventually("it waits for a change", || {
        said(user, "notes").contains("waiting for a change").then_some(())
    });
    child
}

fn said(user: &User, name: &str) -> String {
    std::fs::read_to_string(user.home().join(name)).unwrap()
}

fn ends_well(mut child: Child, user: &User, meanwhile: impl Fn()) {
    let status = eventually("the timeline ends", || {
        meanwhile();
        child.try_wait().unwrap()
    });
    assert!(status.success(), "{}", said(user, "notes"));
}

#[test]
fn a_timeline_draws_the_rollout_that_took_place_and_the_one_that_does_not() {
    let (user, recorder) = deployed(Who::Me, 2, &rolling("100%", "0%"));
    user.apply(REACHED);
    serves(&user);

    let names = |user: &User| user.kubectl(&["get", "pods", "-o", "jsonpath={.items[*].metadata.name}"]);
    let old = names(&user);
    let child = start(&user, &[]);
    set_image(&user, NEW);
    ends_well(child, &user, || assert_eq!(user.get("x", "/api/v1/version").0, 200));
    let new = names(&user);
    let (page, lines) = (said(&user, "rollout.html"), said(&user, "lines"));
    let expected = "2 pods made, 2 of the latest template; never more than 4 in all (at most 4 allowed), never fewer \
                    than 2 ready (at least 2 wanted)";
    for words in ["rollout complete after", expected, "at most 4 pods", "at least 2 ready", "none failed"] {
        assert!(page.contains(words), "{words}: {page}");
    }
    assert_eq!((old.split(' ').count(), new.split(' ').count()), (2, 2));
    for name in old.split(' ') {
        assert!(page.contains(name) && lines.contains(&format!("{name}  old  gone")), "{name}: {lines}");
    }
    for name in new.split(' ') {
        assert!(page.contains(name) && lines.contains(&format!("{name}  new  ready")), "{name}: {lines}");
    }
    drop(recorder);

    let child = start(&user, &["--duration", "4s"]);
    set_image(&user, "jokemeter:fake");
    ends_well(child, &user, || ());
    let page = said(&user, "rollout.html");
    for words in ["rollout not complete after", "never fewer than 2 ready", "ImagePull"] {
        assert!(page.contains(words), "{words}: {page}");
    }
}
