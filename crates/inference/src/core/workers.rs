//! Threads that compute what would keep the others waiting, and the bounded queue before them.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use engine::{Answers, PredictError};
use tokio::sync::oneshot;

use super::batching::{MAX_ROWS, Waiting, next_turn};
use crate::reply::Timing;
use crate::repository::Served;
use crate::rows::Rows;

/// A computation that takes this long hangs: the process is better started anew.
const STUCK: Duration = Duration::from_secs(120);

/// What becomes of a job.
pub(super) type Outcome = Result<Done, Failed>;

/// A job that was computed, its rows given back for those who look on.
#[derive(Debug)]
pub(super) struct Done {
    pub(super) rows: Rows,
    pub(super) answers: Result<Answers, (PredictError, usize)>,
    pub(super) timing: Timing,
}

/// Why a job was not computed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Failed {
    /// As many as may be wait already.
    Full,
    /// Its time was up.
    Late,
    /// The computation failed in a way it must not.
    Broken,
}

struct Job {
    served: Arc<Served>,
    rows: Rows,
    asked: Instant,
    deadline: Instant,
    reply: oneshot::Sender<Outcome>,
}

impl Waiting for Job {
    fn group(&self) -> Option<usize> {
        (self.served.cost.batches() && self.rows.len() < MAX_ROWS)
            .then_some(Arc::as_ptr(&self.served) as usize)
    }

    fn rows(&self) -> usize {
        self.rows.len()
    }

    fn is_abandoned(&self) -> bool {
        self.reply.is_closed()
    }

    fn deadline(&self) -> Instant {
        self.deadline
    }
}

/// The threads and their queue.
pub(super) struct Workers {
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
    most: usize,
}

#[derive(Default)]
struct Shared {
    queue: Mutex<Queue>,
    news: Condvar,
    /// Of each thread, the millisecond after `begun` it began to compute; zero while it waits.
    busy_since: Vec<AtomicU64>,
    begun: Option<Instant>,
}

#[derive(Default)]
struct Queue {
    jobs: VecDeque<Job>,
    is_closed: bool,
}

impl Workers {
    /// Starts threads; `most` jobs may wait for them.
    pub(super) fn start(count: usize, most: usize) -> Self {
        let shared = Arc::new(Shared {
            busy_since: (0..count).map(|_| AtomicU64::new(0)).collect(),
            begun: Some(Instant::now()),
            ..Shared::default()
        });
        let start = |number| {
            let shared = Arc::clone(&shared);
            std::thread::Builder::new()
                .name(format!("predict-{number}"))
                .spawn(move || shared.work(number))
                .inspect_err(|error| tracing::error!(%error, "failed to start a worker thread"))
                .ok()
        };
        let threads = (0..count).filter_map(start).collect();
        Workers { shared, threads, most }
    }

    /// Computes on one of the threads. Dropping the future before its turn drops the job.
    pub(super) async fn compute(&self, served: &Arc<Served>, rows: Rows, deadline: Instant) -> Outcome {
        let (reply, answered) = oneshot::channel();
        let job = Job { served: Arc::clone(served), rows, asked: Instant::now(), deadline, reply };
        {
            let mut queue = self.shared.lock();
            if queue.jobs.len() >= self.most {
                // those who gave up leave room
                queue.jobs.retain(|job| !job.is_abandoned());
            }
            if queue.jobs.len() >= self.most {
                return Err(Failed::Full);
            }
            queue.jobs.push_back(job);
        }
        self.shared.news.notify_one();
        match tokio::time::timeout_at(deadline.into(), answered).await {
            Ok(Ok(outcome)) => outcome,
            Ok(Err(_)) => Err(Failed::Broken),
            Err(_) => Err(Failed::Late),
        }
    }

    /// How many jobs wait.
    pub(super) fn waiting(&self) -> usize {
        self.shared.lock().jobs.len()
    }

