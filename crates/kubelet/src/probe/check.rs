//! One check of one container.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use k8s_openapi::api::core::v1::{Container, HTTPHeader, Probe};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;

use super::{Outcome, grpc, http};

/// How much of a command's output is told in an event.
const OUTPUT_LIMIT: u64 = 10 * 1024;

/// What a probe asks.
#[derive(Debug, Clone)]
pub(crate) enum Target {
    Http(HttpTarget),
    Tcp(SocketAddr),
    Exec(Vec<String>),
    Grpc {
        address: SocketAddr,
        service: String,
    },
    /// A port name the container does not have, or no handler at all.
    Nothing(String),
}

/// Where a request of a probe or a hook goes.
#[derive(Debug, Clone)]
pub(crate) struct HttpTarget {
    pub(crate) address: SocketAddr,
    pub(crate) is_https: bool,
    pub(crate) host: String,
    pub(crate) path: String,
    pub(crate) headers: Vec<(String, String)>,
}

/// Asks one target of one container run.
pub(crate) struct Checker {
    pub(crate) target: Target,
    pub(crate) sandbox: container::Sandbox,
    pub(crate) container_id: String,
}

impl Target {
    /// Returns what a probe of a container of the pod at `address` asks.
    pub(crate) fn of(probe: &Probe, container: &Container, address: IpAddr) -> Self {
        if let Some(action) = &probe.exec {
            return Self::Exec(action.command.clone().unwrap_or_default());
        }
        if let Some(action) = &probe.http_get {
            return match http_target(action, container, address) {
                Ok(target) => Self::Http(target),
                Err(message) => Self::Nothing(message),
            };
        }
        if let Some(action) = &probe.tcp_socket {
            let host = action.host.as_deref().and_then(|host| host.parse().ok()).unwrap_or(address);
            return match port(&action.port, container) {
                Ok(port) => Self::Tcp(SocketAddr::new(host, port)),
                Err(message) => Self::Nothing(message),
            };
        }
        if let Some(action) = &probe.grpc {
            let port = u16::try_from(action.port).unwrap_or_default();
            let service = action.service.clone().unwrap_or_default();
            return Self::Grpc { address: SocketAddr::new(address, port), service };
        }
        Self::Nothing("missing probe handler".to_owned())
    }
}

/// Returns where an HTTP request of a probe or a hook goes.
pub(crate) fn http_target(
    action: &k8s_openapi::api::core::v1::HTTPGetAction,
    container: &Container,
    address: IpAddr,
) -> Result<HttpTarget, String> {
    let port = port(&action.port, container)?;
    let host = action.host.as_deref().filter(|host| !host.is_empty());
    let address = SocketAddr::new(host.and_then(|host| host.parse().ok()).unwrap_or(address), port);
    let headers = action.http_headers.iter().flatten();
    let own = headers.map(|HTTPHeader { name, value }| (name.clone(), value.clone())).collect();
    let path = action.path.clone().unwrap_or_default();
    let path = if path.starts_with('/') { path } else { format!("/{path}") };
    let is_https = action.scheme.as_deref().is_some_and(|scheme| scheme.eq_ignore_ascii_case("https"));
    let host = host.map_or_else(|| address.to_string(), |host| format!("{host}:{port}"));
    Ok(HttpTarget { address, is_https, host, path, headers: own })
}

fn port(port: &IntOrString, container: &Container) -> Result<u16, String> {
    let number = match port {
        IntOrString::Int(number) => u16::try_from(*number).ok(),
        IntOrString::String(name) => container
            .ports
            .iter()
            .flatten()
            .find(|port| port.name.as_deref() == Some(name))
            .and_then(|port| u16::try_from(port.container_port).ok())
            .or_else(|| name.parse().ok()),
    };
    number.filter(|port| *port > 0).ok_or_else(|| match port {
        IntOrString::Int(number) => format!("invalid port number: {number}"),
        IntOrString::String(name) => format!("couldn't find port {name} in container {}", container.name),
    })
}

impl Checker {
    /// Asks once.
    pub(crate) async fn check(&self, timeout: Duration) -> Outcome {
        match &self.target {
            Target::Http(target) => http::check(target, timeout).await,
            Target::Tcp(address) => tcp(*address, timeout).await,
            Target::Exec(command) => self.exec(command, timeout).await,
            Target::Grpc { address, service } => grpc::check(*address, service, timeout).await,
            Target::Nothing(message) => Outcome::Failure(message.clone()),
        }
    }

    async fn exec(&self, command: &[String], timeout: Duration) -> Outcome {
        match run_command(&self.sandbox, &self.container_id, command, Some(timeout)).await {
            Ok(Some((0, _))) => Outcome::Success,
            Ok(Some((_, output))) => Outcome::Failure(output),
            Ok(None) => {
                Outcome::Failure(format!("command timed out: {command:?} timed out after {timeout:?}"))
            }
            Err(error) => Outcome::Failure(error.to_string()),
        }
    }
}

/// Runs a command in a container; returns its exit code and the beginning of what it wrote. One
/// that takes longer than `limit` is killed, so that hanging probes do not pile up, and `None` is
/// returned.
pub(crate) async fn run_command(
    sandbox: &container::Sandbox,
    container_id: &str,
    command: &[String],
    limit: Option<Duration>,
) -> Result<Option<(i32, String)>, container::Error> {
    let spec = container::ExecSpec { args: command.to_vec(), ..container::ExecSpec::default() };
    let mut exec = sandbox.exec(container_id, spec).await?;
    let (stdout, stderr) = (exec.stdout.take(), exec.stderr.take());
    let ended = async { tokio::join!(read(stdout), read(stderr), exec.wait()) };
    let ended = match limit {
        Some(limit) => tokio::time::timeout(limit, ended).await.ok(),
        None => Some(ended.await),
    };
    let Some((mut output, errors, code)) = ended else {
        exec.signal(nix::libc::SIGKILL).await?;
        return Ok(None);
    };
    output.extend(errors);
    Ok(Some((code?.code, String::from_utf8_lossy(&output).into_owned())))
}

/// Reads to the end, so that the command never blocks, and keeps the beginning.
async fn read(stream: Option<container::Reader>) -> Vec<u8> {
    let Some(mut stream) = stream else { return Vec::new() };
    let mut kept = Vec::new();
    let _ = (&mut stream).take(OUTPUT_LIMIT).read_to_end(&mut kept).await;
    let _ = tokio::io::copy(&mut stream, &mut tokio::io::sink()).await;
    kept
}

async fn tcp(address: SocketAddr, timeout: Duration) -> Outcome {
    match connect(address, timeout).await {
        Ok(_) => Outcome::Success,
        Err(outcome) => outcome,
    }
}

/// Connects, or says in the words Kubernetes' users know why not.
pub(super) async fn connect(address: SocketAddr, timeout: Duration) -> Result<TcpStream, Outcome> {
    match tokio::time::timeout(timeout, TcpStream::connect(address)).await {
        Ok(Ok(stream)) => Ok(stream),
        Ok(Err(error)) if error.kind() == io::ErrorKind::ConnectionRefused => {
            Err(Outcome::Refused(format!("dial tcp {address}: connect: connection refused")))
        }
        Ok(Err(error)) => Err(Outcome::Failure(format!("dial tcp {address}: {error}"))),
        Err(_) => Err(Outcome::Failure(format!("dial tcp {address}: i/o timeout"))),
    }
}
