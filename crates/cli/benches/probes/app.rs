//! The application that is probed: it notes when it is asked, when the asker leaves, and when it is told to stop.

use std::convert::Infallible;
use std::io::Write;
use std::net::Ipv4Addr;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use http::{HeaderMap, HeaderValue, Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::{TcpListener, TcpStream};

/// Where it listens.
pub const PORT: u16 = 8000;

/// How often it answers; from then on it is silent.
pub const ANSWERS: usize = 5;

const NOTES: &str = "/notes/notes";

/// What happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Noted {
    /// The program has begun.
    Begun,
    /// Somebody asked.
    Asked,
    /// Somebody who was not answered has left.
    Left,
    /// SIGTERM came.
    Told,
}

fn note(noted: Noted) {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs_f64();
    let mut file = std::fs::File::options().create(true).append(true).open(NOTES).unwrap();
    writeln!(file, "{now:.6} {noted:?}").unwrap();
}

/// All that was noted, by the application and by commands that were run in its container.
pub fn notes() -> String {
    let files = std::fs::read_dir(Path::new(NOTES).parent().unwrap()).unwrap().flatten();
    files.map(|file| std::fs::read_to_string(file.path()).unwrap()).collect()
}

/// Reads a line of it.
pub fn parse(line: &str) -> Option<(f64, Noted)> {
    let (at, noted) = line.split_once(' ')?;
    let all = [Noted::Begun, Noted::Asked, Noted::Left, Noted::Told];
    let noted = all.into_iter().find(|one| format!("{one:?}") == noted)?;
    Some((at.parse().ok()?, noted))
}

/// Notes that somebody asked; returns whether he is to be answered.
fn answers() -> bool {
    static COUNT: AtomicUsize = AtomicUsize::new(0);
    note(Noted::Asked);
    COUNT.fetch_add(1, Ordering::Relaxed) < ANSWERS
}

/// Notes, when dropped, that the asker has left.
struct Asker;

impl Drop for Asker {
    fn drop(&mut self) {
        note(Noted::Left);
    }
}

async fn never<T>() -> T {
    let _asker = Asker;
    std::future::pending().await
}

/// Runs in a container; answers in one way until it is told to stop, and then waits to be killed.
pub fn serve(way: &str) {
    note(Noted::Begun);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let mut told = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()).unwrap();
        let way = way.to_owned();
        tokio::spawn(async move { listen(&way).await });
        told.recv().await;
        note(Noted::Told);
        // Whoever reads the notes needs a container to do it in.
        told.recv().await;
    });
}

async fn listen(way: &str) {
    let listener = TcpListener::bind((Ipv4Addr::UNSPECIFIED, PORT)).await.unwrap();
    while let Ok((stream, _)) = listener.accept().await {
        match way {
            "http" => drop(tokio::spawn(http(stream))),
            "grpc" => drop(tokio::spawn(grpc(stream))),
            "tcp" => {
                // Silence is no way to fail here: the kernel makes the connection. A closed port is.
                answers();
                let asked = notes().lines().filter(|line| line.ends_with("Asked")).count();
                if asked >= ANSWERS {
                    return;
                }
            }
            _ => {}
        }
    }
}

async fn http(stream: TcpStream) {
    let answer = |_: Request<Incoming>| async {
        if !answers() {
            return never().await;
        }
        Ok::<_, Infallible>(Response::new(Full::new(Bytes::from_static(b"ok"))))
    };
    let server = hyper::server::conn::http1::Builder::new();
    server.serve_connection(TokioIo::new(stream), service_fn(answer)).await.ok();
}

async fn grpc(stream: TcpStream) {
    let answer = |_: Request<Incoming>| async {
        if !answers() {
            return never().await;
        }
        let trailers = HeaderMap::from_iter([(
            http::HeaderName::from_static("grpc-status"),
            HeaderValue::from_static("0"),
        )]);
        // A frame with the message `status: SERVING`.
        let body = Full::new(Bytes::from_static(&[0, 0, 0, 0, 2, 8, 1]));
        let body = body.with_trailers(std::future::ready(Some(Ok(trailers))));
        let response = Response::builder().header("content-type", "application/grpc").body(body);
        Ok::<_, Infallible>(response.unwrap())
    };
    let server = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
    server.serve_connection(TokioIo::new(stream), service_fn(answer)).await.ok();
}

/// The command of the exec probe: succeeds some times, and then lasts until it is killed. It cannot note its end, so
/// it notes all the time that it is there.
pub fn asked() {
    let before = notes().lines().filter(|line| line.ends_with("Asked")).count();
    note(Noted::Asked);
    if before < ANSWERS {
        return;
    }
    let child = std::process::id();
    let place = format!("/notes/alive-{child}");
    loop {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs_f64();
        std::fs::write(&place, format!("{now:.6} Left\n")).unwrap();
        std::thread::sleep(Duration::from_millis(2));
    }
}
