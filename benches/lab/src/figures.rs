//! What was measured: for each line of the table and each candidate one value per round.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::candidate::Kind;
use crate::plan::Which;

/// A line of the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Line {
    Cpu,
    CpuPerEvent,
    Median,
    Slow,
    Slowest,
    SlowDuringChange,
    MemoryPerStream,
    SocketsLeft,
    StreamsLeft,
    MemoryLeft,
    FirstAnswer,
    Memory,
    Failed,
}

impl Line {
    /// What it is called, with its unit.
    pub(crate) fn title(self) -> &'static str {
        match self {
            Self::Cpu => "CPU per request, µs",
            Self::CpuPerEvent => "CPU per event, µs",
            Self::Median => "p50, µs",
            Self::Slow => "p99, µs",
            Self::Slowest => "slowest, µs",
            Self::SlowDuringChange => "p99 during changes, µs",
            Self::MemoryPerStream => "memory per stream, KiB",
            Self::SocketsLeft => "sockets left afterwards",
            Self::StreamsLeft => "streams left at the upstream",
            Self::MemoryLeft => "memory left per stream, KiB",
            Self::FirstAnswer => "first answer, ms",
            Self::Memory => "memory (PSS), MiB",
            Self::Failed => "failed",
        }
    }
}

/// All values of a run.
#[derive(Debug, Default)]
pub(crate) struct Figures(BTreeMap<(Which, Line), BTreeMap<Kind, Vec<f64>>>);

impl Figures {
    pub(crate) fn add(&mut self, which: Which, line: Line, kind: Kind, value: f64) {
        self.0.entry((which, line)).or_default().entry(kind).or_default().push(value);
    }

    /// Times of answers: the middle, and what only one in a hundred exceeds.
    pub(crate) fn add_times(&mut self, which: Which, kind: Kind, times: &mut [Duration]) {
        times.sort_unstable();
        for (line, share) in [(Line::Median, 0.5), (Line::Slow, 0.99)] {
            self.add(which, line, kind, micros(quantile(times, share)));
        }
    }

    /// The lines of the table, in its order.
    pub(crate) fn lines(&self) -> impl Iterator<Item = (Which, Line, &BTreeMap<Kind, Vec<f64>>)> {
        self.0.iter().map(|((which, line), values)| (*which, *line, values))
    }
}

pub(crate) fn micros(time: Duration) -> f64 {
    time.as_secs_f64() * 1e6
}

/// The value below which this share of all is; `sorted` is.
pub(crate) fn quantile(sorted: &[Duration], share: f64) -> Duration {
    let at = ((sorted.len() as f64 * share) as usize).min(sorted.len().saturating_sub(1));
    sorted.get(at).copied().unwrap_or_default()
}

pub(crate) fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    match sorted.len() {
        0 => f64::NAN,
        length if length % 2 == 1 => sorted[length / 2],
        length => f64::midpoint(sorted[length / 2 - 1], sorted[length / 2]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_middle_and_the_end_of_what_was_measured() {
        assert_eq!(median(&[3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median(&[4.0, 1.0, 2.0, 3.0]), 2.5);
        assert!(median(&[]).is_nan());
        let times: Vec<Duration> = (0..100).map(Duration::from_micros).collect();
        assert_eq!(quantile(&times, 0.5), Duration::from_micros(50));
        assert_eq!(quantile(&times, 0.99), Duration::from_micros(99));
        assert_eq!(quantile(&times[..1], 0.99), Duration::ZERO);
    }
}
