//! `image pull` and `image push`: images from registries and to them, with a bar for each layer.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use anyhow::{Context, Result};
use cluster::HostNetwork;
use image::{Credentials, Digest, ImageStore, Reference, Registry, Transfer, TransferOptions, TransferState};
use indicatif::{MultiProgress, ProgressBar};

use crate::output;

/// Fetches an image.
pub(crate) fn pull(store: &ImageStore, text: &str) -> Result<()> {
    let reference = Reference::parse(text)?;
    let bars = Bars::default();
    let image = run(async {
        let registry = registry()?;
        Ok(registry.pull(store, &reference, &bars.options()?).await?)
    })?;
    bars.clear();
    output::note(format!("pulled `{reference}` ({})", output::size(image.size)));
    output::data(image.digest);
    Ok(())
}

/// Brings an image to the registry that its name says.
pub(crate) fn push(store: &ImageStore, text: &str) -> Result<()> {
    let reference = Reference::parse(text)?;
    let bars = Bars::default();
    let digest = run(async {
        let registry = registry()?;
        Ok(registry.push(store, &reference, &reference, &bars.options()?).await?)
    })?;
    bars.clear();
    output::note(format!("pushed `{reference}`"));
    output::data(digest);
    Ok(())
}

fn registry() -> Result<Registry> {
    let host = HostNetwork::spawn().context("failed to start a thread")?;
    Ok(cluster::registry::registry(host))
}

fn run<T>(work: impl Future<Output = Result<T>>) -> Result<T> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("failed to start threads")?;
    runtime.block_on(work)
}

/// A bar for each blob under way.
#[derive(Clone, Default)]
struct Bars {
    all: MultiProgress,
    by_digest: Arc<Mutex<HashMap<Digest, ProgressBar>>>,
}

impl Bars {
    fn options(&self) -> Result<TransferOptions> {
        let bars = self.clone();
        Ok(TransferOptions {
            credentials: Credentials::of_user()?,
            progress: Arc::new(move |transfer| bars.show(&transfer)),
            ..TransferOptions::default()
        })
    }

    fn show(&self, transfer: &Transfer) {
        let Ok(mut bars) = self.by_digest.lock() else { return };
        let bar = bars.entry(transfer.digest.clone()).or_insert_with(|| {
            let name: String = transfer.digest.to_string().chars().skip("sha256:".len()).take(12).collect();
            self.all.add(output::bar(&name))
        });
        bar.set_position((transfer.done * 100).checked_div(transfer.total).unwrap_or(100));
        if matches!(transfer.state, TransferState::Done | TransferState::Present) {
            bar.finish();
        }
    }

    fn clear(&self) {
        // A terminal that is gone needs no clearing.
        let _ = self.all.clear();
    }
}
