//! Files and folders of buckets: S3 and what speaks as it does, Google Cloud Storage, Azure Blob Storage.
//!
//! `object_store` knows the three protocols and where each keeps its credentials; requests go out by our own client.

use std::fmt;
use std::sync::Arc;

use futures::{StreamExt, TryStreamExt};
use http::Response;
use http_body_util::BodyExt;
use object_store::aws::AmazonS3Builder;
use object_store::azure::MicrosoftAzureBuilder;
use object_store::client::{
    HttpClient, HttpConnector, HttpError, HttpErrorKind, HttpRequest, HttpResponse, HttpResponseBody,
    HttpService,
};
use object_store::gcp::GoogleCloudStorageBuilder;
use object_store::path::Path;
use object_store::{
    ClientOptions, GetOptions, GetRange, ObjectStore, ObjectStoreExt, ObjectStoreScheme, RetryConfig,
};

use super::http::Web;
use super::origin::{BoxFuture, Entry, Opened, Origin, OriginError, Part};

/// A folder with more files is no model.
const FILES_MAX: usize = 10_000;
/// A checksum with a file's name beside it.
const CHECKSUM_BYTES_MAX: u64 = 4096;

/// A file or a folder of a bucket.
pub(super) struct Bucket {
    store: Arc<dyn ObjectStore>,
    path: Path,
    is_folder: bool,
}

impl Bucket {
    /// `options` are settings of the store as `key=value`, such as `aws_endpoint=http://minio:9000`.
    pub(super) fn new(web: Web, url: &str, options: &[String]) -> Result<Bucket, OriginError> {
        let no_url = || OriginError::lasting("the address is no URL of a bucket");
        let parsed = url::Url::parse(url).map_err(|_| no_url())?;
        let (scheme, path) = ObjectStoreScheme::parse(&parsed).map_err(|error| no_url().caused(error))?;
        let options = options.iter().map(|option| option.split_once('=').unwrap_or((option, "")));
        let store = store(scheme, url, Connector(web), &options.collect::<Vec<_>>()).map_err(of_store)?;
        Ok(Bucket { store, path, is_folder: url.ends_with('/') })
    }

    async fn list(&self) -> Result<Vec<Entry>, OriginError> {
        if !self.is_folder {
            match self.store.head(&self.path).await {
                Ok(found) => return Ok(vec![Entry { size: Some(found.size), ..Entry::default() }]),
                Err(object_store::Error::NotFound { .. }) => {}
                Err(error) => return Err(of_store(error)),
            }
        }
        let found = self.store.list(Some(&self.path)).take(FILES_MAX + 1).try_collect::<Vec<_>>().await;
        let found = found.map_err(of_store)?;
        if found.is_empty() {
            return Err(OriginError::lasting(
                "there is no such file and no folder of that name in the bucket",
            ));
        }
        if found.len() > FILES_MAX {
            return Err(OriginError::lasting(format!("the folder has more than {FILES_MAX} files")));
        }
        let below = |path: &Path| {
            path.as_ref().strip_prefix(self.path.as_ref()).map(|rest| rest.trim_start_matches('/').to_owned())
        };
        let entry = |file: object_store::ObjectMeta| {
            Some(Entry { path: below(&file.location)?, size: Some(file.size), sha256: None })
        };
        Ok(found.into_iter().filter_map(entry).filter(|entry| !entry.path.is_empty()).collect())
    }

    fn path_of(&self, entry: &Entry) -> Result<Path, OriginError> {
        let mut path = self.path.to_string();
        if !entry.path.is_empty() {
            path = format!("{path}/{}", entry.path);
        }
        Path::parse(path).map_err(|error| OriginError::lasting("the file's name is not usable").caused(error))
    }

    async fn open_part(&self, entry: &Entry, part: Part<'_>) -> Result<Opened, OriginError> {
        let options = GetOptions {
            range: (part.offset > 0).then_some(GetRange::Offset(part.offset)),
            if_match: part.version.filter(|_| part.offset > 0).map(str::to_owned),
            if_none_match: part.unless.map(str::to_owned),
            ..GetOptions::default()
        };
        let found = match self.store.get_opts(&self.path_of(entry)?, options).await {
            Ok(found) => found,
            Err(object_store::Error::NotModified { .. }) => return Ok(Opened::Unchanged),
            Err(error) => return Err(of_store(error)),
        };
        let (offset, size, version) = (found.range.start, Some(found.meta.size), found.meta.e_tag.clone());
        let broken = |error| OriginError::passing("the connection broke").caused(error);
        let stream = found.into_stream().map(move |piece| piece.map_err(broken));
        Ok(Opened::Bytes { offset, size, version, stream: Box::pin(stream) })
    }

