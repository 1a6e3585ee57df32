//! Work that a person can break off: Ctrl+C and SIGTERM end it in order, a second one at once.

use tokio_util::sync::CancellationToken;

use crate::cli::error_line;
use crate::cli::exit::Exit;
use crate::daemon::signals::StopSignals;

/// Does `work`, which is told by the token that a signal came; the second signal ends it at once.
pub(super) async fn stopped_by_signals(work: impl AsyncFnOnce(CancellationToken) -> Exit) -> Exit {
    let (stop, now) = (CancellationToken::new(), CancellationToken::new());
    let signals = match StopSignals::take() {
        Ok(signals) => signals,
        Err(error) => {
            error_line(&format!("cannot handle signals: {error}"));
            return Exit::OsError;
        }
    };
    tokio::select! {
        exit = work(stop.clone()) => exit,
        () = async { signals.cancel(stop.clone(), now.clone()).await; std::future::pending().await } => Exit::Software,
        () = now.cancelled() => Exit::TempFail,
    }
}
