//! The query of a request, decoded once.

use api::status::ApiError;

/// Names and values in the order they came.
#[derive(Clone, Debug, Default)]
pub(crate) struct Query(Vec<(String, String)>);

impl Query {
    /// Decodes the text after `?`.
    pub(crate) fn parse(text: Option<&str>) -> Self {
        let pairs = text.unwrap_or_default().split('&').filter(|pair| !pair.is_empty());
        Self(
            pairs
                .map(|pair| {
                    let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
                    (decode(name, true), decode(value, true))
                })
                .collect(),
        )
    }

    /// Returns the first value of a name, if it is there and not empty.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.first(name).filter(|value| !value.is_empty())
    }

    /// Returns all values of a name.
    pub(crate) fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.0.iter().filter(move |(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    fn first(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// Reads a boolean; a name without a value is true, as Kubernetes reads it.
    pub(crate) fn flag(&self, name: &str) -> bool {
        self.first(name).is_some_and(|value| !matches!(value, "0" | "false" | "False" | "FALSE"))
    }

    /// Reads a whole number.
    pub(crate) fn number(&self, name: &str) -> Result<Option<i64>, ApiError> {
        self.get(name)
            .map(|text| {
                text.parse().map_err(|_| {
                    ApiError::bad_request(format!("strconv.ParseInt: parsing \"{text}\": invalid syntax"))
                })
            })
            .transpose()
    }

    /// Tells whether `dryRun=All` is asked for.
    pub(crate) fn dry_run(&self) -> Result<bool, ApiError> {
        let mut is_dry = false;
        for value in self.all("dryRun").filter(|value| !value.is_empty()) {
            if value != "All" {
                return Err(ApiError::bad_request(format!(
                    "dryRun: Unsupported value: \"{value}\": supported values: \"All\""
                )));
            }
            is_dry = true;
        }
        Ok(is_dry)
    }
}

/// Decodes percent escapes; bytes that make no UTF-8 are replaced.
pub(crate) fn decode(text: &str, plus_is_space: bool) -> String {
    if !text.contains(['%', '+']) {
        return text.to_owned();
    }
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let escaped = bytes.get(at + 1..at + 3).and_then(hex_pair);
        match (bytes[at], escaped) {
            (b'%', Some(byte)) => {
                out.push(byte);
                at += 2;
            }
            (b'+', _) if plus_is_space => out.push(b' '),
            (byte, _) => out.push(byte),
        }
        at += 1;
    }
    String::from_utf8_lossy(&out).into_owned()
}

fn hex_pair(digits: &[u8]) -> Option<u8> {
    let digit = |byte: u8| char::from(byte).to_digit(16);
    u8::try_from(digit(digits[0])? * 16 + digit(digits[1])?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_are_decoded_and_hostile_ones_kept() {
        let query =
            Query::parse(Some("labelSelector=app%3Dweb%2Ctier+in+%28a%29&watch&x=%zz%4&command=a&command=b"));
        assert_eq!(query.get("labelSelector"), Some("app=web,tier in (a)"));
        assert!(query.flag("watch"));
        assert!(!query.flag("follow"));
        assert_eq!(query.get("x"), Some("%zz%4"));
        assert_eq!(query.all("command").collect::<Vec<_>>(), ["a", "b"]);
    }

    #[test]
    fn only_all_is_a_dry_run() {
        assert_eq!(Query::parse(Some("dryRun=All")).dry_run(), Ok(true));
        assert_eq!(Query::parse(None).dry_run(), Ok(false));
        assert!(Query::parse(Some("dryRun=Some")).dry_run().is_err());
    }
}
