//! A node whose containers echo what they are sent.

use std::{io, pin::Pin};

use apiserver::{
    NodeStreams,
    streams::{BoxFuture, ByteStream, Duplex, ExecOptions, LogOptions, PodRef, Process, StreamError},
};
use bytes::Bytes;
use futures::{StreamExt, stream};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    sync::mpsc,
};

/// Answers logs with two lines, `exec cat` with its input, other commands with their words, and
/// port-forwards with an echo, or with HTTP on port 8080.
pub(crate) struct Echo;

impl NodeStreams for Echo {
    fn logs(&self, pod: PodRef, options: LogOptions) -> BoxFuture<'_, Result<ByteStream, StreamError>> {
        Box::pin(async move {
            let lines = vec![
                Ok(Bytes::from(format!("log of {}/{}\n", pod.name, options.container))),
                Ok::<_, io::Error>(Bytes::from_static(b"second line\n")),
            ];
            let first = stream::iter(lines);
            if options.follow { Ok(first.chain(stream::pending()).boxed()) } else { Ok(first.boxed()) }
        })
    }

    fn exec(&self, _pod: PodRef, options: ExecOptions) -> BoxFuture<'_, Result<Process, StreamError>> {
        Box::pin(async move {
            if options.command.first().is_some_and(|command| command == "missing") {
                return Err(StreamError::NotStarted("no such program: missing".to_owned()));
            }
            Ok(process(options))
        })
    }

    fn attach(&self, _pod: PodRef, options: ExecOptions) -> BoxFuture<'_, Result<Process, StreamError>> {
        Box::pin(async move { Ok(process(ExecOptions { command: vec!["cat".to_owned()], ..options })) })
    }

    fn port_forward(
        &self,
        _pod: PodRef,
        port: u16,
    ) -> BoxFuture<'_, Result<Pin<Box<dyn Duplex>>, StreamError>> {
        Box::pin(async move {
            if port == 1 {
                return Err(StreamError::Refused("connection refused on port 1".to_owned()));
            }
            let (near, far) = tokio::io::duplex(64 << 10);
            if port == 8080 {
                tokio::spawn(answer_http(far));
                return Ok(Box::pin(near) as Pin<Box<dyn Duplex>>);
            }
            tokio::spawn(async move {
                let (mut read, mut write) = tokio::io::split(far);
                let _ = tokio::io::copy(&mut read, &mut write).await;
                let _ = write.shutdown().await;
            });
            Ok(Box::pin(near) as Pin<Box<dyn Duplex>>)
        })
    }
}

/// Answers one request with its first line and whether it proves who asks.
async fn answer_http(mut connection: tokio::io::DuplexStream) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        match connection.read_u8().await {
            Ok(byte) => head.push(byte),
            Err(_) => return,
        }
    }
    let text = String::from_utf8_lossy(&head).to_ascii_lowercase();
    let first = String::from_utf8_lossy(&head).lines().next().unwrap_or_default().to_owned();
    let body = format!("{first}, authorized: {}", text.contains("authorization:"));
    let answer = format!("HTTP/1.1 418 I'm a teapot\r\ncontent-length: {}\r\n\r\n{body}", body.len());
    let _ = connection.write_all(answer.as_bytes()).await;
}

fn process(options: ExecOptions) -> Process {
    let (stdin, mut input) = tokio::io::duplex(64 << 10);
    let (stdout, mut output) = tokio::io::duplex(64 << 10);
    let (stderr, mut errors) = tokio::io::duplex(64 << 10);
    let (resize, mut sizes) = mpsc::channel(4);
    let wants_stdin = options.stdin;
    let (wants_stdout, wants_stderr, tty) = (options.stdout, options.stderr, options.tty);
    let exit = tokio::spawn(async move {
        match options.command.first().map(String::as_str) {
            Some("cat") => {
                let _ = tokio::io::copy(&mut input, &mut output).await;
                0
            }
            Some("size") => {
                let size = sizes.recv().await;
                let text = size.map_or_else(String::new, |size: apiserver::streams::TerminalSize| {
                    format!("{}x{}\n", size.width, size.height)
                });
                let _ = output.write_all(text.as_bytes()).await;
                0
            }
            Some("fail") => {
                let _ = errors.write_all(b"it failed\n").await;
                7
            }
            Some("flood") => {
                for _ in 0..1024 {
                    let _ = output.write_all(&[b'x'; 4096]).await;
                }
                0
            }
            _ => {
                let mut rest = Vec::new();
                if options.stdin {
                    let _ = input.read_to_end(&mut rest).await;
                }
                let _ = output.write_all(options.command.join(" ").as_bytes()).await;
                let _ = output.write_all(b"\n").await;
                0
            }
        }
    });
    Process {
        stdin: wants_stdin.then(|| Box::pin(stdin) as _),
        stdout: wants_stdout.then(|| Box::pin(stdout) as _),
        stderr: (wants_stderr && !tty).then(|| Box::pin(stderr) as _),
        resize: tty.then_some(resize),
        exit: Box::pin(async move { Ok(exit.await.unwrap_or(137)) }),
    }
}
