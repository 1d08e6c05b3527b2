//! What people and machines see of a server: the page, explanations, metrics, dashboards, request ids.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on panics")]

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;
use std::time::Duration;

use engine::Model;
use engine::train::{Algorithm, Columns, Dataset, Options, train};
use inference::{AccessLog, Config, JournalConfig, JournalSink, Server, SpanConfig, Telemetry};
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;

/// Nothing here takes longer unless it hangs.
const DEADLINE: Duration = Duration::from_secs(20);

fn table() -> Model {
    let mut csv = "size,city,label\n".to_owned();
    for number in 0..200 {
        let city = if number % 2 == 0 { "Rome" } else { "Oslo" };
        csv += &format!("{},{city},{}\n", number % 50, if number % 2 == 0 { "warm" } else { "cold" });
    }
    let dataset =
        Dataset::read_from(Box::new(std::io::Cursor::new(csv)), "a.csv", &Columns::beside("label")).unwrap();
    train(&dataset, &Options::new(Algorithm::Forest), &mut |_| ()).unwrap().model.named("<b>cities")
}

struct Running {
    address: std::net::SocketAddr,
    stop: oneshot::Sender<()>,
    task: tokio::task::JoinHandle<()>,
}

struct Answer {
    status: u16,
    head: String,
    body: String,
}

impl Answer {
    fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.body))
    }
}

impl Running {
    fn start(telemetry: Telemetry) -> Self {
        let config = Config {
            address: IpAddr::V4(Ipv4Addr::LOCALHOST),
            port: 0,
            drain: Duration::ZERO,
            telemetry,
            ..Config::new("unread.model".into())
        };
        let server = Server::with_model(config, &table()).unwrap();
        let address = server.address();
        let (stop, stopped) = oneshot::channel::<()>();
        let task = tokio::spawn(async move { server.run(async { drop(stopped.await) }).await.unwrap() });
        Running { address, stop, task }
    }

    async fn ask(&self, method: &str, path: &str, headers: &str, body: &str) -> Answer {
        let mut stream = loop {
            if let Ok(stream) = TcpStream::connect(self.address).await {
                break stream;
            }
            tokio::task::yield_now().await;
        };
        let length = body.len();
        let head = format!(
            "{method} {path} HTTP/1.1\r\nhost: a\r\nconnection: close\r\ncontent-length: {length}\r\n{headers}\r\n"
        );
        stream.write_all(head.as_bytes()).await.unwrap();
        stream.write_all(body.as_bytes()).await.unwrap();
        let mut bytes = Vec::new();
        tokio::time::timeout(DEADLINE, stream.read_to_end(&mut bytes)).await.unwrap().unwrap();
        let text = String::from_utf8(bytes).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        Answer { status, head: head.to_ascii_lowercase(), body: body.to_owned() }
    }

    async fn get(&self, path: &str) -> Answer {
        self.ask("GET", path, "", "").await
    }

    async fn post(&self, path: &str, body: &str) -> Answer {
        self.ask("POST", path, "content-type: application/json\r\n", body).await
    }

    async fn finish(self) {
        self.stop.send(()).unwrap();
        tokio::time::timeout(DEADLINE, self.task).await.unwrap().unwrap();
    }
}

const ROW: &str = r#"{"features": {"size": 7, "city": "Rome"}}"#;

