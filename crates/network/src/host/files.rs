//! What the host's `resolv.conf` and `hosts` say, followed as they change (a laptop moves about).

use std::{
    fs,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    path::Path,
    time::{Duration, Instant, SystemTime},
};

/// How long an answer stands before the file's time is looked at again.
const FRESH: Duration = Duration::from_secs(1);

const RESOLV_CONF: &str = "/etc/resolv.conf";

#[derive(Debug, Default)]
pub(super) struct HostFiles {
    checked: Option<Instant>,
    modified: Option<SystemTime>,
    resolvers: Vec<SocketAddr>,
}

impl HostFiles {
    pub(super) fn resolvers(&mut self) -> Vec<SocketAddr> {
        if self.checked.is_none_or(|at| at.elapsed() > FRESH) {
            let modified = fs::metadata(RESOLV_CONF).and_then(|data| data.modified()).ok();
            if self.checked.is_none() || modified != self.modified {
                self.resolvers = name_servers(&fs::read_to_string(RESOLV_CONF).unwrap_or_default());
                self.modified = modified;
            }
            self.checked = Some(Instant::now());
        }
        self.resolvers.clone()
    }
}

/// Finds the addresses that the host's `hosts` file gives a name.
pub(super) fn hosts_entry(name: &str) -> Vec<IpAddr> {
    parse_hosts(&fs::read_to_string(Path::new("/etc/hosts")).unwrap_or_default(), name)
}

/// Reads `resolv.conf(5)`. Without a name server the local one is meant.
fn name_servers(text: &str) -> Vec<SocketAddr> {
    let mut found: Vec<SocketAddr> = text
        .lines()
        .filter_map(|line| {
            let mut words = line.split_whitespace();
            (words.next() == Some("nameserver")).then_some(())?;
            // A zone (`fe80::1%eth0`) is a matter of a link's number, which may change.
            let address: IpAddr = words.next()?.parse().ok()?;
            Some(SocketAddr::new(address, 53))
        })
        .collect();
    if found.is_empty() {
        found.push(SocketAddr::new(Ipv4Addr::LOCALHOST.into(), 53));
    }
    found
}

/// Reads `hosts(5)`.
fn parse_hosts(text: &str, name: &str) -> Vec<IpAddr> {
    text.lines()
        .filter_map(|line| {
            let line = line.split('#').next()?;
            let mut words = line.split_whitespace();
            let address = words.next()?.parse().ok()?;
            words.any(|word| word.eq_ignore_ascii_case(name)).then_some(address)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn name_servers_are_read_in_order() {
        let text =
            "# nameserver 9.9.9.9\nsearch lan\nnameserver 10.0.0.1 \nnameserver\tfd00::1\nnameserver bad\n";
        let expected: Vec<SocketAddr> = ["10.0.0.1:53", "[fd00::1]:53"].map(|a| a.parse().unwrap()).into();
        assert_eq!(name_servers(text), expected);
        assert_eq!(name_servers("options edns0"), ["127.0.0.1:53".parse().unwrap()]);
    }

    #[test]
    fn hosts_are_found_by_any_of_their_names() {
        let text = "127.0.0.1 localhost # not: other\n10.0.0.7\tRegistry.lan registry\n::1 localhost\n";
        assert_eq!(parse_hosts(text, "registry"), ["10.0.0.7".parse::<IpAddr>().unwrap()]);
        assert_eq!(parse_hosts(text, "LOCALHOST").len(), 2);
        assert!(parse_hosts(text, "other").is_empty());
    }
}
