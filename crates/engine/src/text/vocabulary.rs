//! Finds the column of a term: one arena of bytes and one open-addressing table.
//!
//! A `HashMap<String, u32>` would keep a heap block per term; this keeps two vectors, which is
//! what lets a model of 100,000 terms fit beside its server in a small pod.

/// Terms and their columns.
#[derive(Debug, Clone, Default)]
pub(crate) struct Vocabulary {
    text: String,
    /// By column where its term is in `text`, in any order.
    places: Vec<Place>,
    /// A power of two of them, at most three quarters full; zero is an empty slot, else column + 1.
    slots: Vec<Slot>,
}

#[derive(Debug, Clone, Copy, Default)]
struct Place {
    start: u32,
    end: u32,
}

#[derive(Debug, Clone, Copy, Default)]
struct Slot {
    hash: u32,
    column_plus_one: u32,
}

/// Why terms could not become a vocabulary.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum VocabularyError {
    #[error("has more than 4 GiB of text or 2^31 terms")]
    TooLarge,
    #[error("has a term twice")]
    Repeated,
    #[error("gives a column to two terms")]
    Taken,
    #[error("gives a term a column beyond the number of terms")]
    Beyond,
}

/// A column that has no term yet.
const NOWHERE: Place = Place { start: u32::MAX, end: 0 };

