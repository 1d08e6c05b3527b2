//! What the files of a volume hold: a pure function of config maps, secrets, tokens and fields.

use std::collections::BTreeMap;

use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::{
    Container, DownwardAPIVolumeFile, KeyToPath, Pod, Volume, VolumeProjection,
};

use crate::environment::Sources;
use crate::fields::{self, Facts, FieldError};
use crate::spec;
use crate::volumes::Claims;

/// What a file should hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileData {
    /// Its content.
    pub bytes: Vec<u8>,
    /// Its permissions.
    pub mode: u32,
    /// The user it belongs to, if not to the node.
    pub owner: Option<u32>,
}

/// Files by their path in the volume.
pub type Files = BTreeMap<String, FileData>;

/// Service account tokens by volume name and path in it.
pub type Tokens = BTreeMap<(String, String), String>;

/// What contents are made of.
pub struct Inputs<'a> {
    /// The pod.
    pub pod: &'a Pod,
    /// What the node adds.
    pub facts: &'a Facts,
    /// Config maps and secrets.
    pub sources: &'a dyn Sources,
    /// Tokens fetched before.
    pub tokens: &'a Tokens,
    /// Claims and persistent volumes.
    pub claims: &'a dyn Claims,
    /// Whether the volumes are made, not brought up to date.
    pub is_first: bool,
}

/// Why a volume's content cannot be made, in Kubernetes' words.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ContentError {
    /// A config map is missing.
    #[error("configmap \"{0}\" not found")]
    NoConfigMap(String),
    /// A secret is missing.
    #[error("secret \"{0}\" not found")]
    NoSecret(String),
    /// A key is missing.
    #[error("references non-existent {kind} key: {key}")]
    NoKey {
        /// `config` or `secret`.
        kind: &'static str,
        /// The key.
        key: String,
    },
    /// A field reference means nothing.
    #[error(transparent)]
    Field(#[from] FieldError),
    /// A token was not fetched.
    #[error("the token for `{0}` has not been issued")]
    NoToken(String),
    /// A path leaves the volume.
    #[error("invalid path `{0}`: must be relative and must not contain '..'")]
    Path(String),
}

const DEFAULT_MODE: i32 = 0o644;

/// Returns whether the volume is made of files that the kubelet writes.
pub(super) fn is_files(volume: &Volume) -> bool {
    volume.config_map.is_some()
        || volume.secret.is_some()
        || volume.downward_api.is_some()
        || volume.projected.is_some()
}

/// Returns the files of a volume; `None` for kinds that are not made of files of the kubelet's.
///
/// # Errors
/// Something it refers to, and does not call optional, is missing.
pub fn files(volume: &Volume, inputs: &Inputs<'_>) -> Result<Option<Files>, ContentError> {
    let mut files = Files::new();
    if let Some(source) = &volume.config_map {
        let mode = source.default_mode.unwrap_or(DEFAULT_MODE);
        let part = Part { items: source.items.as_deref(), optional: source.optional == Some(true), mode };
        config_map(&mut files, inputs, &source.name, &part)?;
    } else if let Some(source) = &volume.secret {
        let mode = source.default_mode.unwrap_or(DEFAULT_MODE);
        let part = Part { items: source.items.as_deref(), optional: source.optional == Some(true), mode };
        secret(&mut files, inputs, source.secret_name.as_deref().unwrap_or_default(), &part)?;
    } else if let Some(source) = &volume.downward_api {
        let mode = source.default_mode.unwrap_or(DEFAULT_MODE);
        downward(&mut files, inputs, source.items.as_deref().unwrap_or_default(), mode)?;
    } else if let Some(source) = &volume.projected {
        let mode = source.default_mode.unwrap_or(DEFAULT_MODE);
        for projection in source.sources.iter().flatten() {
            project(&mut files, inputs, &volume.name, projection, mode)?;
        }
    } else {
        return Ok(None);
    }
    let leaves = |path: &String| path.starts_with('/') || path.split('/').any(|part| part == "..");
    match files.keys().find(|path| leaves(path)) {
        Some(path) => Err(ContentError::Path(path.clone())),
        None => Ok(Some(files)),
    }
}

/// Which keys of an object are wanted, and how.
struct Part<'a> {
    items: Option<&'a [KeyToPath]>,
    optional: bool,
    mode: i32,
}

