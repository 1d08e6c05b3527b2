//! Models of web servers and buckets that are slow, broken, lying or gone.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on panics")]

use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use inference::source::{FetchError, Fetched, Fetcher, Location, Progress, SourceConfig};
use sha2::Digest;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// Nothing here takes longer unless it hangs.
const DEADLINE: Duration = Duration::from_secs(20);

/// What the server does with one request.
#[derive(Clone)]
enum Act {
    /// Answers so.
    Answer(Vec<u8>),
    /// Answers so, and then nothing more comes.
    Stall(Vec<u8>),
}

/// A web server that does what the test says: each request is kept, lower-cased, and answered by the script.
struct Store {
    address: String,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Store {
    async fn start(script: impl Fn(usize, &str) -> Act + Send + Sync + 'static) -> Store {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let (script, kept) = (Arc::new(script), Arc::clone(&asked));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (script, kept) = (Arc::clone(&script), Arc::clone(&kept));
                tokio::spawn(async move { serve(stream, &*script, &kept).await });
            }
        });
        Store { address, asked }
    }

    fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }

    /// The requests for the file itself, not for its checksum.
    fn gets(&self) -> Vec<String> {
        self.asked().into_iter().filter(|head| !head.contains(".sha256 ")).collect()
    }

    fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }
}

async fn serve(
    mut stream: TcpStream,
    script: &(dyn Fn(usize, &str) -> Act + Send + Sync),
    kept: &Mutex<Vec<String>>,
) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        match stream.read_u8().await {
            Ok(byte) => head.push(byte),
            Err(_) => return,
        }
    }
    let head = String::from_utf8(head).unwrap().to_lowercase();
    let is_checksum = head.contains(".sha256 ");
    let number = {
        let mut kept = kept.lock().unwrap();
        kept.push(head.clone());
        kept.iter().filter(|head| head.contains(".sha256 ") == is_checksum).count()
    };
    match script(number, &head) {
        Act::Answer(bytes) => drop(stream.write_all(&bytes).await),
        Act::Stall(bytes) => {
            let _ = stream.write_all(&bytes).await;
            // until the other side gives up
            let _ = stream.read_to_end(&mut Vec::new()).await;
        }
    }
}

fn answer(status: &str, headers: &[&str], body: &[u8]) -> Vec<u8> {
    let mut bytes = format!("HTTP/1.1 {status}\r\nConnection: close\r\n").into_bytes();
    for header in headers {
        bytes.extend_from_slice(format!("{header}\r\n").as_bytes());
    }
    bytes.extend_from_slice(b"\r\n");
    bytes.extend_from_slice(body);
    bytes
}

fn ok(body: &[u8]) -> Act {
    let length = format!("Content-Length: {}", body.len());
    Act::Answer(answer("200 OK", &[&length, "ETag: \"one\""], body))
}

fn status(status: &str) -> Act {
    Act::Answer(answer(status, &["Content-Length: 0"], b""))
}

/// There is no checksum beside the file.
fn or_no_checksum(script: impl Fn(usize, &str) -> Act) -> impl Fn(usize, &str) -> Act {
    move |number, head| if head.contains(".sha256 ") { status("404 Not Found") } else { script(number, head) }
}

fn content() -> Vec<u8> {
    (0..100_000_u32).flat_map(u32::to_le_bytes).collect()
}

fn hex_of(bytes: &[u8]) -> String {
    hex::encode(sha2::Sha256::digest(bytes))
}

fn config(cache: &Path) -> SourceConfig {
    SourceConfig {
        cache: Some(cache.to_owned()),
        stall: Duration::from_millis(200),
        give_up: Some(Duration::from_secs(5)),
        ..SourceConfig::default()
    }
}

async fn fetch(config: SourceConfig, url: &str) -> Result<Fetched, FetchError> {
    let location = Location::parse(url).unwrap();
    let progress = Progress::new("model");
    let fetching = Fetcher::new(config);
    tokio::time::timeout(DEADLINE, fetching.fetch(&location, &progress)).await.unwrap()
}

fn files_below(folder: &Path) -> usize {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    entries.map(|entry| if entry.path().is_dir() { files_below(&entry.path()) } else { 1 }).sum()
}

