//! `$(NAME)` in commands, arguments and values.

/// Replaces `$(NAME)` by what `lookup` knows; unknown names stay as they are, `$$` is `$`.
#[must_use]
pub fn expand(text: &str, lookup: impl Fn(&str) -> Option<String>) -> String {
    let mut result = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('$') {
        result.push_str(&rest[..at]);
        let after = &rest[at + 1..];
        let reference = after.strip_prefix('(').and_then(|inner| inner.split_once(')'));
        rest = if let Some(escaped) = after.strip_prefix('$') {
            result.push('$');
            escaped
        } else if let Some((name, beyond)) = reference {
            match lookup(name) {
                Some(value) => result.push_str(&value),
                None => {
                    result.push_str("$(");
                    result.push_str(name);
                    result.push(')');
                }
            }
            beyond
        } else {
            result.push('$');
            after
        };
    }
    result.push_str(rest);
    result
}

#[cfg(test)]
mod tests {
    use super::expand;

    #[test]
    fn references_are_replaced_escapes_undone_and_the_unknown_left() {
        let lookup = |name: &str| (name == "A").then(|| "1".to_owned());
        let cases = [
            ("", ""),
            ("plain", "plain"),
            ("$(A)", "1"),
            ("x$(A)y$(A)", "x1y1"),
            ("$(B)", "$(B)"),
            ("$$(A)", "$(A)"),
            ("$$$(A)", "$1"),
            ("$", "$"),
            ("$(A", "$(A"),
            ("$A", "$A"),
            ("Привет, $(A)!", "Привет, 1!"),
        ];
        for (text, expected) in cases {
            assert_eq!(expand(text, lookup), expected, "{text}");
        }
    }
}
