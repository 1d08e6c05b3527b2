//! The grammar of image references, as far as the pull policy needs it.

/// Longer names are refused by every registry.
const NAME_MAX: usize = 255;

/// Tells whether an image's tag is `latest`, said or not said. A digest without a tag says none, and so does
/// a text that is no reference.
pub(super) fn is_latest(image: &str) -> bool {
    let (rest, digest) = match image.split_once('@') {
        Some((rest, digest)) => (rest, Some(digest)),
        None => (image, None),
    };
    if digest.is_some_and(|digest| !is_digest(digest)) {
        return false;
    }
    let last = rest.rfind('/').map_or(0, |slash| slash + 1);
    let (name, tag) = match rest[last..].split_once(':') {
        Some((end, tag)) => (&rest[..last + end.len()], Some(tag)),
        None => (rest, None),
    };
    // What is too long is no name, and so has no tag.
    if name.len() > NAME_MAX || !is_name(name) || tag.is_some_and(|tag| !is_tag(tag)) {
        return false;
    }
    match (tag, digest) {
        (Some(tag), _) => tag == "latest",
        (None, Some(_)) => false,
        // A name that looks like an identifier is none.
        (None, None) => !(name.len() == 64 && name.bytes().all(|b| b.is_ascii_hexdigit())),
    }
}

fn is_digest(text: &str) -> bool {
    let Some((algorithm, hex)) = text.split_once(':') else { return false };
    algorithm.starts_with(|c: char| c.is_ascii_alphabetic())
        && hex.len() >= 32
        && hex.bytes().all(|b| b.is_ascii_hexdigit())
}

fn is_tag(text: &str) -> bool {
    let is_word = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
    text.len() <= 128
        && text.bytes().next().is_some_and(is_word)
        && text.bytes().all(|b| is_word(b) || b == b'.' || b == b'-')
}

fn is_name(text: &str) -> bool {
    let path = match text.split_once('/') {
        Some((first, rest)) if is_domain(first) => rest,
        Some(_) | None => text,
    };
    path.split('/').all(is_component)
}

fn is_domain(text: &str) -> bool {
    let (host, port) = text.split_once(':').map_or((text, None), |(host, port)| (host, Some(port)));
    let looks_like_one =
        text.contains(['.', ':']) || host == "localhost" || host.bytes().any(|b| b.is_ascii_uppercase());
    let is_label = |label: &str| {
        label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
            && label.starts_with(|c: char| c.is_ascii_alphanumeric())
            && label.ends_with(|c: char| c.is_ascii_alphanumeric())
    };
    looks_like_one
        && host.split('.').all(is_label)
        && port.is_none_or(|port| !port.is_empty() && port.bytes().all(|b| b.is_ascii_digit()))
}

/// Letters and digits, with one `.`, one or two `_`, or any number of `-` between them.
fn is_component(text: &str) -> bool {
    let is_letter = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    let mut separator = String::new();
    let mut has_letter = false;
    for byte in text.bytes() {
        if is_letter(byte) {
            let is_sound =
                matches!(separator.as_str(), "" | "." | "_" | "__") || separator.bytes().all(|b| b == b'-');
            if !is_sound || (!has_letter && !separator.is_empty()) {
                return false;
            }
            separator.clear();
            has_letter = true;
        } else {
            separator.push(char::from(byte));
        }
    }
    has_letter && separator.is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pull_policy_follows_the_tag() {
        let digest = format!("sha256:{}", "0".repeat(64));
        let check = |image: &str, expected: bool| assert_eq!(is_latest(image), expected, "{image}");
        check("web", true);
        check("web:latest", true);
        check("registry:5000/web", true);
        check("registry:5000/web:1", false);
        check(&format!("web@{digest}"), false);
        check(&format!("web:latest@{digest}"), true);
        check("a__b/c-d.e", true);
        check(&"a".repeat(300), false);
        for no_reference in ["", "Web", "-web", "web:", "a..b", "web:la test", "web@sha256:0", "a//b", "я"] {
            check(no_reference, false);
        }
    }
}
