//! Whether somebody uses the page: a request is under way, a browser looks on, or one did a short while ago.

use std::time::Duration;

use tokio::sync::watch;

/// How many uses are under way, for as long as anything holds it.
#[derive(Debug, Clone)]
pub(super) struct Usage(watch::Sender<usize>);

/// One use, until it is dropped.
#[derive(Debug)]
pub(super) struct Used(watch::Sender<usize>);

impl Usage {
    /// Nobody uses it yet.
    pub(super) fn new() -> Self {
        Self(watch::Sender::new(0))
    }

    /// A use begins.
    pub(super) fn begin(&self) -> Used {
        self.0.send_modify(|uses| *uses += 1);
        Used(self.0.clone())
    }

    /// Waits until nobody has used it for so long; for ever if that is no time at all.
    pub(super) async fn idle(&self, length: Duration) {
        if length.is_zero() {
            std::future::pending::<()>().await;
        }
        let mut uses = self.0.subscribe();
        loop {
            let is_used = *uses.borrow_and_update() > 0;
            // The sender is ours, so there is always one.
            let changed = uses.changed();
            if is_used {
                let _ = changed.await;
            } else if tokio::time::timeout(length, changed).await.is_err() {
                return;
            }
        }
    }
}

impl Drop for Used {
    fn drop(&mut self) {
        self.0.send_modify(|uses| *uses = uses.saturating_sub(1));
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::{Instant, advance};

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn it_is_idle_once_nobody_has_used_it_for_so_long() {
        let usage = Usage::new();
        let length = Duration::from_secs(60);
        let begun = Instant::now();
        let used = usage.begin();
        let ending = async {
            advance(Duration::from_secs(1000)).await;
            drop(used);
            advance(Duration::from_secs(30)).await;
            drop(usage.begin());
        };
        let ((), ()) = tokio::join!(usage.idle(length), ending);
        assert!(begun.elapsed() >= Duration::from_secs(1090), "{:?}", begun.elapsed());
        let never = tokio::time::timeout(Duration::from_secs(100_000), usage.idle(Duration::ZERO)).await;
        assert!(never.is_err());
    }
}
