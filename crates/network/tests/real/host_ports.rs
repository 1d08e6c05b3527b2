//! Ports of the host that lead inside.

use std::{
    io::{ErrorKind, Read, Write},
    net::{Ipv4Addr, SocketAddrV4, TcpListener, UdpSocket},
};

use network::{HostPort, HostPorts, Protocol};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::{
    Case,
    support::{self, in_cluster, pod_network, spawn_in_pod},
};

pub(crate) const CASES: &[Case] =
    &[("a_port_of_the_host_leads_to_a_pod_for_as_long_as_it_is_wanted", host_ports)];

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
