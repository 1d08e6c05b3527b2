//! Requests that change the protocol (WebSocket and the like): after the endpoint's 101, bytes both
//! ways.

use tokio::{
    io::{AsyncRead, AsyncWrite, AsyncWriteExt, copy_bidirectional},
    time,
};

use super::{
    super::{answer::Refusal, forward::Attempts},
    Answered, Ending, Session,
    exchange::{HeadError, LEFT, read_head},
    request::Request,
    upstream::Upstream,
};

impl<S: AsyncRead + AsyncWrite + Unpin + Send> Session<S> {
    /// Sends the request on a connection of its own and, when the endpoint agrees, joins both ends.
    pub(super) async fn tunnel(&mut self, request: &Request) -> Result<Answered, Ending> {
        let mut attempts = Attempts::new(self.shared.config.retry_time);
        let mut lease = loop {
            let found = self.shared.table().destination(&request.host, &request.path);
            let destination = found.ok_or(Refusal::NoRoute)?;
            if let Some((lease, _)) = self.lease(destination, &mut attempts, false).await? {
                break lease;
            }
        };
        let treatment = &lease.destination.treatment;
        let patience = treatment.response_timeout.unwrap_or(self.shared.config.response_timeout);
        let address = lease.in_flight.endpoint().address();
        let upstream = &mut lease.upstream;
        let answer = async {
            upstream.send(&self.message).await.map_err(HeadError::Broken)?;
            let Upstream { stream, inbox, .. } = &mut *upstream;
            read_head(stream, inbox, request, &self.shared, &mut self.reply).await
        };
        let response = match time::timeout(patience, answer).await {
            Ok(Ok(response)) => response,
            Ok(Err(HeadError::Broken(error))) => {
                return Err(Refusal::Broken(format!("{address}: {error}")).into());
            }
            Ok(Err(HeadError::Malformed(reason))) => {
                return Err(Refusal::Broken(format!("{address}: {reason}")).into());
            }
            Err(_) => {
                return Err(Refusal::TimedOut(format!("{address}: no answer to a change of protocol")).into());
            }
        };
        if response.status != 101 {
            // The endpoint answers as to any request: "no", mostly.
            return self.relay(request, &response, lease).await;
        }
        let took = lease.count(request, &response);
        let upstream = &mut lease.upstream;
        self.reply.extend_from_slice(&upstream.inbox.bytes);
        let ended = |broke| Answered { status: 101, took, broke, goes_on: false };
        if self.stream.write_all(&self.reply).await.is_err() || self.stream.flush().await.is_err() {
            return Ok(ended(Some(LEFT.to_owned())));
        }
        upstream.send(&self.input).await.ok();
        // The client's connection counts until the tunnel ends. The request does not: a tunnel may last
        // for days, and its application wants to hear that it should end rather than be waited for.
        drop(lease.in_flight);
        // Either side may break off at any time: that is how many tunnels end.
        copy_bidirectional(&mut self.stream, &mut lease.upstream.stream).await.ok();
        Ok(ended(None))
    }
}
