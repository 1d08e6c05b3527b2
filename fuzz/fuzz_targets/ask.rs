//! Opens what was found and asks it something: an answer or an error, never a panic.

use engine::{Input, InputKind, Model};

/// The widest row asked for.
const MOST: usize = 2000;

pub(crate) fn ask(bytes: &[u8]) {
    let Ok(model) = Model::from_bytes("fuzzed", bytes) else { return };
    let inputs = match model.input() {
        InputKind::Text => vec![Input::from("rain и снег"), Input::from("")],
        InputKind::Numbers { count, .. } | InputKind::Cells { count, .. } if count <= MOST => {
            vec![Input::Row(vec![1.5; count]), Input::Row(vec![f64::NAN; count])]
        }
        InputKind::Numbers { .. } | InputKind::Cells { .. } => return,
    };
    for input in &inputs {
        let _ = model.predict(input);
    }
    let _ = (model.predict_batch(&inputs), model.predict_batch(&[]), model.kind().len(), model.classes().len());
}
