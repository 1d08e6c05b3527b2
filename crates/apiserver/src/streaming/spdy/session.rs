//! One connection: accepts the client's streams and carries their data.

use std::{collections::HashMap, io};

use bytes::{Bytes, BytesMut};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    sync::mpsc,
};
use tokio_util::task::AbortOnDropHandle;

use super::{
    frame::{self, FLAG_FIN, GOAWAY, Head, PING, RST_STREAM, SYN_REPLY, SYN_STREAM},
    headers::{Decoder, Encoder, Headers},
};

/// A port-forward has two streams per connection; more at once is no use of a person.
const MAX_STREAMS: usize = 1024;
/// Pieces that wait for whoever reads a stream, each at most [`PIECE`].
const STREAM_QUEUE: usize = 64;
const WRITE_QUEUE: usize = 64;
const NEW_STREAMS: usize = 64;
const PIECE: usize = 32 << 10;
/// The status of a stream that is not taken.
const REFUSED_STREAM: u32 = 3;
const CANCEL: u32 = 5;

/// The streams of one client.
pub(in crate::streaming) struct Session {
    accepted: mpsc::Receiver<Stream>,
    /// Both end with the session.
    _reader: AbortOnDropHandle<()>,
    writer: AbortOnDropHandle<()>,
    frames: mpsc::Sender<Outgoing>,
}

/// One stream, as the server sees it.
pub(in crate::streaming) struct Stream {
    headers: Headers,
    /// What the client sends; ends when it closes its side.
    pub(in crate::streaming) incoming: mpsc::Receiver<Bytes>,
    pub(in crate::streaming) writer: StreamWriter,
}

impl Stream {
    /// Returns the value of a header; names are in lower case.
    pub(in crate::streaming) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }
}

/// Sends on one stream. Errors mean that the connection is gone.
#[derive(Clone)]
pub(in crate::streaming) struct StreamWriter {
    id: u32,
    frames: mpsc::Sender<Outgoing>,
}

impl StreamWriter {
    pub(in crate::streaming) async fn send(&self, data: Bytes) -> io::Result<()> {
        self.push(Outgoing::Data { stream: self.id, flags: 0, data }).await
    }

    /// Tells the client that nothing more comes.
    pub(in crate::streaming) async fn finish(&self) -> io::Result<()> {
        self.push(Outgoing::Data { stream: self.id, flags: FLAG_FIN, data: Bytes::new() }).await
    }

    /// Ends both directions.
    pub(in crate::streaming) async fn reset(&self) -> io::Result<()> {
        self.push(Outgoing::Reset { stream: self.id, status: CANCEL }).await
    }

    async fn push(&self, frame: Outgoing) -> io::Result<()> {
        self.frames.send(frame).await.map_err(|_| io::ErrorKind::BrokenPipe.into())
    }
}

enum Outgoing {
    Data { stream: u32, flags: u8, data: Bytes },
    Reply { stream: u32 },
    Reset { stream: u32, status: u32 },
    Ping { id: u32 },
    GoAway,
}

impl Session {
    /// Begins to speak SPDY on a connection.
    pub(in crate::streaming) fn start<C>(connection: C) -> io::Result<Self>
    where
        C: AsyncRead + AsyncWrite + Send + 'static,
    {
        let (source, sink) = tokio::io::split(connection);
        let (frames, outgoing) = mpsc::channel(WRITE_QUEUE);
        let (accept, accepted) = mpsc::channel(NEW_STREAMS);
        let writer = tokio::spawn(write(Box::pin(sink), outgoing, Encoder::new()?));
        let reader = Reader {
            source: Box::pin(source),
            decoder: Decoder::new(),
            streams: HashMap::new(),
            accept,
            frames: frames.clone(),
        };
        let reader = tokio::spawn(async move {
            if let Err(error) = reader.run().await {
                tracing::debug!(%error, "a SPDY connection ended");
            }
        });
        Ok(Self {
            accepted,
            _reader: AbortOnDropHandle::new(reader),
            writer: AbortOnDropHandle::new(writer),
            frames,
        })
    }

    /// Returns the next stream the client opens; `None` when the connection has ended.
    pub(in crate::streaming) async fn accept(&mut self) -> Option<Stream> {
        self.accepted.recv().await
    }

    /// Writes what is still waiting and closes.
    pub(in crate::streaming) async fn finish(self) {
        let Self { accepted, _reader, writer, frames } = self;
        let _ = frames.send(Outgoing::GoAway).await;
        drop((accepted, frames));
        // the writer ends with its last sender, which the reader's end releases
        drop(_reader);
        let _ = writer.await;
    }
}

struct Reader<R> {
    source: R,
    decoder: Decoder,
    /// Who takes the data of the streams whose client side is open.
    streams: HashMap<u32, mpsc::Sender<Bytes>>,
    accept: mpsc::Sender<Stream>,
    frames: mpsc::Sender<Outgoing>,
}

