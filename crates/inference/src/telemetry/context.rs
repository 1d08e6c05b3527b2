//! Trace contexts as the W3C recommendation "Trace Context" (level 1) has them.

/// The place of a request in a trace that may go through many programs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TraceContext {
    trace: u128,
    parent: Option<u64>,
    span: u64,
    is_sampled: bool,
}

impl TraceContext {
    /// Begins a trace.
    pub(crate) fn root(is_sampled: bool) -> Self {
        TraceContext { trace: fastrand::u128(1..), parent: None, span: fastrand::u64(1..), is_sampled }
    }

    /// A span of its own below the one that a `traceparent` header names; `None` if it is malformed.
    pub(crate) fn child_of(header: &[u8]) -> Option<Self> {
        let header = header.trim_ascii();
        let (fixed, rest) = header.split_at_checked(55)?;
        let [version @ .., b'-'] = fixed.get(..3)? else { return None };
        let version = number(version)?;
        // later versions may say more; version 255 is none
        let is_whole = if version == 0 { rest.is_empty() } else { rest.is_empty() || rest[0] == b'-' };
        if version == 255 || !is_whole || fixed[35] != b'-' || fixed[52] != b'-' {
            return None;
        }
        let trace = number(&fixed[3..35]).filter(|trace| *trace != 0)?;
        let parent = u64::try_from(number(&fixed[36..52])?).ok().filter(|parent| *parent != 0)?;
        let is_sampled = number(&fixed[53..55])? & 1 == 1;
        Some(TraceContext { trace, parent: Some(parent), span: fastrand::u64(1..), is_sampled })
    }

    pub(crate) fn is_sampled(&self) -> bool {
        self.is_sampled
    }

    /// 32 hexadecimal digits.
    pub(crate) fn trace_id(&self) -> String {
        hexadecimal(self.trace, 32)
    }

    /// 16 hexadecimal digits.
    pub(crate) fn span_id(&self) -> String {
        hexadecimal(self.span.into(), 16)
    }

    /// 16 hexadecimal digits; none of a root.
    pub(crate) fn parent_id(&self) -> Option<String> {
        self.parent.map(|parent| hexadecimal(parent.into(), 16))
    }
}

fn hexadecimal(number: u128, digits: usize) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digit = |place: usize| char::from(DIGITS[(number >> (4 * place) & 15) as usize]);
    (0..digits).rev().map(digit).collect()
}

/// Up to 32 hexadecimal digits; the recommendation has no capitals.
fn number(digits: &[u8]) -> Option<u128> {
    digits.iter().try_fold(0u128, |number, digit| {
        let value = match digit {
            b'0'..=b'9' => digit - b'0',
            b'a'..=b'f' => digit - b'a' + 10,
            _ => return None,
        };
        Some(number << 4 | u128::from(value))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_child_is_in_its_parents_trace_with_a_span_of_its_own() {
        let header = b"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
        let child = TraceContext::child_of(header).unwrap();
        assert_eq!(child.trace_id(), "4bf92f3577b34da6a3ce929d0e0e4736");
        assert_eq!(child.parent_id().as_deref(), Some("00f067aa0ba902b7"));
        assert!(child.is_sampled() && child.span_id().len() == 16 && child.span_id() != "00f067aa0ba902b7");
        let other =
            TraceContext::child_of(b"cc-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00-more").unwrap();
        assert!(!other.is_sampled());
    }

    #[test]
    fn malformed_parents_are_ignored() {
        for header in [
            "",
            "00",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-0",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-more",
            "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
            "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "01-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01.more",
            "00_4bf92f3577b34da6a3ce929d0e0e4736_00f067aa0ba902b7_01",
            "00-ёёёёёёёёёёёёёёёёёёёёёёёёёёё",
        ] {
            assert_eq!(TraceContext::child_of(header.as_bytes()), None, "{header}");
        }
    }
}
