//! Clients that speak HTTP/1: the path that most requests take, made short. A head is read where it
//! lies, written anew into one buffer together with what is there of its body, and sent with one
//! system call; so is the answer. No task, no allocation for each header, no lock is on the way.
//!
//! Modules in reading order: [`request`], [`response`] (heads), [`connection`] (what both say of it),
//! [`framing`] (bodies), [`patience`] (bounds on waiting), [`upstream`] (a connection to an endpoint),
//! [`exchange`] (a request's way to an endpoint, and its second), [`streamed`] (bodies that are passed
//! on as they come), [`tunnel`] (changes of protocol), [`translated`] (to endpoints of HTTP/2);
//! [`followed`] is for connections that are not ours to answer.

mod connection;
mod exchange;
mod followed;
mod framing;
mod patience;
mod request;
mod response;
mod streamed;
mod translated;
mod tunnel;
mod upstream;

use std::{sync::Arc, time::Duration};

use bytes::{Buf, BytesMut};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    sync::watch,
    time,
};

pub(super) use self::patience::Patience;
use self::{framing::Framing, request::Request};
use super::{Shared, accept::Client, answer::Refusal, table::Destination};

pub(crate) use followed::Followed;
pub(super) use response::with_date;
pub(super) use upstream::{READ_BYTES, Upstream};

/// A request's head may be this long (nginx: 4 times 8 KiB); more is answered with 431.
const MAX_HEAD_BYTES: usize = 32 << 10;

/// Most heads with a short body are smaller.
const HEAD_BYTES: usize = 1 << 10;

/// Who is refused while still sending is listened to for this long and this much: closing at once
/// would take the answer away from it.
const LINGER_TIME: Duration = Duration::from_secs(2);
const LINGER_BYTES: usize = 4 << 20;

/// A client's connection.
struct Session<S> {
    shared: Arc<Shared>,
    client: Arc<Client>,
    stream: S,
    /// Read, but not yet used.
    input: BytesMut,
    /// The request as it goes to an endpoint.
    message: Vec<u8>,
    /// The answer as it goes to the client.
    reply: Vec<u8>,
    patience: Patience,
}

/// What a client's connection brings next.
enum Next {
    Request(Request),
    Refused(Refusal),
    End,
}

/// How a request ended that got an endpoint's answer.
struct Answered {
    status: u16,
    /// Until the answer began.
    took: Duration,
    /// What kept the answer from its end.
    broke: Option<String>,
    /// The client's connection goes on.
    goes_on: bool,
}

/// How a request ended whose answer is not counted yet.
enum Ending {
    Refused(Refusal),
    ClientLeft,
}

