//! When an event stream has been silent for so long that something between may take it for dead.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::time::{Instant, Sleep};

/// The one timer of a stream. It is not moved when something passes, but looks back when it is over.
#[derive(Debug)]
pub(super) struct KeepAlive {
    silence: Duration,
    passed: Instant,
    timer: Pin<Box<Sleep>>,
}

impl KeepAlive {
    /// Silence that lasts so long is too long.
    pub(super) fn after(silence: Duration) -> Self {
        Self { silence, passed: Instant::now(), timer: Box::pin(tokio::time::sleep(silence)) }
    }

    /// Something passed.
    pub(super) fn passed(&mut self) {
        self.passed = Instant::now();
    }

    /// Ready when nothing has passed for so long; then it begins anew.
    pub(super) fn poll_silence(&mut self, context: &mut Context<'_>) -> Poll<()> {
        loop {
            ready!(self.timer.as_mut().poll(context));
            let (now, end) = (Instant::now(), self.passed + self.silence);
            let over = end <= now;
            if over {
                self.passed = now;
            }
            self.timer.as_mut().reset(self.passed + self.silence);
            if over {
                return Poll::Ready(());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn the_silence_counts_from_what_passed_last() {
        let began = Instant::now();
        let mut keep_alive = KeepAlive::after(Duration::from_secs(10));
        tokio::time::advance(Duration::from_secs(7)).await;
        keep_alive.passed();
        poll_fn(|context| keep_alive.poll_silence(context)).await;
        assert_eq!(began.elapsed().as_secs(), 17);
        poll_fn(|context| keep_alive.poll_silence(context)).await;
        assert_eq!(began.elapsed().as_secs(), 27);
    }
}
