//! How long it takes from the start of the process to the first answer from the upstream, and what is held then.

use std::time::Duration;

use crate::candidate::Candidate;
use crate::figures::Line;
use crate::load::once;
use crate::plan::Which;
use crate::scenario::Lab;

const QUIET: Duration = Duration::from_millis(300);

impl Lab<'_> {
    pub(super) async fn start(&mut self, which: Which) -> anyhow::Result<()> {
        for round in 0..self.plan.rounds {
            for kind in self.processes(round) {
                let candidate = Candidate::start(kind, &self.place)?;
                once(&candidate.target).await?;
                let took = candidate.began.elapsed();
                self.figures.add(which, Line::FirstAnswer, kind, took.as_secs_f64() * 1e3);
                tokio::time::sleep(QUIET).await;
                let memory = candidate.process.memory();
                self.figures.add(which, Line::Memory, kind, memory as f64 / f64::from(1 << 20));
            }
        }
        Ok(())
    }
}
