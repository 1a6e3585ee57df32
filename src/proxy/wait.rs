//! How long one request waited for its upstream: what is left of its time was ours.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::model::time::{Clock, Mono};

/// Adds up the waiting of one request, over all its tries.
#[derive(Debug)]
pub(super) struct Wait<'a> {
    clock: &'a Clock,
    micros: AtomicU64,
}

impl<'a> Wait<'a> {
    /// Nothing was waited for yet.
    pub(super) fn new(clock: &'a Clock) -> Self {
        Self { clock, micros: AtomicU64::new(0) }
    }

    /// The time, for [`end`](Self::end) and whatever else it is needed for.
    pub(super) fn now(&self) -> Mono {
        self.clock.mono()
    }

    /// What was waited for since `began` is there, or will not come.
    pub(super) fn end(&self, began: Mono) {
        let waited = self.clock.mono().since(began);
        self.micros.fetch_add(u64::try_from(waited.as_micros()).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    /// How long it was in all.
    pub(super) fn total(&self) -> Duration {
        Duration::from_micros(self.micros.load(Ordering::Relaxed))
    }
}
