//! Virtual addresses.

use std::{
    collections::HashMap,
    io::{ErrorKind, Read, Write},
    net::{Ipv4Addr, SocketAddr, SocketAddrV4, TcpListener, TcpStream, UdpSocket},
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use network::pods::{PodNetwork, Range};
use network::services::{Config, Protocol, ServiceRule, Services};

use crate::{
    Case,
    support::{self, NODE, in_cluster, in_pod, pod_network, spawn_in_pod},
};

pub(crate) const CASES: &[Case] = &[
    ("a_service_spreads_connections_over_its_backends", spread),
    ("a_pod_reaches_itself_through_its_own_service", itself),
    ("a_service_without_backends_refuses_at_once", refuses),
    ("a_change_leaves_existing_connections_alone", existing),
    ("a_datagram_client_that_never_pauses_moves_to_the_new_backend", datagrams_move),
    ("short_connections_to_a_backend_that_leaves_are_waited_for", settles),
    ("clients_of_a_range_have_their_own_backends", near),
    ("a_client_stays_with_its_backend_when_asked", stays),
    ("rules_outlive_the_main_process_and_are_replaced", replaced),
    ("a_thousand_services_are_set_in_moments", thousand),
    ("what_the_main_process_serves_is_not_refused", served),
];

pub(crate) const ADDRESS: Ipv4Addr = Ipv4Addr::new(10, 96, 0, 20);
const DNS: Ipv4Addr = Ipv4Addr::new(10, 96, 0, 10);

pub(crate) async fn services() -> Services {
    let config = Config {
        node_address: NODE,
        service_range: Range::new(Ipv4Addr::new(10, 96, 0, 0), 16),
        served_here: vec![(DNS, Protocol::Tcp, 53), (DNS, Protocol::Udp, 53)],
    };
    Services::start(config).await.unwrap()
}

pub(crate) fn rule(protocol: Protocol, backends: &[SocketAddrV4]) -> ServiceRule {
    ServiceRule {
        address: ADDRESS,
        port: 80,
        protocol,
        backends: backends.into(),
        near: Vec::new(),
        affinity: None,
    }
}

/// A pod that says its own number and the client's address, over TCP and UDP.
async fn pod(pods: &PodNetwork, n: u8) -> (PathBuf, SocketAddrV4) {
    let address = Ipv4Addr::new(10, 244, 0, n);
    let namespace = pods.attach(&format!("pod-{n}"), address).await.unwrap();
    let ready = std::sync::Arc::new(std::sync::Barrier::new(3));
    let (tcp, udp) = (ready.clone(), ready.clone());
    spawn_in_pod(&namespace, move || {
        let listener = TcpListener::bind(("0.0.0.0", 8000)).unwrap();
        tcp.wait();
        for client in listener.incoming() {
            let mut client = client.unwrap();
            let from = client.peer_addr().unwrap().ip();
            std::thread::spawn(move || {
                client.write_all(format!("{n} {from}\n").as_bytes()).ok();
                // Stays until the client goes.
                client.read_exact(&mut [0; 1]).ok();
            });
        }
    });
    spawn_in_pod(&namespace, move || {
        let socket = UdpSocket::bind(("0.0.0.0", 8000)).unwrap();
        udp.wait();
        loop {
            let (_, from) = socket.recv_from(&mut [0; 64]).unwrap();
            socket.send_to(format!("{n} {}\n", from.ip()).as_bytes(), from).unwrap();
        }
    });
    tokio::task::spawn_blocking(move || ready.wait()).await.unwrap();
    (namespace, SocketAddrV4::new(address, 8000))
}

fn ask_tcp(address: Ipv4Addr) -> std::io::Result<String> {
    let mut stream = TcpStream::connect_timeout(&SocketAddr::from((address, 80)), Duration::from_secs(2))?;
    stream.set_read_timeout(Some(Duration::from_secs(2)))?;
    let mut bytes = [0; 64];
    let length = stream.read(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes[..length]).trim().to_owned())
}

fn ask_udp(address: Ipv4Addr) -> std::io::Result<String> {
    let socket = UdpSocket::bind("0.0.0.0:0")?;
    socket.set_read_timeout(Some(Duration::from_secs(2)))?;
    socket.connect((address, 80))?;
    socket.send(b"?")?;
    let mut bytes = [0; 64];
    let length = socket.recv(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes[..length]).trim().to_owned())
}

