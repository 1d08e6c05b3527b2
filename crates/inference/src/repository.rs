//! Named models with versions, replaced while requests go on.
//!
//! In reading order: [`Served`] is one opened version; [`Policy`] says which version answers; [`folder`] finds models
//! on the disk; [`plan`] decides what to open and what to let go; the [`Repository`] does it and hands versions out.
//!
//! Everything a request needs is in an [`Arc`] it holds: a version that is replaced under it stays until the last
//! request on it is answered. A version that cannot be opened changes nothing but what [`Repository::states`] tells.

mod change;
mod folder;
mod plan;
mod policy;
mod served;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use engine::OpenError;

pub use folder::FolderError;
pub use policy::{Policy, PolicyError};
pub use served::{Chosen, Served, State, Status, Target};

use crate::observer::Observer;
use crate::refusal::{Refusal, RefusalKind};
use folder::Stamp;

/// Models by name.
pub struct Repository {
    /// Where they are; none when the only model was handed over in memory.
    path: Option<PathBuf>,
    table: RwLock<Arc<Table>>,
    /// Held while the table is replaced: two changes must not undo each other.
    changing: Mutex<()>,
    /// Held while models are opened: one after another, as memory and processors are bounded.
    opening: Mutex<()>,
    observers: Vec<Arc<dyn Observer>>,
}

/// What is served at one moment.
#[derive(Debug, Clone, Default)]
struct Table {
    models: BTreeMap<String, Entry>,
}

/// One model.
#[derive(Debug, Clone, Default)]
struct Entry {
    policy: Policy,
    versions: BTreeMap<String, Slot>,
    /// What is wrong with its policy file; the policy before it goes on.
    trouble: Option<String>,
}

/// One version of a model.
#[derive(Debug, Clone, Default)]
struct Slot {
    served: Option<Arc<Served>>,
    path: PathBuf,
    /// The files that were opened last, successfully or not.
    stamp: Stamp,
    /// The files seen at the last look: opened only when they have stopped changing.
    seen: Stamp,
    /// Why the files could not be opened.
    trouble: Option<String>,
    /// Unloaded by request: not opened again until asked for.
    is_shut: bool,
}

/// Why a repository could not be opened, or a version not be loaded.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The folder could not be read.
    #[error("failed to look for models")]
    Folder(#[from] FolderError),
    /// A model could not be opened.
    #[error("failed to open version `{version}` of model `{model}`")]
    Open {
        /// The model's name.
        model: String,
        /// The version.
        version: String,
        /// The cause.
        #[source]
        source: Box<OpenError>,
    },
    /// There is no such model or version on the disk.
    #[error("there is no {what} in the repository")]
    Missing {
        /// What was asked for.
        what: String,
    },
}

impl Repository {
    /// Finds and opens what is at a path: a model file, an MLflow folder, or a folder of models.
    ///
    /// # Errors
    /// When there is no model, or none of its versions can be opened: a server without any would only pretend.
    pub fn open(path: &Path, observers: Vec<Arc<dyn Observer>>) -> Result<Self, LoadError> {
        let repository = Repository {
            path: Some(path.to_owned()),
            table: RwLock::default(),
            changing: Mutex::default(),
            opening: Mutex::default(),
            observers,
        };
        repository.fill()?;
        Ok(repository)
    }

    /// A repository of one model that is at hand already.
    pub fn of_model(model: &engine::Model, observers: Vec<Arc<dyn Observer>>) -> Self {
        let served = Arc::new(Served::new(model.name(), "1", model.clone(), PathBuf::new()));
        let slot = Slot { served: Some(served), ..Slot::default() };
        let entry = Entry { versions: BTreeMap::from([("1".to_owned(), slot)]), ..Entry::default() };
        let table = Table { models: BTreeMap::from([(model.name().to_owned(), entry)]) };
        Repository {
            path: None,
            table: RwLock::new(Arc::new(table)),
            changing: Mutex::default(),
            opening: Mutex::default(),
            observers,
        }
    }

