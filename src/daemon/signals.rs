//! The signals that stop a daemon: SIGTERM and SIGINT.

use std::io;

use futures_util::StreamExt;
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook_tokio::Signals;
use tokio_util::sync::CancellationToken;

/// Waits for the signals to stop.
pub struct StopSignals(Signals);

impl StopSignals {
    /// Takes the signals over. From now on they end the process through [`StopSignals::cancel`] alone.
    ///
    /// # Errors
    /// When the system does not let us.
    pub fn take() -> io::Result<Self> {
        Signals::new([SIGINT, SIGTERM]).map(Self)
    }

    /// Cancels `stop` at the first signal and `now` at the second.
    pub async fn cancel(mut self, stop: CancellationToken, now: CancellationToken) {
        for (token, words) in [(stop, "stopping: requests may finish"), (now, "stopping at once")] {
            if self.0.next().await.is_none() {
                return;
            }
            tracing::info!("{words}");
            token.cancel();
        }
    }
}
