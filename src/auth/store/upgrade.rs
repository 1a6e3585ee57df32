//! From plain text to encrypted, as soon as there is a key.

use crate::auth::store::{Protection, Store};

impl Store {
    /// Encrypts the saved login if it is plain text although there is a key. Does not wait for another process that
    /// is using it. What does not work now is done by the next renewal, and no reason to do without the login.
    pub fn encrypt_what_is_plain(&self) {
        if self.key.is_none() || self.protection() != Some(Protection::Plain) {
            return;
        }
        let file = self.path().display();
        let done = match self.try_lock() {
            Ok(Some(_lock)) => self.reseal_as(self).map_err(|error| error.to_string()),
            Ok(None) => Err("another process is using it".to_owned()),
            Err(error) => Err(error.to_string()),
        };
        match done {
            Ok(true) => tracing::info!(%file, "the saved login is encrypted now"),
            Ok(false) => {}
            Err(reason) => {
                tracing::warn!(%file, "the saved login is not encrypted yet: {reason}. The next renewal encrypts it");
            }
        }
    }
}
