//! Service-account tokens: JSON web tokens signed with ES256.

use api::status::ApiError;
use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD as BASE64};
use ring::{
    digest,
    rand::SystemRandom,
    signature::{
        ECDSA_P256_SHA256_FIXED, ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair, UnparsedPublicKey,
    },
};
use serde_json::{Value, json};

use crate::BuildError;

/// Who issues the tokens, and the audience that the API itself is.
pub(crate) const ISSUER: &str = "https://kubernetes.default.svc.cluster.local";
/// Longer texts are no tokens of ours.
const MAX_TOKEN: usize = 16 << 10;

/// Signs and verifies.
pub(crate) struct Tokens {
    key: EcdsaKeyPair,
    key_id: String,
    random: SystemRandom,
}

impl Tokens {
    /// Reads a P-256 private key, PKCS#8 DER.
    pub(crate) fn new(pkcs8: &[u8]) -> Result<Self, BuildError> {
        let random = SystemRandom::new();
        let key = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, pkcs8, &random)
            .map_err(|rejected| BuildError::ServiceAccountKey(rejected.to_string()))?;
        let hash = digest::digest(&digest::SHA256, key.public_key().as_ref());
        Ok(Self { key_id: BASE64.encode(hash.as_ref()), key, random })
    }

    /// Signs claims.
    pub(crate) fn sign(&self, claims: &Value) -> Result<String, ApiError> {
        let header = json!({"alg": "ES256", "kid": self.key_id, "typ": "JWT"});
        let payload = format!("{}.{}", BASE64.encode(header.to_string()), BASE64.encode(claims.to_string()));
        let signature = self
            .key
            .sign(&self.random, payload.as_bytes())
            .map_err(|_| ApiError::internal("failed to sign a token: the system gave no random bytes"))?;
        Ok(format!("{payload}.{}", BASE64.encode(signature.as_ref())))
    }

    /// Returns the claims of a token with a good signature; their times are for the caller to judge.
    pub(crate) fn verify(&self, token: &str) -> Option<Value> {
        if token.len() > MAX_TOKEN {
            return None;
        }
        let (payload, signature) = token.rsplit_once('.')?;
        let (header, claims) = payload.split_once('.')?;
        let header: Value = serde_json::from_slice(&BASE64.decode(header).ok()?).ok()?;
        if header["alg"] != "ES256" {
            return None;
        }
        let public = UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, self.key.public_key().as_ref());
        public.verify(payload.as_bytes(), &BASE64.decode(signature).ok()?).ok()?;
        serde_json::from_slice(&BASE64.decode(claims).ok()?).ok()
    }

    /// Returns the public key as a JSON web key set.
    pub(crate) fn key_set(&self) -> Value {
        // an uncompressed point: 4, x, y
        let point = self.key.public_key().as_ref();
        let (x, y) = (point.get(1..33).unwrap_or_default(), point.get(33..65).unwrap_or_default());
        json!({"keys": [{"use": "sig", "kty": "EC", "kid": self.key_id, "crv": "P-256", "alg": "ES256",
            "x": BASE64.encode(x), "y": BASE64.encode(y)}]})
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tokens() -> Tokens {
        let key = rcgen::KeyPair::generate().unwrap();
        Tokens::new(&key.serialize_der()).unwrap()
    }

    #[test]
    fn only_its_own_untouched_tokens_verify() {
        let (ours, theirs) = (tokens(), tokens());
        let claims = json!({"sub": "someone"});
        let token = ours.sign(&claims).unwrap();
        assert_eq!(ours.verify(&token), Some(claims));
        assert_eq!(theirs.verify(&token), None);
        let mut parts: Vec<&str> = token.split('.').collect();
        let forged = BASE64.encode(json!({"sub": "admin"}).to_string());
        parts[1] = &forged;
        assert_eq!(ours.verify(&parts.join(".")), None);
        let unsigned = BASE64.encode(r#"{"alg":"none"}"#);
        assert_eq!(ours.verify(&format!("{unsigned}.{forged}.")), None);
        for garbage in ["", ".", "..", "a.b.c", "ü.ü.ü"] {
            assert_eq!(ours.verify(garbage), None);
        }
    }

    #[test]
    fn a_key_of_another_kind_is_refused() {
        assert!(matches!(Tokens::new(b"no key"), Err(BuildError::ServiceAccountKey(_))));
    }
}
