//! Brings the files of a location here: bounded, verified, tried again, resumed.

use std::collections::HashMap;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::StreamExt;
use tokio::sync::mpsc;

use super::cache::{Cache, Cached};
use super::http::{WebFile, web};
use super::origin::{Entry, Opened, Origin, OriginError, Part};
use super::progress::{Progress, megabytes};
use super::sink::{Sink, Whole};
use super::{Location, OpenOrigin, Sha256, SourceConfig, bucket::Bucket};

/// The pause before the second attempt; it doubles up to the longest.
const FIRST_PAUSE: Duration = Duration::from_millis(300);
const LONGEST_PAUSE: Duration = Duration::from_secs(15);
/// After so many attempts without a byte a cached copy is better than none.
const ATTEMPTS_BEFORE_CACHE: u32 = 3;
/// A file that comes whole but wrong so often is not damaged on the way.
const DAMAGED_MAX: u32 = 2;
/// How often the log says how far it is.
const LOG_PERIOD: Duration = Duration::from_secs(5);
/// Between the line and the disk: some megabytes at most.
const PIECES_IN_FLIGHT: usize = 64;

/// Why a location's files are not here.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// The store does not give them.
    #[error("failed to fetch `{location}`")]
    Origin {
        /// What was asked for.
        location: String,
        /// What the store says.
        #[source]
        source: OriginError,
    },
    /// The bytes are not those that were asked for.
    #[error("`{location}` has the SHA-256 {found}, not {expected}: it is another file or was damaged")]
    Checksum {
        /// What was asked for.
        location: String,
        /// The checksum given.
        expected: Sha256,
        /// That of what came.
        found: Sha256,
    },
    /// The file is larger than allowed.
    #[error("`{location}` is larger than the {limit} bytes that `source.max-size` allows")]
    TooLarge {
        /// What was asked for.
        location: String,
        /// The bound.
        limit: u64,
    },
    /// A checksum was given for a folder.
    #[error("`{location}` is a folder: a checksum needs a single file")]
    Folder {
        /// What was asked for.
        location: String,
    },
    /// Neither the disk nor memory takes it.
    #[error("failed to keep `{location}`: the cache's folder takes no file")]
    Keep {
        /// What was asked for.
        location: String,
        /// The cause.
        #[source]
        source: io::Error,
    },
}

/// Files that are here.
#[derive(Debug, Clone)]
pub struct Fetched {
    /// The file or folder. A file in memory is there as long as this value is.
    pub path: PathBuf,
    /// The file's checksum, if it is one.
    pub sha256: Option<Sha256>,
    memory: Option<Arc<std::os::fd::OwnedFd>>,
}

impl Fetched {
    /// Whether the file is held in memory, for want of a cache.
    pub fn is_in_memory(&self) -> bool {
        self.memory.is_some()
    }
}

/// Fetches from any location.
pub struct Fetcher {
    config: SourceConfig,
    others: HashMap<&'static str, OpenOrigin>,
}

impl Fetcher {
    /// Fetches as `config` says.
    pub fn new(config: SourceConfig) -> Fetcher {
        Fetcher { config, others: HashMap::new() }
    }

    /// Knows one scheme more.
    #[must_use]
    pub fn with_origin(mut self, scheme: &'static str, open: OpenOrigin) -> Fetcher {
        self.others.insert(scheme, open);
        self
    }

    /// Brings a location's files here, however long the store takes; drop the future to give up. A local path is
    /// returned as it is.
    ///
    /// # Errors
    /// When the store says no, or the files are not what was asked for. What may be better in a moment is tried
    /// again until `give_up` has passed without a byte.
    pub async fn fetch(&self, location: &Location, progress: &Progress) -> Result<Fetched, FetchError> {
        let (scheme, url, sha256) = match location {
            Location::Local(path) => {
                return Ok(Fetched { path: path.clone(), sha256: None, memory: None });
            }
            Location::Remote { scheme, url, sha256 } => (scheme, url, sha256.or(self.config.sha256)),
        };
        let failed = |source| FetchError::Origin { location: location.to_string(), source };
        let origin = self.open(scheme, url).map_err(failed)?;
        let cache = self.cache(location, url);
        let job =
            Job { config: &self.config, location, origin: origin.as_ref(), cache: cache.as_ref(), progress };
        if let (Some(cache), Some(wanted)) = (&cache, sha256)
            && let Some(found) = cache.find(location.name()).filter(|found| found.sha256 == wanted)
        {
            tracing::info!(model = %location, "the cache has the model");
            return Ok(whole(found));
        }
        progress.begin(location.to_string());
        let entries = match job.entries().await {
            Ok(entries) => entries,
            // the store is away: a copy of a single file may do
            Err(error) => return job.instead(error, location.name()),
        };
        match &entries[..] {
            [entry] if entry.path.is_empty() => job.file(entry, location.name(), sha256).await,
            _ if sha256.is_some() => Err(FetchError::Folder { location: location.to_string() }),
            entries => job.folder(entries).await,
        }
    }

