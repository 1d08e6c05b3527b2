//! Measures the ingress proxy, or any other HTTP/1.1 proxy, on this machine.
//!
//!     ingress_load certificate FOLDER                a certificate and its key, `tls.crt` and `tls.key`
//!     ingress_load app PORT                          an application that answers at once
//!     ingress_load proxy PORT TLS_PORT FOLDER APP_PORT...   our proxy before applications
//!     ingress_load load PORT CONNECTIONS SECONDS [fresh] [tls | http2]
//!
//! `fresh` opens a connection for each request; `http2` is over TLS, with up to 16 requests at once on a
//! connection. `scripts/ingress-and-nginx.sh` runs all of it, nginx in turn with ours.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a measuring tool ends at the first fault and prints what it measured"
)]

use std::{
    convert::Infallible,
    net::{Ipv4Addr, SocketAddr, TcpListener as StdListener},
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::{
    body::Incoming,
    client::conn::http2::{self, SendRequest},
    service::service_fn,
};
use hyper_util::rt::{TokioExecutor, TokioIo};
use network::ingress::{Config, Host, IngressProxy, PathType, Route, Routes, Treatment};
use rustls::{
    ClientConfig, RootCertStore,
    crypto::ring,
    pki_types::{CertificateDer, PrivateKeyDer, ServerName, pem::PemObject},
    sign::CertifiedKey,
};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};
use tokio_rustls::TlsConnector;

const HOST: &str = "jokemeter.localhost";

/// Requests at once on one connection of HTTP/2.
const STREAMS: u16 = 16;

const BODY: &str = r#"{"text": "a joke of ordinary length, in some words", "joker": "None"}"#;

#[tokio::main]
async fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let number = |n: usize| arguments[n].parse::<u16>().unwrap();
    match arguments[0].as_str() {
        "certificate" => make_certificate(Path::new(&arguments[1])),
        "app" => app(number(1)).await,
        "proxy" => {
            let apps = (4..arguments.len()).map(number).collect();
            proxy(number(1), number(2), Path::new(&arguments[3]), apps).await;
        }
        "load" => {
            let says = |word: &str| arguments.iter().any(|argument| argument == word);
            let fresh = says("fresh");
            let target = Target { port: number(1), tls: says("tls").then(|| connector(b"http/1.1")) };
            let clients = number(2);
            let seconds = Duration::from_secs(number(3).into());
            let times = if says("http2") {
                load_http2(&target, clients, seconds).await
            } else {
                load(&target, clients, seconds, fresh).await
            };
            report(times, seconds);
        }
        other => panic!("no mode `{other}`"),
    }
}

fn local(port: u16) -> SocketAddr {
    (Ipv4Addr::LOCALHOST, port).into()
}

fn make_certificate(folder: &Path) {
    let made = rcgen::generate_simple_self_signed([HOST.to_owned()]).unwrap();
    std::fs::write(folder.join("tls.crt"), made.cert.pem()).unwrap();
    std::fs::write(folder.join("tls.key"), made.signing_key.serialize_pem()).unwrap();
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

async fn proxy(port: u16, tls_port: u16, folder: &Path, apps: Vec<u16>) {
    let proxy = IngressProxy::new(Config::default());
    proxy.serve(StdListener::bind(local(port)).unwrap()).unwrap();
    proxy.serve_tls(StdListener::bind(local(tls_port)).unwrap()).unwrap();
    let chain = CertificateDer::from_pem_file(folder.join("tls.crt")).unwrap();
    let key = PrivateKeyDer::from_pem_file(folder.join("tls.key")).unwrap();
    let key = CertifiedKey::new(vec![chain], ring::sign::any_supported_type(&key).unwrap());
    proxy.set(Routes {
        rules: vec![Route {
            host: Host::Exact(HOST.to_owned()),
            path: "/".to_owned(),
            path_type: PathType::Prefix,
            backend: "app".to_owned(),
            treatment: Treatment::default(),
        }],
        backends: [("app".to_owned(), apps.into_iter().map(local).collect())].into(),
        default_certificate: Some(Arc::new(key)),
        ..Routes::default()
    });
    std::future::pending().await
}

/// Where requests go.
#[derive(Clone)]
struct Target {
    port: u16,
    tls: Option<TlsConnector>,
}

trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}

impl<T: AsyncRead + AsyncWrite + Unpin + Send> Stream for T {}

