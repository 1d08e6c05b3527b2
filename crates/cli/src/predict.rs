//! `predict`: what a model says, of inputs on the command line or of files of any length.

mod single;
mod stream;

use anyhow::Result;
use engine::Model;

use crate::args::learn::Predict;

/// Predicts for each input, or for each row of a file.
pub(crate) fn run(args: &Predict) -> Result<()> {
    let model = Model::open(&args.model)?;
    crate::model::warn(&model);
    match &args.table {
        None => single::run(args, &model),
        Some(table) => stream::run(args, &model, table),
    }
}
