//! Bodies that are passed on as they come: long ones, and those of unknown length. Both directions
//! move at once, since an endpoint may answer before it has read all.

use std::{
    convert::Infallible,
    io,
    net::SocketAddr,
    pin::pin,
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
    time::Duration,
};

use bytes::BytesMut;
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    time,
};

use super::{
    super::{Shared, answer::Refusal, forward::Attempts, metrics::Counters},
    Answered, Ending, Session,
    exchange::{ClientEnd, HeadError, LEFT, Lease, pass, read_head},
    framing::{Decoder, Encoder, Framing},
    left,
    request::Request,
    response::Response,
    upstream::{Inbox, Upstream},
};

/// Read from a client at once: a long body takes fewer system calls so.
const UPLOAD_BYTES: usize = 64 << 10;

/// Why a body did not arrive at the endpoint.
enum UploadError {
    ClientLeft,
    Refused(Refusal),
    /// The endpoint takes no more. It may have answered.
    Endpoint,
}

/// How far both directions are.
#[derive(Default)]
struct Progress {
    uploads: AtomicU64,
    is_uploaded: AtomicBool,
    is_answered: AtomicBool,
}

/// The half of a client's connection that is written; the other one is watched by the upload.
struct Half<W>(W);

impl<W: AsyncWrite + Unpin + Send> ClientEnd for Half<W> {
    async fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.0.write_all(bytes).await?;
        self.0.flush().await
    }

    async fn left(&mut self) {
        std::future::pending().await
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin + Send> Session<S> {
    /// Sends a request whose body is still to come. It is sent once only: nobody has it any more.
    pub(super) async fn stream(&mut self, request: &Request, limit: u64) -> Result<Answered, Ending> {
        let mut attempts = Attempts::new(self.shared.config.retry_time);
        let lease = loop {
            let found = self.shared.table().destination(&request.host, &request.path);
            let destination = found.ok_or(Refusal::NoRoute)?;
            if let Some((lease, _)) = self.lease(destination, &mut attempts, false).await? {
                break lease;
            }
        };
        self.invite(request).await?;
        let answered = self.both_ways(request, limit, lease).await?;
        if !answered.goes_on {
            self.linger().await;
        }
        Ok(answered)
    }

    async fn both_ways(
        &mut self,
        request: &Request,
        limit: u64,
        mut lease: Lease,
    ) -> Result<Answered, Ending> {
        let Self { shared, stream, input, message, reply, .. } = self;
        let address = lease.in_flight.endpoint().address();
        let patience = lease.destination.treatment.response_timeout.unwrap_or(shared.config.response_timeout);
        let progress = Progress::default();
        let counters = lease.destination.backend.counters().clone();
        let (response, took, broke) = {
            let Upstream { stream: endpoint, inbox, .. } = &mut lease.upstream;
            let (mut from_endpoint, mut to_endpoint) = endpoint.split();
            let (mut from_client, to_client) = tokio::io::split(stream);
            let upload = async {
                let upload = Upload { framing: request.framing, limit, patience, progress: &progress };
                upload.run(&mut from_client, input, &mut to_endpoint, message).await?;
                progress.is_uploaded.store(true, Ordering::Relaxed);
                left(&mut from_client, input).await;
                Err::<Infallible, _>(UploadError::ClientLeft)
            };
            let answer = async {
                let mut source = Source { from: &mut from_endpoint, inbox, address };
                let response = source.head(request, shared, reply, patience, &progress).await?;
                let took = request.came.elapsed();
                counters.answered(response.status, false, took);
                let client = &mut Half(to_client);
                let broke = pass(source.from, source.inbox, client, reply, &response).await;
                Ok((response, took, broke.unwrap_or_else(|_| Some(LEFT.to_owned()))))
            };
            let Some(answered) = progress.join(upload, answer).await? else {
                let took = request.came.elapsed();
                return Ok(Answered { status: 499, took, broke: Some(LEFT.to_owned()), goes_on: false });
            };
            answered
        };
        let is_whole = broke.is_none() && progress.is_uploaded.load(Ordering::Relaxed);
        let goes_on = is_whole && response.client_keeps_alive;
        if broke.as_ref().is_some_and(|broke| broke != LEFT) {
            Counters::add(&counters.broken);
        } else if is_whole {
            lease.end(&response);
        }
        Ok(Answered { status: response.status, took, broke, goes_on })
    }
}

/// Where an answer comes from.
struct Source<'a, R> {
    from: &'a mut R,
    inbox: &'a mut Inbox,
    address: SocketAddr,
}

