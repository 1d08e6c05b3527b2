//! Says in words what a model is, and what a file is that is none.

use crate::fitted::{Chain, Head, Takes};

/// `tf-idf + logistic regression`: what reads the text, if it is one, and what answers.
pub(super) fn in_words(chain: &Chain, head: Option<&Head>) -> String {
    let last = head.map(Head::name).or_else(|| chain.steps().last().map(|step| step.name()));
    let last = last.unwrap_or("nothing");
    let reader = chain.steps().iter().find(|step| step.takes() == Takes::Text);
    match reader {
        Some(reader) if head.is_some() => format!("{} + {last}", reader.name()),
        _ => last.to_owned(),
    }
}

/// What the bytes are instead of a pickle; `None` when they may be one.
pub(super) fn foreign(bytes: &[u8]) -> Option<&'static str> {
    match bytes {
        [0x80, ..] => None,
        [b'P', b'K', 3 | 5, ..] => Some("a zip archive (PyTorch, Keras or numpy data)"),
        [0x89, b'H', b'D', b'F', ..] => Some("an HDF5 file (Keras)"),
        [0x93, b'N', b'U', b'M', b'P', b'Y', ..] => Some("a numpy array"),
        [0x89, b'P', b'N', b'G', ..] | [0xff, 0xd8, 0xff, ..] => Some("an image"),
        [0x7f, b'E', b'L', b'F', ..] => Some("a program"),
        [b'G', b'G', b'U', b'F', ..] => Some("a GGUF file"),
        _ if is_old_pickle(bytes) => None,
        _ if is_text(bytes) => Some("a text file (a table becomes a model by `pinnace train`)"),
        _ => Some("a file of an unknown kind"),
    }
}

/// Protocols 0 and 1 have no header: an opcode that opens an object, then a name or a mark.
fn is_old_pickle(bytes: &[u8]) -> bool {
    match bytes {
        [b'c', rest @ ..] => {
            let mut lines = rest.splitn(3, |&byte| byte == b'\n');
            let mut is_name = || {
                lines.next().is_some_and(|line| {
                    let is_letter = |byte: &u8| byte.is_ascii_alphanumeric() || b"_.".contains(byte);
                    !line.is_empty() && line.len() < 200 && line.iter().all(is_letter)
                })
            };
            is_name()
                && is_name()
                && matches!(lines.next(), Some([b'(' | b'q' | b'p' | b')' | b'R' | b'.' | b'r' | b'0', ..]))
        }
        [b'(', b'd' | b'l' | b't' | b'i' | b'c', ..] => true,
        [b'(', b'S', b'\'' | b'"', ..] => true,
        [b'}' | b']', b'q' | b'.' | b'(', ..] => true,
        _ => false,
    }
}

/// An ONNX file is a protobuf whose first field is the version of its representation.
///
/// The producer's name, the graph or the operator sets follow it.
pub(super) fn is_onnx(bytes: &[u8]) -> bool {
    matches!(bytes, [0x08, 1..=30, 0x12 | 0x1a | 0x22 | 0x28 | 0x32 | 0x3a | 0x42, ..])
}

/// Whether the first bytes are UTF-8 without control characters.
fn is_text(bytes: &[u8]) -> bool {
    /// Enough to tell.
    const SAMPLE: usize = 4096;
    let sample = &bytes[..bytes.len().min(SAMPLE)];
    let text = match std::str::from_utf8(sample) {
        Ok(text) => text,
        // a character cut in half at the end of the sample is no fault
        Err(error) if error.error_len().is_none() => {
            match std::str::from_utf8(&sample[..error.valid_up_to()]) {
                Ok(text) => text,
                Err(_) => return false,
            }
        }
        Err(_) => return false,
    };
    !text.chars().any(|character| character.is_control() && !"\n\r\t\u{c}".contains(character))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_told_by_their_content() {
        let check = |bytes: &[u8], expected: Option<&str>| {
            let found = foreign(bytes);
            let fits = match (found, expected) {
                (Some(found), Some(expected)) => found.contains(expected),
                (found, expected) => found == expected,
            };
            assert!(fits, "{found:?} {expected:?}");
        };
        check(b"\x80\x04N.", None);
        check(b"cos\nsystem\n(S'true'\ntR.", None);
        check(b"ccopy_reg\n_reconstructor\np0\n(csklearn", None);
        check(b"count\nnumbers\n1\n2\n", Some("text file"));
        check("text,label\nпривет,1\n".as_bytes(), Some("text file"));
        check(b"PK\x03\x04", Some("zip"));
        check(b"\x00\x01\x02", Some("unknown"));
    }
}
