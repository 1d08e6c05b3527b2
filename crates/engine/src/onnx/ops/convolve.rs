//! Convolutions and pools.

use super::super::broadcast::steps;
use super::super::error::Problem;
use super::super::product::Panels;
use super::super::spec::{Call, Kernel, Outputs, Spec, kernel, one};
use super::super::tensor::{Data, Tensor, elements};
use super::unary::converted;
use super::{Operator, op};

pub(super) const OPERATORS: &[Operator] = &[
    op("Conv", convolution),
    op("MaxPool", |spec| {
        if spec.has_output(1) {
            return Err(Problem::shape("gives the places of the largest, which is not supported"));
        }
        spec.ignore(&["storage_order"]);
        pool(spec, |cells, _| cells.iter().copied().fold(f64::NEG_INFINITY, f64::max), false)
    }),
    op("AveragePool", |spec| {
        let counts_pads = spec.flag("count_include_pad", false)?;
        pool(spec, average, counts_pads)
    }),
    op("GlobalAveragePool", |_| kernel(|call| global(call, |cells| average(cells, cells.len())))),
    op("GlobalMaxPool", |_| {
        kernel(|call| global(call, |cells| cells.iter().copied().fold(f64::NEG_INFINITY, f64::max)))
    }),
];

#[expect(clippy::cast_precision_loss, reason = "a count below 2^27")]
fn average(cells: &[f64], count: usize) -> f64 {
    cells.iter().sum::<f64>() / count.max(1) as f64
}

/// How a window moves.
struct Window {
    size: Option<Vec<usize>>,
    strides: Option<Vec<usize>>,
    dilations: Option<Vec<usize>>,
    pads: Option<Vec<usize>>,
    auto: String,
    rounds_up: bool,
}

/// A window over an image of known size.
struct Moves {
    size: Vec<usize>,
    strides: Vec<usize>,
    dilations: Vec<usize>,
    before: Vec<usize>,
    image: Vec<usize>,
    output: Vec<usize>,
    /// How far pads reach behind the image.
    after: Vec<usize>,
}

impl Window {
    fn of(spec: &Spec<'_>) -> Result<Self, Problem> {
        let list = |name| -> Result<Option<Vec<usize>>, Problem> {
            spec.ints(name)?.map(super::arrange::sizes).transpose()
        };
        let auto = spec.text("auto_pad")?.unwrap_or("NOTSET").to_owned();
        if !["NOTSET", "VALID", "SAME_UPPER", "SAME_LOWER"].contains(&auto.as_str()) {
            return Err(Problem::shape(format!("pads by `{auto}`, which is not known")));
        }
        Ok(Window {
            size: list("kernel_shape")?,
            strides: list("strides")?,
            dilations: list("dilations")?,
            pads: list("pads")?,
            auto,
            rounds_up: spec.flag("ceil_mode", false)?,
        })
    }

    fn over(&self, image: &[usize], size: &[usize]) -> Result<Moves, Problem> {
        let rank = image.len();
        let list = |own: &Option<Vec<usize>>| own.clone().unwrap_or_else(|| vec![1; rank]);
        let (strides, dilations) = (list(&self.strides), list(&self.dilations));
        let pads = self.pads.clone().filter(|_| self.auto == "NOTSET").unwrap_or_else(|| vec![0; rank * 2]);
        let fits =
            size.len() == rank && strides.len() == rank && dilations.len() == rank && pads.len() == rank * 2;
        if !fits || rank == 0 || strides.contains(&0) || size.contains(&0) || dilations.contains(&0) {
            return Err(Problem::shape("has a window that does not fit its image"));
        }
        let mut moves = Moves {
            size: size.to_vec(),
            strides,
            dilations,
            before: pads[..rank].to_vec(),
            image: image.to_vec(),
            output: Vec::new(),
            after: pads[rank..].to_vec(),
        };
        for axis in 0..rank {
            let reach = (size[axis] - 1).saturating_mul(moves.dilations[axis]).saturating_add(1);
            let stride = moves.strides[axis];
            if self.auto.starts_with("SAME") {
                let output = image[axis].div_ceil(stride);
                let total =
                    (output.saturating_sub(1) * stride).saturating_add(reach).saturating_sub(image[axis]);
                let less = total / 2;
                moves.before[axis] = if self.auto == "SAME_UPPER" { less } else { total - less };
                moves.after[axis] = total - moves.before[axis];
            }
            let room = image[axis].saturating_add(moves.before[axis]).saturating_add(moves.after[axis]);
            let rest = room
                .checked_sub(reach)
                .ok_or_else(|| Problem::shape("has a window larger than its image"))?;
            let mut output = rest / stride + 1;
            // a window that begins beyond the image and its first pads is left out
            if self.rounds_up && rest % stride != 0 && output * stride < image[axis] + moves.before[axis] {
                output += 1;
            }
            moves.output.push(output);
        }
        elements(&moves.output)?;
        Ok(moves)
    }
}

