//! How far apart two rows are.

/// A distance, by scikit-learn's name for it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Metric {
    Euclidean,
    SquaredEuclidean,
    Manhattan,
    Chebyshev,
    /// The power, and a weight for each column if there are any.
    Minkowski {
        power: f64,
        weights: Option<Vec<f64>>,
    },
    /// Euclidean, each column divided by its variance.
    Standardized {
        variances: Vec<f64>,
    },
    /// The inverse of a covariance, row after row.
    Mahalanobis {
        inverse: Vec<f64>,
    },
    Cosine,
    Correlation,
    Canberra,
    BrayCurtis,
    Hamming,
    /// Of latitude and longitude on a sphere of radius one.
    Haversine,
    /// Euclidean over the columns both rows have, scaled up to all.
    NanEuclidean,
}

fn pairs<'a>(left: &'a [f64], right: &'a [f64]) -> impl Iterator<Item = (f64, f64)> + 'a {
    left.iter().copied().zip(right.iter().copied())
}

fn sum(left: &[f64], right: &[f64], of: impl Fn(f64, f64) -> f64) -> f64 {
    pairs(left, right).map(|(left, right)| of(left, right)).sum()
}

/// A part of a whole; of nothing at all it is nothing.
fn share(part: f64, whole: f64) -> f64 {
    if whole == 0.0 { 0.0 } else { part / whole }
}

impl Metric {
    /// A number that orders rows as their distance does, and takes less to compute.
    pub(crate) fn reduced(&self, left: &[f64], right: &[f64]) -> f64 {
        let squares = || sum(left, right, |left, right| (left - right) * (left - right));
        match self {
            Metric::Euclidean | Metric::SquaredEuclidean => squares(),
            Metric::Manhattan => sum(left, right, |left, right| (left - right).abs()),
            Metric::Chebyshev => {
                pairs(left, right).map(|(left, right)| (left - right).abs()).fold(0.0, f64::max)
            }
            Metric::Minkowski { power, weights: None } => {
                sum(left, right, |left, right| (left - right).abs().powf(*power))
            }
            Metric::Minkowski { power, weights: Some(weights) } => pairs(left, right)
                .zip(weights)
                .map(|((left, right), weight)| weight * (left - right).abs().powf(*power))
                .sum(),
            Metric::Standardized { variances } => pairs(left, right)
                .zip(variances)
                .map(|((left, right), variance)| (left - right) * (left - right) / variance)
                .sum(),
            Metric::Mahalanobis { inverse } => mahalanobis(inverse, left, right),
            Metric::Cosine => cosine(left, right),
            Metric::Correlation => correlation(left, right),
            Metric::Canberra => {
                sum(left, right, |left, right| share((left - right).abs(), left.abs() + right.abs()))
            }
            Metric::BrayCurtis => {
                let apart = sum(left, right, |left, right| (left - right).abs());
                share(apart, sum(left, right, |left, right| left.abs() + right.abs()))
            }
            Metric::Hamming => {
                let differ = pairs(left, right).filter(|(left, right)| left != right).count();
                share(number(differ), number(left.len()))
            }
            Metric::Haversine => haversine(left, right),
            Metric::NanEuclidean => nan_squares(left, right),
        }
    }

    /// The distance of a reduced one.
    pub(crate) fn distance(&self, reduced: f64) -> f64 {
        match self {
            Metric::Euclidean | Metric::Standardized { .. } | Metric::Mahalanobis { .. } => reduced.sqrt(),
            Metric::NanEuclidean => reduced.sqrt(),
            Metric::Minkowski { power, .. } => reduced.powf(1.0 / power),
            Metric::Haversine => 2.0 * reduced.sqrt().asin(),
            Metric::SquaredEuclidean
            | Metric::Manhattan
            | Metric::Chebyshev
            | Metric::Cosine
            | Metric::Correlation
            | Metric::Canberra
            | Metric::BrayCurtis
            | Metric::Hamming => reduced,
        }
    }

    /// The reduced number of a distance.
    pub(crate) fn reduce(&self, distance: f64) -> f64 {
        match self {
            Metric::Euclidean
            | Metric::Standardized { .. }
            | Metric::Mahalanobis { .. }
            | Metric::NanEuclidean => distance * distance,
            Metric::Minkowski { power, .. } => distance.powf(*power),
            Metric::Haversine => {
                let half = (0.5 * distance).sin();
                half * half
            }
            Metric::SquaredEuclidean
            | Metric::Manhattan
            | Metric::Chebyshev
            | Metric::Cosine
            | Metric::Correlation
            | Metric::Canberra
            | Metric::BrayCurtis
            | Metric::Hamming => distance,
        }
    }

