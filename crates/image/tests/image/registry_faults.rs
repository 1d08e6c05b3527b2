//! Against a registry that does what it shouldn't.

use std::collections::HashMap;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use image::{
    Credentials, Image, PullError, Registry, RegistryError, RegistryOptions, TransferOptions, TransferState,
};

use crate::support::{Fixture, name, names_in, noise};

/// A request as it came over the line.
struct Request {
    line: String,
    headers: HashMap<String, String>,
}

/// The requests that came, with their headers.
type Seen = Mutex<Vec<(String, HashMap<String, String>)>>;

/// What to answer; `None`: as a good registry would.
type Mischief = dyn Fn(&Request) -> Option<Vec<u8>> + Send + Sync;

/// A registry of one image, which serves it from a store's folder.
struct Fake {
    address: String,
    requests: Arc<Seen>,
    image: Image,
    fixture: Fixture,
}

impl Fake {
    fn start(mischief: impl Fn(&Request, &Image) -> Option<Vec<u8>> + Send + Sync + 'static) -> Fake {
        let fixture = Fixture::new();
        let image = fixture.build("web:1", &noise(1 << 20));
        let served = image.clone();
        let mischief = move |request: &Request| mischief(request, &served);
        let (address, requests) = serve(fixture.images(), image.digest.hex().to_owned(), Box::new(mischief));
        Fake { address, requests, image, fixture }
    }

    async fn pull(&self, into: &Fixture, options: &TransferOptions) -> Result<Image, PullError> {
        let registry = Registry::new(RegistryOptions::default());
        registry.pull(&into.store, &name(&format!("{}/web:1", self.address)), options).await
    }

    async fn pull_error(&self) -> PullError {
        let fixture = Fixture::new();
        let error = self.pull(&fixture, &TransferOptions::default()).await.unwrap_err();
        assert_eq!(fixture.store.list().unwrap(), [], "an image that isn't there has a name");
        error
    }

    fn seen(&self, part: &str, header: &str) -> Vec<Option<String>> {
        let requests = self.requests.lock().unwrap();
        let meant = requests.iter().filter(|(line, _)| line.contains(part));
        meant.map(|(_, headers)| headers.get(header).cloned()).collect()
    }

    fn layer(&self) -> Vec<u8> {
        let digest = &self.image.layers[0].blob.digest;
        std::fs::read(self.fixture.images().join("blobs/sha256").join(digest.hex())).unwrap()
    }
}

fn serve(root: PathBuf, manifest: String, mischief: Box<Mischief>) -> (String, Arc<Seen>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let requests = Arc::new(Mutex::new(Vec::new()));
    let (seen, mischief, root, manifest) =
        (requests.clone(), Arc::new(mischief), Arc::new(root), Arc::new(manifest));
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let (seen, mischief, root, manifest) =
                (seen.clone(), mischief.clone(), root.clone(), manifest.clone());
            // A client that goes away is no failure of the test.
            std::thread::spawn(move || answer(stream.ok()?, &seen, &**mischief, &root, &manifest).ok());
        }
    });
    (address, requests)
}

fn answer(
    mut stream: TcpStream,
    seen: &Seen,
    mischief: &Mischief,
    root: &std::path::Path,
    manifest: &str,
) -> std::io::Result<()> {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        stream.read_exact(&mut byte)?;
        if !byte[0].is_ascii() {
            // TLS: answered as a server that doesn't speak it.
            return stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n");
        }
        head.push(byte[0]);
        if head[0] == 0x16 {
            return stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n");
        }
    }
    let head = String::from_utf8_lossy(&head).into_owned();
    let mut lines = head.lines();
    let line = lines.next().unwrap_or_default().to_owned();
    let pairs = lines.filter_map(|line| line.split_once(": "));
    let headers: HashMap<String, String> =
        pairs.map(|(name, value)| (name.to_lowercase(), value.to_owned())).collect();
    seen.lock().unwrap().push((line.clone(), headers.clone()));
    let request = Request { line, headers };
    let bytes = mischief(&request).unwrap_or_else(|| honest(&request, root, manifest));
    stream.write_all(&bytes)
}

