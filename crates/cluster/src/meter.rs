//! What nodes and pods use, for `metrics.k8s.io`: measured when somebody asks, and only then.
//!
//! CPU is a rate, so it takes two samples. Those of the last minute are kept: whoever asks again within it (an
//! autoscaler does, every 15 s) gets the mean since an earlier sample at once. After a longer silence the first
//! answer takes a second. Nothing is measured while nobody asks, so an idle cluster pays nothing.
//!
//! A node uses what its pods use. The first one carries the cluster's own process as well, as a node of
//! Kubernetes carries its system processes; what else runs on the machine belongs to no node.

use std::collections::{BTreeMap, VecDeque};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use apiserver::ResourceMetrics;
use apiserver::measure::{Measured, NodeUsage, PodUsage, Usage, Window};
use apiserver::streams::BoxFuture;
use jiff::Timestamp;
use kubelet::Kubelet;
use nix::sys::resource::{UsageWho, getrusage};
use tokio::sync::Mutex;

/// How long samples are kept.
const KEPT: Duration = Duration::from_secs(60);

/// Rates are taken over at least this, where samples reach back so far: shorter ones are noise.
const WINDOW: Duration = Duration::from_secs(10);

/// How far the two samples of a first answer are apart; also how long a sample is fresh.
const FIRST_WINDOW: Duration = Duration::from_secs(1);

/// Measures the nodes of this process.
#[derive(Default)]
pub(crate) struct Meter {
    kubelets: OnceLock<Vec<Kubelet>>,
    /// Held while measuring: whoever asks meanwhile gets the same samples.
    history: Mutex<History>,
}

impl Meter {
    /// Tells which nodes there are. Later calls change nothing.
    pub(crate) fn connect(&self, kubelets: &[Kubelet]) {
        let _ = self.kubelets.set(kubelets.to_vec());
    }

    async fn sample(&self) -> Sample {
        let kubelets = self.kubelets.get().map_or(&[][..], Vec::as_slice);
        let used = futures::future::join_all(kubelets.iter().map(Kubelet::usage)).await;
        let mut nodes = BTreeMap::new();
        for (number, (kubelet, pods)) in kubelets.iter().zip(used).enumerate() {
            let system = if number == 0 { own_usage() } else { Spent::default() };
            let pods = pods.into_iter().map(|pod| {
                let spent = |usage: container::Usage| Spent { cpu: usage.cpu_ns, memory: usage.memory_bytes };
                (pod.uid, pod.containers.into_iter().map(|(name, usage)| (name, spent(usage))).collect())
            });
            nodes.insert(kubelet.node_name().to_owned(), NodeSample { system, pods: pods.collect() });
        }
        Sample { at: Instant::now(), time: Timestamp::now(), nodes }
    }
}

impl ResourceMetrics for Meter {
    fn measure(&self) -> BoxFuture<'_, Measured> {
        Box::pin(async move {
            let mut history = self.history.lock().await;
            if !history.is_fresh(Instant::now()) {
                history.add(self.sample().await);
                if history.is_short() {
                    tokio::time::sleep(FIRST_WINDOW).await;
                    history.add(self.sample().await);
                }
            }
            history.measured()
        })
    }
}

/// What something has used since its start.
#[derive(Clone, Copy, Debug, Default)]
struct Spent {
    /// Nanoseconds.
    cpu: u64,
    /// Bytes, at present.
    memory: u64,
}

type Containers = BTreeMap<String, Spent>;

#[derive(Debug, Default)]
struct NodeSample {
    /// The cluster's own process.
    system: Spent,
    /// By uid.
    pods: BTreeMap<String, Containers>,
}

#[derive(Debug)]
struct Sample {
    at: Instant,
    time: Timestamp,
    nodes: BTreeMap<String, NodeSample>,
}

/// The samples of the last minute, the newest last.
#[derive(Debug, Default)]
struct History(VecDeque<Sample>);

impl History {
    fn is_fresh(&self, now: Instant) -> bool {
        !self.is_short() && self.0.back().is_some_and(|last| now.duration_since(last.at) < FIRST_WINDOW)
    }

    /// Tells whether there is nothing to take a rate from.
    fn is_short(&self) -> bool {
        self.0.len() < 2
    }

    fn add(&mut self, sample: Sample) {
        self.0.retain(|older| sample.at.duration_since(older.at) <= KEPT);
        self.0.push_back(sample);
    }

    /// Returns what the newest sample tells, compared with an earlier one each.
    fn measured(&self) -> Measured {
        let mut measured = Measured::default();
        let Some(last) = self.0.back() else { return measured };
        for (name, node) in &last.nodes {
            let mut used = Usage::default();
            for (uid, containers) in &node.pods {
                used.memory_bytes += containers.values().map(|spent| spent.memory).sum::<u64>();
                let before = |sample: &Sample| sample.nodes.get(name)?.pods.get(uid).cloned();
                if let Some(pod) = self.pod(last, containers, before) {
                    used.cpu_nanocores += pod.containers.values().map(|used| used.cpu_nanocores).sum::<u64>();
                    measured.pods.insert(uid.clone(), pod);
                }
            }
            let system = Containers::from([(String::new(), node.system)]);
            let before =
                |sample: &Sample| Some(Containers::from([(String::new(), sample.nodes.get(name)?.system)]));
            let Some(system) = self.pod(last, &system, before) else { continue };
            for part in system.containers.values() {
                used.cpu_nanocores += part.cpu_nanocores;
                used.memory_bytes += part.memory_bytes;
            }
            measured.nodes.insert(name.clone(), NodeUsage { window: system.window, used });
        }
        measured
    }

