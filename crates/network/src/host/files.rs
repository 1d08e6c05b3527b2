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
    searched: Searched,
}

impl HostFiles {
    pub(super) fn resolvers(&mut self) -> Vec<SocketAddr> {
        self.refresh();
        self.resolvers.clone()
    }

    /// Lists the names that a name may stand for, in the order in which they are tried.
    pub(super) fn candidates(&mut self, name: &str) -> Vec<String> {
        self.refresh();
        self.searched.candidates(name)
    }

    fn refresh(&mut self) {
        if self.checked.is_none_or(|at| at.elapsed() > FRESH) {
            let modified = fs::metadata(RESOLV_CONF).and_then(|data| data.modified()).ok();
            if self.checked.is_none() || modified != self.modified {
                let text = fs::read_to_string(RESOLV_CONF).unwrap_or_default();
                self.resolvers = name_servers(&text);
                self.searched = Searched::read(&text);
                self.modified = modified;
            }
            self.checked = Some(Instant::now());
        }
    }
}

/// Where names that are not whole are looked for.
#[derive(Debug, Default, PartialEq, Eq)]
struct Searched {
    domains: Vec<String>,
    /// A name with so many dots is tried as it is first.
    dots: usize,
}

impl Searched {
    /// Reads `resolv.conf(5)`: of several lists the last one counts.
    fn read(text: &str) -> Self {
        let mut searched = Self { domains: Vec::new(), dots: 1 };
        for line in text.lines() {
            let mut words = line.split_whitespace();
            match words.next() {
                Some("search" | "domain") => searched.domains = words.map(str::to_owned).collect(),
                Some("options") => {
                    let dots = words.filter_map(|word| word.strip_prefix("ndots:")?.parse().ok()).next_back();
                    searched.dots = dots.unwrap_or(searched.dots);
                }
                Some(_) | None => {}
            }
        }
        searched
    }

    fn candidates(&self, name: &str) -> Vec<String> {
        if name.ends_with('.') {
            return vec![name.to_owned()];
        }
        let mut names: Vec<String> =
            self.domains.iter().map(|domain| format!("{name}.{}", domain.trim_end_matches('.'))).collect();
        let place = if name.matches('.').count() >= self.dots { 0 } else { names.len() };
        names.insert(place, name.to_owned());
        names
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
    fn a_name_is_searched_in_the_domains_unless_it_has_dots_enough() {
        let text = "search old\nsearch default.svc.cluster.local svc.cluster.local.\noptions edns0 ndots:2\n";
        let searched = Searched::read(text);
        let web = ["web.default.svc.cluster.local", "web.svc.cluster.local", "web"];
        assert_eq!(searched.candidates("web"), web);
        assert_eq!(searched.candidates("a.b.c")[0], "a.b.c");
        assert_eq!(searched.candidates("web."), ["web."]);
        assert_eq!(Searched::read("").candidates("web"), ["web"]);
    }

    #[test]
    fn hosts_are_found_by_any_of_their_names() {
        let text = "127.0.0.1 localhost # not: other\n10.0.0.7\tRegistry.lan registry\n::1 localhost\n";
        assert_eq!(parse_hosts(text, "registry"), ["10.0.0.7".parse::<IpAddr>().unwrap()]);
        assert_eq!(parse_hosts(text, "LOCALHOST").len(), 2);
        assert!(parse_hosts(text, "other").is_empty());
    }
}
