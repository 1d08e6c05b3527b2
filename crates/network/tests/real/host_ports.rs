//! Ports of the host that lead inside.

use std::{
    io::{ErrorKind, Read, Write},
    net::{Ipv4Addr, SocketAddrV4, TcpListener, UdpSocket},
};

use network::{HostPort, HostPorts, Protocol};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::{
    Case,
    services::{ADDRESS, rule, services},
    support::{self, in_cluster, pod_network, spawn_in_pod},
};

pub(crate) const CASES: &[Case] = &[
    ("a_port_of_the_host_leads_to_a_pod_for_as_long_as_it_is_wanted", host_ports),
    ("a_kept_connection_from_the_host_leaves_a_pod_between_two_requests", leaves),
    ("connections_from_one_port_to_two_places_are_told_apart", told_apart),
];

fn serve_in_pod() {
    let udp = UdpSocket::bind("0.0.0.0:8000").unwrap();
    std::thread::spawn(move || {
        let mut buffer = [0; 64];
        while let Ok((length, from)) = udp.recv_from(&mut buffer) {
            udp.send_to(&buffer[..length], from).unwrap();
        }
    });
    for stream in TcpListener::bind("0.0.0.0:8000").unwrap().incoming() {
        let mut stream = stream.unwrap();
        std::thread::spawn(move || {
            let mut buffer = [0; 64];
            while let Ok(length @ 1..) = stream.read(&mut buffer) {
                stream.write_all(&buffer[..length]).unwrap();
            }
        });
    }
}

fn host_ports() {
    // Taken by somebody else on the host.
    let taken = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let other = TcpListener::bind("127.0.0.1:0").unwrap();
    in_cluster(|entered| async move {
        let host = entered.machine.host.clone();
        let pods = pod_network().await;
        let pod = Ipv4Addr::new(10, 244, 0, 2);
        let namespace = pods.attach("one", pod).await.unwrap();
        spawn_in_pod(&namespace, serve_in_pod);
        let target = SocketAddrV4::new(pod, 8000);
        support::eventually("the pod serves", || std::net::TcpStream::connect(target).is_ok());

        let ports = HostPorts::new(host.clone());
        let tcp = HostPort { listen: taken, protocol: Protocol::Tcp, target };
        let udp = HostPort { protocol: Protocol::Udp, ..tcp };
        let impossible = HostPort { listen: other.local_addr().unwrap(), ..tcp };
        let failed = ports.set(&[tcp, udp, impossible]).await;
        assert_eq!(failed.len(), 1);
        assert_eq!((failed[0].0, failed[0].1.kind()), (impossible, ErrorKind::AddrInUse));

        let mut stream = host.connect(taken).await.unwrap();
        let mut buffer = [0; 4];
        stream.write_all(b"ping").await.unwrap();
        stream.read_exact(&mut buffer).await.unwrap();
        assert_eq!(&buffer, b"ping");
        let socket = host.udp("127.0.0.1:0".parse().unwrap()).await.unwrap();
        socket.send_to(b"ping", taken).await.unwrap();
        let answered = tokio::time::timeout(support::PATIENCE, socket.recv_from(&mut buffer)).await;
        assert_eq!(answered.unwrap().unwrap(), (4, taken));

        // To another target: nobody listens there, and new clients are refused. The old one goes on.
        let elsewhere = HostPort { target: SocketAddrV4::new(pod, 9), ..tcp };
        assert!(ports.set(&[elsewhere]).await.is_empty());
        stream.write_all(b"pong").await.unwrap();
        stream.read_exact(&mut buffer).await.unwrap();
        assert_eq!(&buffer, b"pong");
        let refused = async {
            let mut stream = host.connect(taken).await?;
            stream.read(&mut buffer).await
        };
        assert_eq!(refused.await.unwrap_err().kind(), ErrorKind::ConnectionReset);

        ports.set(&[]).await;
        assert!(host.connect(taken).await.is_err());
    });
}

/// Answers each line-ended head with the pod's number; one that asks for `/slow` only after half of the
/// answer has gone out and `go` was said by UDP.
fn serve_http(n: u8) {
    let go = UdpSocket::bind("0.0.0.0:8001").unwrap();
    for stream in TcpListener::bind("0.0.0.0:8000").unwrap().incoming() {
        let (mut stream, go) = (stream.unwrap(), go.try_clone().unwrap());
        std::thread::spawn(move || {
            let mut head = Vec::new();
            let mut byte = [0; 1];
            while let Ok(1) = stream.read(&mut byte) {
                head.push(byte[0]);
                if !head.ends_with(b"\r\n\r\n") {
                    continue;
                }
                stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n.").unwrap();
                if head.starts_with(b"GET /slow") {
                    go.recv(&mut [0; 2]).unwrap();
                }
                stream.write_all(&[b'0' + n]).unwrap();
                head.clear();
            }
        });
    }
}

