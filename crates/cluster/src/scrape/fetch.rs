//! Asks a pod for its metrics.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// A pod that takes longer is passed over: an autoscaler asks again soon.
const PATIENCE: Duration = Duration::from_secs(2);

/// An answer may be this long.
const MAX_BYTES: u64 = 4 << 20;

/// Returns the body of an answer of 200. Asks by HTTP/1.0, so that the answer ends with the connection.
///
/// # Errors
/// When there is no such answer in time.
pub(super) async fn get(address: SocketAddr, path: &str) -> io::Result<String> {
    let is_path = path.starts_with('/') && path.bytes().all(|byte| byte.is_ascii_graphic());
    if !is_path {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "the path is no path"));
    }
    let exchange = async {
        let mut stream = TcpStream::connect(address).await?;
        let request = format!("GET {path} HTTP/1.0\r\nHost: {address}\r\nAccept: text/plain\r\n\r\n");
        stream.write_all(request.as_bytes()).await?;
        let mut answer = Vec::new();
        stream.take(MAX_BYTES).read_to_end(&mut answer).await?;
        Ok::<_, io::Error>(answer)
    };
    let answer = tokio::time::timeout(PATIENCE, exchange).await.map_err(|_| io::ErrorKind::TimedOut)??;
    let answer = String::from_utf8_lossy(&answer);
    let malformed = || io::Error::from(io::ErrorKind::InvalidData);
    let (head, body) = answer.split_once("\r\n\r\n").ok_or_else(malformed)?;
    let status = head.split(' ').nth(1).ok_or_else(malformed)?;
    let is_chunked = head.to_ascii_lowercase().contains("\r\ntransfer-encoding:");
    if status == "200" && !is_chunked { Ok(body.to_owned()) } else { Err(malformed()) }
}