fn tally(namespace: Option<&Path>, ask: fn(Ipv4Addr) -> std::io::Result<String>) -> HashMap<String, usize> {
    let many = move || {
        let mut tally = HashMap::new();
        for _ in 0..60 {
            *tally.entry(ask(ADDRESS).unwrap()).or_default() += 1;
        }
        tally
    };
    match namespace {
        Some(namespace) => in_pod(namespace, many),
        None => many(),
    }
}

fn spread() {
    in_cluster(|_entered| async {
        let (pods, services) = (pod_network().await, services().await);
        let (_, a) = pod(&pods, 2).await;
        let (_, b) = pod(&pods, 3).await;
        let (client, _) = pod(&pods, 4).await;
        services.apply(vec![rule(Protocol::Tcp, &[a, b]), rule(Protocol::Udp, &[a, b])]).await.unwrap();
        for (from, namespace) in [(NODE.to_string(), None), ("10.244.0.4".to_owned(), Some(client.as_path()))]
        {
            for ask in [ask_tcp, ask_udp] {
                let tally = tally(namespace, ask);
                assert_eq!(tally.len(), 2, "{tally:?}");
                for n in [2, 3] {
                    let count = tally[&format!("{n} {from}")];
                    assert!((12..=48).contains(&count), "{tally:?}");
                }
            }
        }
        // More than a handful are picked another way.
        let mut many = vec![a, b];
        for n in 5..15 {
            many.push(pod(&pods, n).await.1);
        }
        services.apply(vec![rule(Protocol::Tcp, &many)]).await.unwrap();
        let picked = tally(Some(&client), ask_tcp);
        assert!(picked.len() > 6 && picked.values().all(|count| *count < 30), "{picked:?}");
        // A node port is a rule for the node's address.
        let node_port = ServiceRule { address: NODE, ..rule(Protocol::Tcp, &[a]) };
        services.apply(vec![node_port]).await.unwrap();
        assert_eq!(in_pod(&client, || ask_tcp(NODE)).unwrap(), "2 10.244.0.4");
        assert_eq!(ask_tcp(NODE).unwrap(), format!("2 {NODE}"));
    });
}

fn itself() {
    in_cluster(|_entered| async {
        let (pods, services) = (pod_network().await, services().await);
        let (namespace, a) = pod(&pods, 2).await;
        services.apply(vec![rule(Protocol::Tcp, &[a]), rule(Protocol::Udp, &[a])]).await.unwrap();
        assert_eq!(in_pod(&namespace, || ask_tcp(ADDRESS)).unwrap(), format!("2 {NODE}"));
        assert_eq!(in_pod(&namespace, || ask_udp(ADDRESS)).unwrap(), format!("2 {NODE}"));
    });
}

fn refuses() {
    in_cluster(|_entered| async {
        let (pods, services) = (pod_network().await, services().await);
        let (namespace, a) = pod(&pods, 2).await;
        // Another server of this network on the same port must not answer instead.
        let _other = TcpListener::bind("0.0.0.0:80").unwrap();
        for rules in [vec![], vec![rule(Protocol::Tcp, &[]), rule(Protocol::Udp, &[])]] {
            services.apply(vec![rule(Protocol::Tcp, &[a]), rule(Protocol::Udp, &[a])]).await.unwrap();
            assert!(in_pod(&namespace, || ask_tcp(ADDRESS)).is_ok());
            services.apply(rules).await.unwrap();
            for ask in [ask_tcp, ask_udp] {
                let started = Instant::now();
                let from_pod = in_pod(&namespace, move || ask(ADDRESS)).unwrap_err();
                assert_eq!(from_pod.kind(), ErrorKind::ConnectionRefused);
                assert_eq!(ask(ADDRESS).unwrap_err().kind(), ErrorKind::ConnectionRefused);
                assert!(started.elapsed() < Duration::from_millis(500), "{:?}", started.elapsed());
            }
        }
    });
}

