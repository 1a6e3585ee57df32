//! What is known of people and keys beside the configuration: it changes while the daemon runs.

use crate::policy::client::Owners;
use crate::policy::keys::KeyRing;

/// The register, as a request finds it.
#[derive(Debug, Clone, Default)]
pub struct Register {
    /// The user that runs the daemon.
    pub own: u32,
    /// The users who signed in, as far as they are known.
    pub signed_in: Vec<u32>,
    /// The client keys.
    pub keys: KeyRing,
}

impl Register {
    /// Users who count as the daemon's own.
    pub fn owners(&self) -> Owners<'_> {
        Owners { own: self.own, signed_in: &self.signed_in }
    }
}
