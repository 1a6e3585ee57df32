//! Lines that a person types or pastes.

use std::io::{BufRead, IsTerminal};
use std::time::Duration;

use tokio::sync::mpsc;

/// A pasted text that the terminal broke into lines arrives within this time.
const ONE_PASTE: Duration = Duration::from_millis(200);

/// Lines from the terminal.
#[derive(Debug)]
pub(super) struct Prompt {
    lines: mpsc::Receiver<String>,
}

/// True if a person can be asked: standard input is a real terminal. `/dev/null` is none.
pub(super) fn is_possible() -> bool {
    std::io::stdin().is_terminal()
}

impl Prompt {
    /// Begins to read, if a person can be asked. Once for the whole process: two readers would take each other's
    /// lines.
    pub(super) fn begin_if_possible() -> Option<Self> {
        is_possible().then(Self::begin)
    }

    /// Begins to read. The reading thread ends with the input or with the process: a blocking read of a terminal
    /// cannot be called off.
    fn begin() -> Self {
        let (sender, lines) = mpsc::channel(16);
        std::thread::spawn(move || {
            for line in std::io::stdin().lock().lines() {
                let Ok(line) = line else { return };
                if sender.blocking_send(line).is_err() {
                    return;
                }
            }
        });
        Self { lines }
    }

    /// The next text, with what was pasted along with it; `None` at the end of the input.
    pub(super) async fn next(&mut self) -> Option<String> {
        let mut text = self.lines.recv().await?;
        while let Ok(Some(more)) = tokio::time::timeout(ONE_PASTE, self.lines.recv()).await {
            text.push('\n');
            text.push_str(&more);
        }
        Some(text)
    }
}
