//! Earlier readings, which growth is told from.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::time::{Duration, Instant};

use apiserver::measure::Window;
use jiff::Timestamp;

use super::series::{Metric, Series};

/// How long readings are kept.
const KEPT: Duration = Duration::from_secs(60);

/// Growth is taken over at least this, where readings reach back so far: shorter times are noise.
const WINDOW: Duration = Duration::from_secs(10);

/// One reading of one metric of one source.
#[derive(Debug)]
pub(super) struct Sample {
    pub(super) at: Instant,
    pub(super) time: Timestamp,
    pub(super) series: Vec<Series>,
}

/// The readings of the last minute, by source and metric, the newest last.
#[derive(Debug, Default)]
pub(super) struct Histories(HashMap<(String, String), VecDeque<Sample>>);

impl Histories {
    /// Adds readings; forgets sources that nobody asked about for a while.
    pub(super) fn add(&mut self, metric: &Metric, samples: impl Iterator<Item = (String, Sample)>) {
        for (source, sample) in samples {
            let history = self.0.entry((source, metric.name.clone())).or_default();
            history.retain(|older| sample.at.duration_since(older.at) <= KEPT);
            history.push_back(sample);
        }
        self.0.retain(|_, history| history.back().is_some_and(|last| last.at.elapsed() <= KEPT));
    }

    fn of(&self, source: &str, metric: &Metric) -> Option<&VecDeque<Sample>> {
        self.0.get(&(source.to_owned(), metric.name.clone()))
    }

    /// Tells whether a source has been read, but only once.
    pub(super) fn is_short(&self, source: &str, metric: &Metric) -> bool {
        self.of(source, metric).is_some_and(|history| history.len() < 2)
    }

    /// Returns the series of a metric as they are now, or their growth in a second.
    pub(super) fn value(&self, source: &str, metric: &Metric) -> Option<(Vec<Series>, Window)> {
        let history = self.of(source, metric)?;
        let last = history.back()?;
        if !metric.is_rate {
            let window = Window { end: last.time, length: Duration::ZERO };
            return Some((last.series.clone(), window));
        }
        let earlier = || history.iter().rev().skip(1);
        let base = earlier().find(|sample| last.at.duration_since(sample.at) >= WINDOW);
        let base = base.or_else(|| history.front().filter(|_| history.len() > 1))?;
        let length = last.at.duration_since(base.at);
        let before: HashMap<&BTreeMap<String, String>, f64> =
            base.series.iter().map(|series| (&series.labels, series.value)).collect();
        let growth = |series: &Series| {
            // A series that is new, or less than it was, began from nothing.
            let known = before.get(&series.labels).copied().filter(|known| *known <= series.value);
            let grown = series.value - known.unwrap_or(0.0);
            Series { labels: series.labels.clone(), value: grown / length.as_secs_f64().max(0.001) }
        };
        Some((last.series.iter().map(growth).collect(), Window { end: last.time, length }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn growth_is_told_from_a_reading_long_enough_ago() {
        let metric = Metric::of_pods("requests_per_second");
        let start = Instant::now();
        let mut histories = Histories::default();
        let mut read = |second: u64, value: f64| {
            let series = vec![Series { labels: BTreeMap::new(), value }];
            let at = start + Duration::from_secs(second);
            let sample = Sample { at, time: Timestamp::UNIX_EPOCH, series };
            histories.add(&metric, [("a".to_owned(), sample)].into_iter());
            histories.value("a", &metric).map(|(series, window)| (series[0].value, window.length.as_secs()))
        };
        assert_eq!(read(0, 100.0), None);
        assert_eq!(read(1, 150.0), Some((50.0, 1)));
        assert_eq!(read(15, 290.0), Some((10.0, 14)));
        assert_eq!(read(30, 440.0), Some((10.0, 15)));
        // The application was started anew.
        assert_eq!(read(45, 30.0), Some((2.0, 15)));
        assert!(histories.value("b", &metric).is_none());
    }
}
