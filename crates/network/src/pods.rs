//! One network namespace, link and route for each pod.
//!
//! A pod's `eth0` is one end of a pair of links; the other end stays in the cluster's network. No
//! bridge: every packet passes the cluster's routing and rules, replies too. The pod knows one
//! neighbour, the gateway 169.254.1.1, whose hardware address is fixed, so nobody ever asks for one.
//!
//! Files: `netns/<id>` pins the namespace, `addresses/<id>` holds its address. The second is written
//! last: without it an attachment is unfinished, and is undone at the next start or attempt.

mod link;
mod records;

pub(crate) use link::GATEWAY;

use std::{
    io,
    net::Ipv4Addr,
    path::PathBuf,
    sync::{Arc, Mutex},
};

use crate::{
    netlink::route,
    pods::{link::Link, records::Records},
};

/// The addresses of the cluster.
#[derive(Debug, Clone)]
pub struct Config {
    /// The nodes' addresses; the first is the main process's own.
    pub node_addresses: Vec<Ipv4Addr>,
    /// The run-time folder, [`RUN_DIRECTORY`](crate::machine::RUN_DIRECTORY).
    pub run_directory: PathBuf,
}

/// A range of addresses, such as 10.244.0.0/16.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Range {
    /// The first address.
    pub address: Ipv4Addr,
    /// The number of fixed leading bits.
    pub prefix: u8,
}

impl Range {
    /// Makes the range of `prefix` fixed bits that starts at `address`.
    pub const fn new(address: Ipv4Addr, prefix: u8) -> Self {
        Self { address, prefix }
    }

    /// Says whether `address` lies in the range.
    pub fn contains(&self, address: Ipv4Addr) -> bool {
        address.to_bits() & self.mask() == self.address.to_bits() & self.mask()
    }

    pub(crate) fn mask(&self) -> u32 {
        u32::MAX.checked_shl(32_u32.saturating_sub(u32::from(self.prefix))).unwrap_or(0)
    }
}

/// Why a pod's network could not be made or removed.
#[derive(Debug, thiserror::Error)]
pub enum PodNetworkError {
    /// The id cannot be a file's name.
    #[error("`{id}` cannot name a pod's network: it must be a plain file name")]
    Id {
        /// The id.
        id: String,
    },
    /// The kernel refused a step.
    #[error("failed to {act} for `{id}`")]
    Pod {
        /// What was tried.
        act: &'static str,
        /// The pod.
        id: String,
        /// The kernel's answer.
        #[source]
        source: io::Error,
    },
    /// The kernel refused something that is not for one pod.
    #[error("failed to {act}")]
    Network {
        /// What was tried.
        act: &'static str,
        /// The kernel's answer.
        #[source]
        source: io::Error,
    },
}

/// The pods' links. Cheap to clone.
#[derive(Debug, Clone)]
pub struct PodNetwork {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    node_address: Ipv4Addr,
    records: Records,
    /// A namespace made ahead of need: making one takes longer than all the rest.
    spare: Mutex<Option<link::Namespace>>,
}

impl PodNetwork {
    /// Prepares the network of the nodes; what an earlier main process attached stays, what it left
    /// half-made is removed. Must run in the cluster's namespaces.
    ///
    /// # Errors
    /// When the kernel refuses a step.
    pub async fn start(config: Config) -> Result<Self, PodNetworkError> {
        crate::blocking(move || Self::start_now(&config)).await
    }

    /// Gives the pod a network namespace with `address` and returns the file that pins it. Attaching
    /// again with the same address changes nothing, with another makes the pod's network anew.
    /// Takes about a millisecond. Not undone when cancelled: [`PodNetwork::detach`] does.
    ///
    /// # Errors
    /// When the kernel refuses a step; nothing is left then.
    pub async fn attach(&self, id: &str, address: Ipv4Addr) -> Result<PathBuf, PodNetworkError> {
        let (inner, id) = (self.inner.clone(), checked(id)?);
        let path = crate::blocking(move || inner.attach(&id, address)).await?;
        let inner = self.inner.clone();
        tokio::task::spawn_blocking(move || inner.prepare_spare());
        Ok(path)
    }

    /// Removes the pod's namespace and link; processes still in it lose their connection. Removing what
    /// is not there is no error.
    ///
    /// # Errors
    /// When the kernel refuses a step; can be tried again.
    pub async fn detach(&self, id: &str) -> Result<(), PodNetworkError> {
        let (inner, id) = (self.inner.clone(), checked(id)?);
        crate::blocking(move || inner.detach(&id)).await
    }

