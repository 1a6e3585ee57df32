//! All connections that are open, and which of them is closed when there are too many.
//!
//! Below the limit this costs an entry in a table. At the limit all are looked at: a newcomer is better than one that
//! says nothing, and that one is better dispensed with than one that was of use. A busy one is never closed.

use std::collections::HashMap;
use std::sync::Arc;

use tokio::task::{AbortHandle, Id};

use crate::proxy::connection::{Room, Standing};

/// The open connections.
#[derive(Debug, Default)]
pub(super) struct Crowd {
    members: HashMap<Id, (Arc<Standing>, AbortHandle)>,
    room: Arc<Room>,
}

impl Crowd {
    /// How a new connection stands.
    pub(super) fn newcomer(&self) -> Arc<Standing> {
        Arc::new(Standing::new(self.room.clone()))
    }

    /// The task of a connection runs.
    pub(super) fn enter(&mut self, standing: Arc<Standing>, task: AbortHandle) {
        self.members.insert(task.id(), (standing, task));
    }

    /// The task of a connection has ended.
    pub(super) fn leave(&mut self, task: Id) {
        self.members.remove(&task);
    }

    /// True if there is a place below `limit`; if not, one is made where that is possible.
    pub(super) fn has_room(&mut self, limit: usize) -> bool {
        if self.members.len() < limit {
            self.room.want(false);
            return true;
        }
        // Set before they are looked at, so that one that becomes idle after the look says so.
        self.room.want(true);
        let made = self.make_room();
        self.room.want(!made);
        made
    }

    /// Closes the connection that is missed least; false if all are busy.
    pub(super) fn make_room(&mut self) -> bool {
        loop {
            let standings =
                self.members.iter().filter_map(|(id, (standing, _))| Some((standing.dispensable_since()?, *id)));
            let Some((_, id)) = standings.min_by_key(|(since, _)| *since) else { return false };
            let Some((standing, task)) = self.members.get(&id) else { return false };
            if standing.evict() {
                task.abort();
                self.members.remove(&id);
                return true;
            }
        }
    }

    /// Waits until a connection has become idle.
    pub(super) fn freed(&self) -> impl Future<Output = ()> + Send + use<> {
        let room = self.room.clone();
        async move { room.freed().await }
    }
}
