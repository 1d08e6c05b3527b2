//! The cluster's own certificate authority and what it has signed.

use std::path::Path;

use anyhow::{Context, Result};
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer,
    KeyPair, KeyUsagePurpose, SanType, date_time_ymd,
};
use serde::{Deserialize, Serialize};

use crate::record::replace_file;

/// Keys and certificates of one cluster, all PEM.
///
/// Made once and kept in one file, so that a crash leaves either all of them or none.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Pki {
    /// The authority's certificate: what clients trust.
    pub ca_certificate: String,
    ca_key: String,
    /// The API server's certificate, for localhost and the in-cluster names.
    pub server_certificate: String,
    /// Its key.
    pub server_key: String,
    /// The administrator's certificate (`system:masters`).
    pub admin_certificate: String,
    /// Its key.
    pub admin_key: String,
    /// The key that signs service-account tokens (P-256, PKCS#8).
    pub service_account_key: String,
    /// A certificate for the Ingress, shown when no TLS secret matches.
    pub ingress_certificate: String,
    /// Its key.
    pub ingress_key: String,
}

impl Pki {
    /// Loads the cluster's keys, or makes and keeps them.
    ///
    /// # Errors
    /// When the file is damaged or can't be written.
    pub fn load_or_create(folder: &Path) -> Result<Self> {
        let path = folder.join("pki.json");
        match std::fs::read(&path) {
            Ok(text) => serde_json::from_slice(&text).with_context(|| {
                format!("`{}` is damaged: `pinnace down --purge` starts afresh", path.display())
            }),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                let pki = Self::create().context("failed to make the cluster's certificates")?;
                std::fs::create_dir_all(folder)
                    .with_context(|| format!("failed to create `{}`", folder.display()))?;
                replace_file(&path, &serde_json::to_vec_pretty(&pki)?)?;
                Ok(pki)
            }
            Err(error) => Err(error).with_context(|| format!("failed to read `{}`", path.display())),
        }
    }

    fn create() -> Result<Self, rcgen::Error> {
        let ca_key = KeyPair::generate()?;
        let mut ca = params(&[(DnType::CommonName, "pinnace-ca")]);
        ca.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        ca.key_usages =
            vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign, KeyUsagePurpose::DigitalSignature];
        let ca_certificate = ca.self_signed(&ca_key)?.pem();
        let issuer = Issuer::new(ca, ca_key);

        let mut server = params(&[(DnType::CommonName, "kube-apiserver")]);
        server.subject_alt_names = server_names()?;
        let server = signed(server, ExtendedKeyUsagePurpose::ServerAuth, &issuer)?;

        let admin =
            params(&[(DnType::OrganizationName, "system:masters"), (DnType::CommonName, "kubernetes-admin")]);
        let admin = signed(admin, ExtendedKeyUsagePurpose::ClientAuth, &issuer)?;

        let mut ingress = params(&[(DnType::CommonName, "pinnace ingress")]);
        ingress.subject_alt_names = vec![dns("localhost")?, dns("*.localhost")?, loopback()];
        let ingress = signed(ingress, ExtendedKeyUsagePurpose::ServerAuth, &issuer)?;

        Ok(Self {
            ca_certificate,
            ca_key: issuer.key().serialize_pem(),
            server_certificate: server.0,
            server_key: server.1,
            admin_certificate: admin.0,
            admin_key: admin.1,
            service_account_key: KeyPair::generate()?.serialize_pem(),
            ingress_certificate: ingress.0,
            ingress_key: ingress.1,
        })
    }
}

impl Pki {
    /// Returns the authority, to sign with.
    pub(crate) fn issuer(&self) -> Result<Issuer<'static, KeyPair>> {
        let key = KeyPair::from_pem(&self.ca_key).context("the authority's key does not read")?;
        Issuer::from_ca_cert_pem(&self.ca_certificate, key)
            .context("the authority's certificate does not read")
    }
}

/// Every name and address by which the API server is reached.
fn server_names() -> Result<Vec<SanType>, rcgen::Error> {
    const NAMES: [&str; 5] = [
        "localhost",
        "kubernetes",
        "kubernetes.default",
        "kubernetes.default.svc",
        "kubernetes.default.svc.cluster.local",
    ];
    let mut names = NAMES.iter().map(|name| dns(name)).collect::<Result<Vec<_>, _>>()?;
    names.push(loopback());
    names.push(SanType::IpAddress(crate::addresses::API_SERVICE.into()));
    Ok(names)
}

fn dns(name: &str) -> Result<SanType, rcgen::Error> {
    Ok(SanType::DnsName(name.try_into()?))
}

fn loopback() -> SanType {
    SanType::IpAddress(std::net::Ipv4Addr::LOCALHOST.into())
}

/// Valid for as long as any cluster on one machine will live: there is nobody to renew them.
fn params(subject: &[(DnType, &str)]) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    for (kind, value) in subject {
        params.distinguished_name.push(kind.clone(), *value);
    }
    params.not_before = date_time_ymd(2020, 1, 1);
    params.not_after = date_time_ymd(2049, 12, 31);
    params
}

fn signed(
    mut params: CertificateParams,
    usage: ExtendedKeyUsagePurpose,
    issuer: &Issuer<'_, KeyPair>,
) -> Result<(String, String), rcgen::Error> {
    params.extended_key_usages = vec![usage];
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    let key = KeyPair::generate()?;
    Ok((params.signed_by(&key, issuer)?.pem(), key.serialize_pem()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_made_once_and_are_private() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let first = Pki::load_or_create(folder.path()).unwrap();
        let second = Pki::load_or_create(folder.path()).unwrap();
        assert_eq!(first.ca_certificate, second.ca_certificate);
        let mode = std::fs::metadata(folder.path().join("pki.json")).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }
}
