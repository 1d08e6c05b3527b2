//! The neutral middle: chooses a version, predicts within bounds, tells the observers.
//!
//! Every protocol comes through here, so that all have the same bounds, the same errors and the same counters.

mod batching;
mod cost;
mod workers;

use std::borrow::Cow;
use std::sync::Arc;
use std::time::{Duration, Instant};

use engine::{Answers, Judged, Matrix, PredictError};
use tokio::sync::Semaphore;

use crate::config::Limits;
use crate::observer::{Observer, Predicted, Protocol};
use crate::refusal::{Refusal, RefusalKind};
use crate::reply::{Reply, Timing};
use crate::repository::{Chosen, Repository, Served, Target};
use crate::rows::Rows;
use crate::signature::Output;

pub(crate) use cost::{Cost, Trial};

use workers::{Done, Failed, Workers};

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
    workers: Workers,
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
            workers: Workers::start(threads, limits.max_queue),
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
        let Chosen { served, shadow } = chosen;
        let asked = Instant::now();
        let last = asked + self.limits.deadline;
        let deadline = deadline.map_or(last, |deadline| deadline.min(last));
        let is_quick = rows.is_empty() || served.cost.of(&rows) <= AT_ONCE;
        let Done { rows, answers, timing } = if is_quick {
            let answers = served.answer(&rows);
            let timing = Timing { queued: Duration::ZERO, computed: asked.elapsed(), batch: rows.len() };
            Done { rows, answers, timing }
        } else {
            self.workers.compute(&served, rows, deadline).await.map_err(failure)?
        };
        let answers = answers.map_err(|(error, row)| {
            let place = if is_list { format!("{place}[{row}]") } else { place.into_owned() };
            Refusal::of_engine(&error, &served.signature, &place)
        })?;
        let reply = Reply { model: served, rows: rows.len(), answers, timing };
        let event = Predicted { rows: &rows, reply: &reply, protocol, request_id, shadow_disagrees: None };
        self.observers.iter().for_each(|observer| observer.predicted(&event));
        if let Some(shadow) = shadow {
            self.ask_shadow(&shadow, rows, &reply, protocol, request_id);
        }
        Ok(reply)
    }

    /// Whether more waits than will be answered soon: then traffic should go elsewhere.
    pub fn is_overloaded(&self) -> bool {
        self.places.available_permits() == 0 || self.workers.waiting() >= self.limits.max_queue
    }

    /// What is wrong with the worker threads, in words.
    pub fn trouble(&self) -> Option<String> {
        self.workers.trouble()
    }

    /// Asks the shadow version the same, if it is quick or nobody waits: the answer is only compared and counted.
    fn ask_shadow(
        &self,
        shadow: &Arc<Served>,
        rows: Rows,
        reply: &Reply,
        protocol: Protocol,
        request_id: Option<&str>,
    ) {
        if shadow.cost.of(&rows) > AT_ONCE && self.workers.waiting() > 0 {
            return;
        }
        let (shadow, answered) = (Arc::clone(shadow), reply.clone());
        let observers = self.observers.clone();
        let request_id = request_id.map(str::to_owned);
        let compare = move || {
            let begun = Instant::now();
            let Ok(answers) = shadow.answer(&rows) else { return };
            let timing = Timing { queued: Duration::ZERO, computed: begun.elapsed(), batch: rows.len() };
            let reply = Reply { model: shadow, rows: rows.len(), answers, timing };
            let differs = |row: &usize| match (reply.label(0, *row), answered.label(0, *row)) {
                (None, None) => {
                    let (one, other) = (reply.number(0, *row), answered.number(0, *row));
                    (one - other).abs() > 1e-6 * one.abs().max(other.abs())
                }
                (one, other) => one != other,
            };
            let disagrees = (0..rows.len()).filter(differs).count();
            let event = Predicted {
                rows: &rows,
                reply: &reply,
                protocol,
                request_id: request_id.as_deref(),
                shadow_disagrees: Some(disagrees),
            };
            observers.iter().for_each(|observer| observer.predicted(&event));
        };
        drop(tokio::task::spawn_blocking(compare));
    }
}

impl Served {
    /// Answers rows; an error says of which row it is.
    pub(crate) fn answer(&self, rows: &Rows) -> Result<Answers, (PredictError, usize)> {
        self.answer_once(rows).map_err(|error| {
            let first =
                (0..rows.len()).find_map(|row| Some((self.model.answer(rows.row(row).frame()).err()?, row)));
            first.unwrap_or((error, 0))
        })
    }

    /// Answers rows; which of them is at fault is not said.
    fn answer_once(&self, rows: &Rows) -> Result<Answers, PredictError> {
        if rows.is_empty() {
            return Ok(self.nothing());
        }
        let begun = Instant::now();
        let answers = self.model.answer(rows.frame())?;
        self.cost.learn(rows, begun.elapsed());
        Ok(answers)
    }

    /// The answer for no rows.
    fn nothing(&self) -> Answers {
        let outputs = self.signature.outputs.len();
        match self.signature.outputs.first() {
            Some(Output::Classes(_)) => Answers::Classes(vec![Judged::default(); outputs]),
            Some(Output::Number) | None => {
                Answers::Numbers(Matrix { values: Vec::new(), rows: 0, width: outputs })
            }
        }
    }
}

fn failure(failed: Failed) -> Refusal {
    match failed {
        Failed::Full => overloaded(),
        Failed::Late => Refusal::new(RefusalKind::Deadline, "the time was up before the prediction was made"),
        Failed::Broken => Refusal::new(RefusalKind::Internal, "the prediction failed"),
    }
}

fn overloaded() -> Refusal {
    Refusal::new(RefusalKind::Overloaded, "overloaded: try again later").retry_after(Duration::from_secs(1))
}
