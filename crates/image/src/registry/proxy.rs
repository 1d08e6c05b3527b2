//! A proxy on the way to registries, as the environment names it (`HTTPS_PROXY`, `NO_PROXY`).

use std::fmt;
use std::io;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::Uri;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::is_loopback;

/// The head of an answer to `CONNECT` is some hundred bytes.
const ANSWER_BYTES_MAX: usize = 16 << 10;

/// Which hosts are reached through a proxy.
#[derive(Clone, Debug, Default)]
pub struct Proxies {
    https: Option<Proxy>,
    /// Hosts that are reached without: `example.org` covers what ends in `.example.org`, `*` all.
    direct: Vec<String>,
}

/// An HTTP proxy.
#[derive(Clone)]
pub(super) struct Proxy {
    pub(super) host: String,
    pub(super) port: u16,
    /// `Basic …`
    authorization: Option<String>,
}

impl Proxies {
    /// Reads `HTTPS_PROXY` (or `ALL_PROXY`) and `NO_PROXY`, in capitals or not. A proxy that isn't
    /// reached by HTTP is passed over, with a warning.
    pub fn of_environment() -> Proxies {
        let variable = |name: &str| {
            let either = std::env::var(name.to_lowercase()).or_else(|_| std::env::var(name));
            either.ok().filter(|value| !value.is_empty())
        };
        let url = variable("HTTPS_PROXY").or_else(|| variable("ALL_PROXY"));
        Proxies::new(url.as_deref(), &variable("NO_PROXY").unwrap_or_default())
    }

    /// `url` is the proxy, `direct` a list of hosts as in `NO_PROXY`.
    pub fn new(url: Option<&str>, direct: &str) -> Proxies {
        let https = url.and_then(|url| {
            let proxy = Proxy::parse(url);
            if proxy.is_none() {
                tracing::warn!("the proxy of the environment is not reached by HTTP, and therefore not used");
            }
            proxy
        });
        let direct =
            direct.split(',').map(|host| host.trim().trim_start_matches("*.").trim_start_matches('.'));
        Proxies { https, direct: direct.filter(|host| !host.is_empty()).map(str::to_owned).collect() }
    }

    /// Returns the proxy to use for a host; this machine is always reached without.
    pub(super) fn for_host(&self, host: &str) -> Option<&Proxy> {
        let is_direct = |name: &String| {
            let rest = host.strip_suffix(name.as_str());
            name == "*" || rest.is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
        };
        let goes_direct = is_loopback(host) || self.direct.iter().any(is_direct);
        self.https.as_ref().filter(|_| !goes_direct)
    }
}

impl Proxy {
    fn parse(url: &str) -> Option<Proxy> {
        let url = if url.contains("://") { url.to_owned() } else { format!("http://{url}") };
        let uri: Uri = url.parse().ok()?;
        if uri.scheme_str() != Some("http") {
            return None;
        }
        let authority = uri.authority()?;
        let user = authority.as_str().rsplit_once('@').map(|(user, _)| unescape(user));
        let authorization = user.map(|user| format!("Basic {}", STANDARD.encode(user)));
        Some(Proxy {
            host: authority.host().to_owned(),
            port: authority.port_u16().unwrap_or(80),
            authorization,
        })
    }

    /// Asks the proxy to connect `stream` to `target`.
    pub(super) async fn tunnel(&self, stream: &mut TcpStream, target: &str) -> io::Result<()> {
        let mut request = format!("CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n");
        if let Some(authorization) = &self.authorization {
            request += &format!("Proxy-Authorization: {authorization}\r\n");
        }
        stream.write_all(format!("{request}\r\n").as_bytes()).await?;
        // Byte by byte: what follows the head belongs to whom we are connected to.
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(stream.read_u8().await?);
            if head.len() > ANSWER_BYTES_MAX {
                return Err(io::Error::other("its answer does not end"));
            }
        }
        let head = String::from_utf8_lossy(&head);
        let status = head.lines().next().unwrap_or_default();
        match status.split(' ').nth(1) {
            Some(code) if code.starts_with('2') => Ok(()),
            _ => Err(io::Error::other(format!("it answers `{status}`"))),
        }
    }
}

