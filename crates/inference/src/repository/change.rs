//! Carries out changes: opens, replaces, lets go. Blocking: reading a model takes a while.

use std::path::PathBuf;
use std::sync::{Arc, PoisonError};

use engine::Model;

use super::folder::{self, Found, Stamp};
use super::plan::{Step, plan};
use super::{LoadError, Repository, Served, Slot, Table};
use crate::refusal::in_full;

impl Repository {
    /// Opens all there is, for the first time.
    pub(super) fn fill(&self) -> Result<(), LoadError> {
        let Some(path) = &self.path else { return Ok(()) };
        let found = folder::find(path)?;
        let mut first_failure = None;
        for (name, model) in &found {
            self.adopt(name, model);
            for (version, (path, stamp)) in &model.versions {
                if let Err(error) = self.open_version(name, version, path.clone(), stamp.clone()) {
                    first_failure.get_or_insert(error);
                }
            }
        }
        let is_any_open = self.states().iter().any(|state| state.served.is_some());
        match first_failure {
            Some(error) if !is_any_open => Err(error),
            _ => Ok(()),
        }
    }

    /// Looks at the disk again and follows what changed; true if something did.
    ///
    /// What cannot be opened is told in [`Repository::states`], what served before goes on.
    pub fn refresh(&self) -> bool {
        let Some(path) = &self.path else { return false };
        let _one_at_a_time = self.opening.lock().unwrap_or_else(PoisonError::into_inner);
        let Ok(found) = folder::find(path) else {
            // a folder that is gone for a moment is no reason to stop answering
            return false;
        };
        let steps = plan(&self.table(), &found);
        for (name, model) in &found {
            self.adopt(name, model);
        }
        let mut has_changed = false;
        for step in steps {
            match step {
                Step::Wait { model, version } => {
                    if let Some((path, stamp)) = found[&model].versions.get(&version) {
                        self.note(&model, &version, path.clone(), stamp.clone());
                    }
                }
                Step::Open { model, version } => {
                    if let Some((path, stamp)) = found[&model].versions.get(&version) {
                        has_changed |=
                            self.open_version(&model, &version, path.clone(), stamp.clone()).is_ok();
                    }
                }
                Step::Drop { model, version } => {
                    has_changed = true;
                    self.forget(&model, &version);
                }
            }
        }
        has_changed
    }

    /// Opens a model's versions anew, or one of them, although their files are unchanged or they were unloaded.
    ///
    /// # Errors
    /// When it is not on the disk or cannot be opened; what was open before goes on.
    pub fn load(&self, model: &str, version: Option<&str>) -> Result<(), LoadError> {
        let missing = || LoadError::Missing {
            what: match version {
                Some(version) => format!("version `{version}` of a model `{model}`"),
                None => format!("model `{model}`"),
            },
        };
        let Some(path) = &self.path else {
            let is_known = self.states().iter().any(|state| state.model == model);
            return if is_known { Ok(()) } else { Err(missing()) };
        };
        let _one_at_a_time = self.opening.lock().unwrap_or_else(PoisonError::into_inner);
        let found = folder::find(path)?;
        let there = found.get(model).ok_or_else(missing)?;
        self.adopt(model, there);
        let wanted =
            there.versions.iter().filter(|(known, _)| version.is_none_or(|version| version == *known));
        let wanted: Vec<_> = wanted.collect();
        if wanted.is_empty() {
            return Err(missing());
        }
        wanted.into_iter().try_for_each(|(version, (path, stamp))| {
            self.open_version(model, version, path.clone(), stamp.clone())
        })
    }

