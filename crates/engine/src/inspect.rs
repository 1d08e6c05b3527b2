//! Says what a file is without predicting with it, and without running anything in it.
//!
//! [`calls`] judges what loading a pickle in Python would have called, `outline` draws the model as a tree. A file that
//! the engine refuses to predict with is told about as well, as far as it can be read: malicious ones above all.

mod calls;
mod outline;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde::Serialize;

pub use calls::{Call, Danger};
pub use outline::Part;

use crate::mlflow;
use crate::model::{Cell, Input, InputKind, Label, Model, OpenError, open};
use crate::pickle::{self, packing};

/// What a file is.
#[derive(Debug, Clone, Serialize)]
pub struct Inspection {
    /// The file or folder.
    pub path: PathBuf,
    /// Its bytes on disk.
    pub bytes: u64,
    /// The format, in words.
    pub format: String,
    /// The model, if the engine predicts with it.
    pub model: Option<Summary>,
    /// Why the engine does not predict with it: what failed, then its causes.
    pub refusal: Vec<String>,
    /// What to know before relying on it.
    pub warnings: Vec<String>,
    /// The parts of the model.
    pub outline: Vec<Part>,
    /// For a pickle: what loading it in Python would have called, the dangerous first.
    pub calls: Option<Vec<Call>>,
}

/// A model that can be predicted with.
#[derive(Debug, Clone, Serialize)]
pub struct Summary {
    /// Who made it.
    pub origin: String,
    /// What it is, in words.
    pub kind: String,
    /// What its inputs are: `text`, `numbers`, `cells`.
    pub input: &'static str,
    /// The number of inputs.
    pub inputs: usize,
    /// The names of its inputs; empty when the file does not name them.
    pub names: Vec<String>,
    /// Its classes; empty if it predicts numbers.
    pub classes: Vec<Label>,
    /// How it is computed here, in words, where there is a choice.
    pub kernel: Option<String>,
    /// What predicting one row takes, in seconds; nothing where no row could be made up.
    pub seconds_alone: Option<f64>,
    /// What a row takes in a batch of 256, in seconds.
    pub seconds_in_batch: Option<f64>,
}

/// Looks at a file.
///
/// # Errors
/// When it cannot be read; a file that is no model is told about, not refused.
pub fn inspect(path: &Path) -> Result<Inspection, OpenError> {
    std::fs::metadata(path).map_err(|source| OpenError::Read { path: path.to_owned(), source })?;
    let opened = Model::open(path);
    let (model, mut refusal) = match &opened {
        Ok(model) => (Some(model), Vec::new()),
        Err(error) => (None, causes(error)),
    };
    let mut inspection = Inspection {
        path: path.to_owned(),
        bytes: size(path),
        format: String::new(),
        warnings: model.map(|model| model.warnings().to_vec()).unwrap_or_default(),
        outline: model.map(|model| outline::of_parts(model.parts())).unwrap_or_default(),
        model: model.map(|model| summary(model, example(path))),
        refusal: Vec::new(),
        calls: None,
    };
    describe(path, &mut inspection);
    if inspection.format.is_empty() {
        inspection.format = model.map_or_else(|| "unknown".to_owned(), |model| model.origin().to_owned());
    }
    inspection.refusal.append(&mut refusal);
    Ok(inspection)
}

fn causes(error: &OpenError) -> Vec<String> {
    let mut all = vec![error.to_string()];
    let mut next = std::error::Error::source(error);
    while let Some(cause) = next {
        all.push(cause.to_string());
        next = cause.source();
    }
    all
}

/// The bytes of a file, or of the files in a folder.
fn size(path: &Path) -> u64 {
    match std::fs::read_dir(path) {
        Ok(entries) => {
            entries.flatten().filter_map(|entry| entry.metadata().ok()).map(|metadata| metadata.len()).sum()
        }
        Err(_) => std::fs::metadata(path).map_or(0, |metadata| metadata.len()),
    }
}

