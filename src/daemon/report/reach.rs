//! Whether the upstreams can be reached, as programs read it.

use serde::{Deserialize, Serialize};

use crate::daemon::report::Date;

/// Grows when a field changes its meaning or goes away; new fields may come at any time.
pub const VERSION: u32 = 1;

/// All upstreams.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reachability {
    /// [`VERSION`].
    pub version: u32,
    /// When they were tried; moments ago at most.
    pub time: Option<Date>,
    /// In the order of their names.
    pub upstreams: Vec<Reached>,
}

/// One upstream.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reached {
    /// Its name.
    pub upstream: String,
    /// How long it took to answer, in microseconds; `None` if it gave no answer.
    pub duration_us: Option<u64>,
    /// The status of its answer. Without a token 401 or 404 is a good sign: it is there.
    pub status: Option<u16>,
    /// Why there is no answer.
    pub problem: Option<String>,
}

impl Reached {
    /// True if something answered, and not a gateway that says that it is away (RFC 9110 §15.6).
    pub fn is_well(&self) -> bool {
        self.status.is_some_and(|status| status < 500)
    }
}
