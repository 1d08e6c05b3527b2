//! `demo`: the whole story, from a table of texts to a rollback, told as it happens.

mod data;
mod deploy;
mod tell;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use bytes::Bytes;
use cluster::{Home, HostNetwork};
use engine::train::{Algorithm, Columns, Dataset, Options};
use image::Reference;
use serde_json::json;

use crate::args::Demo;
use crate::load::{Load, Target};
use crate::output::{self, Advice};
use data::Data;
use deploy::Deployed;
use tell::Tell;

/// How long a rollout may take before the demo gives up: far above what any machine needs.
const PATIENCE: Duration = Duration::from_secs(120);

/// The two models of the story: file, image tag and algorithm.
const MODELS: [(&str, &str, Algorithm); 2] =
    [("lr", "jokemeter:lr", Algorithm::Logistic), ("tr", "jokemeter:tr", Algorithm::Tree)];

/// An image that nobody has built.
const BROKEN: &str = "jokemeter:fake";

/// Tells the story.
pub(crate) fn run(args: &Demo) -> Result<()> {
    let home = Home::find()?;
    let tell = Tell::default();
    let data = data::find(&args.data)?;
    if matches!(cluster::standing(&home, &args.name)?, cluster::Standing::Up(_)) {
        return Err(Advice::error(
            format!("cluster `{}` is up already", args.name),
            format!("`pinnace down --name {}` stops it; `--name` gives the demo another one", args.name),
        ));
    }
    let folder = home.root().join("demo");
    std::fs::create_dir_all(&folder).with_context(|| format!("failed to create `{}`", folder.display()))?;
    for (name, _, algorithm) in MODELS {
        train(&tell, &data, name, algorithm, &folder)?;
    }
    for (name, tag, _) in MODELS {
        build(&tell, &home, tag, &folder.join(format!("{name}.model")))?;
    }
    let stage = Stage::start(&tell, args, &home)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("failed to start threads")?;
    let result = runtime.block_on(act(&tell, &stage, &data, &home));
    stage.end(&tell, args.keep && result.is_ok())?;
    result
}

fn train(tell: &Tell, data: &Data, name: &str, algorithm: Algorithm, folder: &Path) -> Result<()> {
    let path = folder.join(format!("{name}.model"));
    let source = data.path.display();
    tell.step(
        &format!("train `{name}` on {}", data.words),
        &format!("pinnace train {source} --text text --label label --algorithm {algorithm} -o {name}.model"),
    );
    let dataset = Dataset::read(&data.path, &Columns::text("text", "label"))?;
    let trained = crate::train::with_progress(&dataset, &Options::new(algorithm))?;
    trained.model.save(&path)?;
    let accuracy = trained.report.accuracy.map_or(String::new(), |accuracy| {
        format!(", right on {:.0} % of {} held-out rows", accuracy * 100.0, trained.report.rows_held_out)
    });
    tell.done(&format!("{}{accuracy}", trained.model.kind()));
    Ok(())
}

fn build(tell: &Tell, home: &Home, tag: &str, model: &Path) -> Result<()> {
    tell.step(
        &format!("build the image `{tag}`: this program and the model"),
        &format!("pinnace image build -t {tag} --model {}", model.file_name().unwrap_or_default().display()),
    );
    let store = crate::image::open_store(home)?;
    let image = crate::image::build(&store, &Reference::parse(tag)?, model)?;
    tell.done(&format!("{} compressed", output::size(image.size)));
    Ok(())
}

/// The cluster the story plays on.
struct Stage {
    name: String,
    http_port: u16,
}

impl Stage {
    fn start(tell: &Tell, args: &Demo, home: &Home) -> Result<Self> {
        let [api_port, http_port, https_port] = free_ports([6443, 8080, 8443])?;
        let name = &args.name;
        let command = format!(
            "pinnace up -d --name {name} --api-port {api_port} --http-port {http_port} --https-port {https_port}"
        );
        tell.step("start a cluster", &command);
        let executable = std::env::current_exe().context("failed to find the running program")?;
        let output = std::process::Command::new(executable)
            .args(command.split(' ').skip(1))
            .output()
            .context("failed to start `pinnace up`")?;
        if !output.status.success() {
            output::note(String::from_utf8_lossy(&output.stderr));
            bail!("the demo's cluster did not start");
        }
        let stage = Self { name: name.clone(), http_port };
        if home.cluster(name)?.exists() {
            tell.done(&format!("API on {api_port}, Ingress on {http_port}"));
        }
        Ok(stage)
    }

    fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.http_port)
    }

    fn end(&self, tell: &Tell, keep: bool) -> Result<()> {
        if keep {
            let name = &self.name;
            output::note(format!(
                "\nThe cluster stays up, and kubectl's context is `{}`. Try:\n\
                 \n  kubectl get pods -o wide\
                 \n  curl -H 'Host: jokemeter.localhost' {}\
                 \n  pinnace status --name {name}\
                 \n  pinnace down --name {name} --purge",
                cluster::kubeconfig::context_name(name),
                self.url("/api/v1/version"),
            ));
            return Ok(());
        }
        tell.step("stop the cluster", &format!("pinnace down --name {} --purge", self.name));
        let executable = std::env::current_exe().context("failed to find the running program")?;
        let output = std::process::Command::new(executable)
            .args(["down", "--purge", "--name", &self.name])
            .output()
            .context("failed to start `pinnace down`")?;
        if !output.status.success() {
            output::note(String::from_utf8_lossy(&output.stderr));
            bail!("the demo's cluster did not stop");
        }
        tell.done("nothing of it is left");
        Ok(())
    }
}

