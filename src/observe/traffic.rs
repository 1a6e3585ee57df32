//! Counters of the data path.

use std::sync::atomic::{AtomicU64, Ordering};

/// How much was done since the start. Plain counters: reading them never stops the traffic.
#[derive(Debug, Default)]
pub struct Traffic {
    started: AtomicU64,
    succeeded: AtomicU64,
    failed: AtomicU64,
}

/// One reading of the counters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Counts {
    /// Requests that began.
    pub total: u64,
    /// Requests that ended with a status below 400 and a whole body.
    pub success: u64,
    /// Requests that ended otherwise.
    pub error: u64,
    /// Requests that have not ended.
    pub active: u64,
}

impl Traffic {
    /// A request begins.
    pub fn begin(&self) {
        self.started.fetch_add(1, Ordering::Relaxed);
    }

    /// A request ended.
    pub fn end(&self, success: bool) {
        let counter = if success { &self.succeeded } else { &self.failed };
        counter.fetch_add(1, Ordering::Relaxed);
    }

    /// The counters now.
    pub fn counts(&self) -> Counts {
        let (success, error) = (self.succeeded.load(Ordering::Relaxed), self.failed.load(Ordering::Relaxed));
        let total = self.started.load(Ordering::Relaxed);
        Counts { total, success, error, active: total.saturating_sub(success + error) }
    }
}
