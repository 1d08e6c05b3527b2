//! Settings of the server from flags, the environment and a file: one table, one precedence.
//!
//! In reading order: [`table`] has one row per setting; [`value`] reads and shows what people write; [`file`] turns
//! a YAML file into a layer; [`reload`] follows the file while the server runs. Flags win over the environment, the
//! environment over the file, the file over the defaults.

mod file;
mod reload;
mod table;
mod value;

use std::collections::BTreeMap;
use std::fmt::{self, Write};
use std::path::{Path, PathBuf};

pub use file::from_file;
pub(crate) use file::parse as parse_file;
pub use reload::{Live, Reloading};
pub use table::all;
pub use value::{Text, duration, size};

use crate::Config;

/// One setting: how it is called everywhere, and which part of the configuration it is.
pub struct Setting {
    /// Its key in the file, dotted below a heading: `faults.latency`.
    pub key: &'static str,
    /// What stands for its value in help texts.
    pub placeholder: &'static str,
    /// What it does, in one line.
    pub help: &'static str,
    flag: Option<&'static str>,
    environment: Option<&'static str>,
    is_live: bool,
    is_secret: bool,
    read: fn(&mut Config, &str) -> Result<(), String>,
    show: fn(&Config) -> String,
}

impl Setting {
    const fn new(
        key: &'static str,
        placeholder: &'static str,
        help: &'static str,
        read: fn(&mut Config, &str) -> Result<(), String>,
        show: fn(&Config) -> String,
    ) -> Setting {
        Setting {
            key,
            placeholder,
            help,
            flag: None,
            environment: None,
            is_live: false,
            is_secret: false,
            read,
            show,
        }
    }

    /// Called otherwise than its key says.
    const fn called(mut self, flag: &'static str, environment: &'static str) -> Setting {
        (self.flag, self.environment) = (Some(flag), Some(environment));
        self
    }

    /// Can change while the server runs.
    const fn live(mut self) -> Setting {
        self.is_live = true;
        self
    }

    /// Nobody should read it on a screen.
    const fn secret(mut self) -> Setting {
        self.is_secret = true;
        self
    }

    /// The flag without its dashes: `faults-latency`.
    pub fn flag(&self) -> String {
        self.flag.map_or_else(|| self.key.replace('.', "-"), str::to_owned)
    }

    /// The variable of the environment: `PINNACE_FAULTS_LATENCY`.
    pub fn environment(&self) -> String {
        let derived = || format!("PINNACE_{}", self.key.replace(['.', '-'], "_").to_uppercase());
        self.environment.map_or_else(derived, str::to_owned)
    }

    /// Whether a change of the file takes effect without a restart.
    pub fn is_live(&self) -> bool {
        self.is_live
    }

    /// Whether its value is kept out of prints and help texts.
    pub fn is_secret(&self) -> bool {
        self.is_secret
    }
}

impl fmt::Debug for Setting {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.key)
    }
}

/// Where a value comes from, in the order of precedence.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Origin {
    /// Nobody said anything.
    Default,
    /// The settings file.
    File,
    /// A variable of the environment.
    Environment,
    /// The command line.
    Flag,
}

impl fmt::Display for Origin {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Origin::Default => "default",
            Origin::File => "file",
            Origin::Environment => "environment",
            Origin::Flag => "flag",
        })
    }
}

/// What one origin says: the texts of its settings by key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layer {
    /// The origin.
    pub origin: Origin,
    /// Texts by [`Setting::key`].
    pub texts: BTreeMap<&'static str, String>,
}

impl Layer {
    /// A layer that says nothing.
    pub fn empty(origin: Origin) -> Layer {
        Layer { origin, texts: BTreeMap::new() }
    }
}

/// Why settings can't be used.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    /// The file can't be read.
    #[error("failed to read the settings in `{path}`")]
    Read {
        /// The file.
        path: PathBuf,
        /// The cause.
        #[source]
        source: std::io::Error,
    },
    /// The file is too large to be one of settings.
    #[error("`{path}` has more than {limit} bytes: that is no file of settings")]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// The bound.
        limit: u64,
    },
    /// The file is no YAML.
    #[error("`{path}` is no YAML: {reason}")]
    Syntax {
        /// The file.
        path: PathBuf,
        /// What the parser says.
        reason: String,
    },
    /// The file sets something that there is not.
    #[error("unknown setting `{key}` in `{path}`{}", hint(near.as_deref()))]
    Unknown {
        /// The file.
        path: PathBuf,
        /// What it says.
        key: String,
        /// What may have been meant.
        near: Option<String>,
    },
    /// A value is not of the kind that is wanted.
    #[error("the setting `{key}` (by {origin}) can't be `{text}`: {reason}")]
    Value {
        /// The setting.
        key: &'static str,
        /// Where it was set.
        origin: Origin,
        /// What was given.
        text: String,
        /// What is wanted.
        reason: String,
    },
}