fn existing() {
    in_cluster(|_entered| async {
        let (pods, services) = (pod_network().await, services().await);
        let (_, a) = pod(&pods, 2).await;
        let (_, b) = pod(&pods, 3).await;
        services.apply(vec![rule(Protocol::Tcp, &[a])]).await.unwrap();
        let mut stream = TcpStream::connect((ADDRESS, 80)).unwrap();
        let mut first = [0; 4];
        stream.read_exact(&mut first).unwrap();
        services.apply(vec![rule(Protocol::Tcp, &[b])]).await.unwrap();
        let mut rest = [0; 64];
        assert!(stream.read(&mut rest).unwrap() > 0);
        stream.write_all(b"x").unwrap();
        assert!(ask_tcp(ADDRESS).unwrap().starts_with("3 "), "new ones go to the new backend");
        // Its backend closes it, in order, since it was reached.
        assert_eq!(stream.read(&mut rest).unwrap(), 0);
    });
}

fn settles() {
    in_cluster(|_entered| async {
        let (pods, services) = (pod_network().await, services().await);
        let (_, a) = pod(&pods, 2).await;
        let (_, b) = pod(&pods, 3).await;
        services.apply(vec![rule(Protocol::Tcp, &[a])]).await.unwrap();
        assert!(services.settled(*a.ip(), Duration::ZERO).await, "nobody has connected");
        let mut stream = TcpStream::connect((ADDRESS, 80)).unwrap();
        stream.read_exact(&mut [0; 1]).unwrap();
        services.apply(vec![rule(Protocol::Tcp, &[b])]).await.unwrap();
        assert!(!services.settled(*a.ip(), Duration::from_millis(50)).await, "a connection goes on");
        assert!(services.settled(*b.ip(), Duration::ZERO).await, "not to the other one");
        drop(stream);
        assert!(services.settled(*a.ip(), Duration::from_secs(10)).await);
    });
}

fn near() {
    in_cluster(|_entered| async {
        let (pods, services) = (pod_network().await, services().await);
        let (first, a) = pod(&pods, 2).await;
        let (second, b) = pod(&pods, 3).await;
        let only = |address: &SocketAddrV4| Range::new(*address.ip(), 32);
        let near = vec![(only(&a), vec![a]), (only(&b), vec![])];
        services.apply(vec![ServiceRule { near, ..rule(Protocol::Tcp, &[a, b]) }]).await.unwrap();
        assert!((0..20).all(|_| in_pod(&first, || ask_tcp(ADDRESS)).unwrap().starts_with("2 ")));
        let refused = in_pod(&second, || ask_tcp(ADDRESS)).unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::ConnectionRefused);
        assert_eq!(tally(None, ask_tcp).len(), 2, "everybody else has all");
    });
}

fn datagrams_move() {
    in_cluster(|_entered| async {
        let (pods, services) = (pod_network().await, services().await);
        let (_, a) = pod(&pods, 2).await;
        let (_, b) = pod(&pods, 3).await;
        let (client, _) = pod(&pods, 4).await;
        services.apply(vec![rule(Protocol::Udp, &[a])]).await.unwrap();
        let socket = in_pod(&client, || UdpSocket::bind("0.0.0.0:0").unwrap());
        socket.set_read_timeout(Some(Duration::from_secs(2))).unwrap();
        let ask = || {
            let mut bytes = [0; 64];
            socket.send_to(b"?", (ADDRESS, 80)).unwrap();
            let length = socket.recv(&mut bytes).unwrap();
            String::from_utf8_lossy(&bytes[..length]).into_owned()
        };
        assert_eq!(ask(), "2 10.244.0.4\n");
        services.apply(vec![rule(Protocol::Udp, &[a, b])]).await.unwrap();
        assert_eq!(ask(), "2 10.244.0.4\n", "it stays while its backend does");
        services.apply(vec![rule(Protocol::Udp, &[b])]).await.unwrap();
        assert_eq!(ask(), "3 10.244.0.4\n");
    });
}

