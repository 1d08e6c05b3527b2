//! Counts what happens and tells it in the Prometheus text format.
//!
//! Every thread counts in a [`stripe`] of its own, which a scrape adds up: threads that predict never
//! wait for each other. [`model`] is what is counted of one version of a model, [`drift`] how far its
//! inputs are from the data it was trained on, [`process`] what the system says of this process,
//! [`exposition`] writes it all down. What strangers send never becomes the name of a series.

mod drift;
mod exposition;
mod histogram;
mod model;
mod process;
mod stripe;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use crate::observer::{Answered, Observer, Predicted, Protocol};
use crate::refusal::Refusal;
use crate::repository::{Served, State};
use stripe::{Stripe, Stripes};

/// Counters of one server.
#[derive(Debug)]
pub(crate) struct Metrics {
    stripes: Stripes,
    in_flight: AtomicUsize,
    started: Instant,
}

impl Default for Metrics {
    fn default() -> Self {
        Metrics { stripes: Stripes::default(), in_flight: AtomicUsize::new(0), started: Instant::now() }
    }
}

/// A request under way; no longer when dropped.
pub(crate) struct InFlight<'a>(&'a AtomicUsize);

impl Drop for InFlight<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// What a scrape finds out at that moment.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Now<'a> {
    /// The application's version.
    pub(crate) version: &'a str,
    /// All versions of all models.
    pub(crate) states: &'a [State],
    /// Spans that the collector did not take.
    pub(crate) dropped_spans: u64,
    /// Lines of the prediction log that were kept, and that were dropped.
    pub(crate) journal: Option<(u64, u64)>,
}

impl Metrics {
    pub(crate) fn enter(&self) -> InFlight<'_> {
        self.in_flight.fetch_add(1, Ordering::Relaxed);
        InFlight(&self.in_flight)
    }

    /// All counters in the Prometheus text format, version 0.0.4.
    pub(crate) fn render(&self, now: Now<'_>) -> String {
        let total = self.stripes.added_up();
        exposition::write(&total, now, self.in_flight.load(Ordering::Relaxed), self.started)
    }
}

impl Observer for Metrics {
    fn predicted(&self, event: &Predicted<'_>) {
        self.stripes.with(|stripe: &mut Stripe| stripe.model(&event.reply.model).predicted(event));
    }

    fn refused(&self, served: &Served, protocol: Protocol, refusal: &Refusal) {
        self.stripes.with(|stripe| stripe.model(served).refused(protocol, refusal.kind.status()));
    }

    fn answered(&self, event: &Answered<'_>) {
        self.stripes.with(|stripe| stripe.answered(event));
    }

    fn loaded(&self, served: &Served) {
        self.stripes.with(|stripe| stripe.loads += 1);
        // the window of a version that was replaced says nothing of the new one
        self.stripes.each(|stripe| stripe.renew(&served.name, &served.version));
    }

    fn load_failed(&self, _: &str, _: &str, _: &str) {
        self.stripes.with(|stripe| stripe.failed_loads += 1);
    }

    fn unloaded(&self, model: &str, version: &str) {
        self.stripes.each(|stripe| stripe.renew(model, version));
    }
}

#[cfg(test)]
mod tests;
