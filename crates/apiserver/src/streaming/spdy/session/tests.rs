use std::time::Duration;

use tokio::io::DuplexStream;

use super::*;
use crate::streaming::spdy::headers::Headers;

/// The client's end: writes frames and reads them.
struct Client {
    connection: DuplexStream,
    encoder: Encoder,
    decoder: Decoder,
}

#[derive(Debug, PartialEq)]
enum Frame {
    Reply(u32, Headers),
    Data(u32, u8, Vec<u8>),
    Reset(u32),
    Ping(u32),
    GoAway,
}

impl Client {
    fn start() -> (Self, Session) {
        let (near, far) = tokio::io::duplex(1 << 20);
        let client = Self { connection: near, encoder: Encoder::new().unwrap(), decoder: Decoder::new() };
        (client, Session::start(far).unwrap())
    }

    async fn control(&mut self, kind: u16, payload: &[u8]) {
        self.connection.write_all(&frame::control(kind, 0, payload)).await.unwrap();
    }

    async fn open(&mut self, stream: u32, headers: &[(&str, &str)]) {
        let mut payload = stream.to_be_bytes().to_vec();
        payload.extend_from_slice(&[0; 6]);
        payload.extend(self.encoder.encode(headers).unwrap());
        self.control(SYN_STREAM, &payload).await;
    }

    async fn data(&mut self, stream: u32, flags: u8, data: &[u8]) {
        self.connection.write_all(&frame::data_head(stream, flags, data.len())).await.unwrap();
        self.connection.write_all(data).await.unwrap();
    }

    async fn read(&mut self) -> Option<Frame> {
        let head = tokio::time::timeout(Duration::from_secs(5), Head::read(&mut self.connection));
        let head = head.await.expect("a frame comes in time").unwrap()?;
        let (Head::Control { length, .. } | Head::Data { length, .. }) = head;
        let mut payload = vec![0; length];
        self.connection.read_exact(&mut payload).await.unwrap();
        let id = |at: usize| u32::from_be_bytes(payload[at..at + 4].try_into().unwrap());
        Some(match head {
            Head::Data { stream, flags, .. } => Frame::Data(stream, flags, payload),
            Head::Control { kind: SYN_REPLY, .. } => {
                Frame::Reply(id(0), self.decoder.decode(&payload[4..]).unwrap())
            }
            Head::Control { kind: RST_STREAM, .. } => Frame::Reset(id(0)),
            Head::Control { kind: PING, .. } => Frame::Ping(id(0)),
            Head::Control { kind: GOAWAY, .. } => Frame::GoAway,
            Head::Control { kind, .. } => panic!("frame of kind {kind}"),
        })
    }
}

#[tokio::test]
async fn streams_carry_data_both_ways_and_end_each_way() {
    let (mut client, mut session) = Client::start();
    client.open(1, &[("streamType", "data"), ("port", "80")]).await;
    client.open(3, &[("streamType", "error"), ("port", "80")]).await;
    let mut first = session.accept().await.unwrap();
    let second = session.accept().await.unwrap();
    assert_eq!((first.header("streamtype"), first.header("port")), (Some("data"), Some("80")));
    assert_eq!(second.header("streamtype"), Some("error"));
    assert_eq!(client.read().await, Some(Frame::Reply(1, Vec::new())));
    assert_eq!(client.read().await, Some(Frame::Reply(3, Vec::new())));
    client.data(1, 0, b"to ").await;
    client.data(1, FLAG_FIN, b"server").await;
    let mut got = Vec::new();
    while let Some(bytes) = first.incoming.recv().await {
        got.extend_from_slice(&bytes);
    }
    assert_eq!(got, b"to server");
    first.writer.send(Bytes::from_static(b"to client")).await.unwrap();
    first.writer.finish().await.unwrap();
    second.writer.reset().await.unwrap();
    assert_eq!(client.read().await, Some(Frame::Data(1, 0, b"to client".to_vec())));
    assert_eq!(client.read().await, Some(Frame::Data(1, FLAG_FIN, Vec::new())));
    assert_eq!(client.read().await, Some(Frame::Reset(3)));
    session.finish().await;
    assert_eq!(client.read().await, Some(Frame::GoAway));
    assert_eq!(client.read().await, None);
}

#[tokio::test]
async fn pings_are_answered_and_strange_streams_refused() {
    let (mut client, mut session) = Client::start();
    client.control(PING, &7_u32.to_be_bytes()).await;
    assert_eq!(client.read().await, Some(Frame::Ping(7)));
    client.open(2, &[("streamType", "data")]).await;
    assert_eq!(client.read().await, Some(Frame::Reset(2)), "even numbers are the server's");
    client.open(5, &[]).await;
    client.open(5, &[]).await;
    assert!(matches!(client.read().await, Some(Frame::Reply(5, _))));
    assert_eq!(client.read().await, Some(Frame::Reset(5)), "the number is in use");
    client.data(99, 0, b"for nobody").await;
    client.control(GOAWAY, &[0; 8]).await;
    assert!(session.accept().await.is_some());
    assert!(session.accept().await.is_none());
}

#[tokio::test]
async fn a_large_frame_arrives_in_pieces() {
    let (mut client, mut session) = Client::start();
    client.open(1, &[]).await;
    let mut stream = session.accept().await.unwrap();
    let sent: Vec<u8> = (0..300_000_u32).map(|number| number.to_le_bytes()[0]).collect();
    client.data(1, FLAG_FIN, &sent).await;
    let mut got = Vec::new();
    while let Some(bytes) = stream.incoming.recv().await {
        assert!(bytes.len() <= PIECE);
        got.extend_from_slice(&bytes);
    }
    assert_eq!(got, sent);
}

#[tokio::test]
async fn garbage_ends_the_session() {
    for garbage in [&b"GET / HTTP/1.1\r\n\r\n"[..], &[0x80, 3, 0, 1, 0, 0, 0, 4, 0, 0, 0, 1], &[0xff; 64]] {
        let (mut client, mut session) = Client::start();
        client.connection.write_all(garbage).await.unwrap();
        client.connection.shutdown().await.unwrap();
        let ended = tokio::time::timeout(Duration::from_secs(5), session.accept());
        assert!(ended.await.expect("it ends").is_none(), "{garbage:?}");
    }
}