impl<R: AsyncRead + Unpin> Reader<R> {
    async fn run(mut self) -> io::Result<()> {
        while let Some(head) = Head::read(&mut self.source).await? {
            match head {
                Head::Data { stream, flags, length } => self.data(stream, flags, length).await?,
                Head::Control { kind, flags, length } => {
                    let mut payload = vec![0; length];
                    self.source.read_exact(&mut payload).await?;
                    if kind == GOAWAY {
                        return Ok(());
                    }
                    self.control(kind, flags, &payload).await?;
                }
            }
        }
        Ok(())
    }

    async fn data(&mut self, stream: u32, flags: u8, length: usize) -> io::Result<()> {
        let mut left = length;
        while left > 0 {
            let mut piece = BytesMut::zeroed(left.min(PIECE));
            self.source.read_exact(&mut piece).await?;
            left -= piece.len();
            // data for a stream that nobody reads any more is dropped
            if let Some(taker) = self.streams.get(&stream)
                && taker.send(piece.freeze()).await.is_err()
            {
                self.streams.remove(&stream);
            }
        }
        if flags & FLAG_FIN != 0 {
            self.streams.remove(&stream);
        }
        Ok(())
    }

    async fn control(&mut self, kind: u16, flags: u8, payload: &[u8]) -> io::Result<()> {
        let first = payload.first_chunk::<4>().map(|bytes| u32::from_be_bytes(*bytes) & 0x7fff_ffff);
        match (kind, first) {
            (SYN_STREAM, Some(stream)) => self.open(stream, flags, payload).await,
            (RST_STREAM, Some(stream)) => {
                self.streams.remove(&stream);
                Ok(())
            }
            // even numbers answer pings of ours, and we send none
            (PING, Some(id)) if id % 2 == 1 => self.push(Outgoing::Ping { id }).await,
            _ => Ok(()),
        }
    }

    async fn open(&mut self, stream: u32, flags: u8, payload: &[u8]) -> io::Result<()> {
        // stream id, associated stream, priority and slot come before the headers
        let block = payload.get(10..).ok_or_else(|| frame::invalid("a stream frame that is too short"))?;
        // every block must be read, or the following ones make no sense
        let headers = self.decoder.decode(block)?;
        let is_client_id = stream % 2 == 1;
        if !is_client_id || self.streams.contains_key(&stream) || self.streams.len() >= MAX_STREAMS {
            return self.push(Outgoing::Reset { stream, status: REFUSED_STREAM }).await;
        }
        let (taker, incoming) = mpsc::channel(STREAM_QUEUE);
        if flags & FLAG_FIN == 0 {
            self.streams.insert(stream, taker);
        }
        self.push(Outgoing::Reply { stream }).await?;
        let writer = StreamWriter { id: stream, frames: self.frames.clone() };
        let opened = Stream { headers, incoming, writer };
        self.accept.send(opened).await.map_err(|_| io::ErrorKind::BrokenPipe.into())
    }

    async fn push(&mut self, frame: Outgoing) -> io::Result<()> {
        self.frames.send(frame).await.map_err(|_| io::ErrorKind::BrokenPipe.into())
    }
}

async fn write<W>(mut sink: W, mut outgoing: mpsc::Receiver<Outgoing>, mut encoder: Encoder)
where
    W: AsyncWrite + Unpin,
{
    while let Some(frame) = outgoing.recv().await {
        let is_last = matches!(frame, Outgoing::GoAway);
        if let Err(error) = write_one(&mut sink, frame, &mut encoder).await {
            tracing::debug!(%error, "failed to write to a SPDY connection");
            return;
        }
        if is_last {
            break;
        }
    }
    // the peer may have closed first
    let _ = sink.shutdown().await;
}

async fn write_one<W>(sink: &mut W, frame: Outgoing, encoder: &mut Encoder) -> io::Result<()>
where
    W: AsyncWrite + Unpin,
{
    match frame {
        Outgoing::Data { stream, flags, data } => {
            sink.write_all(&frame::data_head(stream, flags, data.len())).await?;
            sink.write_all(&data).await?;
        }
        Outgoing::Reply { stream } => {
            let mut payload = stream.to_be_bytes().to_vec();
            payload.extend(encoder.encode(&[])?);
            sink.write_all(&frame::control(SYN_REPLY, 0, &payload)).await?;
        }
        Outgoing::Reset { stream, status } => {
            let payload = [stream.to_be_bytes(), status.to_be_bytes()].concat();
            sink.write_all(&frame::control(RST_STREAM, 0, &payload)).await?;
        }
        Outgoing::Ping { id } => sink.write_all(&frame::control(PING, 0, &id.to_be_bytes())).await?,
        Outgoing::GoAway => sink.write_all(&frame::control(GOAWAY, 0, &[0; 8])).await?,
    }
    sink.flush().await
}

#[cfg(test)]
mod tests;
