//! Bytes inside WebSocket messages: how newer `kubectl` carries SPDY.

use bytes::BytesMut;
use futures::{SinkExt, StreamExt};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
use tokio_tungstenite::tungstenite::Message;

use super::upgrade::Socket;

/// Bytes on their way in either direction.
const BUFFER: usize = 128 << 10;
const CHUNK: usize = 32 << 10;

/// Returns the bytes inside the messages of a WebSocket; they are carried until either side ends.
pub(super) fn open(socket: Socket) -> DuplexStream {
    let (near, far) = tokio::io::duplex(BUFFER);
    tokio::spawn(carry(socket, far));
    near
}

async fn carry(socket: Socket, far: DuplexStream) {
    let (mut sink, mut source) = socket.split();
    let (mut read, mut write) = tokio::io::split(far);
    let inward = async {
        while let Some(Ok(message)) = source.next().await {
            let bytes = match message {
                Message::Binary(bytes) => bytes,
                Message::Close(_) => break,
                Message::Text(_) | Message::Ping(_) | Message::Pong(_) | Message::Frame(_) => continue,
            };
            if write.write_all(&bytes).await.is_err() {
                break;
            }
        }
        let _ = write.shutdown().await;
    };
    let outward = async {
        let mut buffer = BytesMut::with_capacity(CHUNK);
        loop {
            buffer.reserve(CHUNK);
            match read.read_buf(&mut buffer).await {
                Ok(0) | Err(_) => break,
                Ok(_) => {}
            }
            if sink.send(Message::binary(buffer.split().freeze())).await.is_err() {
                return;
            }
        }
        // the client may have closed first
        let _ = sink.send(Message::Close(None)).await;
    };
    tokio::pin!(inward, outward);
    tokio::select! {
        () = &mut inward => {}
        () = &mut outward => {}
    }
}
