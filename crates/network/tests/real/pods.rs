//! Pods' links.

use std::{
    fs,
    io::{Read, Write},
    net::{Ipv4Addr, TcpListener, TcpStream},
    time::{Duration, Instant},
};

use crate::{
    Case,
    support::{self, NODE, in_cluster, in_pod, pod_network, spawn_in_pod},
};

pub(crate) const CASES: &[Case] = &[
    ("pods_and_the_node_reach_each_other_with_their_own_addresses", reach),
    ("attaching_is_idempotent_and_detaching_removes_all", idempotent),
    ("a_pod_cannot_send_from_another_address", spoof),
    ("many_pods_attach_at_once", many),
];

fn pod_address(n: u8) -> Ipv4Addr {
    Ipv4Addr::new(10, 244, 0, n)
}

/// Answers each connection with the client's address.
fn serve_client_address(port: u16) {
    let listener = TcpListener::bind(("0.0.0.0", port)).unwrap();
    for client in listener.incoming() {
        let mut client = client.unwrap();
        let address = client.peer_addr().unwrap().ip().to_string();
        client.write_all(address.as_bytes()).unwrap();
    }
}

fn ask(address: Ipv4Addr, port: u16) -> std::io::Result<String> {
    let mut stream = TcpStream::connect_timeout(&(address, port).into(), Duration::from_secs(2))?;
    let mut text = String::new();
    stream.read_to_string(&mut text)?;
    Ok(text)
}

fn reach() {
    in_cluster(|_entered| async {
        let pods = pod_network().await;
        let one = pods.attach("one", pod_address(2)).await.unwrap();
        let two = pods.attach("two", pod_address(3)).await.unwrap();
        spawn_in_pod(&two, || serve_client_address(80));
        support::eventually("the pod answers the node", || ask(pod_address(3), 80).is_ok());
        assert_eq!(ask(pod_address(3), 80).unwrap(), NODE.to_string());
        assert_eq!(in_pod(&one, || ask(pod_address(3), 80)).unwrap(), pod_address(2).to_string());
        assert_eq!(in_pod(&two, || ask(pod_address(3), 80)).unwrap(), pod_address(3).to_string());
        assert_eq!(in_pod(&two, || ask(Ipv4Addr::LOCALHOST, 80)).unwrap(), "127.0.0.1");
        // The node's address answers pods.
        let listener = TcpListener::bind((NODE, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        in_pod(&one, move || TcpStream::connect((NODE, port))).unwrap();
    });
}

fn idempotent() {
    in_cluster(|_entered| async {
        let pods = pod_network().await;
        let mut times: Vec<Duration> = Vec::new();
        for round in 0..20 {
            let started = Instant::now();
            let address = pod_address(5 + round);
            let pin = pods.attach("pod", address).await.unwrap();
            times.push(started.elapsed());
            if round == 0 {
                assert_eq!(pods.attach("pod", address).await.unwrap(), pin);
                // Another address: made anew.
                pods.attach("pod", pod_address(100)).await.unwrap();
                assert_eq!(pods.list().await.unwrap(), [("pod".to_owned(), pod_address(100))]);
            }
            assert!(in_pod(&pin, || fs::exists("/sys/class/net")).is_ok());
            pods.detach("pod").await.unwrap();
            pods.detach("pod").await.unwrap();
            assert!(!pin.exists());
        }
        times.sort();
        eprintln!("  attached in {:?} (median), {:?} (least)", times[10], times[0]);
        assert!(pods.list().await.unwrap().is_empty());
        assert!(pods.attach("../x", pod_address(5)).await.is_err());
    });
}

fn spoof() {
    in_cluster(|_entered| async {
        let pods = pod_network().await;
        let one = pods.attach("one", pod_address(2)).await.unwrap();
        let server = std::net::UdpSocket::bind((NODE, 0)).unwrap();
        server.set_read_timeout(Some(Duration::from_millis(300))).unwrap();
        let port = server.local_addr().unwrap().port();
        let send = move |source: Ipv4Addr| {
            let socket = std::net::UdpSocket::bind((source, 0)).unwrap();
            socket.send_to(b"x", (NODE, port)).unwrap();
        };
        in_pod(&one, move || send(pod_address(2)));
        assert!(server.recv(&mut [0; 4]).is_ok());
        in_pod(&one, move || {
            // An address on the loopback of the pod, as root of it could set.
            let status = std::process::Command::new("ip")
                .args(["addr", "add", "10.244.0.77/32", "dev", "lo"])
                .status();
            if status.is_ok_and(|status| status.success()) {
                send(pod_address(77));
            }
        });
        assert!(server.recv(&mut [0; 4]).is_err(), "a packet from a foreign address came through");
    });
}

fn many() {
    in_cluster(|_entered| async {
        let pods = pod_network().await;
        let started = Instant::now();
        let all = (10..60).map(|n| {
            let pods = pods.clone();
            tokio::spawn(async move { pods.attach(&format!("pod-{n}"), pod_address(n)).await })
        });
        for pod in all.collect::<Vec<_>>() {
            pod.await.unwrap().unwrap();
        }
        eprintln!("  50 at once in {:?}", started.elapsed());
        assert_eq!(pods.list().await.unwrap().len(), 50);
        let started = Instant::now();
        for n in 10..60 {
            pods.detach(&format!("pod-{n}")).await.unwrap();
        }
        eprintln!("  50 detached in {:?}", started.elapsed());
    });
}
