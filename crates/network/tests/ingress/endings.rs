//! Applications that come, go, break and dawdle: what the client sees of it.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use bytes::Bytes;
use http::Response;
use http_body_util::Full;
use network::ingress::Config;
use tokio::{
    io::AsyncWriteExt,
    net::{TcpListener, TcpStream},
};

use crate::support::{
    PATIENCE, all_to, app, ask, get, named, post, proxy, proxy_with, raw_app, read_message, talk,
};

const OK: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

/// An address where nobody listens.
async fn refusing() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap()
}

#[tokio::test]
async fn a_refused_connection_goes_to_another_endpoint() {
    let proxy = proxy();
    let app = named("app").await;
    proxy.proxy.set(all_to(&[refusing().await, app.address, refusing().await]));
    for _ in 0..20 {
        assert_eq!(ask(proxy.address, &post("x")).await.2, "app");
    }
    let metrics = proxy.proxy.metrics();
    assert_eq!((metrics.backends["app"].requests, metrics.backends["app"].failures), (20, 0));
    assert!(metrics.backends["app"].retries > 0);
}

#[tokio::test]
async fn when_all_refuse_the_answer_is_502_and_soon() {
    let proxy = proxy();
    proxy.proxy.set(all_to(&[refusing().await, refusing().await]));
    let started = Instant::now();
    let (status, _, body) = ask(proxy.address, &get("h", "/")).await;
    assert_eq!((status, body.as_str()), (502, "502 Bad Gateway: the pod did not answer\n"));
    assert!(started.elapsed() < Duration::from_secs(2));
    assert_eq!(proxy.proxy.metrics().backends["app"].unanswered, 1);
}

#[tokio::test]
async fn an_endpoint_that_appears_while_all_refuse_is_found() {
    let proxy = proxy_with(Config::default());
    proxy.proxy.set(all_to(&[refusing().await]));
    let address = proxy.address;
    let waiting = tokio::spawn(async move { ask(address, &post("x")).await });
    let app = named("app").await;
    proxy.proxy.set(all_to(&[app.address]));
    assert_eq!(waiting.await.unwrap().2, "app");
}

#[tokio::test]
async fn an_application_that_closes_connections_at_rest_fails_no_request() {
    // It answers as if the connection stayed, and closes it then: at once, or a moment later, just
    // when the next request may be on its way.
    let (address, _task) = raw_app(|n, mut stream| async move {
        if read_message(&mut stream).await.is_some() {
            stream.write_all(OK).await.ok();
            for _ in 0..n % 40 {
                tokio::task::yield_now().await;
            }
        }
    })
    .await;
    let proxy = proxy();
    proxy.proxy.set(all_to(&[address]));
    let mut stream = TcpStream::connect(proxy.address).await.unwrap();
    for n in 0..3000 {
        let request = if n % 2 == 0 { post("a prediction") } else { get("h", "/") };
        assert_eq!(talk(&mut stream, &request).await.0, 200, "request {n}");
    }
}

#[tokio::test]
async fn a_request_reset_unread_is_sent_elsewhere_whatever_its_method() {
    // Takes connections but reads nothing and closes: the kernel resets them, as it does with those
    // in the queue of a listener that goes.
    let (address, _task) = raw_app(|_, stream| async move {
        stream.readable().await.unwrap();
        drop(stream);
    })
    .await;
    let proxy = proxy();
    let app = named("app").await;
    proxy.proxy.set(all_to(&[address, app.address]));
    for _ in 0..20 {
        assert_eq!(ask(proxy.address, &post("x")).await.2, "app");
    }
}

#[tokio::test]
async fn a_request_that_may_have_worked_is_repeated_only_if_harmless() {
    // Reads the whole request, then goes without a word.
    let reached = Arc::new(AtomicUsize::new(0));
    let counter = reached.clone();
    let (address, _task) = raw_app(move |_, mut stream| {
        let counter = counter.clone();
        async move {
            read_message(&mut stream).await;
            counter.fetch_add(1, Ordering::SeqCst);
        }
    })
    .await;
    let proxy = proxy();
    let app = named("app").await;
    proxy.proxy.set(all_to(&[address, app.address]));
    let mut seen = Vec::new();
    for _ in 0..10 {
        seen.push(ask(proxy.address, &post("x")).await.0);
    }
    let failed = seen.iter().filter(|status| **status == 502).count();
    assert!(failed > 0, "each was reached in turn");
    assert_eq!(failed, reached.load(Ordering::SeqCst), "no POST was sent twice: {seen:?}");
    for _ in 0..10 {
        assert_eq!(ask(proxy.address, &get("h", "/")).await.2, "app");
    }
}

#[tokio::test]
async fn a_silent_application_is_a_504() {
    let (address, _task) = raw_app(|_, mut stream| async move {
        read_message(&mut stream).await;
        read_message(&mut stream).await;
    })
    .await;
    let proxy = proxy_with(Config { response_timeout: Duration::from_millis(100), ..Config::default() });
    proxy.proxy.set(all_to(&[address]));
    let (status, _, body) = ask(proxy.address, &get("h", "/")).await;
    assert_eq!((status, body.as_str()), (504, "504 Gateway Timeout: the pod did not answer in time\n"));
}

