//! What pods ask for and what nodes have.

use std::collections::BTreeMap;

use api::k8s::api::core::v1::{Container, Node, Pod};
use api::k8s::apimachinery::pkg::api::resource::Quantity;

/// Counted for a container that asks for no CPU or memory, in choosing among nodes (only there).
const ASSUMED_MILLI_CPU: i64 = 100;
const ASSUMED_MEMORY: i64 = 200 * 1024 * 1024;

/// Amounts of resources.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Resources {
    /// Thousandths of a CPU.
    pub milli_cpu: i64,
    /// Bytes of memory.
    pub memory: i64,
    /// All others by name: bytes, or pieces.
    pub others: BTreeMap<String, i64>,
}

impl Resources {
    /// Returns what a list of quantities comes to. What is no quantity counts as nothing.
    #[must_use]
    pub fn of(list: Option<&BTreeMap<String, Quantity>>) -> Self {
        let mut resources = Self::default();
        for (name, quantity) in list.into_iter().flatten() {
            let Ok(quantity) = quantity.0.parse::<api::quantity::Quantity>() else { continue };
            match name.as_str() {
                "cpu" => resources.milli_cpu = i64::try_from(quantity.milli()).unwrap_or(i64::MAX),
                "memory" => resources.memory = quantity.bytes(),
                _ => drop(resources.others.insert(name.clone(), quantity.bytes())),
            }
        }
        resources
    }

    /// Returns what a node can give to pods; `pods` among the others says to how many.
    #[must_use]
    pub fn allocatable(node: &Node) -> Self {
        let status = node.status.as_ref();
        let list = status.and_then(|status| status.allocatable.as_ref().or(status.capacity.as_ref()));
        Self::of(list)
    }

    /// Returns what a pod asks for.
    #[must_use]
    pub fn requested(pod: &Pod) -> Self {
        Self::sum_up(pod, &|container| {
            Self::of(container.resources.as_ref().and_then(|resources| resources.requests.as_ref()))
        })
    }

    /// Returns what a pod is likely to use: what it asks for, and something where it asks for nothing.
    #[must_use]
    pub fn expected(pod: &Pod) -> Self {
        Self::sum_up(pod, &|container| {
            let requests = container.resources.as_ref().and_then(|resources| resources.requests.as_ref());
            let asks = |name: &str| requests.is_some_and(|requests| requests.contains_key(name));
            let mut expected = Self::of(requests);
            if !asks("cpu") {
                expected.milli_cpu = ASSUMED_MILLI_CPU;
            }
            if !asks("memory") {
                expected.memory = ASSUMED_MEMORY;
            }
            expected
        })
    }

    /// Containers run together, init containers one after another, each beside the sidecars that
    /// were started before it.
    fn sum_up(pod: &Pod, of: &dyn Fn(&Container) -> Self) -> Self {
        let Some(spec) = &pod.spec else { return Self::default() };
        let mut sidecars = Self::default();
        let mut peak = Self::default();
        for container in spec.init_containers.iter().flatten() {
            let mut at_once = sidecars.clone();
            at_once.add(&of(container));
            peak.raise_to(&at_once);
            if container.restart_policy.as_deref() == Some("Always") {
                sidecars = at_once;
            }
        }
        let mut running = sidecars;
        spec.containers.iter().for_each(|container| running.add(&of(container)));
        peak.raise_to(&running);
        // Requests of the pod as a whole stand for those of its containers.
        if let Some(list) = spec.resources.as_ref().and_then(|resources| resources.requests.as_ref()) {
            let whole = Self::of(Some(list));
            if list.contains_key("cpu") {
                peak.milli_cpu = whole.milli_cpu;
            }
            if list.contains_key("memory") {
                peak.memory = whole.memory;
            }
        }
        peak.add(&Self::of(spec.overhead.as_ref()));
        peak
    }

    /// Adds.
    pub fn add(&mut self, more: &Self) {
        self.milli_cpu = self.milli_cpu.saturating_add(more.milli_cpu);
        self.memory = self.memory.saturating_add(more.memory);
        for (name, amount) in &more.others {
            let known = self.others.entry(name.clone()).or_insert(0);
            *known = known.saturating_add(*amount);
        }
    }

    /// Takes away.
    pub fn subtract(&mut self, less: &Self) {
        self.milli_cpu -= less.milli_cpu;
        self.memory -= less.memory;
        for (name, amount) in &less.others {
            *self.others.entry(name.clone()).or_insert(0) -= amount;
        }
    }

    fn raise_to(&mut self, other: &Self) {
        self.milli_cpu = self.milli_cpu.max(other.milli_cpu);
        self.memory = self.memory.max(other.memory);
        for (name, amount) in &other.others {
            let known = self.others.entry(name.clone()).or_insert(0);
            *known = (*known).max(*amount);
        }
    }

    /// Returns the amount of one resource; that of the CPU in thousandths.
    #[must_use]
    pub fn get(&self, name: &str) -> i64 {
        match name {
            "cpu" => self.milli_cpu,
            "memory" => self.memory,
            name => self.others.get(name).copied().unwrap_or(0),
        }
    }

    /// Returns the names of the resources of which there is any.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        let first = [("cpu", self.milli_cpu), ("memory", self.memory)];
        let others = self.others.iter().map(|(name, amount)| (name.as_str(), *amount));
        first.into_iter().chain(others).filter(|(_, amount)| *amount > 0).map(|(name, _)| name)
    }
}
