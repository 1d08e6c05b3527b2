//! Decides what is computed together: a pure function of the queue and of the time.
//!
//! Nobody waits for company: a worker that is free takes what is there at once, alone if it is alone. Under load the
//! queue fills while workers compute, and what then waits for the same model goes together.

use std::collections::VecDeque;
use std::time::Instant;

/// The most rows computed together: more gain nothing and make others wait.
pub(super) const MAX_ROWS: usize = 256;

/// What waits to be computed.
pub(super) trait Waiting {
    /// Whose turn it is: equal for what may be computed together, `None` for what stays alone.
    fn group(&self) -> Option<usize>;

    fn rows(&self) -> usize;

    /// Whether nobody waits for it any more.
    fn is_abandoned(&self) -> bool;

    fn deadline(&self) -> Instant;
}

/// What a free worker does next.
#[derive(Debug)]
pub(super) struct Turn<T> {
    /// To be computed together.
    pub(super) batch: Vec<T>,
    /// Too late: to be told so.
    pub(super) late: Vec<T>,
}

/// Takes the oldest of the queue and what goes with it; drops what nobody waits for.
pub(super) fn next_turn<T: Waiting>(queue: &mut VecDeque<T>, now: Instant) -> Turn<T> {
    let mut turn = Turn { batch: Vec::new(), late: Vec::new() };
    let mut rows = 0;
    let mut rest = VecDeque::with_capacity(queue.len());
    while let Some(waiting) = queue.pop_front() {
        if waiting.is_abandoned() {
            continue;
        }
        if waiting.deadline() <= now {
            turn.late.push(waiting);
            continue;
        }
        let fits = match turn.batch.first() {
            None => true,
            Some(first) => {
                first.group().is_some()
                    && first.group() == waiting.group()
                    && rows + waiting.rows() <= MAX_ROWS
            }
        };
        if fits {
            rows += waiting.rows();
            turn.batch.push(waiting);
        } else {
            rest.push_back(waiting);
        }
    }
    *queue = rest;
    turn
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[derive(Debug, Clone, Copy, PartialEq)]
    struct Job {
        name: char,
        group: Option<usize>,
        rows: usize,
        is_abandoned: bool,
        deadline: Instant,
    }

    impl Waiting for Job {
        fn group(&self) -> Option<usize> {
            self.group
        }
        fn rows(&self) -> usize {
            self.rows
        }
        fn is_abandoned(&self) -> bool {
            self.is_abandoned
        }
        fn deadline(&self) -> Instant {
            self.deadline
        }
    }

    fn names(jobs: impl IntoIterator<Item = Job>) -> String {
        jobs.into_iter().map(|job| job.name).collect()
    }

    #[test]
    fn what_fits_together_goes_together_and_the_rest_keeps_its_order() {
        let now = Instant::now();
        let job = |name, group, rows| Job {
            name,
            group,
            rows,
            is_abandoned: false,
            deadline: now + Duration::from_secs(1),
        };
        let check = |jobs: &[Job], batch: &str, late: &str, left: &str| {
            let mut queue: VecDeque<Job> = jobs.iter().copied().collect();
            let turn = next_turn(&mut queue, now);
            assert_eq!(
                (names(turn.batch), names(turn.late), names(queue)),
                (batch.into(), late.into(), left.into())
            );
        };
        check(&[], "", "", "");
        check(&[job('a', Some(1), 1)], "a", "", "");
        check(&[job('a', Some(1), 1), job('b', Some(2), 1), job('c', Some(1), 1)], "ac", "", "b");
        check(&[job('a', None, 1), job('b', None, 1)], "a", "", "b");
        check(&[job('a', Some(1), 200), job('b', Some(1), 100), job('c', Some(1), 56)], "ac", "", "b");
        check(&[job('a', Some(1), 9999), job('b', Some(1), 1)], "a", "", "b");
        let gone = Job { is_abandoned: true, ..job('g', Some(1), 1) };
        let late = Job { deadline: now, ..job('l', Some(1), 1) };
        check(&[gone, late, job('a', Some(1), 1), gone, late], "a", "ll", "");
    }
}
