//! The server over real sockets on the loopback.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on panics")]

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

use bytes::Bytes;
use engine::Model;
use engine::train::{Algorithm, Dataset, Options, train};
use http::{Request, Version};
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use inference::{BuildError, Config, Limits, LoadError, RunError, Server};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

/// Nothing here takes longer unless it hangs.
const DEADLINE: Duration = Duration::from_secs(20);

fn model() -> Model {
    let lines = [("кот смеётся громко", "joke"), ("дождь идёт весь день", "plain")];
    let texts = (0..20).map(|number| lines[number % 2].0.to_owned()).collect();
    let labels: Vec<String> = (0..20).map(|number| lines[number % 2].1.to_owned()).collect();
    let dataset = Dataset::from_texts(texts, &labels);
    train(&dataset, &Options::new(Algorithm::Logistic), &mut |_| ()).unwrap().model.named("lr")
}

fn config() -> Config {
    Config {
        address: IpAddr::V4(Ipv4Addr::LOCALHOST),
        port: 0,
        version: "1.2.3".to_owned(),
        drain: Duration::ZERO,
        ..Config::new("unread.model".into())
    }
}

fn limited(change: impl FnOnce(&mut Limits)) -> Config {
    let mut config = config();
    change(&mut config.limits);
    config
}

struct Running {
    address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    task: JoinHandle<Result<(), RunError>>,
}

impl Running {
    fn start(config: Config) -> Self {
        let server = Server::with_model(config, &model()).unwrap();
        let address = server.address();
        let (stop, stopped) = oneshot::channel::<()>();
        let task = tokio::spawn(server.run(async { drop(stopped.await) }));
        Running { address, stop: Some(stop), task }
    }

    fn stop(&mut self) {
        self.stop.take().unwrap().send(()).unwrap();
    }

    async fn finish(mut self) {
        if self.stop.is_some() {
            self.stop();
        }
        tokio::time::timeout(DEADLINE, self.task).await.unwrap().unwrap().unwrap();
    }

    async fn connect(&self) -> Connection {
        let start = Instant::now();
        loop {
            match TcpStream::connect(self.address).await {
                Ok(stream) => return Connection { stream },
                Err(error) => assert!(start.elapsed() < DEADLINE, "{error}"),
            }
            tokio::task::yield_now().await;
        }
    }

    async fn get(&self, path: &str) -> Answer {
        self.connect().await.ask("GET", path, b"").await
    }

    async fn post(&self, path: &str, body: &str) -> Answer {
        self.connect().await.ask("POST", path, body.as_bytes()).await
    }
}

struct Connection {
    stream: TcpStream,
}

#[derive(Debug)]
struct Answer {
    status: u16,
    head: String,
    body: Vec<u8>,
}

impl Answer {
    fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }
}

impl Connection {
    async fn ask(&mut self, method: &str, path: &str, body: &[u8]) -> Answer {
        let length = body.len();
        let head = format!("{method} {path} HTTP/1.1\r\nhost: test\r\ncontent-length: {length}\r\n\r\n");
        self.send(head.as_bytes()).await;
        self.send(body).await;
        self.answer().await
    }

    async fn send(&mut self, bytes: &[u8]) {
        // a server that refuses early may have closed its side
        let _ = self.stream.write_all(bytes).await;
    }

    async fn answer(&mut self) -> Answer {
        tokio::time::timeout(DEADLINE, self.read_answer()).await.expect("an answer in time")
    }

    async fn read_answer(&mut self) -> Answer {
        let mut bytes = Vec::new();
        loop {
            let end = bytes.windows(4).position(|window| window == b"\r\n\r\n");
            if let Some(end) = end {
                let head = String::from_utf8(bytes[..end].to_vec()).unwrap().to_lowercase();
                let length = head.split("content-length: ").nth(1).unwrap();
                let length: usize = length.split("\r\n").next().unwrap().parse().unwrap();
                if bytes.len() >= end + 4 + length {
                    let status = head[9..12].parse().unwrap();
                    return Answer { status, head, body: bytes[end + 4..].to_vec() };
                }
            }
            let count = self.stream.read_buf(&mut bytes).await.unwrap();
            assert!(count > 0, "closed after {:?}", String::from_utf8_lossy(&bytes));
        }
    }