impl<R: AsyncRead + Unpin> Source<'_, R> {
    /// Awaits the head of an answer. A long upload is no silence.
    async fn head(
        &mut self,
        request: &Request,
        shared: &Shared,
        reply: &mut Vec<u8>,
        patience: Duration,
        progress: &Progress,
    ) -> Result<Response, Ending> {
        let address = self.address;
        let broken = |reason: String| Err(Refusal::Broken(format!("{address}: {reason}")).into());
        loop {
            let uploads = progress.uploads.load(Ordering::Relaxed);
            let head = read_head(self.from, self.inbox, request, shared, reply);
            match time::timeout(patience, head).await {
                Ok(Ok(response)) if response.status == 101 => {
                    return broken("it changed the protocol unasked".to_owned());
                }
                Ok(Ok(response)) => {
                    progress.is_answered.store(true, Ordering::Relaxed);
                    return Ok(response);
                }
                Ok(Err(HeadError::Broken(error))) => return broken(error.to_string()),
                Ok(Err(HeadError::Malformed(reason))) => return broken(reason),
                Err(_) if progress.uploads.load(Ordering::Relaxed) > uploads => {}
                Err(_) => {
                    let reason = format!("{address}: no answer within {patience:?}");
                    return Err(Refusal::TimedOut(reason).into());
                }
            }
        }
    }
}

impl Progress {
    /// Runs both directions until the answer is through; `None` when the client left in its midst.
    async fn join<T>(
        &self,
        upload: impl Future<Output = Result<Infallible, UploadError>>,
        answer: impl Future<Output = Result<T, Ending>>,
    ) -> Result<Option<T>, Ending> {
        let (mut upload, mut answer) = (pin!(upload), pin!(answer));
        let mut is_uploading = true;
        loop {
            tokio::select! {
                biased;
                answered = answer.as_mut() => return answered.map(Some),
                Err(error) = upload.as_mut(), if is_uploading => match error {
                    UploadError::Refused(refusal) if !self.is_answered.load(Ordering::Relaxed) => {
                        return Err(refusal.into());
                    }
                    UploadError::ClientLeft | UploadError::Refused(_) => {
                        let is_answered = self.is_answered.load(Ordering::Relaxed);
                        return if is_answered { Ok(None) } else { Err(Ending::ClientLeft) };
                    }
                    UploadError::Endpoint => is_uploading = false,
                },
            }
        }
    }
}

/// A body on its way to an endpoint.
struct Upload<'a> {
    framing: Framing,
    /// In bytes.
    limit: u64,
    /// With a client that says nothing.
    patience: Duration,
    progress: &'a Progress,
}

impl Upload<'_> {
    /// Sends what is in `message` (the head) and the body after it.
    async fn run(
        &self,
        from: &mut (impl AsyncRead + Unpin),
        input: &mut BytesMut,
        to: &mut (impl AsyncWrite + Unpin),
        message: &mut Vec<u8>,
    ) -> Result<(), UploadError> {
        let refuse = |refusal| Err(UploadError::Refused(refusal));
        let mut decoder = Decoder::new(self.framing);
        let mut encoder = Encoder::new(message, self.framing == Framing::Chunked, false);
        loop {
            if decoder.pass(input, &mut encoder).is_err() {
                return refuse(Refusal::Malformed("the request's body is not framed as it says"));
            }
            if encoder.passed > self.limit {
                return refuse(Refusal::TooLarge);
            }
            to.write_all(encoder.buffered()).await.map_err(|_| UploadError::Endpoint)?;
            encoder.clear();
            self.progress.uploads.fetch_add(1, Ordering::Relaxed);
            if decoder.is_done() {
                return Ok(());
            }
            input.reserve(UPLOAD_BYTES);
            match time::timeout(self.patience, from.read_buf(input)).await {
                Ok(Ok(count)) if count > 0 => {}
                Ok(_) => return Err(UploadError::ClientLeft),
                Err(_) => return refuse(Refusal::SlowBody),
            }
        }
    }
}
