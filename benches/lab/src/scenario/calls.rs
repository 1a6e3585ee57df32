//! Calls, each after the answer to the one before: what one costs, and how long it takes.

use crate::candidate::{Candidate, Kind};
use crate::figures::{Line, micros};
use crate::load::{Call, Crowd};
use crate::plan::Which;
use crate::scenario::{AFTERWARDS, Lab};

impl Lab<'_> {
    pub(super) async fn calls(&mut self, which: Which, call: Call, size: usize, total: usize) -> anyhow::Result<()> {
        let mut candidates = Vec::new();
        let variants = self.plan.candidates.iter().filter(|kind| kind.is_for_small_calls() && call != Call::Large);
        for kind in self.processes(0).into_iter().chain(variants.copied()) {
            let candidate = Candidate::start(kind, &self.place)?;
            let mut crowd = Crowd::connect(&candidate.target, call, size).await?;
            // At once, for a connection that says nothing is soon closed.
            let answers = crowd.ask(total / 4).await?;
            anyhow::ensure!(answers.failed == 0, "{}: {:?}", candidate.kind.title(), answers.why);
            candidates.push((candidate, crowd));
        }
        let mut direct = match self.plan.candidates.contains(&Kind::Direct) {
            true => Some(Crowd::connect(&self.direct()?, call, size).await?),
            false => None,
        };
        for round in 0..self.plan.rounds {
            if let Some(crowd) = &mut direct {
                let mut answers = crowd.ask(total / 4).await?;
                self.figures.add_times(which, Kind::Direct, &mut answers.times);
            }
            let number = candidates.len();
            candidates.rotate_left(usize::from(round > 0 && number > 0));
            for (candidate, crowd) in &mut candidates {
                let before = candidate.process.cpu();
                let mut answers = crowd.ask(total).await?;
                tokio::time::sleep(AFTERWARDS).await;
                let spent = candidate.process.cpu() - before;
                self.figures.add(which, Line::Cpu, candidate.kind, micros(spent) / total as f64);
                self.figures.add_times(which, candidate.kind, &mut answers.times);
                self.figures.add(which, Line::Failed, candidate.kind, answers.failed as f64);
                self.complain(candidate, &answers);
            }
        }
        Ok(())
    }
}
