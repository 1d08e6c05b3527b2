//! Fetches an image.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::{StreamExt, TryStreamExt, stream};
use http::header::{ACCEPT, CONTENT_RANGE, CONTENT_TYPE, RANGE};
use http::{Method, Response, StatusCode};
use http_body_util::{BodyExt, Limited};
use hyper::body::Incoming;
use tokio::sync::mpsc;

use super::session::{Call, Session, broken};
use super::{Registry, RegistryError, Transfer, TransferOptions, TransferState};
use crate::digest::Digest;
use crate::document::{
    CONFIG, DOCKER_INDEX, DOCKER_MANIFEST, Descriptor, INDEX, Index, MANIFEST, Manifest, Platform,
};
use crate::layout::{Completed, DOCUMENT_BYTES_MAX, Hold, Layout, Partial, StoreError};
use crate::reference::Reference;
use crate::store::{Image, ImageStore, ResolveError};

/// How often a blob is tried again when nothing comes of it.
const ATTEMPTS: u32 = 5;
/// The pause before the second attempt; it doubles each time.
const FIRST_PAUSE: Duration = Duration::from_millis(300);
/// A line on which nothing comes for so long is dead.
const SILENCE_MAX: Duration = Duration::from_secs(60);
/// Between the line and the disk: enough to bridge a sync.
const CHUNKS_IN_FLIGHT: usize = 64;

const DOCUMENTS: &str = "application/vnd.oci.image.index.v1+json, \
    application/vnd.oci.image.manifest.v1+json, \
    application/vnd.docker.distribution.manifest.list.v2+json, \
    application/vnd.docker.distribution.manifest.v2+json";

