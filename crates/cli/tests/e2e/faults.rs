//! Faults: the main process killed in mid-rollout, far too many pods, apps that misbehave, a full disk. What happens
//! is contained, said, and over when its cause is.

use std::collections::BTreeSet;
use std::io::Write;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::course::Pod;
use crate::recorder::Recorder;
use crate::support::{User, Who, eventually, everyone};
use crate::toolbox;

const WEB: &str = "
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  replicas: 3
  strategy: {rollingUpdate: {maxSurge: 1, maxUnavailable: 0}}
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      containers:
      - name: model
        image: jokemeter:lr
        readinessProbe: {httpGet: {path: /api/v1/ready, port: 8000}, periodSeconds: 1}
";

/// How the pods of `web` are reached: by any host, through the Ingress.
pub const REACHED: &str = "
apiVersion: v1
kind: Service
metadata: {name: web}
spec: {selector: {app: web}, ports: [{port: 80, targetPort: 8000}]}
---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: web}
spec: {defaultBackend: {service: {name: web, port: {number: 80}}}}
";

fn with_web(who: Who, more: &[&str]) -> Arc<User> {
    let user = Arc::new(User::new(who));
    user.have_images();
    let mut words = user.up_words();
    words.extend(more.iter().map(|word| (*word).to_owned()));
    user.pinnace(&words.iter().map(String::as_str).collect::<Vec<_>>());
    apply_web(&user);
    user.kubectl(&["rollout", "status", "deployment/web", "--timeout=60s"]);
    serves(&user);
    user
}

fn apply_web(user: &User) {
    user.apply(&format!("{WEB}---{REACHED}"));
}

pub fn serves(user: &User) {
    eventually("the service answers", || (user.get("any.example", "/api/v1/version").0 == 200).then_some(()));
}

/// How many of these pods, by uid, have a process on this machine.
fn running(pods: &BTreeSet<String>) -> usize {
    let processes = std::fs::read_dir("/proc").unwrap().flatten();
    let lines = processes.filter_map(|it| std::fs::read(it.path().join("cmdline")).ok());
    let lines = lines.map(|line| String::from_utf8_lossy(&line).into_owned());
    let shims: Vec<String> = lines.filter(|line| line.contains("__shim")).collect();
    pods.iter().filter(|uid| shims.iter().any(|shim| shim.contains(*uid))).count()
}

/// Rolls out again and again, and kills the main process at some moment of each rollout.
fn kill_in_rollouts(who: Who, rounds: u32) {
    let user = with_web(who, &[]);
    let recorder = Recorder::new(&user, "default");
    let mut ever = BTreeSet::new();
    let mut seed = u64::from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().subsec_nanos());
    eprintln!("the moments are chosen by the seed {seed}");
    for round in 0..rounds {
        let image = if round % 2 == 0 { "jokemeter:tr" } else { "jokemeter:lr" };
        let patch = format!(
            r#"{{"spec":{{"template":{{"spec":{{"containers":[{{"name":"model","image":"{image}","env":[{{"name":"ROUND","value":"{round}"}}]}}]}}}}}}}}"#
        );
        user.kubectl(&["patch", "deployment/web", "-p", &patch]);
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        // Chance decides when: a rollout of three takes about a second.
        std::thread::sleep(Duration::from_millis((seed >> 32) % 1200));
        user.kill_main();
        user.up();
        let number = round.to_string();
        let is_round = |pod: &Pod<'_>| pod.0["spec"]["containers"][0]["env"][0]["value"] == number.as_str();
        let course = recorder.until(&format!("round {round} is rolled out"), |state| {
            let pods = state.pods_of("web");
            pods.len() == 3 && pods.iter().all(|pod| is_round(pod) && pod.is_ready() && !pod.is_leaving())
        });
        course.never("more than four pods", |state| state.active("web").len() > 4);
        course.always("three serve", |state| state.ready("web").len() >= 3);
        course.never("a restart", |state| state.pods().iter().any(|pod| pod.restarts() > 0));
        course.replay(|_, _, after| ever.extend(after.pods().iter().map(|pod| pod.uid().to_owned())));
        recorder.forget_the_past();
        user.kubectl(&["rollout", "status", "deployment/web", "--timeout=60s"]);
    }
    serves(&user);
    eventually("three of all the pods run", || (running(&ever) == 3).then_some(()));
    assert!(ever.len() > 3 * usize::try_from(rounds).unwrap(), "{ever:?}");
    let history = user.kubectl(&["rollout", "history", "deployment/web"]);
    assert!(history.contains(&format!("\n{}  ", rounds + 1)), "every change is a revision: {history}");
}

#[test]
fn the_main_process_may_be_killed_at_any_moment_of_a_rollout() {
    for who in everyone() {
        kill_in_rollouts(who, 3);
    }
}

