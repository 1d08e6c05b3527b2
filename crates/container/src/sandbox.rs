//! A sandbox as the main process sees it.

mod connection;
mod news;
pub(crate) mod socket;

use std::collections::BTreeMap;
use std::fmt;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpStream, UnixStream};
use tokio::sync::watch;
use tokio::task::spawn_blocking;

use connection::{Answer, Connection, Leaver, NoAnswer, converse};
use news::Life;
pub(crate) use news::News;

use crate::burial;
use crate::paths::{ContainerPaths, is_id};
use crate::record::Setup;
use crate::streams::{self, Control, Pipes};
use crate::wire::{Reply, Request};
use crate::{
    Attachment, ContainerExit, ContainerSpec, ContainerStatus, Error, Exec, ExecSpec, Resources, Started,
    Usage,
};

/// A sandbox. Cheap to clone; dropping it leaves the sandbox running.
#[derive(Debug, Clone)]
pub struct Sandbox(Arc<Inner>);

struct Inner {
    folder: PathBuf,
    setup: Setup,
    /// `None` if the shim was dead when it was looked for.
    connection: Option<Connection>,
    news: Arc<News>,
}

impl fmt::Debug for Inner {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Sandbox").field("id", &self.setup.spec.id).finish_non_exhaustive()
    }
}

/// How long a shim may take to say hello: it has made its namespaces by then.
const HELLO_TIMEOUT: Duration = Duration::from_secs(20);

/// How long a shim may take to see the end of everything it killed.
const DESTROY_TIMEOUT: Duration = Duration::from_secs(10);

impl Sandbox {
    /// Connects to the shim of the sandbox in `folder`.
    pub(crate) async fn connect(folder: PathBuf, setup: Setup) -> Result<Self, Error> {
        let gone = || Error::ShimGone(setup.spec.id.clone());
        let stream = socket::connect(&folder).map_err(|_| gone())?;
        stream.set_nonblocking(true).map_err(|_| gone())?;
        let news = News::new();
        let (connection, driver) =
            converse(UnixStream::from_std(stream).map_err(|_| gone())?, Arc::clone(&news));
        let (mourned_folder, mourned_setup, told) = (folder.clone(), setup.clone(), Arc::clone(&news));
        let sandbox = Self(Arc::new(Inner { folder, setup, connection: Some(connection), news }));
        let driven = tokio::spawn(driver.run());
        let hello = tokio::time::timeout(HELLO_TIMEOUT, sandbox.call("", Request::Hello, Vec::new())).await;
        match hello {
            Ok(Ok(_)) => {}
            Ok(Err(error)) => return Err(sandbox.refused(error)),
            Err(_) => {
                return Err(Error::ShimSilent { sandbox: sandbox.id().to_owned(), waited: HELLO_TIMEOUT });
            }
        }
        tokio::spawn(async move {
            match driven.await {
                Ok(Ok(Leaver::Us)) => return,
                Ok(Ok(Leaver::Shim)) | Err(_) => {}
                Ok(Err(error)) => {
                    tracing::warn!(sandbox = mourned_setup.spec.id, %error, "the shim is ended")
                }
            }
            mourn(mourned_folder, mourned_setup, &told).await;
        });
        Ok(sandbox)
    }

    /// Returns a sandbox whose shim is dead, having cleaned up after it.
    pub(crate) async fn lost(folder: PathBuf, setup: Setup) -> Self {
        let news = News::new();
        mourn(folder.clone(), setup.clone(), &news).await;
        Self(Arc::new(Inner { folder, setup, connection: None, news }))
    }

    /// What a shim says to hello is why it could not make the sandbox.
    fn refused(&self, error: Error) -> Error {
        match error {
            Error::Container { message } => Error::Setup { sandbox: self.id().to_owned(), message },
            other => other,
        }
    }

    /// Returns its id.
    pub fn id(&self) -> &str {
        &self.0.setup.spec.id
    }

    /// Returns the labels of its specification.
    pub fn labels(&self) -> &BTreeMap<String, String> {
        &self.0.setup.spec.labels
    }

    /// Returns whether its shim is alive. Once false it never becomes true again.
    pub fn is_alive(&self) -> bool {
        self.0.news.is_alive()
    }

    /// Starts a container; returns when its program runs. On failure nothing of it is left behind.
    ///
    /// # Errors
    /// [`Error::Command`] if the command is not there or cannot be executed, [`Error::Container`]
    /// for any other obstacle.
    pub async fn start(&self, spec: ContainerSpec) -> Result<Started, Error> {
        let id = spec.id.clone();
        let answer = self.call(&id, Request::Start { spec: Box::new(spec) }, Vec::new()).await?;
        match answer.reply {
            Reply::Started { started } => Ok(started),
            other => Err(self.unexpected(&other)),
        }
    }

