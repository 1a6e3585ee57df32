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

/// What a listener with TLS shows and asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsSettings {
    /// A PEM file with the certificate, and with those that lead from it to its authority.
    pub certificate_file: PathBuf,
    /// A PEM file with the private key of that certificate.
    pub key_file: PathBuf,
    /// The key is a credential of systemd, whose permissions are systemd's own.
    pub key_is_credential: bool,
    /// A PEM file with the authorities whose certificates clients may show; `None` asks for none.
    pub client_ca_file: Option<PathBuf>,
    /// Whether every client must show one.
    pub require_client_certificate: bool,
}
