//! Names of objects: which are valid, and how generated ones end.

/// The letters and digits generated names end with: no vowels, no digits that look like letters.
const ALPHABET: &[u8] = b"bcdfghjklmnpqrstvwxz2456789";
const LABEL_MAX: usize = 63;
const SUBDOMAIN_MAX: usize = 253;
/// How long the given part of a generated name may be.
const BASE_MAX: usize = 58;

/// Returns why `name` is not an RFC 1123 subdomain (a DNS name), in Kubernetes' words; empty when it is.
pub fn dns_subdomain_errors(name: &str) -> Vec<String> {
    let mut errors = Vec::new();
    if name.len() > SUBDOMAIN_MAX {
        errors.push(format!("must be no more than {SUBDOMAIN_MAX} characters"));
    }
    if name.is_empty() || !name.split('.').all(is_label_text) {
        errors.push("a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')".to_owned());
    }
    errors
}

/// Returns why `name` is not a DNS search path, which may have underscores, in Kubernetes' words.
pub fn search_path_errors(name: &str) -> Vec<String> {
    let mut errors = Vec::new();
    if name.len() > SUBDOMAIN_MAX {
        errors.push(format!("must be no more than {SUBDOMAIN_MAX} characters"));
    }
    let is_plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let is_part = |part: &str| {
        let part = part.strip_prefix('_').unwrap_or(part);
        part.bytes().all(|byte| is_plain(byte) || matches!(byte, b'-' | b'_'))
            && part.bytes().next().is_some_and(is_plain)
            && part.bytes().last().is_some_and(is_plain)
    };
    if name.is_empty() || !name.split('.').all(is_part) {
        errors.push("a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '_', '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '_?[a-z0-9]([-_a-z0-9]*[a-z0-9])?(\\._?[a-z0-9]([-_a-z0-9]*[a-z0-9])?)*')".to_owned());
    }
    errors
}

/// Returns why `name` is not an RFC 1123 label, in Kubernetes' words; empty when it is.
pub fn dns_label_errors(name: &str) -> Vec<String> {
    let mut errors = Vec::new();
    if name.len() > LABEL_MAX {
        errors.push(format!("must be no more than {LABEL_MAX} characters"));
    }
    if is_label_text(name) {
        return errors;
    }
    if name.split('.').all(is_label_text) {
        errors.push("must not contain dots".to_owned());
    } else {
        errors.push("a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')".to_owned());
    }
    errors
}

/// Returns why `name` is not an RFC 1035 label (it begins with a letter), in Kubernetes' words.
pub fn dns1035_label_errors(name: &str) -> Vec<String> {
    let mut errors = Vec::new();
    if name.len() > LABEL_MAX {
        errors.push(format!("must be no more than {LABEL_MAX} characters"));
    }
    if !is_label_text(name) || !name.starts_with(|c: char| c.is_ascii_lowercase()) {
        errors.push("a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic character, and end with an alphanumeric character (e.g. 'my-name',  or 'abc-123', regex used for validation is '[a-z]([-a-z0-9]*[a-z0-9])?')".to_owned());
    }
    errors
}

fn is_label_text(text: &str) -> bool {
    let is_inner = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    !text.is_empty() && text.bytes().all(is_inner) && !text.starts_with('-') && !text.ends_with('-')
}

/// Returns why `key` is not the key of a label or annotation, in Kubernetes' words.
pub fn qualified_name_errors(key: &str) -> Vec<String> {
    const NAME: &str = "must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')";
    let mut errors = Vec::new();
    let parts: Vec<&str> = key.split('/').collect();
    let name = match parts.as_slice() {
        [name] => *name,
        [prefix, name] => {
            if prefix.is_empty() {
                errors.push("prefix part must be non-empty".to_owned());
            } else {
                errors.extend(dns_subdomain_errors(prefix).into_iter().map(|e| format!("prefix part {e}")));
            }
            name
        }
        _ => {
            return vec![format!(
                "a valid label key {NAME} with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')"
            )];
        }
    };
    if name.is_empty() {
        errors.push("name part must be non-empty".to_owned());
    } else if name.len() > LABEL_MAX {
        errors.push(format!("name part must be no more than {LABEL_MAX} bytes"));
    }
    if !is_label_value_text(name) {
        errors.push(format!("name part {NAME}"));
    }
    errors
}