impl Vocabulary {
    /// Takes terms in the order of their columns.
    pub(crate) fn new<'a>(terms: impl AsRef<[&'a str]>) -> Result<Self, VocabularyError> {
        let terms = terms.as_ref();
        let mut vocabulary = Self::with_room(terms.len(), terms.iter().map(|term| term.len()).sum());
        for (column, term) in terms.iter().enumerate() {
            vocabulary.put(term, column)?;
        }
        Ok(vocabulary)
    }

    /// Room for so many terms with so many bytes: nothing is moved later, no more is held than is kept.
    pub(crate) fn with_room(terms: usize, bytes: usize) -> Self {
        Vocabulary {
            text: String::with_capacity(bytes),
            places: vec![NOWHERE; terms],
            slots: vec![Slot::default(); (terms + terms / 3 + 1).next_power_of_two()],
        }
    }

    /// Gives a term one of the columns there is room for; in any order, each once.
    pub(crate) fn put(&mut self, term: &str, column: usize) -> Result<(), VocabularyError> {
        let place = self.places.get(column).ok_or(VocabularyError::Beyond)?;
        if place.start != NOWHERE.start {
            return Err(VocabularyError::Taken);
        }
        let hash = hash(term.as_bytes());
        let slot = self.find(term, hash);
        if self.slots[slot].column_plus_one != 0 {
            return Err(VocabularyError::Repeated);
        }
        self.places[column] = self.append(term)?;
        self.slots[slot] = Slot { hash, column_plus_one: number(column + 1)? };
        Ok(())
    }

    fn append(&mut self, term: &str) -> Result<Place, VocabularyError> {
        let start = number(self.text.len())?;
        self.text.push_str(term);
        let end = number(self.text.len())?;
        Ok(Place { start, end })
    }

    /// The number of terms.
    pub(crate) fn len(&self) -> usize {
        self.places.len()
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
        if self.slots.len() * 3 < 4 * (self.len() + 1) {
            self.grow();
        }
        let hash = hash(term.as_bytes());
        let place = self.find(term, hash);
        if let Some(column) = self.slots[place].column_plus_one.checked_sub(1) {
            return Ok(column);
        }
        let column = number(self.len())?;
        if column >= u32::MAX / 2 {
            return Err(VocabularyError::TooLarge);
        }
        let at = self.append(term)?;
        self.places.push(at);
        self.slots[place] = Slot { hash, column_plus_one: column + 1 };
        Ok(column)
    }

    /// The terms in the order of their columns.
    pub(crate) fn terms(&self) -> impl Iterator<Item = &str> {
        (0..self.len()).map(|column| self.term(column))
    }

    pub(crate) fn term(&self, column: usize) -> &str {
        let Place { start, end } = self.places[column];
        &self.text[start as usize..end as usize]
    }

    #[inline]
    fn bytes(&self, column: usize) -> &[u8] {
        let Place { start, end } = self.places[column];
        &self.text.as_bytes()[start as usize..end as usize]
    }

    /// The slot that holds the term, or the empty one where it belongs.
    fn find(&self, term: &str, hash: u32) -> usize {
        let mask = self.slots.len() - 1;
        let mut place = hash as usize & mask;
        loop {
            let slot = self.slots[place];
            let Some(column) = slot.column_plus_one.checked_sub(1) else { return place };
            if slot.hash == hash && self.bytes(column as usize) == term.as_bytes() {
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

fn number(length: usize) -> Result<u32, VocabularyError> {
    u32::try_from(length).map_err(|_| VocabularyError::TooLarge)
}

/// A multiplicative hash, eight bytes a step; the last step takes the last bytes, some of them
/// again. The table never takes terms from requests, so it needs no secret key.
#[inline]
fn hash(bytes: &[u8]) -> u32 {
    const FACTOR: u64 = 0x9e37_79b9_7f4a_7c15;
    let mix = |state: u64, word: u64| (state.rotate_left(25) ^ word).wrapping_mul(FACTOR);
    let mut state = bytes.len() as u64;
    let last = match (bytes.last_chunk::<8>(), bytes.first_chunk::<4>(), bytes.last_chunk::<4>()) {
        (Some(last), ..) => {
            for word in bytes[..bytes.len() - 1].as_chunks::<8>().0 {
                state = mix(state, u64::from_le_bytes(*word));
            }
            u64::from_le_bytes(*last)
        }
        (None, Some(first), Some(last)) => {
            u64::from(u32::from_le_bytes(*first)) << 32 | u64::from(u32::from_le_bytes(*last))
        }
        _ => bytes.iter().fold(0, |word, byte| word << 8 | u64::from(*byte)),
    };
    // a product's bits know nothing of those above them in its factors: the last letters are these
    let state = mix(state, last);
    ((state ^ (state >> 32)).wrapping_mul(FACTOR) >> 32) as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_term_is_found_and_no_other() {
        let terms: Vec<String> = (0..5000).map(|number| format!("слово{number}")).collect();
        let vocabulary = Vocabulary::new(terms.iter().map(String::as_str).collect::<Vec<_>>()).unwrap();
        for (column, term) in (0u32..).zip(&terms) {
            assert_eq!(vocabulary.column(term), Some(column));
        }
        assert_eq!(vocabulary.column("слово"), None);
        assert_eq!(vocabulary.column(""), None);
        assert!(vocabulary.terms().eq(terms.iter().map(String::as_str)));
        assert_eq!(Vocabulary::default().column("a"), None);
        assert_eq!(Vocabulary::new([]).unwrap().column("a"), None);
    }

    #[test]
    fn terms_of_every_length_are_told_apart() {
        let text = "абвгдежзabcdefgh0123456789";
        let terms: Vec<&str> = (1..=text.len()).filter_map(|end| text.get(..end)).collect();
        let vocabulary = Vocabulary::new(&terms).unwrap();
        assert!((0u32..).zip(&terms).all(|(column, term)| vocabulary.column(term) == Some(column)));
        let hashes: std::collections::HashSet<u32> = terms.iter().map(|term| hash(term.as_bytes())).collect();
        assert_eq!(hashes.len(), terms.len());
    }

    /// Terms that differ in their last letters only are spread over all slots.
    #[test]
    fn places_are_spread() {
        let terms: Vec<String> = (0..40_000).map(|number| format!("a common start {number:05}")).collect();
        let low = |term: &String| hash(term.as_bytes()) & 0xffff;
        let places: std::collections::HashSet<u32> = terms.iter().map(low).collect();
        // thrown at random, 40,000 balls fill 29,936 of 65,536 boxes
        assert!(places.len() > 29_000, "{}", places.len());
    }

    #[test]
    fn a_repeated_term_is_refused() {
        assert_eq!(Vocabulary::new(["a", "b", "a"]).unwrap_err(), VocabularyError::Repeated);
    }

    #[test]
    fn columns_are_given_in_any_order_each_once() {
        let mut vocabulary = Vocabulary::with_room(3, 3);
        vocabulary.put("c", 2).unwrap();
        vocabulary.put("", 0).unwrap();
        assert_eq!(vocabulary.put("d", 2), Err(VocabularyError::Taken));
        assert_eq!(vocabulary.put("d", 3), Err(VocabularyError::Beyond));
        assert_eq!(vocabulary.put("c", 1), Err(VocabularyError::Repeated));
        vocabulary.put("b", 1).unwrap();
        assert!(vocabulary.terms().eq(["", "b", "c"]));
        assert_eq!((vocabulary.column("c"), vocabulary.column("b")), (Some(2), Some(1)));
    }
}
