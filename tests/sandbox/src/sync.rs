//! A mutex that survives a panic elsewhere, and the one way to start a task.
//!
//! A panicking handler must not take the whole stand-in down with a poisoned lock, so the
//! poison is ignored: every critical section here is a short, complete update.

use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::task::JoinHandle;

/// A value behind a lock that is held for a few instructions and never across an await.
#[derive(Debug, Default)]
pub(crate) struct Guarded<T>(Mutex<T>);

impl<T> Guarded<T> {
    pub(crate) fn new(value: T) -> Self {
        Self(Mutex::new(value))
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, T> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A task that ends when its owner goes.
#[derive(Debug)]
pub(crate) struct OwnedTask(JoinHandle<()>);

impl OwnedTask {
    #[expect(clippy::disallowed_methods, reason = "the task is owned: it ends with this value")]
    pub(crate) fn spawn(future: impl Future<Output = ()> + Send + 'static) -> Self {
        Self(tokio::spawn(future))
    }

    /// Ends the task and waits until it is gone.
    pub(crate) async fn stop(mut self) {
        self.0.abort();
        // The error only says that the task was aborted, which is what was asked for.
        let _ = (&mut self.0).await;
    }
}

impl Drop for OwnedTask {
    fn drop(&mut self) {
        self.0.abort();
    }
}
