//! Weighs the two sides of a split.
//!
//! A split is tried by moving a node's rows one by one from the near side to the far one. What a
//! side is worth is its *purity*: a number that grows as it gets purer, such that the purities of
//! both sides less that of the node is what the split decreases the impurity by, times the rows.

/// The two sides of a node.
pub(super) trait Tally {
    /// Takes a node's rows, all on the near side.
    fn enter(&mut self, rows: &[u32]);

    /// Whether nothing is to be gained at the node.
    fn is_pure(&self) -> bool;

    /// The purity of the node as it is.
    fn whole(&self) -> f64;

    /// Moves a row to the far side.
    fn shift(&mut self, row: u32);

    /// The purity of both sides.
    fn purity(&self) -> f64;

    /// Brings back the rows that were moved.
    fn restore(&mut self, rows: impl Iterator<Item = u32>);

    /// What a leaf of the node's rows answers.
    fn answer(&self, values: &mut Vec<f64>);
}

/// What a row is and counts.
#[derive(Debug, Clone, Copy)]
struct Of<V> {
    value: V,
    weight: f64,
}

/// Gini's impurity of classes.
pub(super) struct Gini {
    rows: Vec<Of<u32>>,
    counts: Vec<f64>,
    moved: Vec<f64>,
    weight: f64,
    squares: f64,
    near: (f64, f64),
    far: (f64, f64),
}

impl Gini {
    pub(super) fn new(classes: &[u32], count: usize, weights: &[f64]) -> Self {
        let rows = classes.iter().zip(weights).map(|(&value, &weight)| Of { value, weight }).collect();
        let (counts, moved) = (vec![0.0; count], vec![0.0; count]);
        Gini { rows, counts, moved, weight: 0.0, squares: 0.0, near: (0.0, 0.0), far: (0.0, 0.0) }
    }
}

fn counted(rows: &[Of<u32>], order: &[u32], counts: &mut [f64]) -> f64 {
    counts.fill(0.0);
    let mut total = 0.0;
    for &row in order {
        let Of { value, weight } = rows[row as usize];
        counts[value as usize] += weight;
        total += weight;
    }
    total
}

fn shares(counts: &[f64], weight: f64, values: &mut Vec<f64>) {
    values.extend(counts.iter().map(|count| count / weight));
}

fn over(squares: f64, weight: f64) -> f64 {
    if weight > 0.0 { squares / weight } else { 0.0 }
}

impl Tally for Gini {
    fn enter(&mut self, rows: &[u32]) {
        self.weight = counted(&self.rows, rows, &mut self.counts);
        self.squares = self.counts.iter().map(|count| count * count).sum();
        (self.near, self.far) = ((self.squares, self.weight), (0.0, 0.0));
    }

    fn is_pure(&self) -> bool {
        self.counts.iter().filter(|count| **count > 0.0).count() < 2
    }

    fn whole(&self) -> f64 {
        over(self.squares, self.weight)
    }

    #[inline]
    fn shift(&mut self, row: u32) {
        let Of { value, weight } = self.rows[row as usize];
        let moved = &mut self.moved[value as usize];
        let left = self.counts[value as usize] - *moved;
        self.far.0 += weight * (2.0 * *moved + weight);
        self.near.0 -= weight * (2.0 * left - weight);
        *moved += weight;
        self.far.1 += weight;
        self.near.1 -= weight;
    }

    #[inline]
    fn purity(&self) -> f64 {
        over(self.near.0, self.near.1) + over(self.far.0, self.far.1)
    }

    fn restore(&mut self, rows: impl Iterator<Item = u32>) {
        rows.for_each(|row| self.moved[self.rows[row as usize].value as usize] = 0.0);
        (self.near, self.far) = ((self.squares, self.weight), (0.0, 0.0));
    }

    fn answer(&self, values: &mut Vec<f64>) {
        shares(&self.counts, self.weight, values);
    }
}

/// Shannon's entropy of classes, in bits.
pub(super) struct Entropy {
    rows: Vec<Of<u32>>,
    counts: Vec<f64>,
    moved: Vec<f64>,
    weight: f64,
    /// The sum of `count log count`.
    inner: f64,
    near: (f64, f64),
    far: (f64, f64),
}

