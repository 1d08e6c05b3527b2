//! Curves over all thresholds of a score.

use super::{float, share};

/// How right probabilities are within one of ten equal intervals.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Calibrated {
    /// The mean probability told.
    pub told: f64,
    /// The share that was true.
    pub true_share: f64,
    /// The rows of the interval.
    pub rows: usize,
}

/// Positives found and all found, from the highest score down, once for each different score.
fn found(positives: &[bool], scores: &[f64]) -> Vec<(usize, usize)> {
    let mut order: Vec<usize> = (0..scores.len()).collect();
    order.sort_unstable_by(|a, b| scores[*b].total_cmp(&scores[*a]));
    let (mut up, mut all) = (0, 0);
    order
        .chunk_by(|a, b| scores[*a] == scores[*b])
        .map(|equals| {
            up += equals.iter().filter(|row| positives[**row]).count();
            all += equals.len();
            (up, all)
        })
        .collect()
}

/// The shares of negatives and of positives that score above each threshold, from (0, 0) to (1, 1).
pub fn roc(positives: &[bool], scores: &[f64]) -> Vec<(f64, f64)> {
    let up = positives.iter().filter(|positive| **positive).count();
    let down = positives.len() - up;
    let points = found(positives, scores).into_iter();
    [(0.0, 0.0)]
        .into_iter()
        .chain(points.map(|(found, all)| (share(all - found, down), share(found, up))))
        .collect()
}

/// Recall and precision above each threshold, from the highest down.
pub fn precision_recall(positives: &[bool], scores: &[f64]) -> Vec<(f64, f64)> {
    let up = positives.iter().filter(|positive| **positive).count();
    found(positives, scores).into_iter().map(|(found, all)| (share(found, up), share(found, all))).collect()
}

/// Told and true shares in ten equal intervals of the probability; empty ones are left out.
pub fn calibration(positives: &[bool], probabilities: &[f64]) -> Vec<Calibrated> {
    const INTERVALS: usize = 10;
    let mut sums = [(0.0, 0, 0); INTERVALS];
    for (positive, probability) in positives.iter().zip(probabilities) {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a share of ten")]
        let interval = ((probability.clamp(0.0, 1.0) * float(INTERVALS)) as usize).min(INTERVALS - 1);
        let (told, up, rows) = &mut sums[interval];
        *told += probability;
        *up += usize::from(*positive);
        *rows += 1;
    }
    let filled = sums.into_iter().filter(|(_, _, rows)| *rows > 0);
    filled
        .map(|(told, up, rows)| Calibrated { told: told / float(rows), true_share: share(up, rows), rows })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn curves_step_at_each_different_score() {
        let positives = [true, false, true, false];
        let scores = [0.9, 0.8, 0.8, 0.1];
        assert_eq!(roc(&positives, &scores), [(0.0, 0.0), (0.0, 0.5), (0.5, 1.0), (1.0, 1.0)]);
        let expected = [(0.5, 1.0), (1.0, 2.0 / 3.0), (1.0, 0.5)];
        assert_eq!(precision_recall(&positives, &scores), expected);
    }

    #[test]
    fn calibration_compares_what_was_told_with_what_was_true() {
        let told = calibration(&[true, false, true], &[0.95, 1.0, 0.12]);
        assert_eq!(told.len(), 2);
        assert_eq!((told[0].rows, told[0].true_share), (1, 1.0));
        assert_eq!((told[1].rows, told[1].true_share, told[1].told), (2, 0.5, 0.975));
    }
}
