//! ServiceAccount `default` in every namespace.

use api::k8s::api::core::v1::{Namespace, ServiceAccount};
use api::k8s::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use crate::controller::{Controller, Watch};
use crate::owner;
use crate::plan::{Action, Plan, Told};
use crate::view::Key;

const NAME: &str = "default";

/// What the account is decided on.
pub struct Observed<'a> {
    /// The namespace.
    pub namespace: &'a Namespace,
    /// Whether it has its account.
    pub has_account: bool,
}

/// Decides.
#[must_use]
pub fn reconcile(observed: &Observed<'_>) -> Plan {
    let mut plan = Plan::default();
    if !observed.has_account && is_active(observed.namespace) {
        let namespace = owner::name(&observed.namespace.metadata).to_owned();
        let metadata =
            ObjectMeta { name: Some(NAME.to_owned()), namespace: Some(namespace), ..ObjectMeta::default() };
        plan.act(Action::create(&ServiceAccount { metadata, ..ServiceAccount::default() }, Told::nothing()));
    }
    plan
}

/// Tells whether objects can still be made in the namespace.
#[must_use]
pub fn is_active(namespace: &Namespace) -> bool {
    namespace.metadata.deletion_timestamp.is_none()
}

/// Returns how the accounts of a cluster are driven.
#[must_use]
pub fn controller() -> Controller {
    Controller {
        name: "serviceaccount-controller",
        watches: vec![
            Watch::on_self::<Namespace>(),
            Watch::on::<ServiceAccount>(|_, old, new| {
                let lost =
                    old.filter(|_| new.is_none()).and_then(|account| account.metadata.namespace.as_deref());
                lost.map(Key::cluster).into_iter().collect()
            }),
        ],
        reconcile: |view, key, _| {
            let Some(namespace) = view.at::<Namespace>(key) else { return Plan::default() };
            let has_account = view.get::<ServiceAccount>(&key.name, NAME).is_some();
            reconcile(&Observed { namespace: &namespace, has_account })
        },
    }
}
