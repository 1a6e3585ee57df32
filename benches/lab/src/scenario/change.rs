//! New tokens and reloads under load: no call fails, and none is held up for long.

use std::time::Duration;

use rustix::process::Signal;

use crate::candidate::{Candidate, Kind, write_token};
use crate::figures::{Line, micros, quantile};
use crate::load::{Call, steady};
use crate::plan::Which;
use crate::scenario::Lab;

/// The time between two changes.
const EACH: Duration = Duration::from_millis(250);

impl Lab<'_> {
    /// mcp-proxy alone: what the others would reload is something else.
    pub(super) async fn change(&mut self, which: Which) -> anyhow::Result<()> {
        if !self.plan.candidates.contains(&Kind::McpProxy) {
            return Ok(());
        }
        let (kind, sizes) = (Kind::McpProxy, self.plan.sizes);
        let candidate = Candidate::start(kind, &self.place)?;
        for _ in 0..self.plan.rounds.min(3) {
            let mut quiet = steady(&candidate.target, Call::Small, sizes.per_second, sizes.steady).await?;
            let calls = steady(&candidate.target, Call::Small, sizes.per_second, sizes.steady);
            let changes = async {
                for number in 1_u64.. {
                    tokio::time::sleep(EACH).await;
                    write_token(&candidate.directory, &format!("lab-token-{number}"))?;
                    candidate.process.signal(Signal::HUP)?;
                }
                Ok::<_, anyhow::Error>(())
            };
            let mut changing = tokio::select! {
                answers = calls => answers?,
                stopped = changes => return stopped,
            };
            self.figures.add_times(which, kind, &mut quiet.times);
            changing.times.sort_unstable();
            let slow = quantile(&changing.times, 0.99);
            self.figures.add(which, Line::SlowDuringChange, kind, micros(slow));
            self.figures.add(which, Line::Failed, kind, (quiet.failed + changing.failed) as f64);
            self.complain(&candidate, &quiet);
            self.complain(&candidate, &changing);
        }
        Ok(())
    }
}
