use std::path::PathBuf;

use engine::Matrix;
use engine::train::{Algorithm, Dataset, Options, train};

use super::*;

fn served() -> Arc<Served> {
    let texts = (0..20).map(|number| ["кот смеётся", "дождь идёт"][number % 2].to_owned()).collect();
    let labels: Vec<String> = (0..20).map(|number| ["joke", "plain"][number % 2].to_owned()).collect();
    let dataset = Dataset::from_texts(texts, &labels);
    let model = train(&dataset, &Options::new(Algorithm::Logistic), &mut |_| ()).unwrap().model;
    Arc::new(Served::new("lr", "1", model, PathBuf::new()))
}

fn job(served: &Arc<Served>, rows: Rows) -> (Job, oneshot::Receiver<Outcome>) {
    let (reply, answered) = oneshot::channel();
    let now = Instant::now();
    let deadline = now + Duration::from_secs(60);
    (Job { served: Arc::clone(served), rows, asked: now, deadline, reply }, answered)
}

fn texts(texts: &[&str]) -> Rows {
    Rows::Texts(texts.iter().map(|text| (*text).to_owned()).collect())
}

#[test]
fn what_is_computed_together_is_answered_as_if_alone() {
    let served = served();
    let requests = [texts(&["кот"]), texts(&["дождь", "кот идёт"]), texts(&["смеётся дождь"])];
    let (jobs, answers): (Vec<_>, Vec<_>) = requests.iter().map(|rows| job(&served, rows.clone())).unzip();
    compute(jobs);
    for (rows, mut answer) in requests.iter().zip(answers) {
        let done = answer.try_recv().unwrap().unwrap();
        assert_eq!((&done.rows, done.timing.batch), (rows, 4));
        assert_eq!(done.answers.unwrap(), served.answer(rows).unwrap());
    }
}

#[test]
fn a_faulty_request_spoils_only_its_own_answer() {
    let served = served();
    let wrong = Rows::Numbers(Matrix { values: vec![1.0], rows: 1, width: 1 });
    let (good, mut good_answer) = job(&served, texts(&["кот"]));
    let (bad, mut bad_answer) = job(&served, wrong);
    compute(vec![good, bad]);
    assert!(good_answer.try_recv().unwrap().unwrap().answers.is_ok());
    assert!(bad_answer.try_recv().unwrap().unwrap().answers.is_err());
}

#[tokio::test]
async fn a_full_queue_refuses_and_a_late_job_is_told_so() {
    let served = served();
    let soon = Instant::now() + Duration::from_millis(20);
    // no threads: nothing is ever computed
    let workers = Workers::start(0, 1);
    let late = workers.compute(&served, texts(&["кот"]), soon);
    assert_eq!(late.await.err(), Some(Failed::Late));
    assert_eq!(workers.waiting(), 1);
    // the one that gave up leaves its room to the next
    let waits = workers.compute(&served, texts(&["кот"]), Instant::now() + Duration::from_secs(60));
    let mut waits = Box::pin(waits);
    assert!(futures_poll(waits.as_mut()).await);
    let full = workers.compute(&served, texts(&["кот"]), soon);
    assert_eq!(full.await.err(), Some(Failed::Full));
}

/// Polls once; whether the future still waits.
async fn futures_poll(future: std::pin::Pin<&mut impl Future<Output = Outcome>>) -> bool {
    let mut future = Some(future);
    std::future::poll_fn(|context| {
        let is_pending = future.take().is_some_and(|future| future.poll(context).is_pending());
        std::task::Poll::Ready(is_pending)
    })
    .await
}

#[tokio::test]
async fn threads_compute_and_are_watched() {
    let served = served();
    let workers = Workers::start(2, 16);
    let deadline = Instant::now() + Duration::from_secs(60);
    let done = workers.compute(&served, texts(&["кот"]), deadline).await.unwrap();
    assert_eq!(done.answers.unwrap(), served.answer(&texts(&["кот"])).unwrap());
    assert_eq!(workers.trouble(), None);
}
