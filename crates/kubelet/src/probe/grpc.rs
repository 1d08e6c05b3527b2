//! The gRPC health check (`grpc.health.v1.Health/Check`), by hand: one field out, one field in.

use std::net::SocketAddr;
use std::time::Duration;

use http::{Request, header};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Bytes;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::time::Instant;

use super::Outcome;
use super::check::connect;

/// A health answer is a few bytes; no more is read.
const BODY_LIMIT: usize = 4096;
/// `SERVING` of the enumeration `ServingStatus`.
const SERVING: u64 = 1;

pub(super) async fn check(address: SocketAddr, service: &str, timeout: Duration) -> Outcome {
    let deadline = Instant::now() + timeout;
    let stream = match connect(address, timeout).await {
        Ok(stream) => stream,
        Err(outcome) => return outcome,
    };
    match tokio::time::timeout_at(deadline, exchange(stream, address, service)).await {
        Ok(Ok(())) => Outcome::Success,
        Ok(Err(message)) => Outcome::Failure(message),
        Err(_) => Outcome::Failure(format!("timeout: health rpc did not complete within {timeout:?}")),
    }
}

async fn exchange(stream: tokio::net::TcpStream, address: SocketAddr, service: &str) -> Result<(), String> {
    let text = |error: hyper::Error| format!("error: health rpc failed: {error}");
    let (mut sender, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream))
            .await
            .map_err(text)?;
    let request = Request::post(format!("http://{address}/grpc.health.v1.Health/Check"))
        .header(header::CONTENT_TYPE, "application/grpc")
        .header(header::TE, "trailers")
        .header(header::USER_AGENT, "kube-probe/1.36 grpc-rust")
        .body(Full::new(Bytes::from(frame(service))))
        .map_err(|error| error.to_string())?;
    let answer = async {
        let response = sender.send_request(request).await.map_err(text)?;
        let (parts, body) = response.into_parts();
        let collected = Limited::new(body, BODY_LIMIT).collect().await;
        let collected = collected.map_err(|error| format!("error: health rpc failed: {error}"))?;
        let trailers = collected.trailers().cloned().unwrap_or_default();
        let status = trailers.get("grpc-status").or_else(|| parts.headers.get("grpc-status"));
        let status = status.and_then(|value| value.to_str().ok()).unwrap_or("2").to_owned();
        judge(&status, &collected.to_bytes(), service)
    };
    tokio::pin!(answer);
    tokio::select! {
        answer = &mut answer => answer,
        _ = connection => answer.await,
    }
}

fn judge(status: &str, body: &[u8], service: &str) -> Result<(), String> {
    match status {
        "0" => match serving_status(body) {
            Some(SERVING) => Ok(()),
            other => Err(format!("service unhealthy (responded with \"{}\")", name(other.unwrap_or(0)))),
        },
        "12" => Err("error: this server does not implement the grpc health protocol (grpc.health.v1.Health)"
            .to_owned()),
        "5" => Err(format!("error: unknown service {service}")),
        other => Err(format!("error: health rpc failed with code {other}")),
    }
}

/// A message of `HealthCheckRequest { string service = 1; }` in gRPC's frame.
fn frame(service: &str) -> Vec<u8> {
    let mut message = Vec::new();
    if !service.is_empty() {
        message.push(0x0a);
        put_varint(&mut message, service.len() as u64);
        message.extend_from_slice(service.as_bytes());
    }
    let mut frame = vec![0];
    frame.extend_from_slice(&u32::try_from(message.len()).unwrap_or(u32::MAX).to_be_bytes());
    frame.extend(message);
    frame
}

/// Field 1 of a framed `HealthCheckResponse { ServingStatus status = 1; }`; 0 if it is left out.
fn serving_status(body: &[u8]) -> Option<u64> {
    let (header, rest) = body.split_at_checked(5)?;
    let length = u32::from_be_bytes(header[1..].try_into().ok()?);
    let mut message = rest.get(..usize::try_from(length).ok()?)?;
    let mut status = 0;
    while !message.is_empty() {
        let key = take_varint(&mut message)?;
        match key & 7 {
            0 => {
                let value = take_varint(&mut message)?;
                status = if key >> 3 == 1 { value } else { status };
            }
            2 => {
                let length = usize::try_from(take_varint(&mut message)?).ok()?;
                message = message.get(length..)?;
            }
            1 => message = message.get(8..)?,
            5 => message = message.get(4..)?,
            _ => return None,
        }
    }
    Some(status)
}

