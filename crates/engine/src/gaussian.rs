//! Covariances of Gaussian processes.
//!
//! C. Rasmussen and C. Williams, "Gaussian Processes for Machine Learning" (2006), chapter 4.
//! [`laplace`] tells classes by them.

pub(crate) mod laplace;

/// How two rows vary together; of a row that training has not seen.
#[derive(Debug, Clone)]
pub(crate) enum Covariance {
    Constant(f64),
    /// Noise of single rows: none between two of them.
    White(f64),
    Sum(Box<Covariance>, Box<Covariance>),
    Product(Box<Covariance>, Box<Covariance>),
    Power(Box<Covariance>, f64),
    /// One length for all columns, or one for each.
    Radial {
        lengths: Vec<f64>,
    },
    Matern {
        lengths: Vec<f64>,
        smoothness: Smoothness,
    },
    RationalQuadratic {
        length: f64,
        mixture: f64,
    },
    Periodic {
        length: f64,
        period: f64,
    },
    Dot {
        shift: f64,
    },
}

/// The smoothness of a Matérn covariance, where it has a closed form.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Smoothness {
    Half,
    ThreeHalves,
    FiveHalves,
    Infinite,
}

impl Covariance {
    /// Whether its lengths are for rows of so many columns.
    pub(crate) fn fits(&self, width: usize) -> bool {
        match self {
            Covariance::Sum(left, right) | Covariance::Product(left, right) => {
                left.fits(width) && right.fits(width)
            }
            Covariance::Power(inner, _) => inner.fits(width),
            Covariance::Radial { lengths } | Covariance::Matern { lengths, .. } => {
                lengths.len() == 1 || lengths.len() == width
            }
            Covariance::Constant(_)
            | Covariance::White(_)
            | Covariance::RationalQuadratic { .. }
            | Covariance::Periodic { .. }
            | Covariance::Dot { .. } => true,
        }
    }

    pub(crate) fn of(&self, left: &[f64], right: &[f64]) -> f64 {
        match self {
            Covariance::Constant(value) => *value,
            Covariance::White(_) => 0.0,
            Covariance::Sum(first, second) => first.of(left, right) + second.of(left, right),
            Covariance::Product(first, second) => first.of(left, right) * second.of(left, right),
            Covariance::Power(inner, power) => inner.of(left, right).powf(*power),
            Covariance::Radial { lengths } => (-0.5 * squares(left, right, lengths)).exp(),
            Covariance::Matern { lengths, smoothness } => matern(squares(left, right, lengths), *smoothness),
            Covariance::RationalQuadratic { length, mixture } => {
                let base = squares(left, right, &[1.0]) / (2.0 * mixture * length * length);
                (1.0 + base).powf(-mixture)
            }
            Covariance::Periodic { length, period } => {
                let distance = squares(left, right, &[1.0]).sqrt();
                let wave = (std::f64::consts::PI / period * distance).sin() / length;
                (-2.0 * wave * wave).exp()
            }
            Covariance::Dot { shift } => {
                let product: f64 = left.iter().zip(right).map(|(left, right)| left * right).sum();
                product + shift * shift
            }
        }
    }
}

impl Covariance {
    /// How a row varies with itself.
    pub(crate) fn alone(&self, row: &[f64]) -> f64 {
        match self {
            Covariance::White(noise) => *noise,
            Covariance::Sum(first, second) => first.alone(row) + second.alone(row),
            Covariance::Product(first, second) => first.alone(row) * second.alone(row),
            Covariance::Power(inner, power) => inner.alone(row).powf(*power),
            Covariance::Constant(_)
            | Covariance::Radial { .. }
            | Covariance::Matern { .. }
            | Covariance::RationalQuadratic { .. }
            | Covariance::Periodic { .. }
            | Covariance::Dot { .. } => self.of(row, row),
        }
    }
}

/// The sum of squares, each column divided by its length first.
fn squares(left: &[f64], right: &[f64], lengths: &[f64]) -> f64 {
    let columns = left.iter().zip(right).enumerate();
    let apart = columns.map(|(column, (left, right))| {
        let length = if lengths.len() == 1 { lengths[0] } else { lengths[column] };
        left / length - right / length
    });
    apart.map(|apart| apart * apart).sum()
}

fn matern(squares: f64, smoothness: Smoothness) -> f64 {
    let distance = squares.sqrt();
    match smoothness {
        Smoothness::Half => (-distance).exp(),
        Smoothness::ThreeHalves => {
            let scaled = distance * 3f64.sqrt();
            (1.0 + scaled) * (-scaled).exp()
        }
        Smoothness::FiveHalves => {
            let scaled = distance * 5f64.sqrt();
            (1.0 + scaled + scaled * scaled / 3.0) * (-scaled).exp()
        }
        Smoothness::Infinite => (-squares / 2.0).exp(),
    }
}
