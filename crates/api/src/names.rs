//! Names of objects: which are valid, and how generated ones end.

/// Returns why `name` is not an RFC 1123 subdomain (a DNS name), in Kubernetes' words; empty when it is.
pub fn dns_subdomain_errors(_name: &str) -> Vec<String> {
    unimplemented!()
}

/// Returns why `name` is not an RFC 1123 label, in Kubernetes' words; empty when it is.
pub fn dns_label_errors(_name: &str) -> Vec<String> {
    unimplemented!()
}

/// Returns `base` followed by five characters drawn from `seed`, the base cut so that 63 characters suffice.
pub fn generate(_base: &str, _seed: u64) -> String {
    unimplemented!()
}