impl Moves {
    /// For each position of the window and each of its cells: the place in the image, or none in a pad.
    fn cells(&self) -> Vec<Vec<Option<usize>>> {
        let of_image = steps(&self.image);
        let window: usize = self.size.iter().product();
        let (out_steps, size_steps) = (steps(&self.output), steps(&self.size));
        let positions: usize = self.output.iter().product();
        let cell = |position: usize, cell: usize| {
            (0..self.image.len()).try_fold(0, |place, axis| {
                let at = position / out_steps[axis] % self.output[axis] * self.strides[axis]
                    + cell / size_steps[axis] % self.size[axis] * self.dilations[axis];
                let at = at.checked_sub(self.before[axis]).filter(|at| *at < self.image[axis])?;
                Some(place + at * of_image[axis])
            })
        };
        (0..positions).map(|position| (0..window).map(|inside| cell(position, inside)).collect()).collect()
    }

    /// How many cells of a window lie in the image or its pads.
    fn counted(&self, position: usize) -> usize {
        let out_steps = steps(&self.output);
        (0..self.image.len())
            .map(|axis| {
                let start = position / out_steps[axis] % self.output[axis] * self.strides[axis];
                let end = self.image[axis] + self.before[axis] + self.after[axis];
                (0..self.size[axis]).filter(|cell| start + cell * self.dilations[axis] < end).count()
            })
            .product()
    }
}

fn images(tensor: &Tensor) -> Result<(usize, usize, &[usize]), Problem> {
    match tensor.shape() {
        [count, channels, image @ ..] if !image.is_empty() => Ok((*count, *channels, image)),
        other => Err(Problem::shape(format!("takes images, and is given the shape {other:?}"))),
    }
}

fn pool(spec: &Spec<'_>, join: fn(&[f64], usize) -> f64, counts_pads: bool) -> Result<Kernel, Problem> {
    let window = Window::of(spec)?;
    let size = window.size.clone().ok_or_else(|| Problem::shape("has no `kernel_shape`"))?;
    kernel(move |call| {
        let input = call.tensor(0)?;
        let (count, channels, image) = images(input)?;
        let moves = window.over(image, &size)?;
        let mut shape = vec![count, channels];
        shape.extend(&moves.output);
        let total = elements(&shape)?;
        let window: usize = size.iter().product();
        let kind = input.kind();
        let (values, plane) = (input.to_f64()?, image.iter().product::<usize>());
        call.limits.work((total as u64).saturating_mul(window as u64))?;
        elements(&[moves.output.iter().product(), window])?;
        let cells = moves.cells();
        let mut pooled = Vec::with_capacity(total);
        let mut inside = Vec::with_capacity(window);
        for values in values.chunks(plane.max(1)) {
            for (position, cells) in cells.iter().enumerate() {
                inside.clear();
                inside.extend(cells.iter().flatten().map(|&place| values[place]));
                let counted = if counts_pads { moves.counted(position) } else { inside.len() };
                pooled.push(join(&inside, counted));
            }
        }
        one(converted(&Tensor::new(shape, pooled)?, kind)?)
    })
}