fn leaves() {
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    in_cluster(|entered| async move {
        let host = entered.machine.host.clone();
        let (pods, services) = (pod_network().await, services().await);
        let mut backends = Vec::new();
        for n in [2, 3] {
            let address = Ipv4Addr::new(10, 244, 0, n);
            let namespace = pods.attach(&format!("pod-{n}"), address).await.unwrap();
            spawn_in_pod(&namespace, move || serve_http(n));
            let backend = SocketAddrV4::new(address, 8000);
            support::eventually("the pod serves", || std::net::TcpStream::connect(backend).is_ok());
            backends.push(backend);
        }
        let ports = HostPorts::new(host.clone());
        let target = SocketAddrV4::new(ADDRESS, 80);
        assert!(ports.set(&[HostPort { listen: free, protocol: Protocol::Tcp, target }]).await.is_empty());
        let lead_to = |n: usize| services.apply(vec![rule(Protocol::Tcp, &backends[n..=n])]);
        lead_to(0).await.unwrap();

        let mut quiet = host.connect(free).await.unwrap();
        let mut busy = host.connect(free).await.unwrap();
        let mut opaque = host.connect(free).await.unwrap();
        assert_eq!(ask(&mut quiet, "/").await, b".2");
        assert_eq!(ask(&mut busy, "/").await, b".2");
        opaque.write_all(b"no request of HTTP\r\n\r\n").await.unwrap();
        assert_eq!(answer(&mut opaque).await, b".2");
        busy.write_all(b"GET /slow HTTP/1.1\r\nHost: h\r\n\r\n").await.unwrap();
        let mut begun = [0; 39];
        busy.read_exact(&mut begun).await.unwrap();

        lead_to(1).await.unwrap();
        assert_eq!(ask(&mut quiet, "/").await, b".2", "nobody has asked it to leave");
        assert_eq!(ports.leave(*backends[0].ip()).await, 2, "the third one is not understood");
        // A request that comes at that very moment may still go there.
        while ask(&mut quiet, "/").await != b".3" {}
        let go = UdpSocket::bind("0.0.0.0:0").unwrap();
        go.send_to(b"go", (*backends[0].ip(), 8001)).unwrap();
        let mut end = [0; 1];
        busy.read_exact(&mut end).await.unwrap();
        assert_eq!(&end, b"2", "a request under way ends where it is");
        while ask(&mut busy, "/").await != b".3" {}
        opaque.write_all(b"again\r\n\r\n").await.unwrap();
        assert_eq!(answer(&mut opaque).await, b".2", "what is not understood stays");
        assert_eq!(ports.leave(*backends[0].ip()).await, 0);
        drop(opaque);
        assert!(services.settled(*backends[0].ip(), support::PATIENCE).await, "nobody is left");
    });
}

/// The kernel gives one port to two connections that lead to different places; the end of one once made the other
/// unknown, which was then never asked to leave.
fn told_apart() {
    let free = [(); 2].map(|()| TcpListener::bind("127.0.0.1:0").unwrap());
    let free = free.map(|listener| listener.local_addr().unwrap());
    in_cluster(|entered| async move {
        let host = entered.machine.host.clone();
        let (pods, services) = (pod_network().await, services().await);
        let address = Ipv4Addr::new(10, 244, 0, 2);
        let namespace = pods.attach("pod", address).await.unwrap();
        spawn_in_pod(&namespace, || serve_http(2));
        let backend = SocketAddrV4::new(address, 8000);
        support::eventually("the pod serves", || std::net::TcpStream::connect(backend).is_ok());
        services.apply(vec![rule(Protocol::Tcp, &[backend])]).await.unwrap();
        let through_service = SocketAddrV4::new(ADDRESS, 80);
        let port = |listen, target| HostPort { listen, protocol: Protocol::Tcp, target };
        let ports = HostPorts::new(host.clone());
        let wanted = [port(free[0], through_service), port(free[1], backend)];
        assert!(ports.set(&wanted).await.is_empty());

        std::fs::write("/proc/sys/net/ipv4/ip_local_port_range", "41000 41000").unwrap();
        let mut kept = host.connect(free[0]).await.unwrap();
        assert_eq!(ask(&mut kept, "/").await, b".2");
        let mut brief = host.connect(free[1]).await.unwrap();
        assert_eq!(ask(&mut brief, "/").await, b".2");
        brief.shutdown().await.unwrap();
        assert_eq!(brief.read(&mut [0]).await.unwrap(), 0, "its connection inside is closed");
        assert_eq!(ports.leave(address).await, 1);
    });
}

async fn ask(stream: &mut tokio::net::TcpStream, path: &str) -> Vec<u8> {
    stream.write_all(format!("GET {path} HTTP/1.1\r\nHost: h\r\n\r\n").as_bytes()).await.unwrap();
    answer(stream).await
}

/// Reads an answer whose body has two bytes.
async fn answer(stream: &mut tokio::net::TcpStream) -> Vec<u8> {
    let mut bytes = Vec::new();
    let whole = async {
        while !bytes.windows(4).any(|four| four == b"\r\n\r\n")
            || bytes.windows(4).position(|four| four == b"\r\n\r\n") != bytes.len().checked_sub(6)
        {
            assert_ne!(stream.read_buf(&mut bytes).await.unwrap(), 0);
        }
    };
    tokio::time::timeout(support::PATIENCE, whole).await.unwrap();
    bytes.split_off(bytes.len() - 2)
}
