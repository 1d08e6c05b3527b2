//! The way out, and names of the world. "The host" is itself a network made for the test, with an
//! address 192.0.2.1 and a name server at 192.0.2.53.

use std::{
    fs,
    io::{Read, Write},
    net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream, UdpSocket},
    time::{Duration, Instant},
};

use network::{
    Egress,
    dns::{DnsServer, Zone},
    pods::{Config, PodNetwork, Range},
};
use nix::mount::{MsFlags, mount};

use crate::{
    Case,
    support::{self, Entered, NODE, in_pod, pod_network},
};

pub(crate) const CASES: &[Case] = &[
    ("connections_and_datagrams_of_pods_reach_outside_by_the_host", outside),
    ("a_port_refused_outside_is_refused_to_the_pod_at_once", refused),
    ("the_hosts_loopback_and_other_protocols_stay_out_of_reach", unreachable),
    ("names_of_the_world_come_from_the_hosts_name_servers", names),
];

const OUTSIDE: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 1);
const NAME_SERVER: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 53);

/// Enters a network that plays the host, then, as from a host, the cluster's.
fn two_deep<F: Future<Output = ()>>(
    on_host: impl FnOnce() + Send + 'static,
    body: impl FnOnce(std::rc::Rc<Entered>) -> F,
) {
    let host = support::entered();
    {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let config = Config { node_addresses: vec![OUTSIDE, NAME_SERVER], run_directory: "/run/host".into() };
        runtime.block_on(PodNetwork::start(config)).unwrap();
    }
    fs::write("/run/resolv.conf", format!("nameserver {NAME_SERVER}\n")).unwrap();
    let none: Option<&str> = None;
    mount(Some("/run/resolv.conf"), "/etc/resolv.conf", none, MsFlags::MS_BIND, none).unwrap();
    let name = host.name.clone();
    let holder = host.machine.holder;
    drop(host);
    network::machine::stop_holder(holder, &name).unwrap();
    // Threads end a moment after they are let go.
    support::eventually("one thread", || fs::read_dir("/proc/self/task").unwrap().count() == 1);
    // Sockets of the "host" are made before, and served by threads after.
    support::in_cluster_with(on_host, body);
}

async fn egress(entered: &Entered) -> Egress {
    let pod_range = Range::new(Ipv4Addr::new(10, 244, 0, 0), 16);
    let config = network::egress::Config {
        node_address: NODE,
        pod_range,
        cluster_ranges: vec![pod_range, Range::new(Ipv4Addr::new(10, 96, 0, 0), 16)],
    };
    Egress::start(config, entered.machine.host.clone()).await.unwrap()
}

fn serve_echo(tcp: TcpListener, udp: UdpSocket) {
    std::thread::spawn(move || {
        for stream in tcp.incoming() {
            let mut stream = stream.unwrap();
            std::thread::spawn(move || {
                let mut copy = stream.try_clone().unwrap();
                std::io::copy(&mut copy, &mut stream).ok();
            });
        }
    });
    std::thread::spawn(move || {
        let mut buffer = [0; 2048];
        while let Ok((length, from)) = udp.recv_from(&mut buffer) {
            udp.send_to(&buffer[..length], from).ok();
        }
    });
}

fn echo_tcp(address: SocketAddr, bytes: usize) {
    let mut stream = TcpStream::connect(address).unwrap();
    let sent: Vec<u8> = (0..bytes).map(|n| n.to_le_bytes()[n % 2]).collect();
    let mut writing = stream.try_clone().unwrap();
    let copy = sent.clone();
    let writer = std::thread::spawn(move || {
        writing.write_all(&copy).unwrap();
        writing.shutdown(std::net::Shutdown::Write).unwrap();
    });
    let mut received = Vec::new();
    stream.read_to_end(&mut received).unwrap();
    writer.join().unwrap();
    assert_eq!(received.len(), sent.len());
    assert!(received == sent);
}