    /// What is wrong with the threads, in words.
    pub(super) fn trouble(&self) -> Option<String> {
        let count = self.shared.busy_since.len();
        let alive = self.threads.iter().filter(|thread| !thread.is_finished()).count();
        if alive < count {
            return Some(format!("{} of {count} worker threads have ended", count - alive));
        }
        let now = self.shared.milliseconds();
        let stuck = u64::try_from(STUCK.as_millis()).unwrap_or(u64::MAX);
        let hang = self.shared.busy_since.iter().filter(|since| {
            let since = since.load(Ordering::Relaxed);
            since > 0 && now.saturating_sub(since) > stuck
        });
        match hang.count() {
            0 => None,
            hang => Some(format!("{hang} of {count} worker threads compute for more than {STUCK:?}")),
        }
    }
}

impl Drop for Workers {
    fn drop(&mut self) {
        self.shared.lock().is_closed = true;
        self.shared.news.notify_all();
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn milliseconds(&self) -> u64 {
        let up = self.begun.map_or(Duration::ZERO, |begun| begun.elapsed());
        u64::try_from(up.as_millis()).unwrap_or(u64::MAX).max(1)
    }

    fn work(&self, number: usize) {
        loop {
            let turn = {
                let mut queue = self.lock();
                while queue.jobs.is_empty() {
                    if queue.is_closed {
                        return;
                    }
                    queue = self.news.wait(queue).unwrap_or_else(PoisonError::into_inner);
                }
                next_turn(&mut queue.jobs, Instant::now())
            };
            for job in turn.late {
                let _ = job.reply.send(Err(Failed::Late));
            }
            if turn.batch.is_empty() {
                continue;
            }
            self.busy_since[number].store(self.milliseconds(), Ordering::Relaxed);
            // a fault in one model must not take the thread from the others; who waits sees a closed channel
            if catch_unwind(AssertUnwindSafe(|| compute(turn.batch))).is_err() {
                tracing::error!("a prediction failed");
            }
            self.busy_since[number].store(0, Ordering::Relaxed);
        }
    }
}

/// Computes jobs of one model together; one by one if that fails, so that each is told of its own fault.
fn compute(mut batch: Vec<Job>) {
    if batch.len() > 1 {
        let mut all = batch[0].rows.clone();
        let is_joined = batch[1..].iter().all(|job| all.append(job.rows.clone()).is_ok());
        let begun = Instant::now();
        if is_joined && let Ok(answers) = batch[0].served.answer_once(&all) {
            let computed = begun.elapsed();
            let mut first = 0;
            for job in batch {
                let count = job.rows.len();
                let part = part(&answers, first, count);
                first += count;
                let timing = Timing { queued: begun.duration_since(job.asked), computed, batch: all.len() };
                let _ = job.reply.send(Ok(Done { rows: job.rows, answers: Ok(part), timing }));
            }
            return;
        }
    }
    for job in batch.drain(..) {
        let begun = Instant::now();
        let answers = job.served.answer(&job.rows);
        let timing = Timing {
            queued: begun.duration_since(job.asked),
            computed: begun.elapsed(),
            batch: job.rows.len(),
        };
        let _ = job.reply.send(Ok(Done { rows: job.rows, answers, timing }));
    }
}

/// The answers for some of the rows.
fn part(answers: &Answers, first: usize, count: usize) -> Answers {
    let matrix = |matrix: &engine::Matrix| engine::Matrix {
        values: matrix.values[first * matrix.width..(first + count) * matrix.width].to_vec(),
        rows: count,
        width: matrix.width,
    };
    match answers {
        Answers::Numbers(numbers) => Answers::Numbers(matrix(numbers)),
        Answers::Classes(outputs) => {
            let judged = outputs.iter().map(|judged| engine::Judged {
                classes: judged.classes[first..first + count].to_vec(),
                probabilities: judged.probabilities.as_ref().map(matrix),
                decisions: judged.decisions.as_ref().map(matrix),
            });
            Answers::Classes(judged.collect())
        }
    }
}

#[cfg(test)]
mod tests;
