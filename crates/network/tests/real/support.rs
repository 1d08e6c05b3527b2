//! What the cases share.

use std::{
    fs::File,
    future::Future,
    net::Ipv4Addr,
    os::fd::AsFd,
    path::Path,
    time::{Duration, Instant},
};

use network::machine::{Machine, Options, enter, stop_holder};
use network::pods::{Config, PodNetwork};

pub(crate) const NODE: Ipv4Addr = Ipv4Addr::new(10, 243, 0, 1);
pub(crate) const PATIENCE: Duration = Duration::from_secs(10);

pub(crate) fn is_root() -> bool {
    nix::unistd::geteuid().is_root()
}

/// A name that no other run has.
pub(crate) fn unique_name() -> String {
    format!("test-{}", std::process::id())
}

/// Kills the holder when the case ends, however it ends.
pub(crate) struct Entered {
    pub(crate) machine: Machine,
    pub(crate) name: String,
}

impl Drop for Entered {
    fn drop(&mut self) {
        stop_holder(self.machine.holder, &self.name).ok();
    }
}

pub(crate) fn entered() -> Entered {
    let name = unique_name();
    let machine = enter(Options { name: name.clone(), ..Options::default() }).expect("enter namespaces");
    Entered { machine, name }
}

/// Runs a case's body on a runtime whose threads live in the cluster.
pub(crate) fn in_cluster<F: Future<Output = ()>>(body: impl FnOnce(std::rc::Rc<Entered>) -> F) {
    let entered = std::rc::Rc::new(entered());
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(body(entered));
}

/// As [`in_cluster`], after something was done outside.
pub(crate) fn in_cluster_with<F: Future<Output = ()>>(
    before: impl FnOnce(),
    body: impl FnOnce(std::rc::Rc<Entered>) -> F,
) {
    before();
    in_cluster(body);
}

pub(crate) async fn pod_network() -> PodNetwork {
    let config = Config { node_addresses: vec![NODE], run_directory: network::machine::RUN_DIRECTORY.into() };
    PodNetwork::start(config).await.unwrap()
}

/// Runs `body` in a pod's network, on a thread that ends with it.
pub(crate) fn in_pod<T: Send + 'static>(namespace: &Path, body: impl FnOnce() -> T + Send + 'static) -> T {
    let file = File::open(namespace).unwrap();
    std::thread::spawn(move || {
        nix::sched::setns(file.as_fd(), nix::sched::CloneFlags::CLONE_NEWNET).unwrap();
        body()
    })
    .join()
    .unwrap()
}

/// As [`in_pod`], for a body that goes on: a server.
pub(crate) fn spawn_in_pod(namespace: &Path, body: impl FnOnce() + Send + 'static) {
    let file = File::open(namespace).unwrap();
    std::thread::spawn(move || {
        nix::sched::setns(file.as_fd(), nix::sched::CloneFlags::CLONE_NEWNET).unwrap();
        body();
    });
}

/// Waits for something to become true.
pub(crate) fn eventually(what: &str, mut is_so: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !is_so() {
        assert!(Instant::now() < deadline, "not in time: {what}");
        std::thread::sleep(Duration::from_millis(2));
    }
}
