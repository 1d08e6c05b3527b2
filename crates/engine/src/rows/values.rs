//! How numbers are spelled, and what counts as missing.

/// How a table is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Dialect {
    /// What separates fields; found out from the header if `None`.
    pub delimiter: Option<u8>,
    /// Whether a comma stands before the decimals: `3,5`.
    pub is_decimal_comma: bool,
    /// What groups digits: `1,000`, `1 000`.
    pub thousands: Option<char>,
}

/// The words that pandas takes for missing, too.
const MISSING: [&str; 18] = [
    "", "#N/A", "#N/A N/A", "#NA", "-1.#IND", "-1.#QNAN", "-NaN", "-nan", "1.#IND", "1.#QNAN", "<NA>", "N/A",
    "NA", "NULL", "NaN", "None", "nan", "null",
];

/// Whether a field of CSV says that nothing is there: it is empty, or one of the words that pandas takes for that
/// (`NA`, `null`, `NaN`, …).
pub fn is_missing(field: &str) -> bool {
    // the longest has eight bytes
    field.is_empty() || (field.len() <= 8 && MISSING.contains(&field.trim())) || field.trim().is_empty()
}

impl Dialect {
    /// The number a field spells; NaN where it is missing, `None` where it is none.
    pub(crate) fn number(self, field: &str) -> Option<f64> {
        if !self.is_decimal_comma && self.thousands.is_none() {
            // the usual case first: parsing is tried before anything is looked at
            return match field.parse::<f64>() {
                Ok(number) if number.is_finite() => Some(number),
                _ => Self::unusual(field),
            };
        }
        if is_missing(field) {
            return Some(f64::NAN);
        }
        let plain: String = field
            .trim()
            .chars()
            .filter(|character| !self.is_grouping(*character))
            .map(|character| if character == ',' && self.is_decimal_comma { '.' } else { character })
            .collect();
        plain.parse().ok().filter(|number: &f64| number.is_finite())
    }

    fn unusual(field: &str) -> Option<f64> {
        if is_missing(field) {
            return Some(f64::NAN);
        }
        field.trim().parse().ok().filter(|number: &f64| number.is_finite())
    }

    fn is_grouping(self, character: char) -> bool {
        // no-break spaces of both widths group digits wherever a space does
        match self.thousands {
            Some(' ') => matches!(character, ' ' | '\u{a0}' | '\u{202f}'),
            Some(thousands) => character == thousands,
            None => false,
        }
    }
}

/// How a field that is no plain number may be meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Spelling {
    /// `3,5`, or `1.234,5`.
    DecimalComma,
    /// `1,234,567`, or `1,234.5`.
    GroupedByComma,
    /// `1 234`.
    GroupedBySpace,
    /// Not as a number.
    Word,
}

impl Spelling {
    pub(crate) fn of(field: &str) -> Self {
        let field = field.trim();
        let digits = field.strip_prefix(['-', '+']).unwrap_or(field);
        let is_number = digits.starts_with(|c: char| c.is_ascii_digit())
            && digits.ends_with(|c: char| c.is_ascii_digit())
            && digits
                .chars()
                .all(|c| c.is_ascii_digit() || matches!(c, ',' | '.' | ' ' | '\u{a0}' | '\u{202f}'));
        if !is_number {
            return Spelling::Word;
        }
        let commas = digits.matches(',').count();
        let last_comma = digits.rfind(',');
        let grouped = |separator: &[char]| {
            let mut groups = digits.split(['.']).next().unwrap_or_default().split(separator);
            groups.next().is_some_and(|first| (1..=3).contains(&first.len()))
                && groups.all(|group| group.len() == 3)
        };
        match (commas, digits.rfind('.')) {
            (0, _) if digits.contains([' ', '\u{a0}', '\u{202f}']) => Spelling::GroupedBySpace,
            (0, _) => Spelling::Word,
            (1, None) if !grouped(&[',']) => Spelling::DecimalComma,
            (1, Some(point)) if last_comma.is_some_and(|comma| comma > point) => Spelling::DecimalComma,
            _ if grouped(&[',']) => Spelling::GroupedByComma,
            _ => Spelling::Word,
        }
    }

    /// What to do about it, as the end of a sentence.
    pub(crate) fn advice(self) -> &'static str {
        match self {
            Spelling::DecimalComma => ": for decimal commas give `--decimal ,`",
            Spelling::GroupedByComma => {
                ": for grouped digits give `--thousands ,`, for decimal commas `--decimal ,`"
            }
            Spelling::GroupedBySpace => ": for grouped digits give `--thousands ' '`",
            Spelling::Word => "",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_as_the_dialect_writes_them() {
        let check = |dialect: Dialect, field: &str, expected: Option<f64>| {
            let read = dialect.number(field);
            assert!(
                read == expected || read.is_some_and(f64::is_nan) && expected.is_some_and(f64::is_nan),
                "{field}: {read:?}"
            );
        };
        let plain = Dialect::default();
        check(plain, " 1.5e3 ", Some(1500.0));
        check(plain, "N/A", Some(f64::NAN));
        check(plain, "  ", Some(f64::NAN));
        check(plain, "1,5", None);
        check(plain, "inf", None);
        check(plain, "1e999", None);
        let russian = Dialect { is_decimal_comma: true, thousands: Some(' '), ..plain };
        check(russian, "1 234\u{a0}567,5", Some(1_234_567.5));
        check(russian, "-", None);
        check(Dialect { thousands: Some(','), ..plain }, "1,234.5", Some(1234.5));
    }

    #[test]
    fn what_looks_like_a_number_gets_advice() {
        let check = |field: &str, expected| assert_eq!(Spelling::of(field), expected, "{field}");
        check("3,5", Spelling::DecimalComma);
        check("1.234,5", Spelling::DecimalComma);
        check("1,234", Spelling::GroupedByComma);
        check("-1,234,567.25", Spelling::GroupedByComma);
        check("1 234,5", Spelling::DecimalComma);
        check("12 345", Spelling::GroupedBySpace);
        check("3.5.1", Spelling::Word);
        check("a,b", Spelling::Word);
        check("2024-01-01", Spelling::Word);
    }
}