fn echo_udp(address: SocketAddr) {
    let socket = UdpSocket::bind("0.0.0.0:0").unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(3))).unwrap();
    for n in 0..5_u8 {
        socket.send_to(&[n; 100], address).unwrap();
        let mut buffer = [0; 200];
        let (length, from) = socket.recv_from(&mut buffer).unwrap();
        assert_eq!((length, buffer[0], from), (100, n, address), "from the address that was asked");
    }
}

fn outside() {
    let sockets = std::sync::Arc::new(std::sync::Mutex::new(None));
    let made = sockets.clone();
    let make = move || {
        let tcp = TcpListener::bind((OUTSIDE, 0)).unwrap();
        let udp = UdpSocket::bind((OUTSIDE, tcp.local_addr().unwrap().port())).unwrap();
        *made.lock().unwrap() = Some((tcp, udp));
    };
    two_deep(make, move |entered| async move {
        let (tcp, udp) = sockets.lock().unwrap().take().unwrap();
        let address = tcp.local_addr().unwrap();
        serve_echo(tcp, udp);
        let pods = pod_network().await;
        let _egress = egress(&entered).await;
        let one = pods.attach("one", Ipv4Addr::new(10, 244, 0, 2)).await.unwrap();
        let two = pods.attach("two", Ipv4Addr::new(10, 244, 0, 3)).await.unwrap();
        in_pod(&one, move || echo_tcp(address, 10));
        let started = Instant::now();
        in_pod(&one, move || echo_tcp(address, 20_000_000));
        eprintln!("  20 MB there and back in {:?}", started.elapsed());
        let started = Instant::now();
        in_pod(&one, move || echo_udp(address));
        eprintln!("  5 datagrams there and back in {:?}", started.elapsed());
        in_pod(&two, move || echo_udp(address));
        // The cluster's own network, which host-network pods share, has the same way out.
        tokio::task::spawn_blocking(move || {
            echo_tcp(address, 1000);
            echo_udp(address);
        })
        .await
        .unwrap();
        // A new main process opens the way anew.
        let _again = egress(&entered).await;
        in_pod(&two, move || echo_tcp(address, 1000));
        in_pod(&two, move || echo_udp(address));
    });
}

fn refused() {
    two_deep(
        || {},
        |entered| async move {
            let pods = pod_network().await;
            let _egress = egress(&entered).await;
            let pod = pods.attach("one", Ipv4Addr::new(10, 244, 0, 2)).await.unwrap();
            let started = Instant::now();
            let error = in_pod(&pod, || {
                TcpStream::connect((OUTSIDE, 9)).and_then(|mut stream| stream.read(&mut [0; 1]))
            });
            assert!(error.is_err(), "{error:?}");
            assert!(started.elapsed() < Duration::from_millis(500), "{:?}", started.elapsed());
        },
    );
}

fn unreachable() {
    let secret = std::sync::Arc::new(std::sync::Mutex::new(None));
    let made = secret.clone();
    let make = move || *made.lock().unwrap() = Some(TcpListener::bind("127.0.0.1:0").unwrap());
    two_deep(make, move |entered| async move {
        let secret = secret.lock().unwrap().take().unwrap();
        let address = secret.local_addr().unwrap();
        let pods = pod_network().await;
        let _egress = egress(&entered).await;
        let pod = pods.attach("one", Ipv4Addr::new(10, 244, 0, 2)).await.unwrap();
        for address in [
            address,
            (Ipv4Addr::new(127, 9, 9, 9), address.port()).into(),
            (Ipv4Addr::UNSPECIFIED, address.port()).into(),
        ] {
            let reached =
                in_pod(&pod, move || TcpStream::connect_timeout(&address, Duration::from_millis(300)));
            assert!(reached.is_err(), "{address}");
        }
        // Nor by a socket that skips its own loopback: the address is a martian on the link.
        secret.set_nonblocking(true).unwrap();
        assert!(secret.accept().is_err());
        // No address of the cluster leaves it.
        let started = Instant::now();
        for address in ["10.244.9.9:80", "10.243.0.9:80"] {
            let address: SocketAddr = address.parse().unwrap();
            let reached = in_pod(&pod, move || TcpStream::connect_timeout(&address, Duration::from_secs(2)));
            assert!(reached.is_err(), "{address}");
        }
        assert!(started.elapsed() < Duration::from_secs(1), "refused at once: {:?}", started.elapsed());
    });
}

