//! `image save` and `image load`: images in one file.

use std::fs::File;
use std::io::{self, IsTerminal, Read, Write};
use std::path::Path;

use anyhow::{Context, Result};
use image::{ImageStore, LoadOptions, Reference};

use crate::output::{self, Advice};

/// Writes images to a file, whole or not at all, or to standard output.
pub(crate) fn save(store: &ImageStore, names: &[String], file: Option<&Path>) -> Result<()> {
    let references = names.iter().map(|name| Reference::parse(name)).collect::<Result<Vec<_>, _>>()?;
    let Some(path) = file else {
        if io::stdout().is_terminal() {
            return Err(Advice::error(
                "an archive is nothing for a terminal",
                "name a file: `-o images.tar`",
            ));
        }
        return Ok(store.save(&references, io::stdout().lock())?);
    };
    let failed = || format!("failed to write `{}`", path.display());
    let mut temporary = path.as_os_str().to_owned();
    temporary.push(".part");
    let write = || -> Result<()> {
        let mut file = File::create(&temporary).with_context(failed)?;
        store.save(&references, &mut file)?;
        file.flush().and_then(|()| file.sync_all()).with_context(failed)?;
        std::fs::rename(&temporary, path).with_context(failed)
    };
    write().inspect_err(|_| {
        let _ = std::fs::remove_file(&temporary);
    })?;
    output::note(format!("saved {} to `{}`", names.join(", "), path.display()));
    Ok(())
}

/// Takes images from a file or from standard input.
pub(crate) fn load(store: &ImageStore, file: Option<&Path>, name: Option<&str>) -> Result<()> {
    let name_of_input =
        file.map_or_else(|| "standard input".to_owned(), |path| format!("`{}`", path.display()));
    let input: Box<dyn Read> = match file {
        Some(path) => {
            Box::new(File::open(path).with_context(|| format!("failed to read `{}`", path.display()))?)
        }
        None => Box::new(io::stdin().lock()),
    };
    let options = LoadOptions { name: name.map(Reference::parse).transpose()? };
    let loaded = store.load(input, &options);
    for image in loaded.with_context(|| format!("no images in {name_of_input}"))? {
        let name = image.reference.as_ref().map_or_else(|| image.digest.to_string(), ToString::to_string);
        output::note(format!("loaded `{name}` ({})", output::size(image.size)));
    }
    Ok(())
}
