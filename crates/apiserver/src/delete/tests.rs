use super::*;

fn pods() -> &'static Resource {
    api::resource::Registry::builtin().by_path("", "v1", "pods").unwrap()
}

fn pod(node: &str, phase: &str) -> Value {
    json!({"metadata": {"name": "a", "generation": 1},
        "spec": {"nodeName": node, "terminationGracePeriodSeconds": 20}, "status": {"phase": phase}})
}

fn now() -> Timestamp {
    "2026-01-01T00:00:00Z".parse().unwrap()
}

fn marked(step: Step) -> (String, i64) {
    let Step::Mark(object) = step else { panic!("{step:?}") };
    let at = meta::deletion_timestamp(&object).unwrap().to_owned();
    (at, object["metadata"]["deletionGracePeriodSeconds"].as_i64().unwrap())
}

fn with_grace(seconds: i64) -> Options {
    Options { grace: Some(seconds), ..Options::default() }
}

#[test]
fn a_running_pod_is_marked_with_its_grace_period() {
    let step = plan(pods(), &pod("n", "Running"), &Options::default(), now());
    assert_eq!(marked(step), ("2026-01-01T00:00:20Z".to_owned(), 20));
}

#[test]
fn a_pod_that_runs_nowhere_or_not_any_more_goes_at_once() {
    assert_eq!(plan(pods(), &pod("", "Pending"), &Options::default(), now()), Step::Remove);
    assert_eq!(plan(pods(), &pod("n", "Succeeded"), &Options::default(), now()), Step::Remove);
    assert_eq!(plan(pods(), &pod("n", "Running"), &with_grace(0), now()), Step::Remove);
}

#[test]
fn a_second_deletion_only_shortens() {
    let Step::Mark(marked_pod) = plan(pods(), &pod("n", "Running"), &Options::default(), now()) else {
        panic!()
    };
    assert_eq!(plan(pods(), &marked_pod, &Options::default(), now()), Step::Nothing);
    assert_eq!(plan(pods(), &marked_pod, &with_grace(60), now()), Step::Nothing);
    assert_eq!(
        marked(plan(pods(), &marked_pod, &with_grace(5), now())),
        ("2026-01-01T00:00:05Z".to_owned(), 5)
    );
    assert_eq!(plan(pods(), &marked_pod, &with_grace(0), now()), Step::Remove);
}

#[test]
fn a_finalizer_holds_even_with_no_grace() {
    let mut held = pod("n", "Running");
    held["metadata"]["finalizers"] = json!(["example.com/x"]);
    assert_eq!(marked(plan(pods(), &held, &with_grace(0), now())).1, 0);
}

#[test]
fn propagation_sets_the_collectors_finalizers() {
    let options = Options { propagation: Some(Propagation::Foreground), ..with_grace(0) };
    let Step::Mark(object) = plan(pods(), &pod("", ""), &options, now()) else { panic!() };
    assert_eq!(meta::finalizers(&object), [FOREGROUND]);
    let options = Options { propagation: Some(Propagation::Background), ..with_grace(0) };
    assert_eq!(plan(pods(), &object, &options, now()), Step::Remove);
}
