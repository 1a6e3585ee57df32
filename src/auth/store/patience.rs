//! Waiting for the lock of a saved login while another process has it.

use std::time::Duration;

use crate::auth::store::{Lock, Store};

/// How often a held lock is tried again, and for how long: a renewal that is under way holds it.
const STEP: Duration = Duration::from_millis(50);
const TRIES: u32 = 600;

/// Another process has held the lock for too long.
#[derive(Debug, thiserror::Error)]
#[error(
    "another process has held the lock of the saved login {0} for half a minute. See that no other mcp-proxy hangs, then \
     try again"
)]
pub struct Busy(String);

impl Store {
    /// Waits for the lock. `None` when the state directory cannot hold one: a login that cannot be locked is better
    /// used than lost.
    ///
    /// # Errors
    /// When another process does not let it go.
    pub async fn lock(&self) -> Result<Option<Lock>, Busy> {
        for _ in 0..TRIES {
            match self.try_lock() {
                Ok(Some(lock)) => return Ok(Some(lock)),
                Ok(None) => tokio::time::sleep(STEP).await,
                Err(error) => {
                    tracing::debug!("no lock beside {}: {error}", self.path().display());
                    return Ok(None);
                }
            }
        }
        Err(Busy(self.path().display().to_string()))
    }
}
