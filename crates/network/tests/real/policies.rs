//! What pods may exchange.

use std::{
    io::{ErrorKind, Read, Write},
    net::{Ipv4Addr, SocketAddr, SocketAddrV4, TcpListener, TcpStream},
    path::{Path, PathBuf},
    time::Duration,
};

use network::pods::{PodNetwork, Range};
use network::policies::{Allowed, Block, PodPolicy, Policies, Ports};
use network::services::Protocol;

use crate::{
    Case,
    services::{ADDRESS, rule, services},
    support::{self, NODE, in_cluster, in_pod, pod_network, spawn_in_pod},
};

pub(crate) const CASES: &[Case] = &[
    ("a_pod_is_reached_by_whom_its_policy_names_on_the_ports_it_names", incoming),
    ("a_pod_reaches_whom_its_policy_names", outgoing),
    ("a_connection_that_exists_outlives_a_policy", existing),
    ("policies_outlive_the_main_process_and_are_replaced", replaced),
];

/// A dropped connection is told from a slow one by waiting for the second try (after one second).
const DROPPED: Duration = Duration::from_millis(600);

/// A pod that echoes on two ports.
async fn pod(pods: &PodNetwork, n: u8) -> (PathBuf, Ipv4Addr) {
    let address = Ipv4Addr::new(10, 244, 0, n);
    let namespace = pods.attach(&format!("pod-{n}"), address).await.unwrap();
    for port in [8000, 9000] {
        spawn_in_pod(&namespace, move || echo(&TcpListener::bind(("0.0.0.0", port)).unwrap()));
        let serves = || TcpStream::connect((address, port)).is_ok();
        support::eventually("the pod serves", serves);
    }
    (namespace, address)
}

fn echo(listener: &TcpListener) {
    for stream in listener.incoming() {
        let mut stream = stream.unwrap();
        std::thread::spawn(move || {
            let mut byte = [0; 1];
            while let Ok(1) = stream.read(&mut byte) {
                stream.write_all(&byte).ok();
            }
        });
    }
}

/// Says whether a connection from a pod passes; one that does not is dropped, not refused.
fn passes(from: &Path, to: impl Into<SocketAddr>) -> bool {
    let to = to.into();
    in_pod(from, move || match TcpStream::connect_timeout(&to, DROPPED) {
        Ok(_) => true,
        Err(error) if error.kind() == ErrorKind::TimedOut => false,
        Err(error) => panic!("{to}: {error}"),
    })
}

fn block(address: Ipv4Addr, prefix: u8, except: &[Ipv4Addr]) -> Block {
    let except = except.iter().map(|address| Range::new(*address, 32)).collect();
    Block { range: Range::new(address, prefix), except }
}

fn tcp(first: u16, last: u16) -> Option<Vec<Ports>> {
    Some(vec![Ports { protocol: Protocol::Tcp, first, last }])
}

fn incoming() {
    in_cluster(|_entered| async {
        let (pods, services) = (pod_network().await, services().await);
        let policies = Policies::start().await.unwrap();
        let (a, _) = pod(&pods, 2).await;
        let (b, b_address) = pod(&pods, 3).await;
        let (c, c_address) = pod(&pods, 4).await;
        let set = |lines: Vec<Allowed>| {
            policies.apply(vec![PodPolicy { address: b_address, incoming: Some(lines), outgoing: None }])
        };
        services.apply(vec![rule(Protocol::Tcp, &[SocketAddrV4::new(b_address, 8000)])]).await.unwrap();
        let (open, other) = ((b_address, 8000), (b_address, 9000));
        let service = (ADDRESS, 80);

        set(vec![]).await.unwrap();
        assert!(!passes(&a, open) && !passes(&a, service));
        assert!(passes(&b, service), "a pod may always talk to itself");
        assert!(passes(&b, (c_address, 8000)), "the other direction is not restricted");
        assert!(TcpStream::connect(open).is_ok(), "the node reaches all of its pods");

        let only_c = Some(vec![block(c_address, 32, &[])]);
        set(vec![Allowed { peers: only_c.clone(), ports: tcp(8000, 8000) }]).await.unwrap();
        assert!(passes(&c, open) && passes(&c, service) && !passes(&c, other));
        assert!(!passes(&a, open));

        let all_but_c = Some(vec![block(Ipv4Addr::new(10, 244, 0, 0), 16, &[c_address])]);
        set(vec![
            Allowed { peers: all_but_c, ports: None },
            Allowed { peers: only_c, ports: tcp(8500, 9500) },
        ])
        .await
        .unwrap();
        assert!(passes(&a, open) && passes(&a, other));
        assert!(!passes(&c, open) && passes(&c, other));

        policies.apply(vec![]).await.unwrap();
        assert!(passes(&c, open));
    });
}

