//! Steps between the input and what answers, as scikit-learn's preprocessing computes them.
//!
//! Each file is a family: [`scale`] shifts and stretches columns, [`reshape`] changes their
//! distribution, [`encode`] makes numbers of categories, [`impute`] and [`iterate`] fill in what is
//! missing, [`select`] chooses columns and puts steps side by side, [`project`] makes few of many, [`undo`] takes
//! scalings of a target back.

pub(crate) mod encode;
pub(crate) mod impute;
pub(crate) mod iterate;
mod normal;
pub(crate) mod project;
pub(crate) mod reshape;
pub(crate) mod scale;
pub(crate) mod select;
pub(crate) mod undo;