fn project(
    files: &mut Files,
    inputs: &Inputs<'_>,
    volume: &str,
    projection: &VolumeProjection,
    mode: i32,
) -> Result<(), ContentError> {
    if let Some(source) = &projection.config_map {
        let part = Part { items: source.items.as_deref(), optional: source.optional == Some(true), mode };
        config_map(files, inputs, &source.name, &part)?;
    }
    if let Some(source) = &projection.secret {
        let part = Part { items: source.items.as_deref(), optional: source.optional == Some(true), mode };
        secret(files, inputs, &source.name, &part)?;
    }
    if let Some(source) = &projection.downward_api {
        downward(files, inputs, source.items.as_deref().unwrap_or_default(), mode)?;
    }
    if let Some(source) = &projection.service_account_token {
        let token = inputs.tokens.get(&(volume.to_owned(), source.path.clone()));
        let token = token.ok_or_else(|| ContentError::NoToken(source.path.clone()))?;
        files.insert(source.path.clone(), token_file(inputs.pod, token.as_bytes(), mode));
    }
    Ok(())
}

fn config_map(
    files: &mut Files,
    inputs: &Inputs<'_>,
    name: &str,
    part: &Part<'_>,
) -> Result<(), ContentError> {
    let Some(map) = inputs.sources.config_map(spec::namespace(inputs.pod), name) else {
        return if part.optional { Ok(()) } else { Err(ContentError::NoConfigMap(name.to_owned())) };
    };
    let text = map.data.iter().flatten().map(|(key, value)| (key.as_str(), value.as_bytes()));
    let binary =
        map.binary_data.iter().flatten().map(|(key, ByteString(value))| (key.as_str(), value.as_slice()));
    select(files, text.chain(binary).collect(), part, "config")
}

fn secret(files: &mut Files, inputs: &Inputs<'_>, name: &str, part: &Part<'_>) -> Result<(), ContentError> {
    let Some(secret) = inputs.sources.secret(spec::namespace(inputs.pod), name) else {
        return if part.optional { Ok(()) } else { Err(ContentError::NoSecret(name.to_owned())) };
    };
    let data = secret.data.iter().flatten().map(|(key, ByteString(value))| (key.as_str(), value.as_slice()));
    select(files, data.collect(), part, "secret")
}

fn select(
    files: &mut Files,
    data: BTreeMap<&str, &[u8]>,
    part: &Part<'_>,
    kind: &'static str,
) -> Result<(), ContentError> {
    let Some(items) = part.items.filter(|items| !items.is_empty()) else {
        files.extend(data.into_iter().map(|(key, value)| (key.to_owned(), file(value, part.mode))));
        return Ok(());
    };
    for item in items {
        match data.get(item.key.as_str()) {
            Some(value) => {
                files.insert(item.path.clone(), file(value, item.mode.unwrap_or(part.mode)));
            }
            None if part.optional => {}
            None => return Err(ContentError::NoKey { kind, key: item.key.clone() }),
        }
    }
    Ok(())
}

fn downward(
    files: &mut Files,
    inputs: &Inputs<'_>,
    items: &[DownwardAPIVolumeFile],
    mode: i32,
) -> Result<(), ContentError> {
    for item in items {
        let text = match (&item.field_ref, &item.resource_field_ref) {
            (Some(field), _) => fields::field(inputs.pod, &field.field_path, inputs.facts)?,
            (None, Some(resource)) => fields::resource(inputs.pod, None, resource, inputs.facts)?,
            (None, None) => String::new(),
        };
        files.insert(item.path.clone(), file(text.as_bytes(), item.mode.unwrap_or(mode)));
    }
    Ok(())
}

fn file(bytes: &[u8], mode: i32) -> FileData {
    FileData { bytes: bytes.to_vec(), mode: u32::try_from(mode).unwrap_or(0o644) & 0o777, owner: None }
}

/// A token is for the pod's user alone where the whole pod runs as one, or for its group.
fn token_file(pod: &Pod, token: &[u8], mode: i32) -> FileData {
    let of_pod = spec::spec(pod).security_context.as_ref();
    let user_of = |container: &Container| {
        let own = container.security_context.as_ref().and_then(|own| own.run_as_user);
        own.or(of_pod.and_then(|of_pod| of_pod.run_as_user))
    };
    let mut users = spec::containers(pod).map(|(container, _)| user_of(container));
    let first = users.next().flatten();
    let owner = first.filter(|first| users.all(|user| user == Some(*first)));
    let owner = owner.and_then(|user| u32::try_from(user).ok());
    let has_group = of_pod.is_some_and(|of_pod| of_pod.fs_group.is_some());
    FileData { owner, ..file(token, if owner.is_some() || has_group { 0o600 } else { mode }) }
}
