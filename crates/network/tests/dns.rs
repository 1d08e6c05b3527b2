//! The name server on loopback: the cluster's names, as the Kubernetes DNS specification wants them.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use hickory_proto::{
    op::{Edns, Message, OpCode, Query, ResponseCode},
    rr::{DNSClass, Name, RData, RecordType},
};
use network::{
    HostNetwork,
    dns::{Config, DnsServer, Srv, Zone},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpStream, UdpSocket},
    time::{Duration, timeout},
};

const PATIENCE: Duration = Duration::from_secs(10);

fn zone() -> Zone {
    let pod = |n| Ipv4Addr::new(10, 244, 0, n);
    let srv = |target: &str| Srv { port: 8000, target: target.to_owned() };
    Zone {
        addresses: [
            ("web.default.svc.cluster.local", vec![Ipv4Addr::new(10, 96, 0, 7)]),
            ("db.default.svc.cluster.local", vec![pod(1), pod(2), pod(3)]),
            ("one.db.default.svc.cluster.local", vec![pod(1)]),
            ("none.default.svc.cluster.local", vec![]),
            ("big.default.svc.cluster.local", (0..200).map(pod).collect()),
        ]
        .map(|(name, addresses)| (name.to_owned(), addresses))
        .into(),
        services: [(
            "_http._tcp.web.default.svc.cluster.local".to_owned(),
            vec![srv("web.default.svc.cluster.local")],
        )]
        .into(),
        pointers: [(Ipv4Addr::new(10, 96, 0, 7), "web.default.svc.cluster.local".to_owned())].into(),
        aliases: [
            ("alias.default.svc.cluster.local".to_owned(), "web.default.svc.cluster.local".to_owned()),
            ("circle.default.svc.cluster.local".to_owned(), "circle.default.svc.cluster.local".to_owned()),
        ]
        .into(),
    }
}

async fn server() -> DnsServer {
    let config = Config { bind: "127.0.0.1:0".parse().unwrap(), domain: "cluster.local".to_owned() };
    let server = DnsServer::start(config, HostNetwork::spawn().unwrap()).await.unwrap();
    server.set(zone());
    server
}

fn query(name: &str, kind: RecordType) -> Message {
    let mut message = Message::query();
    message.metadata.id = 4711;
    message.metadata.recursion_desired = true;
    message.add_query(Query::query(Name::from_ascii(name).unwrap(), kind));
    message
}

async fn send_udp(to: SocketAddr, bytes: &[u8]) -> Option<Vec<u8>> {
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    socket.connect(to).await.unwrap();
    socket.send(bytes).await.unwrap();
    let mut buffer = vec![0; 65_535];
    let length = timeout(Duration::from_millis(300), socket.recv(&mut buffer)).await.ok()?.ok()?;
    buffer.truncate(length);
    Some(buffer)
}

async fn ask(server: &DnsServer, name: &str, kind: RecordType) -> Message {
    let bytes = send_udp(server.address(), &query(name, kind).to_vec().unwrap()).await.expect("an answer");
    let answer = Message::from_vec(&bytes).unwrap();
    assert_eq!(answer.metadata.id, 4711);
    assert_eq!(answer.queries[0].name().to_ascii(), Name::from_ascii(name).unwrap().to_ascii());
    answer
}

fn addresses(answer: &Message) -> Vec<IpAddr> {
    let mut list: Vec<IpAddr> = answer
        .answers
        .iter()
        .filter_map(|record| match &record.data {
            RData::A(address) => Some(address.0.into()),
            _ => None,
        })
        .collect();
    list.sort();
    list
}

/// An answer in a line: code, number of answers, whether it says who is in charge.
async fn check(server: &DnsServer, name: &str, kind: RecordType, expected: (ResponseCode, usize)) {
    let answer = ask(server, name, kind).await;
    assert_eq!((answer.metadata.response_code, answer.answers.len()), expected, "{name} {kind}");
    assert!(answer.metadata.authoritative, "{name}");
    let has_soa = answer.authorities.iter().any(|record| matches!(record.data, RData::SOA(_)));
    assert_eq!(has_soa, answer.answers.is_empty(), "{name} {kind}");
}

