//! Bounds on waiting that cost next to nothing when nobody waits for long.

use std::{
    future::poll_fn,
    pin::{Pin, pin},
    task::Poll,
    time::Duration,
};

use tokio::time::{self, Instant, Sleep};

/// One timer for all the waits of a connection. To set and remove one for each wait would wake the
/// thread's event loop again and again; this one is set anew only when it rings too early.
#[derive(Debug)]
pub(in crate::ingress) struct Patience {
    sleep: Pin<Box<Sleep>>,
}

/// It took too long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::ingress) struct Elapsed;

impl Patience {
    pub(in crate::ingress) fn new(first: Duration) -> Self {
        Self { sleep: Box::pin(time::sleep(first)) }
    }

    /// Waits for `work`, at most for `limit`.
    pub(in crate::ingress) async fn bound<T>(
        &mut self,
        limit: Duration,
        work: impl Future<Output = T>,
    ) -> Result<T, Elapsed> {
        self.until(Instant::now() + limit, work).await
    }

    /// Waits for `work`, at most until `deadline`.
    pub(super) async fn until<T>(
        &mut self,
        deadline: Instant,
        work: impl Future<Output = T>,
    ) -> Result<T, Elapsed> {
        let mut work = pin!(work);
        poll_fn(|cx| {
            if let Poll::Ready(done) = work.as_mut().poll(cx) {
                return Poll::Ready(Ok(done));
            }
            if self.sleep.deadline() > deadline {
                self.sleep.as_mut().reset(deadline);
            }
            while self.sleep.as_mut().poll(cx).is_ready() {
                if Instant::now() >= deadline {
                    return Poll::Ready(Err(Elapsed));
                }
                self.sleep.as_mut().reset(deadline);
            }
            Poll::Pending
        })
        .await
    }
}

#[cfg(test)]
mod tests {
    use std::future::{pending, ready};

    use super::*;

    const SHORT: Duration = Duration::from_millis(20);
    const LONG: Duration = Duration::from_secs(60);

    #[tokio::test]
    async fn each_wait_has_its_own_bound() {
        let mut patience = Patience::new(LONG);
        assert_eq!(patience.bound(LONG, ready(1)).await, Ok(1));
        let started = Instant::now();
        assert_eq!(patience.bound(SHORT, pending::<()>()).await, Err(Elapsed));
        assert!(started.elapsed() >= SHORT);
        // The timer has rung already, but the next wait is longer.
        let later = async {
            time::sleep(SHORT * 2).await;
            2
        };
        assert_eq!(patience.bound(LONG, later).await, Ok(2));
        assert_eq!(patience.until(started, pending::<()>()).await, Err(Elapsed));
    }
}
