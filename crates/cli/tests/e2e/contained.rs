//! Faults inside of a pod: a fork bomb, a full volume, a program that is killed, a shim that is. They stay where they
//! are, are told, and are over when their cause is.

use std::sync::Arc;

use crate::course::Pod;
use crate::recorder::Recorder;
use crate::support::{User, Who, eventually, everyone};
use crate::toolbox;

/// A pod of the toolbox, and one beside it to which nothing may happen.
fn beside_a_neighbour(who: Who, more: &[&str], pods: &str) -> (Arc<User>, Recorder) {
    let user = Arc::new(User::new(who));
    toolbox::load(&user);
    let mut words = user.up_words();
    words.extend(more.iter().map(|word| (*word).to_owned()));
    user.pinnace(&words.iter().map(String::as_str).collect::<Vec<_>>());
    user.apply(&pod("neighbour", "[sleep, infinity]", "", ""));
    user.kubectl(&["wait", "--for=condition=Ready", "pod/neighbour", "--timeout=60s"]);
    let recorder = Recorder::of(&user, "default", &["pods", "events"]);
    user.apply(pods);
    (user, recorder)
}

fn pod(name: &str, command: &str, container: &str, spec: &str) -> String {
    format!(
        "---\napiVersion: v1\nkind: Pod\nmetadata: {{name: {name}}}\nspec:\n  terminationGracePeriodSeconds: 1\n  \
         containers:\n  - name: c\n    image: toolbox:1\n    command: {command}\n{container}{spec}"
    )
}

fn the_neighbour_is_well(user: &User) {
    assert_eq!(user.kubectl(&["exec", "neighbour", "--", "sh", "-c", "echo well | cat"]), "well\n");
    let status = &user.object(&["pod", "neighbour"])["status"]["containerStatuses"][0];
    assert!(status["ready"] == true && status["restartCount"] == 0, "{status}");
}

/// Whether the kernel holds the limits of containers, as the node tells.
fn limits_are_the_kernels(user: &User) -> bool {
    let node = user.object(&["nodes"])["items"][0].clone();
    let conditions = node["status"]["conditions"].as_array().unwrap().clone();
    conditions.iter().any(|one| one["type"] == "LimitsNotEnforced" && one["status"] == "False")
}

fn processes(command: &str) -> usize {
    let lines = std::fs::read_dir("/proc").unwrap().flatten();
    let lines = lines.filter_map(|it| std::fs::read(it.path().join("cmdline")).ok());
    lines.filter(|line| line.as_slice() == command.as_bytes()).count()
}

#[test]
fn a_fork_bomb_ends_at_its_bound() {
    for who in everyone() {
        // So many seconds that nobody else sleeps.
        let seconds = 1_000_000 + u64::from(std::process::id());
        let bomb = format!("[sh, -c, 'while :; do sleep {seconds} & done']");
        let bomb = pod("bomb", &bomb, "", "  restartPolicy: Never\n");
        let (user, recorder) = beside_a_neighbour(who, &["--pids-limit", "64"], &bomb);
        let ended = recorder.until("the bomb has failed", |state| {
            state.named("pods", "bomb").is_some_and(|pod| Pod(pod).phase() == "Failed")
        });
        let end = ended.end().named("pods", "bomb").unwrap()["status"]["containerStatuses"][0].clone();
        let end = &end["state"]["terminated"];
        if limits_are_the_kernels(&user) {
            // The shell is refused a process, says so and gives up.
            assert_eq!((&end["exitCode"], &end["reason"]), (&2.into(), &"Error".into()), "{end}");
            assert!(user.kubectl(&["logs", "bomb"]).contains("Cannot fork"));
        } else {
            assert_eq!(end["exitCode"], 137, "{end}");
            let message = end["message"].as_str().unwrap();
            assert!(message.contains("processes and threads, and may have 64"), "{message}");
        }
        let command = format!("sleep\0{seconds}\0");
        eventually("nothing of the bomb is left", || (processes(&command) == 0).then_some(()));
        the_neighbour_is_well(&user);
    }
}

