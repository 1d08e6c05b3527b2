//! Where everything lives: one folder for images and clusters.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

/// The one folder Pinnace writes to.
///
/// `$PINNACE_HOME`, else `$XDG_DATA_HOME/pinnace`, else `~/.local/share/pinnace`.
/// `images/` is shared by every cluster of the user, `clusters/<name>/` belongs to one.
#[derive(Debug, Clone)]
pub struct Home {
    root: PathBuf,
}

impl Home {
    /// Finds the folder from the environment; creates nothing.
    ///
    /// # Errors
    /// When neither `PINNACE_HOME`, `XDG_DATA_HOME` nor `HOME` is an absolute path.
    pub fn find() -> Result<Self> {
        let absolute =
            |name: &str| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
        let root = absolute("PINNACE_HOME")
            .or_else(|| absolute("XDG_DATA_HOME").map(|path| path.join("pinnace")))
            .or_else(|| absolute("HOME").map(|path| path.join(".local/share/pinnace")))
            .context(
                "no home folder: set `HOME`, or `PINNACE_HOME` to the folder to keep images and clusters in",
            )?;
        Ok(Self { root })
    }

    /// A home at a given folder.
    #[must_use]
    pub fn at(root: PathBuf) -> Self {
        Self { root }
    }

    /// The folder itself.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The image store that all clusters of this user share.
    #[must_use]
    pub fn images(&self) -> PathBuf {
        self.root.join("images")
    }

    /// The folder of the cluster with this name.
    ///
    /// # Errors
    /// When the name is not a DNS label of at most 40 characters.
    pub fn cluster(&self, name: &str) -> Result<PathBuf> {
        check_name(name)?;
        Ok(self.root.join("clusters").join(name))
    }

    /// The names of the clusters that have a folder, sorted.
    ///
    /// # Errors
    /// When the folder exists but can't be read.
    pub fn cluster_names(&self) -> Result<Vec<String>> {
        let folder = self.root.join("clusters");
        let entries = match std::fs::read_dir(&folder) {
            Ok(entries) => entries,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => {
                return Err(error).with_context(|| format!("failed to read `{}`", folder.display()));
            }
        };
        let mut names: Vec<String> =
            entries.flatten().filter_map(|entry| entry.file_name().into_string().ok()).collect();
        names.sort();
        Ok(names)
    }
}

/// Longest cluster name: it is part of folder, context and cgroup names.
const NAME_LIMIT: usize = 40;

fn check_name(name: &str) -> Result<()> {
    let is_inner = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    let is_label = !name.is_empty()
        && name.len() <= NAME_LIMIT
        && name.chars().all(is_inner)
        && !name.starts_with('-')
        && !name.ends_with('-');
    if !is_label {
        bail!("invalid cluster name `{name}`: use up to {NAME_LIMIT} lower-case letters, digits and `-`");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_could_leave_the_folder_are_refused() {
        let home = Home::at(PathBuf::from("/data"));
        for name in ["", "..", "a/b", "A", "-a", "a-", &"a".repeat(41)] {
            assert!(home.cluster(name).is_err(), "{name:?}");
        }
        assert_eq!(home.cluster("edge-1").unwrap(), PathBuf::from("/data/clusters/edge-1"));
    }
}
