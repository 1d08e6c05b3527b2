//! Follows the file of settings while the server runs.

use std::path::PathBuf;
use std::sync::Arc;

use tokio::sync::watch;

use super::{Layer, SettingsError, assemble, differences, parse_file};
use crate::Config;
use crate::watched::Watched;

/// The configuration as it is now: those of its settings that are live may change.
#[derive(Debug, Clone)]
pub struct Live {
    sender: watch::Sender<Arc<Config>>,
}

impl Live {
    /// Starts with a configuration.
    pub fn new(config: Config) -> Live {
        Live { sender: watch::Sender::new(Arc::new(config)) }
    }

    /// The configuration now.
    pub fn get(&self) -> Arc<Config> {
        Arc::clone(&self.sender.borrow())
    }

    /// Tells of every change.
    pub fn subscribe(&self) -> watch::Receiver<Arc<Config>> {
        self.sender.subscribe()
    }

    /// Takes over what may change of `new`; returns the keys of what changed and of what needs a restart.
    pub(crate) fn update(&self, new: &Config) -> (Vec<&'static str>, Vec<&'static str>) {
        let mut config = Config::clone(&self.get());
        let (mut changed, mut refused) = (Vec::new(), Vec::new());
        for setting in differences(&config, new) {
            if !setting.is_live {
                refused.push(setting.key);
            } else if (setting.read)(&mut config, &(setting.show)(new)).is_ok() {
                changed.push(setting.key);
            }
        }
        if !changed.is_empty() {
            self.sender.send_replace(Arc::new(config));
        }
        (changed, refused)
    }
}

/// What it takes to read the settings again.
#[derive(Debug)]
pub struct Reloading {
    /// What nobody sets.
    pub base: Config,
    /// The file of settings.
    pub path: PathBuf,
    /// The layers of flags and environment.
    pub fixed: Vec<Layer>,
}

impl Reloading {
    /// Follows the file without end. One that does not read leaves everything as it is, and the log says so.
    pub async fn follow(self, live: Live) {
        let mut file = Watched::new(self.path.clone());
        loop {
            match file.changed().await {
                Ok(text) => self.apply(&live, &text),
                Err(error) => {
                    tracing::warn!(%error, file = %self.path.display(), "the settings do not read: they stay as they are");
                }
            }
        }
    }

    fn apply(&self, live: &Live, text: &[u8]) {
        let config = match self.assemble(text) {
            Ok(config) => config,
            Err(error) => {
                tracing::warn!(%error, "the settings are refused: they stay as they are");
                return;
            }
        };
        let (changed, refused) = live.update(&config);
        if !changed.is_empty() {
            tracing::info!(settings = changed.join(", "), "settings changed");
        }
        if !refused.is_empty() {
            tracing::warn!(settings = refused.join(", "), "settings changed that only a restart takes over");
        }
    }

    fn assemble(&self, text: &[u8]) -> Result<Config, SettingsError> {
        let mut layers = self.fixed.clone();
        layers.push(parse_file(&self.path, text)?);
        assemble(self.base.clone(), &layers)
    }
}
