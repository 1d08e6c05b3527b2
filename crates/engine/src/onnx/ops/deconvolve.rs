//! Transposed convolutions: each place of the image adds its filter to the output.

use super::super::broadcast::steps;
use super::super::error::Problem;
use super::super::spec::{Call, Kernel, Outputs, Spec, kernel, one};
use super::super::tensor::{Tensor, elements};
use super::arrange::sizes;
use super::unary::converted;
use super::{Operator, op};

pub(super) const OPERATORS: &[Operator] = &[op("ConvTranspose", transposed)];

/// What the node says of its window; what it does not say is usual.
struct Stamp {
    strides: Option<Vec<usize>>,
    dilations: Option<Vec<usize>>,
    pads: Option<Vec<usize>>,
    further: Option<Vec<usize>>,
    told: Option<Vec<usize>>,
    auto: String,
    groups: usize,
}

fn transposed(spec: &Spec<'_>) -> Result<Kernel, Problem> {
    let list = |name| -> Result<Option<Vec<usize>>, Problem> { spec.ints(name)?.map(sizes).transpose() };
    spec.ignore(&["kernel_shape"]);
    let stamp = Stamp {
        strides: list("strides")?,
        dilations: list("dilations")?,
        pads: list("pads")?,
        further: list("output_padding")?,
        told: list("output_shape")?,
        auto: spec.text("auto_pad")?.unwrap_or("NOTSET").to_owned(),
        groups: usize::try_from(spec.int("group", 1)?).unwrap_or(0),
    };
    if !["NOTSET", "VALID", "SAME_UPPER", "SAME_LOWER"].contains(&stamp.auto.as_str()) {
        return Err(Problem::shape(format!("pads by `{}`, which is not known", stamp.auto)));
    }
    kernel(move |call| run(call, &stamp))
}

/// One dimension of the image.
#[derive(Debug, Clone, Copy)]
struct Line {
    from: usize,
    to: usize,
    size: usize,
    stride: usize,
    dilation: usize,
    before: usize,
}

impl Stamp {
    fn lines(&self, image: &[usize], window: &[usize]) -> Result<Vec<Line>, Problem> {
        let rank = image.len();
        let misfit = || Problem::shape("has a window that does not fit its image");
        let list = |own: &Option<Vec<usize>>, usual: usize, length: usize| match own {
            Some(own) if own.len() == length => Ok(own.clone()),
            Some(_) => Err(misfit()),
            None => Ok(vec![usual; length]),
        };
        let (strides, dilations) = (list(&self.strides, 1, rank)?, list(&self.dilations, 1, rank)?);
        let (further, pads) = (list(&self.further, 0, rank)?, list(&self.pads, 0, 2 * rank)?);
        if window.len() != rank || strides.contains(&0) || dilations.contains(&0) || window.contains(&0) {
            return Err(misfit());
        }
        (0..rank)
            .map(|at| {
                let reach = (window[at] - 1).saturating_mul(dilations[at]).saturating_add(1);
                let whole = strides[at].saturating_mul(image[at].saturating_sub(1));
                let whole = whole.saturating_add(reach).saturating_add(further[at]);
                let (to, before) = match (&self.told, self.auto.as_str()) {
                    (Some(told), auto) => {
                        let to = *told.get(told.len().wrapping_sub(rank - at)).ok_or_else(misfit)?;
                        let total = whole.saturating_sub(to);
                        (to, if auto == "SAME_UPPER" { total / 2 } else { total - total / 2 })
                    }
                    (None, "SAME_UPPER" | "SAME_LOWER") => {
                        let to = image[at].saturating_mul(strides[at]);
                        let total = whole.saturating_sub(to);
                        (to, if self.auto == "SAME_UPPER" { total / 2 } else { total - total / 2 })
                    }
                    (None, "VALID") => (whole, 0),
                    (None, _) => {
                        let to = whole.checked_sub(pads[at].saturating_add(pads[at + rank]));
                        (to.ok_or_else(misfit)?, pads[at])
                    }
                };
                let (stride, dilation) = (strides[at], dilations[at]);
                Ok(Line { from: image[at], to, size: window[at], stride, dilation, before })
            })
            .collect()
    }
}

fn run(call: &mut Call<'_>, stamp: &Stamp) -> Outputs {
    let (input, weights) = (call.tensor(0)?, call.tensor(1)?);
    let ([count, channels, image @ ..], [filters, per_group, window @ ..]) = (input.shape(), weights.shape())
    else {
        return Err(Problem::shape("takes images and filters"));
    };
    let (count, channels, per_group) = (*count, *channels, *per_group);
    if stamp.groups == 0 || *filters != channels || channels % stamp.groups != 0 || image.is_empty() {
        return Err(Problem::shape("has filters for another number of channels"));
    }
    let lines = stamp.lines(image, window)?;
    let outputs = per_group.saturating_mul(stamp.groups);
    let mut shape = vec![count, outputs];
    shape.extend(lines.iter().map(|line| line.to));
    let total = elements(&shape)?;
    let (positions, cells) = (image.iter().product::<usize>(), window.iter().product::<usize>());
    elements(&[positions, cells])?;
    let (kind, values, filters) = (input.kind(), input.to_f64()?, weights.to_f64()?);
    let work = (values.len() as u64).saturating_mul(cells as u64).saturating_mul(per_group as u64);
    call.limits.work(work)?;
    let landings = landings(&lines);
    let plane: usize = lines.iter().map(|line| line.to).product();
    let mut made = vec![0.0; total];
    for (place, plane_of) in values.chunks(positions.max(1)).enumerate() {
        let (image, channel) = (place / channels.max(1), place % channels.max(1));
        let first = channel / (channels / stamp.groups) * per_group;
        for filter in 0..per_group {
            let filters = &filters[(channel * per_group + filter) * cells..][..cells];
            let out = &mut made[(image * outputs + first + filter) * plane..][..plane];
            for (value, landings) in plane_of.iter().zip(landings.chunks(cells.max(1))) {
                for (weight, landing) in filters.iter().zip(landings) {
                    if let Some(landing) = landing {
                        out[*landing] += value * weight;
                    }
                }
            }
        }
    }
    if let Some(bias) = call.optional(2)? {
        let bias = bias.to_f64()?;
        if bias.len() != outputs {
            return Err(Problem::shape("has biases for another number of filters"));
        }
        for (number, plane) in made.chunks_mut(plane.max(1)).enumerate() {
            plane.iter_mut().for_each(|value| *value += bias[number % outputs]);
        }
    }
    one(converted(&Tensor::new(shape, made)?, kind)?)
}

/// For each place of the image and each cell of the window: where in the output it lands, if not in a pad.
fn landings(lines: &[Line]) -> Vec<Option<usize>> {
    let sizes = |size: fn(&Line) -> usize| lines.iter().map(size).collect::<Vec<_>>();
    let (image, window, output) = (sizes(|line| line.from), sizes(|line| line.size), sizes(|line| line.to));
    let (image_steps, window_steps, output_steps) = (steps(&image), steps(&window), steps(&output));
    let (positions, cells) = (image.iter().product::<usize>(), window.iter().product::<usize>());
    let landing = |position: usize, cell: usize| {
        lines.iter().enumerate().try_fold(0, |place, (at, line)| {
            let to = position / image_steps[at] % line.from * line.stride
                + cell / window_steps[at] % line.size * line.dilation;
            let to = to.checked_sub(line.before).filter(|to| *to < line.to)?;
            Some(place + to * output_steps[at])
        })
    };
    (0..positions).flat_map(|position| (0..cells).map(move |cell| landing(position, cell))).collect()
}