    async fn is_closed(&mut self) -> bool {
        let mut byte = [0];
        let read = tokio::time::timeout(DEADLINE, self.stream.read(&mut byte)).await.expect("an end in time");
        matches!(read, Ok(0) | Err(_))
    }
}

#[tokio::test]
async fn a_text_gets_its_label_score_and_probabilities() {
    let server = Running::start(config());
    let mut connection = server.connect().await;
    let body = json!({ "text": "Кот опять смеётся", "joker": "None" }).to_string();
    let answer = connection.ask("POST", "/api/v1/predict", body.as_bytes()).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let one = answer.json();
    assert_eq!((&one["model"], &one["label"]), (&json!("lr"), &json!("joke")));
    let probabilities = [&one["probabilities"]["joke"], &one["probabilities"]["plain"]];
    assert!(probabilities[0].as_f64() > probabilities[1].as_f64());
    assert_eq!(&one["score"], probabilities[1]);
    // the same connection again, many texts at once
    let body = json!({ "texts": ["Кот опять смеётся", "дождь"] }).to_string();
    let many = connection.ask("POST", "/api/v1/predict", body.as_bytes()).await.json();
    assert_eq!(many["predictions"][0]["score"], one["score"]);
    assert_eq!(many["predictions"][1]["label"], "plain");
    server.finish().await;
}

#[tokio::test]
async fn version_probes_and_metrics_answer() {
    let server = Running::start(config());
    let version = server.get("/api/v1/version").await.json();
    assert_eq!((&version["version"], &version["model"]), (&json!("1.2.3"), &json!("lr")));
    assert_eq!(version["kind"], "tf-idf + logistic regression");
    for probe in ["startup", "ready", "health"] {
        assert_eq!(server.get(&format!("/api/v1/{probe}")).await.status, 200);
    }
    assert_eq!(server.get("/nowhere?text=%3Cscript%3E").await.status, 404);
    let metrics = server.get("/metrics").await;
    let text = String::from_utf8(metrics.body).unwrap();
    assert!(text.contains("pinnace_requests_total{path=\"/api/v1/ready\",code=\"200\"} 1"), "{text}");
    assert!(text.contains("pinnace_requests_total{path=\"other\",code=\"404\"} 1"), "{text}");
    assert!(!text.contains("%3Cscript") && !text.contains("<script"), "{text}");
    server.finish().await;
}

#[tokio::test]
async fn bad_requests_are_told_what_is_wrong() {
    let server = Running::start(limited(|limits| limits.max_body = 100));
    let answer = server.post("/api/v1/predict", "{\"joker\": 1}").await;
    assert_eq!((answer.status, &answer.json()["field"]), (422, &json!("text")));
    let answer = server.post("/api/v1/predict", "{\"features\": [1, 2]}").await;
    let expected = json!({
        "type": "urn:pinnace:problem:unfit-input",
        "title": "the input is not what the model takes",
        "status": 422,
        "detail": "the model takes a text, not numbers",
        "error": "the model takes a text, not numbers",
        "field": "features",
        "example": { "text": "why did the pod restart" },
    });
    assert_eq!((answer.status, answer.json()), (422, expected));
    assert_eq!(server.post("/api/v1/predict", "not json").await.status, 400);
    assert_eq!(server.post("/api/v1/predict", &"x".repeat(101)).await.status, 413);
    let answer = server.get("/api/v1/predict").await;
    assert_eq!(answer.status, 405);
    assert!(answer.head.contains("allow: post"), "{answer:?}");
    let answer = server.post("/api/v1/ready", "").await;
    assert!(answer.status == 405 && answer.head.contains("allow: get, head"), "{answer:?}");
    server.finish().await;
}

#[tokio::test]
async fn a_chunked_body_is_bounded_too() {
    let server = Running::start(limited(|limits| limits.max_body = 10));
    let mut connection = server.connect().await;
    connection
        .send(b"POST /api/v1/predict HTTP/1.1\r\nhost: t\r\ntransfer-encoding: chunked\r\n\r\n14\r\n")
        .await;
    connection.send(&[b' '; 20]).await;
    assert_eq!(connection.answer().await.status, 413);
    server.finish().await;
}

