//! Requests of HTTP/1 to endpoints that speak HTTP/2.

use std::{pin::Pin, time::Duration};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, header};
use http_body::Body;
use http_body_util::{Either, Full};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use super::{
    super::{answer::Refusal, body::ProxyBody, forward::Place, grpc, metrics::Counters},
    Answered, Ending, Session,
    exchange::LEFT,
    framing::{Decoder, Encoder},
    request::Request,
    response::with_date,
    upstream::READ_BYTES,
};

/// A body up to this is carried over; it is held in memory.
const MAX_BODY_BYTES: u64 = 8 << 20;

impl<S: AsyncRead + AsyncWrite + Unpin + Send> Session<S> {
    /// Has an endpoint of HTTP/2 answer a request whose head is in `message`.
    pub(super) async fn translate(&mut self, request: &Request, limit: u64) -> Result<Answered, Ending> {
        let head = std::mem::take(&mut self.message);
        let body = self.collect(request, limit.min(MAX_BODY_BYTES)).await?;
        let place = Place::new(self.shared.clone(), request.host.clone(), request.path.clone());
        let mut outgoing = http::Request::new(Either::Left(Full::new(body)));
        *outgoing.method_mut() = request.method.clone();
        let malformed = |_| Refusal::Malformed("the request's target is not understood");
        *outgoing.uri_mut() = request.target.parse().map_err(malformed)?;
        *outgoing.headers_mut() = headers(&head)?;
        self.message = head;
        let response = grpc::forward(&place, &request.authority, outgoing).await?;
        let took = request.came.elapsed();
        let backend = place.destination()?.backend.clone();
        backend.counters().answered(response.status().as_u16(), false, took);
        let status = response.status().as_u16();
        let (broke, keeps_alive) = self.pass_on(request, response).await;
        if broke.as_ref().is_some_and(|broke| broke != LEFT) {
            Counters::add(&backend.counters().broken);
        }
        let goes_on = broke.is_none() && keeps_alive;
        if !goes_on {
            self.stream.shutdown().await.ok();
        }
        Ok(Answered { status, took, broke, goes_on })
    }

    async fn collect(&mut self, request: &Request, limit: u64) -> Result<Bytes, Ending> {
        self.invite(request).await?;
        let patience: Duration = self.shared.config.response_timeout;
        let mut body = Vec::new();
        let mut decoder = Decoder::new(request.framing);
        let mut encoder = Encoder::new(&mut body, false, false);
        loop {
            let framed = decoder.pass(&mut self.input, &mut encoder);
            framed.map_err(|_| Refusal::Malformed("the request's body is not framed as it says"))?;
            if encoder.passed > limit {
                return Err(Refusal::TooLarge.into());
            }
            if decoder.is_done() {
                return Ok(body.into());
            }
            self.input.reserve(READ_BYTES);
            match self.patience.bound(patience, self.stream.read_buf(&mut self.input)).await {
                Ok(Ok(count)) if count > 0 => {}
                Ok(_) => return Err(Ending::ClientLeft),
                Err(_) => return Err(Refusal::SlowBody.into()),
            }
        }
    }

    /// Writes an answer as HTTP/1 has it. Returns what kept it from its end, and whether the
    /// connection may go on.
    async fn pass_on(
        &mut self,
        request: &Request,
        response: http::Response<ProxyBody>,
    ) -> (Option<String>, bool) {
        let (parts, mut body) = response.into_parts();
        let has_no_body = request.method == Method::HEAD || matches!(parts.status.as_u16(), 204 | 304);
        let has_length = parts.headers.contains_key(header::CONTENT_LENGTH);
        let chunked = !has_no_body && !has_length && !request.is_http_10;
        let keeps_alive =
            request.keeps_alive && !*self.shared.draining.borrow() && (chunked || has_length || has_no_body);
        self.reply.clear();
        write_head(&mut self.reply, &parts, chunked, keeps_alive);
        let mut encoder = Encoder::new(&mut self.reply, chunked, false);
        loop {
            let frame = match has_no_body {
                true => None,
                false => std::future::poll_fn(|cx| Pin::new(&mut body).poll_frame(cx)).await,
            };
            let broke = match &frame {
                Some(Ok(frame)) => {
                    frame.data_ref().into_iter().for_each(|data| encoder.data(data));
                    None
                }
                Some(Err(error)) => Some(format!("its answer broke off: {error}")),
                None => {
                    if !has_no_body {
                        encoder.end();
                    }
                    None
                }
            };
            if self.stream.write_all(encoder.buffered()).await.is_err() || self.stream.flush().await.is_err()
            {
                return (Some(LEFT.to_owned()), false);
            }
            encoder.clear();
            if broke.is_some() || frame.is_none() {
                return (broke, keeps_alive);
            }
        }
    }
}

/// Reads the headers of a head that we wrote ourselves, without those that HTTP/2 has other ways for.
fn headers(head: &[u8]) -> Result<HeaderMap, Refusal> {
    let malformed = || Refusal::Malformed("this is no HTTP request");
    let mut space = [httparse::EMPTY_HEADER; 128];
    let mut parsed = httparse::Request::new(&mut space);
    parsed.parse(head).map_err(|_| malformed())?;
    let mut headers = HeaderMap::new();
    for known in &*parsed.headers {
        let name = HeaderName::from_bytes(known.name.as_bytes()).map_err(|_| malformed())?;
        let value = HeaderValue::from_bytes(known.value).map_err(|_| malformed())?;
        if name != header::TRANSFER_ENCODING && name != header::HOST {
            headers.append(name, value);
        }
    }
    Ok(headers)
}

fn write_head(output: &mut Vec<u8>, parts: &http::response::Parts, chunked: bool, keeps_alive: bool) {
    let reason = parts.status.canonical_reason().unwrap_or_default();
    let mut put = |parts: &[&[u8]]| parts.iter().for_each(|part| output.extend_from_slice(part));
    put(&[b"HTTP/1.1 ", parts.status.as_str().as_bytes(), b" ", reason.as_bytes(), b"\r\n"]);
    for (name, value) in &parts.headers {
        put(&[name.as_str().as_bytes(), b": ", value.as_bytes(), b"\r\n"]);
    }
    if !parts.headers.contains_key(header::DATE) {
        with_date(|date| put(&[b"date: ", date, b"\r\n"]));
    }
    if chunked {
        put(&[b"transfer-encoding: chunked\r\n"]);
    }
    if !keeps_alive {
        put(&[b"connection: close\r\n"]);
    }
    put(&[b"\r\n"]);
}
