//! What a prediction and an opening cost: `cargo bench -p engine`.
//!
//! The text model is the one scikit-learn 1.6 saved in `tests/data` (three classes, 120 words);
//! `PINNACE_MODEL` names a model file to measure instead.
#![expect(clippy::unwrap_used, reason = "a benchmark that cannot go on panics")]

use std::hint::black_box;
use std::path::PathBuf;

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use engine::train::{Algorithm, Dataset, Options, train};
use engine::{Input, Model};

const LINES: [&str; 4] = [
    "Ходит дурачок по лесу, ищет дурачок глупее себя",
    "The forecast says rain and more rain, then a cold wind from the north",
    "Суп лучше варить на медленном огне, добавив щепотку соли",
    "The team won the cup in the last minute of the last game of the season",
];

fn path() -> PathBuf {
    let recorded = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/1.6/words_lr.p5.pkl");
    std::env::var_os("PINNACE_MODEL").map_or_else(|| PathBuf::from(recorded), PathBuf::from)
}

fn open(criterion: &mut Criterion) {
    let path = path();
    criterion.bench_function("open", |bencher| bencher.iter(|| Model::open(black_box(&path)).unwrap()));
}

fn predict(criterion: &mut Criterion) {
    let model = Model::open(&path()).unwrap();
    let one = Input::from(LINES[0]);
    let batch: Vec<Input> = LINES.iter().cycle().take(256).map(|line| Input::from(*line)).collect();
    let mut group = criterion.benchmark_group("text");
    group.throughput(Throughput::Elements(1));
    group.bench_function("one", |bencher| bencher.iter(|| model.predict(black_box(&one)).unwrap()));
    group.throughput(Throughput::Elements(256));
    group.bench_function("batch of 256", |bencher| {
        bencher.iter(|| model.predict_batch(black_box(&batch)).unwrap());
    });
    group.finish();
}

fn fit(criterion: &mut Criterion) {
    let texts: Vec<String> = LINES.iter().cycle().take(400).map(|line| (*line).to_owned()).collect();
    let labels: Vec<String> = (0..400).map(|row| (row % 2).to_string()).collect();
    let dataset = Dataset::from_texts(texts, &labels);
    let mut group = criterion.benchmark_group("fit 400 texts");
    for algorithm in [Algorithm::Logistic, Algorithm::Tree] {
        group.bench_function(algorithm.to_string(), |bencher| {
            let options = Options::new(algorithm);
            let fit = |()| train(&dataset, &options, &mut |_| ()).unwrap();
            bencher.iter_batched(|| (), fit, BatchSize::SmallInput);
        });
    }
    group.finish();
}

criterion_group!(benches, open, predict, fit);
criterion_main!(benches);
