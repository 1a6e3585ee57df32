//! What the data path can be told.

use std::time::Duration;

use http::uri::Authority;

use crate::model::upstream::{Origin, UpstreamName};
use crate::policy::client::Clients;
use crate::policy::servers::ServerRules;

/// Settings of the data path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// Who may use it, and for what.
    pub clients: Clients,
    /// Names under which clients may address the daemon beside its own addresses, lower-case, without port.
    pub allowed_hosts: Vec<String>,
    /// Web origins that may call it, such as `https://app.example`.
    pub allowed_origins: Vec<String>,
    /// How long a client may take to send the head of a request, from its first byte to its last; also from the start of
    /// the connection.
    pub header_timeout: Duration,
    /// How long a connection is kept for the next request.
    pub idle_timeout: Duration,
    /// How many connections are open at once. Beyond them, idle ones are closed in favour of new ones.
    pub max_connections: usize,
    /// The longest body of a request, in bytes; `None` for no limit.
    pub request_body_limit: Option<u64>,
    /// Request bodies up to this many bytes are kept, so that they can be sent again after a renewal.
    pub replay_limit: usize,
    /// How long an upstream may take to begin its answer; `None` for no limit.
    pub first_byte_timeout: Option<Duration>,
    /// How long a request waits for a token that is being renewed.
    pub token_wait: Duration,
    /// An event stream that is silent for so long is kept alive with a comment; `None` for never.
    pub sse_keep_alive: Option<Duration>,
    /// How long requests may go on after the daemon was told to stop.
    pub drain_timeout: Duration,
}

/// What supplies the token of an upstream, as far as the words of an answer depend on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Supply {
    /// A person's login: that person may mend it by signing in.
    Login,
    /// A file or a command.
    Source,
    /// A service that gives tokens for API credentials.
    Credentials,
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
    /// What supplies its token.
    pub supply: Supply,
    /// Which of its servers may be used.
    pub rules: ServerRules,
}

impl UpstreamSettings {
    /// What stands in the `Host` header of requests to it.
    pub fn authority(&self) -> &Authority {
        self.origin.authority()
    }
}
