//! Measures the ingress proxy, or any other HTTP/1.1 proxy, on this machine.
//!
//!     ingress_load app PORT                          an application that answers at once
//!     ingress_load proxy PORT APP_PORT...            our proxy before applications
//!     ingress_load load PORT CONNECTIONS SECONDS [fresh]
//!
//! `fresh` opens a connection for each request. See docs/benchmarks.md for figures and for the nginx
//! configuration they are compared with.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a measuring tool ends at the first fault and prints what it measured"
)]

use std::{
    convert::Infallible,
    net::{Ipv4Addr, SocketAddr, TcpListener as StdListener},
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use http::{Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::{body::Incoming, service::service_fn};
use hyper_util::rt::TokioIo;
use network::ingress::{Config, Host, IngressProxy, PathType, Route, Routes, Treatment};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

const BODY: &str = r#"{"text": "a joke of ordinary length, in some words", "joker": "None"}"#;

#[tokio::main]
async fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let number = |n: usize| arguments[n].parse::<u16>().unwrap();
    match arguments[0].as_str() {
        "app" => app(number(1)).await,
        "proxy" => proxy(number(1), (2..arguments.len()).map(number).collect()).await,
        "load" => load(number(1), number(2), number(3), arguments.len() > 4).await,
        other => panic!("no mode `{other}`"),
    }
}

fn local(port: u16) -> SocketAddr {
    (Ipv4Addr::LOCALHOST, port).into()
}

async fn app(port: u16) {
    let listener = TcpListener::bind(local(port)).await.unwrap();
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        stream.set_nodelay(true).unwrap();
        tokio::spawn(async move {
            let service = service_fn(|request: http::Request<Incoming>| async {
                request.into_body().collect().await.ok();
                let answer = Full::new(Bytes::from_static(br#"{"score": 0.87, "model": "jokemeter"}"#));
                Ok::<_, Infallible>(Response::new(answer))
            });
            hyper::server::conn::http1::Builder::new()
                .serve_connection(TokioIo::new(stream), service)
                .await
                .ok();
        });
    }
}

async fn proxy(port: u16, apps: Vec<u16>) {
    let proxy = IngressProxy::new(Config::default());
    proxy.serve(StdListener::bind(local(port)).unwrap()).unwrap();
    proxy.set(Routes {
        rules: vec![Route {
            host: Host::Exact("jokemeter.localhost".to_owned()),
            path: "/".to_owned(),
            path_type: PathType::Prefix,
            backend: "app".to_owned(),
            treatment: Treatment::default(),
        }],
        backends: [("app".to_owned(), apps.into_iter().map(local).collect())].into(),
        ..Routes::default()
    });
    std::future::pending().await
}

async fn load(port: u16, connections: u16, seconds: u16, fresh: bool) {
    let request: Arc<str> = format!(
        "POST /api/v1/predict HTTP/1.1\r\nHost: jokemeter.localhost\r\nContent-Type: application/json\r\n\
         Content-Length: {}\r\n\r\n{BODY}",
        BODY.len()
    )
    .into();
    let started = Instant::now();
    let deadline = started + Duration::from_secs(seconds.into());
    let clients = (0..connections).map(|_| {
        let request = request.clone();
        tokio::spawn(async move {
            let mut times = Vec::new();
            let mut failed = 0_u64;
            let mut stream = TcpStream::connect(local(port)).await.unwrap();
            stream.set_nodelay(true).unwrap();
            while Instant::now() < deadline {
                let asked = Instant::now();
                if fresh {
                    stream = TcpStream::connect(local(port)).await.unwrap();
                }
                match ask(&mut stream, &request).await {
                    Some(StatusCode::OK) => times.push(asked.elapsed()),
                    _ => {
                        failed += 1;
                        stream = TcpStream::connect(local(port)).await.unwrap();
                    }
                }
            }
            (times, failed)
        })
    });
    let (mut times, mut failed) = (Vec::new(), 0);
    for client in clients.collect::<Vec<_>>() {
        let (mine, lost) = client.await.unwrap();
        times.extend(mine);
        failed += lost;
    }
    let took = started.elapsed().as_secs_f64();
    times.sort_unstable();
    let at = |permille: usize| times.get(times.len() * permille / 1000).copied().unwrap_or_default();
    println!(
        "{} requests, {failed} failed, {:.0}/s, p50 {:?}, p99 {:?}, p99.9 {:?}",
        times.len(),
        times.len() as f64 / took,
        at(500),
        at(990),
        at(999)
    );
}

async fn ask(stream: &mut TcpStream, request: &str) -> Option<StatusCode> {
    stream.write_all(request.as_bytes()).await.ok()?;
    let mut bytes = [0; 4096];
    let mut length = 0;
    loop {
        let count = stream.read(&mut bytes[length..]).await.ok().filter(|count| *count > 0)?;
        length += count;
        let seen = &bytes[..length];
        if let Some(head) = seen.windows(4).position(|window| window == b"\r\n\r\n") {
            let text = std::str::from_utf8(&seen[..head]).ok()?;
            let body = text.lines().find_map(|line| {
                line.to_ascii_lowercase().strip_prefix("content-length:")?.trim().parse::<usize>().ok()
            })?;
            if length >= head + 4 + body {
                return StatusCode::from_bytes(seen.get(9..12)?).ok();
            }
        }
    }
}
