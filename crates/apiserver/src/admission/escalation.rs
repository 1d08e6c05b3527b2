//! Nobody hands out rights that they do not have.

use api::status::ApiError;
use serde_json::Value;

use crate::{
    authorize,
    core::{Call, Core},
    identity::MASTERS,
    rbac::{Attributes, Rule},
};

/// Refuses roles and bindings that grant more than their author may do, unless the author may `escalate` or
/// `bind` them.
pub(super) fn check(core: &Core, call: &Call, object: &Value) -> Result<(), ApiError> {
    if call.identity.is_in(MASTERS) {
        return Ok(());
    }
    let row = call.target.row;
    let namespace = call.target.namespace();
    let name = api::meta::name(object).unwrap_or_default();
    let (verb, resource, named, granted) = match row.plural {
        "roles" | "clusterroles" => ("escalate", row.plural, name, core.rbac.rules_of(object)),
        "rolebindings" | "clusterrolebindings" => {
            let role = object["roleRef"]["name"].as_str().unwrap_or_default();
            let is_cluster = object["roleRef"]["kind"] == "ClusterRole";
            let plural = if is_cluster { "clusterroles" } else { "roles" };
            let granted = core.rbac.rules_of_role(core, if is_cluster { None } else { namespace }, role);
            ("bind", plural, role, granted)
        }
        _ => return Ok(()),
    };
    let special = Attributes {
        verb: verb.to_owned(),
        resource: resource.to_owned(),
        namespace: namespace.map(str::to_owned),
        name: named.to_owned(),
        ..authorize::of_target(verb, &call.target)
    };
    if core.rbac.allows(core, &call.identity, &special) {
        return Ok(());
    }
    let own = core.rbac.rules(core, &call.identity, namespace.unwrap_or_default());
    let missing: Vec<&Rule> = granted.iter().filter(|rule| !rule.is_covered_by(&own)).collect();
    if missing.is_empty() {
        return Ok(());
    }
    let listed = serde_json::to_string(&missing).unwrap_or_default();
    let why = format!(
        "user \"{}\" is attempting to grant RBAC permissions not currently held:\n{listed}",
        call.identity.user
    );
    Err(ApiError::forbidden(row.group, row.plural, name, &why))
}
