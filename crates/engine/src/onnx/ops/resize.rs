//! Images made larger or smaller; depth that becomes space and the other way round.

use super::super::broadcast::steps;
use super::super::error::Problem;
use super::super::spec::{Call, Kernel, Spec, axis, kernel, one};
use super::super::tensor::{Tensor, elements};
use super::arrange::transposed;
use super::unary::converted;
use super::{Operator, op};

pub(super) const OPERATORS: &[Operator] = &[
    op("Resize", resize),
    op("Upsample", upsample),
    op("DepthToSpace", depth_to_space),
    op("SpaceToDepth", space_to_depth),
];

/// Where a place of the output lies in the input.
#[derive(Debug, Clone, Copy)]
enum Coordinates {
    HalfPixel,
    PytorchHalfPixel,
    AlignCorners,
    Asymmetric,
}

/// What value a place between others has.
#[derive(Debug, Clone, Copy)]
enum Mode {
    Nearest(Nearest),
    Linear,
    Cubic { steepness: f64, leaves_out: bool },
}

/// Which of two neighbours is nearest.
#[derive(Debug, Clone, Copy)]
enum Nearest {
    PreferFloor,
    PreferCeil,
    Floor,
    Ceil,
}

/// How one dimension is resized.
#[derive(Debug, Clone, Copy)]
struct Line {
    from: usize,
    to: usize,
    scale: f64,
}

#[expect(clippy::cast_precision_loss, reason = "sizes are below 2^27")]
fn real(size: usize) -> f64 {
    size as f64
}

impl Coordinates {
    fn of(self, place: usize, line: Line) -> f64 {
        let (place, from, to) = (real(place), real(line.from), real(line.to));
        match self {
            Coordinates::HalfPixel => (place + 0.5) / line.scale - 0.5,
            Coordinates::PytorchHalfPixel if line.to > 1 => (place + 0.5) / line.scale - 0.5,
            Coordinates::PytorchHalfPixel => 0.0,
            Coordinates::AlignCorners if line.to > 1 => place * (from - 1.0) / (to - 1.0),
            Coordinates::AlignCorners => 0.0,
            Coordinates::Asymmetric => place / line.scale,
        }
    }
}

/// A place of a line, clamped into it.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped")]
fn clamped(place: f64, line: Line) -> usize {
    place.clamp(0.0, real(line.from.saturating_sub(1))) as usize
}

/// The places that a place of the output takes from, and how much of each.
fn sources(mode: Mode, at: f64, line: Line) -> Vec<(usize, f64)> {
    match mode {
        Mode::Nearest(nearest) => {
            let rounded = match nearest {
                Nearest::Floor => at.floor(),
                Nearest::Ceil => at.ceil(),
                Nearest::PreferFloor if at.fract().abs() == 0.5 => at.floor(),
                Nearest::PreferFloor | Nearest::PreferCeil => (at + 0.5).floor(),
            };
            vec![(clamped(rounded, line), 1.0)]
        }
        Mode::Linear => {
            let at = at.clamp(0.0, real(line.from.saturating_sub(1)));
            let share = at - at.floor();
            vec![(clamped(at.floor(), line), 1.0 - share), (clamped(at.floor() + 1.0, line), share)]
        }
        Mode::Cubic { steepness, leaves_out } => {
            let base = at.floor();
            let weights = cubic(at - base, steepness);
            let mut all: Vec<(f64, f64)> = (-1..=2).map(|step| base + f64::from(step)).zip(weights).collect();
            if leaves_out {
                all.retain(|(place, _)| *place >= 0.0 && *place < real(line.from));
                let sum: f64 = all.iter().map(|(_, weight)| weight).sum();
                all.iter_mut().for_each(|(_, weight)| *weight /= sum);
            }
            all.into_iter().map(|(place, weight)| (clamped(place, line), weight)).collect()
        }
    }
}

/// The weights of four neighbours. R. Keys, "Cubic convolution interpolation for digital image processing" (1981).
fn cubic(share: f64, a: f64) -> [f64; 4] {
    let near = |x: f64| ((a + 2.0) * x - (a + 3.0)) * x * x + 1.0;
    let far = |x: f64| ((a * x - 5.0 * a) * x + 8.0 * a) * x - 4.0 * a;
    [far(share + 1.0), near(share), near(1.0 - share), far(2.0 - share)]
}

