//! Which pods a config map or a secret concerns.

use std::borrow::Cow;

use k8s_openapi::api::core::v1::{Container, Pod};

use crate::spec;

fn everything(pod: &Pod) -> impl Iterator<Item = Cow<'_, Container>> {
    let lasting = spec::containers(pod).map(|(container, _)| Cow::Borrowed(container));
    lasting.chain(spec::ephemeral_containers(pod).map(Cow::Owned))
}

/// Whether the pod's files or variables are made of a config map.
pub(super) fn names_config_map(pod: &Pod, name: &str) -> bool {
    let in_volumes = spec::spec(pod).volumes.iter().flatten().any(|volume| {
        let own = volume.config_map.as_ref().is_some_and(|source| source.name == name);
        let mut projected = volume.projected.iter().flat_map(|projected| projected.sources.iter().flatten());
        own || projected.any(|source| source.config_map.as_ref().is_some_and(|source| source.name == name))
    });
    let in_environment = everything(pod).any(|container| {
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
    let in_environment = everything(pod).any(|container| {
        let whole = container.env_from.iter().flatten().filter_map(|source| source.secret_ref.as_ref());
        let sources = container.env.iter().flatten().filter_map(|variable| variable.value_from.as_ref());
        let keys = sources.filter_map(|source| source.secret_key_ref.as_ref());
        whole.map(|source| &source.name).chain(keys.map(|key| &key.name)).any(|known| known == name)
    });
    in_volumes || in_environment
}
