//! ConfigMap `kube-root-ca.crt` in every namespace: what pods trust the API by.

use std::sync::Arc;

use api::k8s::api::core::v1::{ConfigMap, Namespace};
use api::k8s::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use api::root_ca::{DESCRIBED, DESCRIPTION, FILE, NAME};

use crate::controller::{Controller, Watch};
use crate::owner;
use crate::plan::{Action, Part, Plan, Told};
use crate::service_account::is_active;
use crate::view::Key;

/// What the bundle is decided on.
pub struct Observed<'a> {
    /// The namespace.
    pub namespace: &'a Namespace,
    /// The ConfigMap, if there is one.
    pub config_map: Option<Arc<ConfigMap>>,
    /// The certificates, as PEM; without any there is nothing to publish.
    pub root_ca: Option<&'a str>,
}

/// Decides.
#[must_use]
pub fn reconcile(observed: &Observed<'_>) -> Plan {
    let mut plan = Plan::default();
    let Some(root_ca) = observed.root_ca.filter(|_| is_active(observed.namespace)) else { return plan };
    let data = [(FILE.to_owned(), root_ca.to_owned())].into();
    match &observed.config_map {
        Some(config_map) => {
            let after = ConfigMap { data: Some(data), ..config_map.as_ref().clone() };
            plan.actions.extend(Action::update(Part::Object, config_map.as_ref(), &after, Told::nothing()));
        }
        None => {
            let metadata = ObjectMeta {
                name: Some(NAME.to_owned()),
                namespace: Some(owner::name(&observed.namespace.metadata).to_owned()),
                annotations: Some([(DESCRIPTION.to_owned(), DESCRIBED.to_owned())].into()),
                ..ObjectMeta::default()
            };
            let config_map = ConfigMap { metadata, data: Some(data), ..ConfigMap::default() };
            plan.act(Action::create(&config_map, Told::nothing()));
        }
    }
    plan
}

/// Returns how the bundles of a cluster are driven.
#[must_use]
pub fn controller() -> Controller {
    Controller {
        name: "root-ca-certificate-publisher-controller",
        watches: vec![
            Watch::on_self::<Namespace>(),
            Watch::on::<ConfigMap>(|_, old, new| {
                let ours = new.or(old).filter(|it| it.metadata.name.as_deref() == Some(NAME));
                ours.and_then(|it| it.metadata.namespace.as_deref()).map(Key::cluster).into_iter().collect()
            }),
        ],
        reconcile: |view, key, env| {
            let Some(namespace) = view.at::<Namespace>(key) else { return Plan::default() };
            let config_map = view.get::<ConfigMap>(&key.name, NAME);
            reconcile(&Observed {
                namespace: &namespace,
                config_map,
                root_ca: env.settings.root_ca.as_deref(),
            })
        },
    }
}
