//! Datagrams through a port of the host: a socket inside for each client.

use std::{
    collections::HashMap,
    io,
    net::{Ipv4Addr, SocketAddr, SocketAddrV4},
    sync::{Arc, Mutex},
    time::Duration,
};

use tokio::{net::UdpSocket, sync::mpsc, time};

/// As connection tracking forgets longer talks (`nf_conntrack_udp_timeout_stream` is 120 s).
const IDLE_TIME: Duration = Duration::from_secs(60);
const MAX_CLIENTS: usize = 1024;
const QUEUE: usize = 64;
const MAX_DATAGRAM: usize = 65_535;

type Clients = Arc<Mutex<HashMap<SocketAddr, mpsc::Sender<Vec<u8>>>>>;

pub(super) async fn serve(socket: UdpSocket, target: SocketAddrV4) {
    let socket = Arc::new(socket);
    let clients = Clients::default();
    // Ends the exchanges with the port.
    let mut exchanges = tokio::task::JoinSet::new();
    let mut buffer = vec![0; MAX_DATAGRAM];
    loop {
        while exchanges.try_join_next().is_some() {}
        // Errors here are about earlier answers that could not be delivered.
        let Ok((length, client)) = socket.recv_from(&mut buffer).await else { continue };
        let Some(queue) = enqueue(&clients, client, buffer[..length].to_vec()) else { continue };
        let (socket, clients) = (socket.clone(), clients.clone());
        exchanges.spawn(async move {
            if let Err(error) = exchange(&socket, client, target, queue).await {
                tracing::debug!(%error, %target, "an exchange of datagrams with a client ended");
            }
            crate::lock(&clients).remove(&client);
        });
    }
}

/// Gives the datagram to the client's exchange; for a new client, returns the queue of one to start.
fn enqueue(clients: &Clients, client: SocketAddr, bytes: Vec<u8>) -> Option<mpsc::Receiver<Vec<u8>>> {
    let mut open = crate::lock(clients);
    if let Some(queue) = open.get(&client) {
        // What is too much, or comes at the very end of an exchange, is lost, as datagrams may be.
        queue.try_send(bytes).ok();
        return None;
    }
    if open.len() >= MAX_CLIENTS {
        return None;
    }
    let (sender, queue) = mpsc::channel(QUEUE);
    sender.try_send(bytes).ok();
    open.insert(client, sender);
    Some(queue)
}

async fn exchange(
    host: &UdpSocket,
    client: SocketAddr,
    target: SocketAddrV4,
    mut queue: mpsc::Receiver<Vec<u8>>,
) -> io::Result<()> {
    let inside = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).await?;
    inside.connect(target).await?;
    let mut buffer = vec![0; MAX_DATAGRAM];
    loop {
        tokio::select! {
            bytes = queue.recv() => match bytes {
                Some(bytes) => { inside.send(&bytes).await?; }
                None => return Ok(()),
            },
            length = inside.recv(&mut buffer) => { host.send_to(&buffer[..length?], client).await?; }
            () = time::sleep(IDLE_TIME) => return Ok(()),
        }
    }
}