    async fn beside(&self, entry: &Entry) -> Option<String> {
        let path = Path::parse(format!("{}.sha256", self.path_of(entry).ok()?)).ok()?;
        let options =
            GetOptions { range: Some(GetRange::Bounded(0..CHECKSUM_BYTES_MAX)), ..GetOptions::default() };
        let found = self.store.get_opts(&path, options).await.ok()?;
        String::from_utf8(found.bytes().await.ok()?.into()).ok()
    }
}

impl Origin for Bucket {
    fn entries(&self) -> BoxFuture<'_, Result<Vec<Entry>, OriginError>> {
        Box::pin(self.list())
    }

    fn open<'a>(&'a self, entry: &'a Entry, part: Part<'a>) -> BoxFuture<'a, Result<Opened, OriginError>> {
        Box::pin(self.open_part(entry, part))
    }

    fn checksum<'a>(&'a self, entry: &'a Entry) -> BoxFuture<'a, Option<String>> {
        Box::pin(self.beside(entry))
    }
}

/// A builder of one of the stores, with what the environment (`AWS_…`, `GOOGLE_…`, `AZURE_…`) and the options say.
/// Attempts are counted and waited for by the fetch, so the store makes one each.
macro_rules! build {
    ($builder:ty, $url:expr, $web:expr, $options:expr) => {{
        let once = RetryConfig { max_retries: 0, ..RetryConfig::default() };
        // an end point without TLS is named on purpose, as `http://…`
        let plain = ClientOptions::new().with_allow_http(true);
        let builder = <$builder>::from_env().with_client_options(plain).with_retry(once).with_url($url);
        let mut builder = builder.with_http_connector($web);
        for (key, value) in $options {
            builder = builder.with_config(key.parse()?, *value);
        }
        Arc::new(builder.build()?)
    }};
}

fn store(
    scheme: ObjectStoreScheme,
    url: &str,
    web: Connector,
    options: &[(&str, &str)],
) -> object_store::Result<Arc<dyn ObjectStore>> {
    Ok(match scheme {
        ObjectStoreScheme::AmazonS3 => build!(AmazonS3Builder, url, web, options),
        ObjectStoreScheme::GoogleCloudStorage => build!(GoogleCloudStorageBuilder, url, web, options),
        ObjectStoreScheme::MicrosoftAzure => build!(MicrosoftAzureBuilder, url, web, options),
        other => {
            let source = format!("{other:?} is no bucket").into();
            return Err(object_store::Error::NotSupported { source });
        }
    })
}

fn of_store(error: object_store::Error) -> OriginError {
    use object_store::Error;
    match error {
        Error::NotFound { .. } => OriginError::lasting("there is no such file in the bucket"),
        Error::PermissionDenied { source, .. } => OriginError::lasting("access denied").caused(source),
        Error::Unauthenticated { source, .. } => {
            OriginError::lasting("the credentials are refused").caused(source)
        }
        Error::Precondition { .. } => OriginError::passing("the file changed while it was fetched"),
        Error::Generic { store, source } => {
            let message = format!("{store} does not answer as it should");
            let is_passing = !is_of_configuration(source.as_ref());
            OriginError { message, is_passing, source: Some(source) }
        }
        error => OriginError::lasting("it is not possible").caused(error),
    }
}

/// What never left this machine does not get better by waiting: a missing key, an address that is none.
fn is_of_configuration(error: &(dyn std::error::Error + 'static)) -> bool {
    let mut cause = Some(error);
    while let Some(error) = cause {
        if error.is::<HttpError>() {
            return false;
        }
        cause = error.source();
    }
    let text = error.to_string();
    !(text.contains("retr") || text.contains("status") || text.contains("request"))
}

/// Hands our client to the stores.
#[derive(Clone)]
struct Connector(Web);

impl fmt::Debug for Connector {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Connector")
    }
}

impl HttpConnector for Connector {
    fn connect(&self, _: &ClientOptions) -> object_store::Result<HttpClient> {
        Ok(HttpClient::new(self.clone()))
    }
}

#[async_trait::async_trait]
impl HttpService for Connector {
    async fn call(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        let answer = self.0.request(request.map(BodyExt::boxed)).await.map_err(|error| {
            let kind = if error.is_connect() { HttpErrorKind::Connect } else { HttpErrorKind::Request };
            HttpError::new(kind, error)
        })?;
        let (parts, body) = answer.into_parts();
        let body = body.map_err(|error| HttpError::new(HttpErrorKind::Interrupted, error));
        Ok(Response::from_parts(parts, HttpResponseBody::new(body)))
    }
}
