//! Open connections: counting them, cutting them, refusing new ones.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::watch;

use crate::sync::Guarded;

/// One open connection.
#[derive(Debug)]
pub(crate) struct Connection {
    pub(crate) id: u64,
    cut: watch::Sender<bool>,
    busy: AtomicU64,
}

impl Connection {
    /// Closes the TCP connection without a word: no end of the response, no TLS farewell.
    pub(crate) fn cut(&self) {
        self.cut.send_replace(true);
    }

    pub(crate) fn is_cut(&self) -> bool {
        *self.cut.borrow()
    }

    /// Waits until somebody cuts it.
    pub(crate) async fn until_cut(&self) {
        let mut receiver = self.cut.subscribe();
        // The sender lives in `self`, so the error (sender gone) cannot come.
        let _ = receiver.wait_for(|cut| *cut).await;
    }

    /// Whether something is asked or answered on it right now.
    pub(crate) fn is_busy(&self) -> bool {
        self.busy.load(Ordering::SeqCst) > 0
    }
}

/// Marks a connection as busy while it lives.
#[derive(Debug)]
pub(crate) struct Busy(Arc<Connection>);

impl Busy {
    pub(crate) fn new(connection: &Arc<Connection>) -> Self {
        connection.busy.fetch_add(1, Ordering::SeqCst);
        Self(Arc::clone(connection))
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.busy.fetch_sub(1, Ordering::SeqCst);
    }
}

/// All open connections, and whether the listeners are open.
#[derive(Debug)]
pub(crate) struct Connections {
    next: AtomicU64,
    open: Guarded<HashMap<u64, Arc<Connection>>>,
    cloud_refuses: watch::Sender<bool>,
    token_refuses: watch::Sender<bool>,
}

impl Default for Connections {
    fn default() -> Self {
        Self {
            next: AtomicU64::new(1),
            open: Guarded::default(),
            cloud_refuses: watch::Sender::new(false),
            token_refuses: watch::Sender::new(false),
        }
    }
}

impl Connections {
    pub(crate) fn open(&self) -> Arc<Connection> {
        let id = self.next.fetch_add(1, Ordering::SeqCst);
        let connection = Arc::new(Connection { id, cut: watch::Sender::new(false), busy: AtomicU64::new(0) });
        self.open.lock().insert(id, Arc::clone(&connection));
        connection
    }

    pub(crate) fn close(&self, id: u64) {
        self.open.lock().remove(&id);
    }

    /// Cuts the connections that fit; how many.
    pub(crate) fn cut(&self, fits: impl Fn(&Connection) -> bool) -> usize {
        let open = self.open.lock();
        open.values().filter(|connection| fits(connection)).map(|connection| connection.cut()).count()
    }

    pub(crate) fn refuse_cloud(&self, refuse: bool) {
        self.cloud_refuses.send_replace(refuse);
    }

    pub(crate) fn refuse_token(&self, refuse: bool) {
        self.token_refuses.send_replace(refuse);
    }

    pub(crate) fn cloud_refuses(&self) -> watch::Receiver<bool> {
        self.cloud_refuses.subscribe()
    }

    pub(crate) fn token_refuses(&self) -> watch::Receiver<bool> {
        self.token_refuses.subscribe()
    }
}
