//! `image`: packs this very binary and a model into an OCI image, and keeps the images at hand.

mod archive;
mod transfer;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Context, Result};
use cluster::Home;
use image::{Build, Content, Entry, Image, ImageStore, LayerSpec, Reference};
use serde_json::json;

use crate::args::{ImageBuild, ImageCommand};
use crate::output::{self, Advice};
use crate::tools;

/// The build argument that chooses the model.
const MODEL_TO_USE: &str = "MODEL_TO_USE";

/// The user of a model server: nobody in particular, as in Google's distroless images.
const USER: &str = "65532:65532";

/// Runs one of the image commands.
pub(crate) fn run(command: ImageCommand) -> Result<()> {
    let store = open_store(&Home::find()?)?;
    match command {
        ImageCommand::Build(args) => {
            let started = Instant::now();
            let tag = Reference::parse(&args.tag)?;
            let image = build(&store, &tag, &model_to_use(&args)?)?;
            output::note(format!(
                "built `{tag}` ({}) in {}",
                output::size(image.size),
                output::span(started.elapsed())
            ));
            output::data(&image.config_digest);
        }
        ImageCommand::Ls => list(&store)?,
        ImageCommand::Pull { reference } => transfer::pull(&store, &reference)?,
        ImageCommand::Push { reference } => transfer::push(&store, &reference)?,
        ImageCommand::Tag { existing, new } => {
            store.tag(&Reference::parse(&existing)?, &Reference::parse(&new)?)?;
        }
        ImageCommand::Save { references, output } => archive::save(&store, &references, output.as_deref())?,
        ImageCommand::Load { input, tag } => archive::load(&store, input.as_deref(), tag.as_deref())?,
        ImageCommand::Inspect { reference } => inspect(&store, &reference)?,
        ImageCommand::Rm { references } => {
            for text in references {
                let reference = Reference::parse(&text)?;
                store.remove(&reference)?;
                output::note(format!("removed `{reference}`"));
            }
        }
    }
    Ok(())
}

/// The image store of the user.
pub(crate) fn open_store(home: &Home) -> Result<ImageStore> {
    Ok(ImageStore::open(&home.images())?)
}

/// Builds an image that serves `model`.
pub(crate) fn build(store: &ImageStore, tag: &Reference, model: &Path) -> Result<Image> {
    // A file that is no model should fail here, not in a pod.
    let opened = engine::Model::open(model)?;
    crate::model::warn(&opened);
    let file_name =
        model.file_name().and_then(|name| name.to_str()).context("the model's file name is not UTF-8")?;
    let in_image = format!("/models/{file_name}");
    let executable = std::env::current_exe().context("failed to find the running program")?;
    let build = Build {
        layers: vec![program_layer(executable), model_layer(model, &in_image)?],
        entrypoint: vec!["/pinnace".to_owned(), "serve".to_owned()],
        env: vec![("ML_MODEL_PATH".to_owned(), in_image)],
        exposed_ports: vec!["8000/tcp".to_owned()],
        user: USER.to_owned(),
        stop_signal: Some("SIGTERM".to_owned()),
        labels: BTreeMap::from([
            ("org.opencontainers.image.title".to_owned(), opened.name().to_owned()),
            ("org.opencontainers.image.description".to_owned(), opened.kind().to_owned()),
        ]),
        ..Build::new(tag.clone())
    };
    Ok(store.build(&build)?)
}

/// A model's file with those beside it that opening it reads, or of an MLflow folder the files that opening it reads.
fn model_layer(model: &Path, in_image: &str) -> Result<LayerSpec> {
    let entry = |from: &Path, to: &str, file: &PathBuf| Entry {
        path: format!("{to}/{}", file.display()),
        mode: 0o644,
        content: Content::File(from.join(file)),
    };
    if engine::mlflow::is_folder(model) {
        let files = engine::mlflow::files(model)?;
        return Ok(LayerSpec { entries: files.iter().map(|file| entry(model, in_image, file)).collect() });
    }
    let mut layer = LayerSpec::file(model, in_image, 0o644);
    let (from, to) =
        (model.parent().unwrap_or(Path::new("")), in_image.rsplit_once('/').map_or("", |path| path.0));
    layer.entries.extend(engine::Model::files_beside(model)?.iter().map(|file| entry(from, to, file)));
    Ok(layer)
}

/// The program, under its other names too, and a folder for whatever people bring along.
fn program_layer(executable: PathBuf) -> LayerSpec {
    let mut layer = LayerSpec::file(executable, "/pinnace", 0o755);
    let entry = |path: String, mode, content| Entry { path, mode, content };
    layer.entries.push(entry("/tmp".to_owned(), 0o1777, Content::Folder));
    for name in tools::NAMES {
        layer.entries.push(entry(format!("/bin/{name}"), 0o777, Content::Link("/pinnace".to_owned())));
    }
    layer
}

