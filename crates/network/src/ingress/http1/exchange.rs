//! A request's way to an endpoint, and its second and third way when the first one fails.

use std::{io, sync::Arc, time::Duration};

use bytes::{Buf, BytesMut};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};

use super::{
    super::{
        Shared, answer::Refusal, endpoint::InFlight, forward::Attempts, metrics::Counters, table::Destination,
    },
    Answered, Ending, Session,
    framing::{Decoder, Encoder, Framing},
    left,
    request::Request,
    response::{self, Response},
    upstream::{Failed, Inbox, Upstream},
};

/// What the log says of a client that did not wait for the end of its answer.
pub(super) const LEFT: &str = "the client left";

/// A connection with a request's answer on it.
pub(super) struct Lease {
    pub(super) upstream: Upstream,
    pub(super) in_flight: InFlight,
    pub(super) destination: Arc<Destination>,
}

impl Lease {
    /// Counts the answer, before the client can have seen it; returns how long it took to begin.
    pub(super) fn count(&self, request: &Request, response: &Response) -> Duration {
        let took = request.came.elapsed();
        self.destination.backend.counters().answered(response.status, false, took);
        took
    }

    /// Puts the connection to rest, if it can be used again.
    pub(super) fn end(self, response: &Response) {
        if response.endpoint_keeps_alive {
            self.in_flight.endpoint().put_resting(self.upstream);
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin + Send> Session<S> {
    /// Sends a request that is whole in `message`, until an endpoint answers it. `first`: where it goes
    /// at first, if that has just been looked up.
    pub(super) async fn exchange(
        &mut self,
        request: &Request,
        mut first: Option<Arc<Destination>>,
    ) -> Result<Answered, Ending> {
        let mut attempts = Attempts::new(self.shared.config.retry_time);
        loop {
            let destination = match first.take() {
                Some(destination) => destination,
                None => {
                    self.shared.table().destination(&request.host, &request.path).ok_or(Refusal::NoRoute)?
                }
            };
            let Some((mut lease, was_reused)) = self.lease(destination, &mut attempts, true).await? else {
                continue;
            };
            match self.ask(request, &mut lease).await? {
                Ok(response) => return self.relay(request, &response, lease).await,
                Err(failed) => {
                    let address = lease.in_flight.endpoint().address();
                    let reason = judge(&failed, request.is_idempotent, address)?;
                    attempts.broke(&lease.destination.backend, address, was_reused, reason)?;
                }
            }
        }
    }

    /// Finds a connection to an endpoint, and says whether it has been used before; `None` when
    /// another look at the routes is due.
    pub(super) async fn lease(
        &self,
        destination: Arc<Destination>,
        attempts: &mut Attempts,
        may_reuse: bool,
    ) -> Result<Option<(Lease, bool)>, Refusal> {
        let in_flight = destination.backend.pick(attempts.tried()).ok_or(Refusal::NoEndpoint)?;
        let endpoint = in_flight.endpoint();
        if endpoint.is_retired() {
            // The routes changed between our look and our choice.
            return Ok(None);
        }
        // After a break only a new connection will do.
        if may_reuse
            && attempts.broken() == 0
            && let Some(upstream) = endpoint.take_resting()
        {
            return Ok(Some((Lease { upstream, in_flight, destination }, true)));
        }
        let patience = destination.treatment.connect_timeout.unwrap_or(self.shared.config.connect_timeout);
        match Upstream::open(endpoint.address(), patience).await {
            Ok(upstream) => Ok(Some((Lease { upstream, in_flight, destination }, false))),
            Err(error) => {
                endpoint.avoid();
                let address = endpoint.address();
                drop(in_flight);
                attempts.no_connection(&destination.backend, address, &error).await?;
                Ok(None)
            }
        }
    }

    /// Sends the message and awaits the head of the answer, which is left in `reply`.
    async fn ask(
        &mut self,
        request: &Request,
        lease: &mut Lease,
    ) -> Result<Result<Response, Failed>, Ending> {
        let treatment = &lease.destination.treatment;
        let patience = treatment.response_timeout.unwrap_or(self.shared.config.response_timeout);
        let upstream = &mut lease.upstream;
        let mark = upstream.begin();
        let answer = async {
            // An endpoint may have answered and closed before it took all.
            let sent = upstream.send(&self.message).await;
            let Upstream { stream, inbox, .. } = &mut *upstream;
            let head = read_head(stream, inbox, request, &self.shared, &mut self.reply).await;
            match (head, sent) {
                (Err(HeadError::Broken(_)), Err(error)) => Err(HeadError::Broken(error)),
                (head, _) => head,
            }
        };
        let answer = tokio::select! {
            biased;
            answer = self.patience.bound(patience, answer) => answer,
            () = left(&mut self.stream, &mut self.input) => return Err(Ending::ClientLeft),
        };
        Ok(match answer {
            Ok(Ok(response)) => Ok(response),
            Ok(Err(HeadError::Broken(error))) => Err(upstream.failed(mark, &error)),
            Ok(Err(HeadError::Malformed(reason))) => Err(Failed::answered(reason)),
            Err(_) => Err(Failed::late(patience)),
        })
    }

    /// Passes an endpoint's answer to the client, whose head is in `reply` already.
    pub(super) async fn relay(
        &mut self,
        request: &Request,
        response: &Response,
        mut lease: Lease,
    ) -> Result<Answered, Ending> {
        if response.status == 101 {
            return Err(Refusal::Broken("it changed the protocol unasked".to_owned()).into());
        }
        let took = lease.count(request, response);
        let Upstream { stream, inbox, .. } = &mut lease.upstream;
        let mut client = Whole { stream: &mut self.stream, input: &mut self.input };
        let Ok(broke) = pass(stream, inbox, &mut client, &mut self.reply, response).await else {
            return Ok(Answered {
                status: response.status,
                took,
                broke: Some(LEFT.to_owned()),
                goes_on: false,
            });
        };
        let goes_on = broke.is_none() && response.client_keeps_alive;
        if broke.is_some() {
            Counters::add(&lease.destination.backend.counters().broken);
        } else {
            lease.end(response);
            if !goes_on {
                self.close(request).await;
            }
        }
        Ok(Answered { status: response.status, took, broke, goes_on })
    }

    /// Ends the connection after an answer.
    async fn close(&mut self, request: &Request) {
        if request.framing == Framing::Length(0) || self.input.is_empty() {
            self.stream.shutdown().await.ok();
        } else {
            self.linger().await;
        }
    }
}

/// The client, while an answer is passed to it.
pub(super) trait ClientEnd {
    /// Sends it bytes at once.
    fn send(&mut self, bytes: &[u8]) -> impl Future<Output = io::Result<()>> + Send;
    /// Completes when it leaves.
    fn left(&mut self) -> impl Future<Output = ()> + Send;
}

struct Whole<'a, S> {
    stream: &'a mut S,
    input: &'a mut BytesMut,
}

impl<S: AsyncRead + AsyncWrite + Unpin + Send> ClientEnd for Whole<'_, S> {
    async fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.write_all(bytes).await?;
        // An encrypted stream may hold back what is not flushed.
        self.stream.flush().await
    }

