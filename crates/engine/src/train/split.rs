//! Holds rows out: the same share of each class, or fold after fold.

use super::dataset::Target;

/// Rows by their position in the table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Split {
    pub(super) fitted: Vec<usize>,
    pub(super) held_out: Vec<usize>,
}

/// Splits some rows by seed; every class keeps a row to be fitted to.
pub(super) fn held_out(target: &Target, rows: &[usize], share: f64, seed: u64) -> Split {
    let mut random = fastrand::Rng::with_seed(seed);
    let (mut fitted, mut held_out) = (Vec::new(), Vec::new());
    for mut rows in groups(target, rows) {
        random.shuffle(&mut rows);
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            clippy::cast_precision_loss,
            reason = "a share of a row count"
        )]
        let out = ((rows.len() as f64 * share).round() as usize).min(rows.len().saturating_sub(1));
        held_out.extend_from_slice(&rows[..out]);
        fitted.extend_from_slice(&rows[out..]);
    }
    sorted(fitted, held_out)
}

/// Splits all rows into folds, each held out once; classes are spread over the folds evenly.
pub(super) fn folds(target: &Target, folds: usize, seed: u64) -> Vec<Split> {
    let mut random = fastrand::Rng::with_seed(seed);
    let mut fold_of = vec![0; target.rows()];
    let mut next = 0;
    let all: Vec<usize> = (0..target.rows()).collect();
    for mut rows in groups(target, &all) {
        random.shuffle(&mut rows);
        for row in rows {
            fold_of[row] = next % folds;
            next += 1;
        }
    }
    let split = |fold| {
        let (held_out, fitted) = all.iter().partition(|row| fold_of[**row] == fold);
        Split { fitted, held_out }
    };
    (0..folds).map(split).collect()
}

fn groups(target: &Target, rows: &[usize]) -> Vec<Vec<usize>> {
    match target {
        Target::Numbers(_) => vec![rows.to_vec()],
        Target::Classes { of, classes } => {
            let mut by_class = vec![Vec::new(); classes.len()];
            rows.iter().for_each(|row| by_class[of[*row] as usize].push(*row));
            by_class
        }
    }
}

fn sorted(mut fitted: Vec<usize>, mut held_out: Vec<usize>) -> Split {
    fitted.sort_unstable();
    held_out.sort_unstable();
    Split { fitted, held_out }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Label;

    fn target() -> Target {
        let of = (0..100).map(|row| u32::from(row >= 80)).chain([2]).collect();
        Target::Classes { of, classes: (0..3).map(Label::Int).collect() }
    }

    fn all() -> Vec<usize> {
        (0..101).collect()
    }

    #[test]
    fn each_class_gives_its_share_and_keeps_a_row() {
        let split = held_out(&target(), &all(), 0.2, 0);
        let held =
            |class: std::ops::Range<usize>| split.held_out.iter().filter(|row| class.contains(row)).count();
        assert_eq!((held(0..80), held(80..100), held(100..101)), (16, 4, 0));
        assert_eq!(split.fitted.len(), 81);
        assert_eq!(held_out(&target(), &all(), 0.2, 0), split);
        assert_ne!(held_out(&target(), &all(), 0.2, 1), split);
    }

    #[test]
    fn every_row_is_held_out_in_one_fold() {
        let splits = folds(&target(), 5, 3);
        let mut held: Vec<usize> = splits.iter().flat_map(|split| split.held_out.clone()).collect();
        held.sort_unstable();
        assert_eq!(held, all());
        for split in splits {
            let second = split.held_out.iter().filter(|row| (80..100).contains(*row)).count();
            assert_eq!(second, 4);
            assert_eq!(split.fitted.len() + split.held_out.len(), 101);
        }
    }
}
