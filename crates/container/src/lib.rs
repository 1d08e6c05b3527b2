//! Runs isolated processes from root file systems made of layers, in sandboxes that outlive the
//! process that asked for them.
//!
//! A *sandbox* is what Kubernetes calls a pod: a network namespace given by the caller, a host
//! name and an IPC namespace shared by every container in it. Each sandbox has one *shim*: this
//! same executable started again as `__shim`, single-threaded, which starts the containers
//! (through `libcontainer`), is the parent of their processes, writes their logs, keeps their exit
//! codes, and answers on a unix socket. The main process may be killed or replaced by a newer one
//! at any instant; [`Runtime::adopt`] finds the shims again.
//!
//! Modules in reading order:
//! - `spec`: what to run, plain data;
//! - `status`: what became of it, plain data;
//! - `error`: why something could not be done;
//! - `user`: names of users looked up in an image's own `/etc/passwd`;
//! - `wire`, `record`, `paths`: what main process and shim tell each other, by socket and by file;
//! - `runtime`, `sandbox`, `streams`: the asynchronous side, used by the main process;
//! - `enforcement`: which limits the kernel can hold; `burial`: cleaning up after a dead shim;
//! - [`shim`]: the synchronous side, the program that runs as `__shim`;
//! - [`mounts`]: file systems mounted beforehand, for containers to share;
//! - `cgroup`, `overlay`, `process`, `sys`: what both sides ask of the kernel.
//!
//! It never: knows what a pod, an image reference or an API is; calls `libcontainer` outside a
//! shim; creates network namespaces or links; prints.
//!
//! Files it writes, below [`Config::run_dir`], one folder per sandbox: `sandbox.json` (the
//! specification), `state.json` (containers and their processes, for cleaning up after a killed
//! shim), `shim.sock`, `shim.log`, `shm/` (the sandbox's `/dev/shm`) and `containers/<id>/` (bundle
//! and mount points); writable layers below [`Config::scratch_dir`]; logs, rotated to `path.1`,
//! `path.2`, …, and termination messages where a [`ContainerSpec`] says.

mod burial;
mod cgroup;
mod enforcement;
mod error;
pub mod mounts;
mod overlay;
mod paths;
mod process;
mod record;
mod runtime;
mod sandbox;
pub mod shim;
mod spec;
mod status;
mod streams;
mod sys;
mod user;
mod wire;

pub use error::Error;
pub use runtime::{Config, Runtime};
pub use sandbox::{Exits, Sandbox};
pub use spec::{
    Capabilities, ContainerSpec, ExecSpec, LogLimits, Mount, MountKind, Propagation, Resources, SandboxSpec,
    SystemCalls, User,
};
pub use status::{
    ContainerExit, ContainerState, ContainerStatus, Enforcement, ExitCode, Method, Started, Usage,
};
pub use streams::{Attachment, Exec, Reader, Writer};
pub use user::LookupError;
