//! The TLS side of the server.

use std::sync::Arc;

use rustls::{
    RootCertStore, ServerConfig,
    pki_types::{CertificateDer, PrivateKeyDer},
    server::WebPkiClientVerifier,
};

/// Why a TLS configuration could not be made.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// Certificate and key do not fit, or the authority is no certificate.
    #[error("the certificates of the API cannot be used")]
    Certificates(#[from] rustls::Error),
    /// The client authority cannot be used.
    #[error("the certificate authority of clients cannot be used")]
    Authority(#[from] rustls::server::VerifierBuilderError),
}

/// Returns a configuration that offers HTTP/2 and HTTP/1.1 and asks clients for a certificate of
/// `client_authority`, without insisting: tokens come without one.
///
/// # Errors
/// When the certificates, the key and the authority don't make a working server.
pub fn server_config(
    certificates: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
    client_authority: CertificateDer<'static>,
) -> Result<Arc<ServerConfig>, TlsError> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut roots = RootCertStore::empty();
    roots.add(client_authority)?;
    let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider))
        .allow_unauthenticated()
        .build()?;
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_client_cert_verifier(verifier)
        .with_single_cert(certificates, key)?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}