/// Resizes one dimension after the other.
fn resized(
    call: &mut Call<'_>,
    lines: &[Option<Line>],
    mode: Mode,
    coordinates: Coordinates,
) -> Result<Tensor, Problem> {
    let input = call.tensor(0)?;
    let kind = input.kind();
    let (mut shape, mut values) = (input.shape().to_vec(), input.to_f64()?);
    for (at, line) in lines.iter().enumerate() {
        let Some(line) = *line else { continue };
        let before = shape.clone();
        shape[at] = line.to;
        let total = elements(&shape)?;
        call.limits.work((total as u64).saturating_mul(4))?;
        if line.from == 0 && total > 0 {
            return Err(Problem::shape("makes an image of nothing"));
        }
        let inner = steps(&before)[at];
        let outer: usize = before[..at].iter().product();
        let taken: Vec<Vec<(usize, f64)>> =
            (0..line.to).map(|place| sources(mode, coordinates.of(place, line), line)).collect();
        let mut made = Vec::with_capacity(total);
        for block in 0..outer {
            let block = &values[block * line.from * inner..];
            for sources in &taken {
                made.extend((0..inner).map(|place| {
                    sources.iter().map(|(source, share)| block[source * inner + place] * share).sum::<f64>()
                }));
            }
        }
        values = made;
    }
    converted(&Tensor::new(shape, values)?, kind)
}

fn mode_of(spec: &Spec<'_>) -> Result<Mode, Problem> {
    let nearest = match spec.text("nearest_mode")?.unwrap_or("round_prefer_floor") {
        "round_prefer_floor" => Nearest::PreferFloor,
        "round_prefer_ceil" => Nearest::PreferCeil,
        "floor" => Nearest::Floor,
        "ceil" => Nearest::Ceil,
        other => return Err(Problem::shape(format!("rounds by `{other}`, which is not known"))),
    };
    let steepness = f64::from(spec.float("cubic_coeff_a", -0.75)?);
    let leaves_out = spec.flag("exclude_outside", false)?;
    Ok(match spec.text("mode")?.unwrap_or("nearest") {
        "nearest" => Mode::Nearest(nearest),
        "linear" | "bilinear" => Mode::Linear,
        "cubic" => Mode::Cubic { steepness, leaves_out },
        other => return Err(Problem::shape(format!("resizes by `{other}`, which is not known"))),
    })
}

fn resize(spec: &Spec<'_>) -> Result<Kernel, Problem> {
    let mode = mode_of(spec)?;
    spec.ignore(&["extrapolation_value"]);
    if spec.flag("antialias", false)? {
        return Err(Problem::shape("smooths what it makes smaller (`antialias`), which is not supported"));
    }
    if spec.text("keep_aspect_ratio_policy")?.unwrap_or("stretch") != "stretch" {
        return Err(Problem::shape("keeps proportions, which is not supported"));
    }
    let usual = if spec.version < 11 { "asymmetric" } else { "half_pixel" };
    let coordinates = match spec.text("coordinate_transformation_mode")?.unwrap_or(usual) {
        "half_pixel" => Coordinates::HalfPixel,
        "pytorch_half_pixel" => Coordinates::PytorchHalfPixel,
        "align_corners" => Coordinates::AlignCorners,
        "asymmetric" => Coordinates::Asymmetric,
        other => return Err(Problem::shape(format!("places pixels by `{other}`, which is not supported"))),
    };
    let axes = spec.ints("axes")?.map(<[i64]>::to_vec);
    // before version 11 there was no region, and nearest was rounded down
    let (scales_at, sizes_at) = if spec.version < 11 { (1, usize::MAX) } else { (2, 3) };
    let mode = match mode {
        Mode::Nearest(_) if spec.version < 11 => Mode::Nearest(Nearest::Floor),
        mode => mode,
    };
    kernel(move |call| {
        let shape = call.tensor(0)?.shape().to_vec();
        let chosen: Vec<usize> = match &axes {
            Some(axes) => axes.iter().map(|at| axis(*at, shape.len())).collect::<Result<_, _>>()?,
            None => (0..shape.len()).collect(),
        };
        let scales = call.optional(scales_at)?.filter(|scales| scales.len() > 0);
        let scales = scales.map(|scales| scales.to_f32().map(std::borrow::Cow::into_owned)).transpose()?;
        let sizes = if sizes_at == usize::MAX { None } else { call.ints(sizes_at)? };
        let mut lines = vec![None; shape.len()];
        for (number, &at) in chosen.iter().enumerate() {
            lines[at] = line(shape[at], scales.as_deref(), sizes.as_deref(), number)?;
        }
        one(resized(call, &lines, mode, coordinates)?)
    })
}