impl Entropy {
    pub(super) fn new(classes: &[u32], count: usize, weights: &[f64]) -> Self {
        let rows = classes.iter().zip(weights).map(|(&value, &weight)| Of { value, weight }).collect();
        let (counts, moved) = (vec![0.0; count], vec![0.0; count]);
        Entropy { rows, counts, moved, weight: 0.0, inner: 0.0, near: (0.0, 0.0), far: (0.0, 0.0) }
    }
}

fn log_of(count: f64) -> f64 {
    if count > 0.0 { count * count.log2() } else { 0.0 }
}

impl Tally for Entropy {
    fn enter(&mut self, rows: &[u32]) {
        self.weight = counted(&self.rows, rows, &mut self.counts);
        self.inner = self.counts.iter().map(|count| log_of(*count)).sum();
        (self.near, self.far) = ((self.inner, self.weight), (0.0, 0.0));
    }

    fn is_pure(&self) -> bool {
        self.counts.iter().filter(|count| **count > 0.0).count() < 2
    }

    fn whole(&self) -> f64 {
        self.inner - log_of(self.weight)
    }

    fn shift(&mut self, row: u32) {
        let Of { value, weight } = self.rows[row as usize];
        let moved = &mut self.moved[value as usize];
        let left = self.counts[value as usize] - *moved;
        self.far.0 += log_of(*moved + weight) - log_of(*moved);
        self.near.0 += log_of(left - weight) - log_of(left);
        *moved += weight;
        self.far.1 += weight;
        self.near.1 -= weight;
    }

    fn purity(&self) -> f64 {
        self.near.0 - log_of(self.near.1) + self.far.0 - log_of(self.far.1)
    }

    fn restore(&mut self, rows: impl Iterator<Item = u32>) {
        rows.for_each(|row| self.moved[self.rows[row as usize].value as usize] = 0.0);
        (self.near, self.far) = ((self.inner, self.weight), (0.0, 0.0));
    }

    fn answer(&self, values: &mut Vec<f64>) {
        shares(&self.counts, self.weight, values);
    }
}

/// The squared distance of numbers from their mean. Numbers are kept less the mean of all, so that
/// squares stay small.
pub(super) struct Spread {
    rows: Vec<Of<f64>>,
    mean: f64,
    sum: f64,
    squares: f64,
    weight: f64,
    far: (f64, f64),
}

impl Spread {
    pub(super) fn new(numbers: &[f64], mean: f64, weights: &[f64]) -> Self {
        let of = |(number, weight): (&f64, &f64)| Of { value: number - mean, weight: *weight };
        let rows = numbers.iter().zip(weights).map(of).collect();
        Spread { rows, mean, sum: 0.0, squares: 0.0, weight: 0.0, far: (0.0, 0.0) }
    }
}

impl Tally for Spread {
    fn enter(&mut self, rows: &[u32]) {
        (self.sum, self.squares, self.weight, self.far) = (0.0, 0.0, 0.0, (0.0, 0.0));
        for &row in rows {
            let Of { value, weight } = self.rows[row as usize];
            self.sum += weight * value;
            self.squares += weight * value * value;
            self.weight += weight;
        }
    }

    fn is_pure(&self) -> bool {
        // what is left of equal numbers is rounding
        self.squares - over(self.sum * self.sum, self.weight) <= f64::EPSILON * self.squares.max(self.weight)
    }

    fn whole(&self) -> f64 {
        over(self.sum * self.sum, self.weight)
    }

    #[inline]
    fn shift(&mut self, row: u32) {
        let Of { value, weight } = self.rows[row as usize];
        self.far.0 += weight * value;
        self.far.1 += weight;
    }

    #[inline]
    fn purity(&self) -> f64 {
        let near = self.sum - self.far.0;
        over(near * near, self.weight - self.far.1) + over(self.far.0 * self.far.0, self.far.1)
    }

    fn restore(&mut self, _: impl Iterator<Item = u32>) {
        self.far = (0.0, 0.0);
    }

    fn answer(&self, values: &mut Vec<f64>) {
        values.push(self.mean + over(self.sum, self.weight));
    }
}
