//! Bodies, HTTP/2 and changed protocols on their way through.

use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::support::{all_to, app, ask, echo, get, post, proxy, raw_app, read_message};

#[tokio::test]
async fn large_bodies_pass_both_ways_unchanged() {
    let proxy = proxy();
    let mirror = app(|request: Request<Incoming>| async move {
        Response::new(Full::new(request.into_body().collect().await.unwrap().to_bytes()))
    })
    .await;
    proxy.proxy.set(all_to(&[mirror.address]));
    for length in [0, 1, 65_535, 65_536, 65_537, 5_000_000] {
        let sent: Vec<u8> = (0..length).map(|n: u32| n.to_le_bytes()[n as usize % 3]).collect();
        let mut stream = TcpStream::connect(proxy.address).await.unwrap();
        let head = format!("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: {length}\r\n\r\n");
        let (mut reading, mut writing) = stream.split();
        let write = async {
            writing.write_all(head.as_bytes()).await.unwrap();
            writing.write_all(&sent).await.unwrap();
        };
        let mut received = vec![0; 0];
        let read = async {
            let mut buffer = vec![0; 64 << 10];
            while !received.ends_with(&sent) || received.len() < sent.len() + 20 {
                let count = reading.read(&mut buffer).await.unwrap();
                assert!(count > 0, "ended after {} of {length}", received.len());
                received.extend_from_slice(&buffer[..count]);
            }
        };
        tokio::join!(write, read);
        assert!(received.starts_with(b"HTTP/1.1 200"));
    }
}

#[tokio::test]
async fn a_chunked_request_passes_and_a_stream_is_not_held_back() {
    let proxy = proxy();
    let app = echo().await;
    proxy.proxy.set(all_to(&[app.address]));
    let request =
        "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n";
    let body = ask(proxy.address, request).await.2;
    assert!(body.ends_with("\n\nabcde"), "{body}");

    // Server-sent events: each part arrives while the response goes on.
    let (events, _task) = raw_app(|_, mut stream| async move {
        read_message(&mut stream).await;
        stream.write_all(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\none\r\n").await.unwrap();
        // The second part only after a byte from the test, which it sends when it has the first.
        stream.read_exact(&mut [0; 1]).await.ok();
    })
    .await;
    proxy.proxy.set(all_to(&[events]));
    let mut stream = TcpStream::connect(proxy.address).await.unwrap();
    stream.write_all(get("h", "/").as_bytes()).await.unwrap();
    let mut seen = Vec::new();
    while !seen.ends_with(b"one\r\n") {
        let mut buffer = [0; 1024];
        let count = stream.read(&mut buffer).await.unwrap();
        seen.extend_from_slice(&buffer[..count]);
    }
}

#[tokio::test]
async fn clients_of_http_2_are_served_without_tls_too() {
    let proxy = proxy();
    let app = echo().await;
    proxy.proxy.set(all_to(&[app.address]));
    let stream = TcpStream::connect(proxy.address).await.unwrap();
    let (mut sender, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    let frames = ["a", "b"].map(|part| Ok::<_, std::io::Error>(Frame::data(Bytes::from(part))));
    let request = Request::post("http://joke.localhost/x?y=1")
        .header("cookie", "a=1")
        .header("cookie", "b=2")
        .body(StreamBody::new(futures_stream(frames)))
        .unwrap();
    let response = sender.send_request(request).await.unwrap();
    assert_eq!(response.status(), 200);
    let text = response.into_body().collect().await.unwrap().to_bytes();
    let text = String::from_utf8(text.to_vec()).unwrap();
    assert!(text.starts_with("POST /x?y=1\n"), "{text}");
    assert!(text.contains("\nhost: joke.localhost\n"), "{text}");
    assert!(text.contains("\ncookie: a=1; b=2\n"), "{text}");
    assert!(text.ends_with("\n\nab"), "{text}");
}

fn futures_stream<T: Unpin, const N: usize>(items: [T; N]) -> impl futures::Stream<Item = T> {
    futures::stream::iter(items)
}

#[tokio::test]
async fn a_changed_protocol_is_a_tunnel() {
    let proxy = proxy();
    let (address, _task) = raw_app(|_, mut stream| async move {
        let (head, _) = read_message(&mut stream).await.unwrap();
        let lower = head.to_lowercase();
        assert!(lower.contains("upgrade: websocket") && lower.contains("connection: upgrade"), "{head}");
        assert!(lower.contains("sec-websocket-key: k"), "{head}");
        let answer = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
                      Sec-WebSocket-Accept: a\r\n\r\n";
        stream.write_all(answer.as_bytes()).await.unwrap();
        let (mut reading, mut writing) = stream.split();
        tokio::io::copy(&mut reading, &mut writing).await.ok();
    })
    .await;
    proxy.proxy.set(all_to(&[address]));
    let mut stream = TcpStream::connect(proxy.address).await.unwrap();
    let request = "GET /chat HTTP/1.1\r\nHost: h\r\nConnection: keep-alive, Upgrade\r\nUpgrade: websocket\r\n\
                   Sec-WebSocket-Key: k\r\n\r\n";
    stream.write_all(request.as_bytes()).await.unwrap();
    let (head, _) = read_message(&mut stream).await.unwrap();
    let lower = head.to_lowercase();
    assert!(head.starts_with("HTTP/1.1 101"), "{head}");
    assert!(lower.contains("upgrade: websocket") && lower.contains("sec-websocket-accept: a"), "{head}");
    stream.write_all(b"through the tunnel").await.unwrap();
    let mut back = [0; 18];
    stream.read_exact(&mut back).await.unwrap();
    assert_eq!(&back, b"through the tunnel");
    // It outlives a change of routes, but nobody waits for it.
    proxy.proxy.set(all_to(&[]));
    stream.write_all(b"still").await.unwrap();
    stream.read_exact(&mut back[..5]).await.unwrap();
    assert!(proxy.proxy.quiesced(address.ip(), Duration::from_secs(5)).await);
}

#[tokio::test]
async fn a_declined_change_of_protocol_is_an_ordinary_answer() {
    let proxy = proxy();
    let app = echo().await;
    proxy.proxy.set(all_to(&[app.address]));
    let request = "GET / HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n";
    let (status, _, body) = ask(proxy.address, request).await;
    assert_eq!(status, 200);
    assert!(body.contains("upgrade: websocket"), "{body}");
}

#[tokio::test]
async fn a_head_request_has_the_length_but_no_body() {
    let proxy = proxy();
    let app = echo().await;
    proxy.proxy.set(all_to(&[app.address]));
    let mut stream = TcpStream::connect(proxy.address).await.unwrap();
    stream.write_all(b"HEAD / HTTP/1.1\r\nHost: h\r\n\r\n").await.unwrap();
    let mut buffer = [0; 4096];
    let count = stream.read(&mut buffer).await.unwrap();
    let text = String::from_utf8_lossy(&buffer[..count]).to_lowercase();
    assert!(
        text.starts_with("http/1.1 200") && text.contains("content-length:") && text.ends_with("\r\n\r\n")
    );
    // The connection goes on.
    assert_eq!(crate::support::talk(&mut stream, &get("h", "/")).await.0, 200);
}

#[tokio::test]
async fn calls_of_grpc_go_by_http_2_with_their_trailers() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let connections = std::sync::Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let counter = connections.clone();
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            counter.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
            let service = hyper::service::service_fn(|request: Request<Incoming>| async move {
                assert_eq!(request.headers()["te"], "trailers");
                assert_eq!(request.uri().path(), "/inference.Predict/Score");
                assert_eq!(request.uri().authority().unwrap(), "joke.localhost");
                let said = request.into_body().collect().await.unwrap().to_bytes();
                let mut trailers = http::HeaderMap::new();
                trailers.insert("grpc-status", "0".parse().unwrap());
                let frames = [Ok(Frame::data(said)), Ok::<_, std::io::Error>(Frame::trailers(trailers))];
                let body = StreamBody::new(futures_stream(frames));
                Ok::<_, std::io::Error>(
                    Response::builder().header("content-type", "application/grpc").body(body).unwrap(),
                )
            });
            let server = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
            tokio::spawn(server.serve_connection(TokioIo::new(stream), service));
        }
    });
    let refusing = std::net::SocketAddr::from(([127, 0, 0, 1], 1));
    let proxy = proxy();
    proxy.proxy.set(all_to(&[refusing, address]));
    let stream = TcpStream::connect(proxy.address).await.unwrap();
    let (mut sender, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    for _ in 0..10 {
        let request = Request::post("http://joke.localhost/inference.Predict/Score")
            .header("content-type", "application/grpc+proto")
            .header("te", "trailers")
            .body(Full::new(Bytes::from_static(b"\0\0\0\0\x02hi")))
            .unwrap();
        let response = sender.send_request(request).await.unwrap();
        assert_eq!(response.headers()["content-type"], "application/grpc");
        let whole = response.into_body().collect().await.unwrap();
        assert_eq!(whole.trailers().unwrap()["grpc-status"], "0");
        assert_eq!(whole.to_bytes(), &b"\0\0\0\0\x02hi"[..]);
    }
    assert_eq!(connections.load(std::sync::atomic::Ordering::SeqCst), 1);
    assert!(proxy.proxy.quiesced(address.ip(), Duration::from_secs(5)).await);
}

