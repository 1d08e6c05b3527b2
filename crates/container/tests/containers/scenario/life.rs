//! From start to end.

use container::{ContainerState, Error, ExecSpec, SandboxSpec};

use crate::world::{World, end_of, exists, payload, until};

const TERM: i32 = 15;
const KILL: i32 = 9;

pub(crate) async fn output_goes_to_the_log_with_its_stream(world: &World) {
    let sandbox = world.sandbox("output").await;
    sandbox.start(world.container("say", &["say", "hello"])).await.unwrap();
    sandbox.start(world.container("complain", &["complain", "ouch"])).await.unwrap();
    end_of(&sandbox, "say").await;
    end_of(&sandbox, "complain").await;
    assert_eq!(world.log("say"), "stdout F hello\n");
    assert_eq!(world.log("complain"), "stderr F ouch\n");
    sandbox.destroy().await.unwrap();
}

pub(crate) async fn the_exit_code_is_kept(world: &World) {
    let sandbox = world.sandbox("code").await;
    let mut spec = world.container("seven", &["exit", "7"]);
    spec.attempt = 3;
    spec.labels.insert("pod".to_owned(), "a/b".to_owned());
    sandbox.start(spec).await.unwrap();
    let exit = end_of(&sandbox, "seven").await;
    assert_eq!((exit.code, exit.signal, exit.oom_killed, exit.attempt), (7, None, false, 3));
    let statuses = sandbox.containers().await.unwrap();
    assert_eq!(statuses.len(), 1);
    assert_eq!(statuses[0].labels["pod"], "a/b");
    assert!(matches!(statuses[0].state, ContainerState::Exited { code: 7, .. }));
    sandbox.destroy().await.unwrap();
}

pub(crate) async fn a_signal_that_kills_is_reported(world: &World) {
    let sandbox = world.sandbox("signal").await;
    let started = sandbox.start(world.container("wait", &["wait"])).await.unwrap();
    assert!(exists(started.pid));
    sandbox.signal("wait", KILL).await.unwrap();
    let exit = end_of(&sandbox, "wait").await;
    assert_eq!((exit.code, exit.signal), (137, Some(KILL)));
    assert!(!exists(started.pid));
    let unknown = sandbox.signal("other", KILL).await;
    assert!(matches!(unknown, Err(Error::NoSuchContainer { .. })), "{unknown:?}");
    sandbox.destroy().await.unwrap();
}

pub(crate) async fn a_program_that_handles_term_ends_by_itself(world: &World) {
    let sandbox = world.sandbox("term").await;
    sandbox.start(world.container("graceful", &["wait-for-term"])).await.unwrap();
    until("the program listens", || world.log("graceful").contains("ready")).await;
    sandbox.signal("graceful", TERM).await.unwrap();
    assert_eq!(end_of(&sandbox, "graceful").await.code, 42);
    assert_eq!(world.log("graceful"), "stdout F ready\nstdout F terminated\n");
    sandbox.destroy().await.unwrap();
}

pub(crate) async fn a_program_that_ignores_term_is_removed_all_the_same(world: &World) {
    let sandbox = world.sandbox("stubborn").await;
    let started = sandbox.start(world.container("stubborn", &["wait"])).await.unwrap();
    // The first process of a process namespace does not die of a signal it has no handler for.
    sandbox.signal("stubborn", TERM).await.unwrap();
    let exec = ExecSpec { args: payload(&["exit", "0"]), ..ExecSpec::default() };
    sandbox.exec("stubborn", exec).await.unwrap().wait().await.unwrap();
    assert!(exists(started.pid));
    sandbox.remove("stubborn").await.unwrap();
    assert!(!exists(started.pid));
    assert_eq!(sandbox.containers().await.unwrap(), []);
    sandbox.remove("stubborn").await.unwrap();
    sandbox.destroy().await.unwrap();
}

pub(crate) async fn exits_are_told_again_to_a_late_listener(world: &World) {
    let sandbox = world.sandbox("late").await;
    sandbox.start(world.container("one", &["exit", "1"])).await.unwrap();
    sandbox.start(world.container("two", &["exit", "2"])).await.unwrap();
    end_of(&sandbox, "two").await;
    end_of(&sandbox, "one").await;
    let mut exits = sandbox.exits();
    let mut codes = [exits.next().await.unwrap().code, exits.next().await.unwrap().code];
    codes.sort_unstable();
    assert_eq!(codes, [1, 2]);
    sandbox.destroy().await.unwrap();
    assert_eq!(exits.next().await, None);
}

pub(crate) async fn a_removed_container_leaves_no_files_but_its_log(world: &World) {
    let sandbox = world.sandbox("files").await;
    sandbox.start(world.container("writer", &["write", "/big", "data"])).await.unwrap();
    end_of(&sandbox, "writer").await;
    let scratch = world.folder.join("scratch/files/writer");
    assert_eq!(std::fs::read_to_string(scratch.join("upper/big")).unwrap(), "data");
    sandbox.remove("writer").await.unwrap();
    assert!(!scratch.exists());
    assert!(!world.folder.join("pods/files/containers/writer").exists());
    assert_eq!(world.log("writer"), "stdout F written\n");
    sandbox.destroy().await.unwrap();
}

pub(crate) async fn destroy_leaves_nothing(world: &World) {
    let sandbox = world.sandbox("gone").await;
    let one = sandbox.start(world.container("wait", &["wait"])).await.unwrap();
    let two = sandbox.start(world.container("fork", &["fork", "5"])).await.unwrap();
    until("it forks", || world.log("fork").contains("forked 5")).await;
    assert!(sandbox.is_alive());
    sandbox.destroy().await.unwrap();
    assert!(!exists(one.pid) && !exists(two.pid));
    assert!(!sandbox.is_alive());
    assert!(!world.folder.join("pods/gone").exists());
    assert!(!world.folder.join("scratch/gone").exists());
    assert!(world.cgroups("gone").is_empty(), "{:?}", world.cgroups("gone"));
    sandbox.destroy().await.unwrap();
    let start = sandbox.start(world.container("again", &["wait"])).await;
    assert!(matches!(start, Err(Error::ShimGone(_))), "{start:?}");
}

pub(crate) async fn ids_are_unique_and_sane(world: &World) {
    let sandbox = world.sandbox("ids").await;
    let spec = SandboxSpec { id: "ids".to_owned(), ..SandboxSpec::default() };
    assert!(matches!(world.runtime.create(spec).await, Err(Error::SandboxExists(_))));
    for id in ["", "..", "a/b", ".hidden", &"x".repeat(200)] {
        let spec = SandboxSpec { id: id.to_owned(), ..SandboxSpec::default() };
        assert!(matches!(world.runtime.create(spec).await, Err(Error::InvalidId(_))), "{id}");
        let start = sandbox.start(world.container(id, &["wait"])).await;
        assert!(matches!(start, Err(Error::InvalidId(_))), "{id}: {start:?}");
    }
    sandbox.start(world.container("a", &["wait"])).await.unwrap();
    let twice = sandbox.start(world.container("a", &["wait"])).await;
    assert!(matches!(twice, Err(Error::ContainerExists(_))), "{twice:?}");
    sandbox.destroy().await.unwrap();
}

pub(crate) async fn orphans_die_with_their_container(world: &World) {
    let sandbox = world.sandbox("orphan").await;
    sandbox.start(world.container("parent", &["orphan"])).await.unwrap();
    end_of(&sandbox, "parent").await;
    assert!(world.cgroups("orphan/parent").is_empty());
    sandbox.destroy().await.unwrap();
}
