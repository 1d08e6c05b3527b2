//! Logs, exec, attach and port-forward: from the API server to the kubelet that holds the pod.

use std::collections::BTreeMap;
use std::io;
use std::pin::Pin;
use std::sync::OnceLock;

use apiserver::NodeStreams;
use apiserver::streams::{
    BoxFuture, ByteStream, Duplex, ExecOptions, LogOptions, PodRef, Process, StreamError, TerminalSize,
};
use container::ExecSpec;
use kubelet::Kubelet;
use kubelet::logs;
use tokio::sync::mpsc;

/// Sizes of a terminal that wait to be set; people resize slowly.
const RESIZE_QUEUE: usize = 8;

/// The kubelets of this process, known once they are built: they need the API first.
#[derive(Default)]
pub(crate) struct Streams {
    kubelets: OnceLock<BTreeMap<String, Kubelet>>,
}

impl Streams {
    /// Tells where pods are. Later calls change nothing.
    pub(crate) fn connect(&self, kubelets: &[Kubelet]) {
        let by_name =
            kubelets.iter().map(|kubelet| (kubelet.node_name().to_owned(), kubelet.clone())).collect();
        let _ = self.kubelets.set(by_name);
    }

    fn kubelet(&self, node: &str) -> Result<&Kubelet, StreamError> {
        let known = self.kubelets.get().and_then(|kubelets| kubelets.get(node));
        known.ok_or_else(|| StreamError::NotFound(format!("node \"{node}\" is not part of this cluster")))
    }
}

impl NodeStreams for Streams {
    fn logs(&self, pod: PodRef, options: LogOptions) -> BoxFuture<'_, Result<ByteStream, StreamError>> {
        Box::pin(async move {
            let kubelet = self.kubelet(&pod.node)?;
            let wanted = logs::Options {
                follow: options.follow,
                previous: options.previous,
                timestamps: options.timestamps,
                since: options.since,
                tail_lines: options.tail_lines,
                limit_bytes: options.limit_bytes,
                stream: options.stream.as_deref().and_then(stream),
            };
            let chunks = kubelet.logs(&pod.uid, &options.container, wanted).await.map_err(refused)?;
            Ok(chunks as ByteStream)
        })
    }

    fn exec(&self, pod: PodRef, options: ExecOptions) -> BoxFuture<'_, Result<Process, StreamError>> {
        Box::pin(async move {
            let spec = ExecSpec {
                args: options.command,
                stdin: options.stdin,
                tty: options.tty,
                ..ExecSpec::default()
            };
            let exec = self.kubelet(&pod.node)?.exec(&pod.uid, &options.container, spec).await;
            let mut exec = exec.map_err(refused)?;
            let (resize, mut sizes) = mpsc::channel::<TerminalSize>(RESIZE_QUEUE);
            Ok(Process {
                stdin: exec.stdin.take().map(|stdin| Box::pin(stdin) as _),
                stdout: exec.stdout.take().map(|stdout| Box::pin(stdout) as _),
                stderr: exec.stderr.take().map(|stderr| Box::pin(stderr) as _),
                resize: options.tty.then_some(resize),
                exit: Box::pin(async move {
                    let ended = loop {
                        tokio::select! {
                            ended = exec.wait() => break ended,
                            Some(size) = sizes.recv() => exec.resize(size.width, size.height),
                        }
                    };
                    ended.map(|code| code.code).map_err(failed)
                }),
            })
        })
    }

    fn attach(&self, pod: PodRef, options: ExecOptions) -> BoxFuture<'_, Result<Process, StreamError>> {
        Box::pin(async move {
            let kubelet = self.kubelet(&pod.node)?.clone();
            let mut attached = kubelet.attach(&pod.uid, &options.container).await.map_err(refused)?;
            let (resize, mut sizes) = mpsc::channel::<TerminalSize>(RESIZE_QUEUE);
            Ok(Process {
                stdin: attached.stdin.take().filter(|_| options.stdin).map(|stdin| Box::pin(stdin) as _),
                stdout: attached.stdout.take().map(|stdout| Box::pin(stdout) as _),
                stderr: attached.stderr.take().map(|stderr| Box::pin(stderr) as _),
                resize: options.tty.then_some(resize),
                exit: Box::pin(async move {
                    let mut ended = std::pin::pin!(kubelet.ended(&pod.uid, &options.container));
                    loop {
                        tokio::select! {
                            // How the container ended is told by the pod's status, not by those who watched.
                            _ = &mut ended => return Ok(0),
                            Some(size) = sizes.recv() => attached.resize(size.width, size.height),
                        }
                    }
                }),
            })
        })
    }

    fn port_forward(
        &self,
        pod: PodRef,
        port: u16,
    ) -> BoxFuture<'_, Result<Pin<Box<dyn Duplex>>, StreamError>> {
        Box::pin(async move {
            let stream = self.kubelet(&pod.node)?.port_forward(&pod.uid, port).await.map_err(refused)?;
            Ok(Box::pin(stream) as Pin<Box<dyn Duplex>>)
        })
    }
}

fn stream(name: &str) -> Option<logs::Stream> {
    match name {
        "Stdout" => Some(logs::Stream::Stdout),
        "Stderr" => Some(logs::Stream::Stderr),
        _ => None,
    }
}

/// The kubelet's refusals in the API server's terms.
fn refused(error: kubelet::StreamError) -> StreamError {
    use kubelet::StreamError as Kubelet;
    match error {
        Kubelet::NoPod(_) | Kubelet::NoContainer(_) | Kubelet::NoPrevious { .. } => {
            StreamError::NotFound(error.to_string())
        }
        Kubelet::Waiting { .. } | Kubelet::NotRunning(_) => StreamError::Refused(error.to_string()),
        Kubelet::Runtime(container::Error::Command { .. }) => StreamError::NotStarted(error.to_string()),
        Kubelet::Runtime(source) => failed(source),
        Kubelet::Log { source, .. } => {
            StreamError::Failed { message: "failed to read the log".to_owned(), source }
        }
    }
}

fn failed(error: container::Error) -> StreamError {
    StreamError::Failed { message: error.to_string(), source: io::Error::other(error) }
}