#[tokio::test]
async fn an_endpoint_of_http_2_answers_clients_of_both_versions() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let service = hyper::service::service_fn(|request: Request<Incoming>| async move {
                let (parts, body) = request.into_parts();
                let said = body.collect().await.unwrap().to_bytes();
                let said = String::from_utf8_lossy(&said).into_owned();
                let forwarded = parts.headers["x-forwarded-for"].to_str().unwrap().to_owned();
                let text = format!("{} {} {} {said}", parts.method, parts.uri, forwarded);
                Ok::<_, std::io::Error>(Response::new(Full::<Bytes>::from(text)))
            });
            let server = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
            tokio::spawn(server.serve_connection(TokioIo::new(stream), service));
        }
    });
    let proxy = proxy();
    let mut routes = all_to(&[address]);
    routes.rules[0].treatment.speaks_http2 = true;
    proxy.proxy.set(routes);
    let mut stream = TcpStream::connect(proxy.address).await.unwrap();
    let chunked = "POST /c HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n";
    for (request, body) in [
        (get("h", "/a?b"), "GET http://h/a?b 127.0.0.1 "),
        (post("said"), "POST http://h/ 127.0.0.1 said"),
        (chunked.to_owned(), "POST http://h/c 127.0.0.1 abc"),
    ] {
        assert_eq!(crate::support::talk(&mut stream, &request).await.2, body);
    }
    let stream = TcpStream::connect(proxy.address).await.unwrap();
    let (mut sender, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    let request = Request::post("http://h/x").body(Full::new(Bytes::from_static(b"two"))).unwrap();
    let answer = sender.send_request(request).await.unwrap().into_body().collect().await.unwrap();
    assert_eq!(answer.to_bytes(), "POST http://h/x 127.0.0.1 two");
}
