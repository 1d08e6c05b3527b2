//! Safety at every step of a rollout, whatever the order of events.

use std::cell::RefCell;

use api::k8s::api::apps::v1::Deployment;
use api::k8s::api::core::v1::Pod;
use proptest::prelude::*;
use testkit::checks::{Census, census};
use testkit::objects::{NAMESPACE, deployment, node, recreate, replica_set, rolling};
use testkit::{Cluster, Step};

/// Without optimisation a case takes twenty times as long.
const CASES: u32 = if cfg!(debug_assertions) { 16 } else { 256 };

fn steps(count: usize) -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        10 => any::<u8>().prop_map(Step::Observe),
        10 => (any::<u8>(), prop_oneof![3 => Just(u8::MAX), 1 => 0_u8..4]).prop_map(|(which, cut)| Step::Work(which, cut)),
        4 => any::<u8>().prop_map(Step::Schedule),
        6 => any::<u8>().prop_map(Step::Run),
        1 => (1_u8..30).prop_map(Step::Wait),
        1 => Just(Step::Restart),
    ];
    prop::collection::vec(step, 0..count)
}

fn with_nodes() -> Cluster {
    let mut cluster = Cluster::new();
    cluster.create(&node("node-1", "64"));
    cluster.create(&node("node-2", "64"));
    cluster
}

fn set_image(cluster: &mut Cluster, name: &str, image: &str) {
    cluster.change::<Deployment>(NAMESPACE, name, |it| {
        let template = &mut it.spec.as_mut().expect("a spec").template;
        template.spec.as_mut().expect("a spec").containers[0].image = Some(image.to_owned());
    });
}

fn percent_or_number() -> impl Strategy<Value = String> {
    prop_oneof![
        (0_i32..5).prop_map(|number| number.to_string()),
        (0_i32..=100).prop_map(|percent| format!("{percent}%"))
    ]
}

/// Kubernetes' own rounding, written down once more.
fn limits(replicas: i32, surge: &str, unavailable: &str) -> (usize, usize) {
    let share = |text: &str, up: bool| match text.strip_suffix('%') {
        Some(percent) => {
            let hundredths = replicas * percent.parse::<i32>().expect("a percentage");
            hundredths / 100 + i32::from(up && hundredths % 100 > 0)
        }
        None => text.parse().expect("a number"),
    };
    let (surge, mut unavailable) = (share(surge, true), share(unavailable, false));
    if surge == 0 && unavailable == 0 {
        unavailable = 1;
    }
    ((replicas + surge) as usize, (replicas - unavailable).max(0) as usize)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: CASES, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_rolling_update_stays_within_its_limits_at_every_step(
        replicas in 1_i32..7, surge in percent_or_number(), unavailable in percent_or_number(),
        images in prop::collection::vec(prop_oneof![Just("b"), Just("c"), Just("a")], 1..4),
        course in steps(120),
    ) {
        let (most, least) = limits(replicas, &surge, &unavailable);
        let mut cluster = with_nodes();
        cluster.create(&deployment("web", replicas, "a", &rolling(&surge, &unavailable)));
        cluster.settle();
        prop_assert_eq!(census(&cluster, NAMESPACE, "web").ready, replicas as usize);
        let check = |cluster: &Cluster| {
            let census = census(cluster, NAMESPACE, "web");
            assert!(census.total() <= most, "more than {most}: {census:?}");
            assert!(census.ready >= least, "fewer than {least}: {census:?}");
        };
        let mut course = course.into_iter();
        for image in &images {
            set_image(&mut cluster, "web", image);
            for step in course.by_ref().take(40) {
                cluster.step(step);
                check(&cluster);
            }
        }
        cluster.settle_checking(check);
        let last = images.last().expect("an image").to_string();
        prop_assert_eq!(census(&cluster, NAMESPACE, "web").active, [(last, replicas as usize)].into());
        cluster.assert_settled();
    }

    #[test]
    fn recreate_never_runs_two_versions_at_once(replicas in 1_i32..5, course in steps(80)) {
        let mut cluster = with_nodes();
        cluster.create(&deployment("web", replicas, "a", &recreate()));
        cluster.settle();
        let check = |cluster: &Cluster| {
            let Census { active, leaving, .. } = census(cluster, NAMESPACE, "web");
            let versions: std::collections::BTreeSet<_> = active.keys().chain(leaving.keys()).collect();
            assert!(versions.len() <= 1, "{versions:?} at once");
        };
        set_image(&mut cluster, "web", "b");
        for step in course {
            cluster.step(step);
            check(&cluster);
        }
        cluster.settle_checking(check);
        prop_assert_eq!(census(&cluster, NAMESPACE, "web").active, [("b".to_owned(), replicas as usize)].into());
        cluster.assert_settled();
    }

    #[test]
    fn a_replica_set_never_makes_a_pod_too_many(replicas in 0_i32..9, course in steps(80)) {
        let mut cluster = with_nodes();
        cluster.create(&replica_set("web", replicas, "a"));
        let active = |cluster: &Cluster| cluster.server.list::<Pod>().iter().filter(|pod| controllers::pods::is_active(pod)).count();
        for step in course {
            cluster.step(step);
            prop_assert!(active(&cluster) <= replicas as usize);
        }
        cluster.settle_checking(|cluster| assert!(active(cluster) <= replicas as usize));
        prop_assert_eq!(active(&cluster), replicas as usize);
        cluster.assert_settled();
    }

    #[test]
    fn failing_pods_do_not_stop_a_rollout_from_ending_where_it_should(course in steps(100), failures in prop::collection::vec(any::<u8>(), 0..10)) {
        let mut cluster = with_nodes();
        cluster.create(&deployment("web", 4, "a", &rolling("25%", "25%")));
        cluster.settle();
        set_image(&mut cluster, "web", "b");
        let mut failures = failures.into_iter();
        for (number, step) in course.into_iter().enumerate() {
            cluster.step(step);
            if number % 10 == 9 {
                failures.next().into_iter().for_each(|which| cluster.step(Step::Fail(which)));
            }
            assert!(census(&cluster, NAMESPACE, "web").total() <= 5);
        }
        cluster.settle();
        prop_assert_eq!(census(&cluster, NAMESPACE, "web").active, [("b".to_owned(), 4)].into());
        cluster.assert_settled();
    }
}

/// The harness must be able to fail: a manager that does not see its own writes makes too many.
#[test]
fn without_reading_its_own_writes_a_manager_would_make_pods_twice() {
    let most = RefCell::new(0);
    let mut cluster = with_nodes();
    cluster.reads_own_writes = false;
    cluster.create(&replica_set("web", 2, "a"));
    cluster.catch_up();
    while most.borrow().to_owned() <= 2 {
        cluster.step(Step::Wait(1));
        (0..20).for_each(|which| cluster.step(Step::Work(which, u8::MAX)));
        *most.borrow_mut() = cluster.server.list::<Pod>().len();
    }
    assert!(*most.borrow() > 2);
}
