//! Operators on strings.

use std::collections::{HashMap, HashSet};

use super::super::error::Problem;
use super::super::spec::{Call, Kernel, Outputs, Spec, kernel, one};
use super::super::tensor::{Data, Tensor, elements};
use super::{Operator, op, op_of};

pub(super) const OPERATORS: &[Operator] = &[
    op("StringNormalizer", normalizer),
    op_of("com.microsoft", "Tokenizer", tokenizer),
    op("TfIdfVectorizer", vectorizer),
    op("RegexFullMatch", |spec| {
        let pattern = compiled(&format!("^(?:{})$", spec.text("pattern")?.unwrap_or_default()))?;
        kernel(move |call| {
            let input = call.tensor(0)?;
            let matches =
                input.values::<String>()?.iter().map(|text| pattern.is_match(text).map_err(|_| too_slow()));
            one(Tensor::new(input.shape().to_vec(), matches.collect::<Result<Vec<bool>, _>>()?)?)
        })
    }),
];

fn compiled(pattern: &str) -> Result<fancy_regex::Regex, Problem> {
    /// A pattern may not grow beyond this when compiled.
    const LARGEST: usize = 1 << 22;
    let built =
        fancy_regex::RegexBuilder::new(pattern).delegate_size_limit(LARGEST).backtrack_limit(100_000).build();
    built.map_err(|_| {
        Problem::shape(format!(
            "has the pattern `{}`, which is not understood",
            super::super::proto::clean(pattern)
        ))
    })
}

fn too_slow() -> Problem {
    Problem::Limit("has a pattern that takes too long on this text".to_owned())
}

/// Letter by letter, as C's functions do: no letter becomes two.
fn lower(text: &str) -> String {
    text.chars().map(|letter| simple(letter, letter.to_lowercase())).collect()
}

fn upper(text: &str) -> String {
    text.chars().map(|letter| simple(letter, letter.to_uppercase())).collect()
}

fn simple(letter: char, mut changed: impl Iterator<Item = char>) -> char {
    match (changed.next(), changed.next()) {
        (Some(changed), None) => changed,
        _ => letter,
    }
}

fn normalizer(spec: &Spec<'_>) -> Result<Kernel, Problem> {
    let change: fn(&str) -> String = match spec.text("case_change_action")?.unwrap_or("NONE") {
        "NONE" => str::to_owned,
        "LOWER" => lower,
        "UPPER" => upper,
        other => return Err(Problem::shape(format!("changes letters by `{other}`, which is not known"))),
    };
    let is_exact = spec.flag("is_case_sensitive", false)?;
    spec.ignore(&["locale"]);
    let words = spec.texts("stopwords")?.unwrap_or_default();
    let fold = move |text: &str| if is_exact { text.to_owned() } else { lower(text) };
    let stopped: HashSet<String> = words.into_iter().map(fold).collect();
    kernel(move |call| {
        let input = call.tensor(0)?;
        let kept = input
            .values::<String>()?
            .iter()
            .filter(|text| stopped.is_empty() || !stopped.contains(&fold(text)));
        let mut kept: Vec<String> = kept.map(|text| change(text)).collect();
        if kept.is_empty() {
            kept.push(String::new());
        }
        let shape = match input.shape() {
            [_] => vec![kept.len()],
            [1, _] => vec![1, kept.len()],
            other => {
                return Err(Problem::shape(format!(
                    "takes a line of strings, and is given the shape {other:?}"
                )));
            }
        };
        one(Tensor::new(shape, kept)?)
    })
}

/// How a text is cut.
enum Cut {
    Letters,
    Pattern(Box<fancy_regex::Regex>),
    Separators(Vec<String>),
}

