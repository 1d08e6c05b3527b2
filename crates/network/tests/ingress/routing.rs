//! Which application answers, and what it is told.

use std::{sync::atomic::Ordering, time::Duration};

use network::ingress::{Host, PathType, Route, Routes, Treatment};
use tokio::net::TcpStream;

use crate::support::{all_to, ask, echo, get, named, post, proxy, talk};

#[tokio::test]
async fn without_routes_every_request_is_answered_404() {
    let proxy = proxy();
    let (status, head, body) = ask(proxy.address, &get("h", "/")).await;
    assert_eq!(status, 404);
    assert!(head.to_lowercase().contains("content-type: text/plain"));
    assert_eq!(body, "404 Not Found: no Ingress rule matches this host and path\n");
    assert_eq!(proxy.proxy.metrics().backends[""].requests, 1);
}

#[tokio::test]
async fn host_and_path_choose_the_application() {
    let proxy = proxy();
    let (one, two, rest) = (named("one").await, named("two").await, named("rest").await);
    let route = |host, path: &str, backend: &str| Route {
        host,
        path: path.to_owned(),
        path_type: PathType::Prefix,
        backend: backend.to_owned(),
        treatment: Treatment::default(),
    };
    proxy.proxy.set(Routes {
        rules: vec![
            route(Host::Exact("jokemeter.ai".to_owned()), "/", "one"),
            route(Host::Exact("jokemeter.ai".to_owned()), "/api/v2", "two"),
            route(Host::Wildcard("*.example.org".to_owned()), "/", "two"),
        ],
        backends: [("one", &one), ("two", &two), ("rest", &rest)]
            .map(|(key, app)| (key.to_owned(), vec![app.address]))
            .into(),
        default_backend: Some(("rest".to_owned(), Treatment::default())),
        ..Routes::default()
    });
    for (host, path, name) in [
        ("jokemeter.ai", "/", "one"),
        ("JokeMeter.ai:8080", "/api/v1/version?x=/api/v2", "one"),
        ("jokemeter.ai", "/api/v2/predict", "two"),
        ("a.example.org", "/x", "two"),
        ("elsewhere", "/x", "rest"),
    ] {
        assert_eq!(ask(proxy.address, &get(host, path)).await.2, name, "{host}{path}");
    }
}

#[tokio::test]
async fn new_routes_hold_for_the_next_request_on_an_open_connection() {
    let proxy = proxy();
    let (old, new) = (named("old").await, named("new").await);
    let mut stream = TcpStream::connect(proxy.address).await.unwrap();
    for _ in 0..50 {
        proxy.proxy.set(all_to(&[old.address]));
        assert_eq!(talk(&mut stream, &get("h", "/")).await.2, "old");
        proxy.proxy.set(all_to(&[new.address]));
        assert_eq!(talk(&mut stream, &get("h", "/")).await.2, "new");
    }
    proxy.proxy.set(all_to(&[]));
    let (status, head, body) = talk(&mut stream, &get("h", "/")).await;
    assert_eq!((status, body.as_str()), (503, "503 Service Unavailable: no pod is ready to answer\n"));
    assert!(head.to_lowercase().contains("retry-after: 1"));
}

