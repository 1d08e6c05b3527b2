//! Rows that belong to the nearest of some points: nearest centroids, and clusterings beyond k-means.

use crate::data::{Accepts, Data, Dense};
use crate::fitted::{Classify, Gives, Takes, Transform, Verdict};
use crate::likelihood::probabilities;
use crate::linear::first_largest;
use crate::model::PredictError;

/// How far two rows are apart; only compared, or squared by who asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Distance {
    Euclidean,
    Manhattan,
}

impl Distance {
    fn of(self, left: &[f64], right: &[f64]) -> f64 {
        let apart = left.iter().zip(right).map(|(left, right)| left - right);
        match self {
            Distance::Euclidean => apart.map(|apart| apart * apart).sum::<f64>().sqrt(),
            Distance::Manhattan => apart.map(f64::abs).sum(),
        }
    }
}

/// The nearest point, the first of equals.
fn nearest(points: &Dense, row: &[f64], distance: Distance) -> usize {
    let mut best = (0, f64::INFINITY);
    for (place, point) in points.iter().enumerate() {
        let apart = distance.of(row, point);
        if apart < best.1 {
            best = (place, apart);
        }
    }
    best.0
}

/// A point for each class.
#[derive(Debug, Clone)]
pub(crate) struct NearestCentroid {
    pub(crate) points: Dense,
    pub(crate) distance: Distance,
    /// What newer versions weigh by; older ones only compare distances.
    pub(crate) shares: Option<Shares>,
}

/// How common classes are, and how widely columns vary within them.
#[derive(Debug, Clone)]
pub(crate) struct Shares {
    /// By class the logarithm of its share.
    pub(crate) priors: Vec<f64>,
    /// By column what it is divided by.
    pub(crate) deviations: Vec<f64>,
    /// Whether all classes are equally common: then the nearest is told.
    pub(crate) are_equal: bool,
}

impl Classify for NearestCentroid {
    fn takes(&self) -> Takes {
        Takes::Numbers(self.points.width)
    }

    fn classes(&self) -> usize {
        self.points.rows
    }

    fn name(&self) -> &'static str {
        "nearest centroid"
    }

    fn judge(&self, data: &Data<'_>) -> Result<Verdict, PredictError> {
        let matrix = data.matrix(self.points.width, Accepts::Finite)?;
        let mut classes = Vec::new();
        let joint = matrix.map_rows(self.points.rows, |row, places| {
            let Some(Shares { priors, deviations, are_equal }) = &self.shares else {
                classes.push(nearest(&self.points, row, self.distance));
                return;
            };
            let scaled = |row: &[f64]| -> Vec<f64> {
                row.iter().zip(deviations).map(|(value, deviation)| value / deviation).collect()
            };
            let own = scaled(row);
            for ((place, point), prior) in places.iter_mut().zip(self.points.iter()).zip(priors) {
                let apart = self.distance.of(&own, &scaled(point));
                *place = 2.0 * prior - apart * apart;
            }
            classes.push(match are_equal {
                true => nearest(&self.points, row, self.distance),
                false => first_largest(places),
            });
        });
        if self.shares.is_none() || self.distance != Distance::Euclidean {
            return Ok(Verdict { classes, probabilities: None, decisions: None });
        }
        let shares = probabilities(&joint);
        let decisions = match joint.width {
            2 => Dense::from_rows(joint.rows, 1, |row, one| one[0] = joint.row(row)[1] - joint.row(row)[0]),
            _ => joint,
        };
        Ok(Verdict { classes, probabilities: Some(shares), decisions: Some(decisions) })
    }
}

/// Points, several of which may stand for one cluster.
#[derive(Debug, Clone)]
pub(crate) struct Grouped {
    pub(crate) points: Dense,
    /// The cluster of each point.
    pub(crate) clusters: Vec<usize>,
    pub(crate) count: usize,
}

impl Classify for Grouped {
    fn takes(&self) -> Takes {
        Takes::Numbers(self.points.width)
    }