/// How a dimension is resized, by its scale or its new size; nothing if it stays.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "`elements` checks the size")]
fn line(
    from: usize,
    scales: Option<&[f32]>,
    sizes: Option<&[i64]>,
    number: usize,
) -> Result<Option<Line>, Problem> {
    let missing = || Problem::shape("has neither scales nor sizes for all its dimensions");
    let (to, scale) = match (scales, sizes) {
        (Some(scales), _) => {
            let scale = f64::from(*scales.get(number).ok_or_else(missing)?);
            if !scale.is_finite() || scale <= 0.0 {
                return Err(Problem::shape("has a scale that is not above zero"));
            }
            ((real(from) * scale).floor().min(f64::from(u32::MAX)) as usize, scale)
        }
        (None, Some(sizes)) => {
            let to = usize::try_from(*sizes.get(number).ok_or_else(missing)?);
            let to = to.map_err(|_| Problem::shape("has a negative size"))?;
            (to, real(to) / real(from.max(1)))
        }
        (None, None) => return Err(missing()),
    };
    Ok((to != from || scale != 1.0).then_some(Line { from, to, scale }))
}

/// What `Resize` was before version 10.
fn upsample(spec: &Spec<'_>) -> Result<Kernel, Problem> {
    let mode = match mode_of(spec)? {
        Mode::Nearest(_) => Mode::Nearest(Nearest::Floor),
        mode => mode,
    };
    let own = spec.floats("scales")?.map(<[f32]>::to_vec);
    kernel(move |call| {
        let shape = call.tensor(0)?.shape().to_vec();
        let scales = match &own {
            Some(scales) => scales.clone(),
            None => call.tensor(1)?.to_f32()?.into_owned(),
        };
        let lines = shape.iter().enumerate().map(|(at, from)| line(*from, Some(&scales), None, at));
        let lines = lines.collect::<Result<Vec<_>, _>>()?;
        one(resized(call, &lines, mode, Coordinates::Asymmetric)?)
    })
}

fn block_of(spec: &Spec<'_>) -> Result<usize, Problem> {
    let block = usize::try_from(spec.int("blocksize", 0)?).ok().filter(|block| (1..=4096).contains(block));
    block.ok_or_else(|| Problem::shape("has no `blocksize`"))
}

fn image_of(call: &Call<'_>) -> Result<[usize; 4], Problem> {
    <[usize; 4]>::try_from(call.tensor(0)?.shape())
        .map_err(|_| Problem::shape("takes images of four dimensions"))
}

fn depth_to_space(spec: &Spec<'_>) -> Result<Kernel, Problem> {
    let block = block_of(spec)?;
    let columns_first = match spec.text("mode")?.unwrap_or("DCR") {
        "DCR" => false,
        "CRD" => true,
        other => return Err(Problem::shape(format!("has the order `{other}`, which is not known"))),
    };
    kernel(move |call| {
        let [count, channels, rows, columns] = image_of(call)?;
        let each = channels / (block * block);
        if each * block * block != channels {
            return Err(Problem::shape("has channels that its blocks do not divide"));
        }
        let (split, order) = match columns_first {
            false => (vec![count, block, block, each, rows, columns], [0, 3, 4, 1, 5, 2]),
            true => (vec![count, each, block, block, rows, columns], [0, 1, 4, 2, 5, 3]),
        };
        let turned = transposed(&call.take(0)?.reshaped(split)?, &order)?;
        one(turned.reshaped(vec![count, each, rows * block, columns * block])?)
    })
}

fn space_to_depth(spec: &Spec<'_>) -> Result<Kernel, Problem> {
    let block = block_of(spec)?;
    let order = match spec.text("mode")?.unwrap_or("DCR") {
        "DCR" => [0, 3, 5, 1, 2, 4],
        "CRD" => [0, 1, 3, 5, 2, 4],
        other => return Err(Problem::shape(format!("has the order `{other}`, which is not known"))),
    };
    kernel(move |call| {
        let [count, channels, rows, columns] = image_of(call)?;
        if rows % block != 0 || columns % block != 0 {
            return Err(Problem::shape("has a size that its blocks do not divide"));
        }
        let split = vec![count, channels, rows / block, block, columns / block, block];
        let turned = transposed(&call.take(0)?.reshaped(split)?, &order)?;
        one(turned.reshaped(vec![count, channels * block * block, rows / block, columns / block])?)
    })
}
