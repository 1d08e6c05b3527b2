//! The handshakes: which protocol a client offers and how it is told the choice.

use api::status::ApiError;
use futures::FutureExt;
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode, header};
use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper_util::rt::TokioIo;
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{
        handshake::derive_accept_key,
        protocol::{Role, WebSocketConfig},
    },
};

use crate::{Body, authenticate::SOCKET_TOKEN, respond};

/// Clients write pieces of 32 KiB; this leaves room without letting anyone fill the memory.
const MAX_MESSAGE: usize = 4 << 20;
const STREAM_VERSION: HeaderName = HeaderName::from_static("x-stream-protocol-version");

/// The connection as it is after the switch.
pub(super) type Connection = TokioIo<Upgraded>;
/// The same, speaking WebSocket.
pub(super) type Socket = WebSocketStream<Connection>;

/// The names of protocols that a subresource speaks, best first.
pub(super) struct Protocols {
    pub(super) websocket: &'static [&'static str],
    pub(super) spdy: &'static [&'static str],
}

/// What was agreed with the client.
#[derive(Debug)]
pub(crate) struct Upgrade {
    pub(super) kind: Kind,
    /// The protocol spoken inside; empty when the client named none.
    pub(super) protocol: &'static str,
    pending: OnUpgrade,
}

/// The outer protocol.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// With the answer to the client's key.
    WebSocket(String),
    Spdy,
}

impl Upgrade {
    /// Reads what a client offers.
    ///
    /// # Errors
    /// 400 when it does not ask for an upgrade at all or for none that is known; 403 as Kubernetes answers
    /// when the protocols don't meet.
    pub(super) fn read(
        headers: &HeaderMap,
        pending: Option<OnUpgrade>,
        protocols: &Protocols,
    ) -> Result<Self, ApiError> {
        let wanted = headers.get(header::UPGRADE).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let Some(pending) = pending else {
            return Err(ApiError::bad_request("Upgrade request required"));
        };
        if wanted.eq_ignore_ascii_case("websocket") {
            let key = headers.get(header::SEC_WEBSOCKET_KEY);
            let version = headers.get(header::SEC_WEBSOCKET_VERSION);
            let (Some(key), Some(b"13")) = (key, version.map(HeaderValue::as_bytes)) else {
                return Err(ApiError::bad_request("not a WebSocket handshake: key or version 13 is missing"));
            };
            let mut offered = listed(headers, &header::SEC_WEBSOCKET_PROTOCOL);
            offered.retain(|protocol| !protocol.starts_with(SOCKET_TOKEN));
            let protocol = choose(&offered, protocols.websocket)?;
            return Ok(Self { kind: Kind::WebSocket(derive_accept_key(key.as_bytes())), protocol, pending });
        }
        if wanted.eq_ignore_ascii_case("SPDY/3.1") {
            let offered = listed(headers, &STREAM_VERSION);
            return Ok(Self { kind: Kind::Spdy, protocol: choose(&offered, protocols.spdy)?, pending });
        }
        Err(ApiError::bad_request(format!("unable to upgrade: unknown protocol {wanted:?}")))
    }

    /// Returns the answer that switches protocols, and the connection that there will be.
    pub(super) fn accept(self) -> (Response<Body>, impl Future<Output = Option<Connection>> + Send) {
        let mut response = Response::new(respond::body(bytes::Bytes::new()));
        *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
        let headers = response.headers_mut();
        headers.insert(header::CONNECTION, HeaderValue::from_static("Upgrade"));
        let named = HeaderValue::from_static(self.protocol);
        match &self.kind {
            Kind::WebSocket(accept) => {
                headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
                if let Ok(accept) = HeaderValue::from_str(accept) {
                    headers.insert(header::SEC_WEBSOCKET_ACCEPT, accept);
                }
                if !self.protocol.is_empty() {
                    headers.insert(header::SEC_WEBSOCKET_PROTOCOL, named);
                }
            }
            Kind::Spdy => {
                headers.insert(header::UPGRADE, HeaderValue::from_static("SPDY/3.1"));
                if !self.protocol.is_empty() {
                    headers.insert(STREAM_VERSION, named);
                }
            }
        }
        let connection = self.pending.map(|upgraded| match upgraded {
            Ok(upgraded) => Some(TokioIo::new(upgraded)),
            Err(error) => {
                tracing::debug!(%error, "a client left before the switch of protocols");
                None
            }
        });
        (response, connection)
    }
}

/// Speaks WebSocket on a connection whose handshake is done.
pub(super) async fn socket(connection: Connection) -> Socket {
    let config =
        WebSocketConfig::default().max_message_size(Some(MAX_MESSAGE)).max_frame_size(Some(MAX_MESSAGE));
    WebSocketStream::from_raw_socket(connection, Role::Server, Some(config)).await
}

fn listed(headers: &HeaderMap, name: &HeaderName) -> Vec<String> {
    headers
        .get_all(name)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|text| text.split(','))
        .map(|text| text.trim().to_owned())
        .filter(|text| !text.is_empty())
        .collect()
}

fn choose(offered: &[String], known: &[&'static str]) -> Result<&'static str, ApiError> {
    if offered.is_empty() {
        return Ok("");
    }
    known.iter().copied().find(|known| offered.iter().any(|text| text == known)).ok_or_else(|| ApiError {
        code: 403,
        reason: "Forbidden",
        message: format!(
            "unable to negotiate a protocol: the client offers {offered:?}, the server {known:?}"
        ),
        details: None,
    })
}
