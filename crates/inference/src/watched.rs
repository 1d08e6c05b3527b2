//! Tells when the content of a small file changes.
//!
//! By looking once a second instead of by the kernel's notices: those do not see through the folders of symbolic
//! links that Kubernetes swaps under a ConfigMap or a Secret, nor over the network.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

/// A Secret takes up to a minute to reach a pod: a second more is nothing.
const PERIOD: Duration = Duration::from_secs(1);

/// Larger files are none that we follow.
const BYTES_MAX: u64 = 4 << 20;

/// A file, and what was in it when last looked at.
#[derive(Debug)]
pub(crate) struct Watched {
    path: PathBuf,
    seen: Option<Seen>,
}

#[derive(Debug, PartialEq)]
enum Seen {
    Content(Vec<u8>),
    Failure(io::ErrorKind),
}

impl Watched {
    /// Follows a file; what is there at the first look counts as a change, so that none is missed.
    pub(crate) fn new(path: PathBuf) -> Watched {
        Watched { path, seen: None }
    }

    /// Waits until the file has another content than before, or begins to fail. May be dropped at any time.
    ///
    /// # Errors
    /// When the file can't be read any more: once, until that changes.
    pub(crate) async fn changed(&mut self) -> io::Result<Vec<u8>> {
        loop {
            let read = read(self.path.clone()).await;
            let seen = match &read {
                Ok(content) => Seen::Content(content.clone()),
                Err(error) => Seen::Failure(error.kind()),
            };
            let is_new = self.seen.as_ref() != Some(&seen);
            self.seen = Some(seen);
            if is_new {
                return read;
            }
            tokio::time::sleep(PERIOD).await;
        }
    }
}

/// Reads a small file in a thread that may block.
pub(crate) async fn read(path: PathBuf) -> io::Result<Vec<u8>> {
    let reading = tokio::task::spawn_blocking(move || {
        use std::io::Read;
        let mut content = Vec::new();
        std::fs::File::open(path)?.take(BYTES_MAX).read_to_end(&mut content)?;
        Ok(content)
    });
    reading.await.unwrap_or_else(|panic| Err(io::Error::other(panic)))
}