#[tokio::test]
async fn a_file_is_fetched_once_and_asked_for_by_its_version_later() {
    let store = Store::start(or_no_checksum(|_, head| match head.contains("if-none-match: \"one\"") {
        true => status("304 Not Modified"),
        false => ok(&content()),
    }));
    let (store, folder) = (store.await, tempfile::tempdir().unwrap());
    let first = fetch(config(folder.path()), &store.url("/models/lr.model?key=secret")).await.unwrap();
    assert_eq!(first.path.file_name().unwrap(), "lr.model");
    assert_eq!(std::fs::read(&first.path).unwrap(), content());
    let again = fetch(config(folder.path()), &store.url("/models/lr.model?key=secret")).await.unwrap();
    assert_eq!((again.path, again.sha256), (first.path.clone(), first.sha256));
    assert_eq!(store.gets().len(), 2);
    // what was verified once and is damaged now is not served
    std::fs::write(&first.path, "damaged").unwrap();
    let mended = fetch(config(folder.path()), &store.url("/models/lr.model?key=secret")).await.unwrap();
    assert_eq!(std::fs::read(&mended.path).unwrap(), content());
    assert_eq!(files_below(folder.path()), 2, "the file and what is known of it");
}

#[tokio::test]
async fn a_given_checksum_makes_the_store_needless_and_a_wrong_one_refuses() {
    let store = Store::start(|_, _| ok(&content())).await;
    let folder = tempfile::tempdir().unwrap();
    let url = store.url(&format!("/lr.model#sha256={}", hex_of(&content())));
    for _ in 0..2 {
        fetch(config(folder.path()), &url).await.unwrap();
    }
    assert_eq!(store.asked().len(), 1);
    let wrong = store.url(&format!("/lr.model#sha256={}", hex_of(b"other")));
    let error = fetch(config(folder.path()), &wrong).await.unwrap_err();
    assert!(matches!(error, FetchError::Checksum { .. }), "{error}");
    assert_eq!(store.asked().len(), 3, "once more in case it was damaged on the way, and no more");
    let by_setting =
        SourceConfig { sha256: Some(hex_of(b"other").parse().unwrap()), ..config(folder.path()) };
    assert!(matches!(fetch(by_setting, &store.url("/lr.model")).await, Err(FetchError::Checksum { .. })));
}

#[tokio::test]
async fn a_checksum_beside_the_file_is_believed() {
    let digits = Arc::new(Mutex::new(hex_of(b"other")));
    let said = Arc::clone(&digits);
    let store = Store::start(move |_, head| match head.contains(".sha256 ") {
        true => ok(format!("{}  lr.model\n", said.lock().unwrap()).as_bytes()),
        false => ok(&content()),
    });
    let (store, folder) = (store.await, tempfile::tempdir().unwrap());
    let error = fetch(config(folder.path()), &store.url("/lr.model")).await.unwrap_err();
    assert!(matches!(error, FetchError::Checksum { .. }), "{error}");
    *digits.lock().unwrap() = hex_of(&content());
    fetch(config(folder.path()), &store.url("/lr.model")).await.unwrap();
}

#[tokio::test]
async fn a_broken_line_is_taken_up_where_it_broke() {
    let store = Store::start(or_no_checksum(|number, head| {
        let content = content();
        let length = format!("Content-Length: {}", content.len());
        if number == 1 {
            return Act::Answer(answer("200 OK", &[&length, "ETag: \"one\""], &content[..150_000]));
        }
        assert!(head.contains("range: bytes=150000-") && head.contains("if-range: \"one\""), "{head}");
        let range = format!("Content-Range: bytes 150000-{}/{}", content.len() - 1, content.len());
        let rest = &content[150_000..];
        let length = format!("Content-Length: {}", rest.len());
        Act::Answer(answer("206 Partial Content", &[&length, &range, "ETag: \"one\""], rest))
    }));
    let (store, folder) = (store.await, tempfile::tempdir().unwrap());
    let fetched = fetch(config(folder.path()), &store.url("/lr.model")).await.unwrap();
    assert_eq!(std::fs::read(fetched.path).unwrap(), content());
    assert_eq!(store.gets().len(), 2);
}

#[tokio::test]
async fn parts_of_two_versions_are_never_mixed() {
    // the second answer is another file: as a whole, or as the part that was asked for
    for is_part in [false, true] {
        let store = Store::start(or_no_checksum(move |number, _| {
            let (old, new) = (content(), vec![7; 300_000]);
            let length = format!("Content-Length: {}", old.len());
            if number == 1 {
                return Act::Answer(answer("200 OK", &[&length, "ETag: \"old\""], &old[..150_000]));
            }
            if is_part && number == 2 {
                let range = "Content-Range: bytes 150000-299999/300000";
                let headers = ["Content-Length: 150000", range, "ETag: \"new\""];
                return Act::Answer(answer("206 Partial Content", &headers, &new[150_000..]));
            }
            Act::Answer(answer("200 OK", &["Content-Length: 300000", "ETag: \"new\""], &new))
        }));
        let (store, folder) = (store.await, tempfile::tempdir().unwrap());
        let fetched = fetch(config(folder.path()), &store.url("/lr.model")).await.unwrap();
        assert_eq!(std::fs::read(fetched.path).unwrap(), vec![7; 300_000], "{is_part}");
    }
}

