//! The signals that a daemon obeys: SIGTERM and SIGINT stop it, SIGHUP makes it read its configuration anew.
//!
//! SIGHUP is also what the kernel sends when the terminal goes away. Who was started in a terminal that is not there any
//! more is stopped by it.

use std::io::{self, IsTerminal};
use std::sync::Arc;

use futures_util::StreamExt;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

/// The signals, taken over.
pub struct Signals {
    stream: signal_hook_tokio::Signals,
    began_at_a_terminal: bool,
}

/// What signals lead to.
#[derive(Debug, Clone, Default)]
pub struct Orders {
    /// Stop, and let requests finish.
    pub stop: CancellationToken,
    /// Stop at once.
    pub now: CancellationToken,
    /// Read the configuration anew.
    pub reload: Arc<Notify>,
}

/// The signals of a command that reads its configuration once: SIGHUP ends it as it ends most programs.
pub struct StopSignals(Signals);

impl StopSignals {
    /// Takes the signals over. From now on they end the process through [`StopSignals::cancel`] alone.
    ///
    /// # Errors
    /// When the system does not let us.
    pub fn take() -> io::Result<Self> {
        Signals::of(&[SIGINT, SIGTERM]).map(Self)
    }

    /// Cancels `stop` at the first signal and `now` at the second. Whoever pressed Ctrl+C knows, so nothing is logged.
    pub async fn cancel(mut self, stop: CancellationToken, now: CancellationToken) {
        while self.0.stream.next().await.is_some() {
            if stop.is_cancelled() {
                now.cancel();
            }
            stop.cancel();
        }
    }
}

impl Signals {
    /// Takes the signals over. From now on they do what [`Signals::obey`] says.
    ///
    /// # Errors
    /// When the system does not let us.
    pub fn take() -> io::Result<Self> {
        Self::of(&[SIGHUP, SIGINT, SIGTERM])
    }

    fn of(signals: &[i32]) -> io::Result<Self> {
        let stream = signal_hook_tokio::Signals::new(signals)?;
        Ok(Self { stream, began_at_a_terminal: is_at_a_terminal() })
    }

    /// Turns signals into orders, for as long as it is polled: the first one to stop is `stop`, the second one `now`.
    pub async fn obey(mut self, orders: Orders) {
        while let Some(signal) = self.stream.next().await {
            let hung_up = self.began_at_a_terminal && !is_at_a_terminal();
            if signal == SIGHUP && !hung_up {
                orders.reload.notify_one();
            } else if orders.stop.is_cancelled() {
                tracing::info!("stopping at once");
                orders.now.cancel();
            } else {
                tracing::info!("stopping: requests may finish");
                orders.stop.cancel();
            }
        }
    }
}

/// A terminal that was hung up is none any more (ioctl_tty(2)).
fn is_at_a_terminal() -> bool {
    io::stdin().is_terminal() || io::stdout().is_terminal() || io::stderr().is_terminal()
}
