//! Rows of numbers: their names and the scaling before the classifier.

/// A table's features.
#[derive(Debug, Clone, Default)]
pub(crate) struct Numbers {
    /// Names in order; empty when the model file does not tell.
    pub(crate) names: Vec<String>,
    /// The number of features.
    pub(crate) width: usize,
    /// Applied in order.
    pub(crate) steps: Vec<Scaling>,
}

/// One scaling, feature by feature.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Scaling {
    /// `x - offset`, then divided by the divisor: scikit-learn's `StandardScaler`.
    Standard { mean: Option<Vec<f64>>, scale: Option<Vec<f64>> },
    /// `x * factor + offset`: scikit-learn's `MinMaxScaler`, clipped to a range if asked to.
    MinMax { factor: Vec<f64>, offset: Vec<f64>, clip: Option<(f64, f64)> },
}

impl Scaling {
    fn fits(&self, width: usize) -> bool {
        let fits = |values: &Option<Vec<f64>>| values.as_ref().is_none_or(|values| values.len() == width);
        match self {
            Scaling::Standard { mean, scale } => fits(mean) && fits(scale),
            Scaling::MinMax { factor, offset, .. } => factor.len() == width && offset.len() == width,
        }
    }

    fn apply(&self, row: &mut [f64]) {
        match self {
            Scaling::Standard { mean, scale } => {
                for (value, mean) in row.iter_mut().zip(mean.iter().flatten()) {
                    *value -= mean;
                }
                for (value, scale) in row.iter_mut().zip(scale.iter().flatten()) {
                    *value /= scale;
                }
            }
            Scaling::MinMax { factor, offset, clip } => {
                for ((value, factor), offset) in row.iter_mut().zip(factor).zip(offset) {
                    *value = *value * factor + offset;
                    if let Some((low, high)) = clip {
                        *value = value.max(*low).min(*high);
                    }
                }
            }
        }
    }
}

impl Numbers {
    /// Joins the parts; `None` when a step or the names are for another number of features.
    pub(crate) fn new(names: Vec<String>, width: usize, steps: Vec<Scaling>) -> Option<Self> {
        let names_fit = names.is_empty() || names.len() == width;
        let fits = names_fit && steps.iter().all(|step| step.fits(width));
        fits.then_some(Numbers { names, width, steps })
    }

    pub(crate) fn scale(&self, row: &mut [f64]) {
        self.steps.iter().for_each(|step| step.apply(row));
    }
}
