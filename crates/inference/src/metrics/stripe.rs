//! One thread's counters, and all of them.

use std::cell::Cell;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use super::histogram::Times;
use super::model::ModelCells;
use crate::observer::Answered;
use crate::repository::Served;

/// Threads beyond share stripes with others, at the price of a wait now and then.
const STRIPES: usize = 16;

/// Versions of models, and routes with their statuses, that have series of their own; others are one.
const MOST_MODELS: usize = 200;
const MOST_ROUTES: usize = 500;

/// What one thread has counted.
#[derive(Debug, Default)]
pub(super) struct Stripe {
    pub(super) routes: Vec<RouteCells>,
    pub(super) models: Vec<ModelCells>,
    pub(super) loads: u64,
    pub(super) failed_loads: u64,
}

/// Requests of one route with one status.
#[derive(Debug, Clone)]
pub(super) struct RouteCells {
    pub(super) route: &'static str,
    pub(super) status: u16,
    pub(super) times: Times,
    pub(super) count: u64,
}

/// All threads' counters; each on cache lines of its own.
#[derive(Debug, Default)]
pub(super) struct Stripes([Padded; STRIPES]);

#[derive(Debug, Default)]
#[repr(align(128))]
struct Padded(Mutex<Stripe>);

impl Stripes {
    /// Counts in the calling thread's stripe.
    pub(super) fn with(&self, count: impl FnOnce(&mut Stripe)) {
        static THREADS: AtomicUsize = AtomicUsize::new(0);
        thread_local! {
            static OWN: Cell<usize> = Cell::new(THREADS.fetch_add(1, Ordering::Relaxed) % STRIPES);
        }
        let Padded(stripe) = &self.0[OWN.get()];
        count(&mut stripe.lock().unwrap_or_else(PoisonError::into_inner));
    }

    /// Changes every thread's.
    pub(super) fn each(&self, mut change: impl FnMut(&mut Stripe)) {
        self.0
            .iter()
            .for_each(|Padded(stripe)| change(&mut stripe.lock().unwrap_or_else(PoisonError::into_inner)));
    }

    /// What all threads have counted, models and routes in order.
    pub(super) fn added_up(&self) -> Stripe {
        let mut total = Stripe::default();
        self.each(|stripe| {
            total.loads += stripe.loads;
            total.failed_loads += stripe.failed_loads;
            for cells in &stripe.routes {
                let whole = total.route(cells.route, cells.status);
                whole.count += cells.count;
                whole.times.add(&cells.times);
            }
            for cells in &stripe.models {
                let found = total.models.iter_mut().find(|whole| whole.is_of(&cells.name, &cells.version));
                match found {
                    Some(whole) => whole.add(cells),
                    None => total.models.push(cells.clone()),
                }
            }
        });
        total.routes.sort_by_key(|cells| (cells.route, cells.status));
        total.models.sort_by(|left, right| (&left.name, &left.version).cmp(&(&right.name, &right.version)));
        total
    }
}

impl Stripe {
    pub(super) fn answered(&mut self, event: &Answered<'_>) {
        let cells = self.route(event.route, event.status);
        cells.count += 1;
        cells.times.took(event.took);
    }

    fn route(&mut self, route: &'static str, status: u16) -> &mut RouteCells {
        let is_it = |cells: &RouteCells| cells.status == status && std::ptr::eq(cells.route, route);
        let place = self.routes.iter().position(is_it);
        // the same words may stand twice in the program
        let place = place
            .or_else(|| self.routes.iter().position(|cells| cells.status == status && cells.route == route));
        let place = place.unwrap_or_else(|| {
            if self.routes.len() < MOST_ROUTES {
                self.routes.push(RouteCells { route, status, times: Times::default(), count: 0 });
            }
            self.routes.len() - 1
        });
        &mut self.routes[place]
    }

    /// What is counted of a version.
    pub(super) fn model(&mut self, served: &Served) -> &mut ModelCells {
        let place = self.models.iter().position(|cells| cells.is_of(&served.name, &served.version));
        let place = place.unwrap_or_else(|| {
            match self.models.len() {
                count if count < MOST_MODELS => self.models.push(ModelCells::new(served)),
                MOST_MODELS => self.models.push(ModelCells::of_others()),
                _ => {}
            }
            self.models.len() - 1
        });
        &mut self.models[place]
    }

    /// Forgets what only holds while a version stays the same.
    pub(super) fn renew(&mut self, model: &str, version: &str) {
        self.models.iter_mut().filter(|cells| cells.is_of(model, version)).for_each(ModelCells::renew);
    }
}
