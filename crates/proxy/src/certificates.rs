//! TLS secrets: parsed when they appear or change, not when they are used.

use std::collections::HashMap;
use std::sync::Arc;

use k8s_openapi::api::core::v1::Secret;
use rustls::crypto::ring::sign::any_supported_type;
use rustls::sign::CertifiedKey;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

/// Parsed secrets, by namespace and name.
#[derive(Default)]
pub(crate) struct Certificates {
    parsed: HashMap<(String, String), Parsed>,
}

/// What a version of a secret was found to hold.
struct Parsed {
    version: Option<String>,
    key: Result<Arc<CertifiedKey>, String>,
}

/// Why a secret is no certificate.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CertificateError {
    #[error("key `{0}` is missing")]
    Missing(&'static str),
    #[error("key `{key}` is not PEM")]
    Pem {
        key: &'static str,
        #[source]
        source: rustls_pki_types::pem::Error,
    },
    #[error("key `tls.crt` holds no certificate")]
    Empty,
    #[error("key `tls.key` is of an unknown kind, or does not fit the certificate")]
    Key(#[source] rustls::Error),
}

impl Certificates {
    /// Returns the certificate in a secret; `None`, with a warning in the log, if there is none.
    pub(crate) fn get(
        &mut self,
        key: &(String, String),
        secret: Option<&Secret>,
    ) -> Option<Arc<CertifiedKey>> {
        let Some(secret) = secret else {
            self.parsed.remove(key);
            return None;
        };
        let version = &secret.metadata.resource_version;
        if let Some(known) = self.parsed.get(key)
            && known.version == *version
        {
            return known.key.clone().ok();
        }
        let parsed = parse(secret).map(Arc::new).map_err(|error| {
            let cause = std::error::Error::source(&error).map(ToString::to_string);
            tracing::warn!(namespace = key.0, secret = key.1, %error, cause, "a TLS secret is unusable");
            cause.map_or_else(|| error.to_string(), |cause| format!("{error}: {cause}"))
        });
        let known = Parsed { version: version.clone(), key: parsed.clone() };
        self.parsed.insert(key.clone(), known);
        parsed.ok()
    }

    /// Returns what is wrong with a secret that was asked for.
    pub(crate) fn fault(&self, key: &(String, String)) -> Option<String> {
        self.parsed.get(key)?.key.as_ref().err().cloned()
    }

    /// Forgets secrets that nobody names any more.
    pub(crate) fn keep(&mut self, wanted: impl Fn(&(String, String)) -> bool) {
        self.parsed.retain(|key, _| wanted(key));
    }
}

fn parse(secret: &Secret) -> Result<CertifiedKey, CertificateError> {
    let value = |key: &'static str| {
        let data = secret.data.as_ref().and_then(|data| data.get(key));
        data.map(|value| value.0.as_slice()).ok_or(CertificateError::Missing(key))
    };
    let pem = |key| move |source| CertificateError::Pem { key, source };
    let chain: Vec<CertificateDer<'static>> = CertificateDer::pem_slice_iter(value("tls.crt")?)
        .collect::<Result<_, _>>()
        .map_err(pem("tls.crt"))?;
    if chain.is_empty() {
        return Err(CertificateError::Empty);
    }
    let key = PrivateKeyDer::from_pem_slice(value("tls.key")?).map_err(pem("tls.key"))?;
    let key = CertifiedKey::new(chain, any_supported_type(&key).map_err(CertificateError::Key)?);
    match key.keys_match() {
        Ok(()) | Err(rustls::Error::InconsistentKeys(rustls::InconsistentKeys::Unknown)) => Ok(key),
        Err(error) => Err(CertificateError::Key(error)),
    }
}
