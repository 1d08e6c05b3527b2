//! Finds the column of a term: one arena of bytes and one open-addressing table.
//!
//! A `HashMap<String, u32>` would keep a heap block per term; this keeps two vectors, which is
//! what lets a model of 100,000 terms fit beside its server in a small pod.

/// Terms in the order of their columns.
#[derive(Debug, Clone, Default)]
pub(crate) struct Vocabulary {
    text: String,
    /// Where each term ends in `text`.
    ends: Vec<u32>,
    /// Powers of two, at most half full; zero is an empty slot, else column + 1.
    slots: Vec<Slot>,
}

#[derive(Debug, Clone, Copy, Default)]
struct Slot {
    hash: u32,
    column_plus_one: u32,
}

/// Why terms could not become a vocabulary.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum VocabularyError {
    #[error("the vocabulary has more than 4 GiB of text or 2^31 terms")]
    TooLarge,
    #[error("the vocabulary has a term twice")]
    Repeated,
}

impl Vocabulary {
    /// Takes terms in the order of their columns.
    pub(crate) fn new<'a>(terms: impl IntoIterator<Item = &'a str>) -> Result<Self, VocabularyError> {
        let mut vocabulary = Vocabulary::default();
        for term in terms {
            let before = vocabulary.len();
            if vocabulary.insert(term)? as usize != before {
                return Err(VocabularyError::Repeated);
            }
        }
        vocabulary.text.shrink_to_fit();
        vocabulary.ends.shrink_to_fit();
        Ok(vocabulary)
    }

    /// The number of terms.
    pub(crate) fn len(&self) -> usize {
        self.ends.len()
    }

    /// The column of a term.
    pub(crate) fn column(&self, term: &str) -> Option<u32> {
        if self.slots.is_empty() {
            return None;
        }
        let hash = hash(term.as_bytes());
        let slot = self.slots[self.find(term, hash)];
        slot.column_plus_one.checked_sub(1)
    }

    /// The column of a term, which gets the next one when it is new.
    pub(crate) fn insert(&mut self, term: &str) -> Result<u32, VocabularyError> {
        if self.slots.len() < 2 * (self.len() + 1) {
            self.grow();
        }
        let hash = hash(term.as_bytes());
        let place = self.find(term, hash);
        if let Some(column) = self.slots[place].column_plus_one.checked_sub(1) {
            return Ok(column);
        }
        let column = u32::try_from(self.len()).map_err(|_| VocabularyError::TooLarge)?;
        if column >= u32::MAX / 2 {
            return Err(VocabularyError::TooLarge);
        }
        self.text.push_str(term);
        self.ends.push(u32::try_from(self.text.len()).map_err(|_| VocabularyError::TooLarge)?);
        self.slots[place] = Slot { hash, column_plus_one: column + 1 };
        Ok(column)
    }

    /// The terms in the order of their columns.
    pub(crate) fn terms(&self) -> impl Iterator<Item = &str> {
        (0..self.len()).map(|column| self.term(column))
    }

    pub(crate) fn term(&self, column: usize) -> &str {
        let start = if column == 0 { 0 } else { self.ends[column - 1] as usize };
        &self.text[start..self.ends[column] as usize]
    }

    /// The slot that holds the term, or the empty one where it belongs.
    fn find(&self, term: &str, hash: u32) -> usize {
        let mask = self.slots.len() - 1;
        let mut place = hash as usize & mask;
        loop {
            let slot = self.slots[place];
            let Some(column) = slot.column_plus_one.checked_sub(1) else { return place };
            if slot.hash == hash && self.term(column as usize) == term {
                return place;
            }
            place = (place + 1) & mask;
        }
    }

    fn grow(&mut self) {
        let size = (self.slots.len() * 2).max(16);
        let old = std::mem::replace(&mut self.slots, vec![Slot::default(); size]);
        for slot in old.into_iter().filter(|slot| slot.column_plus_one != 0) {
            let mut place = slot.hash as usize & (size - 1);
            while self.slots[place].column_plus_one != 0 {
                place = (place + 1) & (size - 1);
            }
            self.slots[place] = slot;
        }
    }
}

/// A multiplicative hash, eight bytes a step. The table never takes terms from requests, so it
/// needs no secret key.
fn hash(bytes: &[u8]) -> u32 {
    const FACTOR: u64 = 0x9e37_79b9_7f4a_7c15;
    let mut state = bytes.len() as u64;
    let mut chunks = bytes.chunks_exact(8);
    for chunk in &mut chunks {
        let mut word = [0u8; 8];
        word.copy_from_slice(chunk);
        state = (state.rotate_left(25) ^ u64::from_le_bytes(word)).wrapping_mul(FACTOR);
    }
    let mut word = [0u8; 8];
    word[..chunks.remainder().len()].copy_from_slice(chunks.remainder());
    state = (state.rotate_left(25) ^ u64::from_le_bytes(word)).wrapping_mul(FACTOR);
    // the upper half is the better mixed one
    (state >> 32) as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_term_is_found_and_no_other() {
        let terms: Vec<String> = (0..5000).map(|number| format!("слово{number}")).collect();
        let vocabulary = Vocabulary::new(terms.iter().map(String::as_str)).unwrap();
        for (column, term) in (0u32..).zip(&terms) {
            assert_eq!(vocabulary.column(term), Some(column));
        }
        assert_eq!(vocabulary.column("слово"), None);
        assert_eq!(vocabulary.column(""), None);
        assert!(vocabulary.terms().eq(terms.iter().map(String::as_str)));
        assert_eq!(Vocabulary::default().column("a"), None);
    }

    #[test]
    fn a_repeated_term_is_refused() {
        assert_eq!(Vocabulary::new(["a", "b", "a"]).unwrap_err(), VocabularyError::Repeated);
    }
}
