//! What a helper does: a short-lived copy of the shim that lets `libcontainer` make one process.
//!
//! `libcontainer` changes the process it runs in (working folder, dumpability, out-of-memory
//! score), allocates, and waits. In a copy none of that touches the shim, which keeps pumping logs,
//! and a copy that hangs can be killed. The process it makes becomes the shim's child when the
//! helper ends, because the shim is a child subreaper.

use std::fs;
use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd, RawFd};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};

use libcontainer::container::builder::ContainerBuilder;
use libcontainer::error::LibcontainerError;
use libcontainer::syscall::syscall::SyscallType;
use nix::sys::signal::Signal;
use serde::{Deserialize, Serialize};

use super::executor::CommandExecutor;
use super::ids::Ids;
use super::oci::{self, Processes, Surroundings};
use super::pause;
use super::rootfs;
use super::server::Sandbox;
use super::trouble::{self, Trouble};
use crate::cgroup::{self, Layout};
use crate::paths::ContainerPaths;
use crate::wire::{Fault, FaultKind, chain};
use crate::{ContainerSpec, ExecSpec, sys};

/// How long a started program may take to be executed.
const EXEC_TIMEOUT_MS: u16 = 30_000;

/// The standard streams of a process that has no terminal.
pub(super) struct Streams {
    pub(super) stdin: OwnedFd,
    pub(super) stdout: OwnedFd,
    pub(super) stderr: OwnedFd,
}

impl Streams {
    /// Returns the descriptors a helper needs for them.
    pub(super) fn numbers(streams: Option<&Self>) -> Vec<RawFd> {
        let all = streams.into_iter().flat_map(|streams| [&streams.stdin, &streams.stdout, &streams.stderr]);
        all.map(AsRawFd::as_raw_fd).collect()
    }
}

/// The making of a container's first process.
pub(super) struct StartJob<'a> {
    pub(super) sandbox: &'a Sandbox,
    pub(super) spec: &'a ContainerSpec,
    pub(super) paths: &'a ContainerPaths,
    pub(super) cgroup: &'a str,
    pub(super) processes: Processes,
    /// `None` with a terminal.
    pub(super) streams: Option<Streams>,
}

/// The making of a command's process in a running container.
pub(super) struct ExecJob<'a> {
    pub(super) container: &'a ContainerSpec,
    pub(super) spec: &'a ExecSpec,
    pub(super) paths: &'a ContainerPaths,
    pub(super) layout: Option<&'a Layout>,
    /// Tells commands apart that start at the same time.
    pub(super) number: u64,
    /// `None` with a terminal.
    pub(super) streams: Option<Streams>,
}

/// What a helper tells the shim.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Report {
    pub(super) pid: i32,
    pub(super) notes: Vec<String>,
    /// What marks the container's processes, where containers share a process namespace.
    pub(super) mark: Option<u64>,
    pub(super) fault: Option<Fault>,
}

/// A process that was made, and its terminal.
pub(super) struct Made {
    pid: i32,
    notes: Vec<String>,
    mark: Option<u64>,
    terminal: Option<OwnedFd>,
}

/// Turns the outcome into what is sent to the shim.
pub(super) fn report(outcome: Result<Made, Fault>) -> (Report, Option<OwnedFd>) {
    match outcome {
        Ok(Made { pid, notes, mark, terminal }) => (Report { pid, notes, mark, fault: None }, terminal),
        Err(fault) => (Report { fault: Some(fault), ..Report::default() }, None),
    }
}

impl StartJob<'_> {
    pub(super) fn run(self) -> Result<Made, Fault> {
        become_ordinary(self.spec.resources.oom_score_adj.unwrap_or(0));
        let Sandbox { setup, layout, .. } = self.sandbox;
        let layout = layout.as_ref();
        rootfs::prepare(self.spec, self.paths, setup.rootless)?;
        if let Some(layout) = layout {
            layout.hide_unused();
        }
        let ids = Ids::read();
        let cgroup_points = cgroup::mount_points();
        let around = Surroundings {
            paths: self.paths,
            cgroup: self.cgroup,
            limits: setup.limits,
            processes: self.processes,
            host_ipc: setup.spec.host_ipc,
            rootless: setup.rootless,
            devices_are_limited: devices_are_limited(layout),
            cgroup_points: &cgroup_points,
            ids: &ids,
        };
        let configuration = oci::configuration(self.spec, &around);
        write(&self.paths.folder.join("config.json"), &configuration)?;

        let trouble = collect()?;
        let console = Console::listen_if(self.spec.tty, &self.paths.folder)?;
        let executor = oci::executor(self.spec, around.devices_are_limited);
        let builder = builder(&self.spec.id, &self.paths.state, self.streams, console.as_ref(), executor);
        let built = builder.and_then(|builder| {
            // The control groups are ours: systemd is not asked.
            builder.as_init(&self.paths.folder).with_systemd(false).with_detach(true).build()
        });
        let mut container = match built {
            Ok(container) => container,
            Err(error) => return Err(explain(trouble, &error)),
        };
        if let Some(layout) = layout.filter(|_| setup.limits) {
            layout.kill_group_on_oom(self.cgroup);
        }
        let pid = container.pid().map_or(0, nix_old_pid);
        // Read before the program runs, which may end at once and leave others behind.
        let mark = if self.processes == Processes::Own { None } else { pause::mark(pid) };
        if let Err(error) = container.start() {
            return Err(explain(trouble, &error));
        }
        let notes = ids.note(&self.spec.user).into_iter().collect();
        Ok(Made { notes, mark, ..finish(trouble, pid, console)? })
    }
}

