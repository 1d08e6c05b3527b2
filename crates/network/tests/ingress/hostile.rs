//! Clients that are not what they should be.

use std::time::Duration;

use network::ingress::Config;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::support::{PATIENCE, all_to, ask, get, named, proxy, proxy_with, talk};

async fn send(address: std::net::SocketAddr, bytes: &[u8]) -> Vec<u8> {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(bytes).await.ok();
    stream.shutdown().await.ok();
    let mut answer = Vec::new();
    tokio::time::timeout(PATIENCE, stream.read_to_end(&mut answer)).await.expect("an end").ok();
    answer
}

#[tokio::test]
async fn garbage_is_refused_and_harms_nobody() {
    let proxy = proxy();
    let app = named("app").await;
    proxy.proxy.set(all_to(&[app.address]));
    let mut rng = fastrand::Rng::with_seed(7);
    for round in 0..300 {
        let mut bytes: Vec<u8> = (0..rng.usize(0..400)).map(|_| rng.u8(..)).collect();
        if round % 3 == 0 {
            bytes.splice(0..0, *b"GET / HTTP/1.1\r\nHost: h\r\n");
        }
        if round % 3 == 1 {
            let mut good = get("h", "/").into_bytes();
            let at = rng.usize(0..good.len());
            good[at] = rng.u8(..);
            bytes = good;
        }
        send(proxy.address, &bytes).await;
    }
    assert_eq!(ask(proxy.address, &get("h", "/")).await.2, "app");
}

#[tokio::test]
async fn what_is_ambiguous_is_refused() {
    let proxy = proxy();
    let app = named("app").await;
    proxy.proxy.set(all_to(&[app.address]));
    for (request, status) in [
        ("GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", "400"),
        ("GET / HTTP/1.1\r\n\r\n", "400"),
        ("CONNECT h:80 HTTP/1.1\r\nHost: h:80\r\n\r\n", "405"),
        ("GET / HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab", "400"),
        ("GET / HTTP/1.1\r\nHost : h\r\n\r\n", "400"),
        ("GET / HTTP/1.1\r\nHost: h\r\nContent-Length: -1\r\n\r\n", "400"),
        ("POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: gzip\r\n\r\n", "400"),
        ("GET / HTTP/9.9\r\nHost: h\r\n\r\n", "400"),
    ] {
        let answer = send(proxy.address, request.as_bytes()).await;
        let line = String::from_utf8_lossy(&answer[..answer.len().min(16)]).into_owned();
        assert_eq!(line.split(' ').nth(1), Some(status), "{request:?} -> {line:?}");
    }
}

#[tokio::test]
async fn both_lengths_never_smuggle_a_second_request() {
    let proxy = proxy();
    let app = crate::support::echo().await;
    proxy.proxy.set(all_to(&[app.address]));
    let request = "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 6\r\nTransfer-Encoding: chunked\r\n\r\n\
                   0\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: h\r\n\r\n";
    send(proxy.address, request.as_bytes()).await;
    // Whatever follows is a request of its own to us; the application never sees both in one.
    let body = ask(proxy.address, &get("h", "/after")).await.2;
    assert!(body.starts_with("GET /after\n"), "{body}");
}

#[tokio::test]
async fn endless_heads_are_refused_with_431() {
    let proxy = proxy();
    let app = named("app").await;
    proxy.proxy.set(all_to(&[app.address]));
    let long = format!("GET / HTTP/1.1\r\nHost: h\r\nX: {}\r\n\r\n", "a".repeat(100_000));
    let many = format!("GET / HTTP/1.1\r\nHost: h\r\n{}\r\n", "X: a\r\n".repeat(500));
    for request in [long, many] {
        let answer = send(proxy.address, request.as_bytes()).await;
        assert!(answer.starts_with(b"HTTP/1.1 431"), "{}", String::from_utf8_lossy(&answer));
    }
}

#[tokio::test]
async fn clients_that_say_nothing_are_let_go() {
    let proxy = proxy_with(Config { idle_timeout: Duration::from_millis(100), ..Config::default() });
    let app = named("app").await;
    proxy.proxy.set(all_to(&[app.address]));
    for beginning in ["", "P", "GET / HT", "PRI * HTTP/2.0"] {
        let mut stream = TcpStream::connect(proxy.address).await.unwrap();
        stream.write_all(beginning.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        tokio::time::timeout(PATIENCE, stream.read_to_end(&mut answer)).await.expect("an end").ok();
    }
    // Also between two requests.
    let mut stream = TcpStream::connect(proxy.address).await.unwrap();
    talk(&mut stream, &get("h", "/")).await;
    tokio::time::timeout(PATIENCE, stream.read(&mut [0; 1])).await.expect("an end").ok();
}

#[tokio::test]
async fn connections_are_bounded_and_the_next_one_waits() {
    let proxy = proxy_with(Config { max_connections: 2, ..Config::default() });
    let app = named("app").await;
    proxy.proxy.set(all_to(&[app.address]));
    let mut first = TcpStream::connect(proxy.address).await.unwrap();
    let mut second = TcpStream::connect(proxy.address).await.unwrap();
    talk(&mut first, &get("h", "/")).await;
    talk(&mut second, &get("h", "/")).await;
    assert_eq!(proxy.proxy.metrics().connections, 2);
    let mut third = TcpStream::connect(proxy.address).await.unwrap();
    third.write_all(get("h", "/").as_bytes()).await.unwrap();
    let early = tokio::time::timeout(Duration::from_millis(50), third.readable()).await;
    assert!(early.is_err(), "it has to wait");
    drop(first);
    assert_eq!(crate::support::read_message(&mut third).await.unwrap().1, b"app");
}

#[tokio::test]
async fn a_garbage_answer_is_a_502() {
    for answer in [
        &b"\x00\x01\x02\x03\r\n\r\n"[..],
        b"HTTP/1.1 abc\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n",
        b"",
    ] {
        let (address, _task) = crate::support::raw_app(move |_, mut stream| async move {
            crate::support::read_message(&mut stream).await;
            stream.write_all(answer).await.ok();
        })
        .await;
        let proxy = proxy();
        proxy.proxy.set(all_to(&[address]));
        assert_eq!(ask(proxy.address, &get("h", "/")).await.0, 502, "{answer:?}");
    }
}
