//! What each node offers to pods.

use std::str::FromStr;

use anyhow::{Context, Result};
use api::quantity::Quantity;

use crate::advice::Advice;
use crate::settings::Settings;

/// CPU and memory of one node, and what one container may have of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Capacity {
    /// Thousandths of a core.
    pub(crate) cpu_milli: u64,
    /// Bytes.
    pub(crate) memory_bytes: u64,
    /// Processes and threads of one container.
    pub(crate) pids: u64,
}

impl Capacity {
    /// What the settings say, else what the machine has. Each node offers all of it: the nodes of one machine
    /// share its cores, and a test of three nodes should not need three machines.
    pub(crate) fn of_each_node(settings: &Settings) -> Result<Self> {
        Ok(Self {
            cpu_milli: match &settings.node_cpu {
                Some(text) => quantity(text, "node-cpu", "`2` or `500m`", |quantity| quantity.milli())?,
                None => std::thread::available_parallelism().map_or(1, usize::from) as u64 * 1000,
            },
            memory_bytes: match &settings.node_memory {
                Some(text) => {
                    quantity(text, "node-memory", "`4Gi`", |quantity| i128::from(quantity.bytes()))?
                }
                None => machine_memory()?,
            },
            pids: settings.pids_limit,
        })
    }
}

fn quantity(text: &str, flag: &str, example: &str, value: impl Fn(&Quantity) -> i128) -> Result<u64> {
    let refused = || {
        Advice::error(format!("`{text}` is no quantity for `--{flag}`"), format!("use one such as {example}"))
    };
    let quantity = Quantity::from_str(text).map_err(|_| refused())?;
    u64::try_from(value(&quantity)).ok().filter(|value| *value > 0).ok_or_else(refused)
}

fn machine_memory() -> Result<u64> {
    let text = std::fs::read_to_string("/proc/meminfo").context("failed to read `/proc/meminfo`")?;
    let line = text.lines().find_map(|line| line.strip_prefix("MemTotal:"));
    let kibibytes =
        line.and_then(|line| line.split_whitespace().next()).and_then(|number| number.parse::<u64>().ok());
    kibibytes.map(|number| number * 1024).context("`/proc/meminfo` does not tell the machine's memory")
}
