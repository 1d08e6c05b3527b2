//! Steps between the input and what answers, as scikit-learn's preprocessing computes them.
//!
//! Each file is a family: [`scale`] shifts and stretches columns, [`reshape`] changes their
//! distribution, [`encode`] makes numbers of categories, [`impute`] fills in what is missing,
//! [`select`] chooses columns and puts steps side by side, [`project`] makes few of many.

pub(crate) mod encode;
pub(crate) mod impute;
mod normal;
pub(crate) mod project;
pub(crate) mod reshape;
pub(crate) mod scale;
pub(crate) mod select;
