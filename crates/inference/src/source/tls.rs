//! Whom we trust when fetching: the system's authorities or those of `SSL_CERT_FILE`; an image without any has those
//! that browsers trust.

use std::sync::Arc;

use rustls::{ClientConfig, RootCertStore};

/// Settings for a client of stores. Reads the authorities: some milliseconds.
pub(super) fn client() -> ClientConfig {
    let mut roots = RootCertStore::empty();
    let found = rustls_native_certs::load_native_certs();
    for error in &found.errors {
        tracing::debug!(%error, "an authority of the system does not read");
    }
    roots.add_parsable_certificates(found.certs);
    if roots.is_empty() {
        roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
    }
    ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("the provider supports the protocol versions it was built with")
        .with_root_certificates(roots)
        .with_no_client_auth()
}