impl fmt::Debug for Proxy {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Proxy({}:{})", self.host, self.port)
    }
}

/// Resolves `%41`.
fn unescape(text: &str) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, after @ ..] = rest {
        let code = after.get(..2).and_then(|hex| std::str::from_utf8(hex).ok());
        match code.and_then(|hex| u8::from_str_radix(hex, 16).ok()).filter(|_| *first == b'%') {
            Some(byte) => {
                bytes.push(byte);
                rest = &after[2..];
            }
            None => {
                bytes.push(*first);
                rest = after;
            }
        }
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_go_through_the_proxy_unless_they_are_listed_or_here() {
        let proxies =
            Proxies::new(Some("http://user:p%40ss@proxy:3128/"), "internal.example.org, .corp,10.0.0.1");
        let check = |host: &str, expected: bool| {
            assert_eq!(proxies.for_host(host).is_some(), expected, "{host}");
        };
        check("registry-1.docker.io", true);
        check("example.org", true);
        check("internal.example.org", false);
        check("a.internal.example.org", false);
        check("notinternal.example.org", true);
        check("registry.corp", false);
        check("10.0.0.1", false);
        check("localhost", false);
        check("127.0.0.1", false);
        let proxy = proxies.for_host("example.org").unwrap();
        assert_eq!((proxy.host.as_str(), proxy.port), ("proxy", 3128));
        // user:p@ss
        assert_eq!(proxy.authorization.as_deref(), Some("Basic dXNlcjpwQHNz"));
        assert_eq!(format!("{proxy:?}"), "Proxy(proxy:3128)");
    }

    #[test]
    fn what_is_no_http_proxy_is_passed_over() {
        for url in ["socks5://proxy:1080", "https://proxy", "::"] {
            assert!(Proxies::new(Some(url), "").for_host("example.org").is_none(), "{url}");
        }
        assert!(Proxies::new(Some("proxy:3128"), "").for_host("example.org").is_some());
        assert!(Proxies::new(Some("proxy:3128"), "*").for_host("example.org").is_none());
        assert!(Proxies::new(None, "").for_host("example.org").is_none());
    }

    #[tokio::test]
    async fn a_tunnel_begins_where_the_answer_ends() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let proxy = Proxy::parse(&format!("http://a:b@{address}")).unwrap();
        let server = tokio::spawn(async move {
            let mut heads = Vec::new();
            for answer in ["HTTP/1.1 200 OK\r\nX: y\r\n\r\nhello", "HTTP/1.1 407 Who are you\r\n\r\n"] {
                let (mut stream, _) = listener.accept().await.unwrap();
                let mut head = Vec::new();
                while !head.ends_with(b"\r\n\r\n") {
                    head.push(stream.read_u8().await.unwrap());
                }
                stream.write_all(answer.as_bytes()).await.unwrap();
                heads.push(String::from_utf8(head).unwrap());
            }
            heads
        });
        let mut stream = TcpStream::connect(address).await.unwrap();
        proxy.tunnel(&mut stream, "example.org:443").await.unwrap();
        let mut rest = String::new();
        stream.read_to_string(&mut rest).await.unwrap();
        assert_eq!(rest, "hello");
        let mut stream = TcpStream::connect(address).await.unwrap();
        let error = proxy.tunnel(&mut stream, "example.org:443").await.unwrap_err();
        assert_eq!(error.to_string(), "it answers `HTTP/1.1 407 Who are you`");
        let expected = "CONNECT example.org:443 HTTP/1.1\r\nHost: example.org:443\r\nProxy-Authorization: Basic YTpi\r\n\r\n";
        assert_eq!(server.await.unwrap()[0], expected);
    }
}