fn model_to_use(args: &ImageBuild) -> Result<PathBuf> {
    if let Some(model) = &args.model {
        return Ok(model.clone());
    }
    let folder = args.folder.as_deref().context("neither a folder nor `--model` was given")?;
    if engine::mlflow::is_folder(folder) {
        return Ok(folder.to_owned());
    }
    let mut chosen = None;
    for argument in &args.build_arg {
        match argument.split_once('=') {
            Some((MODEL_TO_USE, file)) => chosen = Some(file),
            Some(_) | None => {
                return Err(Advice::error(
                    format!("unknown build argument `{argument}`"),
                    format!("`--build-arg {MODEL_TO_USE}=FILE` chooses the model in the folder"),
                ));
            }
        }
    }
    match chosen {
        Some(file) => inside(folder, file),
        None => only_model(folder),
    }
}

/// The file in the folder, which it must not leave.
fn inside(folder: &Path, file: &str) -> Result<PathBuf> {
    let path = folder.join(file);
    let is_inside = !Path::new(file).is_absolute()
        && Path::new(file)
            .components()
            .all(|part| matches!(part, std::path::Component::Normal(_) | std::path::Component::CurDir));
    if is_inside && (path.is_file() || engine::mlflow::is_folder(&path)) {
        return Ok(path);
    }
    let files = files_in(folder)?;
    let listed = files.iter().filter_map(|path| path.file_name()?.to_str()).collect::<Vec<_>>().join("`, `");
    Err(Advice::error(
        format!("no file `{file}` in `{}`", folder.display()),
        if listed.is_empty() {
            "the folder holds no files".to_owned()
        } else {
            format!("the folder holds `{listed}`")
        },
    ))
}

/// The model of a folder that holds just one.
fn only_model(folder: &Path) -> Result<PathBuf> {
    let models: Vec<PathBuf> =
        files_in(folder)?.into_iter().filter(|path| engine::Model::open(path).is_ok()).collect();
    match models.as_slice() {
        [model] => Ok(model.clone()),
        [] => Err(Advice::error(
            format!("no model in `{}`", folder.display()),
            "`pinnace train` makes one; `--model FILE` names one elsewhere",
        )),
        [first, ..] => Err(Advice::error(
            format!("{} models in `{}`", models.len(), folder.display()),
            format!(
                "choose one: `--build-arg {MODEL_TO_USE}={}`",
                first.file_name().unwrap_or_default().display()
            ),
        )),
    }
}

fn files_in(folder: &Path) -> Result<Vec<PathBuf>> {
    let entries = std::fs::read_dir(folder)
        .with_context(|| format!("failed to read the folder `{}`", folder.display()))?;
    let mut files: Vec<PathBuf> =
        entries.flatten().map(|entry| entry.path()).filter(|path| path.is_file()).collect();
    files.sort();
    Ok(files)
}

fn inspect(store: &ImageStore, text: &str) -> Result<()> {
    let Some(image) = store.resolve(text)? else {
        return Err(Advice::error(
            format!("no image `{text}`"),
            "`pinnace image ls` shows the images at hand",
        ));
    };
    let config = &image.config;
    let layers: Vec<_> = image
        .layers
        .iter()
        .map(|layer| json!({"digest": layer.blob.digest.to_string(), "size": layer.blob.size, "diffID": layer.diff_id.to_string()}))
        .collect();
    let shown = json!({
        "reference": image.reference.as_ref().map(ToString::to_string),
        "digest": image.digest.to_string(),
        "id": image.config_digest.to_string(),
        "size": image.size,
        "created": config.created,
        "platform": format!("{}/{}", config.os, config.architecture),
        "entrypoint": config.entrypoint,
        "cmd": config.cmd,
        "env": config.env.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>(),
        "user": config.user,
        "workingDir": config.working_dir,
        "exposedPorts": config.exposed_ports,
        "volumes": config.volumes,
        "stopSignal": config.stop_signal,
        "labels": config.labels,
        "layers": layers,
    });
    output::data(serde_json::to_string_pretty(&shown)?);
    Ok(())
}

fn list(store: &ImageStore) -> Result<()> {
    let mut rows = Vec::new();
    for info in store.list()? {
        let id = info.config_digest.to_string();
        let short = id.split_once(':').map_or(id.as_str(), |(_, hex)| &hex[..hex.len().min(12)]).to_owned();
        let created = info.created.clone().unwrap_or_default();
        let size = output::size(info.size);
        let names: Vec<String> = info.references.iter().map(ToString::to_string).collect();
        let names = if names.is_empty() { vec!["<none>".to_owned()] } else { names };
        rows.extend(names.into_iter().map(|name| vec![name, short.clone(), created.clone(), size.clone()]));
    }
    output::table(&["IMAGE", "ID", "CREATED", "SIZE"], &rows);
    Ok(())
}