/// Reads what the bytes tell, whether the engine predicts with them or not.
fn describe(path: &Path, inspection: &mut Inspection) {
    let folder = mlflow::is_folder(path).then(|| mlflow::locate(path).ok()).flatten();
    let path = folder.as_ref().map_or(path, |folder| &folder.file);
    let Ok(bytes) = open::read(path) else { return };
    let packed = std::fs::File::open(path).and_then(|mut file| {
        let mut start = [0; 8];
        std::io::Read::read_exact(&mut file, &mut start).map(|()| start)
    });
    let packing = packed
        .ok()
        .and_then(|start| packing::sniff(&start))
        .map(|packing| format!(", {packing:?}").to_lowercase());
    if let Some((producer, opsets, nodes)) =
        open::is_onnx(&bytes).then(|| crate::onnx::outline(&bytes, path.parent())).flatten()
    {
        inspection.format = format!("ONNX{producer}, operator sets {opsets}");
        inspection.outline = nodes;
    } else if crate::skops::is_skops(&bytes) {
        inspection.format = "skops archive".to_owned();
        let graph = crate::skops::Archive::open(&bytes, open::LIMIT).ok().map(|archive| {
            crate::skops::graph(&archive).map(|graph| outline::of_pickle(graph.root())).unwrap_or_default()
        });
        inspection.outline = graph.unwrap_or_default();
    } else if open::may_be_pickle(&bytes) {
        let (graph, problem) = pickle::scan(&bytes);
        let protocol = if bytes[0] == 0x80 { bytes.get(1).copied().unwrap_or(0) } else { 0 };
        let packing = packing
            .map_or_else(String::new, |packing| packing.replace("known(", "packed by ").replace(')', ""));
        inspection.format = format!("Python pickle, protocol {protocol}{packing}");
        inspection.calls = Some(calls::judged(&graph));
        inspection.outline = outline::of_pickle(graph.root());
        if let Some(problem) = problem {
            inspection.warnings.push(format!("what follows is of the part before the damage: {problem}"));
        }
    }
    if let Some(folder) = folder {
        let inner = if inspection.format.is_empty() { folder.flavour } else { &inspection.format };
        inspection.format =
            format!("MLflow folder, {} ({inner})", folder.file.file_name().unwrap_or_default().display());
    }
}

/// The row that an MLflow folder gives as an example.
fn example(path: &Path) -> Option<Input> {
    let folder = mlflow::is_folder(path).then(|| mlflow::locate(path).ok()).flatten()?;
    folder.example.map(Input::Cells)
}

fn summary(model: &Model, example: Option<Input>) -> Summary {
    let (input, inputs, names) = match model.input() {
        InputKind::Text => ("text", 1, Vec::new()),
        InputKind::Numbers { count, names } => ("numbers", count, names),
        InputKind::Cells { count, names } => ("cells", count, names),
    };
    let (alone, batched) = latency(model, example);
    Summary {
        origin: model.origin().to_owned(),
        kind: model.kind().to_owned(),
        input,
        inputs,
        names,
        classes: model.classes().to_vec(),
        kernel: model.parts().head.as_ref().and_then(crate::fitted::Head::kernel),
        seconds_alone: alone.map(|time| time.as_secs_f64()),
        seconds_in_batch: batched.map(|time| time.as_secs_f64()),
    }
}

/// The median time of a made-up row, alone and in a batch, measured for some hundredths of a second.
fn latency(model: &Model, example: Option<Input>) -> (Option<Duration>, Option<Duration>) {
    const BATCH: u32 = 256;
    let row = match model.input() {
        InputKind::Text => Input::from("the quick brown fox jumps over the lazy dog, ещё раз"),
        InputKind::Numbers { count, .. } => {
            Input::Row((0u8..=250).cycle().take(count).map(|step| f64::from(step) / 50.0 - 1.0).collect())
        }
        InputKind::Cells { count, .. } => Input::Cells(vec![Cell::Number(1.0); count]),
    };
    let row = match (model.predict(&row), model.input()) {
        _ if example.as_ref().is_some_and(|example| model.predict(example).is_ok()) => example.unwrap_or(row),
        (Err(_), InputKind::Cells { count, .. }) => Input::Cells(vec![Cell::Text("a".to_owned()); count]),
        _ => row,
    };
    if model.predict(&row).is_err() {
        return (None, None);
    }
    let alone = median(|| drop(model.predict(&row)));
    let rows = vec![row.clone(); BATCH as usize];
    (Some(alone), Some(median(|| drop(model.predict_batch(&rows))) / BATCH))
}

fn median(mut run: impl FnMut()) -> Duration {
    const LONG_ENOUGH: Duration = Duration::from_millis(60);
    const MOST: usize = 2000;
    let started = Instant::now();
    let mut times = Vec::new();
    while times.len() < 3 || (started.elapsed() < LONG_ENOUGH && times.len() < MOST) {
        let start = Instant::now();
        run();
        times.push(start.elapsed());
    }
    times.sort_unstable();
    times[times.len() / 2]
}

#[cfg(test)]
mod tests;
