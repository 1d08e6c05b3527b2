//! Our context in the user's kubeconfig: merged by `up`, removed by `down`, everything else left alone.
//!
//! The file is locked the way Kubernetes' own clients lock it (`<file>.lock`, created exclusively), read,
//! changed as plain data so that entries we don't know survive, and replaced whole.

use std::fs::OpenOptions;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};

use crate::pki::Pki;
use crate::record::replace_file;

/// How long to wait for another program to finish with the file.
const LOCK_PATIENCE: Duration = Duration::from_secs(5);

/// The context's, cluster's and user's name for the cluster with this name.
#[must_use]
pub fn context_name(cluster: &str) -> String {
    if cluster == "pinnace" { cluster.to_owned() } else { format!("pinnace-{cluster}") }
}

/// The file that stock clients would write to: the first of `$KUBECONFIG`, else `~/.kube/config`.
///
/// # Errors
/// When neither variable is set.
pub fn default_path() -> Result<PathBuf> {
    if let Some(list) = std::env::var_os("KUBECONFIG")
        && let Some(first) = std::env::split_paths(&list).find(|path| !path.as_os_str().is_empty())
    {
        return std::path::absolute(first).context("failed to resolve `KUBECONFIG`");
    }
    let home = std::env::var_os("HOME").context("no kubeconfig: set `HOME` or `KUBECONFIG`")?;
    Ok(PathBuf::from(home).join(".kube/config"))
}

/// A whole kubeconfig with nothing but this cluster's administrator in it.
#[must_use]
pub fn standalone(cluster: &str, api_port: u16, pki: &Pki) -> Value {
    let mut config = Value::Null;
    merge_into(&mut config, &context_name(cluster), api_port, pki);
    config
}

/// Adds the cluster's context to the file and makes it current; returns the context that was current before.
///
/// # Errors
/// When the file is not a kubeconfig, is locked, or can't be written: it is then unchanged.
pub fn merge(path: &Path, cluster: &str, api_port: u16, pki: &Pki) -> Result<Option<String>> {
    let name = context_name(cluster);
    edit(path, |config| {
        let previous = merge_into(config, &name, api_port, pki);
        previous.filter(|previous| *previous != name)
    })
}

/// Removes the cluster's context; if it is the current one, makes `previous` current again where that still exists.
///
/// # Errors
/// When the file is not a kubeconfig, is locked, or can't be written: it is then unchanged.
pub fn remove(path: &Path, cluster: &str, previous: Option<&str>) -> Result<()> {
    if !path.exists() {
        return Ok(());
    }
    let name = context_name(cluster);
    edit(path, |config| remove_from(config, &name, previous))
}

fn merge_into(config: &mut Value, name: &str, api_port: u16, pki: &Pki) -> Option<String> {
    if !config.is_object() {
        *config = json!({"apiVersion": "v1", "kind": "Config", "preferences": {}});
    }
    let cluster = json!({
        "server": format!("https://127.0.0.1:{api_port}"),
        "certificate-authority-data": STANDARD.encode(&pki.ca_certificate),
    });
    let user = json!({
        "client-certificate-data": STANDARD.encode(&pki.admin_certificate),
        "client-key-data": STANDARD.encode(&pki.admin_key),
    });
    // The user's namespace of choice survives a restart of the cluster.
    let mut context = named(config, "contexts", name).and_then(|entry| entry.get("context")).cloned();
    let context = context.get_or_insert_with(|| json!({}));
    context["cluster"] = json!(name);
    context["user"] = json!(name);
    put(config, "clusters", json!({"name": name, "cluster": cluster}));
    put(config, "users", json!({"name": name, "user": user}));
    put(config, "contexts", json!({"name": name, "context": context.clone()}));
    let previous = config["current-context"].as_str().filter(|text| !text.is_empty()).map(str::to_owned);
    config["current-context"] = json!(name);
    previous
}

fn remove_from(config: &mut Value, name: &str, previous: Option<&str>) {
    for list in ["clusters", "users", "contexts"] {
        if let Some(entries) = config[list].as_array_mut() {
            entries.retain(|entry| entry["name"] != name);
        }
    }
    if config["current-context"] == name {
        let restored = previous.filter(|previous| named(config, "contexts", previous).is_some());
        config["current-context"] = json!(restored.unwrap_or(""));
    }
}

