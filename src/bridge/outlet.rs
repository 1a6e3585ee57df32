//! Standard output: one message a line, and nothing else.

use tokio::io::{AsyncWrite, AsyncWriteExt};
use tokio::sync::mpsc;

use crate::bridge::room::Held;

/// Messages that may wait to be written. Whoever has another one waits, and so does the server behind it.
pub(super) const WAITING: usize = 16;

/// Writes until nobody has anything to say any more, or the client reads no longer.
pub(super) async fn write(mut output: impl AsyncWrite + Unpin, mut messages: mpsc::Receiver<Held>) {
    while let Some(message) = messages.recv().await {
        let written = async {
            output.write_all(&message.text).await?;
            output.write_all(b"\n").await?;
            output.flush().await
        };
        if let Err(error) = written.await {
            tracing::info!("the client reads no longer: {error}");
            return;
        }
    }
}