    fn classes(&self) -> usize {
        self.count
    }

    fn name(&self) -> &'static str {
        "clustering"
    }

    fn judge(&self, data: &Data<'_>) -> Result<Verdict, PredictError> {
        let matrix = data.matrix(self.points.width, Accepts::Finite)?;
        let mut classes = Vec::new();
        matrix.map_rows(0, |row, _| {
            classes.push(self.clusters[nearest(&self.points, row, Distance::Euclidean)]);
        });
        Ok(Verdict { classes, probabilities: None, decisions: None })
    }
}

/// A tree of points: at each node a row goes to the nearer of two, down to its cluster.
#[derive(Debug, Clone)]
pub(crate) struct Bisections {
    /// The root first, children after their parents.
    pub(crate) nodes: Vec<Bisection>,
    pub(crate) width: usize,
    pub(crate) count: usize,
}

/// One node of [`Bisections`].
#[derive(Debug, Clone)]
pub(crate) enum Bisection {
    Cluster(usize),
    /// Two nodes, and the points they stand for.
    Split {
        nodes: [usize; 2],
        points: Dense,
    },
}

impl Classify for Bisections {
    fn takes(&self) -> Takes {
        Takes::Numbers(self.width)
    }

    fn classes(&self) -> usize {
        self.count
    }

    fn name(&self) -> &'static str {
        "clustering"
    }

    fn judge(&self, data: &Data<'_>) -> Result<Verdict, PredictError> {
        let matrix = data.matrix(self.width, Accepts::Finite)?;
        let mut classes = Vec::new();
        matrix.map_rows(0, |row, _| {
            let mut at = 0;
            let cluster = loop {
                match &self.nodes[at] {
                    Bisection::Cluster(cluster) => break *cluster,
                    Bisection::Split { nodes, points } => {
                        at = nodes[nearest(points, row, Distance::Euclidean)]
                    }
                }
            };
            classes.push(cluster);
        });
        Ok(Verdict { classes, probabilities: None, decisions: None })
    }
}

/// How the columns of a group become one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Pooling {
    Mean,
    Sum,
    Largest,
    Smallest,
    Median,
}

/// Columns pooled group by group.
#[derive(Debug, Clone)]
pub(crate) struct Pool {
    pub(crate) pooling: Pooling,
    /// The columns of each group, none without one.
    pub(crate) groups: Vec<Vec<usize>>,
    pub(crate) width: usize,
}

impl Pool {
    #[expect(clippy::cast_precision_loss, reason = "a number of columns")]
    fn of(&self, values: &mut [f64]) -> f64 {
        let count = values.len() as f64;
        match self.pooling {
            Pooling::Mean => values.iter().sum::<f64>() / count,
            Pooling::Sum => values.iter().sum(),
            Pooling::Largest => values.iter().copied().fold(f64::NEG_INFINITY, f64::max),
            Pooling::Smallest => values.iter().copied().fold(f64::INFINITY, f64::min),
            Pooling::Median => {
                values.sort_unstable_by(f64::total_cmp);
                let middle = values.len() / 2;
                match values.len() % 2 {
                    1 => values[middle],
                    _ => f64::midpoint(values[middle - 1], values[middle]),
                }
            }
        }
    }
}

impl Transform for Pool {
    fn takes(&self) -> Takes {
        Takes::Numbers(self.width)
    }

    fn gives(&self) -> Gives {
        Gives::Numbers(self.groups.len())
    }

    fn name(&self) -> &'static str {
        "pooled columns"
    }

    fn transform<'a>(&'a self, data: Data<'a>) -> Result<Data<'a>, PredictError> {
        let matrix = data.matrix(self.width, Accepts::Finite)?;
        Ok(Data::Dense(matrix.map_rows(self.groups.len(), |row, places| {
            for (place, group) in places.iter_mut().zip(&self.groups) {
                let mut values: Vec<f64> = group.iter().map(|column| row[*column]).collect();
                *place = self.of(&mut values);
            }
        })))
    }
}