    /// Lets go of a model's versions, or of one, until they are loaded again; requests under way finish on them.
    ///
    /// # Errors
    /// When there is no such model or version.
    pub fn unload(&self, model: &str, version: Option<&str>) -> Result<(), LoadError> {
        let mut dropped = Vec::new();
        self.change(|table| {
            let versions = table.models.get_mut(model).map(|entry| &mut entry.versions);
            for (known, slot) in versions.into_iter().flatten() {
                if version.is_none_or(|version| version == known) {
                    dropped.push(known.clone());
                    slot.served = None;
                    slot.trouble = None;
                    slot.is_shut = true;
                }
            }
        });
        if dropped.is_empty() {
            return Err(LoadError::Missing { what: format!("model `{model}` with such a version") });
        }
        for version in dropped {
            tracing::info!(model, version, "unloaded");
            self.observers.iter().for_each(|observer| observer.unloaded(model, &version));
        }
        Ok(())
    }

    fn open_version(&self, name: &str, version: &str, path: PathBuf, stamp: Stamp) -> Result<(), LoadError> {
        let opened =
            Model::open(&path).map(|model| Arc::new(Served::new(name, version, model, path.clone())));
        match opened {
            Ok(served) => {
                self.slot(name, version, |slot| {
                    *slot = Slot {
                        served: Some(Arc::clone(&served)),
                        path,
                        seen: stamp.clone(),
                        stamp,
                        trouble: None,
                        is_shut: false,
                    };
                });
                tracing::info!(model = name, version, kind = served.model.kind(), "loaded");
                self.observers.iter().for_each(|observer| observer.loaded(&served));
                Ok(())
            }
            Err(source) => {
                let reason = in_full(&source);
                tracing::error!(model = name, version, reason, "failed to load");
                self.observers.iter().for_each(|observer| observer.load_failed(name, version, &reason));
                self.slot(name, version, |slot| {
                    slot.path = path;
                    slot.seen.clone_from(&stamp);
                    slot.stamp = stamp;
                    slot.trouble = Some(reason);
                });
                Err(LoadError::Open {
                    model: name.to_owned(),
                    version: version.to_owned(),
                    source: Box::new(source),
                })
            }
        }
    }

    /// Takes over a model's policy.
    fn adopt(&self, name: &str, model: &Found) {
        let table = self.table();
        let known = table.models.get(name);
        let is_same = known.is_some_and(|entry| {
            entry.trouble == model.trouble && (model.trouble.is_some() || entry.policy == model.policy)
        });
        if is_same {
            return;
        }
        if let Some(reason) = &model.trouble {
            tracing::error!(model = name, reason, "the policy before it goes on");
        }
        self.change(|table| {
            let entry = table.models.entry(name.to_owned()).or_default();
            if model.trouble.is_none() {
                entry.policy = model.policy.clone();
            }
            entry.trouble.clone_from(&model.trouble);
        });
    }

    /// Remembers what the files looked like, to see whether they settle.
    fn note(&self, name: &str, version: &str, path: PathBuf, stamp: Stamp) {
        self.slot(name, version, |slot| {
            slot.path = path;
            slot.seen = stamp;
        });
    }

    fn forget(&self, name: &str, version: &str) {
        self.change(|table| {
            if let Some(entry) = table.models.get_mut(name) {
                entry.versions.remove(version);
                if entry.versions.is_empty() {
                    table.models.remove(name);
                }
            }
        });
        tracing::info!(model = name, version, "gone from the disk");
        self.observers.iter().for_each(|observer| observer.unloaded(name, version));
    }

    fn slot(&self, name: &str, version: &str, change: impl FnOnce(&mut Slot)) {
        self.change(|table| {
            let entry = table.models.entry(name.to_owned()).or_default();
            change(entry.versions.entry(version.to_owned()).or_default());
        });
    }

    /// Replaces the table by a changed one; readers see the old one or the new one.
    fn change(&self, change: impl FnOnce(&mut Table)) {
        let _one_at_a_time = self.changing.lock().unwrap_or_else(PoisonError::into_inner);
        let mut table = Table::clone(&self.table());
        change(&mut table);
        *self.table.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(table);
    }
}
