//! Secrets that ask for the token of a service account.

use api::status::ApiError;
use base64::{Engine as _, prelude::BASE64_STANDARD as BASE64};
use serde_json::{Value, json};

use crate::{
    core::{Call, Core},
    tokens::ISSUER,
};

const KIND: &str = "kubernetes.io/service-account-token";
const ACCOUNT: &str = "kubernetes.io/service-account.name";
const ACCOUNT_UID: &str = "kubernetes.io/service-account.uid";

/// Fills in a token that lives as long as the secret and the account.
pub(super) fn fill_token(core: &Core, call: &Call, secret: &mut Value) -> Result<(), ApiError> {
    if secret["type"] != KIND || secret["data"]["token"].is_string() {
        return Ok(());
    }
    // validation says what is wrong with one that names no account
    let Some(account) = secret["metadata"]["annotations"][ACCOUNT].as_str().map(str::to_owned) else {
        return Ok(());
    };
    let namespace = call.target.namespace().unwrap_or_default();
    let Ok(found) = core.find_core("serviceaccounts", Some(namespace), &account) else { return Ok(()) };
    let uid = api::meta::uid(&found.object).unwrap_or_default();
    let token = core.tokens.sign(&json!({
        "iss": ISSUER,
        "aud": [ISSUER],
        "sub": format!("system:serviceaccount:{namespace}:{account}"),
        "nbf": call.now.as_second(),
        "kubernetes.io": {"namespace": namespace, "serviceaccount": {"name": account, "uid": uid},
            "secret": {"name": api::meta::name(secret), "uid": api::meta::uid(secret)}},
    }))?;
    secret["metadata"]["annotations"][ACCOUNT_UID] = json!(uid);
    for (key, text) in
        [("token", token.as_str()), ("namespace", namespace), ("ca.crt", &core.config.certificate_authority)]
    {
        secret["data"][key] = json!(BASE64.encode(text));
    }
    Ok(())
}