#[tokio::test]
async fn a_stalled_store_is_told_of_and_asked_again() {
    let store = Store::start(or_no_checksum(|number, _| match number {
        1 => Act::Stall(answer("200 OK", &["Content-Length: 400000"], &content()[..1000])),
        2 => Act::Stall(Vec::new()),
        _ => ok(&content()),
    }));
    let (store, folder) = (store.await, tempfile::tempdir().unwrap());
    let (location, progress) =
        (Location::parse(&store.url("/lr.model")).unwrap(), Arc::new(Progress::new("")));
    let (told, fetcher) = (Arc::clone(&progress), Fetcher::new(config(folder.path())));
    let fetching = tokio::spawn(async move { fetcher.fetch(&location, &told).await });
    let mut reasons = Vec::new();
    while !fetching.is_finished() {
        reasons.push(progress.reason());
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let fetched = fetching.await.unwrap().unwrap();
    assert_eq!(std::fs::read(fetched.path).unwrap(), content());
    let url = store.url("/lr.model");
    let has = |text: &str| reasons.iter().any(|reason| reason.contains(&url) && reason.contains(text));
    assert!(has("0.0 of 0.4 MB") && has("attempt 1 failed: nothing came for 0.2 s"), "{reasons:?}");
}

#[tokio::test]
async fn too_large_is_refused_by_what_is_said_and_by_what_comes() {
    let folder = tempfile::tempdir().unwrap();
    let small = SourceConfig { max_bytes: 1000, ..config(folder.path()) };
    let said = Store::start(or_no_checksum(|_, _| ok(&content()))).await;
    let unsaid = Store::start(or_no_checksum(|_, _| Act::Answer(answer("200 OK", &[], &content())))).await;
    for store in [said, unsaid] {
        let error = fetch(small.clone(), &store.url("/lr.model")).await.unwrap_err();
        assert!(matches!(error, FetchError::TooLarge { .. }), "{error}");
        assert_eq!(store.gets().len(), 1);
    }
    assert_eq!(files_below(folder.path()), 0);
}

#[tokio::test]
async fn trouble_passes_and_a_refusal_does_not() {
    let folder = tempfile::tempdir().unwrap();
    let troubled = Store::start(or_no_checksum(|number, _| match number {
        1 => status("503 Service Unavailable"),
        2 => status("429 Too Many Requests"),
        _ => ok(&content()),
    }));
    fetch(config(folder.path()), &troubled.await.url("/lr.model")).await.unwrap();
    let absent = Store::start(|_, _| status("404 Not Found")).await;
    let error = fetch(config(folder.path()), &absent.url("/lr.model")).await.unwrap_err();
    assert!(matches!(error, FetchError::Origin { .. }), "{error}");
    assert_eq!(absent.gets().len(), 1);
    let patience = SourceConfig { give_up: Some(Duration::from_millis(500)), ..config(folder.path()) };
    let down = Store::start(|_, _| status("500 Internal Server Error")).await;
    assert!(fetch(patience, &down.url("/lr.model")).await.is_err());
}

#[tokio::test]
async fn a_copy_serves_while_the_store_is_away() {
    let store = Store::start(or_no_checksum(|number, _| match number {
        1 => ok(&content()),
        _ => status("503 Service Unavailable"),
    }));
    let (store, folder) = (store.await, tempfile::tempdir().unwrap());
    fetch(config(folder.path()), &store.url("/lr.model")).await.unwrap();
    let copy = fetch(config(folder.path()), &store.url("/lr.model")).await.unwrap();
    assert_eq!(std::fs::read(copy.path).unwrap(), content());
}

#[tokio::test]
async fn who_we_are_is_told_to_the_first_host_only() {
    let other = Store::start(or_no_checksum(|_, _| ok(b"model"))).await;
    let target = format!("Location: {}", other.url("/elsewhere"));
    let first = Store::start(or_no_checksum(move |_, _| {
        Act::Answer(answer("302 Found", &["Content-Length: 0", &target], b""))
    }));
    let (first, folder) = (first.await, tempfile::tempdir().unwrap());
    let known = SourceConfig { authorization: Some("Bearer abc".to_owned()), ..config(folder.path()) };
    fetch(known, &first.url("/lr.model")).await.unwrap();
    assert!(first.gets()[0].contains("authorization: bearer abc"));
    assert!(!other.gets()[0].contains("authorization"), "{:?}", other.gets());
    let url = first.url("/lr.model").replace("http://", "http://ann:p%40ss@");
    fetch(config(folder.path()), &url).await.unwrap();
    assert!(first.gets()[1].contains("authorization: basic yw5uonbac3m="), "{:?}", first.gets()[1]);
    let circle =
        Store::start(|_, _| Act::Answer(answer("302 Found", &["Location: /x", "Content-Length: 0"], b"")));
    assert!(fetch(config(folder.path()), &circle.await.url("/x")).await.is_err());
}

#[tokio::test]
async fn without_a_folder_to_write_to_the_model_is_held_in_memory() {
    let store = Store::start(or_no_checksum(|_, _| ok(&content()))).await;
    let folder = tempfile::tempdir().unwrap();
    let taken = folder.path().join("a file");
    std::fs::write(&taken, "").unwrap();
    for cache in [None, Some(taken)] {
        let fetched =
            fetch(SourceConfig { cache, ..config(folder.path()) }, &store.url("/lr.model")).await.unwrap();
        assert!(fetched.is_in_memory());
        assert_eq!(std::fs::read(&fetched.path).unwrap(), content());
    }
}

/// A bucket as S3 serves it: objects by path, their list as XML, signed requests only.
fn bucket(head: &str) -> Act {
    if !head.contains("authorization: aws4-hmac-sha256 credential=key/") {
        return status("403 Forbidden");
    }
    let path = head.split(' ').nth(1).unwrap();
    match path.split('?').next().unwrap() {
        "/models/lr.model" => {
            let (length, modified) = ("Content-Length: 5", "Last-Modified: Wed, 12 Oct 2022 17:50:00 GMT");
            let headers = [length, modified, "ETag: \"one\""];
            Act::Answer(answer("200 OK", &headers, if head.starts_with("head") { b"" } else { b"model" }))
        }
        "/models/folder/a/1/lr.model" | "/models/folder/mlmodel" => {
            let headers =
                ["Content-Length: 4", "Last-Modified: Wed, 12 Oct 2022 17:50:00 GMT", "ETag: \"two\""];
            Act::Answer(answer("200 OK", &headers, b"part"))
        }
        "/models" if path.contains("prefix=folder%2f") => {
            let keys = ["folder/a/1/lr.model", "folder/mlmodel", "folder/"].map(|key| {
                format!(
                    "<Contents><Key>{key}</Key><Size>4</Size><ETag>\"two\"</ETag>\
                     <LastModified>2022-10-12T17:50:00.000Z</LastModified></Contents>"
                )
            });
            let list = format!(
                "<ListBucketResult><IsTruncated>false</IsTruncated>{}</ListBucketResult>",
                keys.concat()
            );
            Act::Answer(answer("200 OK", &[&format!("Content-Length: {}", list.len())], list.as_bytes()))
        }
        "/models" => ok(b"<ListBucketResult><IsTruncated>false</IsTruncated></ListBucketResult>"),
        _ => status("404 Not Found"),
    }
}

#[tokio::test]
async fn a_bucket_gives_files_and_folders() {
    let store = Store::start(|_, head| bucket(head)).await;
    let folder = tempfile::tempdir().unwrap();
    let options = ["aws_access_key_id=key", "aws_secret_access_key=secret", "aws_region=r"];
    let mut options: Vec<String> = options.iter().map(ToString::to_string).collect();
    options.push(format!("aws_endpoint={}", store.url("")));
    let config = SourceConfig { options: options.clone(), ..config(folder.path()) };
    let file = fetch(config.clone(), "s3://models/lr.model").await.unwrap();
    assert_eq!(std::fs::read(file.path).unwrap(), b"model");
    for url in ["s3://models/folder", "s3://models/folder/"] {
        let fetched = fetch(config.clone(), url).await.unwrap();
        assert_eq!(std::fs::read(fetched.path.join("a/1/lr.model")).unwrap(), b"part", "{url}");
        assert!(fetched.path.join("mlmodel").exists());
    }
    for url in ["s3://models/absent.model", "s3://models/absent/"] {
        assert!(matches!(fetch(config.clone(), url).await, Err(FetchError::Origin { .. })), "{url}");
    }
    options[0] = "aws_access_key_id=other".to_owned();
    let stranger = SourceConfig { options, ..config };
    let error = fetch(stranger, "s3://models/lr.model").await.unwrap_err();
    assert!(matches!(&error, FetchError::Origin { source, .. } if !source.is_passing), "{error:?}");
}

#[tokio::test]
async fn what_is_local_is_left_where_it_is_and_what_is_unknown_is_refused() {
    let fetched = fetch(SourceConfig::default(), "/models/lr.model").await.unwrap();
    assert_eq!(fetched.path, Path::new("/models/lr.model"));
    let error = fetch(SourceConfig::default(), "oci://registry/models:1").await.unwrap_err();
    assert!(matches!(error, FetchError::Origin { .. }), "{error}");
}
