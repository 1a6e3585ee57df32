//! A time that passes when a test says so.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use mcp_proxy::model::time::{Clock, Mono, Now};

/// A time that begins now and passes when it is told to. Clones are the same time.
#[derive(Clone)]
pub struct Time {
    begin: Now,
    passed: Arc<AtomicU64>,
}

impl Time {
    pub fn new() -> Self {
        let begin = Now { wall: Clock::system().now().wall, mono: Mono::from_start(Duration::ZERO) };
        Self { begin, passed: Arc::default() }
    }

    pub fn now(&self) -> Now {
        let passed = Duration::from_secs(self.passed.load(Ordering::SeqCst));
        Now { wall: self.begin.wall.plus(passed), mono: self.begin.mono.plus(passed) }
    }

    pub fn clock(&self) -> Clock {
        let time = self.clone();
        Clock::from_fn(move || time.now())
    }

    pub fn pass(&self, seconds: u64) {
        self.passed.fetch_add(seconds, Ordering::SeqCst);
    }
}
