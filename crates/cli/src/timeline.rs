//! `timeline`: watches a rollout and draws it, on the terminal and as a page.
//!
//! In reading order: `watch` brings the changes, `requests` what the Ingress has counted, `insight::timeline` makes lanes of them, `terminal` draws them
//! while they come, `html` and `svg` afterwards.

mod html;
mod requests;
mod svg;
mod terminal;
#[cfg(test)]
mod tests;
mod watch;

use std::time::Duration;

use anyhow::{Context, Result, bail};
use bytes::Bytes;
use cluster::HostNetwork;
use futures::StreamExt;
use insight::timeline::{Change, Timeline, is_complete};
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::apps::v1::Deployment;
use kube::Api;
use tokio::time::Instant;

use crate::args::look::{Kind, Timeline as Args};
use crate::load::{Load, Target};
use crate::output::{self, Advice, Screen};
use requests::Requests;

/// A rollout that has been complete for so long has ended.
const SETTLED: Duration = Duration::from_secs(1);
/// How often the terminal is drawn: as often as an eye follows.
const FRAME: Duration = Duration::from_millis(200);
/// How often requests are counted.
const READING: Duration = Duration::from_millis(500);

/// What is drawn: the rollout, and when the watch began and ended.
pub(crate) struct Picture<'a> {
    pub(crate) name: &'a str,
    pub(crate) namespace: &'a str,
    pub(crate) timeline: &'a Timeline,
    pub(crate) from: Timestamp,
    pub(crate) to: Timestamp,
}

impl Picture<'_> {
    /// Returns seconds since the start, never less than 0.
    pub(crate) fn seconds(&self, at: Timestamp) -> f64 {
        at.duration_since(self.from).as_secs_f64().max(0.0)
    }

    /// Returns how long the picture is; never 0.
    pub(crate) fn length(&self) -> f64 {
        self.seconds(self.to).max(1.0)
    }
}

/// Watches.
pub(crate) fn run(args: &Args) -> Result<()> {
    if args.subject.kind != Kind::Deployment {
        let message = format!("a timeline is drawn of a Deployment, not of `{}`", args.subject);
        return Err(Advice::error(message, "`pinnace timeline deployment/NAME`"));
    }
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("failed to start threads")?;
    runtime.block_on(follow(args))
}

async fn follow(args: &Args) -> Result<()> {
    let client = crate::why::connect().await?;
    let name = args.subject.name.as_str();
    let namespace = args.namespace.clone().unwrap_or_else(|| client.default_namespace().to_owned());
    let api: Api<Deployment> = Api::namespaced(client.clone(), &namespace);
    let Some(deployment) = api.get_opt(name).await.context("failed to read the Deployment")? else {
        let message = format!("there is no Deployment `{name}` in namespace `{namespace}`");
        return Err(Advice::error(message, "`kubectl get deployments --all-namespaces` shows what there is"));
    };
    let load = args.load.as_deref().map(|url| start_load(args, url)).transpose()?;
    let counters = Requests::of(&client, &namespace, &deployment).await?;
    let mut changes = watch::changes(&client, &namespace, &deployment)?;
    let mut view = View::new(name, &deployment);
    let stop = cluster::stop_signal()?;
    tokio::pin!(stop);
    let end = args.duration.map(|duration| Instant::now() + duration);
    let mut frames = tokio::time::interval(FRAME);
    let mut readings = tokio::time::interval(READING);
    loop {
        tokio::select! {
            change = changes.next() => match change {
                Some(change) => view.take(&change?),
                None => bail!("the watch of the Deployment ended"),
            },
            _ = readings.tick() => {
                let so_far = match &load {
                    Some(load) => Some(load.so_far()),
                    None => counters.so_far().await,
                };
                if let Some((answered, failed)) = so_far {
                    view.take(&Change::Requests { answered, failed });
                }
            }
            _ = frames.tick() => {
                view.draw(&namespace);
                if view.has_ended() || end.is_some_and(|end| Instant::now() >= end) {
                    break;
                }
            }
            () = &mut stop => break,
        }
    }
    view.draw(&namespace);
    if let Some(load) = load {
        load.finish().await.lines().into_iter().for_each(output::note);
    }
    let picture = view.picture(&namespace);
    output::note(html::summary(&picture));
    if let Some(path) = &args.html {
        std::fs::write(path, html::page(&picture))
            .with_context(|| format!("failed to write `{}`", path.display()))?;
        output::note(format!("wrote `{}`", path.display()));
    }
    Ok(())
}