fn honest(request: &Request, root: &std::path::Path, manifest: &str) -> Vec<u8> {
    let path = request.line.split(' ').nth(1).unwrap_or_default();
    let last = path.rsplit('/').next().unwrap_or_default();
    let (hex, kind) = match last.strip_prefix("sha256:") {
        Some(hex) if path.contains("/blobs/") => (hex, "application/octet-stream"),
        _ => (manifest, "application/vnd.oci.image.manifest.v1+json"),
    };
    match std::fs::read(root.join("blobs/sha256").join(hex)) {
        Ok(bytes) => match request.headers.get("range").and_then(|range| range_start(range)) {
            Some(start) => {
                let range = format!("content-range: bytes {start}-{}/{}\r\n", bytes.len() - 1, bytes.len());
                response("206 Partial Content", &range, &bytes[start..])
            }
            None => response("200 OK", &format!("content-type: {kind}\r\n"), &bytes),
        },
        Err(_) => response("404 Not Found", "", b""),
    }
}

fn range_start(range: &str) -> Option<usize> {
    range.strip_prefix("bytes=")?.strip_suffix('-')?.parse().ok()
}

fn response(status: &str, headers: &str, body: &[u8]) -> Vec<u8> {
    response_of_length(status, headers, body, body.len())
}

fn response_of_length(status: &str, headers: &str, body: &[u8], length: usize) -> Vec<u8> {
    let head = format!("HTTP/1.1 {status}\r\n{headers}content-length: {length}\r\nconnection: close\r\n\r\n");
    [head.as_bytes(), body].concat()
}

