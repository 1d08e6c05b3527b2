//! A sandbox as the main process sees it.

use std::collections::BTreeMap;

use tokio::net::TcpStream;

use crate::{
    Attachment, ContainerExit, ContainerSpec, ContainerStatus, Error, Exec, ExecSpec, Started, Usage,
};

/// A sandbox. Cheap to clone; dropping it leaves the sandbox running.
#[derive(Debug, Clone)]
pub struct Sandbox {}

impl Sandbox {
    /// Returns its id.
    pub fn id(&self) -> &str {
        unimplemented!()
    }

    /// Returns the labels of its specification.
    pub fn labels(&self) -> &BTreeMap<String, String> {
        unimplemented!()
    }

    /// Returns whether its shim is alive. Once false it never becomes true again.
    pub fn is_alive(&self) -> bool {
        unimplemented!()
    }

    /// Starts a container; returns when its program runs. On failure nothing of it is left behind.
    ///
    /// # Errors
    /// [`Error::Command`] if the command is not there or cannot be executed, [`Error::Container`]
    /// for any other obstacle.
    pub async fn start(&self, spec: ContainerSpec) -> Result<Started, Error> {
        let _ = spec;
        unimplemented!()
    }

    /// Returns all containers that were not removed, in the order of their starts.
    ///
    /// # Errors
    /// The shim does not answer. (If it is dead the containers are returned as exited.)
    pub async fn containers(&self) -> Result<Vec<ContainerStatus>, Error> {
        unimplemented!()
    }

    /// Returns the ends of containers: first those that happened already and were not removed,
    /// then each as it happens.
    pub fn exits(&self) -> Exits {
        unimplemented!()
    }

    /// Sends a signal to the first process of a container. Nothing happens if it has ended.
    ///
    /// # Errors
    /// No such container.
    pub async fn signal(&self, container_id: &str, signal: i32) -> Result<(), Error> {
        let _ = (container_id, signal);
        unimplemented!()
    }

    /// Removes a container with its writable layer, killing it if it runs. Logs stay. Removing one
    /// that does not exist succeeds.
    ///
    /// # Errors
    /// The shim does not answer, or a file could not be removed.
    pub async fn remove(&self, container_id: &str) -> Result<(), Error> {
        let _ = container_id;
        unimplemented!()
    }

    /// Runs a command in a running container.
    ///
    /// # Errors
    /// [`Error::NotRunning`], [`Error::Command`].
    pub async fn exec(&self, container_id: &str, spec: ExecSpec) -> Result<Exec, Error> {
        let _ = (container_id, spec);
        unimplemented!()
    }

    /// Connects to the standard streams of a running container.
    ///
    /// # Errors
    /// [`Error::NotRunning`].
    pub async fn attach(&self, container_id: &str) -> Result<Attachment, Error> {
        let _ = container_id;
        unimplemented!()
    }

    /// Connects to a port on the loopback of the sandbox's network namespace.
    ///
    /// # Errors
    /// Nothing listens there.
    pub async fn dial(&self, port: u16) -> Result<TcpStream, Error> {
        let _ = port;
        unimplemented!()
    }

    /// Returns what each running container uses, by container id.
    ///
    /// # Errors
    /// The shim does not answer.
    pub async fn usage(&self) -> Result<BTreeMap<String, Usage>, Error> {
        unimplemented!()
    }

    /// Kills every process, undoes every mount, removes every file but logs, and ends the shim.
    /// Destroying twice succeeds.
    ///
    /// # Errors
    /// A process, mount or file could not be removed; what could be, was.
    pub async fn destroy(&self) -> Result<(), Error> {
        unimplemented!()
    }
}

/// The ends of a sandbox's containers, each reported once.
#[derive(Debug)]
pub struct Exits {}

impl Exits {
    /// Returns the next end; `None` once the sandbox is destroyed. May be cancelled.
    pub async fn next(&mut self) -> Option<ContainerExit> {
        unimplemented!()
    }
}