/// Why an image could not be fetched. What was fetched completely stays at hand for the next
/// attempt; the image has no name until all of it is there.
#[derive(Debug, thiserror::Error)]
pub enum PullError {
    /// The registry did not give it.
    #[error(transparent)]
    Registry(#[from] RegistryError),
    /// The bytes are not those that were asked for.
    #[error("blob {expected} arrived as {found}")]
    Mismatch {
        /// What was asked for.
        expected: Digest,
        /// What came.
        found: Digest,
    },
    /// The blob is longer than the manifest says.
    #[error("blob {digest} is longer than the {size} bytes its manifest says")]
    TooLong {
        /// The blob.
        digest: Digest,
        /// The length it should have.
        size: u64,
    },
    /// The manifest is of a kind that is no image, or of one that was given up years ago.
    #[error("`{image}` is no image but `{media_type}`")]
    MediaType {
        /// What was asked for.
        image: String,
        /// What it is.
        media_type: String,
    },
    /// The manifest does not read.
    #[error("the manifest of `{image}` does not read")]
    Manifest {
        /// What was asked for.
        image: String,
        /// What the parser says.
        #[source]
        source: serde_json::Error,
    },
    /// The image is not for this machine.
    #[error("`{image}` has no manifest for {wanted}, only for: {}", found.join(", "))]
    Platform {
        /// What was asked for.
        image: String,
        /// This machine.
        wanted: String,
        /// What there is.
        found: Vec<String>,
    },
    /// What was fetched does not make an image.
    #[error(transparent)]
    Result(#[from] ResolveError),
    /// The store can't be read or written, or the disk is full.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// A pull that is going on.
struct Pull<'a> {
    session: Session<'a>,
    reference: &'a Reference,
    layout: Arc<Layout>,
    hold: Arc<Hold>,
    options: &'a TransferOptions,
}

impl Registry {
    /// Fetches the image called `reference` into `store`, and names it there. Layers that are at
    /// hand are not fetched again.
    ///
    /// # Errors
    /// See [`PullError`]. Dropping the future stops the pull; the next one goes on where it was.
    pub async fn pull(
        &self,
        store: &ImageStore,
        reference: &Reference,
        options: &TransferOptions,
    ) -> Result<Image, PullError> {
        let layout = store.layout.clone();
        let hold = Arc::new(blocking(move || Hold::acquire(&layout)).await?);
        let (credentials, wanted) = (options.credentials.clone(), reference.clone());
        let credentials = blocking(move || credentials.for_image(&wanted)).await;
        let session = Session::open(self, reference, credentials, "pull").await?;
        let pull = Pull { session, reference, layout: store.layout.clone(), hold, options };
        let entry = pull.run().await?;
        let Pull { hold, .. } = pull;
        let (store, reference) = (store.clone(), reference.clone());
        blocking(move || Ok(store.adopt(hold, entry, &reference)?)).await
    }
}

impl Pull<'_> {
    /// Fetches everything; returns what the index of the store is to point to.
    async fn run(&self) -> Result<Descriptor, PullError> {
        let wanted = match (self.reference.digest(), self.reference.tag()) {
            (Some(digest), _) => digest.to_string(),
            (None, tag) => tag.unwrap_or("latest").to_owned(),
        };
        let (entry, bytes) = self.document(&wanted, self.reference.digest()).await?;
        let (manifest, bytes) =
            if entry.is_index() { self.fetch_from_index(&bytes).await? } else { (entry.clone(), bytes) };
        if !manifest.is_manifest() {
            return Err(self.no_image(&manifest));
        }
        let Manifest { config, layers, .. } = self.parse(&bytes)?;
        if config.media_type != CONFIG
            && config.media_type != "application/vnd.docker.container.image.v1+json"
        {
            return Err(self.no_image(&config));
        }
        let blobs = layers.iter().chain([&config]).map(|blob| self.blob(blob));
        let parallel = self.options.parallel.max(1);
        stream::iter(blobs).buffer_unordered(parallel).try_collect::<()>().await?;
        // The documents last: a manifest in the store has its blobs in the store.
        Ok(entry)
    }

    /// Finds the image for this machine in a list.
    async fn fetch_from_index(&self, bytes: &[u8]) -> Result<(Descriptor, Bytes), PullError> {
        let index: Index = self.parse(bytes)?;
        let machine = Platform::current();
        let runs_here = |entry: &&Descriptor| {
            entry.platform.as_ref().map_or(index.manifests.len() == 1, |platform| platform.runs_on(&machine))
        };
        let Some(chosen) = index.manifests.iter().find(runs_here) else {
            let platforms = index.manifests.iter().filter_map(|entry| entry.platform.as_ref());
            let show = |platform: &Platform| format!("{}/{}", platform.os, platform.architecture);
            let (image, wanted) = (self.reference.familiar(), show(&machine));
            return Err(PullError::Platform { image, wanted, found: platforms.map(show).collect() });
        };
        self.document(&chosen.digest.to_string(), Some(&chosen.digest)).await
    }

    /// Fetches a manifest or an index by tag or digest, verifies it and puts it into the store.
    async fn document(
        &self,
        wanted: &str,
        digest: Option<&Digest>,
    ) -> Result<(Descriptor, Bytes), PullError> {
        let url = self.session.url(&format!("manifests/{wanted}"));
        let headers = [(ACCEPT, DOCUMENTS)];
        let response = self.session.send(Call { headers: &headers, ..Call::new(Method::GET, &url) }).await?;
        if response.status() != StatusCode::OK {
            return Err(self.session.refusal(response, &self.reference.familiar()).await.into());
        }
        let media_type = response.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
        let media_type =
            media_type.and_then(|value| value.split(';').next()).unwrap_or_default().trim().to_owned();
        let body =
            Limited::new(response.into_body(), usize::try_from(DOCUMENT_BYTES_MAX).unwrap_or(usize::MAX));
        let body = tokio::time::timeout(SILENCE_MAX, body.collect()).await.map_err(|_| self.silent())?;
        let bytes = body.map_err(|source| broken(&self.session.host, source))?.to_bytes();
        let found = Digest::of(&bytes);
        if let Some(expected) = digest.filter(|expected| **expected != found) {
            return Err(PullError::Mismatch { expected: expected.clone(), found });
        }
        let media_type = self.media_type(media_type, &bytes)?;
        let (layout, hold, copy) = (self.layout.clone(), self.hold.clone(), bytes.clone());
        let descriptor = blocking(move || layout.add_blob(&hold, &media_type, &copy)).await?;
        Ok((descriptor, bytes))
    }

    /// Some registries serve any document as plain JSON; then the document itself says what it is.
    fn media_type(&self, header: String, bytes: &[u8]) -> Result<String, PullError> {
        if [INDEX, MANIFEST, DOCKER_INDEX, DOCKER_MANIFEST].contains(&header.as_str()) {
            return Ok(header);
        }
        let document: serde_json::Value = self.parse(bytes)?;
        match document["mediaType"].as_str() {
            Some(own) if header.is_empty() || header.ends_with("/json") => Ok(own.to_owned()),
            _ if document["manifests"].is_array() => Ok(INDEX.to_owned()),
            _ if document["config"].is_object() => Ok(MANIFEST.to_owned()),
            _ => Err(PullError::MediaType { image: self.reference.familiar(), media_type: header }),
        }
    }

    fn parse<T: serde::de::DeserializeOwned>(&self, bytes: &[u8]) -> Result<T, PullError> {
        let image = self.reference.familiar();
        serde_json::from_slice(bytes).map_err(|source| PullError::Manifest { image, source })
    }

    fn no_image(&self, found: &Descriptor) -> PullError {
        PullError::MediaType { image: self.reference.familiar(), media_type: found.media_type.clone() }
    }

    /// Fetches one blob, as often as it takes.
    async fn blob(&self, blob: &Descriptor) -> Result<(), PullError> {
        let (layout, hold, wanted) = (self.layout.clone(), self.hold.clone(), blob.clone());
        let Some(mut partial) = blocking(move || Partial::open(&layout, &hold, &wanted)).await? else {
            self.report(blob, blob.size, TransferState::Present);
            return Ok(());
        };
        let mut attempts = ATTEMPTS;
        let mut pause = FIRST_PAUSE;
        while partial.length() < blob.size {
            let before = partial.length();
            self.report(blob, before, TransferState::Running);
            let fetched;
            (partial, fetched) = self.fetch_on(blob, partial).await?;
            let Err(error) = fetched else { continue };
            if partial.length() > before {
                (attempts, pause) = (ATTEMPTS, FIRST_PAUSE);
            }
            attempts -= 1;
            if attempts == 0 || !is_passing(&error) {
                return Err(error.into());
            }
            tracing::debug!(%error, blob = %blob.digest, "going on with a blob");
            self.report(blob, partial.length(), TransferState::Retrying);
            tokio::time::sleep(pause).await;
            pause *= 2;
        }
        let (layout, digest) = (self.layout.clone(), blob.digest.clone());
        match blocking(move || partial.complete(&layout, &digest)).await? {
            Completed::Done => self.report(blob, blob.size, TransferState::Done),
            Completed::Mismatch { found } => {
                return Err(PullError::Mismatch { expected: blob.digest.clone(), found });
            }
        }
        Ok(())
    }

    /// Fetches what is missing of a blob; returns the blob and whether the line held.
    async fn fetch_on(
        &self,
        blob: &Descriptor,
        mut partial: Partial,
    ) -> Result<(Partial, Result<(), RegistryError>), PullError> {
        let url = self.session.url(&format!("blobs/{}", blob.digest));
        let range = format!("bytes={}-", partial.length());
        let headers = [(RANGE, range.as_str())];
        let headers = if partial.length() > 0 { &headers[..] } else { &[] };
        let response = match self.session.send(Call { headers, ..Call::new(Method::GET, &url) }).await {
            Ok(response) => response,
            Err(error) => return Ok((partial, Err(error))),
        };
        match response.status() {
            StatusCode::PARTIAL_CONTENT if starts_at(&response, partial.length()) => (),
            StatusCode::OK => partial.restart()?,
            StatusCode::PARTIAL_CONTENT | StatusCode::RANGE_NOT_SATISFIABLE => {
                partial.restart()?;
                return Ok((partial, Err(self.session.nonsense("it sends another part than was asked for"))));
            }
            _ => {
                let name = format!("blob {} of {}", blob.digest, self.reference);
                let error = self.session.refusal(response, &name).await;
                return Ok((partial, Err(error)));
            }
        }
        self.receive(blob, partial, response).await
    }

    /// Takes the body off the line; a thread hashes and writes it.
    async fn receive(
        &self,
        blob: &Descriptor,
        mut partial: Partial,
        response: Response<Incoming>,
    ) -> Result<(Partial, Result<(), RegistryError>), PullError> {
        let mut done = partial.length();
        let (chunks, mut incoming) = mpsc::channel::<Bytes>(CHUNKS_IN_FLIGHT);
        let writer = tokio::task::spawn_blocking(move || {
            while let Some(chunk) = incoming.blocking_recv() {
                partial.append(&chunk)?;
            }
            Ok::<Partial, StoreError>(partial)
        });
        let mut body = response.into_body();
        let line = loop {
            let frame = match tokio::time::timeout(SILENCE_MAX, body.frame()).await {
                Err(_) => break Err(self.silent()),
                Ok(None) => break Ok(()),
                Ok(Some(Err(error))) => break Err(broken(&self.session.host, Box::new(error))),
                Ok(Some(Ok(frame))) => frame,
            };
            let Ok(chunk) = frame.into_data() else { continue };
            done += chunk.len() as u64;
            if done > blob.size {
                return Err(PullError::TooLong { digest: blob.digest.clone(), size: blob.size });
            }
            self.report(blob, done, TransferState::Running);
            if chunks.send(chunk).await.is_err() {
                // The writer ended, and says why below.
                break Ok(());
            }
        };
        drop(chunks);
        let partial = joined(writer.await)?;
        let line = line.and_then(|()| {
            let is_whole = partial.length() == blob.size;
            if is_whole {
                Ok(())
            } else {
                Err(self.session.nonsense("a blob is shorter than its manifest says"))
            }
        });
        Ok((partial, line))
    }

    fn silent(&self) -> RegistryError {
        RegistryError::Timeout { host: self.session.host.clone(), seconds: SILENCE_MAX.as_secs() }
    }

    fn report(&self, blob: &Descriptor, done: u64, state: TransferState) {
        (self.options.progress)(Transfer { digest: blob.digest.clone(), done, total: blob.size, state });
    }
}

/// Tells whether it may be better in a moment.
pub(super) fn is_passing(error: &RegistryError) -> bool {
    match error {
        RegistryError::Broken { .. } | RegistryError::Timeout { .. } | RegistryError::Nonsense { .. } => true,
        RegistryError::Connect(error) => {
            matches!(error, super::ConnectError::Tcp { .. } | super::ConnectError::Timeout { .. })
        }
        RegistryError::Refused { status, .. } => *status == 429 || *status >= 500,
        RegistryError::Denied { .. } | RegistryError::NotFound { .. } => false,
    }
}

fn starts_at(response: &Response<Incoming>, offset: u64) -> bool {
    let range = response.headers().get(CONTENT_RANGE).and_then(|value| value.to_str().ok());
    let start = range.and_then(|range| range.strip_prefix("bytes ")?.split('-').next()?.parse::<u64>().ok());
    start == Some(offset)
}

/// Runs what blocks on the disk on a thread for that.
pub(super) async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    joined(tokio::task::spawn_blocking(work).await)
}

fn joined<T>(result: Result<T, tokio::task::JoinError>) -> T {
    match result {
        Ok(value) => value,
        Err(error) => std::panic::resume_unwind(error.into_panic()),
    }
}