#[tokio::test]
async fn connections_to_an_application_are_used_again() {
    let proxy = proxy();
    let app = named("app").await;
    proxy.proxy.set(all_to(&[app.address]));
    let mut stream = TcpStream::connect(proxy.address).await.unwrap();
    for _ in 0..20 {
        talk(&mut stream, &get("h", "/")).await;
        talk(&mut stream, &post("x")).await;
    }
    assert_eq!(app.requests.load(Ordering::SeqCst), 40);
    assert_eq!(app.connections.load(Ordering::SeqCst), 1);
    // The same routes again change nothing; a new endpoint does not cost the old one's connections.
    let other = named("other").await;
    proxy.proxy.set(all_to(&[app.address, other.address]));
    for _ in 0..4 {
        talk(&mut stream, &get("h", "/")).await;
    }
    assert_eq!(app.connections.load(Ordering::SeqCst), 1);
    assert_eq!(other.requests.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn the_application_learns_who_asked_and_nothing_of_the_hop() {
    let proxy = proxy();
    let app = echo().await;
    proxy.proxy.set(all_to(&[app.address]));
    let request = "POST /a%20b?q=%2F HTTP/1.1\r\nHost: Joke.localhost:8080\r\nX-Forwarded-For: 6.6.6.6\r\n\
                   Connection: keep-alive, X-Hop\r\nX-Hop: 1\r\nX-Stays: 1\r\nContent-Length: 3\r\n\r\nabc";
    let (status, head, body) = ask(proxy.address, request).await;
    assert_eq!(status, 200);
    assert!(!head.to_lowercase().contains("keep-alive"), "{head}");
    let port = proxy.address.port();
    for line in [
        "POST /a%20b?q=%2F\n",
        "\nhost: Joke.localhost:8080\n",
        "\nx-forwarded-for: 127.0.0.1\n",
        "\nx-real-ip: 127.0.0.1\n",
        "\nx-forwarded-host: Joke.localhost:8080\n",
        "\nx-forwarded-proto: http\n",
        &format!("\nx-forwarded-port: {port}\n"),
        "\nx-stays: 1\n",
        "\ncontent-length: 3\n",
        "\n\nabc",
    ] {
        assert!(body.contains(line), "{line:?} not in\n{body}");
    }
    assert!(!body.contains("x-hop"));
}

#[tokio::test]
async fn requests_go_where_the_fewest_are_under_way() {
    let proxy = proxy();
    let slow = crate::support::app(|_| async {
        tokio::time::sleep(Duration::from_millis(200)).await;
        http::Response::new(http_body_util::Full::from("slow"))
    })
    .await;
    let quick = named("quick").await;
    proxy.proxy.set(all_to(&[slow.address, quick.address]));
    let clients = (0..4).map(|_| {
        let address = proxy.address;
        tokio::spawn(async move {
            for _ in 0..10 {
                ask(address, &get("h", "/")).await;
            }
        })
    });
    for client in clients.collect::<Vec<_>>() {
        client.await.unwrap();
    }
    let (slow, quick) = (slow.requests.load(Ordering::SeqCst), quick.requests.load(Ordering::SeqCst));
    assert!(quick > 3 * slow, "quick {quick}, slow {slow}");
}

fn treated(app: std::net::SocketAddr, treatment: Treatment) -> Routes {
    let mut routes = all_to(&[app]);
    routes.rules[0].treatment = treatment;
    routes
}

#[tokio::test]
async fn plain_http_is_redirected_where_the_route_says_so() {
    let proxy = proxy();
    let app = named("app").await;
    let treatment = Treatment { redirects_to_https: true, ..Treatment::default() };
    proxy.proxy.set(treated(app.address, treatment));
    let (status, head, _) = ask(proxy.address, &get("web.example:8080", "/a?b=c")).await;
    assert_eq!(status, 308);
    assert!(head.to_lowercase().contains("location: https://web.example/a?b=c"), "{head}");
    assert_eq!(app.requests.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn a_body_beyond_the_bound_is_refused_before_anybody_reads_it() {
    let proxy = proxy();
    let app = echo().await;
    let treatment = Treatment { max_body_bytes: Some(10), ..Treatment::default() };
    proxy.proxy.set(treated(app.address, treatment));
    assert_eq!(ask(proxy.address, &post("0123456789")).await.0, 200);
    assert_eq!(ask(proxy.address, &post("0123456789x")).await.0, 413);
    let chunked =
        "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\nb\r\n0123456789x\r\n0\r\n\r\n";
    assert_eq!(ask(proxy.address, chunked).await.0, 413);
    assert_eq!(ask(proxy.address, &post("0123456789")).await.0, 200);
}

#[tokio::test]
async fn a_route_has_its_own_patience() {
    let proxy = proxy();
    let app = crate::support::app(|_| std::future::pending()).await;
    let treatment = Treatment { response_timeout: Some(Duration::from_millis(50)), ..Treatment::default() };
    proxy.proxy.set(treated(app.address, treatment));
    assert_eq!(ask(proxy.address, &post("x")).await.0, 504);
}
