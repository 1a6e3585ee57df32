//! A sign of life while the network is waited for: on standard error, if that is a terminal, and nothing elsewhere. It
//! takes itself away, also when the wait is broken off.

use std::io::Write;
use std::time::Duration;

use crate::cli::terminal::Terminal;

/// What is over sooner needs no sign.
const QUIET: Duration = Duration::from_millis(300);
/// How long each picture stands.
const FRAME: Duration = Duration::from_millis(100);

/// Awaits `work`, and says `text` meanwhile.
pub(super) async fn during<T>(terminal: &Terminal, text: &str, work: impl Future<Output = T>) -> T {
    let spinning = async {
        if !(terminal.err && terminal.moves) {
            return std::future::pending().await;
        }
        tokio::time::sleep(QUIET).await;
        let _cleared = Cleared;
        let frames = if terminal.utf8 { "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏" } else { "|/-\\" };
        for frame in frames.chars().cycle() {
            // The cursor goes back, so that a line of the log takes the place of this one.
            write(&format!("\r{frame} {text}\x1b[K\r"));
            tokio::time::sleep(FRAME).await;
        }
        std::future::pending().await
    };
    tokio::select! {
        done = work => done,
        never = spinning => never,
    }
}

/// Clears the line when it is dropped.
struct Cleared;

impl Drop for Cleared {
    fn drop(&mut self) {
        write("\r\x1b[K");
    }
}

/// A closed standard error is nobody's problem.
fn write(text: &str) {
    let mut err = std::io::stderr().lock();
    let _ = err.write_all(text.as_bytes()).and_then(|()| err.flush());
}
