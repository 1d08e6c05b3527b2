//! From the sums of a classifier's trees to labels and scores.

use super::super::super::spec::Outputs;
use super::super::super::tensor::Tensor;
use super::scores::{Labels, Second, Transform, line};

/// Makes labels and scores of the sums of a classifier, as onnxruntime does.
pub(super) struct Judge {
    pub(super) labels: Labels,
    pub(super) transform: Transform,
    pub(super) base: Vec<f64>,
    /// Whether all weights are of one of two classes.
    pub(super) is_single: bool,
    /// Whether no weight is negative: the scores are shares.
    pub(super) are_positive: bool,
}

impl Judge {
    pub(super) fn all(&self, rows: usize, sums: &[Option<f64>]) -> Outputs {
        let classes = self.labels.len();
        let (mut named, mut scores) = (Vec::with_capacity(rows), Vec::with_capacity(rows * classes));
        for sums in sums.chunks(classes) {
            let label = match sums {
                [first, second] => self.two(*first, *second, &mut scores),
                sums => self.many(sums, &mut scores),
            };
            named.push(label);
        }
        Ok(vec![line(named).into(), Tensor::new(vec![rows, classes], scores)?.into()])
    }

    #[expect(clippy::cast_possible_truncation, reason = "scores are of single precision")]
    fn many(&self, sums: &[Option<f64>], scores: &mut Vec<f32>) -> Labels {
        let mut best: Option<usize> = None;
        let mut row = Vec::with_capacity(sums.len());
        for (class, sum) in sums.iter().enumerate() {
            let sum = match self.base.get(class) {
                Some(base) => Some(sum.unwrap_or(0.0) + base),
                None => *sum,
            };
            row.push(sum.unwrap_or(0.0) as f32);
            if sum.is_some() && best.is_none_or(|best| row[class] > row[best]) {
                best = Some(class);
            }
        }
        let label = if sums.len() == 1 {
            self.labels.yes_or_no(row[0] > 0.0)
        } else {
            self.labels.at(best.unwrap_or(0))
        };
        self.transform.write(&mut row, Second::No, scores);
        label
    }

    /// Two classes: the weights may be of both, or of one that stands for the second.
    #[expect(clippy::cast_possible_truncation, reason = "scores are of single precision")]
    fn two(&self, first: Option<f64>, second: Option<f64>, scores: &mut Vec<f32>) -> Labels {
        let mut sums = [first, second];
        let mut is_alone = second.is_none();
        match self.base.as_slice() {
            [_, base] if second.is_some() => {
                let decision = base + first.unwrap_or(0.0);
                sums = [first.map(|_| -decision), Some(decision)];
            }
            [base, _] => {
                sums[0] = first.map(|first| first + base);
                is_alone = false;
            }
            [base] => sums[0] = first.map(|first| first + base),
            _ => {}
        }
        let positive = sums[1].or(sums[0]).unwrap_or(0.0);
        let is_second = if self.is_single && self.are_positive { positive > 0.5 } else { positive > 0.0 };
        let label =
            if self.is_single { self.labels.at(usize::from(is_second)) } else { self.labels.two(is_second) };
        let row = sums.map(|sum| sum.unwrap_or(0.0) as f32);
        if !is_alone {
            self.transform.write(&mut row.clone(), Second::No, scores);
        } else if self.transform == Transform::Probit {
            self.transform.write(&mut [row[0]], Second::No, scores);
            scores.push(row[0]);
        } else {
            let way = if self.is_single && self.are_positive { Second::Complement } else { Second::Opposite };
            self.transform.write(&mut [row[0]], way, scores);
        }
        label
    }
}

impl Labels {
    /// The label of one of two classes; onnxruntime calls numbered ones 0 and 1 where the weights are of both.
    fn two(&self, is_second: bool) -> Labels {
        match self {
            Labels::Texts(_) => self.at(usize::from(is_second)),
            Labels::Ints(_) => self.yes_or_no(is_second),
        }
    }
}
