//! Limits given as a number or as a percentage.

use api::k8s::apimachinery::pkg::util::intstr::IntOrString;

/// Which way a share that is no whole number is rounded.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Round {
    /// To the next higher.
    Up,
    /// To the next lower.
    Down,
}

/// Returns a number, or a percentage of `whole`; 0 for what is neither.
#[must_use]
pub fn resolve(value: &IntOrString, whole: i32, round: Round) -> i32 {
    match value {
        IntOrString::Int(number) => (*number).max(0),
        IntOrString::String(text) => {
            let percent =
                text.strip_suffix('%').and_then(|percent| percent.parse::<i64>().ok()).unwrap_or(0).max(0);
            let hundredths = percent.saturating_mul(i64::from(whole));
            let share =
                if round == Round::Up { hundredths.saturating_add(99) / 100 } else { hundredths / 100 };
            i32::try_from(share).unwrap_or(i32::MAX)
        }
    }
}
