//! Multi-layer perceptrons.

use std::sync::Arc;

use crate::data::{Accepts, Data, Dense};
use crate::fitted::{Classify, Regress, Takes, Verdict};
use crate::linear::{Weights, decided, sigmoid, softmax};
use crate::model::PredictError;

/// What a layer does to its sums.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Activation {
    Identity,
    Logistic,
    Tanh,
    Relu,
    Softmax,
}

impl Activation {
    fn apply(self, row: &mut [f64]) {
        match self {
            Activation::Identity => {}
            Activation::Logistic => row.iter_mut().for_each(|value| *value = sigmoid(*value)),
            Activation::Tanh => row.iter_mut().for_each(|value| *value = value.tanh()),
            Activation::Relu => row.iter_mut().for_each(|value| *value = value.max(0.0)),
            Activation::Softmax => softmax(row),
        }
    }
}

/// Layers in order: sums of products, then an activation.
#[derive(Debug, Clone)]
pub(crate) struct Network {
    layers: Vec<(Weights, Activation)>,
    width: usize,
    outputs: usize,
}

impl Network {
    /// Joins layers; `None` without any, or when one does not take what the one before gives.
    pub(crate) fn new(layers: Vec<(Weights, Activation)>) -> Option<Self> {
        let fits = layers.windows(2).all(|pair| pair[0].0.outputs() == pair[1].0.width());
        let width = layers.first()?.0.width();
        let outputs = layers.last()?.0.outputs();
        fits.then_some(Network { layers, width, outputs })
    }

    pub(crate) fn outputs(&self) -> usize {
        self.outputs
    }

    fn of_data(&self, data: &Data<'_>) -> Result<Dense, PredictError> {
        // what an activation makes may be anything; only the input is looked at
        data.matrix(self.width, Accepts::Finite)?;
        let mut layers = self.layers.iter();
        let Some((first, activation)) = layers.next() else { return Ok(Dense::default()) };
        let mut values = activated(first.scores(data)?, *activation);
        for (weights, activation) in layers {
            values = activated(weights.products(&values), *activation);
        }
        Ok(values)
    }
}

fn activated(mut values: Dense, activation: Activation) -> Dense {
    for row in 0..values.rows {
        activation.apply(values.row_mut(row));
    }
    values
}

/// A network whose outputs are probabilities.
#[derive(Debug, Clone)]
pub(crate) struct NetworkClassifier(pub(crate) Network);

impl Classify for NetworkClassifier {
    fn takes(&self) -> Takes {
        Takes::Numbers(self.0.width)
    }

    fn classes(&self) -> usize {
        self.0.outputs.max(2)
    }

    fn name(&self) -> &'static str {
        "neural network"
    }

    fn judge(&self, data: &Data<'_>) -> Result<Verdict, PredictError> {
        let outputs = self.0.of_data(data)?;
        let decide = |row: &[f64]| match row {
            [positive] => usize::from(*positive > 0.5),
            row => decided(row),
        };
        let classes = outputs.iter().map(decide).collect();
        let probabilities = match outputs.width {
            1 => Dense::from_rows(outputs.rows, 2, |row, shares| {
                let positive = outputs.row(row)[0];
                shares.copy_from_slice(&[1.0 - positive, positive]);
            }),
            _ => outputs,
        };
        Ok(Verdict { classes, probabilities: Some(probabilities), decisions: None })
    }
}

/// One label of a network that says yes or no to several.
#[derive(Debug, Clone)]
pub(crate) struct NetworkLabel {
    pub(crate) network: Arc<Network>,
    pub(crate) output: usize,
}

impl Classify for NetworkLabel {
    fn takes(&self) -> Takes {
        Takes::Numbers(self.network.width)
    }

    fn classes(&self) -> usize {
        2
    }

    fn name(&self) -> &'static str {
        "neural network"
    }

    fn judge(&self, data: &Data<'_>) -> Result<Verdict, PredictError> {
        let outputs = self.network.of_data(data)?;
        let shares = Dense::from_rows(outputs.rows, 2, |row, shares| {
            let positive = outputs.row(row)[self.output];
            shares.copy_from_slice(&[1.0 - positive, positive]);
        });
        let classes = shares.iter().map(|shares| usize::from(shares[1] > 0.5)).collect();
        Ok(Verdict { classes, probabilities: Some(shares), decisions: None })
    }
}

/// A network whose outputs are numbers.
#[derive(Debug, Clone)]
pub(crate) struct NetworkRegressor(pub(crate) Network);

impl Regress for NetworkRegressor {
    fn takes(&self) -> Takes {
        Takes::Numbers(self.0.width)
    }

    fn outputs(&self) -> usize {
        self.0.outputs
    }

    fn name(&self) -> &'static str {
        "neural network regressor"
    }

    fn predict(&self, data: &Data<'_>) -> Result<Dense, PredictError> {
        self.0.of_data(data)
    }
}
