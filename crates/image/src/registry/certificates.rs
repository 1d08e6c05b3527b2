//! Whom we trust: the system's authorities, and those that a folder names for one registry, as
//! Docker (`/etc/docker/certs.d/HOST:PORT/*.crt`) and podman (`containers/certs.d`) keep them;
//! beside them `NAME.cert` and `NAME.key`, by which the registry knows us.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

/// TLS settings by host.
pub(super) struct Certificates {
    folders: Vec<PathBuf>,
    system: RootCertStore,
    configs: Mutex<HashMap<String, Arc<ClientConfig>>>,
}

impl Certificates {
    /// Reads the system's authorities. One that doesn't read is left out: what it vouches for
    /// won't be trusted, and the error then says so.
    pub(super) fn new(folders: Vec<PathBuf>) -> Certificates {
        let mut system = RootCertStore::empty();
        let found = rustls_native_certs::load_native_certs();
        for error in &found.errors {
            tracing::debug!(%error, "a certificate of the system does not read");
        }
        system.add_parsable_certificates(found.certs);
        Certificates { folders, system, configs: Mutex::default() }
    }

    pub(super) fn for_host(&self, host: &str) -> Arc<ClientConfig> {
        let mut configs = self.configs.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        configs.entry(host.to_owned()).or_insert_with(|| Arc::new(self.config(host))).clone()
    }

    fn config(&self, host: &str) -> ClientConfig {
        let mut roots = self.system.clone();
        for folder in &self.folders {
            roots.add_parsable_certificates(certificates_in(&folder.join(host)));
        }
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("the provider supports the protocol versions it was built with")
            .with_root_certificates(roots);
        let own = self.folders.iter().find_map(|folder| own_certificate(&folder.join(host)));
        let mut config = match own.map(|(chain, key)| builder.clone().with_client_auth_cert(chain, key)) {
            Some(Ok(config)) => config,
            Some(Err(error)) => {
                tracing::warn!(%error, host, "the client certificate for a registry can't be used");
                builder.with_no_client_auth()
            }
            None => builder.with_no_client_auth(),
        };
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        config
    }
}

/// Reads the certificate by which a registry knows us: `NAME.cert` and `NAME.key`.
fn own_certificate(folder: &Path) -> Option<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>)> {
    let files = fs::read_dir(folder).ok()?.flatten().map(|entry| entry.path());
    let certificate = files.filter(|path| path.extension().is_some_and(|ending| ending == "cert")).min()?;
    let chain = CertificateDer::pem_file_iter(&certificate).ok()?.flatten().collect();
    let key = PrivateKeyDer::from_pem_file(certificate.with_extension("key"));
    let key = key.inspect_err(|error| {
        tracing::warn!(%error, file = %certificate.display(), "the key of a client certificate does not read");
    });
    Some((chain, key.ok()?))
}

/// Returns where Docker and podman look for the certificates of single registries.
pub(super) fn default_folders() -> Vec<PathBuf> {
    let mut folders = vec![PathBuf::from("/etc/docker/certs.d"), PathBuf::from("/etc/containers/certs.d")];
    if let Some(home) = std::env::var_os("HOME") {
        folders.push(Path::new(&home).join(".config/containers/certs.d"));
    }
    folders
}

fn certificates_in(folder: &Path) -> Vec<CertificateDer<'static>> {
    let mut certificates = Vec::new();
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.extension().is_none_or(|extension| extension != "crt") {
            continue;
        }
        match CertificateDer::pem_file_iter(&path) {
            Ok(found) => certificates.extend(found.flatten()),
            Err(error) => tracing::warn!(%error, file = %path.display(), "a certificate does not read"),
        }
    }
    certificates
}
