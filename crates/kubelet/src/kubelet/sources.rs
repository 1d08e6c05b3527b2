//! Which pods a config map or a secret concerns.

use k8s_openapi::api::core::v1::Pod;

use crate::spec;

/// Whether the pod's files or variables are made of a config map.
pub(super) fn names_config_map(pod: &Pod, name: &str) -> bool {
    let in_volumes = spec::spec(pod).volumes.iter().flatten().any(|volume| {
        let own = volume.config_map.as_ref().is_some_and(|source| source.name == name);
        let mut projected = volume.projected.iter().flat_map(|projected| projected.sources.iter().flatten());
        own || projected.any(|source| source.config_map.as_ref().is_some_and(|source| source.name == name))
    });
    let in_environment = spec::containers(pod).any(|(container, _)| {
        let whole = container.env_from.iter().flatten().filter_map(|source| source.config_map_ref.as_ref());
        let sources = container.env.iter().flatten().filter_map(|variable| variable.value_from.as_ref());
        let keys = sources.filter_map(|source| source.config_map_key_ref.as_ref());
        whole.map(|source| &source.name).chain(keys.map(|key| &key.name)).any(|known| known == name)
    });
    in_volumes || in_environment
}

/// Whether the pod's files or variables are made of a secret.
pub(super) fn names_secret(pod: &Pod, name: &str) -> bool {
    let in_volumes = spec::spec(pod).volumes.iter().flatten().any(|volume| {
        let own = volume.secret.as_ref().and_then(|source| source.secret_name.as_deref()) == Some(name);
        let mut projected = volume.projected.iter().flat_map(|projected| projected.sources.iter().flatten());
        own || projected.any(|source| source.secret.as_ref().is_some_and(|source| source.name == name))
    });
    let in_environment = spec::containers(pod).any(|(container, _)| {
        let whole = container.env_from.iter().flatten().filter_map(|source| source.secret_ref.as_ref());
        let sources = container.env.iter().flatten().filter_map(|variable| variable.value_from.as_ref());
        let keys = sources.filter_map(|source| source.secret_key_ref.as_ref());
        whole.map(|source| &source.name).chain(keys.map(|key| &key.name)).any(|known| known == name)
    });
    in_volumes || in_environment
}