#[tokio::test]
async fn requests_beyond_the_bound_are_refused_at_once() {
    let server = Running::start(limited(|limits| limits.max_concurrent = 1));
    let mut slow = server.connect().await;
    slow.send(b"POST /api/v1/predict HTTP/1.1\r\nhost: t\r\ncontent-length: 18\r\n\r\n{\"text\":").await;
    // the head has arrived once the server counts the request as under way
    let start = Instant::now();
    loop {
        let metrics = String::from_utf8(server.get("/metrics").await.body).unwrap();
        if metrics.contains("in_flight 2") {
            break;
        }
        assert!(start.elapsed() < DEADLINE, "{metrics}");
    }
    let refused = server.post("/api/v1/predict", "{\"text\":\"a\"}").await;
    assert_eq!((refused.status, &refused.json()["error"]), (429, &json!("overloaded: try again later")));
    assert_eq!(server.get("/api/v1/health").await.status, 200);
    slow.send(b"\"abcdef\" }").await;
    assert_eq!(slow.answer().await.status, 200);
    server.finish().await;
}

#[tokio::test]
async fn slow_senders_are_cut_off() {
    let server = Running::start(limited(|limits| limits.read_timeout = Duration::from_millis(50)));
    let mut body = server.connect().await;
    body.send(b"POST /api/v1/predict HTTP/1.1\r\nhost: t\r\ncontent-length: 18\r\n\r\n{").await;
    assert_eq!(body.answer().await.status, 408);
    let mut head = server.connect().await;
    head.send(b"GET /api/v1/version HT").await;
    assert!(head.is_closed().await);
    server.finish().await;
}

#[tokio::test]
async fn connections_are_refused_until_the_start_is_over() {
    let server = Running::start(Config { startup_delay: Duration::from_millis(300), ..config() });
    let error = TcpStream::connect(server.address).await.unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::ConnectionRefused);
    assert_eq!(server.get("/api/v1/ready").await.status, 200);
    server.finish().await;
}

#[tokio::test]
async fn a_stop_during_the_delayed_start_is_heard() {
    Running::start(Config { startup_delay: Duration::from_secs(3600), ..config() }).finish().await;
}

#[tokio::test]
async fn probes_fail_after_the_time_given_but_predictions_go_on() {
    let server = Running::start(Config { fail_after: Some(Duration::ZERO), ..config() });
    assert_eq!(server.get("/api/v1/health").await.status, 500);
    assert_eq!(server.get("/api/v1/ready").await.status, 500);
    assert_eq!(server.get("/api/v1/startup").await.status, 200);
    assert_eq!(server.post("/api/v1/predict", "{\"text\":\"a\"}").await.status, 200);
    server.finish().await;
}

#[tokio::test]
async fn a_draining_server_answers_but_asks_to_go_elsewhere() {
    let mut server = Running::start(Config { drain: DEADLINE, ..config() });
    let mut kept = server.connect().await;
    let before = kept.ask("GET", "/api/v1/ready", b"").await;
    assert!(!before.head.contains("connection: close"));
    server.stop();
    let start = Instant::now();
    while server.get("/api/v1/ready").await.status != 503 {
        assert!(start.elapsed() < DEADLINE);
    }
    let answer = kept.ask("POST", "/api/v1/predict", b"{\"text\":\"a\"}").await;
    assert_eq!(answer.status, 200);
    assert!(answer.head.contains("connection: close"), "{answer:?}");
    assert!(kept.is_closed().await);
    assert_eq!(server.get("/api/v1/health").await.status, 200);
    server.task.abort();
}

#[tokio::test]
async fn a_request_under_way_is_finished_before_the_server_stops() {
    let mut server = Running::start(config());
    let mut slow = server.connect().await;
    slow.send(b"POST /api/v1/predict HTTP/1.1\r\nhost: t\r\ncontent-length: 18\r\n\r\n{\"text\":").await;
    while !String::from_utf8_lossy(&server.get("/metrics").await.body).contains("in_flight 2") {}
    server.stop();
    // not listening any more, yet waiting for the slow one
    let start = Instant::now();
    while TcpStream::connect(server.address).await.is_ok() {
        assert!(start.elapsed() < DEADLINE);
    }
    slow.send(b"\"abcdef\" }").await;
    assert_eq!(slow.answer().await.status, 200);
    server.finish().await;
}