#[test]
#[ignore = "takes minutes; the short test does the same less often"]
fn the_main_process_may_be_killed_a_hundred_times() {
    for who in everyone() {
        kill_in_rollouts(who, 100);
    }
}

/// A sandbox that was just being made when the main process was told to stop once stayed behind, as a process that
/// nobody would ever end.
#[test]
fn down_in_the_midst_of_many_starts_leaves_no_process() {
    for who in everyone() {
        let user = User::new(who);
        user.have_images();
        for _ in 0..3 {
            user.up();
            user.apply(&WEB.replace("replicas: 3", "replicas: 60"));
            let pods = eventually("pods are bound", || {
                let uids = "jsonpath={.items[?(@.spec.nodeName)].metadata.uid}";
                let uids = user.kubectl(&["get", "pods", "-o", uids]);
                let uids: BTreeSet<String> = uids.split_whitespace().map(str::to_owned).collect();
                (uids.len() > 10).then_some(uids)
            });
            user.pinnace(&["down", "--purge"]);
            assert_eq!(running(&pods), 0);
        }
    }
}

#[test]
fn a_thousand_pods_asked_of_a_small_node_wait_and_do_no_harm() {
    let user = with_web(everyone()[0], &["--node-cpu", "1", "--node-memory", "2Gi"]);
    let many = WEB.replace("web", "many").replace("replicas: 3", "replicas: 1000");
    let asked = "image: jokemeter:lr\n        resources: {requests: {cpu: 200m}}";
    user.apply(&many.replace("image: jokemeter:lr", asked));
    let count = |selector: &str| {
        user.kubectl(&["get", "pods", "-l", "app=many", selector, "-o", "name"]).lines().count()
    };
    eventually("a thousand pods are there, and those that fit run", || {
        let running = count("--field-selector=status.phase=Running");
        (running > 0 && count("--field-selector=status.phase=Pending") == 1000 - running).then_some(())
    });
    let running = count("--field-selector=status.phase=Running");
    assert!((1..=5).contains(&running), "of one CPU: {running}");
    assert_eq!(user.get("any.example", "/api/v1/version").0, 200, "the neighbours serve");
    let why = user.pinnace(&["why", "deployment/many"]);
    assert!(why.contains("Insufficient cpu"), "{why}");
    let status = user.try_kubectl(&["rollout", "status", "deployment/many", "--timeout=1s"]);
    assert!(
        status.status == 1 && status.stdout.contains("of 1000 updated replicas are available"),
        "{status:?}"
    );
    user.kubectl(&["set", "image", "deployment/web", "model=jokemeter:tr"]);
    user.kubectl(&["rollout", "status", "deployment/web", "--timeout=60s"]);
    user.kubectl(&["scale", "deployment/many", "--replicas=2"]);
    user.kubectl(&["rollout", "status", "deployment/many", "--timeout=60s"]);
    eventually("only two are left", || {
        let pods = user.kubectl(&["get", "pods", "-l", "app=many", "-o", "name"]);
        (pods.lines().count() == 2).then_some(())
    });
}

#[test]
fn an_app_that_hangs_leaves_the_traffic_and_is_restarted() {
    if !nix::unistd::Uid::effective().is_root() {
        eprintln!("skipped: only root may stop a process of a pod");
        return;
    }
    for who in everyone() {
        let user = Arc::new(User::new(who));
        user.have_images();
        user.up();
        let recorder = Recorder::of(&user, "default", &["pods", "events"]);
        user.apply(
            "
apiVersion: v1
kind: Pod
metadata: {name: hanging}
spec:
  terminationGracePeriodSeconds: 1
  containers:
  - name: model
    image: jokemeter:lr
    readinessProbe: {httpGet: {path: /api/v1/ready, port: 8000}, periodSeconds: 1, failureThreshold: 1}
    livenessProbe: {httpGet: {path: /api/v1/health, port: 8000}, periodSeconds: 1, failureThreshold: 3}
",
        );
        recorder.until("it is ready", |state| state.pods().iter().any(|pod| pod.is_ready()));
        nix::sys::signal::kill(process_of("hanging"), nix::sys::signal::SIGSTOP).unwrap();
        let course = recorder.until("it runs again", |state| {
            state.pods().iter().any(|pod| pod.restarts() == 1 && pod.is_ready())
        });
        let unready = course.first("not ready", |state| {
            state.pods().iter().any(|pod| pod.restarts() == 0 && pod.runs() && !pod.is_ready())
        });
        let killed = course.first("killed", |state| {
            state.pods().iter().any(|pod| pod.restarts() == 1 || pod.shows() == "Error")
        });
        assert!(unready < killed, "{}", course.story());
        let end = course.end();
        assert_eq!(
            end.pods()[0].last_end()["exitCode"],
            137,
            "a process that does not hear SIGTERM is killed"
        );
        let told = end.told("Unhealthy");
        assert!(told.iter().any(|it| it.contains("context deadline exceeded")), "{told:?}");
    }
}

