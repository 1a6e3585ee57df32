//! Requests that need no line of their own once there are many: neither calls of tools, nor refused, nor failed. Up to a
//! number in each second has its line all the same; the others are summed up, so that nothing is left out silently.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::model::time::Mono;
use crate::observe::kinds::{METHODS, place_of};
use crate::observe::line;

/// How often what was summed up is told.
pub const INTERVAL: Duration = Duration::from_secs(60);

/// Which routine requests have lines, and the sum of those that have none.
#[derive(Debug, Default)]
pub struct Routine {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// Lines in each second.
    limit: u32,
    /// The second that is counted, and its lines.
    second: u64,
    lines: u32,
    sum: Sum,
}

/// Requests without lines.
#[derive(Debug, Default, PartialEq, Eq)]
struct Sum {
    requests: u64,
    bytes: u64,
    slowest: Duration,
    /// By their places in [`METHODS`]; empty while there are none.
    methods: Vec<u64>,
}

impl Routine {
    /// From now on so many have lines in each second.
    pub fn allow(&self, limit: u32) {
        self.lock().limit = limit;
    }

    /// One ended at `now`: true if it gets a line, else it is added up.
    pub(super) fn gets_line(&self, now: Mono, method: Option<&str>, took: Duration, bytes: u64) -> bool {
        let mut state = self.lock();
        let second = now.since(Mono::from_start(Duration::ZERO)).as_secs();
        if state.second != second {
            (state.second, state.lines) = (second, 0);
        }
        if state.lines < state.limit {
            state.lines += 1;
            return true;
        }
        state.sum.add(method, took, bytes);
        false
    }

    /// Tells in one line of the log what was added up since the last one; says nothing if that is nothing.
    pub fn tell(&self) {
        let sum = std::mem::take(&mut self.lock().sum);
        if sum.requests > 0 {
            tracing::info!(
                target: line::TARGET,
                requests = sum.requests,
                bytes_out = sum.bytes,
                slowest_us = u64::try_from(sum.slowest.as_micros()).unwrap_or(u64::MAX),
                "{} more requests without lines of their own (log.routine_per_second): {}; {} B, slowest {:.1} ms",
                sum.requests,
                sum.by_method(),
                sum.bytes,
                sum.slowest.as_secs_f64() * 1e3,
            );
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // No code panics while it holds this lock.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Sum {
    fn add(&mut self, method: Option<&str>, took: Duration, bytes: u64) {
        self.requests += 1;
        self.bytes = self.bytes.saturating_add(bytes);
        self.slowest = self.slowest.max(took);
        self.methods.resize(METHODS.len(), 0);
        if let Some(count) = self.methods.get_mut(place_of(method)) {
            *count += 1;
        }
    }

    /// The most frequent method first.
    fn by_method(&self) -> String {
        let mut counted: Vec<(u64, &str)> = self.methods.iter().copied().zip(METHODS).filter(|(n, _)| *n > 0).collect();
        counted.sort_by_key(|(count, _)| std::cmp::Reverse(*count));
        let named = counted.into_iter().map(|(count, method)| match method {
            "none" => format!("{count} without a method"),
            method => format!("{count} {method}"),
        });
        named.collect::<Vec<_>>().join(", ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn so_many_in_each_second_have_lines_and_the_rest_is_summed_up() {
        let routine = Routine::default();
        routine.allow(2);
        let at = |millis| Mono::from_start(Duration::from_millis(millis));
        let ends = |millis, method| routine.gets_line(at(millis), method, Duration::from_millis(millis), 10);
        assert!(ends(1_000, None) && ends(1_999, None));
        assert!(!ends(1_999, Some("tools/list")), "the third");
        assert!(ends(2_000, None), "another second");
        assert!(
            ends(2_100, None) && !ends(2_200, None) && !ends(2_300, Some("tools/list")) && !ends(2_400, Some("x/y"))
        );
        let sum = std::mem::take(&mut routine.lock().sum);
        assert_eq!((sum.requests, sum.bytes, sum.slowest), (4, 40, Duration::from_millis(2_400)));
        assert_eq!(sum.by_method(), "2 tools/list, 1 without a method, 1 other");
        routine.tell();
        assert_eq!(routine.lock().sum, Sum::default());
        routine.allow(0);
        assert!(!ends(9_000, None), "none of them");
    }
}
