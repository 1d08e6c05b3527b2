//! Bytes to rows and answers to bytes, by a model's signature.
//!
//! [`json`] reads and writes its values, [`table`] gathers rows, [`fault`] says what is wrong and where; [`native`] is
//! the JSON of our own routes, [`v2`] that of the Open Inference Protocol, whose [`tensors`] become rows and come of replies, [`example`] makes a request that would do.

pub(crate) mod csv;
pub(crate) mod example;
mod fault;
pub(crate) mod json;
pub(crate) mod native;
mod table;
pub(crate) mod tensors;
pub(crate) mod v2;

pub(crate) use native::Script;