#[tokio::test]
async fn explanations_add_up_to_the_score() {
    let server = Running::start(Telemetry::default());
    let answer = server.post("/api/v1/explain", ROW).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    let body = answer.json();
    assert_eq!((&body["model"], &body["version"]), (&"<b>cities".into(), &"1".into()));
    let outputs = body["explanation"].as_array().unwrap();
    assert_eq!(
        outputs.iter().map(|output| output["label"].as_str().unwrap()).collect::<Vec<_>>(),
        ["cold", "warm"]
    );
    for output in outputs {
        let contributions = output["contributions"].as_array().unwrap();
        let sum: f64 = contributions.iter().map(|one| one["contribution"].as_f64().unwrap()).sum();
        assert!((output["base"].as_f64().unwrap() + sum - output["score"].as_f64().unwrap()).abs() < 1e-9);
        assert!(contributions[0]["feature"].as_str().unwrap().starts_with("city = "), "{output}");
    }
    let list = server.post("/api/v1/explain?top=1", r#"{"instances": [[7, "Rome"], [8, "Oslo"]]}"#).await;
    let list = list.json();
    assert_eq!(list["explanations"].as_array().unwrap().len(), 2, "{list}");
    assert_eq!(list["explanations"][0][0]["contributions"].as_array().unwrap().len(), 1);
    assert!(list["explanations"][0][0]["others"]["contribution"].is_f64());
    server.finish().await;
}

#[tokio::test]
async fn bad_requests_for_explanations_are_refused() {
    let server = Running::start(Telemetry::default());
    let rows = vec![r#"[1, "Rome"]"#; 101].join(",");
    for (path, body, status) in [
        ("/api/v1/explain", "", 400),
        ("/api/v1/explain", "{", 400),
        ("/api/v1/explain", "[[[[", 422),
        ("/api/v1/explain?top=x", ROW, 400),
        ("/api/v1/explain", r#"{"text": "a"}"#, 422),
        ("/api/v1/explain", r#"{"features": {"size": 1}}"#, 422),
        ("/api/v1/explain", r#"{"features": {"size": "red", "city": "Rome"}}"#, 422),
        ("/api/v1/explain", &format!("{{\"instances\": [{rows}]}}"), 413),
        ("/api/v1/models/absent/explain", ROW, 404),
        ("/api/v1/models/a/versions/9/explain", ROW, 404),
    ] {
        let answer = server.post(path, body).await;
        let is_expected = answer.status == status || (answer.status == 400 && status == 422);
        assert!(is_expected, "{path} {body}: {} {}", answer.status, answer.body);
        assert!(answer.json()["detail"].is_string(), "{}", answer.body);
    }
    for (method, path) in [("GET", "/api/v1/explain"), ("POST", "/docs"), ("DELETE", "/metrics")] {
        assert_eq!(server.ask(method, path, "", "").await.status, 405, "{method} {path}");
    }
    let unread = server.ask("POST", "/api/v1/explain", "content-type: image/png\r\n", ROW).await;
    assert_eq!(unread.status, 415, "{}", unread.body);
    server.finish().await;
}

#[tokio::test]
async fn the_page_knows_the_models_columns() {
    let server = Running::start(Telemetry::default());
    let page = server.get("/docs").await;
    assert_eq!(page.status, 200);
    assert!(page.head.contains("content-security-policy: default-src 'none'"), "{}", page.head);
    assert!(page.head.contains("content-type: text/html; charset=utf-8"), "{}", page.head);
    let start = page.body.find(r#"<script id="models" type="application/json">"#).unwrap();
    let data = &page.body[start..];
    let data = &data[data.find('>').unwrap() + 1..data.find("</script>").unwrap()];
    let models: Value = serde_json::from_str(data).unwrap();
    let model = &models["models"][0];
    assert_eq!((&model["name"], &model["isExplainable"]), (&"<b>cities".into(), &true.into()));
    assert_eq!(model["columns"][0]["name"], "size");
    assert_eq!(model["columns"][1]["choices"], serde_json::json!(["Oslo", "Rome"]));
    assert!(!page.body.contains("<b>cities"), "a name is markup");
    server.finish().await;
}

#[tokio::test]
async fn requests_are_named_followed_and_kept() {
    let collector = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", collector.local_addr().unwrap());
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("predictions.jsonl");
    let sink = JournalSink::File { path: path.clone(), size: 1 << 20, kept: 1 };
    let server = Running::start(Telemetry {
        spans: Some(SpanConfig { endpoint, sample: 0.0, service: None }),
        access_log: AccessLog::All,
        predictions: Some(JournalConfig { sink, sample: 1.0 }),
    });
    let parent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    let headers = format!("x-request-id: asked-1\r\ntraceparent: {parent}\r\n");
    let answer = server.ask("POST", "/api/v1/predict", &headers, ROW).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    assert!(answer.head.contains("x-request-id: asked-1"), "{}", answer.head);
    // the caller's word to follow counts, whatever the own share is
    let (mut stream, _) = tokio::time::timeout(DEADLINE, collector.accept()).await.unwrap().unwrap();
    let mut seen = String::new();
    while !seen.contains("\"traceId\":\"4bf92f3577b34da6a3ce929d0e0e4736\"") {
        let mut bytes = [0; 4096];
        let read = tokio::time::timeout(DEADLINE, stream.read(&mut bytes)).await.unwrap().unwrap();
        assert!(read > 0, "{seen}");
        seen += &String::from_utf8_lossy(&bytes[..read]);
    }
    assert!(seen.starts_with("POST /v1/traces") && seen.contains("\"service.name\""), "{seen}");
    assert!(seen.contains("\"parentSpanId\":\"00f067aa0ba902b7\""), "{seen}");
    stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}").await.unwrap();
    let line = loop {
        let text = std::fs::read_to_string(&path).unwrap();
        if text.ends_with('\n') {
            break text;
        }
        tokio::task::yield_now().await;
    };
    let line: Value = serde_json::from_str(line.lines().next().unwrap()).unwrap();
    assert_eq!((&line["request_id"], &line["model"]), (&"asked-1".into(), &"<b>cities".into()));
    assert_eq!(line["predictions"][0]["input"]["city"], "Rome");
    assert_eq!(line["predictions"][0]["label"], "warm");
    server.finish().await;
}

/// The names of metrics in an expression of PromQL: words with an underscore that are no labels, functions or ranges.
fn metrics_in(expression: &str) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    let mut rest = expression;
    while let Some(start) = rest.find(['p', 'u']) {
        let at_start = start == 0
            || !rest.as_bytes()[start - 1].is_ascii_alphanumeric() && rest.as_bytes()[start - 1] != b'_';
        let word: String =
            rest[start..].chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '_').collect();
        if at_start && (word.starts_with("pinnace_") || word.starts_with("process_") || word == "up") {
            names.insert(word.clone());
        }
        rest = &rest[start + word.len().max(1)..];
    }
    names
}

/// Every metric that the dashboard and the alerts ask for is one that the server tells of.
#[tokio::test]
async fn the_dashboard_and_the_alerts_ask_for_metrics_that_exist() {
    let folder = tempfile::tempdir().unwrap();
    let sink = JournalSink::File { path: folder.path().join("a"), size: 1000, kept: 1 };
    let predictions = Some(JournalConfig { sink, sample: 1.0 });
    let server = Running::start(Telemetry { predictions, ..Telemetry::default() });
    assert_eq!(server.post("/api/v1/predict", ROW).await.status, 200);
    let text = server.get("/metrics").await.body;
    let mut known = BTreeSet::from(["up".to_owned()]);
    for line in text.lines().filter_map(|line| line.strip_prefix("# TYPE ")) {
        let (name, kind) = line.split_once(' ').unwrap();
        match kind {
            "histogram" => known.extend(["_bucket", "_sum", "_count"].map(|end| format!("{name}{end}"))),
            _ => drop(known.insert(name.to_owned())),
        }
    }
    let deploy = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deploy");
    let dashboard = std::fs::read_to_string(deploy.join("grafana/pinnace.json")).unwrap();
    let dashboard: Value = serde_json::from_str(&dashboard).unwrap();
    let alerts = std::fs::read_to_string(deploy.join("prometheus/alerts.yaml")).unwrap();
    let alerts: Value = serde_saphyr::from_str(&alerts).unwrap();
    let mut expressions = Vec::new();
    for panel in dashboard["panels"].as_array().unwrap() {
        for target in panel["targets"].as_array().into_iter().flatten() {
            expressions.push(target["expr"].as_str().unwrap().to_owned());
        }
    }
    for variable in dashboard["templating"]["list"].as_array().unwrap() {
        expressions.extend(variable["definition"].as_str().map(str::to_owned));
    }
    for rule in alerts["groups"][0]["rules"].as_array().unwrap() {
        assert!(
            rule["annotations"]["summary"].is_string() && rule["labels"]["severity"].is_string(),
            "{rule}"
        );
        expressions.push(rule["expr"].as_str().unwrap().to_owned());
    }
    assert!(expressions.len() > 40, "only {} expressions", expressions.len());
    for expression in &expressions {
        let asked = metrics_in(expression);
        assert!(!asked.is_empty(), "no metric in {expression}");
        let unknown: Vec<&String> = asked.difference(&known).collect();
        assert!(unknown.is_empty(), "{unknown:?} in {expression}");
    }
    server.finish().await;
}
