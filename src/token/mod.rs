//! Layer 1: the place where the current bearer is published and read.
//!
//! One [`Publisher`] writes, many [`Reader`]s take snapshots. Readers can ask for a newer bearer and say
//! that one was rejected; they cannot renew anything, and they do not know where bearers come from.

mod bearer;
mod reader;
#[cfg(test)]
mod tests;

use tokio::sync::watch;

pub use self::bearer::{Bearer, NotAHeaderValue};
pub use self::reader::{Reader, Unavailable};
use crate::model::time::Clock;

/// What the slot holds.
#[derive(Debug, Clone)]
pub(crate) struct State {
    bearer: Option<Bearer>,
    /// Why there is no usable bearer, should `bearer` be absent or expired.
    without: Unavailable,
}

/// Makes an empty slot.
pub fn slot(clock: Clock) -> (Publisher, Reader) {
    let (state, states) = watch::channel(State { bearer: None, without: Unavailable::Renewing });
    let (feedback, feedbacks) = watch::channel(Feedback::default());
    (Publisher { state, feedbacks }, Reader::new(states, feedback, clock))
}

/// What readers report back: the highest generation that the upstream rejected.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Feedback {
    rejected: u64,
}

/// The one writer of a slot.
#[derive(Debug)]
pub struct Publisher {
    state: watch::Sender<State>,
    feedbacks: watch::Receiver<Feedback>,
}

impl Publisher {
    /// Publishes a bearer; every waiting reader sees it at once.
    pub fn publish(&self, bearer: Bearer) {
        self.state.send_modify(|state| {
            state.bearer = Some(bearer);
            state.without = Unavailable::Renewing;
        });
    }

    /// Says why there is no bearer once the published one has expired; the bearer itself stays until then.
    pub fn explain(&self, without: Unavailable) {
        self.state.send_modify(|state| state.without = without);
    }

    /// Takes the bearer back.
    pub fn withdraw(&self, without: Unavailable) {
        self.state.send_replace(State { bearer: None, without });
    }

    /// Waits until a reader reports a rejection that was not reported before; answers its generation.
    /// `None` when no reader is left.
    pub async fn rejected(&mut self) -> Option<u64> {
        self.feedbacks.changed().await.ok()?;
        Some(self.feedbacks.borrow_and_update().rejected)
    }
}
