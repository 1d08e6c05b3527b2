//! What is counted of one version of a model.

use super::drift::Drift;
use super::histogram::{Histogram, SIZES, Times};
use crate::observer::{Predicted, Protocol};
use crate::repository::Served;

/// Parts that scores from 0 to 1 are counted in.
pub(super) const SCORES: usize = 20;

/// Classes that are counted by name; others are one.
const MOST_CLASSES: usize = 50;

/// Counters of one version of a model.
#[derive(Debug, Clone)]
pub(super) struct ModelCells {
    pub(super) name: Box<str>,
    pub(super) version: Box<str>,
    /// By protocol and status.
    pub(super) requests: Vec<(Protocol, u16, u64)>,
    pub(super) rows: u64,
    /// Waiting and computing.
    pub(super) times: Times,
    pub(super) waits: Times,
    pub(super) batches: Histogram<{ SIZES.len() }>,
    /// Scores of a model that gives probabilities; NaN is not counted.
    pub(super) scores: [u64; SCORES],
    pub(super) score_sum: f64,
    /// By class how often it was predicted; the last are all others.
    pub(super) classes: Vec<(Box<str>, u64)>,
    pub(super) shadow_rows: u64,
    pub(super) shadow_disagreements: u64,
    pub(super) drift: Option<Drift>,
    /// Whether the version was replaced by another of the same name since.
    is_stale: bool,
}

impl ModelCells {
    pub(super) fn new(served: &Served) -> Self {
        let labels = served.signature.classes();
        let mut classes: Vec<(Box<str>, u64)> =
            labels.iter().take(MOST_CLASSES).map(|label| (label.to_string().into(), 0)).collect();
        if labels.len() > MOST_CLASSES {
            classes.push(("(others)".into(), 0));
        }
        let (name, version) = (served.name.clone(), served.version.clone());
        ModelCells { name, version, classes, drift: Drift::of(served), ..ModelCells::of_others() }
    }

    /// Of all versions beyond those with series of their own.
    pub(super) fn of_others() -> Self {
        ModelCells {
            name: "(others)".into(),
            version: "".into(),
            requests: Vec::new(),
            rows: 0,
            times: Times::default(),
            waits: Times::default(),
            batches: Histogram::default(),
            scores: [0; SCORES],
            score_sum: 0.0,
            classes: Vec::new(),
            shadow_rows: 0,
            shadow_disagreements: 0,
            drift: None,
            is_stale: false,
        }
    }

    pub(super) fn is_of(&self, model: &str, version: &str) -> bool {
        *self.name == *model && *self.version == *version
    }

    pub(super) fn renew(&mut self) {
        self.is_stale = true;
    }

    pub(super) fn refused(&mut self, protocol: Protocol, status: u16) {
        self.request(protocol, status);
    }

    fn request(&mut self, protocol: Protocol, status: u16) {
        match self.requests.iter_mut().find(|(known, code, _)| (*known, *code) == (protocol, status)) {
            Some((_, _, count)) => *count += 1,
            None => self.requests.push((protocol, status, 1)),
        }
    }

    pub(super) fn predicted(&mut self, event: &Predicted<'_>) {
        let reply = event.reply;
        if std::mem::take(&mut self.is_stale) {
            let fresh = ModelCells::new(&reply.model);
            self.drift = fresh.drift;
            if fresh.classes.iter().map(|(name, _)| name).ne(self.classes.iter().map(|(name, _)| name)) {
                self.classes = fresh.classes;
            }
        }
        if let Some(disagreements) = event.shadow_disagrees {
            // nobody waited for a shadow: its times and answers are not the traffic's
            self.shadow_rows += reply.rows as u64;
            self.shadow_disagreements += disagreements as u64;
            return;
        }
        self.request(event.protocol, 200);
        self.rows += reply.rows as u64;
        self.times.took(reply.timing.queued + reply.timing.computed);
        self.waits.took(reply.timing.queued);
        self.batches.record(reply.timing.batch as u64, &SIZES);
        for row in 0..reply.rows {
            if let Some(class) = reply.class(0, row) {
                let place = class.min(self.classes.len().saturating_sub(1));
                self.classes.get_mut(place).into_iter().for_each(|(_, count)| *count += 1);
            }
            let score = reply.score(row);
            if (0.0..=1.0).contains(&score) && !reply.probabilities(0, row).is_empty() {
                self.score(score);
            }
        }
        if let Some(drift) = &mut self.drift {
            drift.look(event.rows, reply);
        }
    }

    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss,
        reason = "a share of a few parts"
    )]
    fn score(&mut self, score: f64) {
        // up to a bound, as all of Prometheus' buckets are
        let part = ((score * SCORES as f64).ceil() as usize).saturating_sub(1);
        self.scores[part.min(SCORES - 1)] += 1;
        self.score_sum += score;
    }

    pub(super) fn add(&mut self, other: &ModelCells) {
        for &(protocol, status, count) in &other.requests {
            match self.requests.iter_mut().find(|(known, code, _)| (*known, *code) == (protocol, status)) {
                Some((_, _, known)) => *known += count,
                None => self.requests.push((protocol, status, count)),
            }
        }
        self.rows += other.rows;
        self.times.add(&other.times);
        self.waits.add(&other.waits);
        self.batches.add(&other.batches);
        self.scores.iter_mut().zip(&other.scores).for_each(|(count, more)| *count += more);
        self.score_sum += other.score_sum;
        for (name, count) in &other.classes {
            match self.classes.iter_mut().find(|(known, _)| known == name) {
                Some((_, known)) => *known += count,
                None => self.classes.push((name.clone(), *count)),
            }
        }
        self.shadow_rows += other.shadow_rows;
        self.shadow_disagreements += other.shadow_disagreements;
        match (&mut self.drift, &other.drift) {
            (Some(drift), Some(more)) => drift.add(more),
            (None, Some(drift)) => self.drift = Some(drift.clone()),
            (_, None) => {}
        }
    }
}