impl ExecJob<'_> {
    pub(super) fn run(self) -> Result<Made, Fault> {
        become_ordinary(self.container.resources.oom_score_adj.unwrap_or(0));
        let folder = self.paths.folder.join(format!("exec-{}", self.number));
        let result = self.run_in(&folder);
        // What is left are sockets of no more use; a failure to remove them fails nobody.
        let _ = fs::remove_dir_all(&folder);
        result
    }

    /// `libcontainer` leaves files beside the state it finds, so each command gets a copy of it.
    fn run_in(self, folder: &Path) -> Result<Made, Fault> {
        let id = &self.container.id;
        let ids = Ids::read();
        let copy = || {
            fs::create_dir_all(folder.join(id))?;
            fs::copy(self.paths.state.join(id).join("state.json"), folder.join(id).join("state.json"))
        };
        copy().map_err(|error| Fault::container("cannot prepare the command", &error))?;
        let process = folder.join("process.json");
        let limited = devices_are_limited(self.layout);
        write(&process, &oci::exec_process(self.container, self.spec, &ids, limited))?;

        let trouble = collect()?;
        let console = Console::listen_if(self.spec.tty, folder)?;
        let executor = oci::executor(self.container, limited);
        let builder = builder(id, folder, self.streams, console.as_ref(), executor);
        let built = builder
            .and_then(|builder| builder.as_tenant().with_process(Some(&process)).with_detach(true).build());
        match built {
            Ok(pid) => finish(trouble, nix_old_pid(pid), console),
            Err(error) => Err(explain(trouble, &error)),
        }
    }
}

fn devices_are_limited(layout: Option<&Layout>) -> bool {
    layout.is_some_and(Layout::limits_devices)
}

/// Gives up what a shim has and a container's processes should not inherit.
fn become_ordinary(oom_score_adj: i32) {
    // None of these can stop a container: what is refused stays as it was.
    let _ = sys::reset_signals();
    let _ = nix::sys::prctl::set_pdeathsig(Signal::SIGKILL);
    let _ = nix::unistd::setgroups(&[]);
    let _ = fs::write("/proc/self/oom_score_adj", oom_score_adj.to_string());
}

fn collect() -> Result<Trouble, Fault> {
    trouble::collect().map_err(|error| Fault::container("cannot make a pipe", &error))
}

fn builder(
    id: &str,
    state: &Path,
    streams: Option<Streams>,
    console: Option<&Console>,
    executor: CommandExecutor,
) -> Result<ContainerBuilder, LibcontainerError> {
    let mut builder = ContainerBuilder::new(id.to_owned(), SyscallType::default())
        .with_executor(executor)
        .with_root_path(state)?
        .with_console_socket(console.map(|console| &console.path));
    if let Some(streams) = streams {
        builder = builder.with_stdin(streams.stdin).with_stdout(streams.stdout).with_stderr(streams.stderr);
    }
    Ok(builder)
}

fn finish(trouble: Trouble, pid: i32, console: Option<Console>) -> Result<Made, Fault> {
    let said = trouble.listen(EXEC_TIMEOUT_MS);
    if let Some(fault) = said.fault {
        return Err(fault);
    }
    let terminal = console.map(Console::receive).transpose();
    let terminal = terminal.map_err(|error| Fault::container("cannot get the terminal", &error))?;
    Ok(Made { pid, notes: Vec::new(), mark: None, terminal })
}

fn explain(trouble: Trouble, error: &LibcontainerError) -> Fault {
    let said = trouble.listen(0);
    said.fault.unwrap_or_else(|| {
        let summary = chain(error);
        let message = match said.logged {
            Some(detail) if !summary.contains(&detail) => format!("{summary}: {detail}"),
            _ => summary,
        };
        Fault::new(FaultKind::Container, message)
    })
}

fn write(path: &Path, content: &serde_json::Value) -> Result<(), Fault> {
    fs::write(path, content.to_string())
        .map_err(|error| Fault::container(&format!("cannot write `{}`", path.display()), &error))
}

/// `libcontainer` uses an older version of the same crate.
fn nix_old_pid(pid: impl Into<libc::pid_t>) -> i32 {
    pid.into()
}

/// The socket on which a terminal arrives from inside the container.
struct Console {
    listener: UnixListener,
    path: PathBuf,
}

impl Console {
    const NAME: &str = "console.sock";

    /// Listens in `folder`, which becomes the working folder: the path may be too long for a socket.
    fn listen_if(wanted: bool, folder: &Path) -> Result<Option<Self>, Fault> {
        if !wanted {
            return Ok(None);
        }
        let listen = || {
            std::env::set_current_dir(folder)?;
            UnixListener::bind(Self::NAME)
        };
        let listener: io::Result<_> = listen();
        listener
            .map(|listener| Some(Self { listener, path: folder.join(Self::NAME) }))
            .map_err(|error| Fault::container("cannot listen for the terminal", &error))
    }

    fn receive(self) -> io::Result<OwnedFd> {
        let (socket, _) = self.listener.accept()?;
        let mut descriptors = Vec::new();
        sys::receive(socket.as_fd(), &mut [0; 4096], &mut descriptors)?;
        descriptors.pop().ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "no terminal came"))
    }
}