#[tokio::test]
async fn the_clusters_names_are_answered_with_authority() {
    use RecordType::{A, AAAA, ANY, CNAME, MX, PTR, SRV, TXT};
    use ResponseCode::{NXDomain, NoError};
    let server = server().await;
    for (name, kind, code, answers) in [
        ("web.default.svc.cluster.local.", A, NoError, 1),
        ("WEB.Default.svc.Cluster.LOCAL.", A, NoError, 1),
        ("web.default.svc.cluster.local.", AAAA, NoError, 0),
        ("web.default.svc.cluster.local.", MX, NoError, 0),
        ("web.default.svc.cluster.local.", ANY, NoError, 1),
        ("db.default.svc.cluster.local.", A, NoError, 3),
        ("one.db.default.svc.cluster.local.", A, NoError, 1),
        ("two.db.default.svc.cluster.local.", A, NXDomain, 0),
        ("none.default.svc.cluster.local.", A, NoError, 0),
        ("_http._tcp.web.default.svc.cluster.local.", SRV, NoError, 1),
        ("_tcp.web.default.svc.cluster.local.", SRV, NoError, 0),
        ("_grpc._tcp.web.default.svc.cluster.local.", SRV, NXDomain, 0),
        ("7.0.96.10.in-addr.arpa.", PTR, NoError, 1),
        ("alias.default.svc.cluster.local.", A, NoError, 2),
        ("alias.default.svc.cluster.local.", CNAME, NoError, 1),
        ("missing.default.svc.cluster.local.", A, NXDomain, 0),
        ("web.other.svc.cluster.local.", A, NXDomain, 0),
        ("default.svc.cluster.local.", A, NoError, 0),
        ("cluster.local.", A, NoError, 0),
        ("10-244-0-9.default.pod.cluster.local.", A, NoError, 1),
        ("10-244-0-999.default.pod.cluster.local.", A, NXDomain, 0),
        ("dns-version.cluster.local.", TXT, NoError, 1),
    ] {
        if kind == TXT {
            assert_eq!(ask(&server, name, kind).await.answers.len(), answers);
            continue;
        }
        check(&server, name, kind, (code, answers)).await;
    }
    let web = ask(&server, "web.default.svc.cluster.local.", A).await;
    assert_eq!(addresses(&web), [IpAddr::from([10, 96, 0, 7])]);
    let pod = ask(&server, "10-244-0-9.default.pod.cluster.local.", A).await;
    assert_eq!(addresses(&pod), [IpAddr::from([10, 244, 0, 9])]);
}

#[tokio::test]
async fn a_service_record_brings_its_targets_address() {
    let server = server().await;
    let answer = ask(&server, "_http._tcp.web.default.svc.cluster.local.", RecordType::SRV).await;
    let RData::SRV(service) = &answer.answers[0].data else { panic!("{answer:?}") };
    assert_eq!((service.port, service.target.to_ascii().as_str()), (8000, "web.default.svc.cluster.local."));
    assert!(
        matches!(&answer.additionals[0].data, RData::A(address) if address.0 == Ipv4Addr::new(10, 96, 0, 7))
    );
}

#[tokio::test]
async fn a_circle_of_aliases_ends() {
    let server = server().await;
    let answer = ask(&server, "circle.default.svc.cluster.local.", RecordType::A).await;
    assert!(addresses(&answer).is_empty());
}

#[tokio::test]
async fn addresses_take_turns_at_the_front() {
    let server = server().await;
    let mut first = std::collections::HashSet::new();
    for _ in 0..12 {
        let answer = ask(&server, "db.default.svc.cluster.local.", RecordType::A).await;
        first.insert(answer.answers[0].data.to_string());
    }
    assert_eq!(first.len(), 3);
}