    fn open(&self, scheme: &str, url: &str) -> Result<Arc<dyn Origin>, OriginError> {
        match scheme {
            "http" | "https" => Ok(Arc::new(WebFile::new(web(), url, self.config.authorization.as_deref())?)),
            "s3" | "s3a" | "gs" | "az" | "azure" | "abfs" | "abfss" => {
                Ok(Arc::new(Bucket::new(web(), url, &self.config.options)?))
            }
            other => match self.others.get(other) {
                Some(open) => open(url),
                None => Err(OriginError::lasting(format!("nothing here fetches `{other}:`"))),
            },
        }
    }

    fn cache(&self, location: &Location, url: &str) -> Option<Cache> {
        let root = self.config.cache.as_deref()?;
        let opened = Cache::open(root, url);
        opened
            .inspect_err(|error| {
                tracing::warn!(%error, folder = %root.display(), model = %location, "no cache there: held in memory");
            })
            .ok()
    }
}

/// The fetch of one location.
struct Job<'a> {
    config: &'a SourceConfig,
    location: &'a Location,
    origin: &'a dyn Origin,
    cache: Option<&'a Cache>,
    progress: &'a Progress,
}

/// Why an attempt ended without the file.
enum Broken {
    /// Worth another attempt.
    Passing(OriginError),
    Lasting(FetchError),
}

