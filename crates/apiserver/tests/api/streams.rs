//! Exec, attach and port-forward over WebSocket.

use std::{sync::Arc, time::Duration};

use futures::{SinkExt, StreamExt};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, pem::PemObject};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::net::TcpStream;
use tokio_rustls::{TlsConnector, client::TlsStream};
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{Message, client::IntoClientRequest},
};

use crate::support::{self, Running};

type Socket = WebSocketStream<TlsStream<TcpStream>>;

struct Streams {
    running: Running,
    _folder: TempDir,
}

impl Streams {
    /// Starts a server with a pod that is bound to a node.
    async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let running = support::start(folder.path(), 0).await;
        let caller = crate::inside::Caller::of(&running.api);
        let pod = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a"},
            "spec": {"nodeName": "n", "containers": [{"name": "c", "image": "i"}]}});
        let (code, answer) =
            caller.call("POST", "/api/v1/namespaces/default/pods", "application/json", pod).await;
        assert_eq!(code, 201, "{answer}");
        Self { running, _folder: folder }
    }

    async fn connect(&self, path: &str, protocol: &str) -> Result<Socket, u16> {
        let mut roots = rustls::RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(self.running.authority.as_bytes()).unwrap()).unwrap();
        let config =
            rustls::ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
                .with_safe_default_protocol_versions()
                .unwrap()
                .with_root_certificates(roots)
                .with_client_auth_cert(
                    vec![CertificateDer::from_pem_slice(self.running.client.0.as_bytes()).unwrap()],
                    PrivateKeyDer::from_pem_slice(self.running.client.1.as_bytes()).unwrap(),
                )
                .unwrap();
        let stream = TcpStream::connect(self.running.address).await.unwrap();
        let name = ServerName::try_from("localhost").unwrap();
        let stream = TlsConnector::from(Arc::new(config)).connect(name, stream).await.unwrap();
        let url = format!("wss://localhost/api/v1/namespaces/default/pods/a/{path}");
        let mut request = url.into_client_request().unwrap();
        request.headers_mut().insert("sec-websocket-protocol", protocol.parse().unwrap());
        match tokio_tungstenite::client_async(request, stream).await {
            Ok((socket, response)) => {
                assert_eq!(response.headers()["sec-websocket-protocol"], protocol);
                Ok(socket)
            }
            Err(tokio_tungstenite::tungstenite::Error::Http(response)) => Err(response.status().as_u16()),
            Err(error) => panic!("{error}"),
        }
    }
}

/// Reads until the server closes; returns what came on each channel.
async fn read_all(socket: &mut Socket) -> [Vec<u8>; 4] {
    let mut channels: [Vec<u8>; 4] = Default::default();
    let deadline = tokio::time::Instant::now() + Duration::from_secs(10);
    while let Some(message) = tokio::time::timeout_at(deadline, socket.next()).await.expect("it ends in time")
    {
        match message.unwrap() {
            Message::Binary(bytes) => channels[usize::from(bytes[0])].extend_from_slice(&bytes[1..]),
            Message::Close(_) => break,
            _ => {}
        }
    }
    channels
}

fn status(channels: &[Vec<u8>; 4]) -> Value {
    serde_json::from_slice(&channels[3]).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn input_reaches_the_process_and_its_end_too() {
    let streams = Streams::start().await;
    let mut socket = streams.connect("exec?command=cat&stdin=1&stdout=1", "v5.channel.k8s.io").await.unwrap();
    socket.send(Message::binary(b"\0one ".to_vec())).await.unwrap();
    socket.send(Message::binary(b"\0two".to_vec())).await.unwrap();
    socket.send(Message::binary(vec![255, 0])).await.unwrap();
    let channels = read_all(&mut socket).await;
    assert_eq!(channels[1], b"one two");
    assert_eq!(status(&channels)["status"], "Success");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failing_process_tells_its_code_after_its_output() {
    let streams = Streams::start().await;
    let mut socket =
        streams.connect("exec?command=fail&stdout=1&stderr=1", "v4.channel.k8s.io").await.unwrap();
    let channels = read_all(&mut socket).await;
    assert_eq!(channels[2], b"it failed\n");
    let status = status(&channels);
    assert_eq!(
        (status["reason"].as_str(), &status["details"]["causes"][0]["message"]),
        (Some("NonZeroExitCode"), &json!("7"))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_that_cannot_start_is_said_in_the_status() {
    let streams = Streams::start().await;
    let mut socket = streams.connect("exec?command=missing&stdout=1", "v4.channel.k8s.io").await.unwrap();
    let channels = read_all(&mut socket).await;
    let words = status(&channels)["message"].as_str().unwrap().to_owned();
    assert!(words.contains("no such program: missing"), "{words}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_terminal_learns_its_size() {
    let streams = Streams::start().await;
    let mut socket = streams
        .connect("exec?command=size&stdout=1&stdin=1&tty=1&stderr=1", "v5.channel.k8s.io")
        .await
        .unwrap();
    socket.send(Message::binary(b"\x04{\"Width\":120,\"Height\":40}".to_vec())).await.unwrap();
    assert_eq!(read_all(&mut socket).await[1], b"120x40\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn much_output_arrives_whole() {
    let streams = Streams::start().await;
    let mut socket = streams.connect("exec?command=flood&stdout=1", "v5.channel.k8s.io").await.unwrap();
    let channels = read_all(&mut socket).await;
    assert_eq!(channels[1].len(), 4 << 20);
    assert_eq!(status(&channels)["status"], "Success");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_streamed_is_refused_before_the_switch() {
    let streams = Streams::start().await;
    let v5 = "v5.channel.k8s.io";
    for (path, protocol, expected) in [
        ("exec?command=cat&stdout=1&container=other", v5, 400),
        ("exec?stdout=1", v5, 400),
        ("exec?command=cat", v5, 400),
        ("exec?command=cat&stdout=1", "v9.channel.k8s.io", 403),
        ("portforward", "v4.channel.k8s.io", 400),
        ("portforward?ports=70000", "v4.channel.k8s.io", 400),
    ] {
        assert_eq!(streams.connect(path, protocol).await.err(), Some(expected), "{path} {protocol}");
    }
    let caller = crate::inside::Caller::of(&streams.running.api);
    let path = "/api/v1/namespaces/default/pods/a/exec?command=cat&stdout=1";
    assert_eq!(caller.call("GET", path, "", Value::Null).await.0, 400, "no upgrade in process");
}

#[tokio::test(flavor = "multi_thread")]
async fn ports_are_forwarded_by_channels() {
    let streams = Streams::start().await;
    let mut socket = streams.connect("portforward?ports=80&ports=1", "v4.channel.k8s.io").await.unwrap();
    socket.send(Message::binary(b"\0ping".to_vec())).await.unwrap();
    let (mut echoed, mut refused) = (Vec::new(), Vec::new());
    let deadline = tokio::time::Instant::now() + Duration::from_secs(10);
    while echoed.len() < 6 || refused.len() < 3 {
        let message = tokio::time::timeout_at(deadline, socket.next()).await.expect("it comes in time");
        if let Message::Binary(bytes) = message.unwrap().unwrap() {
            match bytes[0] {
                0 => echoed.extend_from_slice(&bytes[1..]),
                3 => refused.extend_from_slice(&bytes[1..]),
                _ => {}
            }
        }
    }
    assert_eq!(echoed, [80, 0, b'p', b'i', b'n', b'g']);
    assert!(String::from_utf8_lossy(&refused[2..]).contains("connection refused on port 1"));
}
