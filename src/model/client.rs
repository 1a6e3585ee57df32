//! The name of a client: what its rule is called in the configuration, the log and refusals.

use std::fmt;
use std::sync::Arc;

use crate::model::upstream::UpstreamName;

/// The name of a client: 1 to 32 lower-case letters, digits and `-`, beginning with a letter. Cheap to clone.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ClientName(Arc<str>);

impl ClientName {
    /// Reads a name; `None` if it is not a legal one. The rule is that of upstreams.
    pub fn parse(text: &str) -> Option<Self> {
        UpstreamName::parse(text).map(|name| Self(name.as_str().into()))
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ClientName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