fn start_load(args: &Args, url: &str) -> Result<Load> {
    let target = Target {
        url: url.parse().with_context(|| format!("`{url}` is no URL"))?,
        host: args.host.clone(),
        bodies: args.data.iter().map(|text| Bytes::from(text.clone())).collect(),
        content_type: "application/json",
        connections: 2,
        mixed: true,
        fresh: false,
        is_http2: false,
        rate: Some(args.rate),
        timeout: Duration::from_secs(10),
        network: HostNetwork::spawn().context("failed to start a thread")?,
    };
    if target.url.scheme_str() != Some("http") || target.url.host().is_none() {
        bail!("`{url}` is no URL to send to: use `http://host:port/path`");
    }
    Ok(Load::start(&target))
}

/// The rollout so far, and how it is shown meanwhile.
struct View {
    name: String,
    timeline: Timeline,
    started: Timestamp,
    screen: Option<Screen>,
    /// Moments told, where there is no screen.
    told: terminal::Told,
    /// The generation that was complete when the watch began: the rollout to come has a later one.
    before: Option<i64>,
    /// Whether the pods that were there when the watch began are known.
    is_listed: bool,
    has_begun: bool,
    settled_since: Option<Timestamp>,
}

impl View {
    fn new(name: &str, deployment: &Deployment) -> Self {
        let before = is_complete(deployment).then(|| deployment.metadata.generation.unwrap_or(0));
        Self {
            name: name.to_owned(),
            timeline: Timeline::default(),
            started: Timestamp::now(),
            screen: Screen::find(),
            told: terminal::Told::default(),
            before,
            is_listed: false,
            has_begun: before.is_none(),
            settled_since: None,
        }
    }

    fn take(&mut self, change: &Change) {
        let now = Timestamp::now();
        if let (Change::Deployment(deployment), Some(before)) = (change, self.before) {
            let has_changed = deployment.metadata.generation.unwrap_or(0) > before;
            if has_changed && !self.has_begun {
                self.has_begun = true;
                // A wait before the first change is not part of the rollout: a second of it shows the state before.
                self.started = self.started.max(now - SignedDuration::from_secs(1));
            }
        }
        self.timeline.record(now, change);
        if matches!(change, Change::Pods(_)) && !self.is_listed {
            self.begin(now);
        }
        let is_settled = self.has_begun && self.timeline.is_settled();
        self.settled_since = is_settled.then(|| self.settled_since.unwrap_or(now));
    }

    /// The picture begins after the first list: whatever that tells was so before.
    fn begin(&mut self, now: Timestamp) {
        self.is_listed = true;
        self.started = now + SignedDuration::from_nanos(1);
        if !self.has_begun {
            let name = &self.name;
            output::note(format!(
                "`{name}` is rolled out; waiting for a change of it, such as `kubectl rollout restart deployment/{name}`"
            ));
        }
    }

    fn has_ended(&self) -> bool {
        let settled = SignedDuration::try_from(SETTLED).unwrap_or(SignedDuration::ZERO);
        self.settled_since.is_some_and(|since| Timestamp::now().duration_since(since) >= settled)
    }

    fn picture<'a>(&'a self, namespace: &'a str) -> Picture<'a> {
        let now = Timestamp::now();
        let from = self.started.min(now);
        Picture { name: &self.name, namespace, timeline: &self.timeline, from, to: now }
    }

    fn draw(&mut self, namespace: &str) {
        if let Some(mut screen) = self.screen.take() {
            let frame = terminal::frame(&self.picture(namespace), screen.size(), terminal::Colours::find());
            screen.draw(&frame);
            self.screen = Some(screen);
            return;
        }
        let mut told = std::mem::take(&mut self.told);
        for line in told.news(&self.picture(namespace)) {
            output::data(line);
        }
        self.told = told;
    }
}
