//! What a daemon says of itself, as programs read it. No secret is in it; docs/STATUS.md describes the fields.

pub mod clients;
mod date;
pub mod login;
pub mod reach;
pub mod recent;
pub mod servers;

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

pub use self::date::Date;
use self::login::Login;

/// Grows when a field changes its meaning or goes away; new fields may come at any time.
pub const VERSION: u32 = 1;

/// The whole of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Status {
    /// [`VERSION`].
    pub version: u32,
    /// Now.
    pub time: Option<Date>,
    /// The version of the program.
    pub program: String,
    /// The process id.
    pub pid: u32,
    /// How long it has been running, in seconds.
    pub uptime: u64,
    /// True if requests to every upstream can be served.
    pub ready: bool,
    /// Where it listens for clients.
    pub listens: Vec<String>,
    /// Where it keeps logins.
    pub state_dir: PathBuf,
    /// What it has done.
    pub requests: Requests,
    /// In the order of their names.
    pub upstreams: Vec<Upstream>,
    /// What is wrong.
    pub conditions: Vec<Condition>,
}

/// The counters of requests since the start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Requests {
    /// That began.
    pub total: u64,
    /// That have not ended.
    pub active: u64,
    /// That ended with a status below 400 and a whole body.
    pub success: u64,
    /// That ended otherwise.
    pub error: u64,
    /// Bytes of bodies that were handed to clients.
    pub bytes: u64,
}

/// One upstream.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Upstream {
    /// Its name.
    pub name: String,
    /// The path below which requests go to it.
    pub mount: String,
    /// Where it is.
    pub url: String,
    /// What supplies its token.
    pub source: Source,
    /// Where its API credentials come from; never what they are. `None` if it has none now, or needs none.
    #[serde(default)]
    pub api_credentials: Option<String>,
    /// True if requests can be served.
    pub serves: bool,
    /// When its token ends, when known.
    pub token_ends: Option<Date>,
    /// Renewals that gave a new token.
    pub renewals: u64,
    /// Renewals that failed.
    pub renewal_failures: u64,
    /// When the last renewal succeeded.
    pub last_renewal: Option<Date>,
    /// When the next renewal is due.
    pub next_renewal: Option<Date>,
    /// The login, if that is the source.
    pub login: Option<Login>,
    /// How a person signs in, if there is a login.
    pub sign_in: Option<SignInDoor>,
}

/// What supplies the token of an upstream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Source {
    /// A person's login.
    Login,
    /// The cloud, for API credentials.
    AccessKey,
    /// A file.
    File,
    /// A command.
    Command,
}

/// What a sign-in at the daemon needs to agree with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SignInDoor {
    /// Where the browser arrives.
    pub redirect_uri: String,
    /// The OAuth application that is configured.
    pub application: String,
    /// The site.
    pub site: String,
    /// The scope.
    pub scope: String,
    /// Where the daemon has API credentials from, if it has any to find the application with.
    pub api_credentials: Option<String>,
}

/// Something that is wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Condition {
    /// Its name; docs/OPERATING.md lists them.
    pub name: String,
    /// What it concerns: the name of an upstream.
    pub subject: String,
    /// What is wrong.
    pub reason: String,
    /// What to do about it.
    pub remedy: String,
    /// Since when.
    pub since: Option<Date>,
}