/// The process of the pod with this name: the one that has it as its host name.
fn process_of(pod: &str) -> nix::unistd::Pid {
    let variable = format!("HOSTNAME={pod}");
    eventually("the pod's process is found", || {
        std::fs::read_dir("/proc").unwrap().flatten().find_map(|entry| {
            let pid = entry.file_name().to_str()?.parse().ok()?;
            let environment = std::fs::read(entry.path().join("environ")).ok()?;
            let is_its = environment.split(|byte| *byte == 0).any(|it| it == variable.as_bytes());
            is_its.then(|| nix::unistd::Pid::from_raw(pid))
        })
    })
}

#[test]
fn a_flood_of_logs_is_kept_within_bounds() {
    for who in everyone() {
        let user = with_web(who, &[]);
        toolbox::load(&user);
        let line = "x".repeat(1000);
        user.apply(&format!(
            "apiVersion: v1\nkind: Pod\nmetadata: {{name: flood}}\nspec:\n  terminationGracePeriodSeconds: 1\n  containers:\n  - {{name: c, image: 'toolbox:1', command: [sh, -c, 'while :; do echo {line}; done']}}\n"
        ));
        user.kubectl(&["wait", "--for=condition=Ready", "pod/flood", "--timeout=60s"]);
        let node = user.home().join(".local/share/pinnace/clusters/pinnace/nodes");
        let kept = || {
            let output = std::process::Command::new("du")
                .args(["-sm", "--apparent-size"])
                .arg(&node)
                .output()
                .unwrap();
            let text = String::from_utf8_lossy(&output.stdout).into_owned();
            text.split_whitespace().next().unwrap().parse::<u64>().unwrap()
        };
        // Well beyond one file of 10 MiB: it was turned over.
        let mut most = 0;
        eventually("the log was turned over", || {
            most = most.max(kept());
            (most >= 15).then_some(())
        });
        serves(&user);
        assert_eq!(user.kubectl(&["logs", "flood", "--tail=3"]).lines().count(), 3);
        // Five files of 10 MiB, and what comes in while they are turned over.
        assert!(kept() < 120, "{} MiB", kept());
        user.kubectl(&["delete", "pod", "flood"]);
    }
}

/// A small disk where the user's clusters are.
struct SmallDisk(PathBuf);

impl SmallDisk {
    fn new(user: &User, size: &str) -> Self {
        let place = user.home().join(".local/share/pinnace");
        std::fs::create_dir_all(&place).unwrap();
        let (none, options) = (nix::mount::MsFlags::empty(), format!("size={size}"));
        nix::mount::mount(Some("tmpfs"), &place, Some("tmpfs"), none, Some(options.as_str())).unwrap();
        Self(place)
    }

    /// Takes all the room there is left.
    fn fill(&self) {
        let mut file = std::fs::File::create(self.0.join("fill")).unwrap();
        for size in [1 << 20, 1 << 12, 1] {
            while file.write_all(&vec![0; size]).is_ok() {}
        }
    }

    fn make_room(&self) {
        std::fs::remove_file(self.0.join("fill")).unwrap();
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = nix::mount::umount2(&self.0, nix::mount::MntFlags::MNT_DETACH);
    }
}

#[test]
fn a_full_disk_refuses_changes_until_there_is_room_and_pods_run_on() {
    if !nix::unistd::Uid::effective().is_root() {
        eprintln!("skipped: only root can make a small disk");
        return;
    }
    for who in everyone() {
        let user = Arc::new(User::new(who));
        let disk = SmallDisk::new(&user, "400m");
        user.have_images();
        user.up();
        apply_web(&user);
        user.kubectl(&["rollout", "status", "deployment/web", "--timeout=60s"]);
        serves(&user);
        disk.fill();
        let said = eventually("a change is refused", || {
            let answer = user.try_kubectl(&["set", "image", "deployment/web", "model=jokemeter:tr"]);
            (answer.status != 0).then_some(answer.stderr)
        });
        assert!(said.contains("no space left on the device that holds the store"), "{said}");
        assert_eq!(user.get("any.example", "/api/v1/version").0, 200, "what runs goes on");
        assert_eq!(user.kubectl(&["get", "pods", "-o", "name"]).lines().count(), 3, "and can be looked at");
        disk.make_room();
        eventually("a change is taken again", || {
            let answer = user.try_kubectl(&["set", "image", "deployment/web", "model=jokemeter:tr"]);
            (answer.status == 0).then_some(())
        });
        user.kubectl(&["rollout", "status", "deployment/web", "--timeout=60s"]);
        eventually("the new version serves", || {
            user.get("any.example", "/api/v1/version").1.contains("\"tr\"").then_some(())
        });
        user.pinnace(&["down", "--purge"]);
    }
}