    /// Returns the rates of containers since the latest sample that is long enough ago, else since the first.
    /// One that knows not all of them, or knows them by an earlier start, is of no use.
    fn pod(
        &self,
        last: &Sample,
        containers: &Containers,
        before: impl Fn(&Sample) -> Option<Containers>,
    ) -> Option<PodUsage> {
        let mut base: Option<(Duration, Containers)> = None;
        for sample in self.0.iter().rev().skip(1) {
            let known = before(sample).filter(|known| is_continued(known, containers));
            let Some(known) = known else { break };
            let length = last.at.duration_since(sample.at);
            base = Some((length, known));
            if length >= WINDOW {
                break;
            }
        }
        let (length, known) = base?;
        let nanoseconds = length.as_nanos().max(1);
        let used = |(name, spent): (&String, &Spent)| {
            let since = u128::from(spent.cpu - known.get(name)?.cpu);
            let rate = since * u128::from(NANOCORES_PER_CORE) / nanoseconds;
            let cpu_nanocores = u64::try_from(rate).unwrap_or(u64::MAX);
            Some((name.clone(), Usage { cpu_nanocores, memory_bytes: spent.memory }))
        };
        let containers: BTreeMap<String, Usage> = containers.iter().filter_map(used).collect();
        let is_something = !containers.is_empty();
        is_something.then_some(PodUsage { window: Window { end: last.time, length }, containers })
    }
}

const NANOCORES_PER_CORE: u64 = 1_000_000_000;

/// Tells whether every container was there before and has not been started anew since.
fn is_continued(before: &Containers, now: &Containers) -> bool {
    now.iter().all(|(name, spent)| before.get(name).is_some_and(|known| known.cpu <= spent.cpu))
}

/// What the cluster's own process has used.
fn own_usage() -> Spent {
    let cpu = getrusage(UsageWho::RUSAGE_SELF).ok().and_then(|usage| {
        let [user, system] = [usage.user_time(), usage.system_time()];
        let microseconds = |time: nix::sys::time::TimeVal| time.tv_sec() * 1_000_000 + time.tv_usec();
        u64::try_from(microseconds(user) + microseconds(system)).ok()
    });
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kibibytes: Option<u64> = resident.and_then(|rest| rest.split_whitespace().next()?.parse().ok());
    Spent { cpu: cpu.unwrap_or(0) * 1000, memory: kibibytes.unwrap_or(0) * 1024 }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests panic where they fail")]
    use super::*;

    /// A sample at a second: CPU milliseconds of each container.
    fn sample(start: Instant, second: u64, system: u64, pods: &[(&str, &[(&str, u64)])]) -> Sample {
        let spent = |milliseconds: u64| Spent { cpu: milliseconds * 1_000_000, memory: 1 << 20 };
        let containers =
            |all: &[(&str, u64)]| all.iter().map(|(name, used)| ((*name).to_owned(), spent(*used))).collect();
        let pods = pods.iter().map(|(uid, all)| ((*uid).to_owned(), containers(all))).collect();
        let node = NodeSample { system: spent(system), pods };
        Sample {
            at: start + Duration::from_secs(second),
            time: Timestamp::UNIX_EPOCH,
            nodes: BTreeMap::from([("node".to_owned(), node)]),
        }
    }

    fn millicores(measured: &Measured, uid: &str) -> Option<(u64, u64)> {
        let pod = measured.pods.get(uid)?;
        let sum: u64 = pod.containers.values().map(|used| used.cpu_nanocores).sum();
        Some((sum / 1_000_000, pod.window.length.as_secs()))
    }

    #[test]
    fn rates_are_taken_since_the_latest_sample_long_enough_ago() {
        let (start, mut history) = (Instant::now(), History::default());
        history.add(sample(start, 0, 0, &[("a", &[("c", 0)])]));
        assert!(history.is_short());
        history.add(sample(start, 1, 100, &[("a", &[("c", 500)])]));
        assert_eq!(millicores(&history.measured(), "a"), Some((500, 1)));
        history.add(sample(start, 15, 100, &[("a", &[("c", 1900)]), ("b", &[("c", 7)])]));
        let measured = history.measured();
        assert_eq!(millicores(&measured, "a"), Some((100, 14)));
        assert_eq!(millicores(&measured, "b"), None, "seen once");
        let node = measured.nodes.get("node").unwrap();
        assert_eq!((node.used.cpu_nanocores, node.used.memory_bytes), (100_000_000, 3 << 20));
    }

    #[test]
    fn a_container_started_anew_is_measured_from_then_on() {
        let (start, mut history) = (Instant::now(), History::default());
        history.add(sample(start, 0, 0, &[("a", &[("c", 9000), ("d", 0)])]));
        history.add(sample(start, 12, 0, &[("a", &[("c", 10), ("d", 0)])]));
        assert_eq!(millicores(&history.measured(), "a"), None);
        history.add(sample(start, 24, 0, &[("a", &[("c", 1210), ("d", 0)])]));
        assert_eq!(millicores(&history.measured(), "a"), Some((100, 12)));
    }

    #[test]
    fn samples_of_long_ago_are_forgotten() {
        let (start, mut history) = (Instant::now(), History::default());
        history.add(sample(start, 0, 0, &[]));
        history.add(sample(start, 1, 0, &[]));
        history.add(sample(start, 90, 0, &[]));
        assert!(history.is_short());
    }
}