fn put_varint(bytes: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        bytes.push(u8::try_from(value & 0x7f).unwrap_or(0) | 0x80);
        value >>= 7;
    }
    bytes.push(u8::try_from(value).unwrap_or(0));
}

fn take_varint(bytes: &mut &[u8]) -> Option<u64> {
    let mut value = 0;
    for shift in (0..64).step_by(7) {
        let (&byte, rest) = bytes.split_first()?;
        *bytes = rest;
        value |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

fn name(status: u64) -> &'static str {
    match status {
        1 => "SERVING",
        2 => "NOT_SERVING",
        3 => "SERVICE_UNKNOWN",
        _ => "UNKNOWN",
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use http_body_util::StreamBody;
    use hyper::body::Frame;
    use hyper::service::service_fn;

    use super::*;

    #[test]
    fn a_request_names_its_service_in_one_field() {
        assert_eq!(frame(""), [0, 0, 0, 0, 0]);
        assert_eq!(frame("ab"), [0, 0, 0, 0, 4, 0x0a, 2, b'a', b'b']);
        assert_eq!(frame(&"x".repeat(200))[..8], [0, 0, 0, 0, 203, 0x0a, 0xc8, 1]);
    }

    #[test]
    fn an_answer_is_read_whatever_else_it_holds() {
        assert_eq!(serving_status(&[0, 0, 0, 0, 2, 8, 1]), Some(1));
        assert_eq!(serving_status(&[0, 0, 0, 0, 0]), Some(0));
        assert_eq!(serving_status(&[0, 0, 0, 0, 6, 0x12, 2, 9, 9, 8, 2]), Some(2));
        assert_eq!(serving_status(&[0, 0, 0, 0, 9, 8, 1]), None);
        assert_eq!(serving_status(&[1, 2]), None);
    }

    /// Serves one health status over HTTP/2, as a gRPC server does: a message, then trailers.
    async fn serve(status: u8) -> SocketAddr {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let answer = move |request: Request<hyper::body::Incoming>| async move {
            assert_eq!(request.uri().path(), "/grpc.health.v1.Health/Check");
            assert_eq!(request.into_body().collect().await.unwrap().to_bytes(), frame("model"));
            let mut trailers = http::HeaderMap::new();
            trailers.insert("grpc-status", http::HeaderValue::from_static("0"));
            let message = Bytes::from(vec![0, 0, 0, 0, 2, 8, status]);
            let frames = [Frame::data(message), Frame::trailers(trailers)].map(Ok::<_, Infallible>);
            Ok::<_, Infallible>(http::Response::new(StreamBody::new(futures::stream::iter(frames))))
        };
        tokio::spawn(async move {
            let (stream, _) = listener.accept().await.unwrap();
            let server = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
            let _ = server.serve_connection(TokioIo::new(stream), service_fn(answer)).await;
        });
        address
    }

    #[tokio::test]
    async fn a_real_server_is_asked_and_believed() {
        let ask = async |status| check(serve(status).await, "model", Duration::from_secs(5)).await;
        assert_eq!(ask(1).await, Outcome::Success);
        let sick = ask(2).await;
        assert!(matches!(&sick, Outcome::Failure(why) if why.contains("NOT_SERVING")), "{sick:?}");
    }

    #[test]
    fn only_serving_is_healthy() {
        assert_eq!(judge("0", &[0, 0, 0, 0, 2, 8, 1], ""), Ok(()));
        assert!(judge("0", &[0, 0, 0, 0, 2, 8, 2], "").unwrap_err().contains("NOT_SERVING"));
        assert!(judge("12", &[], "").unwrap_err().contains("does not implement"));
    }
}
