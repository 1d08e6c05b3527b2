//! The proof of who we are: found by trying what we have, renewed when it is no longer good.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderValue, Method, Response, StatusCode};
use http_body_util::{BodyExt, Limited};
use hyper::body::Incoming;
use serde::Deserialize;

use super::challenge::Challenge;
use super::credentials::Credential;
use super::session::{Call, Payload, broken, follow, host_of};
use super::{Registry, RegistryError, is_loopback};

/// Tokens are some kilobytes.
const TOKEN_BYTES_MAX: usize = 1 << 20;

/// What we show a registry, and what else we could show.
pub(super) struct Proof {
    /// The credentials in order, and at last nothing: some things are for everybody.
    choices: Vec<Option<Credential>>,
    /// What a token should allow, if the registry doesn't say.
    scope: String,
    current: usize,
    header: Option<HeaderValue>,
    /// Whether the registry accepted `header` once.
    has_worked: bool,
}

/// The answer of a token service.
#[derive(Deserialize)]
struct TokenAnswer {
    #[serde(default)]
    token: String,
    #[serde(default)]
    access_token: String,
}

impl Proof {
    pub(super) fn new(credentials: Vec<Credential>, scope: String) -> Proof {
        let choices = credentials.into_iter().map(Some).chain([None]).collect();
        Proof { choices, scope, current: 0, header: None, has_worked: false }
    }

    pub(super) fn header(&self) -> Option<HeaderValue> {
        self.header.clone()
    }

    /// Notes that a request with `used` was let through.
    pub(super) fn worked(&mut self, used: Option<&HeaderValue>) {
        self.has_worked |= used.is_some() && self.header.as_ref() == used;
    }

    /// Goes on to the next choice after a refusal; false when there is none.
    pub(super) fn try_next(&mut self, used: Option<&HeaderValue>) -> bool {
        if self.header.as_ref() == used {
            // Without proof nothing was refused but the lack of it, and no challenge says what to show.
            self.current += 1;
            self.header = None;
            return used.is_some() && self.current < self.choices.len();
        }
        true
    }

    /// Finds new proof after a 401 to a request with `used`; false when there is none.
    pub(super) async fn renew(
        &mut self,
        registry: &Registry,
        host: &str,
        asked: Option<Challenge>,
        used: Option<&HeaderValue>,
    ) -> Result<bool, RegistryError> {
        if self.header.as_ref() != used {
            // Another request did it already.
            return Ok(true);
        }
        let Some(asked) = asked else { return Ok(false) };
        if used.is_some() && !self.has_worked {
            self.current += 1;
        }
        while let Some(choice) = self.choices.get(self.current) {
            if let Some(header) = obtain(registry, host, &asked, choice.as_ref(), &self.scope).await? {
                self.header = Some(header);
                self.has_worked = false;
                return Ok(true);
            }
            self.current += 1;
        }
        Ok(false)
    }
}

/// Turns a credential into a header; `None` if it isn't good for that.
async fn obtain(
    registry: &Registry,
    host: &str,
    asked: &Challenge,
    credential: Option<&Credential>,
    scope: &str,
) -> Result<Option<HeaderValue>, RegistryError> {
    let Challenge::Bearer { realm, service, scope: asked_scope } = asked else {
        return Ok(credential.and_then(basic));
    };
    let is_safe = realm.starts_with("https://") || is_loopback(&host_of(realm)) || credential.is_none();
    if !is_safe {
        let why = "it wants the password to be sent over an open line";
        return Err(RegistryError::Nonsense { host: host.to_owned(), why });
    }
    let scope = asked_scope.as_deref().unwrap_or(scope);
    let service = service.as_deref().unwrap_or_default();
    let answer = match credential {
        Some(Credential::Identity { token }) => {
            let form = [("grant_type", "refresh_token"), ("client_id", "pinnace"), ("refresh_token", token)];
            let form = query(form.into_iter().chain([("service", service), ("scope", scope)]));
            let headers = [(CONTENT_TYPE, "application/x-www-form-urlencoded")];
            let payload = Payload::Text(Bytes::from(form));
            follow(registry, &Call { headers: &headers, payload, ..Call::new(Method::POST, realm) }, None)
                .await?
        }
        password_or_nothing => {
            let separator = if realm.contains('?') { '&' } else { '?' };
            let url = format!("{realm}{separator}{}", query([("service", service), ("scope", scope)]));
            let proof = password_or_nothing.and_then(basic);
            follow(registry, &Call::new(Method::GET, &url), proof.as_ref()).await?
        }
    };
    read_token(realm, answer).await
}

async fn read_token(realm: &str, answer: Response<Incoming>) -> Result<Option<HeaderValue>, RegistryError> {
    let host = host_of(realm);
    match answer.status() {
        StatusCode::OK => (),
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN | StatusCode::BAD_REQUEST => return Ok(None),
        status => {
            let message = "no token".to_owned();
            return Err(RegistryError::Refused { host, status: status.as_u16(), message });
        }
    }
    let body = Limited::new(answer.into_body(), TOKEN_BYTES_MAX).collect().await;
    let body = body.map_err(|source| broken(&host, source))?.to_bytes();
    let why = "its token is none";
    let nonsense = || RegistryError::Nonsense { host: host.clone(), why };
    let answer: TokenAnswer = serde_json::from_slice(&body).map_err(|_| nonsense())?;
    let token = if answer.token.is_empty() { answer.access_token } else { answer.token };
    if token.is_empty() {
        return Err(nonsense());
    }
    sensitive(format!("Bearer {token}")).map(Some).ok_or_else(nonsense)
}

fn basic(credential: &Credential) -> Option<HeaderValue> {
    match credential {
        Credential::Password { user, password } => {
            sensitive(format!("Basic {}", STANDARD.encode(format!("{user}:{password}"))))
        }
        Credential::Identity { .. } => None,
    }
}

fn sensitive(text: String) -> Option<HeaderValue> {
    let mut header = HeaderValue::try_from(text).ok()?;
    header.set_sensitive(true);
    Some(header)
}

/// Writes parameters as a query or a form; empty ones are left out.
fn query<'a>(parameters: impl IntoIterator<Item = (&'a str, &'a str)>) -> String {
    let present = parameters.into_iter().filter(|(_, value)| !value.is_empty());
    let pairs: Vec<String> = present.map(|(name, value)| format!("{name}={}", escape(value))).collect();
    pairs.join("&")
}

/// Escapes what RFC 3986 doesn't call unreserved.
pub(super) fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                escaped.push(char::from(byte))
            }
            _ => escaped.push_str(&format!("%{byte:02X}")),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_escaped_and_empty_ones_left_out() {
        let scope = "repository:a/b:pull,push";
        let text = query([("service", ""), ("scope", scope)]);
        assert_eq!(text, "scope=repository%3Aa%2Fb%3Apull%2Cpush");
    }

    #[test]
    fn choices_are_tried_in_order_and_end_with_nothing() {
        let password = Credential::Password { user: "a".into(), password: "b".into() };
        let mut proof = Proof::new(vec![password.clone(), password], "scope".into());
        let header = |text: &'static str| Some(HeaderValue::from_static(text));
        proof.header = header("first");
        assert!(proof.try_next(header("older").as_ref()), "another request went on already");
        assert!(proof.try_next(header("first").as_ref()));
        proof.header = header("second");
        assert!(proof.try_next(header("second").as_ref()));
        proof.header = header("anonymous");
        assert!(!proof.try_next(header("anonymous").as_ref()));
    }
}
