//! joblib writes an array as a wrapper object and, right behind the opcode that completes it,
//! the array's bytes in the middle of the pickle.

use super::cursor::Cursor;
use super::numpy::Dtype;
use super::{Graph, Id, PickleError, Span, View};

/// What follows a wrapper.
pub(super) enum Content {
    Bytes(Span),
    /// An array of objects is a pickle of its own.
    PickleFollows,
}

pub(super) fn is_wrapper(graph: &Graph<'_>, object: Id) -> bool {
    View::new(graph, object).class() == Some(("joblib.numpy_pickle", "NumpyArrayWrapper"))
}

/// Steps over the padding and the bytes of an array.
pub(super) fn content(graph: &Graph<'_>, state: Id, cursor: &mut Cursor<'_>) -> Result<Content, PickleError> {
    let offset = cursor.position;
    let problem = |problem| PickleError::Array { offset, problem };
    let state = View::new(graph, state);
    let dtype = state.get("dtype").ok_or_else(|| problem("has no dtype"))?;
    let dtype = Dtype::read(dtype).map_err(|_| problem("has a dtype that is not supported"))?;
    if dtype.has_objects() {
        return Ok(Content::PickleFollows);
    }
    let shape = state.get("shape").and_then(|shape| shape.sizes()).ok_or_else(|| problem("has no shape"))?;
    let length = shape.iter().try_fold(dtype.size, |bytes, &side| bytes.checked_mul(side));
    let length = length.ok_or_else(|| problem("is larger than any memory"))?;
    let is_padded = state.get("numpy_array_alignment_bytes").is_some_and(|bytes| !bytes.is_none());
    if is_padded {
        let padding = cursor.u8()?;
        cursor.take(usize::from(padding))?;
    }
    Ok(Content::Bytes(cursor.take(length)?))
}
