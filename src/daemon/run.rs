//! The life of a daemon: its tasks, what the service manager hears of them, and their end, in order.

use std::time::Duration;

use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::daemon::notify::{Word, tell};
use crate::daemon::{Daemon, Purpose, certificate, notify, watchdog};

/// How long the end may take beyond the drain timeout: a renewal under way, and what is left to write.
const LAST_STEPS: Duration = Duration::from_secs(10);
/// How long the last records of the audit trail may take to be written.
const LAST_RECORDS: Duration = Duration::from_secs(1);

/// A task ended that should have gone on.
#[derive(Debug, thiserror::Error)]
#[error("a part of the daemon ended unexpectedly ({0}); this is a fault of mcp-proxy")]
pub struct Collapsed(String);

impl Daemon {
    /// Serves until `stop`; then requests may finish within the drain timeout. A daemon that serves tells the service
    /// manager how it gets on.
    ///
    /// # Errors
    /// When a part of it ends by itself.
    pub async fn run(self, stop: CancellationToken) -> Result<(), Collapsed> {
        let mut tasks = JoinSet::new();
        // Keepers end last: requests that finish may need a renewal.
        let (keepers_stop, mut keepers) = (CancellationToken::new(), JoinSet::new());
        for (keeper, name) in self.keepers {
            let beat = self.pulse.part(&format!("keeper of {name}"));
            keepers.spawn(keeper.run(keepers_stop.clone(), beat));
        }
        // It ends with them, when all requests have.
        if let Some(telemetry) = self.telemetry {
            keepers.spawn(telemetry.run(keepers_stop.clone()));
        }
        if let Some(server) = self.server {
            let (stop, beat) = (stop.clone(), self.pulse.part("listener"));
            tasks.spawn(async move { server.run(stop, beat).await });
        }
        if let Some(control) = self.control {
            let stop = stop.clone();
            tasks.spawn(async move { control.run(stop).await });
        }
        if let Some(metrics) = self.metrics {
            let stop = stop.clone();
            tasks.spawn(async move { metrics.run(stop).await });
        }
        for catalogue in self.catalogues {
            let stop = stop.clone();
            tasks.spawn(async move { catalogue.run(stop).await });
        }
        // What need not end in order: it goes with this.
        let mut companions = JoinSet::new();
        if self.purpose == Purpose::Serve {
            let status = self.headline.now();
            tell(vec![Word::Ready, Word::Status(status.clone())]).await;
            let (health, clock) = (self.headline.health.clone(), self.headline.clock.clone());
            companions.spawn(certificate::watch(self.acceptor, health, clock));
            companions.spawn(notify::keep_status(self.headline, status));
            companions.spawn(self.registrar.run());
            companions.spawn(self.incident.watch());
            if let Some(interval) = watchdog::interval() {
                companions.spawn(watchdog::watch(self.pulse, interval));
            }
            if let Some(reload) = self.reload {
                companions.spawn(reload.run());
            }
        }
        let collapsed = tokio::select! {
            // First: once told to stop, tasks return, and that is no collapse.
            biased;
            () = stop.cancelled() => None,
            Some(ended) = tasks.join_next() => Some(ended),
            Some(ended) = keepers.join_next() => Some(ended),
            Some(ended) = companions.join_next() => Some(ended),
        };
        companions.shutdown().await;
        if self.purpose == Purpose::Serve {
            tell(vec![Word::Stopping, Word::Status("stopping: open requests may finish".to_owned())]).await;
            companions.spawn(notify::ask_for_time(self.drain_timeout + LAST_STEPS));
        }
        stop.cancel();
        while tasks.join_next().await.is_some() {}
        keepers_stop.cancel();
        while keepers.join_next().await.is_some() {}
        if let Some(audit) = self.audit {
            // Every request has ended, so no record comes any more.
            let _ = tokio::task::spawn_blocking(move || audit.wait_until_written(LAST_RECORDS)).await;
        }
        match collapsed {
            None => Ok(()),
            Some(Ok(())) => Err(Collapsed("a task returned".to_owned())),
            Some(Err(error)) => Err(Collapsed(error.to_string())),
        }
    }
}
