//! How a process becomes the shim of a sandbox.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io;
use std::os::fd::{IntoRawFd, OwnedFd};
use std::os::unix::fs::DirBuilderExt;
use std::os::unix::net::UnixListener;
use std::path::{Component, Path};

use nix::sched::{CloneFlags, setns, unshare};
use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use nix::sys::stat::{Mode, umask};
use nix::unistd::Pid;

use super::pause;
use super::server::{Sandbox, Server};
use crate::cgroup::Layout;
use crate::record::Setup;
use crate::wire::{Fault, Reply, Request};
use crate::{SandboxSpec, sys};

/// Serves the sandbox in `folder` until it is destroyed.
pub(super) fn serve(folder: &Path) -> io::Result<()> {
    let listener = detach()?;
    match sandbox(folder) {
        Ok(Made { setup, children, pause }) => {
            listener.set_nonblocking(true)?;
            let mut server = Server {
                sandbox: Sandbox { folder: folder.to_owned(), setup, layout: Layout::detect(), pause },
                listener,
                children,
                clients: BTreeMap::new(),
                containers: BTreeMap::new(),
                executions: BTreeMap::new(),
                unclaimed: BTreeMap::new(),
                strays: false,
                destroyers: Vec::new(),
                next_number: 0,
                next_watch: None,
            };
            server.run()
        }
        Err(fault) => refuse(&listener, fault),
    }
}

/// Cuts the ties to the main process, so that its end does not touch this one.
fn detach() -> io::Result<UnixListener> {
    // A leader of its own session gets no signal from a terminal. It fails only if it is one already.
    let _ = nix::unistd::setsid();
    let inherited = sys::inherited(0);
    let listener = UnixListener::from(inherited.try_clone()?);
    // Number 0 is not closed but replaced, so that no other file ever gets it.
    let _ = inherited.into_raw_fd();
    nix::unistd::dup2_stdin(File::open("/dev/null")?)?;
    std::env::set_current_dir("/")?;
    umask(Mode::from_bits_truncate(0o022));
    let _ = nix::sys::prctl::set_name(c"pinnace-shim");
    Ok(listener)
}

/// What a shim starts with.
struct Made {
    setup: Setup,
    children: SignalFd,
    pause: Option<Pid>,
}

/// Makes the sandbox: this process lives in its namespaces, and everything it starts inherits them.
fn sandbox(folder: &Path) -> Result<Made, Fault> {
    let setup =
        Setup::load(folder).map_err(|error| Fault::container("cannot read what sandbox to make", &error))?;
    let spec = &setup.spec;
    if let Some(path) = &spec.network_namespace {
        File::open(path).and_then(|file| Ok(setns(OwnedFd::from(file), CloneFlags::CLONE_NEWNET)?)).map_err(
            |error| {
                Fault::container(&format!("cannot enter the network namespace `{}`", path.display()), &error)
            },
        )?;
    }
    let ipc = if spec.host_ipc { CloneFlags::empty() } else { CloneFlags::CLONE_NEWIPC };
    unshare(CloneFlags::CLONE_NEWUTS | ipc)
        .map_err(|errno| Fault::container("cannot make namespaces", &errno))?;
    if !spec.hostname.is_empty() {
        nix::unistd::sethostname(&spec.hostname).map_err(|errno| {
            Fault::container(&format!("cannot set the host name `{}`", spec.hostname), &errno)
        })?;
    }
    set_parameters(spec)?;
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o1777)
        .create(folder.join("shm"))
        .and_then(|()| {
            fs::set_permissions(folder.join("shm"), std::os::unix::fs::PermissionsExt::from_mode(0o1777))
        })
        .map_err(|error| Fault::container("cannot make the shared memory folder", &error))?;
    // The last to go when memory runs out; refused to ordinary users, who live with the risk.
    let _ = fs::write("/proc/self/oom_score_adj", "-999");
    let children = watch_children().map_err(|error| Fault::container("cannot watch processes", &error))?;
    let pause = if setup.spec.share_processes { Some(pause::start()) } else { None };
    let pause =
        pause.transpose().map_err(|error| Fault::container("cannot make a process namespace", &error))?;
    Ok(Made { setup, children, pause })
}

fn set_parameters(spec: &SandboxSpec) -> Result<(), Fault> {
    for (name, value) in &spec.sysctls {
        let path = name.replace('.', "/");
        let plain = Path::new(&path).components().all(|part| matches!(part, Component::Normal(_)));
        let result = if plain {
            fs::write(Path::new("/proc/sys").join(&path), value)
        } else {
            Err(io::ErrorKind::InvalidInput.into())
        };
        result.map_err(|error| {
            Fault::container(&format!("cannot set the kernel parameter `{name}` to `{value}`"), &error)
        })?;
    }
    Ok(())
}

/// Becomes the parent of every orphan of the sandbox, and hears of the end of each child through a
/// descriptor. Signals that mean the main process are not heard at all.
fn watch_children() -> io::Result<SignalFd> {
    nix::sys::prctl::set_child_subreaper(true)?;
    let mut blocked = SigSet::empty();
    blocked.extend([Signal::SIGCHLD, Signal::SIGTERM, Signal::SIGINT, Signal::SIGHUP, Signal::SIGQUIT]);
    blocked.thread_block()?;
    let mut children = SigSet::empty();
    children.add(Signal::SIGCHLD);
    Ok(SignalFd::with_flags(&children, SfdFlags::SFD_NONBLOCK | SfdFlags::SFD_CLOEXEC)?)
}

/// Tells the first who asks why there is no sandbox.
fn refuse(listener: &UnixListener, fault: Fault) -> io::Result<()> {
    let (socket, _) = listener.accept()?;
    let mut client = super::client::Client::new(socket)?;
    sys::set_blocking(client.socket())?;
    let request = loop {
        if let Some((envelope, _)) = client.inbox.next::<Request>()? {
            break envelope.id;
        }
        if !client.read()? {
            return Ok(());
        }
    };
    client.send(request, &Reply::Fault { fault }, Vec::new())
}
