//! How long things take: counts by length, with limits that are fixed when the program is built. To observe costs two
//! additions.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Upper limits of buckets in microseconds, growing. What is longer than all of them is counted too.
pub type Limits = &'static [u64];

/// For whole requests, from what a cache answers to a tool that computes for minutes.
pub const WHOLE: Limits = &[
    5_000,
    10_000,
    25_000,
    50_000,
    100_000,
    250_000,
    500_000,
    1_000_000,
    2_500_000,
    5_000_000,
    10_000_000,
    30_000_000,
    60_000_000,
    120_000_000,
    300_000_000,
];
/// For what the program itself does, which takes microseconds unless a token has to be waited for.
pub const ADDED: Limits = &[
    50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 500_000, 1_000_000, 5_000_000, 10_000_000,
];

/// Counts lengths of time.
#[derive(Debug)]
pub struct Histogram {
    limits: Limits,
    /// One for each limit, and one for what is beyond the last.
    buckets: Box<[AtomicU64]>,
    /// Of all lengths, in microseconds.
    sum: AtomicU64,
}

/// One reading of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Reading {
    /// For each limit, in seconds, how many were not longer.
    pub buckets: Vec<(f64, u64)>,
    /// How many there were.
    pub count: u64,
    /// How long all of them took together, in seconds.
    pub sum: f64,
}

impl Histogram {
    /// One that has seen nothing.
    pub fn new(limits: Limits) -> Self {
        Self { limits, buckets: (0..=limits.len()).map(|_| AtomicU64::new(0)).collect(), sum: AtomicU64::new(0) }
    }

    /// Counts one.
    pub fn observe(&self, length: Duration) {
        let micros = u64::try_from(length.as_micros()).unwrap_or(u64::MAX);
        let at = self.limits.partition_point(|limit| *limit < micros);
        if let Some(bucket) = self.buckets.get(at) {
            bucket.fetch_add(1, Ordering::Relaxed);
        }
        self.sum.fetch_add(micros, Ordering::Relaxed);
    }

    /// What was counted until now. The count is that of the buckets, so that it always agrees with them.
    pub fn read(&self) -> Reading {
        let mut count = 0;
        let mut counts = self.buckets.iter().map(|bucket| {
            count += bucket.load(Ordering::Relaxed);
            count
        });
        let limits = self.limits.iter().map(|limit| *limit as f64 / 1e6);
        let buckets = limits.zip(counts.by_ref()).collect();
        counts.for_each(drop);
        Reading { buckets, count, sum: self.sum.load(Ordering::Relaxed) as f64 / 1e6 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_length_is_counted_in_the_first_bucket_that_is_not_shorter_and_in_all_after_it() {
        let histogram = Histogram::new(&[1_000, 2_000]);
        for micros in [0, 1_000, 1_001, 2_000, 2_001, 1_000_000] {
            histogram.observe(Duration::from_micros(micros));
        }
        let Reading { buckets, count, sum } = histogram.read();
        assert_eq!((buckets, count), (vec![(0.001, 2), (0.002, 4)], 6));
        assert!((sum - 1.006_002).abs() < 1e-9, "{sum}");
    }

    #[test]
    fn limits_grow() {
        for limits in [WHOLE, ADDED] {
            assert!(limits.is_sorted_by(|one, next| one < next));
        }
    }
}