fn outgoing() {
    in_cluster(|_entered| async {
        let (pods, services) = (pod_network().await, services().await);
        let policies = Policies::start().await.unwrap();
        let (a, a_address) = pod(&pods, 2).await;
        let (_, b) = pod(&pods, 3).await;
        let (_, c) = pod(&pods, 4).await;
        std::thread::spawn(|| echo(&TcpListener::bind((NODE, 7000)).unwrap()));
        support::eventually("the node serves", || TcpStream::connect((NODE, 7000)).is_ok());
        services.apply(vec![rule(Protocol::Tcp, &[SocketAddrV4::new(b, 8000)])]).await.unwrap();
        let set = |lines: Vec<Allowed>| {
            policies.apply(vec![PodPolicy { address: a_address, incoming: None, outgoing: Some(lines) }])
        };
        let to = |address| Some(vec![block(address, 32, &[])]);

        set(vec![Allowed { peers: to(b), ports: tcp(8000, 8000) }]).await.unwrap();
        assert!(passes(&a, (b, 8000)), "named");
        assert!(passes(&a, (ADDRESS, 80)), "by way of a service, it is judged by where that leads");
        assert!(!passes(&a, (b, 9000)) && !passes(&a, (c, 8000)) && !passes(&a, (NODE, 7000)));

        set(vec![Allowed { peers: to(NODE), ports: tcp(7000, 7000) }]).await.unwrap();
        assert!(passes(&a, (NODE, 7000)) && !passes(&a, (b, 8000)));
        set(vec![Allowed { peers: None, ports: tcp(8000, 8000) }]).await.unwrap();
        assert!(passes(&a, (c, 8000)) && !passes(&a, (NODE, 7000)));
    });
}

fn existing() {
    in_cluster(|_entered| async {
        // Services have the kernel keep track of connections.
        let (pods, services) = (pod_network().await, services().await);
        services.apply(vec![]).await.unwrap();
        let policies = Policies::start().await.unwrap();
        let (a, _) = pod(&pods, 2).await;
        let (_, b) = pod(&pods, 3).await;
        let mut stream = in_pod(&a, move || TcpStream::connect((b, 8000)).unwrap());
        let closed = PodPolicy { address: b, incoming: Some(vec![]), outgoing: Some(vec![]) };
        policies.apply(vec![closed]).await.unwrap();
        assert!(!passes(&a, (b, 8000)));
        stream.set_read_timeout(Some(support::PATIENCE)).unwrap();
        stream.write_all(b"x").unwrap();
        stream.read_exact(&mut [0; 1]).unwrap();
    });
}

fn replaced() {
    in_cluster(|_entered| async {
        let pods = pod_network().await;
        let (a, _) = pod(&pods, 2).await;
        let (_, b) = pod(&pods, 3).await;
        let closed = PodPolicy { address: b, incoming: Some(vec![]), outgoing: None };
        Policies::start().await.unwrap().apply(vec![closed]).await.unwrap();
        let successor = Policies::start().await.unwrap();
        assert!(!passes(&a, (b, 8000)), "until the successor knows better");
        successor.apply(vec![]).await.unwrap();
        assert!(passes(&a, (b, 8000)));
    });
}
