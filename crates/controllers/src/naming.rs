//! Names of new objects, made from a seed as the API makes them from chance.

/// The letters that Kubernetes makes generated names of: no vowels, so that no words appear.
const LETTERS: &[u8; 27] = b"bcdfghjklmnpqrstvwxz2456789";
const SUFFIX: usize = 5;
/// The longest name the API generates, its suffix included.
const LONGEST: usize = 63;

/// A source of names, from one seed.
#[derive(Clone, Debug)]
pub struct Names {
    state: u64,
}

impl Names {
    /// Returns names that follow from `seed` and from what they are for.
    #[must_use]
    pub fn new(seed: u64, purpose: &str) -> Self {
        // FNV-1a: two controllers that get one seed must not propose the same names.
        let salt = purpose.bytes().fold(0xcbf2_9ce4_8422_2325, |hash: u64, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        });
        Self { state: seed ^ salt }
    }

    /// Returns a name that begins with `prefix`.
    pub fn next(&mut self, prefix: &str) -> String {
        let mut random = self.draw();
        let mut end = prefix.len().min(LONGEST - SUFFIX);
        while !prefix.is_char_boundary(end) {
            end -= 1;
        }
        let mut name = String::with_capacity(end + SUFFIX);
        name.push_str(&prefix[..end]);
        for _ in 0..SUFFIX {
            let letters = LETTERS.len() as u64;
            name.push(char::from(LETTERS[usize::try_from(random % letters).unwrap_or(0)]));
            random /= letters;
        }
        name
    }

    /// SplitMix64: one step of state, one well mixed number.
    fn draw(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.state ^ (self.state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_follow_from_the_seed_and_differ_from_each_other() {
        let mut names = Names::new(7, "web");
        let first: Vec<String> = (0..100).map(|_| names.next("web-")).collect();
        let mut again = Names::new(7, "web");
        assert!(first.iter().all(|name| *name == again.next("web-")));
        let distinct: std::collections::HashSet<_> = first.iter().collect();
        assert_eq!(distinct.len(), 100);
        assert!(first.iter().all(|name| name.len() == 9 && name.starts_with("web-")));
    }

    #[test]
    fn a_long_prefix_leaves_room_for_the_suffix() {
        assert_eq!(Names::new(1, "").next(&"a".repeat(300)).len(), 63);
    }
}
