//! One client of a port of the host: bytes go to and fro as they come.

use std::{
    collections::HashMap,
    future::{pending, poll_fn},
    io,
    net::{SocketAddr, SocketAddrV4},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    task::Poll,
    time::Duration,
};

use bytes::BytesMut;
use tokio::{
    io::AsyncWriteExt,
    net::{
        TcpStream,
        tcp::{ReadHalf, WriteHalf},
    },
    sync::watch,
    time,
};

use super::connecting::Connecting;
use crate::ingress::Followed;

/// A target inside is on this very machine.
const CONNECT_PATIENCE: Duration = Duration::from_secs(5);

const BUFFER_BYTES: usize = 64 << 10;

/// The connections inside. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub(super) struct Relays {
    all: Arc<Mutex<HashMap<Ends, Way>>>,
    connecting: Connecting,
}

/// Where a connection inside begins, and where it was to lead: neither alone tells it from all others, as the kernel
/// gives a port to several connections that lead to different places.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Ends {
    own: SocketAddr,
    target: SocketAddrV4,
}

/// What is known of a connection inside.
#[derive(Debug)]
struct Way {
    leave: watch::Sender<bool>,
    /// Its messages are understood: it leaves when asked.
    is_followed: Arc<AtomicBool>,
}

impl Relays {
    pub(super) fn is_empty(&self) -> bool {
        crate::lock(&self.all).is_empty()
    }

    /// Completes once every connection inside that is being made now is on the list, or has failed.
    pub(super) async fn connected(&self) {
        self.connecting.settled().await;
    }

    /// Asks the connection from `own` to `target` to leave the endpoint it leads to; says whether it is going to.
    pub(super) fn leave(&self, own: SocketAddrV4, target: SocketAddrV4) -> bool {
        let all = crate::lock(&self.all);
        let Some(way) = all.get(&Ends { own: own.into(), target }) else { return false };
        way.leave.send_replace(true);
        way.is_followed.load(Ordering::Relaxed)
    }
}

/// A connection inside; on the list until dropped.
struct Inside<'a> {
    stream: TcpStream,
    ends: Ends,
    leaving: watch::Receiver<bool>,
    is_followed: Arc<AtomicBool>,
    relays: &'a Relays,
}

impl<'a> Inside<'a> {
    async fn connect(target: SocketAddrV4, relays: &'a Relays) -> io::Result<Self> {
        let _begun = relays.connecting.begin();
        let stream = time::timeout(CONNECT_PATIENCE, TcpStream::connect(target)).await??;
        settle(&stream);
        let ends = Ends { own: stream.local_addr()?, target };
        let (leave, leaving) = watch::channel(false);
        let is_followed = Arc::new(AtomicBool::new(true));
        let way = Way { leave, is_followed: is_followed.clone() };
        crate::lock(&relays.all).insert(ends, way);
        Ok(Self { stream, ends, leaving, is_followed, relays })
    }
}

impl Drop for Inside<'_> {
    fn drop(&mut self) {
        crate::lock(&self.relays.all).remove(&self.ends);
    }
}

/// How the stay with one endpoint ended.
enum Ended {
    /// Both sides have said all.
    Whole,
    /// The endpoint is to be left, and nothing is under way.
    Left,
}

/// Serves a client until it or the other side ends.
pub(super) async fn relay(mut client: TcpStream, target: SocketAddrV4, relays: &Relays) {
    settle(&client);
    if pass(&mut client, target, relays).await.is_err() {
        // The client sees what it would see inside: a connection refused or reset.
        client.set_zero_linger().ok();
    }
}

async fn pass(client: &mut TcpStream, target: SocketAddrV4, relays: &Relays) -> io::Result<()> {
    let mut followed = Followed::new(client.peer_addr()?);
    loop {
        let mut inside = Inside::connect(target, relays).await?;
        match stay(client, &mut inside, &mut followed).await {
            Ok(Ended::Whole) => return Ok(()),
            Ok(Ended::Left) => drop(inside),
            Err(error) => {
                inside.stream.set_zero_linger().ok();
                return Err(error);
            }
        }
        // Whoever asks for nothing more needs nobody.
        client.readable().await?;
        if client.peek(&mut [0]).await? == 0 {
            return Ok(());
        }
    }
}

/// Passes bytes both ways, until both ways have ended or the endpoint is left.
async fn stay(client: &mut TcpStream, inside: &mut Inside<'_>, followed: &mut Followed) -> io::Result<Ended> {
    let followed = Mutex::new(followed);
    let (mut from_client, mut to_client) = client.split();
    let (mut from_inside, mut to_inside) = inside.stream.split();
    // Noted before they are sent on, and answers afterwards: what is noted as answered is.
    let is_followed = &inside.is_followed;
    let note = |note: fn(&mut Followed, &[u8]), bytes: &[u8]| {
        let mut followed = crate::lock(&followed);
        note(&mut followed, bytes);
        is_followed.store(followed.is_understood(), Ordering::Relaxed);
    };
    let asked = |bytes: &[u8]| note(Followed::asked, bytes);
    let answered = |bytes: &[u8]| note(Followed::answered, bytes);
    let both = async {
        tokio::try_join!(
            forward(&mut from_client, &mut to_inside, asked, |_| {}),
            forward(&mut from_inside, &mut to_client, |_| {}, answered),
        )
    };
    let leaving = &mut inside.leaving;
    let left = async {
        if leaving.wait_for(|leaving| *leaving).await.is_err() {
            pending::<()>().await;
        }
        // The other branch is looked at first, each time that anything happens.
        poll_fn(|_| if crate::lock(&followed).is_between() { Poll::Ready(()) } else { Poll::Pending }).await;
    };
    tokio::select! {
        biased;
        ended = both => ended.map(|_| Ended::Whole),
        () = left => Ok(Ended::Left),
    }
}

/// Passes bytes one way until their end, which is passed on too.
async fn forward(
    from: &mut ReadHalf<'_>,
    to: &mut WriteHalf<'_>,
    before: impl Fn(&[u8]),
    after: impl Fn(&[u8]),
) -> io::Result<()> {
    let mut buffer = BytesMut::new();
    loop {
        from.readable().await?;
        buffer.reserve(BUFFER_BYTES);
        match from.try_read_buf(&mut buffer) {
            Ok(0) => return to.shutdown().await,
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                // Who waits holds no memory.
                buffer = BytesMut::new();
                continue;
            }
            Err(error) => return Err(error),
        }
        before(&buffer);
        to.write_all(&buffer).await?;
        after(&buffer);
        buffer.clear();
    }
}

fn settle(stream: &TcpStream) {
    stream.set_nodelay(true).ok();
    crate::keep_alive(stream);
}