    /// Whether its parameters are for rows of so many columns.
    pub(crate) fn fits(&self, width: usize) -> bool {
        match self {
            Metric::Minkowski { power, weights } => {
                *power > 0.0 && weights.as_ref().is_none_or(|weights| weights.len() == width)
            }
            Metric::Standardized { variances } => variances.len() == width,
            Metric::Mahalanobis { inverse } => width.checked_mul(width) == Some(inverse.len()),
            Metric::Haversine => width == 2,
            Metric::Euclidean
            | Metric::SquaredEuclidean
            | Metric::Manhattan
            | Metric::Chebyshev
            | Metric::Cosine
            | Metric::Correlation
            | Metric::Canberra
            | Metric::BrayCurtis
            | Metric::Hamming
            | Metric::NanEuclidean => true,
        }
    }
}

#[expect(clippy::cast_precision_loss, reason = "a number of columns")]
fn number(count: usize) -> f64 {
    count as f64
}

fn mahalanobis(inverse: &[f64], left: &[f64], right: &[f64]) -> f64 {
    let apart: Vec<f64> = pairs(left, right).map(|(left, right)| left - right).collect();
    let rows = inverse.chunks(apart.len().max(1)).zip(&apart);
    rows.map(|(row, apart_here)| apart_here * sum(row, &apart, |weight, apart| weight * apart)).sum()
}

/// Both rows are made of length one first, as scikit-learn does.
fn cosine(left: &[f64], right: &[f64]) -> f64 {
    let length = |row: &[f64]| match row.iter().map(|value| value * value).sum::<f64>().sqrt() {
        0.0 => 1.0,
        length => length,
    };
    let (left_length, right_length) = (length(left), length(right));
    let product = sum(left, right, |left, right| (left / left_length) * (right / right_length));
    (1.0 - product).clamp(0.0, 2.0)
}

fn correlation(left: &[f64], right: &[f64]) -> f64 {
    let mean = |row: &[f64]| row.iter().sum::<f64>() / number(row.len());
    let (left_mean, right_mean) = (mean(left), mean(right));
    let product = sum(left, right, |left, right| (left - left_mean) * (right - right_mean));
    let spread =
        |row: &[f64], mean: f64| row.iter().map(|value| (value - mean) * (value - mean)).sum::<f64>();
    1.0 - product / (spread(left, left_mean) * spread(right, right_mean)).sqrt()
}

fn haversine(left: &[f64], right: &[f64]) -> f64 {
    let ([left_lat, left_lon], [right_lat, right_lon]) = (left, right) else { return f64::NAN };
    let half = |angle: f64| (0.5 * angle).sin();
    let (lat, lon) = (half(left_lat - right_lat), half(left_lon - right_lon));
    lat * lat + left_lat.cos() * right_lat.cos() * lon * lon
}

/// NaN when the rows have no column in common.
fn nan_squares(left: &[f64], right: &[f64]) -> f64 {
    let both = || pairs(left, right).filter(|(left, right)| !left.is_nan() && !right.is_nan());
    let squares: f64 = both().map(|(left, right)| (left - right) * (left - right)).sum();
    match both().count() {
        0 => f64::NAN,
        count => squares / number(count) * number(left.len()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // expected values of scipy.spatial.distance and sklearn.metrics
    #[test]
    fn distances_are_those_of_their_names() {
        let check = |metric: Metric, expected: f64| {
            let (left, right) = ([1.0, 2.0], [4.0, -2.0]);
            let reduced = metric.reduced(&left, &right);
            let distance = metric.distance(reduced);
            assert!((distance - expected).abs() < 1e-12, "{metric:?}: {distance}");
            assert!((metric.reduce(distance) - reduced).abs() < 1e-9, "{metric:?}");
            assert!(metric.fits(2), "{metric:?}");
        };
        check(Metric::Euclidean, 5.0);
        check(Metric::SquaredEuclidean, 25.0);
        check(Metric::Manhattan, 7.0);
        check(Metric::Chebyshev, 4.0);
        check(Metric::Minkowski { power: 3.0, weights: None }, 91f64.powf(1.0 / 3.0));
        check(Metric::Minkowski { power: 2.0, weights: Some(vec![1.0, 0.25]) }, 13f64.sqrt());
        check(Metric::Standardized { variances: vec![9.0, 16.0] }, 2f64.sqrt());
        check(Metric::Mahalanobis { inverse: vec![1.0, 0.0, 0.0, 1.0] }, 5.0);
        check(Metric::Cosine, 1.0);
        check(Metric::Canberra, 1.6);
        check(Metric::BrayCurtis, 7.0 / 9.0);
        check(Metric::Hamming, 1.0);
        check(Metric::NanEuclidean, 5.0);
        let gapped = Metric::NanEuclidean.reduced(&[f64::NAN, 2.0], &[1.0, 5.0]);
        assert_eq!(gapped, 18.0);
    }
}