impl Cut {
    fn tokens<'t>(&self, text: &'t str) -> Result<Vec<&'t str>, Problem> {
        Ok(match self {
            Cut::Letters => {
                text.char_indices().map(|(start, letter)| &text[start..start + letter.len_utf8()]).collect()
            }
            Cut::Pattern(pattern) => {
                let found = pattern
                    .find_iter(text)
                    .map(|found| found.map(|found| found.as_str()).map_err(|_| too_slow()));
                found.collect::<Result<_, _>>()?
            }
            Cut::Separators(separators) => {
                let mut parts = vec![text];
                for separator in separators {
                    parts = parts.into_iter().flat_map(|part| part.split(separator.as_str())).collect();
                }
                parts
            }
        })
    }
}

fn tokenizer(spec: &Spec<'_>) -> Result<Kernel, Problem> {
    let is_marked = spec.flag("mark", false)?;
    let shortest = usize::try_from(spec.int("mincharnum", 1)?).unwrap_or(0);
    let padding = spec.text("pad_value")?.unwrap_or_default().to_owned();
    let cut = match (spec.texts("separators")?, spec.text("tokenexp")?) {
        (Some(separators), _) if separators == [""] => Cut::Letters,
        (_, Some(pattern)) if !pattern.is_empty() => Cut::Pattern(Box::new(compiled(pattern)?)),
        (Some(separators), _) => Cut::Separators(
            separators.into_iter().filter(|separator| !separator.is_empty()).map(str::to_owned).collect(),
        ),
        (None, _) => return Err(Problem::shape("has neither separators nor a pattern")),
    };
    kernel(move |call| {
        let input = call.tensor(0)?;
        let mut rows = Vec::with_capacity(input.len());
        for text in input.values::<String>()? {
            let mut tokens = cut.tokens(text)?;
            tokens.retain(|token| !token.is_empty() && token.chars().count() >= shortest);
            if is_marked {
                tokens.insert(0, "\u{2}");
                tokens.push("\u{3}");
            }
            rows.push(tokens);
        }
        let width = rows.iter().map(Vec::len).max().unwrap_or(0);
        let mut shape = input.shape().to_vec();
        shape.push(width);
        elements(&shape)?;
        let pad = |tokens: &Vec<&str>| {
            let missing = width - tokens.len();
            tokens
                .iter()
                .map(|token| (*token).to_owned())
                .chain(std::iter::repeat_n(padding.clone(), missing))
                .collect::<Vec<_>>()
        };
        one(Tensor::new(shape, rows.iter().flat_map(pad).collect::<Vec<String>>())?)
    })
}

/// Counts runs of tokens.
struct Vectorizer {
    /// By token its number.
    tokens: HashMap<String, u32>,
    /// By run of tokens the column it is counted in.
    columns: HashMap<Vec<u32>, usize>,
    sizes: (usize, usize),
    skips: usize,
    width: usize,
    counts: bool,
    weights: Option<Vec<f32>>,
}

fn vectorizer(spec: &Spec<'_>) -> Result<Kernel, Problem> {
    let number = |name, default| spec.int(name, default).map(|value| usize::try_from(value).unwrap_or(0));
    let sizes = (number("min_gram_length", 1)?.max(1), number("max_gram_length", 1)?);
    let starts = spec.ints("ngram_counts")?.unwrap_or_default();
    let indices = spec.ints("ngram_indexes")?.unwrap_or_default();
    let pool: Vec<String> = match (spec.texts("pool_strings")?, spec.ints("pool_int64s")?) {
        (Some(texts), _) => texts.into_iter().map(str::to_owned).collect(),
        (None, Some(ints)) => ints.iter().map(ToString::to_string).collect(),
        (None, None) => return Err(Problem::shape("has no vocabulary")),
    };
    let weights = spec.floats("weights")?.map(<[f32]>::to_vec);
    let (counts, is_weighted) = match spec.text("mode")?.unwrap_or_default() {
        "TF" => (true, false),
        "IDF" => (false, true),
        "TFIDF" => (true, true),
        other => return Err(Problem::shape(format!("has the mode `{other}`, which is not known"))),
    };
    let width =
        indices.iter().max().map_or(0, |&largest| usize::try_from(largest).unwrap_or(0).saturating_add(1));
    elements(&[width])?;
    let weights = weights.filter(|_| is_weighted);
    if weights.as_ref().is_some_and(|weights| weights.len() < width) {
        return Err(Problem::shape("has fewer weights than columns"));
    }
    let mut all = Vectorizer {
        tokens: HashMap::new(),
        columns: HashMap::new(),
        sizes,
        skips: number("max_skip_count", 0)?.min(1 << 20),
        width,
        counts,
        weights,
    };
    all.read(&pool, starts, indices)?;
    kernel(move |call| all.run(call))
}