    /// Returns all containers that were not removed, in the order of their starts.
    ///
    /// # Errors
    /// The shim does not answer. (If it is dead the containers are returned as exited.)
    pub async fn containers(&self) -> Result<Vec<ContainerStatus>, Error> {
        match self.call("", Request::List, Vec::new()).await {
            Ok(Answer { reply: Reply::Containers { containers }, .. }) => Ok(containers),
            Ok(answer) => Err(self.unexpected(&answer.reply)),
            Err(Error::ShimGone(_)) => {
                self.wait_for_the_end().await;
                Ok(self.0.news.lost())
            }
            Err(error) => Err(error),
        }
    }

    /// Returns the ends of containers: first those that happened already and were not removed,
    /// then each as it happens.
    pub fn exits(&self) -> Exits {
        let (arrivals, life) = (self.0.news.arrivals(), self.0.news.life());
        Exits { sandbox: self.clone(), arrivals, life, last: 0 }
    }

    /// Sends a signal to the first process of a container. Nothing happens if it has ended.
    ///
    /// # Errors
    /// No such container.
    pub async fn signal(&self, container_id: &str, signal: i32) -> Result<(), Error> {
        let request = Request::Signal { container: container_id.to_owned(), signal };
        match self.call(container_id, request, Vec::new()).await {
            Ok(_) | Err(Error::ShimGone(_)) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Removes a container with its writable layer, killing it if it runs. Logs stay. Removing one
    /// that does not exist succeeds.
    ///
    /// # Errors
    /// The shim does not answer, or a file could not be removed.
    pub async fn remove(&self, container_id: &str) -> Result<(), Error> {
        if !is_id(container_id) {
            return Err(Error::InvalidId(container_id.to_owned()));
        }
        let request = Request::Remove { container: container_id.to_owned() };
        match self.call(container_id, request, Vec::new()).await {
            Ok(_) => {}
            Err(Error::ShimGone(_)) => self.wait_for_the_end().await,
            Err(error) => return Err(error),
        }
        let paths = ContainerPaths::new(&self.0.folder, &self.0.setup.scratch, container_id);
        remove_folders(vec![paths.folder, paths.scratch]).await?;
        self.0.news.forget(container_id);
        Ok(())
    }

    /// Runs a command in a running container.
    ///
    /// # Errors
    /// [`Error::NotRunning`], [`Error::Command`].
    pub async fn exec(&self, container_id: &str, spec: ExecSpec) -> Result<Exec, Error> {
        let pipes = if spec.tty { Pipes::none() } else { Pipes::new(spec.stdin)? };
        let (stdin, size) = (spec.stdin, spec.size);
        let request = Request::Exec { container: container_id.to_owned(), spec };
        let answer = self.call(container_id, request, pipes.theirs).await?;
        let Reply::Exec { exec, pid } = answer.reply else { return Err(self.unexpected(&answer.reply)) };
        let control = Control { sandbox: self.clone(), exec, pid, end: self.0.news.command(exec) };
        streams::exec(control, pipes.ours, answer.descriptors, stdin, size)
    }

    /// Connects to the standard streams of a running container.
    ///
    /// # Errors
    /// [`Error::NotRunning`].
    pub async fn attach(&self, container_id: &str) -> Result<Attachment, Error> {
        let pipes = Pipes::new(false)?;
        let request = Request::Attach { container: container_id.to_owned() };
        let answer = self.call(container_id, request, pipes.theirs).await?;
        let Reply::Attached { tty, input } = answer.reply else {
            return Err(self.unexpected(&answer.reply));
        };
        streams::attachment(self.clone(), container_id, pipes.ours, answer.descriptors, (tty, input))
    }

    /// Connects to a port on the loopback of the sandbox's network namespace.
    ///
    /// # Errors
    /// Nothing listens there.
    pub async fn dial(&self, port: u16) -> Result<TcpStream, Error> {
        match self.dial_family(port, false).await {
            Ok(stream) => Ok(stream),
            Err(error @ Error::ShimGone(_)) => Err(error),
            Err(error) => self.dial_family(port, true).await.map_err(|_| error),
        }
    }

    async fn dial_family(&self, port: u16, ipv6: bool) -> Result<TcpStream, Error> {
        let refused = |source| Error::Dial { sandbox: self.id().to_owned(), port, source };
        let answer = self.call("", Request::Dial { port, ipv6 }, Vec::new()).await?;
        let socket = answer.descriptors.into_iter().next();
        let socket = socket.ok_or_else(|| self.unexpected(&answer.reply))?;
        let stream = TcpStream::from_std(std::net::TcpStream::from(socket)).map_err(refused)?;
        stream.writable().await.map_err(refused)?;
        match stream.take_error().map_err(refused)? {
            Some(error) => Err(refused(error)),
            None => Ok(stream),
        }
    }

    /// Gives a running container other limits of memory and CPU; its processes and its score for the kernel stay.
    ///
    /// # Errors
    /// [`Error::NotRunning`]; it uses more memory than it is to have; the kernel refuses the limits; the shim is of an
    /// older version, which could not do this. Some of the limits may be in force then.
    pub async fn limit(&self, container_id: &str, resources: Resources) -> Result<(), Error> {
        let request = Request::Limit { container: container_id.to_owned(), resources };
        self.call(container_id, request, Vec::new()).await.map(drop)
    }

    /// Returns what each running container uses, by container id.
    ///
    /// # Errors
    /// The shim does not answer.
    pub async fn usage(&self) -> Result<BTreeMap<String, Usage>, Error> {
        match self.call("", Request::Usage, Vec::new()).await?.reply {
            Reply::Usage { usage } => Ok(usage),
            other => Err(self.unexpected(&other)),
        }
    }

    /// Kills every process, removes every file but logs, and ends the shim. Destroying twice succeeds.
    ///
    /// # Errors
    /// A process or file could not be removed; what could be, was.
    pub async fn destroy(&self) -> Result<(), Error> {
        let done = match self.0.news.begin_the_end() {
            Life::Alive | Life::Ending => {
                let asked = self.call("", Request::Destroy, Vec::new());
                let answered = tokio::time::timeout(DESTROY_TIMEOUT, asked).await;
                matches!(answered, Ok(Ok(Answer { reply: Reply::Done, .. })))
            }
            Life::Lost | Life::Destroyed => true,
        };
        if !done {
            let (folder, setup) = (self.0.folder.clone(), self.0.setup.clone());
            // A panic there is not ours to hide from the log, and there is nothing else to do with it.
            let _ = spawn_blocking(move || burial::bury(&folder, &setup)).await;
        }
        let removed = remove_folders(vec![self.0.setup.scratch.clone(), self.0.folder.clone()]).await;
        self.0.news.destroy();
        removed
    }

    /// Asks the shim; a fault it answers with becomes an error about `container`.
    async fn call(
        &self,
        container: &str,
        request: Request,
        descriptors: Vec<OwnedFd>,
    ) -> Result<Answer, Error> {
        let gone = || Error::ShimGone(self.id().to_owned());
        let connection = self.0.connection.as_ref().ok_or_else(gone)?;
        let answer = connection.call(request, descriptors).await.map_err(|reason| match reason {
            NoAnswer::Gone => gone(),
            NoAnswer::Silent => {
                Error::ShimSilent { sandbox: self.id().to_owned(), waited: connection::TIMEOUT }
            }
        })?;
        match answer.reply {
            Reply::Fault { fault } => Err(fault.into_error(self.id(), container)),
            _ => Ok(answer),
        }
    }

    /// Returns the folder in which a container's own changes to its root file system are.
    #[must_use]
    pub fn writable_layer(&self, container_id: &str) -> PathBuf {
        ContainerPaths::new(&self.0.folder, &self.0.setup.scratch, container_id).scratch
    }

    /// Asks the shim and does not wait.
    pub(crate) fn tell(&self, request: Request) {
        if let Some(connection) = &self.0.connection {
            connection.tell(request);
        }
    }

    pub(crate) async fn signal_exec(&self, exec: u64, signal: i32) -> Result<(), Error> {
        self.call("", Request::SignalExec { exec, signal }, Vec::new()).await.map(drop)
    }

    pub(crate) fn forget_exec(&self, exec: u64) {
        self.0.news.forget_command(exec);
    }

    fn unexpected(&self, reply: &Reply) -> Error {
        Error::Unexpected { sandbox: self.id().to_owned(), reply: format!("{reply:?}") }
    }

    /// Waits until the remains of a dead shim are removed.
    async fn wait_for_the_end(&self) {
        // The sender lives as long as this sandbox.
        let _ = self.0.news.life().wait_for(|life| *life != Life::Alive).await;
    }
}

/// Cleans up after a shim that has left without being asked to.
async fn mourn(folder: PathBuf, setup: Setup, news: &News) {
    if news.is_ending() {
        return;
    }
    let buried = spawn_blocking(move || burial::bury(&folder, &setup)).await;
    news.lose(buried.unwrap_or_default());
}

async fn remove_folders(folders: Vec<PathBuf>) -> Result<(), Error> {
    // A panic there has been logged; the files are found again at the next adoption.
    spawn_blocking(move || burial::remove_folders(&folders)).await.unwrap_or(Ok(()))
}

/// The ends of a sandbox's containers, each reported once, but those of containers removed before
/// they were asked for.
#[derive(Debug)]
pub struct Exits {
    sandbox: Sandbox,
    arrivals: watch::Receiver<u64>,
    life: watch::Receiver<Life>,
    last: u64,
}

impl Exits {
    /// Returns the next end; `None` once the sandbox is destroyed. May be cancelled.
    pub async fn next(&mut self) -> Option<ContainerExit> {
        loop {
            if let Some((number, exit)) = self.sandbox.0.news.exit_after(self.last) {
                self.last = number;
                return Some(exit);
            }
            if *self.life.borrow_and_update() == Life::Destroyed {
                return None;
            }
            tokio::select! {
                changed = self.arrivals.changed() => changed.ok()?,
                changed = self.life.changed() => changed.ok()?,
            }
        }
    }
}
