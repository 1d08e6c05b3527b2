//! Normalization layers.

use super::super::error::Problem;
use super::super::spec::{Call, Outputs, Spec, axis, kernel, one};
use super::super::tensor::{Kind, Tensor};
use super::unary::converted;
use super::{Operator, op};

pub(super) const OPERATORS: &[Operator] = &[
    op("BatchNormalization", |spec| {
        let epsilon = f64::from(spec.float("epsilon", 1e-5)?);
        spec.ignore(&["momentum", "spatial", "is_test", "consumed_inputs"]);
        if spec.flag("training_mode", false)? {
            return Err(Problem::shape("is in training mode: export the model for inference"));
        }
        kernel(move |call| batch(call, epsilon))
    }),
    op("LayerNormalization", |spec| {
        let (at, epsilon) = (spec.int("axis", -1)?, f64::from(spec.float("epsilon", 1e-5)?));
        spec.ignore(&["stash_type"]);
        only_one_output(spec)?;
        kernel(move |call| {
            let at = axis(at, call.tensor(0)?.rank())?;
            let size: usize = call.tensor(0)?.shape()[at..].iter().product();
            by_blocks(call, size, epsilon, |place| place % size, true)
        })
    }),
    op("RMSNormalization", |spec| {
        let (at, epsilon) = (spec.int("axis", -1)?, f64::from(spec.float("epsilon", 1e-5)?));
        spec.ignore(&["stash_type"]);
        kernel(move |call| {
            let at = axis(at, call.tensor(0)?.rank())?;
            let size: usize = call.tensor(0)?.shape()[at..].iter().product();
            by_blocks(call, size, epsilon, |place| place % size, false)
        })
    }),
    op("InstanceNormalization", |spec| {
        let epsilon = f64::from(spec.float("epsilon", 1e-5)?);
        kernel(move |call| {
            let [_, channels, rest @ ..] = call.tensor(0)?.shape() else {
                return Err(Problem::shape("takes images"));
            };
            let (channels, size): (usize, usize) = (*channels, rest.iter().product());
            by_blocks(call, size, epsilon, |place| place / size.max(1) % channels, true)
        })
    }),
    op("GroupNormalization", |spec| {
        let epsilon = f64::from(spec.float("epsilon", 1e-5)?);
        let groups = usize::try_from(spec.int("num_groups", 0)?).unwrap_or(0);
        spec.ignore(&["stash_type"]);
        // a scale for each channel since version 21, for each group before
        let by_channel = spec.version >= 21;
        kernel(move |call| {
            let [_, channels, rest @ ..] = call.tensor(0)?.shape() else {
                return Err(Problem::shape("takes images"));
            };
            let (channels, inner): (usize, usize) = (*channels, rest.iter().product());
            let each = channels.checked_div(groups).filter(|each| each * groups == channels && *each > 0);
            let each = each.ok_or_else(|| Problem::shape("has channels that its groups do not divide"))?;
            let size = each * inner;
            let parameter = |place: usize| match by_channel {
                true => place / inner.max(1) % channels,
                false => place / size.max(1) % groups,
            };
            by_blocks(call, size, epsilon, parameter, true)
        })
    }),
];

fn only_one_output(spec: &Spec<'_>) -> Result<(), Problem> {
    if (1..spec.outputs()).any(|output| spec.has_output(output)) {
        return Err(Problem::shape("gives what only training needs"));
    }
    Ok(())
}

fn batch(call: &mut Call<'_>, epsilon: f64) -> Outputs {
    let input = call.tensor(0)?;
    let [_, rest @ ..] = input.shape() else { return Err(Problem::shape("takes a batch")) };
    let (channels, inner) = match rest {
        [] => (1, 1),
        [channels, inner @ ..] => (*channels, inner.iter().product::<usize>()),
    };
    let parameter = |position| -> Result<Vec<f64>, Problem> {
        let values = call.tensor(position)?.to_f64()?;
        if values.len() == channels {
            Ok(values)
        } else {
            Err(Problem::shape("has parameters for another number of channels"))
        }
    };
    let (scale, bias, mean, variance) = (parameter(1)?, parameter(2)?, parameter(3)?, parameter(4)?);
    let values = input.to_f64()?.into_iter().enumerate().map(|(place, value)| {
        let channel = place / inner.max(1) % channels.max(1);
        (value - mean[channel]) / (variance[channel] + epsilon).sqrt() * scale[channel] + bias[channel]
    });
    one(converted(&Tensor::new(input.shape().to_vec(), values.collect::<Vec<f64>>())?, input.kind())?)
}

/// Gives each block of `size` values mean 0 (if it is centred) and variance 1, then scales.
#[expect(clippy::cast_precision_loss, reason = "a count below 2^27")]
fn by_blocks(
    call: &Call<'_>,
    size: usize,
    epsilon: f64,
    parameter: impl Fn(usize) -> usize,
    is_centred: bool,
) -> Outputs {
    let input = call.tensor(0)?;
    let scale = call.tensor(1)?.to_f64()?;
    let bias = call.optional(2)?.map(Tensor::to_f64).transpose()?;
    let needed = (0..input.len()).map(&parameter).max().map_or(0, |place| place + 1);
    if scale.len() < needed || bias.as_ref().is_some_and(|bias| bias.len() < needed) {
        return Err(Problem::shape("has a scale or bias of another size"));
    }
    let mut values = input.to_f64()?;
    for (number, block) in values.chunks_mut(size.max(1)).enumerate() {
        let count = block.len() as f64;
        let mean = if is_centred { block.iter().sum::<f64>() / count } else { 0.0 };
        let variance = block.iter().map(|value| (value - mean) * (value - mean)).sum::<f64>() / count;
        let spread = (variance + epsilon).sqrt();
        for (offset, value) in block.iter_mut().enumerate() {
            let place = parameter(number * size + offset);
            *value = (*value - mean) / spread * scale[place] + bias.as_ref().map_or(0.0, |bias| bias[place]);
        }
    }
    let kind = if input.kind() == Kind::F64 { Kind::F64 } else { Kind::F32 };
    one(converted(&Tensor::new(input.shape().to_vec(), values)?, kind)?)
}
