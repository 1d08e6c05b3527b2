//! A container's environment: services, config maps, secrets, fields, and `$(NAME)` in values.

mod expansion;
mod services;

use std::collections::BTreeMap;
use std::sync::Arc;

use k8s_openapi::api::core::v1::{ConfigMap, Container, EnvVar, EnvVarSource, Pod, Secret, Service};

pub use expansion::expand;

use crate::fields::{self, Facts, FieldError};
use crate::spec;

/// Finds the config maps and secrets of a pod's namespace.
pub trait Sources {
    /// Returns a config map.
    fn config_map(&self, namespace: &str, name: &str) -> Option<Arc<ConfigMap>>;
    /// Returns a secret.
    fn secret(&self, namespace: &str, name: &str) -> Option<Arc<Secret>>;
}

/// Why a container's environment cannot be made, in Kubernetes' words.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EnvironmentError {
    /// A config map is missing.
    #[error("configmap \"{0}\" not found")]
    NoConfigMap(String),
    /// A secret is missing.
    #[error("secret \"{0}\" not found")]
    NoSecret(String),
    /// A config map or secret lacks a key.
    #[error("couldn't find key {key} in {kind} {namespace}/{name}")]
    NoKey {
        /// `ConfigMap` or `Secret`.
        kind: &'static str,
        /// The namespace.
        namespace: String,
        /// The object.
        name: String,
        /// The key.
        key: String,
    },
    /// A field reference means nothing.
    #[error(transparent)]
    Field(#[from] FieldError),
    /// A secret's value is no text.
    #[error(
        "the value of key {key} in Secret {namespace}/{name} is not UTF-8, which an environment variable has to be"
    )]
    NotText {
        /// The namespace.
        namespace: String,
        /// The secret.
        name: String,
        /// The key.
        key: String,
    },
}

/// What an environment is made of.
pub struct Inputs<'a> {
    /// The pod.
    pub pod: &'a Pod,
    /// What the node adds.
    pub facts: &'a Facts,
    /// Config maps and secrets.
    pub sources: &'a dyn Sources,
    /// The services of the pod's namespace, and `default/kubernetes`.
    pub services: &'a [Arc<Service>],
}

/// Returns the environment of a container, sorted by name.
///
/// # Errors
/// Something it refers to, and does not call optional, is missing.
pub fn environment(
    inputs: &Inputs<'_>,
    container: &Container,
) -> Result<BTreeMap<String, String>, EnvironmentError> {
    let links = services::variables(inputs.pod, inputs.services);
    let mut variables = from_whole_objects(inputs, container)?;
    for variable in container.env.iter().flatten() {
        let value = match (&variable.value, &variable.value_from) {
            (Some(value), _) if !value.is_empty() => {
                Some(expand(value, |name| variables.get(name).or_else(|| links.get(name)).cloned()))
            }
            (_, Some(source)) => from_source(inputs, container, source)?,
            (_, None) => Some(String::new()),
        };
        set(&mut variables, variable, value);
    }
    for (name, value) in links {
        variables.entry(name).or_insert(value);
    }
    Ok(variables)
}

fn set(variables: &mut BTreeMap<String, String>, variable: &EnvVar, value: Option<String>) {
    if let Some(value) = value {
        variables.insert(variable.name.clone(), value);
    }
}

fn from_whole_objects(
    inputs: &Inputs<'_>,
    container: &Container,
) -> Result<BTreeMap<String, String>, EnvironmentError> {
    let mut variables = BTreeMap::new();
    let namespace = spec::namespace(inputs.pod);
    for source in container.env_from.iter().flatten() {
        let prefix = source.prefix.as_deref().unwrap_or_default();
        if let Some(reference) = &source.config_map_ref {
            match inputs.sources.config_map(namespace, &reference.name) {
                Some(map) => {
                    let entries = map.data.iter().flatten();
                    variables.extend(entries.map(|(key, value)| (format!("{prefix}{key}"), value.clone())));
                }
                None if reference.optional == Some(true) => {}
                None => return Err(EnvironmentError::NoConfigMap(reference.name.clone())),
            }
        }
        if let Some(reference) = &source.secret_ref {
            match inputs.sources.secret(namespace, &reference.name) {
                Some(secret) => {
                    for (key, value) in secret.data.iter().flatten() {
                        let value = text(namespace, &reference.name, key, &value.0)?;
                        variables.insert(format!("{prefix}{key}"), value);
                    }
                }
                None if reference.optional == Some(true) => {}
                None => return Err(EnvironmentError::NoSecret(reference.name.clone())),
            }
        }
    }
    Ok(variables)
}

/// Returns a variable's value; `None` if it is optional and not there.
fn from_source(
    inputs: &Inputs<'_>,
    container: &Container,
    source: &EnvVarSource,
) -> Result<Option<String>, EnvironmentError> {
    if let Some(reference) = &source.field_ref {
        return Ok(Some(fields::field(inputs.pod, &reference.field_path, inputs.facts)?));
    }
    if let Some(selector) = &source.resource_field_ref {
        return Ok(Some(fields::resource(inputs.pod, Some(container), selector, inputs.facts)?));
    }
    let namespace = spec::namespace(inputs.pod);
    if let Some(reference) = &source.config_map_key_ref {
        let is_optional = reference.optional == Some(true);
        let Some(map) = inputs.sources.config_map(namespace, &reference.name) else {
            let error = EnvironmentError::NoConfigMap(reference.name.clone());
            return if is_optional { Ok(None) } else { Err(error) };
        };
        return match map.data.as_ref().and_then(|data| data.get(&reference.key)) {
            Some(value) => Ok(Some(value.clone())),
            None if is_optional => Ok(None),
            None => Err(no_key("ConfigMap", namespace, &reference.name, &reference.key)),
        };
    }
    if let Some(reference) = &source.secret_key_ref {
        let is_optional = reference.optional == Some(true);
        let Some(secret) = inputs.sources.secret(namespace, &reference.name) else {
            let error = EnvironmentError::NoSecret(reference.name.clone());
            return if is_optional { Ok(None) } else { Err(error) };
        };
        return match secret.data.as_ref().and_then(|data| data.get(&reference.key)) {
            Some(value) => text(namespace, &reference.name, &reference.key, &value.0).map(Some),
            None if is_optional => Ok(None),
            None => Err(no_key("Secret", namespace, &reference.name, &reference.key)),
        };
    }
    Ok(Some(String::new()))
}

fn no_key(kind: &'static str, namespace: &str, name: &str, key: &str) -> EnvironmentError {
    let (namespace, name, key) = (namespace.to_owned(), name.to_owned(), key.to_owned());
    EnvironmentError::NoKey { kind, namespace, name, key }
}

fn text(namespace: &str, name: &str, key: &str, bytes: &[u8]) -> Result<String, EnvironmentError> {
    String::from_utf8(bytes.to_vec()).map_err(|_| EnvironmentError::NotText {
        namespace: namespace.to_owned(),
        name: name.to_owned(),
        key: key.to_owned(),
    })
}

#[cfg(test)]
mod tests;
