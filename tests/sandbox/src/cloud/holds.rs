//! Streams of `/lab/hold`: silent until they are told something.

use bytes::Bytes;
use tokio::sync::broadcast;

/// What a held stream is told.
#[derive(Clone, Debug)]
pub(crate) enum Told {
    /// Send these bytes.
    Say(Bytes),
    /// End cleanly.
    End,
}

/// The channel to all held streams.
#[derive(Debug)]
pub(crate) struct Holds(broadcast::Sender<Told>);

impl Default for Holds {
    fn default() -> Self {
        Self(broadcast::Sender::new(64))
    }
}

impl Holds {
    pub(crate) fn subscribe(&self) -> broadcast::Receiver<Told> {
        self.0.subscribe()
    }

    /// Tells all held streams; the number of streams that will hear it.
    pub(crate) fn tell(&self, what: Told) -> usize {
        // The error only says that nobody listens.
        self.0.send(what).unwrap_or(0)
    }
}
