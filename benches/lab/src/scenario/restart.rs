//! A restart under load, with the socket kept as a service manager does: no call fails, and few wait for the new one.

use std::time::Duration;

use rustix::process::Signal;

use crate::candidate::{Candidate, Kind, Socket};
use crate::figures::{Line, micros, quantile};
use crate::load::{Call, steady};
use crate::plan::Which;
use crate::scenario::Lab;

/// How often it is looked whether a process has ended.
const LOOK: Duration = Duration::from_micros(500);

impl Lab<'_> {
    /// mcp-proxy alone: the others take no socket from a service manager.
    pub(super) async fn restart(&mut self, which: Which) -> anyhow::Result<()> {
        if !self.plan.candidates.contains(&Kind::McpProxy) {
            return Ok(());
        }
        let (kind, sizes) = (Kind::McpProxy, self.plan.sizes);
        let socket = Socket::open()?;
        let mut candidate = Candidate::start_with(&socket, &self.place)?;
        let target = candidate.target.clone();
        for _ in 0..self.plan.rounds {
            let mut quiet = steady(&target, Call::Small, sizes.per_second, sizes.steady).await?;
            let calls = steady(&target, Call::Small, sizes.per_second, sizes.steady);
            let restart = async {
                tokio::time::sleep(sizes.steady / 2).await;
                candidate.process.signal(Signal::TERM)?;
                while candidate.process.ended()?.is_none() {
                    tokio::time::sleep(LOOK).await;
                }
                candidate = Candidate::start_with(&socket, &self.place)?;
                Ok::<_, anyhow::Error>(())
            };
            let (answers, restarted) = tokio::join!(calls, restart);
            restarted?;
            let mut restarting = answers?;
            self.figures.add_times(which, kind, &mut quiet.times);
            restarting.times.sort_unstable();
            let slow = quantile(&restarting.times, 0.99);
            self.figures.add(which, Line::SlowDuringChange, kind, micros(slow));
            self.figures.add(which, Line::Slowest, kind, micros(restarting.times.last().copied().unwrap_or_default()));
            self.figures.add(which, Line::Failed, kind, (quiet.failed + restarting.failed) as f64);
            self.complain(&candidate, &quiet);
            self.complain(&candidate, &restarting);
        }
        Ok(())
    }
}