/// Returns why `value` is not the value of a label, in Kubernetes' words.
pub fn label_value_errors(value: &str) -> Vec<String> {
    let mut errors = Vec::new();
    if value.len() > LABEL_MAX {
        errors.push(format!("must be no more than {LABEL_MAX} bytes"));
    }
    if !value.is_empty() && !is_label_value_text(value) {
        errors.push("a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')".to_owned());
    }
    errors
}

fn is_label_value_text(text: &str) -> bool {
    let is_end = |b: Option<&u8>| b.is_some_and(u8::is_ascii_alphanumeric);
    let bytes = text.as_bytes();
    bytes.iter().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(b))
        && is_end(bytes.first())
        && is_end(bytes.last())
}

/// Returns `base` followed by five characters drawn from `seed`, the base cut so that 63 characters suffice.
pub fn generate(base: &str, seed: u64) -> String {
    let mut end = base.len().min(BASE_MAX);
    while !base.is_char_boundary(end) {
        end -= 1;
    }
    let mut name = base[..end].to_owned();
    name.push_str(&suffix(seed));
    name
}

/// Returns five characters drawn from `seed`, as generated names end.
pub fn suffix(seed: u64) -> String {
    let mut rest = scramble(seed);
    let mut text = String::with_capacity(5);
    for _ in 0..5 {
        let length = ALPHABET.len() as u64;
        let place = usize::try_from(rest % length).unwrap_or(0);
        text.push(char::from(ALPHABET[place]));
        rest /= length;
    }
    text
}

/// Spreads every bit of a seed over the whole word (the finaliser of splitmix64), so that near seeds differ.
fn scramble(seed: u64) -> u64 {
    let mut word = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    word ^ (word >> 31)
}

/// Writes a number in the alphabet of generated names (`rand.SafeEncodeString` upstream).
pub fn safe_encode(text: &str) -> String {
    text.bytes().map(|b| char::from(ALPHABET[usize::from(b) % ALPHABET.len()])).collect()
}

/// What the name of a kernel parameter looks like, in the words of a message.
pub(crate) const SYSCTL_PATTERN: &str =
    "^([a-z0-9]([-_a-z0-9]*[a-z0-9])?[\\./])*[a-z0-9]([-_a-z0-9]*[a-z0-9])?$";

/// Returns whether a word can be the name of a kernel parameter.
pub(crate) fn is_sysctl(name: &str) -> bool {
    let is_edge = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let is_part = |part: &str| {
        let bytes = part.as_bytes();
        let inner = |byte: &u8| is_edge(*byte) || matches!(byte, b'-' | b'_');
        bytes.iter().all(inner)
            && bytes.first().copied().is_some_and(is_edge)
            && bytes.last().copied().is_some_and(is_edge)
    };
    name.len() <= 253 && name.split(['.', '/']).all(is_part)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kernel_parameters_have_dots_or_slashes_between_words() {
        for good in ["kernel.shmmax", "net/ipv4/conf.all", "a", "safe-and-unsafe", "net.ipv4.tcp_rmem"] {
            assert!(is_sysctl(good), "{good}");
        }
        for bad in ["foo-", "bar..", "", ".a", "a.", "A", "a b", "_a"] {
            assert!(!is_sysctl(bad), "{bad}");
        }
    }

    #[test]
    fn valid_and_invalid_names() {
        assert!(dns_subdomain_errors("a.b-c.d1").is_empty());
        for bad in ["", "A", "a..b", "-a", "a-", "a_b", "я"] {
            assert!(!dns_subdomain_errors(bad).is_empty(), "{bad}");
        }
        assert!(dns_label_errors("1a").is_empty());
        assert!(!dns1035_label_errors("1a").is_empty());
        assert!(!dns_label_errors(&"a".repeat(64)).is_empty());
        assert!(qualified_name_errors("app.kubernetes.io/name").is_empty());
        for bad in ["", "/a", "a/", "a/b/c", "-a", "A/b"] {
            assert!(!qualified_name_errors(bad).is_empty(), "{bad}");
        }
        assert!(label_value_errors("").is_empty());
        assert!(!label_value_errors("a b").is_empty());
    }

    #[test]
    fn generated_names_differ_and_fit() {
        assert_ne!(generate("web-", 1), generate("web-", 2));
        assert_eq!(generate("web-", 7), generate("web-", 7));
        assert_eq!(generate(&"x".repeat(90), 1).len(), 63);
        assert!(generate(&"я".repeat(40), 1).len() <= 63);
    }
}
