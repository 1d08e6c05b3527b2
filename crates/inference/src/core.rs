//! The neutral middle: chooses a version, predicts within bounds, tells the observers.
//!
//! Every protocol comes through here, so that all have the same bounds, the same errors and the same counters.

mod cost;

use std::borrow::Cow;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::Semaphore;

use crate::config::Limits;
use crate::observer::{Observer, Predicted, Protocol};
use crate::refusal::{Refusal, RefusalKind};
use crate::reply::{Reply, Timing};
use crate::repository::{Chosen, Repository, Served, Target};
use crate::rows::Rows;

pub(crate) use cost::Cost;

/// A prediction on the thread that reads the request may take this long: probes wait meanwhile.
const AT_ONCE: Duration = Duration::from_micros(200);

/// One request for predictions.
#[derive(Debug)]
pub struct Call<'a> {
    /// What to predict for.
    pub rows: Rows,
    /// Where the rows were in the request, for errors: `instances`, `inputs[0].data`; empty if it is one row itself.
    pub place: Cow<'static, str>,
    /// Whether the rows were a list: then `[3]` is added to the place.
    pub is_list: bool,
    /// How the request came.
    pub protocol: Protocol,
    /// The request's id, if it has one.
    pub request_id: Option<&'a str>,
    /// When the client stops waiting; by the server's limits if it does not say.
    pub deadline: Option<Instant>,
}

/// Predicts for all protocols.
pub struct Core {
    repository: Arc<Repository>,
    observers: Vec<Arc<dyn Observer>>,
    limits: Limits,
    /// Requests under way.
    places: Arc<Semaphore>,
    workers: Arc<Semaphore>,
}

/// Room for one request; given back when dropped. Taken before a body is read, since bodies take memory.
pub struct Place(#[expect(dead_code, reason = "held for its drop")] tokio::sync::OwnedSemaphorePermit);

impl Core {
    /// Serves the models of a repository.
    pub fn new(repository: Arc<Repository>, observers: Vec<Arc<dyn Observer>>, limits: Limits) -> Self {
        let threads = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        Core {
            repository,
            observers,
            places: Arc::new(Semaphore::new(limits.max_concurrent.clamp(1, Semaphore::MAX_PERMITS))),
            workers: Arc::new(Semaphore::new(threads)),
            limits,
        }
    }

    /// The models.
    pub fn repository(&self) -> &Arc<Repository> {
        &self.repository
    }

    /// Who looks on.
    pub fn observers(&self) -> &[Arc<dyn Observer>] {
        &self.observers
    }

    /// What bounds requests.
    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    /// Takes room for a request.
    ///
    /// # Errors
    /// When as many as may be are under way.
    pub fn enter(&self) -> Result<Place, Refusal> {
        let place = Arc::clone(&self.places).try_acquire_owned();
        place.map(Place).map_err(|_| overloaded())
    }

    /// Picks who answers a request.
    ///
    /// # Errors
    /// When there is no such model or version, or it is not loaded.
    pub fn choose(&self, target: &Target<'_>) -> Result<Chosen, Refusal> {
        self.repository.choose(target, fastrand::u64(..))
    }

    /// Predicts: at once if that is quick, else on a worker thread.
    ///
    /// Dropping the future drops the work, unless it has begun.
    ///
    /// # Errors
    /// When the rows are not what the model takes, there is no room, or the time is up.
    pub async fn predict(&self, chosen: Chosen, call: Call<'_>) -> Result<Reply, Refusal> {
        let served = Arc::clone(&chosen.served);
        let protocol = call.protocol;
        let reply = self.predict_unobserved(chosen, call).await;
        if let Err(refusal) = &reply {
            self.observers.iter().for_each(|observer| observer.refused(&served, protocol, refusal));
        }
        reply
    }

    async fn predict_unobserved(&self, chosen: Chosen, call: Call<'_>) -> Result<Reply, Refusal> {
        let Call { rows, place, is_list, protocol, request_id, deadline } = call;
        if rows.len() > self.limits.max_rows {
            let detail = format!("the request has {} rows, the most is {}", rows.len(), self.limits.max_rows);
            return Err(Refusal::new(RefusalKind::TooLarge, detail).at(place));
        }
        let served = chosen.served;
        let asked = Instant::now();
        let (rows, answered, queued, computed) = if served.cost.of(&rows) <= AT_ONCE {
            let answered = served.answer(&rows);
            (rows, answered, Duration::ZERO, asked.elapsed())
        } else {
            let _worker = self.workers.acquire().await.map_err(|_| overloaded())?;
            let queued = asked.elapsed();
            if deadline.is_some_and(|deadline| Instant::now() >= deadline) {
                return Err(Refusal::new(RefusalKind::Deadline, "the time was up before a thread was free"));
            }
            let model = Arc::clone(&served);
            let task = tokio::task::spawn_blocking(move || (model.answer(&rows), rows));
            let (answered, rows) = task.await.map_err(|panic| {
                tracing::error!(%panic, "a prediction failed");
                Refusal::new(RefusalKind::Internal, "the prediction failed")
            })?;
            (rows, answered, queued, asked.elapsed().saturating_sub(queued))
        };
        let answers = answered.map_err(|(error, row)| {
            let place = match (is_list, row) {
                (true, row) => format!("{place}[{row}]"),
                (false, _) => place.into_owned(),
            };
            Refusal::of_engine(&error, &served.signature, &place)
        })?;
        let timing = Timing { queued, computed, batch: rows.len() };
        let reply = Reply { model: served, rows: rows.len(), answers, timing };
        let event = Predicted { rows: &rows, reply: &reply, protocol, request_id, shadow_disagrees: None };
        self.observers.iter().for_each(|observer| observer.predicted(&event));
        Ok(reply)
    }
}

impl Served {
    /// Answers rows; an error says of which row it is.
    pub(crate) fn answer(&self, rows: &Rows) -> Result<engine::Answers, (engine::PredictError, usize)> {
        let begun = Instant::now();
        match self.model.answer(rows.frame()) {
            Ok(answers) => {
                self.cost.learn(rows, begun.elapsed());
                Ok(answers)
            }
            Err(error) => {
                let first = (0..rows.len())
                    .find_map(|row| Some((self.model.answer(rows.row(row).frame()).err()?, row)));
                Err(first.unwrap_or((error, 0)))
            }
        }
    }
}

fn overloaded() -> Refusal {
    Refusal::new(RefusalKind::Overloaded, "overloaded: try again later").retry_after(Duration::from_secs(1))
}