#[tokio::test]
async fn http2_without_tls_is_spoken_too() {
    let server = Running::start(config());
    let client: Client<_, Full<Bytes>> = Client::builder(TokioExecutor::new()).http2_only(true).build_http();
    drop(server.connect().await);
    let uri = format!("http://{}/api/v1/predict", server.address);
    let request = Request::post(uri).body(Full::from("{\"text\":\"кот\"}")).unwrap();
    let answer = client.request(request).await.unwrap();
    assert_eq!((answer.version(), answer.status().as_u16()), (Version::HTTP_2, 200));
    let body = answer.into_body().collect().await.unwrap().to_bytes();
    assert_eq!(serde_json::from_slice::<Value>(&body).unwrap()["label"], "joke");
    drop(client);
    server.finish().await;
}

#[tokio::test]
async fn a_taken_port_and_a_missing_model_are_told_at_build() {
    let server = Running::start(config());
    assert_eq!(server.get("/api/v1/ready").await.status, 200);
    let taken = Server::with_model(Config { port: server.address.port(), ..config() }, &model());
    let Err(BuildError::Reserve { address, source }) = taken else { panic!("the port is taken") };
    assert_eq!((address, source.kind()), (server.address, std::io::ErrorKind::AddrInUse));
    let missing = Server::build(config());
    assert!(matches!(missing, Err(BuildError::Model(LoadError::Folder(_)))));
    server.finish().await;
}

#[tokio::test]
async fn the_open_inference_protocol_is_spoken() {
    let server = Running::start(config());
    assert_eq!(server.get("/v2/health/live").await.json(), json!({ "live": true }));
    assert_eq!(server.get("/v2/health/ready").await.json(), json!({ "ready": true }));
    assert_eq!(server.get("/v2").await.json()["version"], "1.2.3");
    let metadata = server.get("/v2/models/lr").await.json();
    assert_eq!(metadata["inputs"], json!([{ "name": "text", "datatype": "BYTES", "shape": [-1] }]));
    assert_eq!(
        metadata["outputs"][1],
        json!({ "name": "predict_proba", "datatype": "FP64", "shape": [-1, 2] })
    );
    assert_eq!(server.get("/v2/models/lr/versions/1/ready").await.status, 200);
    assert_eq!(server.get("/v2/models/other").await.status, 404);
    let body = json!({
        "id": "7",
        "inputs": [{ "name": "text", "shape": [2], "datatype": "BYTES", "data": ["кот", "дождь"] }],
        "outputs": [{ "name": "predict" }],
    });
    let answer = server.post("/v2/models/lr/infer", &body.to_string()).await;
    let expected = json!({
        "model_name": "lr", "model_version": "1", "id": "7",
        "outputs": [{ "name": "predict", "shape": [2], "datatype": "BYTES", "data": ["joke", "plain"] }],
    });
    assert_eq!((answer.status, answer.json()), (200, expected));
    let index = server.post("/v2/repository/index", "").await.json();
    assert_eq!(index, json!([{ "name": "lr", "version": "1", "state": "READY", "reason": "" }]));
    let wrong = body.to_string().replace("дождь\"]", "дождь\", 3]");
    let refused = server.post("/v2/models/lr/infer", &wrong).await;
    assert_eq!((refused.status, &refused.json()["field"]), (422, &json!("inputs[0].data[2]")));
    server.finish().await;
}

#[tokio::test]
async fn binary_tensors_follow_the_json() {
    let server = Running::start(config());
    let head = r#"{"parameters":{"binary_data_output":true},"inputs":[{"name":"text","shape":[1],"datatype":"BYTES","parameters":{"binary_data_size":10}}]}"#;
    let bytes = [&6u32.to_le_bytes()[..], "кот".as_bytes()].concat();
    let length = head.len();
    let request = format!(
        "POST /v2/models/lr/infer HTTP/1.1\r\nhost: t\r\ninference-header-content-length: {length}\r\ncontent-length: {}\r\n\r\n{head}",
        length + bytes.len()
    );
    let mut connection = server.connect().await;
    connection.send(request.as_bytes()).await;
    connection.send(&bytes).await;
    let answer = connection.answer().await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let length = answer.head.split("inference-header-content-length: ").nth(1).unwrap();
    let length: usize = length.split("\r\n").next().unwrap().parse().unwrap();
    let json: Value = serde_json::from_slice(&answer.body[..length]).unwrap();
    assert_eq!(json["outputs"][0]["parameters"]["binary_data_size"], 8);
    assert_eq!(&answer.body[length..length + 8], b"\x04\0\0\0joke");
    server.finish().await;
}

