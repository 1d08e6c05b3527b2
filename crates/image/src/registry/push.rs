//! Brings an image to a registry.

use std::sync::Arc;

use bytes::Bytes;
use futures::{StreamExt, TryStreamExt, stream};
use http::header::{CONTENT_TYPE, LOCATION};
use http::{Method, StatusCode};

use super::pull::{blocking, is_passing};
use super::session::{Call, Payload, Session, resolve};
use super::{Registry, RegistryError, Transfer, TransferOptions, TransferState};
use crate::digest::Digest;
use crate::document::Descriptor;
use crate::layout::{Hold, Layout, StoreError};
use crate::reference::Reference;
use crate::store::{Documents, ImageStore, ResolveError};

/// How often a blob is tried again.
const ATTEMPTS: u32 = 3;

/// Why an image could not be brought to a registry. The registry then has some of its blobs, but
/// no image.
#[derive(Debug, thiserror::Error)]
pub enum PushError {
    /// The registry did not take it.
    #[error(transparent)]
    Registry(#[from] RegistryError),
    /// There is no such image here.
    #[error("image `{reference}` not found")]
    NotFound {
        /// The name asked for.
        reference: Reference,
    },
    /// A tag is needed to name the image there.
    #[error("`{reference}` pins a digest; push to a tag")]
    Pinned {
        /// The name asked for.
        reference: Reference,
    },
    /// The image here does not read.
    #[error(transparent)]
    Image(#[from] ResolveError),
    /// The store can't be read.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// A push that is going on.
struct Push<'a> {
    session: Session<'a>,
    layout: Arc<Layout>,
    options: &'a TransferOptions,
}

impl Registry {
    /// Brings the image called `local` to a registry as `remote` (mostly the same name), and
    /// returns the digest it has there. Layers that are there are not sent again.
    ///
    /// # Errors
    /// See [`PushError`].
    pub async fn push(
        &self,
        store: &ImageStore,
        local: &Reference,
        remote: &Reference,
        options: &TransferOptions,
    ) -> Result<Digest, PushError> {
        let Some(tag) = remote.tag().filter(|_| remote.digest().is_none()) else {
            return Err(PushError::Pinned { reference: remote.clone() });
        };
        let (layout, name) = (store.layout.clone(), local.clone());
        let documents = blocking(move || {
            let hold = Hold::acquire(&layout)?;
            Ok::<_, ResolveError>(Documents::of(&layout, &hold, &name)?.map(|documents| (documents, hold)))
        });
        let Some((documents, _hold)) = documents.await? else {
            return Err(PushError::NotFound { reference: local.clone() });
        };
        let (credentials, wanted) = (options.credentials.clone(), remote.clone());
        let credentials = blocking(move || credentials.for_image(&wanted)).await;
        let session = Session::open(self, remote, credentials, "pull,push").await?;
        let push = Push { session, layout: store.layout.clone(), options };
        push.run(&documents, tag).await
    }
}

impl Push<'_> {
    async fn run(&self, documents: &Documents, tag: &str) -> Result<Digest, PushError> {
        let blobs = documents.blobs.iter().map(|blob| self.blob(blob));
        let parallel = self.options.parallel.max(1);
        stream::iter(blobs).buffer_unordered(parallel).try_collect::<()>().await?;
        let (named, listed) = (&documents.named, &documents.listed);
        for (descriptor, bytes) in listed {
            self.document(descriptor, bytes, &descriptor.digest.to_string()).await?;
        }
        self.document(&named.0, &named.1, tag).await?;
        Ok(named.0.digest.clone())
    }

    async fn document(&self, descriptor: &Descriptor, bytes: &[u8], name: &str) -> Result<(), PushError> {
        let url = self.session.url(&format!("manifests/{name}"));
        let headers = [(CONTENT_TYPE, descriptor.media_type.as_str())];
        let payload = Payload::Text(Bytes::copy_from_slice(bytes));
        let call = Call { headers: &headers, payload, ..Call::new(Method::PUT, &url) };
        let response = self.session.send(call).await?;
        match response.status() {
            StatusCode::CREATED | StatusCode::OK | StatusCode::ACCEPTED => Ok(()),
            _ => Err(self.session.refusal(response, &self.session.reference.familiar()).await.into()),
        }
    }

    async fn blob(&self, blob: &Descriptor) -> Result<(), PushError> {
        let mut attempt = 1;
        loop {
            match self.try_blob(blob).await {
                Err(PushError::Registry(error)) if attempt < ATTEMPTS && is_passing(&error) => {
                    tracing::debug!(%error, blob = %blob.digest, "sending a blob again");
                    self.report(blob, 0, TransferState::Retrying);
                    attempt += 1;
                }
                result => return result,
            }
        }
    }

    async fn try_blob(&self, blob: &Descriptor) -> Result<(), PushError> {
        let url = self.session.url(&format!("blobs/{}", blob.digest));
        if self.session.send(Call::new(Method::HEAD, &url)).await?.status() == StatusCode::OK {
            self.report(blob, blob.size, TransferState::Present);
            return Ok(());
        }
        self.report(blob, 0, TransferState::Running);
        let location = self.begin_upload(blob).await?;
        // The file must be whole before a registry is bothered with it.
        drop(self.layout.open_blob(blob)?);
        let headers = [(CONTENT_TYPE, "application/octet-stream")];
        let payload = self.payload(blob);
        let call = Call { headers: &headers, payload, ..Call::new(Method::PUT, &location) };
        let response = self.session.send(call).await?;
        if response.status() != StatusCode::CREATED {
            return Err(self
                .session
                .refusal(response, &format!("the upload of {}", blob.digest))
                .await
                .into());
        }
        self.report(blob, blob.size, TransferState::Done);
        Ok(())
    }

    /// Returns where the registry wants the blob to be sent.
    async fn begin_upload(&self, blob: &Descriptor) -> Result<String, PushError> {
        let url = self.session.url("blobs/uploads/");
        let payload = Payload::Text(Bytes::new());
        let response = self.session.send(Call { payload, ..Call::new(Method::POST, &url) }).await?;
        if response.status() != StatusCode::ACCEPTED {
            return Err(self.session.refusal(response, &self.session.reference.repository()).await.into());
        }
        let location = response.headers().get(LOCATION).and_then(|location| location.to_str().ok());
        let location =
            location.ok_or_else(|| self.session.nonsense("it does not say where to send a blob"))?;
        let location = resolve(&url, location);
        let separator = if location.contains('?') { '&' } else { '?' };
        Ok(format!("{location}{separator}digest={}", super::token::escape(&blob.digest.to_string())))
    }

    fn payload(&self, blob: &Descriptor) -> Payload {
        let (progress, digest, total) = (self.options.progress.clone(), blob.digest.clone(), blob.size);
        let sent = Arc::new(move |done| {
            let state = TransferState::Running;
            progress(Transfer { digest: digest.clone(), done, total, state });
        });
        Payload::File { path: self.layout.blob_path(&blob.digest), size: blob.size, sent }
    }

    fn report(&self, blob: &Descriptor, done: u64, state: TransferState) {
        (self.options.progress)(Transfer { digest: blob.digest.clone(), done, total: blob.size, state });
    }
}
