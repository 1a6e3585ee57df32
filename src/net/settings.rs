//! What the network layer can be told.

use std::path::PathBuf;
use std::time::Duration;

/// Settings of both HTTP clients.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// A PEM file with certificate authorities to trust beside the system's.
    pub extra_ca_file: Option<PathBuf>,
    /// How long name resolution, TCP and TLS may take together.
    pub connect_timeout: Duration,
    /// How long a short call (token endpoint, cloud API) may take from first to last byte.
    pub api_timeout: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self { extra_ca_file: None, connect_timeout: Duration::from_secs(10), api_timeout: Duration::from_secs(30) }
    }
}
