//! An answer that is a stream of bytes, in messages of a WebSocket: what browsers read logs and watches by.

use api::status::ApiError;
use base64::{Engine as _, prelude::BASE64_STANDARD as BASE64};
use bytes::{Bytes, BytesMut};
use futures::{SinkExt, StreamExt, stream::SplitSink};
use http::{HeaderMap, Response, header};
use http_body_util::BodyExt;
use hyper::upgrade::OnUpgrade;
use tokio_tungstenite::tungstenite::{
    Message,
    protocol::{CloseFrame, frame::coding::CloseCode},
};

use super::upgrade::{self, Protocols, Socket, Upgrade};
use crate::{Body, core::Call};

const BASE64_PROTOCOL: &str = "base64.binary.k8s.io";
const PROTOCOLS: Protocols = Protocols { websocket: &["binary.k8s.io", BASE64_PROTOCOL], spdy: &[] };

/// What a message holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pieces {
    /// Bytes as they come.
    AsTheyCome,
    /// One line, as text.
    Lines,
}

/// Serves an answer as it is, or over a WebSocket if the client asks for one; a refusal is always told plainly.
pub(crate) async fn carried(
    call: &Call,
    pending: Option<OnUpgrade>,
    pieces: Pieces,
    answer: impl Future<Output = Result<Response<Body>, ApiError>>,
) -> Result<Response<Body>, ApiError> {
    if !asks_for_websocket(&call.headers) {
        return answer.await;
    }
    let upgrade = Upgrade::read(&call.headers, pending, &PROTOCOLS)?;
    let body = answer.await?.into_body();
    let form = match (pieces, upgrade.protocol) {
        (Pieces::Lines, _) => Form::Lines,
        (Pieces::AsTheyCome, BASE64_PROTOCOL) => Form::Base64,
        (Pieces::AsTheyCome, _) => Form::Binary,
    };
    let (response, connection) = upgrade.accept();
    let draining = call.draining.clone();
    tokio::spawn(async move {
        let Some(connection) = connection.await else { return };
        let (sink, mut source) = upgrade::socket(connection).await.split();
        let gone = async {
            while let Some(Ok(message)) = source.next().await
                && !message.is_close()
            {}
        };
        tokio::select! {
            () = write(sink, body, form) => {}
            () = gone => {}
            () = draining.cancelled() => {}
        }
    });
    Ok(response)
}

fn asks_for_websocket(headers: &HeaderMap) -> bool {
    let wanted = headers.get(header::UPGRADE).and_then(|value| value.to_str().ok());
    wanted.is_some_and(|wanted| wanted.eq_ignore_ascii_case("websocket"))
}

#[derive(Clone, Copy)]
enum Form {
    Binary,
    Base64,
    Lines,
}

impl Form {
    /// Takes the messages that `pending` is enough for.
    fn messages(self, pending: &mut BytesMut) -> Vec<Message> {
        let all = |pending: &mut BytesMut| pending.split().freeze();
        match self {
            Self::Binary => vec![Message::binary(all(pending))],
            Self::Base64 => vec![Message::text(BASE64.encode(all(pending)))],
            Self::Lines => {
                let whole = pending.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
                let lines = pending.split_to(whole).freeze();
                let lines = lines.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
                lines.map(|line| Message::text(String::from_utf8_lossy(line).into_owned())).collect()
            }
        }
    }
}

async fn write(mut sink: SplitSink<Socket, Message>, mut body: Body, form: Form) {
    let mut pending = BytesMut::new();
    while let Some(Ok(frame)) = body.frame().await {
        let Ok(data): Result<Bytes, _> = frame.into_data() else { continue };
        pending.extend_from_slice(&data);
        for message in form.messages(&mut pending) {
            if sink.send(message).await.is_err() {
                return;
            }
        }
    }
    let close = CloseFrame { code: CloseCode::Normal, reason: "".into() };
    // the client may have closed first
    let _ = sink.send(Message::Close(Some(close))).await;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_sent_when_they_are_whole() {
        let mut pending = BytesMut::new();
        let mut take = |bytes: &str| {
            pending.extend_from_slice(bytes.as_bytes());
            Form::Lines.messages(&mut pending)
        };
        assert_eq!(take("{\"a\""), []);
        assert_eq!(take(":1}\n{}\n{"), [Message::text("{\"a\":1}"), Message::text("{}")]);
        assert_eq!(take("}\n"), [Message::text("{}")]);
    }
}
