//! One HTTP/1.1 connection to an endpoint, and one exchange over it.
//!
//! A connection is driven by the task of the request that uses it: a task of its own would cost two
//! switches for each request. At rest nobody drives it; its state is asked for before the next use.

use std::{
    future::{Future, poll_fn},
    io,
    net::SocketAddr,
    os::fd::RawFd,
    pin::{Pin, pin},
    sync::Arc,
    task::{Context, Waker},
    time::Duration,
};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{Either, Full, LengthLimitError, Limited};
use hyper::{
    body::Incoming,
    client::conn::http1::{self, SendRequest},
};
use hyper_util::rt::TokioIo;
use tokio::{net::TcpStream, time};

use super::wire::{Ledger, Wire, is_silent};

/// What goes to an endpoint: kept whole so that it can be sent again, or passed on as it comes.
pub(super) type Outgoing = Either<Full<Bytes>, ClientBody>;

/// What comes from a client, up to the bound of its route.
pub(super) type ClientBody = Limited<Incoming>;

type Driver = http1::Connection<TokioIo<Wire>, Outgoing>;

/// A response's head may be this long; more is a fault of the application (502).
const MAX_HEAD_BYTES: usize = 64 << 10;

/// A connection between two requests or with one.
#[derive(Debug)]
pub(super) struct Connection {
    sender: SendRequest<Outgoing>,
    /// `None` once it has ended.
    driver: Option<Pin<Box<Driver>>>,
    ledger: Arc<Ledger>,
    descriptor: RawFd,
}

/// Why an exchange gave no response.
#[derive(Debug)]
pub(super) struct Failed {
    /// The request, if no byte of it was sent.
    pub(super) unsent: Option<Request<Outgoing>>,
    /// The request cannot have reached the application.
    pub(super) never_arrived: bool,
    /// Something of a response had come.
    pub(super) was_answered: bool,
    pub(super) timed_out: bool,
    /// The client sent more than it may.
    pub(super) was_too_large: bool,
    pub(super) reason: String,
}

impl Connection {
    pub(super) async fn open(address: SocketAddr, patience: Duration) -> io::Result<Self> {
        let stream = time::timeout(patience, TcpStream::connect(address)).await??;
        stream.set_nodelay(true)?;
        let (wire, ledger) = Wire::new(stream);
        let descriptor = wire.descriptor();
        let (sender, driver) = http1::Builder::new()
            .max_buf_size(MAX_HEAD_BYTES)
            .handshake(TokioIo::new(wire))
            .await
            .map_err(io::Error::other)?;
        Ok(Self { sender, driver: Some(Box::pin(driver)), ledger, descriptor })
    }

    /// Says whether the next request can be sent: open, silent, and through with the last one.
    pub(super) fn is_usable(&mut self) -> bool {
        if self.driver.is_none() || !is_silent(self.descriptor) {
            return false;
        }
        let mut cx = Context::from_waker(Waker::noop());
        self.drive(&mut cx);
        self.driver.is_some() && self.sender.is_ready()
    }

    /// Moves bytes both ways as far as they go.
    pub(super) fn drive(&mut self, cx: &mut Context<'_>) {
        if let Some(driver) = &mut self.driver
            && driver.as_mut().poll(cx).is_ready()
        {
            self.driver = None;
        }
    }

    /// Sends a request and waits for the head of the response; the body comes while the connection
    /// is driven.
    pub(super) async fn exchange(
        &mut self,
        request: Request<Outgoing>,
        patience: Duration,
    ) -> Result<Response<Incoming>, Failed> {
        let mark = self.ledger.mark();
        let mut response = pin!(self.sender.try_send_request(request));
        loop {
            let written = self.ledger.written();
            let step = poll_fn(|cx| {
                self.drive(cx);
                response.as_mut().poll(cx)
            });
            match time::timeout(patience, step).await {
                Ok(Ok(response)) => return Ok(response),
                Ok(Err(mut error)) => {
                    let unsent = error.take_message();
                    let was_answered = self.ledger.was_answered_since(mark);
                    let lost = self.ledger.was_lost_since(mark) || self.ledger.was_reset();
                    return Err(Failed {
                        never_arrived: unsent.is_some() || (lost && !was_answered),
                        unsent,
                        was_answered,
                        timed_out: false,
                        was_too_large: was_too_large(error.error()),
                        reason: chain(error.error()),
                    });
                }
                // A long upload is no silence.
                Err(_) if self.ledger.written() > written => {}
                Err(_) => {
                    return Err(Failed {
                        unsent: None,
                        never_arrived: false,
                        was_answered: self.ledger.was_answered_since(mark),
                        timed_out: true,
                        was_too_large: false,
                        reason: format!("no answer within {patience:?}"),
                    });
                }
            }
        }
    }
}

/// Says whether a body was longer than its bound.
pub(super) fn was_too_large(error: &(dyn std::error::Error + 'static)) -> bool {
    let causes = std::iter::successors(Some(error), |error| error.source());
    causes.into_iter().any(|error| error.is::<LengthLimitError>())
}

/// Words an error with its causes: hyper's own text says little.
pub(super) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}