/// Answers every question with 198.51.100.7, after checking that it came from the host.
fn serve_names(socket: UdpSocket) {
    std::thread::spawn(move || {
        let mut buffer = [0; 2048];
        while let Ok((length, from)) = socket.recv_from(&mut buffer) {
            let mut answer = buffer[..length].to_vec();
            answer[2] |= 0x80;
            answer[7] = 1;
            // Without the EDNS record that may follow the question.
            answer[11] = 0;
            let question_end = 12 + answer[12..].iter().position(|byte| *byte == 0).unwrap() + 5;
            let kind = answer[question_end - 3];
            answer.truncate(question_end);
            if kind == 1 {
                answer.extend([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 198, 51, 100, 7]);
            } else {
                answer[7] = 0;
            }
            socket.send_to(&answer, from).ok();
        }
    });
}

fn ask_name(server: Ipv4Addr, name: &str) -> Vec<u8> {
    let socket = UdpSocket::bind("0.0.0.0:0").unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(3))).unwrap();
    let mut packet = vec![0x12, 0x34, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
    for label in name.split('.') {
        packet.push(u8::try_from(label.len()).unwrap());
        packet.extend(label.as_bytes());
    }
    packet.extend([0, 0, 1, 0, 1]);
    socket.send_to(&packet, (server, 53)).unwrap();
    let mut buffer = [0; 512];
    let length = socket.recv(&mut buffer).unwrap();
    buffer[..length].to_vec()
}

fn names() {
    let socket = std::sync::Arc::new(std::sync::Mutex::new(None));
    let made = socket.clone();
    let make = move || *made.lock().unwrap() = Some(UdpSocket::bind((NAME_SERVER, 53)).unwrap());
    two_deep(make, move |entered| async move {
        serve_names(socket.lock().unwrap().take().unwrap());
        let host = entered.machine.host.clone();
        assert_eq!(host.resolvers().await, [SocketAddr::from((NAME_SERVER, 53))]);
        assert_eq!(
            host.lookup("world.example").await.unwrap(),
            ["198.51.100.7".parse::<std::net::IpAddr>().unwrap()]
        );
        assert!(host.lookup("localhost").await.unwrap()[0].is_loopback(), "from the hosts file");

        let pods = pod_network().await;
        let pod = pods.attach("one", Ipv4Addr::new(10, 244, 0, 2)).await.unwrap();
        let config = network::dns::Config { bind: (NODE, 53).into(), domain: "cluster.local".to_owned() };
        let dns = DnsServer::start(config, host).await.unwrap();
        dns.set(Zone {
            addresses: [("web.default.svc.cluster.local".to_owned(), vec![Ipv4Addr::new(10, 96, 0, 7)])]
                .into(),
            aliases: [("db.default.svc.cluster.local".to_owned(), "db.example".to_owned())].into(),
            ..Zone::default()
        });
        let answer = in_pod(&pod, || ask_name(NODE, "web.default.svc.cluster.local"));
        assert!(answer.ends_with(&[10, 96, 0, 7]), "{answer:?}");
        let answer = in_pod(&pod, || ask_name(NODE, "World.Example"));
        assert_eq!(answer[..2], [0x12, 0x34], "the client's own id");
        assert!(answer.ends_with(&[198, 51, 100, 7]), "{answer:?}");
        // An alias to outside is followed.
        let answer = in_pod(&pod, || ask_name(NODE, "db.default.svc.cluster.local"));
        assert!(answer.ends_with(&[198, 51, 100, 7]) && answer[7] == 2, "{answer:?}");
    });
}
