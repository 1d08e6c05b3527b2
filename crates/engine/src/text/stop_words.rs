//! The words `stop_words='english'` leaves out.

use std::collections::HashSet;

/// scikit-learn's list of 318 words, the Glasgow Information Retrieval Group's; the same in
/// every version from 1.2 to 1.9.
pub(crate) fn english() -> HashSet<String> {
    include_str!("stop_words_english.txt").split_whitespace().map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_list_is_whole() {
        assert_eq!(super::english().len(), 318);
    }
}