/// The usual ports, or free ones where those are taken.
fn free_ports(usual: [u16; 3]) -> Result<[u16; 3]> {
    let mut held = Vec::new();
    let mut ports = usual;
    for port in &mut ports {
        let listener = std::net::TcpListener::bind(("127.0.0.1", *port))
            .or_else(|_| std::net::TcpListener::bind(("127.0.0.1", 0)))
            .context("failed to find a free port")?;
        *port = listener.local_addr().context("failed to find a free port")?.port();
        held.push(listener);
    }
    Ok(ports)
}

async fn act(tell: &Tell, stage: &Stage, data: &Data, home: &Home) -> Result<()> {
    let client = cluster::connect(home, &stage.name).await?;
    let deployed = Deployed::new(client);
    first_version(tell, &deployed, stage, data).await?;
    let load = Load::start(&target(stage, data)?);
    let story = second_version_and_back(tell, &deployed, stage, &load).await;
    tell.step(
        "count what the traffic saw, from before the switch until after the rollback",
        "pinnace load URL",
    );
    let tally = load.finish().await;
    tell.done(&format!("{} requests, {} failed", tally.total(), tally.failed()));
    tell.lines(&tally.lines());
    story?;
    if tally.failed() > 0 {
        bail!("{} of {} requests failed during the story", tally.failed(), tally.total());
    }
    Ok(())
}

async fn first_version(tell: &Tell, deployed: &Deployed, stage: &Stage, data: &Data) -> Result<()> {
    tell.step(
        "deploy `jokemeter:lr`: 3 replicas with probes, a Service, an Ingress",
        "kubectl apply -f examples/jokemeter/",
    );
    let applied = deployed.apply().await?;
    deployed.rolled_out(PATIENCE).await?;
    tell.done(&format!("{} applied; 3 of 3 ready", applied.join(", ")));

    tell.step(
        "ask it through the Ingress",
        &format!(
            "curl -H 'Host: jokemeter.localhost' {} -d '{{\"text\": \"…\"}}'",
            stage.url("/api/v1/predict")
        ),
    );
    let mut target = target(stage, data)?;
    let mut answers = Vec::new();
    for text in data.samples.iter().take(3) {
        target.bodies = Arc::from([body(text)]);
        let answer = ask(&target).await?;
        let label = answer["label"].to_string();
        let score = answer["score"].as_f64().context("the answer has no score")?;
        answers.push(format!("{score:.3} {label:<10} {text}"));
    }
    tell.done(&format!("{} answers", answers.len()));
    tell.lines(&answers);
    Ok(())
}

async fn second_version_and_back(tell: &Tell, deployed: &Deployed, stage: &Stage, load: &Load) -> Result<()> {
    let version = stage.url("/api/v1/version");
    tell.step("switch to `jokemeter:tr` while traffic flows", "kubectl set image deployment/jokemeter model=jokemeter:tr && kubectl rollout status deployment/jokemeter");
    deployed.set_image("jokemeter:tr", "decision tree").await?;
    deployed.rolled_out(PATIENCE).await?;
    let (answered, failed) = load.so_far();
    tell.done(&format!("3 of 3 run `tr`; {answered} requests answered so far, {failed} failed"));

    tell.step(
        "deploy an image that does not exist",
        &format!("kubectl set image deployment/jokemeter model={BROKEN}"),
    );
    deployed.set_image(BROKEN, "a typing error").await?;
    let reason = deployed.refused(BROKEN, PATIENCE).await?;
    tell.done(&format!("the new pod waits: {reason}"));

    tell.step(
        "see that the old version keeps serving",
        &format!("curl -H 'Host: jokemeter.localhost' {version}"),
    );
    let serving = settle(load).await;
    let model = deployed.serving().await?;
    tell.done(&format!("{model}; {serving} more requests answered"));

    tell.step("roll back", "kubectl rollout undo deployment/jokemeter");
    deployed.undo().await?;
    deployed.rolled_out(PATIENCE).await?;
    let model = deployed.serving().await?;
    tell.done(&model);
    Ok(())
}

/// Lets traffic flow for a moment; returns how many answers came.
async fn settle(load: &Load) -> u64 {
    let (before, _) = load.so_far();
    let started = Instant::now();
    while load.so_far().0 < before + 200 && started.elapsed() < Duration::from_secs(5) {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    load.so_far().0 - before
}

fn target(stage: &Stage, data: &Data) -> Result<Target> {
    Ok(Target {
        url: stage.url("/api/v1/predict").parse().context("the Ingress has no URL")?,
        host: Some("jokemeter.localhost".to_owned()),
        bodies: data.samples.iter().map(|text| body(text)).collect(),
        content_type: "application/json",
        connections: 2,
        mixed: true,
        fresh: false,
        is_http2: false,
        rate: Some(400.0),
        timeout: Duration::from_secs(10),
        network: HostNetwork::spawn().context("failed to start a thread")?,
    })
}

fn body(text: &str) -> Bytes {
    Bytes::from(json!({"text": text, "joker": "None"}).to_string())
}

async fn ask(target: &Target) -> Result<serde_json::Value> {
    let answer =
        crate::load::once(target).await.map_err(|reason| anyhow::anyhow!("no prediction: {reason}"))?;
    serde_json::from_slice(&answer).context("the prediction is no JSON")
}

/// Where the demo keeps what it fetched.
pub(crate) fn cache_folder() -> Result<PathBuf> {
    let absolute = |name: &str| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    absolute("XDG_CACHE_HOME")
        .or_else(|| absolute("HOME").map(|home| home.join(".cache")))
        .map(|folder| folder.join("pinnace"))
        .context("no cache folder: set `HOME` or `XDG_CACHE_HOME`")
}