fn global(call: &mut Call<'_>, join: impl Fn(&[f64]) -> f64) -> Outputs {
    let input = call.tensor(0)?;
    let (count, channels, image) = images(input)?;
    let plane = image.iter().product::<usize>().max(1);
    let mut shape = vec![count, channels];
    shape.extend(image.iter().map(|_| 1));
    let joined: Vec<f64> = input.to_f64()?.chunks(plane).map(join).collect();
    one(converted(&Tensor::new(shape, joined)?, input.kind())?)
}

/// The filters of one group, packed.
fn filters(weights: &Tensor, groups: usize) -> Result<Vec<Panels>, Problem> {
    let ([outputs, rest @ ..], Data::F32(values)) = (weights.shape(), weights.data()) else {
        return Err(Problem::shape("has filters that are not of single precision"));
    };
    if groups == 0 || outputs % groups != 0 {
        return Err(Problem::shape(format!("shares {outputs} filters among {groups} groups")));
    }
    let (each, depth) = (outputs / groups, rest.iter().product::<usize>());
    Ok((0..groups)
        .map(|group| {
            Panels::new(depth, each, |place, filter| values[(group * each + filter) * depth + place])
        })
        .collect())
}

fn convolution(spec: &Spec<'_>) -> Result<Kernel, Problem> {
    let window = Window::of(spec)?;
    let groups = usize::try_from(spec.int("group", 1)?).unwrap_or(0);
    let packed = spec.constant(1).map(|weights| filters(weights, groups)).transpose()?;
    kernel(move |call| {
        let (input, weights) = (call.tensor(0)?, call.tensor(1)?);
        let own;
        let packed = match &packed {
            Some(packed) => packed,
            None => {
                own = filters(weights, groups)?;
                &own
            }
        };
        let (count, channels, image) = images(input)?;
        let [outputs, per_group, size @ ..] = weights.shape() else {
            return Err(Problem::shape("has no filters"));
        };
        if per_group * groups != channels {
            return Err(Problem::shape(format!(
                "has filters for {} channels, and is given {channels}",
                per_group * groups
            )));
        }
        let moves = window.over(image, size)?;
        let positions: usize = moves.output.iter().product();
        let mut shape = vec![count, *outputs];
        shape.extend(&moves.output);
        let total = elements(&shape)?;
        let (plane, each) = (image.iter().product::<usize>(), outputs / groups);
        let depth = per_group * size.iter().product::<usize>();
        elements(&[positions, depth])?;
        let work = (total as u64).saturating_mul(depth as u64);
        let bias =
            call.optional(2)?.map(|bias| bias.to_f32().map(std::borrow::Cow::into_owned)).transpose()?;
        if bias.as_ref().is_some_and(|bias| bias.len() != *outputs) {
            return Err(Problem::shape("has biases for another number of filters"));
        }
        let (values, cells) = (input.values::<f32>()?, moves.cells());
        let mut result = vec![0f32; total];
        let mut rows = Vec::with_capacity(positions * depth);
        for (number, values) in values.chunks((plane * channels).max(1)).enumerate() {
            for (group, panels) in packed.iter().enumerate() {
                rows.clear();
                for cells in &cells {
                    for channel in 0..*per_group {
                        let start = (group * per_group + channel) * plane;
                        rows.extend(cells.iter().map(|cell| cell.map_or(0.0, |cell| values[start + cell])));
                    }
                }
                for (position, products) in panels.times(&rows)?.chunks(each.max(1)).enumerate() {
                    for (filter, product) in products.iter().enumerate() {
                        let filter = group * each + filter;
                        result[(number * outputs + filter) * positions + position] =
                            product + bias.as_ref().map_or(0.0, |bias| bias[filter]);
                    }
                }
            }
        }
        call.limits.work(work)?;
        one(Tensor::new(shape, result)?)
    })
}
