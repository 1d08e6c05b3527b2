//! TLS for the API and the Ingress, from the cluster's own keys.

use std::sync::Arc;

use anyhow::{Context, Result};
use rustls::ServerConfig;
use rustls::crypto::ring;
use rustls::sign::CertifiedKey;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

use crate::pki::Pki;

/// The API's TLS: client certificates of our authority are accepted, and none is asked of those who bring a token.
pub(crate) fn api(pki: &Pki) -> Result<Arc<ServerConfig>> {
    let authority =
        CertificateDer::from_pem_slice(pki.ca_certificate.as_bytes()).context("a certificate is damaged")?;
    let certificates = certificates(&pki.server_certificate)?;
    Ok(apiserver::tls::server_config(certificates, key(&pki.server_key)?, authority)?)
}

/// The certificate that the Ingress shows when no TLS secret matches.
pub(crate) fn ingress(pki: &Pki) -> Result<Arc<CertifiedKey>> {
    let signing =
        ring::sign::any_supported_type(&key(&pki.ingress_key)?).context("the Ingress key is unusable")?;
    Ok(Arc::new(CertifiedKey::new(certificates(&pki.ingress_certificate)?, signing)))
}

/// The key in the form that the API server signs tokens with: PKCS#8.
pub(crate) fn service_account_key(pki: &Pki) -> Result<Vec<u8>> {
    Ok(key(&pki.service_account_key)?.secret_der().to_vec())
}

fn certificates(pem: &str) -> Result<Vec<CertificateDer<'static>>> {
    CertificateDer::pem_slice_iter(pem.as_bytes())
        .collect::<Result<_, _>>()
        .context("a certificate is damaged")
}

fn key(pem: &str) -> Result<PrivateKeyDer<'static>> {
    PrivateKeyDer::from_pem_slice(pem.as_bytes()).context("a key is damaged")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fresh_keys_make_a_server() {
        let folder = tempfile::tempdir().unwrap();
        let pki = Pki::load_or_create(folder.path()).unwrap();
        api(&pki).unwrap();
        ingress(&pki).unwrap();
        assert!(!service_account_key(&pki).unwrap().is_empty());
    }
}
