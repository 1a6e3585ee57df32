//! The reading side of the slot.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use crate::model::time::Clock;
use crate::token::bearer::Bearer;
use crate::token::{Feedback, State};

/// Why there is no bearer to send.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unavailable {
    /// A renewal is under way or will be tried again by itself: waiting makes sense.
    Renewing,
    /// The last try failed in a way that lasts until somebody changes something: waiting makes no sense, though it is
    /// tried again.
    NotSoon,
    /// A person has to sign in: waiting makes no sense.
    SignInNeeded,
}

/// A handle that sees the current bearer. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Reader {
    states: watch::Receiver<State>,
    feedback: Arc<watch::Sender<Feedback>>,
    clock: Clock,
}

impl Reader {
    pub(crate) fn new(states: watch::Receiver<State>, feedback: watch::Sender<Feedback>, clock: Clock) -> Self {
        Self { states, feedback: Arc::new(feedback), clock }
    }

    /// The bearer to send now. Never waits.
    ///
    /// # Errors
    /// When there is none, or it has expired; an expired one is reported to the publisher, whose timer may be
    /// late after the machine slept.
    pub fn current(&self) -> Result<Bearer, Unavailable> {
        let state = self.states.borrow();
        match &state.bearer {
            Some(bearer) if !bearer.is_expired(self.clock.now()) => Ok(bearer.clone()),
            Some(bearer) => {
                let (generation, without) = (bearer.generation(), state.without);
                drop(state);
                self.reject(generation);
                Err(without)
            }
            None => Err(state.without),
        }
    }

    /// Waits for a bearer that can be sent now, at most `limit`.
    ///
    /// # Errors
    /// At once when waiting makes no sense, or as soon as it makes none; [`Unavailable::Renewing`] when the limit ran out.
    pub async fn usable(&self, limit: Duration) -> Result<Bearer, Unavailable> {
        let generation = self.states.borrow().bearer.as_ref().map_or(0, Bearer::generation);
        match self.current() {
            Ok(bearer) => Ok(bearer),
            Err(Unavailable::Renewing) => self.newer_than(generation, limit).await,
            Err(no_use) => Err(no_use),
        }
    }

    /// Waits for a bearer of a generation above `generation`, at most `limit`.
    ///
    /// # Errors
    /// At once when waiting makes no sense, or as soon as it makes none; [`Unavailable::Renewing`] when the limit ran out.
    pub async fn newer_than(&self, generation: u64, limit: Duration) -> Result<Bearer, Unavailable> {
        let mut states = self.states.clone();
        let wanted = |state: &State| {
            let newer = state.bearer.as_ref().is_some_and(|bearer| bearer.generation() > generation);
            newer || state.without != Unavailable::Renewing
        };
        match tokio::time::timeout(limit, states.wait_for(wanted)).await {
            Ok(Ok(state)) => match &state.bearer {
                Some(bearer) if bearer.generation() > generation => Ok(bearer.clone()),
                _ => Err(state.without),
            },
            // The publisher is gone only while the daemon stops.
            Ok(Err(_)) | Err(_) => Err(Unavailable::Renewing),
        }
    }

    /// Reports that the upstream refused the bearer of `generation`, or that it has expired. Reports of
    /// generations already reported change nothing, so a thousand at once cause one renewal.
    pub fn reject(&self, generation: u64) {
        self.feedback.send_if_modified(|feedback| {
            let news = generation > feedback.rejected;
            feedback.rejected = feedback.rejected.max(generation);
            news
        });
    }
}
