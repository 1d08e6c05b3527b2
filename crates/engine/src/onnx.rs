//! Opens ONNX files: an interpreter of our own for classical and small neural models.
//!
//! In reading order: [`wire`] reads protobuf, [`proto`] its messages ([`outside`] what they keep in other files, [`half`]
//! what has two bytes), [`tensor`] holds values; [`graph`] puts nodes in
//! order and checks them, making each ready by its row in [`ops`] (which reads it through [`spec`]); [`run`] runs them
//! within bounds of memory and work; [`feed`] makes inputs of rows, [`model`] a classifier or regressor of a graph, [`roles`] finds out what its
//! outputs are; [`product`] multiplies matrices.
//!
//! The arithmetic follows onnxruntime's where ONNX leaves it open; `docs/models.md` lists the operators.

mod broadcast;
mod error;
mod feed;
mod graph;
mod half;
mod model;
mod ops;
mod outside;
mod product;
mod proto;
mod roles;
mod run;
mod spec;
mod tensor;
mod wire;

pub use error::OnnxError;
pub(crate) use model::{files_beside, open, outline};

#[cfg(test)]
mod tests;
