//! What a registry asks for when it answers 401 (RFC 9110, section 11; the distribution project's
//! token specification).

use std::collections::BTreeMap;

/// How to prove who we are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Challenge {
    /// A name and a password with each request.
    Basic,
    /// A token from somebody else.
    Bearer {
        /// Where to get one.
        realm: String,
        /// For whom.
        service: Option<String>,
        /// For what.
        scope: Option<String>,
    },
}

/// Reads the `WWW-Authenticate` headers of an answer; the first kind we know is taken.
pub(super) fn parse<'a>(headers: impl Iterator<Item = &'a str>) -> Option<Challenge> {
    let challenges: Vec<Challenge> = headers.filter_map(parse_one).collect();
    let bearer = challenges.iter().find(|challenge| matches!(challenge, Challenge::Bearer { .. }));
    bearer.or(challenges.first()).cloned()
}

fn parse_one(header: &str) -> Option<Challenge> {
    let (scheme, rest) = header.trim().split_once(' ').unwrap_or((header.trim(), ""));
    if scheme.eq_ignore_ascii_case("basic") {
        return Some(Challenge::Basic);
    }
    if !scheme.eq_ignore_ascii_case("bearer") {
        return None;
    }
    let mut parameters = parameters(rest);
    Some(Challenge::Bearer {
        realm: parameters.remove("realm")?,
        service: parameters.remove("service"),
        scope: parameters.remove("scope"),
    })
}

/// Reads `name="value", name=value`.
fn parameters(text: &str) -> BTreeMap<String, String> {
    let mut parameters = BTreeMap::new();
    let mut rest = text;
    while let Some((name, after)) = rest.split_once('=') {
        let name = name.trim_matches([' ', ',']).to_ascii_lowercase();
        let (value, after) = match after.strip_prefix('"') {
            Some(quoted) => unquote(quoted),
            None => {
                let (value, after) = after.split_once(',').unwrap_or((after, ""));
                (value.trim().to_owned(), after)
            }
        };
        parameters.insert(name, value);
        rest = after;
    }
    parameters
}

/// Reads a quoted text behind its first quote; returns it and what follows.
fn unquote(text: &str) -> (String, &str) {
    let mut value = String::new();
    let mut characters = text.char_indices();
    while let Some((position, character)) = characters.next() {
        match character {
            '"' => return (value, &text[position + 1..]),
            '\\' => value.extend(characters.next().map(|(_, escaped)| escaped)),
            _ => value.push(character),
        }
    }
    (value, "")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn challenges_read_as_registries_write_them() {
        fn check(headers: &[&str], expected: Option<&Challenge>) {
            assert_eq!(parse(headers.iter().copied()).as_ref(), expected, "{headers:?}");
        }
        let bearer = |realm: &str, service: Option<&str>, scope: Option<&str>| {
            let owned = |text: Option<&str>| text.map(str::to_owned);
            Challenge::Bearer { realm: realm.into(), service: owned(service), scope: owned(scope) }
        };
        check(&[r#"Basic realm="Registry""#], Some(&Challenge::Basic));
        check(&["basic"], Some(&Challenge::Basic));
        check(
            &[
                r#"Bearer realm="https://auth.docker.io/token",service="registry.docker.io",scope="repository:a/b:pull,push""#,
            ],
            Some(&bearer(
                "https://auth.docker.io/token",
                Some("registry.docker.io"),
                Some("repository:a/b:pull,push"),
            )),
        );
        check(&[r#"Bearer realm="a\"b" , service=c, error="x""#], Some(&bearer("a\"b", Some("c"), None)));
        check(&["Basic realm=x", r#"Bearer realm="y""#], Some(&bearer("y", None, None)));
        check(&["Bearer service=x"], None);
        check(&["Negotiate"], None);
        check(&[], None);
    }

    proptest::proptest! {
        #[test]
        fn no_header_panics(text in "(Bearer )?[a-z=\",\\\\ ж]{0,60}") {
            let _ = parse([text.as_str()].into_iter());
        }
    }
}