impl Job<'_> {
    async fn entries(&self) -> Result<Vec<Entry>, OriginError> {
        let mut patience = Patience::new(self);
        loop {
            let listed = tokio::time::timeout(self.config.stall, self.origin.entries()).await;
            match listed.unwrap_or_else(|_| Err(self.silent())) {
                Ok(entries) => return Ok(entries),
                Err(error) => patience.after(error, self.has_copy()).await?,
            }
        }
    }

    fn has_copy(&self) -> bool {
        self.cache.is_some_and(|cache| cache.find(self.location.name()).is_some())
    }

    fn silent(&self) -> OriginError {
        OriginError::passing(format!("nothing came for {} s", self.config.stall.as_secs_f32()))
    }

    async fn folder(&self, entries: &[Entry]) -> Result<Fetched, FetchError> {
        let Some(cache) = self.cache else {
            let source = io::Error::other("a folder can't be held in memory: give `source.cache` a folder");
            return Err(FetchError::Keep { location: self.location.to_string(), source });
        };
        for entry in entries {
            let fetched = self.file(entry, &entry.path, entry.sha256).await?;
            if fetched.is_in_memory() {
                let source = io::Error::other("the cache is full, and a folder can't be held in memory");
                return Err(FetchError::Keep { location: self.location.to_string(), source });
            }
        }
        cache.keep_only(&entries.iter().map(|entry| entry.path.as_str()).collect::<Vec<_>>());
        Ok(Fetched { path: cache.files(), sha256: None, memory: None })
    }

    /// Fetches one file, unless the store says that the copy at hand is what it has.
    async fn file(&self, entry: &Entry, name: &str, wanted: Option<Sha256>) -> Result<Fetched, FetchError> {
        let keep = |source| FetchError::Keep { location: self.location.to_string(), source };
        let wanted = wanted.or(entry.sha256);
        let copy = self.cache.and_then(|cache| cache.find(name));
        let copy = copy.filter(|copy| wanted.is_none_or(|wanted| copy.sha256 == wanted));
        if let Some(copy) = copy.as_ref().filter(|_| wanted.is_some()) {
            return Ok(whole(copy.clone()));
        }
        let wanted = match wanted {
            None => self.beside(entry).await,
            wanted => wanted,
        };
        let place = self.cache.and_then(|cache| cache.path(name).is_ok().then(|| cache.partial(name)));
        let mut sink = Some(Sink::create(place).map_err(keep)?);
        let mut patience = Patience::new(self);
        let mut damaged = 0;
        let mut version = None;
        tracing::info!(model = %self.location, file = name, "fetching");
        loop {
            let had = sink.as_ref().map_or(0, Sink::length);
            let attempt = self.attempt(entry, &mut sink, &mut version, copy.as_ref()).await;
            patience.heard(sink.as_ref().map_or(0, Sink::length) > had);
            match attempt {
                Ok(true) => match self.checked(sink.as_ref(), wanted) {
                    Ok(()) => break,
                    Err(error) if damaged + 1 == DAMAGED_MAX => return Err(error),
                    Err(error) => {
                        tracing::warn!(%error, "fetching it once more");
                        damaged += 1;
                        sink.as_mut().map_or(Ok(()), Sink::restart).map_err(keep)?;
                    }
                },
                Ok(false) => {
                    tracing::info!(model = %self.location, file = name, "the cache has the store's version");
                    return copy.map(whole).ok_or_else(|| keep(io::ErrorKind::NotFound.into()));
                }
                Err(Broken::Lasting(error)) => return Err(error),
                Err(Broken::Passing(error)) => match patience.after(error, copy.is_some()).await {
                    Ok(()) => {}
                    Err(error) => return self.instead(error, name),
                },
            }
        }
        self.placed(sink, name, version).map_err(keep)
    }

    /// Falls back to the copy of an earlier fetch when the store is away.
    fn instead(&self, error: OriginError, name: &str) -> Result<Fetched, FetchError> {
        let copy = self.cache.filter(|_| error.is_passing).and_then(|cache| cache.find(name));
        match copy {
            Some(copy) => {
                let reason = error.chain();
                tracing::warn!(model = %self.location, reason, "the store does not give the model: the cached copy is served");
                Ok(whole(copy))
            }
            None => Err(FetchError::Origin { location: self.location.to_string(), source: error }),
        }
    }

    /// The checksum that the store keeps beside the file. One that does not read is none.
    async fn beside(&self, entry: &Entry) -> Option<Sha256> {
        let text = tokio::time::timeout(self.config.stall, self.origin.checksum(entry)).await.ok()??;
        let sha256 = text.split_whitespace().next()?.parse().ok()?;
        tracing::info!(model = %self.location, %sha256, "the store has a checksum beside the file");
        Some(sha256)
    }

    fn checked(&self, sink: Option<&Sink>, wanted: Option<Sha256>) -> Result<(), FetchError> {
        match (wanted, sink.map(Sink::sha256)) {
            (Some(expected), Some(found)) if found != expected => {
                Err(FetchError::Checksum { location: self.location.to_string(), expected, found })
            }
            _ => Ok(()),
        }
    }

    fn placed(&self, sink: Option<Sink>, name: &str, version: Option<String>) -> io::Result<Fetched> {
        let sink = sink.ok_or(io::ErrorKind::NotFound)?;
        let (sha256, length) = (sink.sha256(), sink.length());
        let path = self.cache.map_or_else(|| Ok(PathBuf::from(name)), |cache| cache.path(name));
        let Whole { path, memory } = sink.finish(&path.unwrap_or_default())?;
        if let (Some(cache), None) = (self.cache, &memory)
            && let Err(error) = cache.remember(name, sha256, version)
        {
            tracing::warn!(%error, "the cache takes no note: the next start fetches again");
        }
        tracing::info!(model = %self.location, file = name, megabytes = megabytes(length), %sha256, "fetched");
        Ok(Fetched { path, sha256: Some(sha256), memory })
    }

    /// One request. `Ok(false)`: the copy at hand is what the store has.
    async fn attempt(
        &self,
        entry: &Entry,
        sink: &mut Option<Sink>,
        version: &mut Option<String>,
        copy: Option<&Cached>,
    ) -> Result<bool, Broken> {
        let offset = sink.as_ref().map_or(0, Sink::length);
        let unless = copy.and_then(|copy| copy.version.as_deref()).filter(|_| offset == 0);
        let part = Part { offset, version: version.as_deref(), unless };
        let opened = tokio::time::timeout(self.config.stall, self.origin.open(entry, part)).await;
        let opened = opened.unwrap_or_else(|_| Err(self.silent())).map_err(|error| self.sort(error))?;
        let Opened::Bytes { offset: start, size, version: found, mut stream } = opened else {
            return Ok(false);
        };
        let keep = |source| Broken::Lasting(FetchError::Keep { location: self.location.to_string(), source });
        let is_same = found.is_some() && found == *version;
        if start != offset || (offset > 0 && !is_same) {
            sink.as_mut().map_or(Ok(()), Sink::restart).map_err(keep)?;
            *version = None;
            if start != 0 {
                return Err(Broken::Passing(OriginError::passing(
                    "it sends another part than was asked for",
                )));
            }
        }
        *version = found;
        let limit = self.config.max_bytes as u64;
        let too_large =
            || Broken::Lasting(FetchError::TooLarge { location: self.location.to_string(), limit });
        if size.is_some_and(|size| size > limit) {
            return Err(too_large());
        }
        let mut done = start;
        let (pieces, written) = write_beside(sink.take());
        let mut logged = Instant::now();
        let line = loop {
            let piece = match tokio::time::timeout(self.config.stall, stream.next()).await {
                Err(_) => break Err(Broken::Passing(self.silent())),
                Ok(None) => break Ok(()),
                Ok(Some(Err(error))) => break Err(self.sort(error)),
                Ok(Some(Ok(piece))) => piece,
            };
            done += piece.len() as u64;
            if done > limit {
                break Err(too_large());
            }
            self.progress.has(done, size);
            if logged.elapsed() >= LOG_PERIOD {
                logged = Instant::now();
                tracing::info!(progress = self.progress.reason(), "still fetching");
            }
            if pieces.send(piece).await.is_err() {
                break Ok(());
            }
        };
        drop(pieces);
        *sink = Some(written.await.map_err(|panic| keep(io::Error::other(panic)))?.map_err(keep)?);
        line?;
        match size {
            Some(size) if done < size => {
                let message = format!("it ended after {done} of {size} bytes");
                Err(Broken::Passing(OriginError::passing(message)))
            }
            Some(size) if done > size => {
                Err(Broken::Passing(OriginError::passing("it sent more bytes than it said")))
            }
            _ => Ok(true),
        }
    }

    fn sort(&self, error: OriginError) -> Broken {
        if error.is_passing {
            Broken::Passing(error)
        } else {
            Broken::Lasting(FetchError::Origin { location: self.location.to_string(), source: error })
        }
    }
}

