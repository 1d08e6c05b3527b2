//! Signs what people have approved (`kubectl certificate approve`): certificates of users of the API.
//!
//! The one signer here is `kubernetes.io/kube-apiserver-client`, by Kubernetes' rules for it: a client's
//! certificate and nothing else, for a year unless less is asked for, and never for `system:masters`.

use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use client::Caches;
use k8s_openapi::ByteString;
use k8s_openapi::api::certificates::v1::CertificateSigningRequest as Request;
use kube::api::{Api, Patch, PatchParams};
use rcgen::{
    CertificateSigningRequestParams, DnType, DnValue, ExtendedKeyUsagePurpose, IsCa, KeyUsagePurpose,
};
use serde_json::json;
use tokio_util::sync::CancellationToken;

use crate::pki::Pki;

const SIGNER: &str = "kubernetes.io/kube-apiserver-client";
/// As long as Kubernetes' own signer gives, and not longer.
const YEAR: Duration = Duration::from_secs(365 * 24 * 3600);
/// Clocks differ a little.
const BEFORE: Duration = Duration::from_secs(300);
const USAGES: [&str; 3] = ["client auth", "digital signature", "key encipherment"];

/// Signs whatever is approved, until `stop`.
pub(crate) async fn run(client: kube::Client, caches: Caches, pki: Pki, stop: CancellationToken) {
    let requests = caches.of::<Request>();
    requests.wait_synced().await;
    let mut changes = requests.subscribe();
    let api: Api<Request> = Api::all(client);
    loop {
        for request in requests.list().iter().filter(|request| is_due(request)) {
            answer(&api, &pki, request).await;
        }
        tokio::select! {
            _ = changes.next() => {}
            () = stop.cancelled() => return,
        }
    }
}

fn is_due(request: &Request) -> bool {
    let status = request.status.as_ref();
    let has = |kind: &str| {
        let mut conditions = status.into_iter().flat_map(|status| status.conditions.iter().flatten());
        conditions.any(|condition| condition.type_ == kind)
    };
    let has_certificate = status.and_then(|status| status.certificate.as_ref()).is_some();
    request.spec.signer_name == SIGNER
        && has("Approved")
        && !has("Denied")
        && !has("Failed")
        && !has_certificate
}

async fn answer(api: &Api<Request>, pki: &Pki, request: &Request) {
    let name = request.metadata.name.as_deref().unwrap_or_default();
    let status = match sign(pki, request) {
        Ok(certificate) => json!({"certificate": ByteString(certificate.into_bytes())}),
        Err(error) => {
            let mut conditions =
                request.status.as_ref().and_then(|it| it.conditions.clone()).unwrap_or_default();
            conditions.push(k8s_openapi::api::certificates::v1::CertificateSigningRequestCondition {
                type_: "Failed".to_owned(),
                status: "True".to_owned(),
                reason: Some("SignerValidationFailure".to_owned()),
                message: Some(format!("{error:#}")),
                ..Default::default()
            });
            json!({"conditions": conditions})
        }
    };
    let patch = json!({"metadata": {"resourceVersion": request.metadata.resource_version}, "status": status});
    if let Err(error) = api.patch_status(name, &PatchParams::default(), &Patch::Merge(patch)).await {
        // a change that came between is seen by the watch, and the request is looked at again
        tracing::debug!(request = name, %error, "a signing request was not answered");
    }
}

/// Returns the certificate, as PEM.
fn sign(pki: &Pki, request: &Request) -> Result<String> {
    let usages = request.spec.usages.clone().unwrap_or_default();
    if let Some(other) = usages.iter().find(|usage| !USAGES.contains(&usage.as_str())) {
        bail!("the signer `{SIGNER}` gives no certificates for `{other}`");
    }
    ensure!(usages.iter().any(|usage| usage == "client auth"), "the usage `client auth` is not asked for");
    let pem = std::str::from_utf8(&request.spec.request.0).context("the request is no PEM")?;
    let mut asked = CertificateSigningRequestParams::from_pem(pem).context("the request does not read")?;
    let is_master = asked.params.distinguished_name.iter().any(|(kind, value)| {
        *kind == DnType::OrganizationName && text(value).is_none_or(|text| text == "system:masters")
    });
    ensure!(!is_master, "the group `system:masters` is not given to anybody");
    let wanted = request.spec.expiration_seconds.and_then(|seconds| u64::try_from(seconds).ok());
    let length = wanted.map_or(YEAR, Duration::from_secs).min(YEAR);
    let now = std::time::SystemTime::now();
    asked.params.not_before = (now - BEFORE).into();
    asked.params.not_after = (now + length).into();
    asked.params.is_ca = IsCa::ExplicitNoCa;
    asked.params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    asked.params.key_usages = vec![KeyUsagePurpose::DigitalSignature, KeyUsagePurpose::KeyEncipherment];
    asked.params.subject_alt_names.clear();
    Ok(asked.signed_by(&pki.issuer()?).context("failed to sign")?.pem())
}

/// The text of a part of a name; none of what is written in letters that no group's name has.
fn text(value: &DnValue) -> Option<&str> {
    match value {
        DnValue::Utf8String(text) => Some(text),
        DnValue::PrintableString(text) => Some(text.as_str()),
        DnValue::Ia5String(text) => Some(text.as_str()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, KeyPair};

    use super::*;

    fn request(subject: &[(DnType, &str)], usages: &[&str]) -> Request {
        let mut params = CertificateParams::default();
        params.distinguished_name = rcgen::DistinguishedName::new();
        subject.iter().for_each(|(kind, text)| params.distinguished_name.push(kind.clone(), *text));
        let key = KeyPair::generate().unwrap();
        let pem = params.serialize_request(&key).unwrap().pem().unwrap();
        let mut request = Request::default();
        request.spec.signer_name = SIGNER.to_owned();
        request.spec.request = ByteString(pem.into_bytes());
        request.spec.usages = Some(usages.iter().map(|usage| (*usage).to_owned()).collect());
        request
    }

    #[test]
    fn only_certificates_of_clients_are_signed() {
        let folder = tempfile::tempdir().unwrap();
        let pki = Pki::load_or_create(folder.path()).unwrap();
        let jane = [(DnType::CommonName, "jane"), (DnType::OrganizationName, "dev")];
        let client = ["client auth", "digital signature"];
        let signed = sign(&pki, &request(&jane, &client)).unwrap();
        assert!(signed.starts_with("-----BEGIN CERTIFICATE-----"), "{signed}");
        let refused = |request: &Request, why: &str| {
            let error = format!("{:#}", sign(&pki, request).unwrap_err());
            assert!(error.contains(why), "{error}");
        };
        refused(&request(&jane, &["server auth"]), "`server auth`");
        refused(&request(&jane, &["digital signature"]), "`client auth` is not asked for");
        let master = [(DnType::CommonName, "jane"), (DnType::OrganizationName, "system:masters")];
        refused(&request(&master, &client), "system:masters");
        let mut garbage = request(&jane, &client);
        garbage.spec.request = ByteString(b"-----BEGIN CERTIFICATE REQUEST-----\nAAAA\n".to_vec());
        refused(&garbage, "does not read");
    }
}