#[tokio::test]
async fn kserve_clients_and_model_routes_are_answered() {
    let server = Running::start(config());
    let answer =
        server.post("/v1/models/lr:predict", r#"{"instances": ["кот", {"text": "дождь"}]}"#).await.json();
    assert_eq!(answer["predictions"], json!(["joke", "plain"]));
    assert_eq!(server.get("/v1/models/lr").await.json(), json!({ "name": "lr", "ready": true }));
    assert_eq!(server.get("/v1/models").await.json(), json!({ "models": ["lr"] }));
    let by_path = server.post("/api/v1/models/lr/versions/1/predict", r#"{"text": "кот"}"#).await;
    assert_eq!(by_path.json()["label"], "joke");
    assert_eq!(server.post("/api/v1/models/lr/versions/2/predict", "{}").await.status, 404);
    assert_eq!(server.get("/api/v1/models").await.json()["models"][0]["status"], "ready");
    assert_eq!(server.post("/api/v1/models/other/load", "").await.status, 404);
    assert_eq!(server.post("/api/v1/models/lr/unload", "").await.status, 200);
    assert_eq!(server.post("/api/v1/predict", r#"{"text": "кот"}"#).await.status, 503);
    let document = server.get("/openapi.json").await.json();
    assert_eq!(document["openapi"], "3.1.0");
    server.finish().await;
}

#[tokio::test]
async fn versions_are_replaced_while_requests_go_on() {
    let folder = tempfile::tempdir().unwrap();
    let place = |version: &str| {
        std::fs::create_dir_all(folder.path().join("jokes").join(version)).unwrap();
        folder.path().join("jokes").join(version).join("m.model")
    };
    model().save(&place("1")).unwrap();
    let poll = Some(Duration::from_millis(20));
    let server = Server::build(Config { model_path: folder.path().to_owned(), poll, ..config() }).unwrap();
    let address = server.address();
    let (stop, stopped) = oneshot::channel::<()>();
    let task = tokio::spawn(server.run(async { drop(stopped.await) }));
    let server = Running { address, stop: Some(stop), task };
    let version = async || {
        let described = server.get("/api/v1/models/jokes").await.json();
        described["version"].as_str().map(str::to_owned)
    };
    assert_eq!(version().await.as_deref(), Some("1"));
    model().save(&place("2")).unwrap();
    let start = Instant::now();
    while version().await.as_deref() != Some("2") {
        assert_eq!(server.post("/api/v1/predict", r#"{"text": "кот"}"#).await.status, 200);
        assert!(start.elapsed() < DEADLINE);
    }
    // a broken successor changes nothing but what is told
    std::fs::write(place("2"), "no model").unwrap();
    let reason = loop {
        let ready = server.get("/api/v1/ready").await;
        assert_eq!(ready.status, 200);
        if let Some(reason) = ready.json()["reason"].as_str() {
            break reason.to_owned();
        }
        assert!(start.elapsed() < DEADLINE);
    };
    assert!(reason.contains("`jokes` version `2`") && reason.contains("goes on"), "{reason}");
    assert_eq!(version().await.as_deref(), Some("2"));
    let refused = server.post("/api/v1/models/jokes/versions/2/load", "").await;
    assert_eq!(refused.status, 422, "{refused:?}");
    std::fs::write(folder.path().join("jokes/policy.yaml"), "default: 1\naliases: {stable: 1}").unwrap();
    while version().await.as_deref() != Some("1") {
        assert!(start.elapsed() < DEADLINE);
    }
    assert_eq!(
        server.post("/api/v1/models/jokes/versions/stable/predict", r#"{"text": "кот"}"#).await.status,
        200
    );
    server.finish().await;
}