    /// Picks who answers a request: by name, version or alias; by weight where no version is asked for.
    ///
    /// `draw` is any number; equal draws pick equal versions while the table stays.
    ///
    /// # Errors
    /// Names what there is instead.
    pub fn choose(&self, target: &Target<'_>, draw: u64) -> Result<Chosen, Refusal> {
        let table = self.table();
        let (name, entry) = table.find(target.model)?;
        let is_served = |version: &str| entry.versions.get(version).is_some_and(|slot| slot.served.is_some());
        let served = |version: &str| entry.versions.get(version).and_then(|slot| slot.served.clone());
        let Some(asked) = target.version else {
            let picked = entry.policy.pick(entry.versions.keys().map(String::as_str), &is_served, draw);
            let Some(answering) = picked.and_then(|version| served(&version)) else {
                let detail = format!("no version of the model `{name}` is loaded");
                return Err(Refusal::new(RefusalKind::Unavailable, detail));
            };
            let shadow = entry.policy.shadow.as_deref().and_then(served);
            let shadow = shadow.filter(|shadow| !Arc::ptr_eq(shadow, &answering));
            return Ok(Chosen { served: answering, shadow });
        };
        let version = entry.policy.aliases.get(asked).map_or(asked, String::as_str);
        match entry.versions.get(version) {
            Some(Slot { served: Some(served), .. }) => {
                Ok(Chosen { served: Arc::clone(served), shadow: None })
            }
            Some(Slot { trouble, .. }) => {
                let why = trouble.as_deref().unwrap_or("it was unloaded");
                let detail = format!("version `{version}` of the model `{name}` is not loaded: {why}");
                Err(Refusal::new(RefusalKind::Unavailable, detail))
            }
            None => {
                let there = entry.versions.keys().map(|known| format!("`{known}`")).collect::<Vec<_>>();
                let detail = format!(
                    "the model `{name}` has no version `{}`: there are {}",
                    shortened(asked),
                    there.join(", ")
                );
                Err(Refusal::new(RefusalKind::NotFound, detail))
            }
        }
    }

    /// What there is and how it is, models and versions in order.
    pub fn states(&self) -> Vec<State> {
        let table = self.table();
        let states = table.models.iter().flat_map(|(name, entry)| {
            let default = entry.default_version();
            entry.versions.iter().map(move |(version, slot)| State {
                model: name.clone(),
                version: version.clone(),
                status: slot.status(),
                is_default: default.as_deref() == Some(version),
                reason: slot.trouble.clone().or_else(|| entry.trouble.clone()),
                served: slot.served.clone(),
            })
        });
        states.collect()
    }

    /// Names of models and what is wrong with them, in a sentence; empty if all is well.
    pub fn troubles(&self) -> Vec<String> {
        let states = self.states();
        states.into_iter().filter_map(|state| state.trouble()).collect()
    }

    fn table(&self) -> Arc<Table> {
        Arc::clone(&self.table.read().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Table {
    fn find(&self, asked: Option<&str>) -> Result<(&String, &Entry), Refusal> {
        let names = || self.models.keys().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
        match asked {
            Some(asked) => self.models.get_key_value(asked).ok_or_else(|| {
                let detail = format!("there is no model `{}`: there are {}", shortened(asked), names());
                Refusal::new(RefusalKind::NotFound, detail)
            }),
            None if self.models.len() == 1 => Ok(self.models.first_key_value().expect("there is one")),
            None => {
                let detail = format!(
                    "there are several models: name one of {} in the path, as in `/api/v1/models/NAME/predict`",
                    names()
                );
                Err(Refusal::new(RefusalKind::NotFound, detail))
            }
        }
    }
}

impl Entry {
    /// Who answers when no version is asked for and no weights are given.
    fn default_version(&self) -> Option<String> {
        let is_served = |version: &str| self.versions.get(version).is_some_and(|slot| slot.served.is_some());
        self.policy.default_of(self.versions.keys().map(String::as_str), &is_served)
    }
}

impl Slot {
    fn status(&self) -> Status {
        match (&self.served, &self.trouble) {
            (Some(_), _) => Status::Ready,
            (None, Some(_)) => Status::Failed,
            (None, None) if self.is_shut => Status::Unloaded,
            (None, None) => Status::Loading,
        }
    }
}

/// A name from a stranger is not repeated at length.
pub(crate) fn shortened(name: &str) -> String {
    name.chars().take(60).filter(|character| !character.is_control()).collect()
}
