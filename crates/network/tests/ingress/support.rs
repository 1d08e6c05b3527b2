//! A proxy, applications behind it, and a client that says exactly what it is told to.

use std::{
    convert::Infallible,
    net::{Ipv4Addr, SocketAddr},
    sync::{
        Arc,
        atomic::{AtomicU32, AtomicUsize, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::{body::Incoming, service::service_fn};
use hyper_util::rt::TokioIo;
use network::ingress::{Config, Host, IngressProxy, PathType, Route, Routes, Treatment};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::JoinHandle,
    time::timeout,
};

pub(crate) const PATIENCE: Duration = Duration::from_secs(10);

/// A proxy on a port of its own.
pub(crate) struct Proxy {
    pub(crate) proxy: IngressProxy,
    pub(crate) address: SocketAddr,
}

pub(crate) fn proxy_with(config: Config) -> Proxy {
    let proxy = IngressProxy::new(config);
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    proxy.serve(listener).unwrap();
    Proxy { proxy, address }
}

pub(crate) fn proxy() -> Proxy {
    proxy_with(Config { retry_time: Duration::from_millis(300), ..Config::default() })
}

/// Everything goes to these endpoints.
pub(crate) fn all_to(endpoints: &[SocketAddr]) -> Routes {
    Routes {
        rules: vec![Route {
            host: Host::Any,
            path: "/".to_owned(),
            path_type: PathType::Prefix,
            backend: "app".to_owned(),
            treatment: Treatment::default(),
        }],
        backends: [("app".to_owned(), endpoints.to_vec())].into(),
        ..Routes::default()
    }
}

/// An application that stops at once when dropped: listener and connections are closed.
pub(crate) struct App {
    pub(crate) address: SocketAddr,
    pub(crate) requests: Arc<AtomicUsize>,
    pub(crate) connections: Arc<AtomicUsize>,
    task: JoinHandle<()>,
}

impl Drop for App {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// An address of its own, as pods have: all of 127/8 is loopback.
fn own_address() -> Ipv4Addr {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    Ipv4Addr::from_bits(Ipv4Addr::new(127, 1, 0, 1).to_bits() + NEXT.fetch_add(1, Ordering::SeqCst))
}

/// Starts an application that answers each request with what `answer` makes of it.
pub(crate) async fn app<F, Fut>(answer: F) -> App
where
    F: Fn(Request<Incoming>) -> Fut + Clone + Send + Sync + 'static,
    Fut: Future<Output = Response<Full<Bytes>>> + Send + 'static,
{
    let listener = TcpListener::bind((own_address(), 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    let (requests, connections) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let (counter, connected) = (requests.clone(), connections.clone());
    let task = tokio::spawn(async move {
        let mut open = tokio::task::JoinSet::new();
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            stream.set_nodelay(true).unwrap();
            connected.fetch_add(1, Ordering::SeqCst);
            let (answer, counter) = (answer.clone(), counter.clone());
            let service = service_fn(move |request| {
                counter.fetch_add(1, Ordering::SeqCst);
                let response = answer(request);
                async move { Ok::<_, Infallible>(response.await) }
            });
            open.spawn(async move {
                let server = hyper::server::conn::http1::Builder::new();
                server.serve_connection(TokioIo::new(stream), service).await.ok();
            });
        }
    });
    App { address, requests, connections, task }
}

/// Answers with a name.
pub(crate) async fn named(name: &'static str) -> App {
    app(move |_| async move { Response::new(Full::from(name)) }).await
}

/// Answers with all that it was told.
pub(crate) async fn echo() -> App {
    app(|request: Request<Incoming>| async move {
        let (parts, body) = request.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        let mut text = format!("{} {}\n", parts.method, parts.uri);
        for (name, value) in &parts.headers {
            text.push_str(&format!("{name}: {}\n", value.to_str().unwrap()));
        }
        let text = [text.as_bytes(), b"\n", &body].concat();
        Response::builder().header("keep-alive", "timeout=5").body(Full::from(text)).unwrap()
    })
    .await
}

/// A server that does with each connection what `talk` does.
pub(crate) async fn raw_app<F, Fut>(talk: F) -> (SocketAddr, JoinHandle<()>)
where
    F: Fn(usize, TcpStream) -> Fut + Send + 'static,
    Fut: Future<Output = ()> + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let task = tokio::spawn(async move {
        for n in 0.. {
            let (stream, _) = listener.accept().await.unwrap();
            tokio::spawn(talk(n, stream));
        }
    });
    (address, task)
}

/// Reads a head and, by its Content-Length, a body.
pub(crate) async fn read_message(stream: &mut TcpStream) -> Option<(String, Vec<u8>)> {
    let mut bytes = Vec::new();
    let mut buffer = vec![0; 16 << 10];
    loop {
        if let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
            let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
            let mut body = bytes.split_off(end + 4);
            let length = head
                .lines()
                .find_map(|line| {
                    line.to_ascii_lowercase().strip_prefix("content-length:")?.trim().parse().ok()
                })
                .unwrap_or(0);
            while body.len() < length {
                let count = stream.read(&mut buffer).await.ok().filter(|count| *count > 0)?;
                body.extend_from_slice(&buffer[..count]);
            }
            return Some((head, body));
        }
        let count = stream.read(&mut buffer).await.ok().filter(|count| *count > 0)?;
        bytes.extend_from_slice(&buffer[..count]);
    }
}

/// Sends text on a connection of its own and returns status, head and body.
pub(crate) async fn ask(address: SocketAddr, request: &str) -> (u16, String, String) {
    let mut stream = TcpStream::connect(address).await.unwrap();
    talk(&mut stream, request).await
}

/// As [`ask`], on a connection that stays.
pub(crate) async fn talk(stream: &mut TcpStream, request: &str) -> (u16, String, String) {
    stream.write_all(request.as_bytes()).await.unwrap();
    let (head, body) = timeout(PATIENCE, read_message(stream)).await.expect("in time").expect("an answer");
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    (status, head, String::from_utf8(body).unwrap())
}

pub(crate) fn get(host: &str, path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: {host}\r\n\r\n")
}

pub(crate) fn post(body: &str) -> String {
    format!("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: {}\r\n\r\n{body}", body.len())
}