fn asks_for_layer(request: &Request, image: &Image) -> bool {
    request.line.contains(&image.layers[0].blob.digest.to_string())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_blob_is_fetched_on_where_the_line_broke() {
    let broken = AtomicBool::new(false);
    let layer = Arc::new(Mutex::new(Vec::new()));
    let bytes = layer.clone();
    let fake = Fake::start(move |request, image| {
        let is_first = asks_for_layer(request, image) && !broken.swap(true, Ordering::Relaxed);
        let layer = bytes.lock().unwrap();
        is_first.then(|| response_of_length("200 OK", "", &layer[..500_000], layer.len()))
    });
    *layer.lock().unwrap() = fake.layer();
    // Only the layer's request may be the one that breaks.
    let fixture = Fixture::new();
    let states = Arc::new(Mutex::new(Vec::new()));
    let kept = states.clone();
    let progress = Arc::new(move |transfer: image::Transfer| kept.lock().unwrap().push(transfer.state));
    let options = TransferOptions { parallel: 1, progress, ..TransferOptions::default() };
    fake.pull(&fixture, &options).await.unwrap();
    let ranges = fake.seen(&fake.image.layers[0].blob.digest.to_string(), "range");
    assert_eq!(ranges, [None, Some("bytes=500000-".to_owned())]);
    assert!(states.lock().unwrap().contains(&TransferState::Retrying));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_next_pull_goes_on_where_a_stopped_one_was() {
    let layer = Arc::new(Mutex::new(Vec::new()));
    let bytes = layer.clone();
    let calls = AtomicUsize::new(0);
    let fake = Fake::start(move |request, image| {
        if !asks_for_layer(request, image) || calls.fetch_add(1, Ordering::Relaxed) > 0 {
            return None;
        }
        let layer = bytes.lock().unwrap();
        Some(response_of_length("200 OK", "", &layer[..300_000], layer.len()))
    });
    *layer.lock().unwrap() = fake.layer();
    let fixture = Fixture::new();
    let (told, tell) = tokio::sync::oneshot::channel();
    let told = Mutex::new(Some(told));
    // The line broke: nobody waits for the second attempt.
    let progress = Arc::new(move |transfer: image::Transfer| {
        if transfer.state == TransferState::Retrying {
            told.lock().unwrap().take().map(|told| told.send(()));
        }
    });
    let options = TransferOptions { progress, ..TransferOptions::default() };
    tokio::select! {
        result = fake.pull(&fixture, &options) => panic!("{result:?}"),
        _ = tell => (),
    }
    assert_eq!(fixture.store.list().unwrap(), []);
    fake.pull(&fixture, &TransferOptions::default()).await.unwrap();
    let ranges = fake.seen(&fake.image.layers[0].blob.digest.to_string(), "range");
    assert_eq!(ranges, [None, Some("bytes=300000-".to_owned())]);
    assert_eq!(names_in(&fixture.images().join("partial")), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_bytes_are_noticed_and_not_kept() {
    let fake = Fake::start(|request, image| {
        let length = usize::try_from(image.layers[0].blob.size).unwrap();
        asks_for_layer(request, image).then(|| response("200 OK", "", &vec![0; length]))
    });
    let fixture = Fixture::new();
    let error = fake.pull(&fixture, &TransferOptions::default()).await.unwrap_err();
    assert!(matches!(error, PullError::Mismatch { .. }), "{error}");
    // Other blobs may be under way when the pull gives up; their files go with them.
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(5);
    while !names_in(&fixture.images().join("partial")).is_empty() && std::time::Instant::now() < deadline {
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    assert_eq!(names_in(&fixture.images().join("partial")), Vec::<String>::new());
    assert!(!fixture.blobs().contains(&fake.image.layers[0].blob.digest.hex().to_owned()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_blob_that_does_not_end_is_cut_off() {
    let fake = Fake::start(|request, image| {
        let length = usize::try_from(image.layers[0].blob.size).unwrap();
        asks_for_layer(request, image).then(|| response("200 OK", "", &vec![0; length + 1]))
    });
    assert!(matches!(fake.pull_error().await, PullError::TooLong { .. }));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_registry_that_ignores_the_range_is_believed_from_the_start() {
    let layer = Arc::new(Mutex::new(Vec::new()));
    let bytes = layer.clone();
    let calls = AtomicUsize::new(0);
    let fake = Fake::start(move |request, image| {
        if !asks_for_layer(request, image) {
            return None;
        }
        let layer = bytes.lock().unwrap();
        let sent = if calls.fetch_add(1, Ordering::Relaxed) == 0 { 1000 } else { layer.len() };
        Some(response_of_length("200 OK", "", &layer[..sent], layer.len()))
    });
    *layer.lock().unwrap() = fake.layer();
    fake.pull(&Fixture::new(), &TransferOptions::default()).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn manifests_that_are_none_are_refused() {
    fn manifest(kind: &'static str, body: &'static str) -> Fake {
        Fake::start(move |request, _| {
            let headers = format!("content-type: {kind}\r\n");
            request.line.contains("/manifests/").then(|| response("200 OK", &headers, body.as_bytes()))
        })
    }
    let oci = "application/vnd.oci.image.manifest.v1+json";
    let error = manifest(oci, "no json").pull_error().await;
    assert!(matches!(error, PullError::Manifest { .. }), "{error}");
    let error = manifest(oci, r#"{"schemaVersion": 2}"#).pull_error().await;
    assert!(matches!(error, PullError::Manifest { .. }), "{error}");
    let old = "application/vnd.docker.distribution.manifest.v1+prettyjws";
    let error = manifest(old, r#"{"schemaVersion": 1, "fsLayers": []}"#).pull_error().await;
    assert!(matches!(error, PullError::MediaType { .. }), "{error}");
    let chart = r#"{"schemaVersion":2,"config":{"mediaType":"application/vnd.cncf.helm.config.v1+json","size":1,
        "digest":"sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"},"layers":[]}"#;
    let error = manifest(oci, chart).pull_error().await;
    assert!(matches!(error, PullError::MediaType { .. }), "{error}");
    let index = r#"{"schemaVersion":2,"manifests":[{"mediaType":"x","size":1,"platform":{"os":"windows","architecture":"amd64"},
        "digest":"sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"}]}"#;
    let error = manifest("application/vnd.oci.image.index.v1+json", index).pull_error().await;
    assert!(matches!(error, PullError::Platform { .. }), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn refusals_are_told_in_the_registrys_words() {
    let body = br#"{"errors":[{"code":"TOOMANYREQUESTS","message":"slow down"}]}"#;
    let fake = Fake::start(|request, _| {
        request.line.contains("/manifests/").then(|| response("418 Teapot", "", body))
    });
    let error = fake.pull_error().await.to_string();
    assert_eq!(error, format!("`{}` answers 418: toomanyrequests: slow down", fake.address));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_registry_that_is_not_there_is_named() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    drop(listener);
    let registry = Registry::new(RegistryOptions::default());
    let fixture = Fixture::new();
    let wanted = name(&format!("{address}/web:1"));
    let error = registry.pull(&fixture.store, &wanted, &TransferOptions::default()).await.unwrap_err();
    assert!(matches!(error, PullError::Registry(RegistryError::Connect(_))), "{error}");
    assert_eq!(error.to_string(), format!("failed to connect to `{address}`"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_is_bought_with_the_password_and_not_shown_to_others() {
    // Blobs lie somewhere else, as with every large registry.
    let elsewhere = Fake::start(|_, _| None);
    let place = elsewhere.address.clone();
    let tokens = Arc::new(AtomicUsize::new(0));
    let issued = tokens.clone();
    let fake = Fake::start(move |request, _| {
        let authorization = request.headers.get("authorization").map(String::as_str);
        if request.line.contains("/token?") {
            // user:secret
            assert_eq!(authorization, Some("Basic dXNlcjpzZWNyZXQ="));
            assert!(request.line.contains("service=test&scope=repository%3Aweb%3Apull "), "{}", request.line);
            let token = issued.fetch_add(1, Ordering::Relaxed);
            return Some(response("200 OK", "", format!(r#"{{"access_token":"t{token}"}}"#).as_bytes()));
        }
        // The first token soon ends.
        let is_good = match authorization {
            Some("Bearer t0") => request.line.contains("/manifests/"),
            Some("Bearer t1") => true,
            _ => false,
        };
        let host = request.headers.get("host").unwrap();
        let challenge = format!(
            "www-authenticate: Bearer realm=\"http://{host}/token\",service=\"test\",scope=\"repository:web:pull\"\r\n"
        );
        if !is_good {
            return Some(response("401 Unauthorized", &challenge, b""));
        }
        let path = request.line.split(' ').nth(1).unwrap();
        let redirect = format!("location: http://{place}{path}\r\n");
        path.contains("/blobs/").then(|| response("307 Temporary Redirect", &redirect, b""))
    });
    let config = format!(r#"{{"auths":{{"{}":{{"auth":"dXNlcjpzZWNyZXQ="}}}}}}"#, fake.address);
    let credentials = Credentials::from_docker_config(config.as_bytes()).unwrap();
    let options = TransferOptions { credentials, ..TransferOptions::default() };
    let fixture = Fixture::new();
    let image = fake.pull(&fixture, &options).await.unwrap();
    assert_eq!(image.digest, fake.image.digest);
    assert_eq!(tokens.load(Ordering::Relaxed), 2, "one token, and one when that had ended");
    let shown = elsewhere.seen("/blobs/", "authorization");
    assert_eq!(shown, [None, None], "a token is shown to its registry only");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_for_everybody_needs_no_password() {
    let fake = Fake::start(move |request, _| {
        let host = request.headers.get("host").unwrap();
        if request.line.contains("/token?") {
            assert_eq!(request.headers.get("authorization"), None);
            return Some(response("200 OK", "", br#"{"token":"anonymous"}"#));
        }
        let challenge = format!("www-authenticate: Bearer realm=\"http://{host}/token\"\r\n");
        let is_good = request.headers.get("authorization").map(String::as_str) == Some("Bearer anonymous");
        (!is_good).then(|| response("401 Unauthorized", &challenge, b""))
    });
    fake.pull(&Fixture::new(), &TransferOptions::default()).await.unwrap();
}
