//! Other limits for a group whose processes run.

use std::fs;
use std::io;
use std::path::Path;

use super::Layout;
use crate::Resources;

/// The period in which CPU time is counted, in microseconds: Kubernetes' own. The kernel refuses less than a
/// millisecond of it.
pub(crate) const CPU_PERIOD_US: u64 = 100_000;
const LEAST_QUOTA_US: u64 = 1000;

/// The shares of a group that wants none, the least the kernel has.
const LEAST_SHARES: u64 = 2;

/// Returns the CPU time in microseconds that a limit allows in each period.
pub(crate) fn cpu_quota_us(milli: u64) -> u64 {
    (milli * CPU_PERIOD_US / 1000).max(LEAST_QUOTA_US)
}

impl Layout {
    /// Gives the group `path` other limits of memory and CPU. Memory that is in use already is refused as a limit:
    /// the kernel would kill for it.
    pub(crate) fn change_limits(&self, path: &str, resources: &Resources) -> io::Result<()> {
        self.change_memory(path, resources.memory_bytes)?;
        let Some(folder) = self.folder("cpu", path) else { return Ok(()) };
        let quota = resources.cpu_quota_milli.map(cpu_quota_us);
        let shares = resources.cpu_shares.unwrap_or(LEAST_SHARES).max(LEAST_SHARES);
        match self {
            Self::Unified => {
                let quota = quota.map_or("max".to_owned(), |quota| quota.to_string());
                write(&folder, "cpu.max", &format!("{quota} {CPU_PERIOD_US}"))?;
                write(&folder, "cpu.weight", &weight(shares).to_string())
            }
            Self::Legacy(_) => {
                let quota = quota.map_or("-1".to_owned(), |quota| quota.to_string());
                write(&folder, "cpu.cfs_period_us", &CPU_PERIOD_US.to_string())?;
                write(&folder, "cpu.cfs_quota_us", &quota)?;
                write(&folder, "cpu.shares", &shares.to_string())
            }
        }
    }

    fn change_memory(&self, path: &str, limit: Option<u64>) -> io::Result<()> {
        let Some(folder) = self.folder("memory", path) else { return Ok(()) };
        let used = self.usage(path).map_or(0, |usage| usage.memory_bytes);
        if let Some(limit) = limit.filter(|limit| *limit < used) {
            let message = format!("the memory limit of {limit} bytes is below the {used} bytes in use");
            return Err(io::Error::new(io::ErrorKind::ResourceBusy, message));
        }
        let number = limit.map(|limit| limit.to_string());
        match self {
            Self::Unified => write(&folder, "memory.max", number.as_deref().unwrap_or("max")),
            Self::Legacy(_) => {
                let value = number.as_deref().unwrap_or("-1");
                let (memory, both) = ("memory.limit_in_bytes", "memory.memsw.limit_in_bytes");
                if !folder.join(both).exists() {
                    return write(&folder, memory, value);
                }
                // Memory alone may never exceed memory and swap: which comes first depends on the direction.
                let second = write(&folder, both, value);
                write(&folder, memory, value)?;
                second.or_else(|_| write(&folder, both, value))
            }
        }
    }
}

fn write(folder: &Path, file: &str, value: &str) -> io::Result<()> {
    fs::write(folder.join(file), value)
        .map_err(|error| io::Error::new(error.kind(), format!("`{file}` refuses `{value}`: {error}")))
}

/// Turns shares of version 1 into the weight of version 2 (1..=10000), as container runtimes do: what has 1024 of one
/// has 100 of the other, and both ends meet.
fn weight(shares: u64) -> u64 {
    const LARGEST: u64 = 262_144;
    match shares {
        ..=LEAST_SHARES => 1,
        LARGEST.. => 10_000,
        #[expect(
            clippy::cast_precision_loss,
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a positive number below 2^18, and a result below 10^4"
        )]
        shares => {
            let power = (shares as f64).log2();
            let exponent = (power * power + 125.0 * power) / 612.0 - 7.0 / 34.0;
            (10_f64.powf(exponent).ceil() as u64).clamp(1, 10_000)
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::path::PathBuf;

    use super::*;

    #[test]
    fn weights_are_those_of_other_runtimes() {
        let weights = [0, 2, 102, 1024, 2048, 262_144, u64::MAX].map(weight);
        assert_eq!(weights, [1, 1, 17, 100, 174, 10_000, 10_000]);
    }

    #[test]
    fn version_1_gets_new_limits_in_its_own_files() {
        let folder = tempfile::tempdir().unwrap();
        let point = |name: &str| (name.to_owned(), folder.path().join(name));
        let layout = Layout::Legacy(BTreeMap::from(["cpu", "memory"].map(point)));
        let group = |controller: &str| -> PathBuf { folder.path().join(controller).join("a/b") };
        for controller in ["cpu", "memory"] {
            fs::create_dir_all(group(controller)).unwrap();
        }
        let read = |controller: &str, file: &str| fs::read_to_string(group(controller).join(file)).unwrap();
        let mut resources = Resources {
            memory_bytes: Some(1 << 20),
            cpu_quota_milli: Some(250),
            cpu_shares: Some(256),
            ..Resources::default()
        };
        layout.change_limits("/a/b", &resources).unwrap();
        assert_eq!(read("memory", "memory.limit_in_bytes"), "1048576");
        assert_eq!(
            (read("cpu", "cpu.cfs_quota_us"), read("cpu", "cpu.shares")),
            ("25000".into(), "256".into())
        );
        resources = Resources::default();
        layout.change_limits("/a/b", &resources).unwrap();
        assert_eq!(read("memory", "memory.limit_in_bytes"), "-1");
        assert_eq!((read("cpu", "cpu.cfs_quota_us"), read("cpu", "cpu.shares")), ("-1".into(), "2".into()));
    }
}