fn stays() {
    in_cluster(|_entered| async {
        let (pods, services) = (pod_network().await, services().await);
        let mut backends = Vec::new();
        for n in 2..6 {
            backends.push(pod(&pods, n).await.1);
        }
        let sticky = |time, backends: &[SocketAddrV4]| ServiceRule {
            affinity: Some(time),
            ..rule(Protocol::Tcp, backends)
        };
        let long = Duration::from_secs(10_800);
        services.apply(vec![sticky(long, &backends)]).await.unwrap();
        let mut picked = std::collections::HashSet::new();
        for n in 20..40 {
            let namespace = pods.attach(&format!("client-{n}"), Ipv4Addr::new(10, 244, 0, n)).await.unwrap();
            let tally = tally(Some(&namespace), ask_tcp);
            assert_eq!(tally.len(), 1, "{tally:?}");
            picked.extend(tally.into_keys().map(|answer| answer.split(' ').next().unwrap().to_owned()));
        }
        assert!(picked.len() > 1, "different clients go to different backends");

        // Its backend among others, and longer than the clients stay.
        let own = ask_tcp(ADDRESS).unwrap();
        backends.push(pod(&pods, 6).await.1);
        services.apply(vec![sticky(long, &backends)]).await.unwrap();
        assert!((0..20).all(|_| ask_tcp(ADDRESS).unwrap() == own), "a change of others moves nobody");
        let short = Duration::from_millis(50);
        services.apply(vec![sticky(short, &backends)]).await.unwrap();
        support::eventually("the client moves", || {
            std::thread::sleep(2 * short);
            ask_tcp(ADDRESS).unwrap() != own
        });
        services.apply(vec![]).await.unwrap();
    });
}

fn replaced() {
    in_cluster(|_entered| async {
        let pods = pod_network().await;
        let (_, a) = pod(&pods, 2).await;
        let (_, b) = pod(&pods, 3).await;
        let earlier = services().await;
        earlier.apply(vec![rule(Protocol::Tcp, &[a])]).await.unwrap();
        drop(earlier);
        let later = services().await;
        assert!(ask_tcp(ADDRESS).unwrap().starts_with("2 "));
        later.apply(vec![rule(Protocol::Tcp, &[b])]).await.unwrap();
        assert!(ask_tcp(ADDRESS).unwrap().starts_with("3 "));
        later.apply(vec![]).await.unwrap();
        assert!(ask_tcp(ADDRESS).is_err());
    });
}

fn thousand() {
    in_cluster(|_entered| async {
        let services = services().await;
        let rules = |last: u16| -> Vec<ServiceRule> {
            let backend = |n| SocketAddrV4::new(Ipv4Addr::new(10, 244, 0, n), 8000);
            (0..last)
                .map(|n| {
                    let [high, low] = n.to_be_bytes();
                    let address = Ipv4Addr::new(10, 96, 1 + high, low);
                    ServiceRule { address, ..rule(Protocol::Tcp, &[backend(2), backend(3), backend(4)]) }
                })
                .collect()
        };
        let started = Instant::now();
        services.apply(rules(1000)).await.unwrap();
        let all = started.elapsed();
        let started = Instant::now();
        services.apply(rules(1000)).await.unwrap();
        let none = started.elapsed();
        let started = Instant::now();
        services.apply(rules(999)).await.unwrap();
        let one = started.elapsed();
        let mut changed = rules(1000);
        changed[5].backends.pop();
        let started = Instant::now();
        services.apply(changed).await.unwrap();
        let two = started.elapsed();
        let started = Instant::now();
        services.apply(vec![]).await.unwrap();
        let clear = started.elapsed();
        eprintln!(
            "  1000 new {all:?}, none changed {none:?}, one gone {one:?}, two changed {two:?}, all gone {clear:?}"
        );
        assert!(all < Duration::from_secs(5), "{all:?}");
    });
}

fn served() {
    in_cluster(|_entered| async {
        let pods = pod_network().await;
        let _services = {
            let s = services().await;
            s.apply(vec![]).await.unwrap();
            s
        };
        let namespace = pods.attach("one", Ipv4Addr::new(10, 244, 0, 2)).await.unwrap();
        let listener = TcpListener::bind((DNS, 53)).unwrap();
        let socket = UdpSocket::bind((DNS, 53)).unwrap();
        in_pod(&namespace, || {
            TcpStream::connect((DNS, 53)).unwrap();
            UdpSocket::bind("0.0.0.0:0").unwrap().send_to(b"?", (DNS, 53)).unwrap();
        });
        assert_eq!(listener.accept().unwrap().1.ip(), Ipv4Addr::new(10, 244, 0, 2));
        assert_eq!(socket.recv_from(&mut [0; 8]).unwrap().1.ip(), Ipv4Addr::new(10, 244, 0, 2));
        support::eventually("our own connection", || TcpStream::connect((DNS, 53)).is_ok());
    });
}
