//! The HTTP/2 connections to an upstream: which one takes the next stream, and when another one is worth its price.
//!
//! The two ends of a connection take turns: what one has done for all streams, the other finds together, and meanwhile
//! the first waits. So there are to be several before one has many streams: then each end always has work.

use std::thread::available_parallelism;
use std::time::Duration;

use ::h2::client::SendRequest;
use bytes::Bytes;
use tokio::time::Instant;

/// So many streams a connection takes before another one is made, though it would take more.
pub(super) const EASY: usize = 32;
/// How long nothing is tried after another connection could not be made, which nobody needs to have.
const REST: Duration = Duration::from_secs(30);

/// An HTTP/2 connection.
pub(super) struct Shared {
    pub(super) number: u64,
    pub(super) sender: SendRequest<Bytes>,
    pub(super) open: usize,
    /// How many streams may be open; `None` until the peer has told, which is worth one stream.
    pub(super) allowed: Option<usize>,
    pub(super) reused: bool,
    pub(super) idle_since: Instant,
}

impl Shared {
    pub(super) fn new(number: u64, sender: SendRequest<Bytes>) -> Self {
        Self { number, sender, open: 0, allowed: None, reused: false, idle_since: Instant::now() }
    }

    /// How many streams can be opened now.
    fn room(&self) -> usize {
        self.allowed.unwrap_or(1).saturating_sub(self.open)
    }
}

/// The connections that take new streams, the oldest first: later ones run empty and are closed.
pub(super) struct Connections {
    pub(super) all: Vec<Shared>,
    /// So many there are to be before one has more streams than are easy.
    enough: usize,
    not_before: Option<Instant>,
}

impl Connections {
    /// None yet.
    pub(super) fn new() -> Self {
        let enough = available_parallelism().map_or(2, |processors| processors.get().max(2));
        Self { all: Vec::new(), enough, not_before: None }
    }

    /// The one that takes the next stream, if there is one.
    pub(super) fn next(&mut self) -> Option<&mut Shared> {
        let has_room = |shared: &Shared| shared.room() > 0;
        let at = self.all.iter().position(|shared| has_room(shared) && shared.open < EASY);
        let at = at.or_else(|| self.all.iter().position(has_room))?;
        self.all.get_mut(at)
    }

    /// True if another one would make things easier.
    pub(super) fn are_crowded(&self) -> bool {
        (1..self.enough).contains(&self.all.len())
            && self.all.iter().all(|shared| shared.open >= EASY)
            && self.not_before.is_none_or(|time| Instant::now() >= time)
    }

    /// Another one could not be made: for a while it is not tried unless somebody waits for it.
    pub(super) fn rest(&mut self) {
        self.not_before = Some(Instant::now() + REST);
    }

    pub(super) fn numbered(&mut self, number: u64) -> Option<&mut Shared> {
        self.all.iter_mut().find(|shared| shared.number == number)
    }

    /// Takes a connection out: it opens no more streams, and is closed when the last one ends.
    pub(super) fn remove(&mut self, number: u64) -> Option<Shared> {
        let at = self.all.iter().position(|shared| shared.number == number)?;
        Some(self.all.remove(at))
    }
}