fn hint(near: Option<&str>) -> String {
    match near {
        Some(near) => format!(": did you mean `{near}`?"),
        None => ": `pinnace serve --print-config` lists all settings".to_owned(),
    }
}

/// What the environment says. An empty variable says nothing: that is how a ConfigMap leaves one out.
pub fn from_environment(variable: impl Fn(&str) -> Option<String>) -> Layer {
    let mut layer = Layer::empty(Origin::Environment);
    for setting in all() {
        let Some(text) = variable(&setting.environment()) else { continue };
        // a Service named `pinnace` puts `PINNACE_PORT=tcp://10.96.0.7:80` into every pod of its namespace
        let is_of_a_service = text.starts_with("tcp://") || text.starts_with("udp://");
        if !(text.is_empty() || is_of_a_service && setting.key == "port") {
            layer.texts.insert(setting.key, text);
        }
    }
    layer
}

/// Joins layers, whatever their order: `base` has what nobody sets.
///
/// # Errors
/// When a value is not of the kind that its setting wants.
pub fn assemble(base: Config, layers: &[Layer]) -> Result<Config, SettingsError> {
    let mut config = base;
    for setting in all() {
        let Some((origin, text)) = winner(setting, layers) else { continue };
        (setting.read)(&mut config, text).map_err(|reason| SettingsError::Value {
            key: setting.key,
            origin,
            text: text.to_owned(),
            reason,
        })?;
    }
    Ok(config)
}

fn winner<'a>(setting: &Setting, layers: &'a [Layer]) -> Option<(Origin, &'a str)> {
    let said = layers.iter().filter_map(|layer| Some((layer.origin, layer.texts.get(setting.key)?.as_str())));
    said.max_by_key(|(origin, _)| *origin)
}

/// All settings as a file of settings, each with what it is and where its value comes from.
pub fn print(config: &Config, layers: &[Layer]) -> String {
    let mut text = String::new();
    let mut heading = "";
    for setting in all() {
        let (above, name) = setting.key.split_once('.').unwrap_or(("", setting.key));
        if above != heading && !above.is_empty() {
            let _ = writeln!(text, "\n{above}:");
        }
        heading = above;
        let indent = if above.is_empty() { "" } else { "  " };
        let value = (setting.show)(config);
        let value = if setting.is_secret && !value.is_empty() { String::new() } else { value };
        let origin = winner(setting, layers).map_or(Origin::Default, |(origin, _)| origin);
        let _ = writeln!(
            text,
            "{indent}# {} ({origin}; --{}, {})",
            setting.help,
            setting.flag(),
            setting.environment()
        );
        // what is not set stays a comment, so that the print is a file of settings itself
        let comment = if value.is_empty() { "# " } else { "" };
        let shown = if value.is_empty() { setting.placeholder.to_owned() } else { scalar(&value) };
        let _ = writeln!(text, "{indent}{comment}{name}: {shown}");
    }
    text
}

/// A value as YAML: quoted where YAML would take it for something else.
fn scalar(value: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_./+".contains(c);
    let is_word = value.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '/');
    if is_word && value.chars().all(is_plain) {
        value.to_owned()
    } else {
        serde_json::Value::from(value).to_string()
    }
}

/// The settings in which two configurations differ.
fn differences(one: &Config, other: &Config) -> Vec<&'static Setting> {
    all().iter().filter(|setting| (setting.show)(one) != (setting.show)(other)).collect()
}

/// The setting whose key is most like `key`, if one is like it at all.
fn nearest(key: &str) -> Option<String> {
    let keys = all().iter().map(|setting| setting.key);
    let (distance, near) = keys.map(|known| (distance(key, known), known)).min()?;
    (distance <= 1 + key.len() / 4).then(|| near.to_owned())
}

/// Levenshtein's distance.
fn distance(one: &str, other: &str) -> usize {
    let other: Vec<char> = other.chars().collect();
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (above, left) in one.chars().take(64).enumerate() {
        let mut diagonal = row[0];
        row[0] = above + 1;
        for (column, right) in other.iter().enumerate() {
            let replaced = diagonal + usize::from(left != *right);
            diagonal = row[column + 1];
            row[column + 1] = replaced.min(diagonal + 1).min(row[column] + 1);
        }
    }
    row[other.len()]
}

/// Finds a setting by the key that a file uses.
fn find(key: &str) -> Option<&'static Setting> {
    all().iter().find(|setting| setting.key == key)
}

/// Reads the layer of a file again and joins it with those that can't change.
///
/// # Errors
/// As [`from_file`] and [`assemble`].
pub fn load(
    base: &Config,
    path: Option<&Path>,
    fixed: &[Layer],
) -> Result<(Config, Vec<Layer>), SettingsError> {
    let mut layers = fixed.to_vec();
    if let Some(path) = path {
        layers.push(from_file(path)?);
    }
    Ok((assemble(base.clone(), &layers)?, layers))
}