/// A client that takes any certificate: it is measured, not trusted.
fn connector(protocol: &[u8]) -> TlsConnector {
    let provider = Arc::new(ring::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(RootCertStore::empty())
        .with_no_client_auth();
    config.dangerous().set_certificate_verifier(Arc::new(trusting::Anyone(provider)));
    config.alpn_protocols = vec![protocol.to_vec()];
    // A fresh connection is a new client.
    config.resumption = rustls::client::Resumption::disabled();
    TlsConnector::from(Arc::new(config))
}

impl Target {
    async fn connect(&self) -> Box<dyn Stream> {
        let stream = TcpStream::connect(local(self.port)).await.unwrap();
        stream.set_nodelay(true).unwrap();
        match &self.tls {
            None => Box::new(stream),
            Some(tls) => Box::new(tls.connect(ServerName::try_from(HOST).unwrap(), stream).await.unwrap()),
        }
    }
}

/// How long each request took that was answered, and how many were not.
type Times = (Vec<Duration>, u64);

async fn load(target: &Target, connections: u16, duration: Duration, fresh: bool) -> Times {
    let request: Arc<str> = format!(
        "POST /api/v1/predict HTTP/1.1\r\nHost: {HOST}\r\nContent-Type: application/json\r\n\
         Content-Length: {}\r\n\r\n{BODY}",
        BODY.len()
    )
    .into();
    let deadline = Instant::now() + duration;
    let clients = (0..connections).map(|_| {
        let (request, target) = (request.clone(), target.clone());
        tokio::spawn(async move {
            let mut times = Vec::new();
            let mut failed = 0_u64;
            let mut stream = target.connect().await;
            while Instant::now() < deadline {
                let asked = Instant::now();
                if fresh {
                    stream = target.connect().await;
                }
                match ask(&mut *stream, &request).await {
                    Some(StatusCode::OK) => times.push(asked.elapsed()),
                    _ => {
                        failed += 1;
                        stream = target.connect().await;
                    }
                }
            }
            (times, failed)
        })
    });
    sum(clients.collect()).await
}

async fn load_http2(target: &Target, clients: u16, duration: Duration) -> Times {
    let deadline = Instant::now() + duration;
    let target = Target { tls: Some(connector(b"h2")), ..target.clone() };
    let mut tasks = Vec::new();
    let mut left = clients;
    while left > 0 {
        let stream = TokioIo::new(target.connect().await);
        let (sender, connection) = http2::handshake(TokioExecutor::new(), stream).await.unwrap();
        tokio::spawn(connection);
        for _ in 0..left.min(STREAMS) {
            tasks.push(tokio::spawn(ask_http2(sender.clone(), deadline)));
        }
        left = left.saturating_sub(STREAMS);
    }
    sum(tasks).await
}

async fn ask_http2(mut sender: SendRequest<Full<Bytes>>, deadline: Instant) -> Times {
    let mut times = Vec::new();
    let mut failed = 0;
    while Instant::now() < deadline {
        let asked = Instant::now();
        let request = Request::post(format!("https://{HOST}/api/v1/predict"))
            .header("content-type", "application/json")
            .body(Full::new(Bytes::from_static(BODY.as_bytes())))
            .unwrap();
        let answer = async {
            let response = sender.send_request(request).await.ok()?;
            let status = response.status();
            response.into_body().collect().await.ok()?;
            Some(status)
        };
        match answer.await {
            Some(StatusCode::OK) => times.push(asked.elapsed()),
            _ => failed += 1,
        }
    }
    (times, failed)
}

async fn sum(tasks: Vec<tokio::task::JoinHandle<Times>>) -> Times {
    let (mut times, mut failed) = (Vec::new(), 0);
    for task in tasks {
        let (mine, lost) = task.await.unwrap();
        times.extend(mine);
        failed += lost;
    }
    (times, failed)
}

fn report((mut times, failed): Times, took: Duration) {
    times.sort_unstable();
    let at = |permille: usize| times.get(times.len() * permille / 1000).copied().unwrap_or_default();
    println!(
        "{} requests, {failed} failed, {:.0}/s, p50 {:?}, p99 {:?}, p99.9 {:?}",
        times.len(),
        times.len() as f64 / took.as_secs_f64(),
        at(500),
        at(990),
        at(999)
    );
}

async fn ask(stream: &mut dyn Stream, request: &str) -> Option<StatusCode> {
    stream.write_all(request.as_bytes()).await.ok()?;
    stream.flush().await.ok()?;
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

mod trusting {
    //! Takes every certificate for good.

    use std::sync::Arc;

    use rustls::{
        DigitallySignedStruct, Error, SignatureScheme,
        client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
        crypto::CryptoProvider,
        pki_types::{CertificateDer, ServerName, UnixTime},
    };

    #[derive(Debug)]
    pub(super) struct Anyone(pub(super) Arc<CryptoProvider>);

    impl ServerCertVerifier for Anyone {
        fn verify_server_cert(
            &self,
            _: &CertificateDer<'_>,
            _: &[CertificateDer<'_>],
            _: &ServerName<'_>,
            _: &[u8],
            _: UnixTime,
        ) -> Result<ServerCertVerified, Error> {
            Ok(ServerCertVerified::assertion())
        }

        fn verify_tls12_signature(
            &self,
            _: &[u8],
            _: &CertificateDer<'_>,
            _: &DigitallySignedStruct,
        ) -> Result<HandshakeSignatureValid, Error> {
            Ok(HandshakeSignatureValid::assertion())
        }

        fn verify_tls13_signature(
            &self,
            _: &[u8],
            _: &CertificateDer<'_>,
            _: &DigitallySignedStruct,
        ) -> Result<HandshakeSignatureValid, Error> {
            Ok(HandshakeSignatureValid::assertion())
        }

        fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
            self.0.signature_verification_algorithms.supported_schemes()
        }
    }
}
