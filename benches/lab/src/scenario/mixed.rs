//! Long streams beside a steady number of calls: whether the ones are in the way of the others.

use crate::candidate::Candidate;
use crate::figures::{Line, micros};
use crate::load::{Call, steady};
use crate::plan::Which;
use crate::scenario::Lab;
use crate::scenario::streams::Streams;

impl Lab<'_> {
    pub(super) async fn mixed(&mut self, which: Which) -> anyhow::Result<()> {
        let sizes = self.plan.sizes;
        for round in 0..self.plan.rounds.min(3) {
            for kind in self.processes(round) {
                let candidate = Candidate::start(kind, &self.place)?;
                let mut streams = Streams::open(&candidate.target, sizes.beside, self.upstream.began()).await?;
                self.upstream.speak(true);
                let answers = steady(&candidate.target, Call::Small, sizes.per_second, sizes.steady).await;
                self.upstream.speak(false);
                let mut answers = answers?;
                self.figures.add_times(which, kind, &mut answers.times);
                let slowest = answers.times.last().copied().unwrap_or_default();
                self.figures.add(which, Line::Slowest, kind, micros(slowest));
                self.figures.add(which, Line::Failed, kind, (answers.failed + streams.ended()) as f64);
                self.complain(&candidate, &answers);
            }
        }
        Ok(())
    }
}
