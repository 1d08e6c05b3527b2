//! Certificates by name, and HTTP/2 by ALPN.

use std::sync::Arc;

use network::ingress::{Certificate, Routes};
use rustls::{ClientConfig, RootCertStore, crypto::ring, pki_types::ServerName, sign::CertifiedKey};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};
use tokio_rustls::TlsConnector;

use crate::support::{all_to, echo, proxy};

fn certificate(names: &[&str], roots: &mut RootCertStore) -> Arc<CertifiedKey> {
    let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    let made = rcgen::generate_simple_self_signed(names).unwrap();
    roots.add(made.cert.der().clone()).unwrap();
    let key = rustls::pki_types::PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
    let key = ring::sign::any_supported_type(&key).unwrap();
    Arc::new(CertifiedKey::new(vec![made.cert.der().clone()], key))
}

#[tokio::test]
async fn the_certificate_follows_the_name_and_the_routes() {
    let proxy = proxy();
    let app = echo().await;
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    proxy.proxy.serve_tls(listener).unwrap();
    let mut roots = RootCertStore::empty();
    let exact = certificate(&["joke.ai"], &mut roots);
    let wildcard = certificate(&["*.joke.ai"], &mut roots);
    let default = certificate(&["fallback.local"], &mut roots);
    let with = |certificates, default_certificate| Routes {
        certificates,
        default_certificate,
        ..all_to(&[app.address])
    };
    let named =
        |host: &str, key: &Arc<CertifiedKey>| Certificate { hosts: vec![host.to_owned()], key: key.clone() };
    let mut config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    let config = Arc::new(config);
    let served = async |name: &'static str| -> Option<Vec<u8>> {
        let stream = TcpStream::connect(address).await.unwrap();
        let connector = TlsConnector::from(config.clone());
        let stream = connector.connect(ServerName::try_from(name).unwrap(), stream).await;
        // A name that the certificate lacks is an error here; which certificate came is in it.
        stream.ok().map(|stream| stream.get_ref().1.peer_certificates().unwrap()[0].to_vec())
    };

    assert_eq!(served("joke.ai").await, None, "no certificate yet");
    proxy
        .proxy
        .set(with(vec![named("joke.ai", &exact), named("*.joke.ai", &wildcard)], Some(default.clone())));
    assert_eq!(served("joke.ai").await.unwrap(), exact.cert[0].to_vec());
    assert_eq!(served("a.joke.ai").await.unwrap(), wildcard.cert[0].to_vec());
    assert_eq!(served("fallback.local").await.unwrap(), default.cert[0].to_vec());
    assert_eq!(served("a.b.joke.ai").await, None, "a wildcard stands for one label");

    // HTTP/1.1 through TLS says so to the application.
    let stream = TcpStream::connect(address).await.unwrap();
    let mut old = (*config).clone();
    old.alpn_protocols.clear();
    let connector = TlsConnector::from(Arc::new(old));
    let mut stream = connector.connect(ServerName::try_from("joke.ai").unwrap(), stream).await.unwrap();
    stream.write_all(b"GET / HTTP/1.1\r\nHost: joke.ai\r\nConnection: close\r\n\r\n").await.unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).await.ok();
    assert!(text.contains("x-forwarded-proto: https"), "{text}");

    // HTTP/2 when the client offers it.
    let stream = TcpStream::connect(address).await.unwrap();
    let connector = TlsConnector::from(config.clone());
    let stream = connector.connect(ServerName::try_from("joke.ai").unwrap(), stream).await.unwrap();
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(b"h2".as_slice()));
    let io = hyper_util::rt::TokioIo::new(stream);
    let executor = hyper_util::rt::TokioExecutor::new();
    let (mut sender, connection) = hyper::client::conn::http2::handshake(executor, io).await.unwrap();
    tokio::spawn(connection);
    let request =
        http::Request::get("https://joke.ai/").body(http_body_util::Empty::<bytes::Bytes>::new()).unwrap();
    assert_eq!(sender.send_request(request).await.unwrap().status(), 200);
}

#[tokio::test]
async fn plain_text_on_the_tls_port_ends_the_connection() {
    let proxy = proxy();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    proxy.proxy.serve_tls(listener).unwrap();
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n").await.unwrap();
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).await.ok();
    assert!(!bytes.starts_with(b"HTTP"));
}
