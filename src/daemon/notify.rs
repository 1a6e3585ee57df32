//! What is said to the service manager (sd_notify(3)): that the daemon is ready, reloads, lives, stops, and how it stands.
//!
//! Without a service manager nothing is said. `NOTIFY_SOCKET` stays in our own environment, where `sd_notify` looks for
//! it; programs that we start do not get it (`model::service_manager`).

use std::io;
use std::time::Duration;

use sd_notify::NotifyState;
use tokio::time::Instant;

use crate::daemon::headline::Headline;

/// How long the service manager may take to listen.
const PATIENCE: Duration = Duration::from_secs(2);
/// The least time between two headlines: many things may change at once.
const BREATHER: Duration = Duration::from_secs(1);
/// How often what changes by itself is said anew: the life of the token, the requests that are open.
const REFRESH: Duration = Duration::from_secs(30);
/// How much time a long stop asks for at once, and how often. It ends within this time of the last word, should the
/// daemon hang.
const MORE_TIME: Duration = Duration::from_secs(15);
const ASK_AGAIN: Duration = Duration::from_secs(5);

/// One thing to say.
#[derive(Debug)]
pub(super) enum Word {
    /// The start, or a reload, is over.
    Ready,
    /// A reload begins.
    Reloading,
    /// The end begins.
    Stopping,
    /// Everything works.
    Alive,
    /// What the end takes longer than was expected.
    MoreTime(Duration),
    /// How the daemon stands, in a line.
    Status(String),
}

/// Says `words`, all in one message. Nothing waits long for it, and that it cannot be said is no reason to stop.
pub(super) async fn tell(words: Vec<Word>) {
    // The socket of a service manager that is busy is full, and then sending blocks.
    let saying = tokio::task::spawn_blocking(move || say(&words));
    match tokio::time::timeout(PATIENCE, saying).await {
        Ok(Ok(Err(error))) => tracing::debug!("the service manager cannot be told: {error}"),
        Ok(_) => {}
        Err(_) => tracing::debug!("the service manager does not listen"),
    }
}

fn say(words: &[Word]) -> io::Result<()> {
    let mut states = Vec::new();
    for word in words {
        match word {
            Word::Ready => states.push(NotifyState::Ready),
            // systemd.service(5), Type=notify-reload: without the time, the answer is not taken for this reload's.
            Word::Reloading => states.extend([NotifyState::Reloading, NotifyState::monotonic_usec_now()?]),
            Word::Stopping => states.push(NotifyState::Stopping),
            Word::Alive => states.push(NotifyState::Watchdog),
            Word::MoreTime(time) => {
                let micros = u32::try_from(time.as_micros()).unwrap_or(u32::MAX);
                states.push(NotifyState::ExtendTimeoutUsec(micros));
            }
            Word::Status(line) => states.push(NotifyState::Status(line)),
        }
    }
    sd_notify::notify(&states)
}

/// Keeps the service manager's line about the daemon true, for as long as it is polled. The first one was said already:
/// `said`.
pub(super) async fn keep_status(headline: Headline, mut said: String) {
    let mut changes = headline.health.changes();
    loop {
        let line = headline.now();
        if line != said {
            said.clone_from(&line);
            tell(vec![Word::Status(line)]).await;
        }
        tokio::time::sleep(BREATHER).await;
        tokio::select! {
            Ok(()) = changes.changed() => {}
            () = tokio::time::sleep(REFRESH) => {}
        }
    }
}

/// Asks for more time again and again while a stop goes on that may take `limit`, so that `TimeoutStopSec=` of the unit
/// does not cut what `limits.drain_timeout` allows. A stop that hangs beyond it gets no more.
pub(super) async fn ask_for_time(limit: Duration) {
    let end = Instant::now() + limit;
    while Instant::now() < end {
        tell(vec![Word::MoreTime(MORE_TIME)]).await;
        tokio::time::sleep(ASK_AGAIN).await;
    }
}