impl From<Refusal> for Ending {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

/// A connection that has said its first bytes.
pub(super) struct Begun<S> {
    pub(super) stream: S,
    /// What has been read already.
    pub(super) input: BytesMut,
    pub(super) patience: Patience,
    pub(super) draining: watch::Receiver<bool>,
}

/// Answers the requests of a client.
pub(super) async fn serve<S>(shared: Arc<Shared>, client: Arc<Client>, begun: Begun<S>)
where
    S: AsyncRead + AsyncWrite + Unpin + Send,
{
    let Begun { stream, input, patience, mut draining } = begun;
    let (message, reply) = (Vec::with_capacity(HEAD_BYTES), Vec::with_capacity(HEAD_BYTES));
    let mut session = Session { shared: shared.clone(), client, stream, input, message, reply, patience };
    let mut drained = std::pin::pin!(draining.wait_for(|draining| *draining));
    let mut is_draining = false;
    loop {
        let until = time::Instant::now() + shared.config.idle_timeout;
        let next = loop {
            tokio::select! {
                biased;
                next = session.next(until) => break next,
                _ = drained.as_mut(), if !is_draining => {
                    is_draining = true;
                    if session.input.is_empty() {
                        return;
                    }
                }
            }
        };
        let goes_on = match next {
            Next::Request(request) => session.handle(request).await,
            Next::Refused(refusal) => session.refuse(&refusal, false, true).await,
            Next::End => false,
        };
        if !goes_on || (is_draining && session.input.is_empty()) {
            return;
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin + Send> Session<S> {
    /// Reads the next head. Can be dropped and called again.
    async fn next(&mut self, until: time::Instant) -> Next {
        let mut looked_at = 0;
        loop {
            // A head of many small pieces is not parsed again and again.
            let ends = |bytes: &[u8]| bytes.windows(2).any(|two| two == b"\n\n" || two == b"\n\r");
            if !self.input.is_empty() && (looked_at == 0 || ends(&self.input[looked_at - 1..])) {
                self.message.clear();
                match request::read(&self.input, &self.client, &mut self.message) {
                    Ok(Some((request, length))) => {
                        self.input.advance(length);
                        return Next::Request(request);
                    }
                    Ok(None) => {}
                    Err(refusal) => return Next::Refused(refusal),
                }
            }
            looked_at = self.input.len();
            if looked_at >= MAX_HEAD_BYTES {
                return Next::Refused(Refusal::HeadTooLong);
            }
            self.input.reserve(READ_BYTES);
            match self.patience.until(until, self.stream.read_buf(&mut self.input)).await {
                Ok(Ok(count)) if count > 0 => {}
                Ok(Ok(_)) | Err(_) => return Next::End,
                Ok(Err(error)) => {
                    tracing::debug!(client = %self.client.address, %error, "a client's connection broke");
                    return Next::End;
                }
            }
        }
    }

    /// Answers a request; says whether the connection goes on.
    async fn handle(&mut self, mut request: Request) -> bool {
        let table = self.shared.table();
        let found = table.destination(&request.host, &request.path);
        let backend = found.as_ref().map_or(&table.nobody, |destination| &destination.backend).clone();
        drop(table);
        let answer = match found {
            _ if request.method == http::Method::CONNECT => Err(Refusal::Connect.into()),
            None => Err(Refusal::NoRoute.into()),
            Some(destination) => self.answer(&mut request, destination).await,
        };
        let (status, took, reason, goes_on) = match answer {
            Ok(answered) => (answered.status, answered.took, answered.broke, answered.goes_on),
            Err(Ending::Refused(refusal)) => {
                let (status, took) = (refusal.status().as_u16(), request.came.elapsed());
                backend.counters().answered(status, true, took);
                let goes_on = self.refuse_request(&request, &refusal).await;
                (status, took, Some(refusal.reason().to_owned()), goes_on)
            }
            // As nginx counts those who left: nobody saw an answer.
            Err(Ending::ClientLeft) => {
                let took = request.came.elapsed();
                backend.counters().answered(499, false, took);
                (499, took, Some("the client left".to_owned()), false)
            }
        };
        tracing::debug!(
            target: "network::ingress::access",
            client = %self.client.address, method = %request.method, host = request.host, path = request.path,
            status, backend = backend.key(), took_us = took.as_micros(), reason,
        );
        goes_on
    }

    /// Has an endpoint answer.
    async fn answer(
        &mut self,
        request: &mut Request,
        destination: Arc<Destination>,
    ) -> Result<Answered, Ending> {
        let treatment = &destination.treatment;
        if treatment.redirects_to_https && self.client.scheme == "http" {
            return Err(
                Refusal::ToHttps(self.shared.https_location(&request.authority, &request.target)).into()
            );
        }
        // A route and an endpoint first: a body for nobody needs no reading.
        if destination.backend.is_empty() {
            return Err(Refusal::NoEndpoint.into());
        }
        if let Some(target) = destination.rewritten(&request.target) {
            // It stands behind the method and a space.
            let start = request.method.as_str().len() + 1;
            self.message.splice(start..start + request.target.len(), target.bytes());
            request.target = target;
        }
        let limit = treatment.max_body_bytes.unwrap_or(u64::MAX);
        if matches!(request.framing, Framing::Length(length) if length > limit) {
            return Err(Refusal::TooLarge.into());
        }
        // What is rare has its state apart: that of every connection would be as large.
        if treatment.speaks_http2 {
            return Box::pin(self.translate(request, limit)).await;
        }
        if request.wants_upgrade {
            return Box::pin(self.tunnel(request)).await;
        }
        match request.framing {
            Framing::Length(0) => self.exchange(request, Some(destination)).await,
            Framing::Length(length) if length <= super::forward::KEPT_BODY_BYTES => {
                // Whoever had to wait for the body looks at the routes again.
                let waited = self.keep_body(request, length).await?;
                self.exchange(request, Some(destination).filter(|_| !waited)).await
            }
            Framing::Length(_) | Framing::Chunked | Framing::UntilClose => {
                Box::pin(self.stream(request, limit)).await
            }
        }
    }

    /// Adds a body of known length to the message; says whether that took waiting.
    async fn keep_body(&mut self, request: &Request, length: u64) -> Result<bool, Ending> {
        let length = usize::try_from(length).map_err(|_| Refusal::TooLarge)?;
        let waits = self.input.len() < length;
        if waits {
            self.invite(request).await?;
            let until = time::Instant::now() + self.shared.config.response_timeout;
            self.input.reserve(length - self.input.len());
            while self.input.len() < length {
                match self.patience.until(until, self.stream.read_buf(&mut self.input)).await {
                    Ok(Ok(count)) if count > 0 => {}
                    Ok(_) => return Err(Ending::ClientLeft),
                    Err(_) => return Err(Refusal::SlowBody.into()),
                }
            }
        }
        self.message.extend_from_slice(&self.input[..length]);
        self.input.advance(length);
        Ok(waits)
    }

    /// Tells a client that waits for it to send its body.
    async fn invite(&mut self, request: &Request) -> Result<(), Ending> {
        if request.expects_continue && self.input.is_empty() {
            let invitation = b"HTTP/1.1 100 Continue\r\n\r\n";
            self.stream.write_all(invitation).await.map_err(|_| Ending::ClientLeft)?;
        }
        Ok(())
    }

    /// Answers a request ourselves; says whether the connection goes on: not if a body is on its way.
    async fn refuse_request(&mut self, request: &Request, refusal: &Refusal) -> bool {
        let has_no_body = request.framing == Framing::Length(0);
        let goes_on = has_no_body && request.keeps_alive && !*self.shared.draining.borrow();
        let has_body = request.method != http::Method::HEAD;
        self.refuse(refusal, goes_on && !request.is_http_10, has_body).await
    }

    async fn refuse(&mut self, refusal: &Refusal, goes_on: bool, has_body: bool) -> bool {
        let mut reply = Vec::new();
        refusal.write(&mut reply, goes_on, has_body);
        if self.stream.write_all(&reply).await.is_err() || self.stream.flush().await.is_err() {
            return false;
        }
        if !goes_on {
            self.linger().await;
        }
        goes_on
    }

    /// Ends the connection so that the client reads our last words.
    async fn linger(&mut self) {
        if self.stream.shutdown().await.is_err() {
            return;
        }
        let mut left = LINGER_BYTES;
        let listen = async {
            loop {
                self.input.clear();
                self.input.reserve(READ_BYTES);
                match self.stream.read_buf(&mut self.input).await {
                    Ok(count) if count > 0 && count < left => left -= count,
                    Ok(_) | Err(_) => return,
                }
            }
        };
        time::timeout(LINGER_TIME, listen).await.ok();
    }
}

/// Completes when a client's connection ends; what else comes is kept for the next request.
async fn left(stream: &mut (impl AsyncRead + Unpin), input: &mut BytesMut) {
    loop {
        if input.len() > MAX_HEAD_BYTES {
            return std::future::pending().await;
        }
        input.reserve(READ_BYTES);
        match stream.read_buf(input).await {
            Ok(count) if count > 0 => {}
            Ok(_) | Err(_) => return,
        }
    }
}
