//! Holds rows out, the same share of each class.

use super::{Options, share};

/// Rows by their position in the table.
pub(super) struct Split {
    pub(super) fitted: Vec<usize>,
    pub(super) held_out: Vec<usize>,
    /// What always naming the commonest fitted class would reach on the rows held out.
    pub(super) baseline: Option<f64>,
}

/// Splits by seed; every class keeps a row to be fitted to.
pub(super) fn stratified(targets: &[u32], classes: usize, options: &Options) -> Split {
    let mut by_class = vec![Vec::new(); classes];
    for (row, &class) in targets.iter().enumerate() {
        by_class[class as usize].push(row);
    }
    let mut random = fastrand::Rng::with_seed(options.seed);
    let (mut fitted, mut held_out) = (Vec::new(), Vec::new());
    let mut commonest = (0, 0);
    for mut rows in by_class {
        random.shuffle(&mut rows);
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            clippy::cast_precision_loss,
            reason = "a share of a row count"
        )]
        let out = ((rows.len() as f64 * options.held_out).round() as usize).min(rows.len().saturating_sub(1));
        commonest = commonest.max((rows.len() - out, out));
        held_out.extend_from_slice(&rows[..out]);
        fitted.extend_from_slice(&rows[out..]);
    }
    fitted.sort_unstable();
    held_out.sort_unstable();
    let baseline = (!held_out.is_empty()).then(|| share(commonest.1, held_out.len()));
    Split { fitted, held_out, baseline }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::train::Algorithm;

    #[test]
    fn each_class_gives_its_share_and_keeps_a_row() {
        let targets: Vec<u32> = (0..100).map(|row| u32::from(row >= 80)).chain([2]).collect();
        let split = stratified(&targets, 3, &Options::new(Algorithm::Tree));
        let held = |class| split.held_out.iter().filter(|&&row| targets[row] == class).count();
        assert_eq!((held(0), held(1), held(2)), (16, 4, 0));
        assert_eq!(split.fitted.len(), 81);
        assert_eq!(split.baseline, Some(0.8));
        let again = stratified(&targets, 3, &Options::new(Algorithm::Tree));
        assert_eq!(again.held_out, split.held_out);
        let other = Options { seed: 1, ..Options::new(Algorithm::Tree) };
        assert_ne!(stratified(&targets, 3, &other).held_out, split.held_out);
    }
}