#[test]
fn a_pod_that_fills_what_it_may_use_is_refused_more_or_evicted() {
    let memory = pod(
        "memory",
        "[sh, -c, 'dd if=/dev/zero of=/v/file bs=64k count=100; echo ended with $?; sleep infinity']",
        "    volumeMounts: [{name: v, mountPath: /v}]\n",
        "  volumes: [{name: v, emptyDir: {medium: Memory, sizeLimit: 1Mi}}]\n",
    );
    let layer = pod(
        "layer",
        "[sh, -c, 'dd if=/dev/zero of=/file bs=1M count=5; sleep infinity']",
        "    resources: {limits: {ephemeral-storage: 2Mi}}\n",
        "",
    );
    for who in everyone() {
        let (user, recorder) = beside_a_neighbour(who, &[], &[memory.as_str(), &layer].concat());
        eventually("the volume in memory is full", || {
            let said = user.try_kubectl(&["logs", "memory"]).stdout;
            said.contains("ended with 1").then(|| assert!(said.contains("No space left on device"), "{said}"))
        });
        // Its program goes on, and what it removes makes room.
        let again = "rm /v/file && dd if=/dev/zero of=/v/file bs=64k count=10 && rm /v/file";
        user.kubectl(&["exec", "memory", "--", "sh", "-c", again]);
        let course = recorder.until("the other has failed", |state| {
            state.named("pods", "layer").is_some_and(|pod| Pod(pod).phase() == "Failed")
        });
        let end = course.end();
        let status = &end.named("pods", "layer").unwrap()["status"];
        assert_eq!(status["reason"], "Evicted", "{status}");
        let message = "Pod ephemeral local storage usage exceeds the total limit of containers 2Mi. ";
        assert_eq!(status["message"], message);
        assert_eq!(end.told("Evicted"), [message]);
        let memory = Pod(end.named("pods", "memory").unwrap());
        assert!(memory.is_ready() && memory.restarts() == 0, "{}", course.story());
        the_neighbour_is_well(&user);
    }
}

/// The first process on this machine whose command line satisfies `is_it`.
fn find(what: &str, is_it: impl Fn(&str) -> bool) -> nix::unistd::Pid {
    eventually(what, || {
        std::fs::read_dir("/proc").unwrap().flatten().find_map(|entry| {
            let pid = entry.file_name().to_str()?.parse().ok()?;
            let line = std::fs::read(entry.path().join("cmdline")).ok()?;
            is_it(&String::from_utf8_lossy(&line)).then(|| nix::unistd::Pid::from_raw(pid))
        })
    })
}

#[test]
fn a_container_or_a_shim_that_is_killed_is_replaced() {
    if !nix::unistd::Uid::effective().is_root() {
        eprintln!("skipped: only root may kill a process of a pod");
        return;
    }
    for who in everyone() {
        let seconds = 2_000_000 + u64::from(std::process::id());
        let killed = pod("killed", &format!("[sleep, '{seconds}']"), "", "");
        let (user, recorder) = beside_a_neighbour(who, &[], &killed);
        let restarted = |count: i64, ended: i64| {
            recorder.until(&format!("it runs again after {count}"), |state| {
                let pod = state.named("pods", "killed");
                pod.is_some_and(|pod| Pod(pod).restarts() == count && Pod(pod).is_ready())
            });
            let status = user.object(&["pod", "killed"])["status"]["containerStatuses"][0].clone();
            assert_eq!(status["lastState"]["terminated"]["exitCode"], ended, "{status}");
        };
        let command = format!("sleep\0{seconds}\0");
        recorder
            .until("it runs", |state| state.named("pods", "killed").is_some_and(|pod| Pod(pod).is_ready()));
        nix::sys::signal::kill(find("the program", |line| line == command), nix::sys::signal::SIGKILL)
            .unwrap();
        restarted(1, 137);
        let uid = user.object(&["pod", "killed"])["metadata"]["uid"].as_str().unwrap().to_owned();
        let shim = find("the shim", |line| line.contains("__shim") && line.contains(&uid));
        nix::sys::signal::kill(shim, nix::sys::signal::SIGKILL).unwrap();
        restarted(2, 137);
        assert_eq!(processes(&command), 1, "its first program went with the shim");
        let told = user.kubectl(&["describe", "pod", "killed"]);
        assert!(told.contains("SandboxChanged"), "{told}");
        the_neighbour_is_well(&user);
    }
}
