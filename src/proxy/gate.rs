//! The gate before all upstreams. While it is shut nothing is forwarded; shutting it cuts what is under way.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::Notify;

/// Whether anything is forwarded. Clones are the same gate.
#[derive(Debug, Clone, Default)]
pub struct Gate(Arc<State>);

#[derive(Debug, Default)]
struct State {
    shut: AtomicBool,
    /// What is open is to be cut, and is not yet.
    cutting: AtomicBool,
    cut: Notify,
}

impl Gate {
    /// A gate that is shut before there is any connection.
    pub fn shut_from_the_start() -> Self {
        let state = State { shut: AtomicBool::new(true), ..State::default() };
        Self(Arc::new(state))
    }

    /// From now on nothing is forwarded, and every connection of a client is closed, whatever it is in the middle of.
    pub fn shut(&self) {
        self.0.shut.store(true, Ordering::SeqCst);
        self.0.cutting.store(true, Ordering::SeqCst);
        // Who accepts connections may be busy: it hears of this later, too.
        self.0.cut.notify_one();
    }

    /// Requests are forwarded again.
    pub fn open(&self) {
        self.0.shut.store(false, Ordering::SeqCst);
    }

    /// True while nothing may be forwarded.
    pub fn is_shut(&self) -> bool {
        self.0.shut.load(Ordering::SeqCst)
    }

    /// Waits until connections are to be closed. A request that was let through belongs to one that was open then.
    pub(super) async fn cut(&self) {
        while !self.cuts() {
            self.0.cut.notified().await;
        }
    }

    /// True, once for each time that it is shut, if connections are to be closed. Asked before a new one is let in, which
    /// then hears why nothing is forwarded.
    pub(super) fn cuts(&self) -> bool {
        self.0.cutting.swap(false, Ordering::SeqCst)
    }
}
