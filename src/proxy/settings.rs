//! What the data path can be told.

use std::time::Duration;

use http::uri::Authority;

use crate::model::upstream::{Origin, UpstreamName};
use crate::proxy::policy::ServerRules;

/// Settings of the data path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// Names under which clients may address the daemon beside its own addresses, lower-case, without port.
    pub allowed_hosts: Vec<String>,
    /// Web origins that may call it, such as `https://app.example`.
    pub allowed_origins: Vec<String>,
    /// How long a client may take to send the head of a request; an idle connection is closed after it too.
    pub header_timeout: Duration,
    /// How many connections are served at once; more wait in the kernel's queue.
    pub max_connections: usize,
    /// Request bodies up to this many bytes are kept, so that they can be sent again after a renewal.
    pub replay_limit: usize,
    /// How long an upstream may take to begin its answer; `None` for no limit.
    pub first_byte_timeout: Option<Duration>,
    /// How long a request waits for a token that is being renewed.
    pub token_wait: Duration,
    /// How long requests may go on after the daemon was told to stop.
    pub drain_timeout: Duration,
}

/// Settings of one upstream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UpstreamSettings {
    /// Its name.
    pub name: UpstreamName,
    /// The path below which requests go to it; whole segments, `/` for all.
    pub mount: String,
    /// Where it is.
    pub origin: Origin,
    /// True if its token is a person's login, false if a source gives it.
    pub has_login: bool,
    /// Which of its servers may be used.
    pub rules: ServerRules,
}

impl UpstreamSettings {
    /// What stands in the `Host` header of requests to it.
    pub fn authority(&self) -> &Authority {
        self.origin.authority()
    }
}
