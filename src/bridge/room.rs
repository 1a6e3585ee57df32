//! How much memory all messages under way may take together.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// The longest message, in bytes.
pub(super) const LONGEST_MESSAGE: usize = 64 * 1024 * 1024;
/// All messages together, in KiB.
const ROOM: usize = 256 * 1024;
/// How long a message of the client waits for room before it is refused.
const PATIENCE: Duration = Duration::from_secs(10);

/// There is no room for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct NoRoom;

/// The room for messages.
#[derive(Debug, Clone)]
pub(super) struct Room(Arc<Semaphore>);

/// A part of it, given back when it is dropped.
#[derive(Debug)]
pub(super) struct Share {
    room: Room,
    held: Option<OwnedSemaphorePermit>,
}

/// A message and its share.
#[derive(Debug)]
pub(super) struct Held {
    pub(super) text: Bytes,
    _share: Option<Share>,
}

impl Room {
    pub(super) fn new() -> Self {
        Self(Arc::new(Semaphore::new(ROOM)))
    }

    /// A share of nothing yet.
    pub(super) fn share(&self) -> Share {
        Share { room: self.clone(), held: None }
    }

    /// Room for what the client says, waited for a while.
    pub(super) async fn hold(&self, text: Bytes) -> Result<Held, NoRoom> {
        let Some(kib) = in_kib(text.len()) else { return Ok(Held::small(text)) };
        let permit = tokio::time::timeout(PATIENCE, self.0.clone().acquire_many_owned(kib)).await;
        let held = Some(permit.map_err(|_| NoRoom)?.map_err(|_| NoRoom)?);
        Ok(Held { text, _share: Some(Share { room: self.clone(), held }) })
    }
}

impl Share {
    /// Makes it large enough for so many bytes, if there is room. It is not waited for: whoever has the rest may wait too.
    pub(super) fn grow_to(&mut self, bytes: usize) -> Result<(), NoRoom> {
        let has = self.held.as_ref().map_or(0, OwnedSemaphorePermit::num_permits);
        let Some(more) = in_kib(bytes).map(|kib| (kib as usize).saturating_sub(has)).filter(|more| *more > 0) else {
            return Ok(());
        };
        let more = u32::try_from(more).map_err(|_| NoRoom)?;
        let permit = self.room.0.clone().try_acquire_many_owned(more).map_err(|_| NoRoom)?;
        match &mut self.held {
            Some(held) => held.merge(permit),
            none => *none = Some(permit),
        }
        Ok(())
    }
}

impl Held {
    /// A message that is too short to count.
    pub(super) fn small(text: impl Into<Bytes>) -> Self {
        Self { text: text.into(), _share: None }
    }

    /// A message and what was held for it.
    pub(super) fn new(text: Vec<u8>, share: Share) -> Self {
        Self { text: text.into(), _share: Some(share) }
    }
}

/// Whole KiB; short messages count for nothing, their number is bounded elsewhere.
fn in_kib(bytes: usize) -> Option<u32> {
    u32::try_from(bytes / 1024).ok().filter(|kib| *kib > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn what_is_held_is_given_back() {
        let room = Room::new();
        let mut share = room.share();
        for bytes in [0, 1000, 5000, 4000, ROOM * 1024] {
            share.grow_to(bytes).unwrap();
        }
        assert_eq!(share.grow_to((ROOM + 1) * 1024), Err(NoRoom));
        assert!(room.hold(Bytes::from_static(&[b'x'; 2048])).await.is_err(), "it waited in vain");
        assert!(room.hold(Bytes::from_static(b"short")).await.is_ok());
        drop(share);
        let held = room.hold(Bytes::from_static(&[b'x'; 2048])).await.unwrap();
        assert_eq!(room.0.available_permits(), ROOM - 2);
        drop(held);
        assert_eq!(room.0.available_permits(), ROOM);
    }
}