#[tokio::test]
async fn a_response_cut_short_is_not_passed_off_as_whole() {
    let (address, _task) = raw_app(|_, mut stream| async move {
        read_message(&mut stream).await;
        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nonly this").await.unwrap();
    })
    .await;
    let proxy = proxy();
    proxy.proxy.set(all_to(&[address]));
    let mut stream = TcpStream::connect(proxy.address).await.unwrap();
    stream.write_all(get("h", "/").as_bytes()).await.unwrap();
    assert!(read_message(&mut stream).await.is_none(), "the client sees that it broke off");
    assert_eq!(proxy.proxy.metrics().backends["app"].broken, 1);
}

#[tokio::test]
async fn an_endpoint_taken_from_the_routes_ends_what_it_has_and_gets_no_more() {
    let go = Arc::new(tokio::sync::Semaphore::new(0));
    let gate = go.clone();
    let old = app(move |_| {
        let gate = gate.clone();
        async move {
            gate.acquire().await.unwrap().forget();
            Response::new(Full::<Bytes>::from("old"))
        }
    })
    .await;
    let new = named("new").await;
    let proxy = proxy();
    proxy.proxy.set(all_to(&[old.address]));
    let address = proxy.address;
    let under_way = tokio::spawn(async move { ask(address, &post("x")).await });
    while old.requests.load(Ordering::SeqCst) == 0 {
        tokio::task::yield_now().await;
    }
    proxy.proxy.set(all_to(&[new.address]));
    assert!(!proxy.proxy.quiesced(old.address.ip(), Duration::from_millis(20)).await);
    assert_eq!(ask(address, &get("h", "/")).await.2, "new");
    go.add_permits(1);
    assert_eq!(under_way.await.unwrap().2, "old");
    assert!(proxy.proxy.quiesced(old.address.ip(), PATIENCE).await);
    assert_eq!(old.requests.load(Ordering::SeqCst), 1);
}

/// The promise, in small: applications come and go under load, and stop at once when they are
/// quiesced; some close their connections at rest as well.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rolling_update_under_load_fails_no_request() {
    let proxy = proxy_with(Config::default());
    let mut current = [named("0").await, named("0").await, named("0").await];
    let addresses = |apps: &[crate::support::App; 3]| apps.each_ref().map(|app| app.address);
    proxy.proxy.set(all_to(&addresses(&current)));
    let stop = Arc::new(AtomicBool::new(false));
    let clients: Vec<_> = (0..8)
        .map(|n| {
            let (address, stop) = (proxy.address, stop.clone());
            tokio::spawn(async move {
                let mut asked = 0;
                let mut stream = TcpStream::connect(address).await.unwrap();
                while !stop.load(Ordering::Relaxed) {
                    let request = if asked % 2 == 0 { post("x") } else { get("h", "/") };
                    let status = if n < 4 {
                        talk(&mut stream, &request).await.0
                    } else {
                        ask(address, &request).await.0
                    };
                    assert_eq!(status, 200);
                    asked += 1;
                }
                asked
            })
        })
        .collect();
    // For a longer run: NETWORK_TEST_ROUNDS=100000.
    let rounds =
        std::env::var("NETWORK_TEST_ROUNDS").ok().and_then(|rounds| rounds.parse().ok()).unwrap_or(50);
    for round in 0..rounds {
        let place = round % 3;
        let old = std::mem::replace(&mut current[place], named("n").await);
        proxy.proxy.set(all_to(&addresses(&current)));
        assert!(proxy.proxy.quiesced(old.address.ip(), PATIENCE).await);
        drop(old);
        // The new one has its share before the next one goes.
        let deadline = Instant::now() + PATIENCE;
        while current[place].requests.load(Ordering::SeqCst) < 10 {
            assert!(Instant::now() < deadline, "the new one gets no requests");
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }
    stop.store(true, Ordering::Relaxed);
    let mut total = 0;
    for client in clients {
        total += client.await.unwrap();
    }
    let counts = proxy.proxy.metrics().backends["app"].clone();
    eprintln!("{total} requests, {} retries", counts.retries);
    assert_eq!((counts.failures, counts.broken), (0, 0));
}

#[tokio::test]
async fn draining_lets_requests_end_and_takes_no_new_connection() {
    let slow = app(|_| async {
        tokio::time::sleep(Duration::from_millis(100)).await;
        Response::new(Full::<Bytes>::from("slow"))
    })
    .await;
    let proxy = proxy();
    proxy.proxy.set(all_to(&[slow.address]));
    let _idle = TcpStream::connect(proxy.address).await.unwrap();
    let address = proxy.address;
    let under_way = tokio::spawn(async move { ask(address, &get("h", "/")).await });
    while slow.requests.load(Ordering::SeqCst) == 0 {
        tokio::task::yield_now().await;
    }
    let started = Instant::now();
    proxy.proxy.drain(PATIENCE).await;
    assert!(started.elapsed() < Duration::from_secs(5), "{:?}", started.elapsed());
    let (status, head, body) = under_way.await.unwrap();
    assert_eq!((status, body.as_str()), (200, "slow"));
    assert!(head.to_lowercase().contains("connection: close"), "{head}");
    assert!(TcpStream::connect(address).await.is_err());
}