    async fn left(&mut self) {
        left(self.stream, self.input).await;
    }
}

/// Passes the body of an answer, after its head in `reply`. Returns what kept it from its end.
pub(super) async fn pass(
    from: &mut (impl AsyncRead + Unpin),
    inbox: &mut Inbox,
    client: &mut impl ClientEnd,
    reply: &mut Vec<u8>,
    response: &Response,
) -> Result<Option<String>, Ending> {
    let gone = |_| Ending::ClientLeft;
    let mut decoder = Decoder::new(response.framing);
    let mut encoder = Encoder::new(reply, response.is_chunked, true);
    loop {
        let is_misframed = decoder.pass(&mut inbox.bytes, &mut encoder).is_err();
        client.send(encoder.buffered()).await.map_err(gone)?;
        encoder.clear();
        if is_misframed {
            return Ok(Some("the body of its answer is not framed as it says".to_owned()));
        }
        if decoder.is_done() {
            return Ok(None);
        }
        let received = tokio::select! {
            biased;
            received = inbox.receive(from) => received,
            () = client.left() => return Err(Ending::ClientLeft),
        };
        match received {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof && decoder.may_end_here() => {
                encoder.end();
                client.send(encoder.buffered()).await.map_err(gone)?;
                return Ok(None);
            }
            Err(error) => return Ok(Some(format!("its answer broke off: {error}"))),
        }
    }
}

/// Why there is no head.
pub(super) enum HeadError {
    Broken(io::Error),
    Malformed(String),
}

/// Reads the head of an answer; its new form is left in `reply`.
pub(super) async fn read_head(
    from: &mut (impl AsyncRead + Unpin),
    inbox: &mut Inbox,
    request: &Request,
    shared: &Shared,
    reply: &mut Vec<u8>,
) -> Result<Response, HeadError> {
    loop {
        if !inbox.bytes.is_empty() {
            reply.clear();
            let closes = *shared.draining.borrow();
            let read = response::read(&inbox.bytes, request, closes, reply);
            if let Some((response, length)) = read.map_err(HeadError::Malformed)? {
                inbox.bytes.advance(length);
                // Interim answers (100, 103) are of one hop.
                if response.status >= 200 || response.status == 101 {
                    return Ok(response);
                }
                continue;
            }
        }
        inbox.receive(from).await.map_err(HeadError::Broken)?;
    }
}

impl Failed {
    fn answered(reason: String) -> Self {
        Self { never_arrived: false, was_answered: true, timed_out: false, reason }
    }

    pub(super) fn late(patience: Duration) -> Self {
        let reason = format!("no answer within {patience:?}");
        Self { never_arrived: false, was_answered: false, timed_out: true, reason }
    }
}

/// Says whether a failed request may be sent again: `Err` ends it.
fn judge(failed: &Failed, is_idempotent: bool, address: std::net::SocketAddr) -> Result<String, Refusal> {
    let reason = format!("{address}: {}", failed.reason);
    if failed.timed_out {
        return Err(Refusal::TimedOut(reason));
    }
    let again = !failed.was_answered && (failed.never_arrived || is_idempotent);
    if again { Ok(reason) } else { Err(Refusal::Broken(reason)) }
}
