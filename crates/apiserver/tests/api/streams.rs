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
        let path = format!("/api/v1/namespaces/default/pods/a/{path}");
        self.connect_as(&path, protocol, protocol, true).await
    }

    /// Connects offering protocols, one of which is expected to be taken, with or without a certificate.
    async fn connect_as(
        &self,
        path: &str,
        offered: &str,
        taken: &str,
        is_admin: bool,
    ) -> Result<Socket, u16> {
        let mut roots = rustls::RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(self.running.authority.as_bytes()).unwrap()).unwrap();
        let config =
            rustls::ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
                .with_safe_default_protocol_versions()
                .unwrap()
                .with_root_certificates(roots);
        let config = if is_admin {
            let certificate = CertificateDer::from_pem_slice(self.running.client.0.as_bytes()).unwrap();
            let key = PrivateKeyDer::from_pem_slice(self.running.client.1.as_bytes()).unwrap();
            config.with_client_auth_cert(vec![certificate], key).unwrap()
        } else {
            config.with_no_client_auth()
        };
        let stream = TcpStream::connect(self.running.address).await.unwrap();
        let name = ServerName::try_from("localhost").unwrap();
        let stream = TlsConnector::from(Arc::new(config)).connect(name, stream).await.unwrap();
        let mut request = format!("wss://localhost{path}").into_client_request().unwrap();
        request.headers_mut().insert("sec-websocket-protocol", offered.parse().unwrap());
        match tokio_tungstenite::client_async(request, stream).await {
            Ok((socket, response)) => {
                assert_eq!(response.headers()["sec-websocket-protocol"], taken);
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

/// Reads `count` messages, or all until the server closes.
async fn messages(socket: &mut Socket, count: usize) -> Vec<Message> {
    let mut read = Vec::new();
    let deadline = tokio::time::Instant::now() + Duration::from_secs(10);
    while read.len() < count {
        let next = tokio::time::timeout_at(deadline, socket.next()).await.expect("it comes in time");
        match next {
            Some(Ok(message)) if !message.is_close() => read.push(message),
            _ => break,
        }
    }
    read
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_comes_in_messages_to_who_asks_for_a_websocket() {
    let streams = Streams::start().await;
    let mut socket = streams.connect("log", "binary.k8s.io").await.unwrap();
    let read = messages(&mut socket, usize::MAX).await;
    let text: Vec<u8> = read.into_iter().flat_map(Message::into_data).collect();
    assert_eq!(String::from_utf8(text).unwrap(), "log of a/c\nsecond line\n");
    let mut socket = streams.connect("log", "base64.binary.k8s.io").await.unwrap();
    let read = messages(&mut socket, usize::MAX).await;
    assert_eq!(read[0], Message::text("bG9nIG9mIGEvYwo="));
    // what is refused is refused before the switch
    assert_eq!(streams.connect("log?container=other", "binary.k8s.io").await.err(), Some(400));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_watch_comes_in_messages_one_for_each_event() {
    let streams = Streams::start().await;
    let path = "/api/v1/namespaces/default/pods?watch=true";
    let mut socket = streams.connect_as(path, "binary.k8s.io", "binary.k8s.io", true).await.unwrap();
    let read = messages(&mut socket, 1).await;
    let event: Value = serde_json::from_str(read[0].to_text().unwrap()).unwrap();
    assert_eq!((&event["type"], &event["object"]["metadata"]["name"]), (&json!("ADDED"), &json!("a")));
}

/// Browsers can't set headers on a WebSocket.
#[tokio::test(flavor = "multi_thread")]
async fn a_token_may_stand_among_the_protocols() {
    use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
    let streams = Streams::start().await;
    let caller = crate::inside::Caller::of(&streams.running.api);
    let path = "/api/v1/namespaces/kube-system/serviceaccounts/default/token";
    let (code, answer) = caller.call("POST", path, "application/json", json!({"spec": {}})).await;
    assert_eq!(code, 201, "{answer}");
    let binding = json!({"metadata": {"name": "all"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cluster-admin"},
        "subjects": [{"kind": "ServiceAccount", "name": "default", "namespace": "kube-system"}]});
    let bindings = "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings";
    assert_eq!(caller.call("POST", bindings, "application/json", binding).await.0, 201);
    let token = BASE64_URL_SAFE_NO_PAD.encode(answer["status"]["token"].as_str().unwrap());
    let log = "/api/v1/namespaces/default/pods/a/log";
    let with = |token: &str| format!("base64url.bearer.authorization.k8s.io.{token}, binary.k8s.io");
    let connect = async |offered: &str| streams.connect_as(log, offered, "binary.k8s.io", false).await.err();
    assert_eq!(connect(&with(&token)).await, None);
    assert_eq!(connect(&with("bm9uc2Vuc2U")).await, Some(401));
    assert_eq!(connect("binary.k8s.io").await, Some(401));
}