impl Vectorizer {
    fn read(&mut self, pool: &[String], starts: &[i64], indices: &[i64]) -> Result<(), Problem> {
        let mut indices = indices.iter();
        let starts: Vec<usize> =
            starts.iter().map(|&start| usize::try_from(start).unwrap_or(usize::MAX)).collect();
        for (size, &start) in starts.iter().enumerate() {
            let end = starts.get(size + 1).copied().unwrap_or(pool.len());
            let grams = pool.get(start..end).filter(|grams| grams.len() % (size + 1) == 0);
            let grams =
                grams.ok_or_else(|| Problem::shape("has a vocabulary that does not fit its counts"))?;
            for gram in grams.chunks(size + 1) {
                let column = indices.next().and_then(|column| usize::try_from(*column).ok());
                let column = column.ok_or_else(|| Problem::shape("has fewer columns than words"))?;
                let run = gram.iter().map(|token| {
                    let next = u32::try_from(self.tokens.len()).unwrap_or(u32::MAX);
                    *self.tokens.entry(token.clone()).or_insert(next)
                });
                let run = run.collect();
                self.columns.insert(run, column);
            }
        }
        Ok(())
    }

    fn run(&self, call: &mut Call<'_>) -> Outputs {
        let input = call.tensor(0)?;
        let texts: Vec<String> = match input.data() {
            Data::Str(values) => values.to_vec(),
            _ => input.to_ints()?.iter().map(ToString::to_string).collect(),
        };
        let (rows, length) = if input.rank() == 1 { (1, input.len()) } else { input.rows() };
        elements(&[rows, self.width])?;
        let numbers: Vec<Option<u32>> = texts.iter().map(|text| self.tokens.get(text).copied()).collect();
        let mut cells = vec![0f32; rows * self.width];
        for row in 0..rows {
            self.count(&numbers[row * length..][..length], &mut cells[row * self.width..][..self.width]);
        }
        let shape = if input.rank() == 1 { vec![self.width] } else { vec![rows, self.width] };
        let work = texts.len() as u64 * (self.skips as u64 + 1) * self.sizes.1 as u64;
        call.limits.work(work)?;
        one(Tensor::new(shape, cells)?)
    }

    fn count(&self, tokens: &[Option<u32>], cells: &mut [f32]) {
        let mut shortest = self.sizes.0;
        let mut run = Vec::with_capacity(self.sizes.1);
        for step in 1..=self.skips.min(tokens.len()) + 1 {
            for start in 0..tokens.len() {
                run.clear();
                for token in tokens[start..].iter().step_by(step).take(self.sizes.1) {
                    let Some(token) = token else { break };
                    run.push(*token);
                    if run.len() >= shortest
                        && let Some(&column) = self.columns.get(&run)
                    {
                        cells[column] += 1.0;
                    }
                }
            }
            // single tokens skip nothing: they are counted once
            shortest = shortest.max(2);
        }
        for (column, cell) in cells.iter_mut().enumerate().filter(|(_, cell)| **cell > 0.0) {
            let count = if self.counts { *cell } else { 1.0 };
            *cell = count * self.weights.as_ref().map_or(1.0, |weights| weights[column]);
        }
    }
}
