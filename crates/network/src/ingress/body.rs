//! The body of an answer: our own short text, or what an endpoint sends.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;

use super::{connection::Connection, endpoint::InFlight, metrics::Counters};

#[derive(Debug)]
pub(super) enum ProxyBody {
    Own(Option<Bytes>),
    Endpoint(EndpointBody),
    /// Of a gRPC call, whose connection is driven elsewhere.
    Call {
        body: Incoming,
        _in_flight: InFlight,
    },
}

/// Reads the body of an endpoint's response, driving its connection. When the body is through, the
/// connection goes to rest; when it is dropped before, the connection is closed.
#[derive(Debug)]
pub(super) struct EndpointBody {
    incoming: Incoming,
    lease: Option<Lease>,
}

#[derive(Debug)]
struct Lease {
    connection: Connection,
    in_flight: InFlight,
    counters: Arc<Counters>,
}

impl EndpointBody {
    pub(super) fn new(
        incoming: Incoming,
        connection: Connection,
        in_flight: InFlight,
        counters: Arc<Counters>,
    ) -> Self {
        let lease = Some(Lease { connection, in_flight, counters });
        let mut body = Self { incoming, lease };
        body.release_when_through();
        body
    }

    fn release_when_through(&mut self) {
        if self.incoming.is_end_stream() {
            self.release();
        }
    }

    fn release(&mut self) {
        if let Some(Lease { connection, in_flight, .. }) = self.lease.take() {
            in_flight.endpoint().put_idle(connection);
        }
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        if let Some(lease) = &mut self.lease {
            lease.connection.drive(cx);
        }
        let frame = std::task::ready!(Pin::new(&mut self.incoming).poll_frame(cx));
        match &frame {
            Some(Ok(_)) => self.release_when_through(),
            None => self.release(),
            Some(Err(_)) => {
                if let Some(lease) = self.lease.take() {
                    Counters::add(&lease.counters.broken);
                }
            }
        }
        Poll::Ready(frame)
    }
}

impl Drop for EndpointBody {
    fn drop(&mut self) {
        // A body of known length is dropped without being asked for its end.
        self.release_when_through();
    }
}

impl Body for ProxyBody {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        match &mut *self {
            Self::Own(text) => Poll::Ready(text.take().map(|text| Ok(Frame::data(text)))),
            Self::Endpoint(body) => body.poll(cx),
            Self::Call { body, .. } => Pin::new(body).poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Own(text) => text.is_none(),
            Self::Endpoint(body) => body.incoming.is_end_stream(),
            Self::Call { body, .. } => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Own(text) => SizeHint::with_exact(text.as_ref().map_or(0, |text| text.len() as u64)),
            Self::Endpoint(body) => body.incoming.size_hint(),
            Self::Call { body, .. } => body.size_hint(),
        }
    }
}
