//! Reviews: questions that are created, answered and not kept.

use std::sync::Arc;

use api::status::ApiError;
use bytes::Bytes;
use http::StatusCode;
use serde_json::{Value, json};

use crate::{
    Identity,
    answer::Answer,
    authenticate, body,
    core::{Call, Core},
    rbac::{Attributes, Rule},
    subresource::binding,
    tokens::ISSUER,
};

/// Serves `create` of a kind that is not kept.
pub(crate) async fn create(core: &Core, call: &Call, body: Bytes) -> Result<Answer, ApiError> {
    let row = call.target.row;
    if (row.group, row.plural) == ("", "bindings") {
        return binding::create(core, call, body).await;
    }
    let json = body::to_json(&call.headers, body)?;
    let decoded = api::decode::decode(row, &json, crate::create::validation(call)?)?;
    let mut review = decoded.object;
    let spec = review.get("spec").cloned().unwrap_or(Value::Null);
    review["status"] = match (row.group, row.plural) {
        ("authorization.k8s.io", "selfsubjectaccessreviews") => access(core, &call.identity, &spec, None)?,
        ("authorization.k8s.io", "subjectaccessreviews") => access(core, &subject(&spec), &spec, None)?,
        ("authorization.k8s.io", "localsubjectaccessreviews") => {
            access(core, &subject(&spec), &spec, call.target.namespace())?
        }
        ("authorization.k8s.io", "selfsubjectrulesreviews") => rules(core, &call.identity, &spec),
        ("authentication.k8s.io", "selfsubjectreviews") => json!({"userInfo": user_info(&call.identity)}),
        ("authentication.k8s.io", "tokenreviews") => token(core, &spec),
        _ => return Err(ApiError::method_not_allowed(row.group, row.plural, "create")),
    };
    Ok(Answer { code: StatusCode::CREATED, object: review, warnings: decoded.warnings })
}

fn text(value: &Value, field: &str) -> String {
    value[field].as_str().unwrap_or_default().to_owned()
}

fn access(core: &Core, identity: &Identity, spec: &Value, local: Option<&str>) -> Result<Value, ApiError> {
    let resource = &spec["resourceAttributes"];
    let path = &spec["nonResourceAttributes"];
    if resource.is_null() == path.is_null() {
        return Err(ApiError::bad_request(
            "spec.resourceAttributes: Invalid value: exactly one of nonResourceAttributes or resourceAttributes must be specified",
        ));
    }
    let wanted = if path.is_null() {
        let part = text(resource, "subresource");
        let plural = text(resource, "resource");
        let namespace = Some(text(resource, "namespace")).filter(|namespace| !namespace.is_empty());
        if local.is_some() && namespace.as_deref() != local {
            return Err(ApiError::bad_request(
                "spec.resourceAttributes.namespace: Invalid value: must match metadata.namespace",
            ));
        }
        Attributes {
            verb: text(resource, "verb"),
            group: text(resource, "group"),
            resource: if part.is_empty() { plural } else { format!("{plural}/{part}") },
            namespace,
            name: text(resource, "name"),
            path: None,
        }
    } else {
        Attributes { verb: text(path, "verb"), path: Some(text(path, "path")), ..Attributes::default() }
    };
    let allowed = core.rbac.allows(core, identity, &wanted);
    Ok(json!({"allowed": allowed}))
}

fn subject(spec: &Value) -> Identity {
    let groups = spec["groups"].as_array().into_iter().flatten();
    Identity {
        user: text(spec, "user"),
        uid: text(spec, "uid"),
        groups: groups.filter_map(|group| group.as_str().map(str::to_owned)).collect(),
        ..Identity::default()
    }
}

fn rules(core: &Core, identity: &Identity, spec: &Value) -> Value {
    let namespace = text(spec, "namespace");
    let rules = core.rbac.rules(core, identity, &namespace);
    let (paths, resources): (Vec<Rule>, Vec<Rule>) =
        rules.into_iter().partition(|rule| !rule.non_resource_urls.is_empty());
    json!({"resourceRules": resources, "nonResourceRules": paths, "incomplete": false})
}

fn user_info(identity: &Arc<Identity>) -> Value {
    let mut info = json!({"username": identity.user, "groups": identity.groups});
    if !identity.uid.is_empty() {
        info["uid"] = json!(identity.uid);
    }
    if !identity.extra.is_empty() {
        info["extra"] = json!(identity.extra);
    }
    info
}

fn token(core: &Core, spec: &Value) -> Value {
    let given: Vec<&str> =
        spec["audiences"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let audiences = if given.is_empty() { vec![ISSUER] } else { given };
    match authenticate::review(core, spec["token"].as_str().unwrap_or_default(), &audiences) {
        Some(reviewed) => json!({"authenticated": true, "audiences": reviewed.audiences,
            "user": user_info(&Arc::new(reviewed.identity))}),
        None => json!({"authenticated": false, "error": "the token is not valid", "user": {}}),
    }
}