fn named<'a>(config: &'a Value, list: &str, name: &str) -> Option<&'a Value> {
    config.get(list)?.as_array()?.iter().find(|entry| entry["name"] == name)
}

fn put(config: &mut Value, list: &str, entry: Value) {
    if !config[list].is_array() {
        config[list] = json!([]);
    }
    let Some(entries) = config[list].as_array_mut() else { return };
    match entries.iter_mut().find(|old| old["name"] == entry["name"]) {
        Some(old) => *old = entry,
        None => entries.push(entry),
    }
}

fn edit<T>(path: &Path, change: impl FnOnce(&mut Value) -> T) -> Result<T> {
    // Writing through a symbolic link would replace the link, so follow it first.
    let path = std::fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder)
            .with_context(|| format!("failed to create `{}`", folder.display()))?;
    }
    let _lock = FileLock::acquire(&path)?;
    let mut config = read(&path)?;
    let result = change(&mut config);
    let text = serde_saphyr::to_string(&config).context("failed to encode the kubeconfig")?;
    replace_file(&path, text.as_bytes())?;
    Ok(result)
}

fn read(path: &Path) -> Result<Value> {
    let text = match std::fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Value::Null),
        Err(error) => return Err(error).with_context(|| format!("failed to read `{}`", path.display())),
    };
    if text.trim().is_empty() {
        return Ok(Value::Null);
    }
    let map: Map<String, Value> = serde_saphyr::from_str(&text).with_context(|| {
        format!("`{}` is not a kubeconfig: mend it, or set `KUBECONFIG` to another file", path.display())
    })?;
    Ok(Value::Object(map))
}

/// The lock file that `kubectl config` honours too.
struct FileLock(PathBuf);

impl FileLock {
    fn acquire(path: &Path) -> Result<Self> {
        let mut lock = path.as_os_str().to_owned();
        lock.push(".lock");
        let lock = PathBuf::from(lock);
        let deadline = Instant::now() + LOCK_PATIENCE;
        loop {
            match OpenOptions::new().write(true).create_new(true).open(&lock) {
                Ok(_) => return Ok(Self(lock)),
                Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => {
                    return Err(error).with_context(|| format!("failed to create `{}`", lock.display()));
                }
                Err(_) if Instant::now() < deadline => std::thread::sleep(Duration::from_millis(20)),
                Err(_) => bail!(
                    "`{}` is held by another program: remove it if no `kubectl config` is running",
                    lock.display()
                ),
            }
        }
    }
}

impl Drop for FileLock {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pki() -> Pki {
        Pki::load_or_create(tempfile::tempdir().unwrap().path()).unwrap()
    }

    #[test]
    fn down_restores_what_was_there_before_up() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("config");
        let before = "apiVersion: v1\nkind: Config\ncurrent-context: work\ncontexts:\n- name: work\n  context: {cluster: w, user: w, namespace: team}\nclusters: []\nusers: []\nx-mine: kept\n";
        std::fs::write(&path, before).unwrap();
        let original: Value = serde_saphyr::from_str(before).unwrap();

        let previous = merge(&path, "pinnace", 6443, &pki()).unwrap();
        assert_eq!(previous.as_deref(), Some("work"));
        let merged: Value = serde_saphyr::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
        assert_eq!(merged["current-context"], "pinnace");
        assert_eq!(merged["clusters"][0]["cluster"]["server"], "https://127.0.0.1:6443");

        remove(&path, "pinnace", previous.as_deref()).unwrap();
        let restored: Value = serde_saphyr::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
        assert_eq!(restored, original);
    }

    #[test]
    fn a_file_that_is_no_kubeconfig_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("config");
        std::fs::write(&path, "just text\n").unwrap();
        assert!(merge(&path, "pinnace", 6443, &pki()).is_err());
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "just text\n");
        assert!(!folder.path().join("config.lock").exists());
    }

    #[test]
    fn the_current_context_is_kept_when_the_user_chose_another() {
        let mut config = standalone("a", 1, &pki());
        merge_into(&mut config, "pinnace-b", 2, &pki());
        remove_from(&mut config, "pinnace-a", None);
        assert_eq!(config["current-context"], "pinnace-b");
        assert_eq!(config["contexts"].as_array().unwrap().len(), 1);
    }
}