#[tokio::test]
async fn what_is_too_long_for_udp_is_cut_and_whole_by_tcp() {
    let server = server().await;
    let name = "big.default.svc.cluster.local.";
    let plain = query(name, RecordType::A);
    let bytes = send_udp(server.address(), &plain.to_vec().unwrap()).await.unwrap();
    let answer = Message::from_vec(&bytes).unwrap();
    assert!(bytes.len() <= 512 && answer.metadata.truncation && !answer.answers.is_empty());

    let mut with_edns = plain.clone();
    let mut edns = Edns::new();
    edns.set_max_payload(4096);
    with_edns.set_edns(edns);
    let bytes = send_udp(server.address(), &with_edns.to_vec().unwrap()).await.unwrap();
    let answer = Message::from_vec(&bytes).unwrap();
    assert!((513..=1232).contains(&bytes.len()) && answer.metadata.truncation, "{}", bytes.len());
    assert!(answer.edns.is_some());

    // Two questions on one connection.
    let mut stream = TcpStream::connect(server.address()).await.unwrap();
    let packet = plain.to_vec().unwrap();
    let framed = [&u16::try_from(packet.len()).unwrap().to_be_bytes(), packet.as_slice()].concat();
    stream.write_all(&[framed.clone(), framed].concat()).await.unwrap();
    for _ in 0..2 {
        let mut bytes = vec![0; usize::from(stream.read_u16().await.unwrap())];
        stream.read_exact(&mut bytes).await.unwrap();
        let answer = Message::from_vec(&bytes).unwrap();
        assert!(!answer.metadata.truncation);
        assert_eq!(addresses(&answer).len(), 200);
    }
}

#[tokio::test]
async fn a_new_zone_holds_at_once() {
    let server = server().await;
    for n in 1..50 {
        let address = Ipv4Addr::new(10, 96, 0, n);
        server.set(Zone {
            addresses: [("web.default.svc.cluster.local".to_owned(), vec![address])].into(),
            ..Zone::default()
        });
        let answer = ask(&server, "web.default.svc.cluster.local.", RecordType::A).await;
        assert_eq!(addresses(&answer), [IpAddr::from(address)]);
    }
}

#[tokio::test]
async fn what_is_no_ordinary_query_is_refused_or_passed_over() {
    let server = server().await;
    let good = query("web.default.svc.cluster.local.", RecordType::A);
    let code = async |message: &Message| {
        let bytes = send_udp(server.address(), &message.to_vec().unwrap()).await?;
        Some(Message::from_vec(&bytes).unwrap().metadata.response_code)
    };
    let mut update = good.clone();
    update.metadata.op_code = OpCode::Update;
    assert_eq!(code(&update).await, Some(ResponseCode::NotImp));
    let mut none = good.clone();
    none.queries.clear();
    assert_eq!(code(&none).await, Some(ResponseCode::FormErr));
    let mut two = good.clone();
    two.add_query(good.queries[0].clone());
    assert_eq!(code(&two).await, Some(ResponseCode::FormErr));
    let mut chaos = good.clone();
    chaos.queries[0].set_query_class(DNSClass::CH);
    assert_eq!(code(&chaos).await, Some(ResponseCode::Refused));
    // An answer is no question: two servers must not talk for ever.
    assert_eq!(code(&good.clone().into_response()).await, None);
    assert_eq!(send_udp(server.address(), &[1, 2, 3]).await, None);
}

#[tokio::test]
async fn garbage_harms_nobody() {
    let server = server().await;
    let mut rng = fastrand::Rng::with_seed(11);
    let good = query("web.default.svc.cluster.local.", RecordType::A).to_vec().unwrap();
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    for round in 0..20_000 {
        let mut bytes = good.clone();
        if round % 2 == 0 {
            for _ in 0..rng.usize(1..6) {
                let at = rng.usize(0..bytes.len());
                bytes[at] = rng.u8(..);
            }
            // Not forwarded to the machine's own name servers: that is another test's business.
            bytes[2] |= 0x78;
        } else {
            bytes = (0..rng.usize(0..600)).map(|_| rng.u8(..)).collect();
            if let Some(flags) = bytes.get_mut(2) {
                *flags |= 0x78;
            }
        }
        socket.send_to(&bytes, server.address()).await.unwrap();
        if round % 100 == 0 {
            tokio::task::yield_now().await;
        }
    }
    // By TCP: lengths that lie, connections that end in the middle.
    for _ in 0..200 {
        let mut stream = TcpStream::connect(server.address()).await.unwrap();
        let bytes: Vec<u8> = (0..rng.usize(0..100)).map(|_| rng.u8(..) | 0x78).collect();
        stream.write_all(&bytes).await.ok();
    }
    assert!(server.is_running());
    let answer =
        timeout(PATIENCE, ask(&server, "web.default.svc.cluster.local.", RecordType::A)).await.unwrap();
    assert_eq!(addresses(&answer).len(), 1);
}