type Written = tokio::task::JoinHandle<io::Result<Sink>>;

/// Adds up and writes in a thread that may block.
fn write_beside(sink: Option<Sink>) -> (mpsc::Sender<bytes::Bytes>, Written) {
    let (pieces, mut incoming) = mpsc::channel::<bytes::Bytes>(PIECES_IN_FLIGHT);
    let written = tokio::task::spawn_blocking(move || {
        let mut sink = sink.ok_or_else(|| io::Error::other("the file is lost"))?;
        while let Some(piece) = incoming.blocking_recv() {
            sink.append(&piece)?;
        }
        Ok(sink)
    });
    (pieces, written)
}

fn whole(cached: Cached) -> Fetched {
    Fetched { path: cached.path, sha256: Some(cached.sha256), memory: None }
}

/// How long to go on trying, and how long to wait between.
struct Patience<'a> {
    job: &'a Job<'a>,
    attempt: u32,
    pause: Duration,
    since: Instant,
}

impl<'a> Patience<'a> {
    fn new(job: &'a Job<'a>) -> Patience<'a> {
        Patience { job, attempt: 0, pause: FIRST_PAUSE, since: Instant::now() }
    }

    /// Something came: everything begins anew.
    fn heard(&mut self, anything: bool) {
        if anything {
            (self.attempt, self.pause, self.since) = (0, FIRST_PAUSE, Instant::now());
        }
    }

    /// Waits before the next attempt, or gives the error back when there should be none.
    async fn after(&mut self, error: OriginError, has_copy: bool) -> Result<(), OriginError> {
        self.attempt += 1;
        let is_over = self.job.config.give_up.is_some_and(|limit| self.since.elapsed() + self.pause >= limit);
        if !error.is_passing || is_over || (has_copy && self.attempt >= ATTEMPTS_BEFORE_CACHE) {
            return Err(error);
        }
        let (reason, model) = (error.chain(), self.job.location);
        tracing::warn!(%model, attempt = self.attempt, reason, pause = ?self.pause, "the store fails: trying again");
        self.job.progress.failed(self.attempt, reason);
        // a thousand pods that lost their store at once must not all come back at once
        tokio::time::sleep(self.pause.mul_f64(0.5 + fastrand::f64() / 2.0)).await;
        self.pause = (self.pause * 2).min(LONGEST_PAUSE);
        Ok(())
    }
}
