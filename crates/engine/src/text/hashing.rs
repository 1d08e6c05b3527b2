//! Terms become columns by their hash: no vocabulary, and no way back.

use super::analyzer::{Analyzer, Scratch};
use super::weights::Norm;
use crate::data::Data;
use crate::explain::Source;
use crate::fitted::{Gives, Takes, Transform};
use crate::model::PredictError;
use crate::sparse::{SparseMatrix, SparseRow};

/// scikit-learn's `HashingVectorizer`.
#[derive(Debug, Clone)]
pub(crate) struct HashedText {
    pub(crate) analyzer: Analyzer,
    /// How many columns there are, at most 2^31 - 1.
    pub(crate) columns: u32,
    /// Whether the sign of a hash is the sign of what it adds, so that collisions cancel out.
    pub(crate) is_signed: bool,
    pub(crate) is_binary: bool,
    pub(crate) norm: Option<Norm>,
}

impl HashedText {
    fn compute(&self, text: &str, scratch: &mut Scratch, row: &mut SparseRow) -> Result<(), PredictError> {
        let mut entries: Vec<(u32, f64)> = Vec::new();
        let analyzed = self.analyzer.for_each_term(text, scratch, |term| {
            let hash = murmur3(term.as_bytes());
            let sign = if self.is_signed && hash < 0 { -1.0 } else { 1.0 };
            entries.push((hash.unsigned_abs() % self.columns, sign));
        });
        analyzed.map_err(|_| PredictError::PatternTooSlow)?;
        entries.sort_by_key(|(column, _)| *column);
        row.clear();
        for (column, value) in entries {
            match row.columns.last() {
                Some(last) if *last == column => {
                    if let Some(sum) = row.values.last_mut() {
                        *sum += value;
                    }
                }
                _ => row.push(column as usize, value),
            }
        }
        if self.is_binary {
            row.values.fill(1.0);
        }
        if let Some(norm) = self.norm {
            norm.apply(&mut row.values);
        }
        Ok(())
    }
}

impl Transform for HashedText {
    fn takes(&self) -> Takes {
        Takes::Text
    }

    fn gives(&self) -> Gives {
        Gives::Numbers(self.columns as usize)
    }

    fn name(&self) -> &'static str {
        "hashed terms"
    }

    fn transform<'a>(&'a self, data: Data<'a>) -> Result<Data<'a>, PredictError> {
        let mut matrix = SparseMatrix::new(self.columns as usize);
        let (mut scratch, mut row) = (Scratch::default(), SparseRow::default());
        for text in data.into_texts()? {
            self.compute(text, &mut scratch, &mut row)?;
            matrix.push(row.as_ref());
        }
        Ok(Data::Sparse(matrix))
    }

    fn source(&self, column: usize) -> Source {
        Source::Word(0, format!("#{column}"))
    }
}

/// Austin Appleby's MurmurHash3 of 32 bits, seed zero, as a signed number.
fn murmur3(bytes: &[u8]) -> i32 {
    const FIRST: u32 = 0xcc9e_2d51;
    const SECOND: u32 = 0x1b87_3593;
    let mixed = |word: u32| word.wrapping_mul(FIRST).rotate_left(15).wrapping_mul(SECOND);
    let (words, rest) = bytes.as_chunks::<4>();
    let mut hash = 0u32;
    for word in words {
        hash = (hash ^ mixed(u32::from_le_bytes(*word)))
            .rotate_left(13)
            .wrapping_mul(5)
            .wrapping_add(0xe654_6b64);
    }
    if !rest.is_empty() {
        let tail = rest.iter().rev().fold(0u32, |tail, byte| tail << 8 | u32::from(*byte));
        hash ^= mixed(tail);
    }
    // the length counts modulo 2^32
    #[expect(clippy::cast_possible_truncation, reason = "as the algorithm says")]
    let length = bytes.len() as u32;
    hash ^= length;
    hash = (hash ^ hash >> 16).wrapping_mul(0x85eb_ca6b);
    hash = (hash ^ hash >> 13).wrapping_mul(0xc2b2_ae35);
    (hash ^ hash >> 16).cast_signed()
}

#[cfg(test)]
mod tests {
    use super::murmur3;

    /// Published test vectors of the algorithm.
    #[test]
    fn hashes_are_those_of_murmur3() {
        assert_eq!(murmur3(b""), 0);
        assert_eq!(murmur3(b"test").cast_unsigned(), 0xba6b_d213);
        assert_eq!(murmur3(b"Hello, world!").cast_unsigned(), 0xc036_3e43);
    }
}