    /// Lists what is attached, also by an earlier main process.
    ///
    /// # Errors
    /// When the records cannot be read.
    pub async fn list(&self) -> Result<Vec<(String, Ipv4Addr)>, PodNetworkError> {
        let inner = self.inner.clone();
        let list = crate::blocking(move || inner.records.list()).await;
        list.map_err(|source| PodNetworkError::Network { act: "list the pods' networks", source })
    }

    fn start_now(config: &Config) -> Result<Self, PodNetworkError> {
        let fail = |act: &'static str| move |source| PodNetworkError::Network { act, source };
        let node_address = *config.node_addresses.first().unwrap_or(&Ipv4Addr::LOCALHOST);
        let mut socket = route::open().map_err(fail("open a route socket"))?;
        let messages: Vec<_> = config
            .node_addresses
            .iter()
            .map(|address| route::new_address(route::LOOPBACK, *address))
            .collect();
        socket.transact(&messages).map_err(|e| fail("give the nodes their addresses")(e.error))?;
        let records =
            Records::open(&config.run_directory).map_err(fail("create the folders of the pods' networks"))?;
        let inner = Inner { node_address, records, spare: Mutex::default() };
        for id in inner.records.unfinished().map_err(fail("list the pods' networks"))? {
            inner.detach(&id)?;
        }
        inner.prepare_spare();
        Ok(Self { inner: Arc::new(inner) })
    }
}

impl Inner {
    fn attach(&self, id: &str, address: Ipv4Addr) -> Result<PathBuf, PodNetworkError> {
        let fail = |act: &'static str| {
            let id = id.to_owned();
            move |source| PodNetworkError::Pod { act, id, source }
        };
        let pin = self.records.pin(id);
        let recorded = self.records.address(id);
        if recorded == Some(address) && records::is_pinned(&pin) && Link::of(address).exists() {
            return Ok(pin);
        }
        // A leftover of an unfinished attempt, or another address.
        self.detach(id)?;
        let namespace = match self.take_spare() {
            Some(spare) => spare,
            None => link::Namespace::create().map_err(fail("create a network namespace"))?,
        };
        self.records.pin_namespace(id, &namespace).map_err(fail("pin the network namespace"))?;
        let linked = Link::of(address).create(&namespace, self.node_address);
        let recorded = linked.and_then(|()| self.records.record(id, address));
        if let Err(source) = recorded {
            Link::of(address).delete().ok();
            self.records.remove(id).ok();
            return Err(fail("create the link")(source));
        }
        Ok(pin)
    }

    fn detach(&self, id: &str) -> Result<(), PodNetworkError> {
        let fail = |act: &'static str| {
            let id = id.to_owned();
            move |source| PodNetworkError::Pod { act, id, source }
        };
        if let Some(address) = self.records.address(id) {
            Link::of(address).cut().map_err(fail("cut the link"))?;
        }
        self.records.remove(id).map_err(fail("unpin the network namespace"))
    }

    fn take_spare(&self) -> Option<link::Namespace> {
        crate::lock(&self.spare).take()
    }

    fn prepare_spare(&self) {
        if crate::lock(&self.spare).is_some() {
            return;
        }
        match link::Namespace::create() {
            Ok(namespace) => *crate::lock(&self.spare) = Some(namespace),
            Err(error) => tracing::debug!(%error, "no network namespace made ahead"),
        }
    }
}

fn checked(id: &str) -> Result<String, PodNetworkError> {
    let plain = !id.is_empty() && id.len() < 200 && !id.starts_with('.') && !id.contains(['/', '\0']);
    if plain { Ok(id.to_owned()) } else { Err(PodNetworkError::Id { id: id.to_owned() }) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_contains_what_shares_its_leading_bits() {
        let range = Range::new(Ipv4Addr::new(10, 96, 0, 0), 16);
        assert!(range.contains(Ipv4Addr::new(10, 96, 255, 1)));
        assert!(!range.contains(Ipv4Addr::new(10, 97, 0, 0)));
        assert!(Range::new(Ipv4Addr::UNSPECIFIED, 0).contains(Ipv4Addr::BROADCAST));
        assert!(!Range::new(Ipv4Addr::LOCALHOST, 32).contains(Ipv4Addr::UNSPECIFIED));
    }

    #[test]
    fn an_id_that_is_no_file_name_is_refused() {
        for id in ["", ".", "..", "a/b", "../x", ".hidden", "a\0"] {
            assert!(checked(id).is_err(), "{id:?}");
        }
        assert!(checked("3f2a-web_0").is_ok());
    }
}
