//! The requests that ended last and who sent them, as programs read them: what was called, never what was said.

use serde::{Deserialize, Serialize};

use crate::daemon::report::Date;
use crate::observe::recent;
use crate::observe::traffic::Traffic;

/// Grows when a field changes its meaning or goes away; new fields may come at any time.
pub const VERSION: u32 = 1;

/// All that is kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Recent {
    /// [`VERSION`].
    pub version: u32,
    /// Now.
    #[serde(default)]
    pub time: Option<Date>,
    /// The requests that ended last, the newest first; 256 at the most.
    pub calls: Vec<Call>,
    /// The clients that were seen last, the last one first; 64 at the most.
    pub clients: Vec<ClientUse>,
}

/// A request that has ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Call {
    /// When it ended.
    pub at: Option<Date>,
    /// What the log calls it.
    pub request: String,
    /// Who sent it: the name of the client, else the user (`uid 1000`), else the address, else `-`.
    pub client: String,
    /// The upstream that it went to.
    pub upstream: Option<String>,
    /// The MCP server that it went to, as the upstream's catalogue calls it.
    pub server: Option<String>,
    /// The JSON-RPC method.
    pub method: Option<String>,
    /// The tool, prompt or resource.
    pub name: Option<String>,
    /// The method of the request.
    pub http_method: String,
    /// The path, without a query.
    pub path: String,
    /// The status of the answer; `None` if no answer had begun.
    pub status: Option<u16>,
    /// The rule that refused it.
    pub refused_by: Option<String>,
    /// How long it took, in microseconds.
    pub duration_us: u64,
    /// How many bytes of the answer's body went out.
    pub bytes: u64,
    /// How it ended: `complete`, `upstream broke off` or `client gone`.
    pub ending: String,
}

/// What one client did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClientUse {
    /// Who: as in [`Call::client`].
    pub client: String,
    /// Its requests that have ended, since it was first seen, or seen again after it had to make room.
    pub requests: u64,
    /// Those of them that a rule refused.
    pub refused: u64,
    /// The one that ended last.
    pub last: Call,
}

impl Recent {
    /// What is kept now.
    pub fn of(traffic: &Traffic, time: Option<Date>) -> Self {
        let calls = traffic.recent().into_iter().map(Call::from).collect();
        let clients = traffic.clients().into_iter().map(ClientUse::from).collect();
        Self { version: VERSION, time, calls, clients }
    }
}

impl From<recent::Ended> for Call {
    fn from(ended: recent::Ended) -> Self {
        Self {
            at: Date::of(Some(ended.at)),
            request: ended.request,
            client: ended.client,
            upstream: ended.upstream,
            server: ended.server,
            method: ended.method,
            name: ended.name,
            http_method: ended.http_method,
            path: ended.path,
            status: ended.status,
            refused_by: ended.refused_by,
            duration_us: ended.duration_us,
            bytes: ended.bytes,
            ending: ended.ending.to_owned(),
        }
    }
}

impl From<recent::ClientUse> for ClientUse {
    fn from(used: recent::ClientUse) -> Self {
        let recent::ClientUse { client, requests, refused, last } = used;
        Self { client, requests, refused, last: last.into() }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use http::{Method, StatusCode};

    use super::*;
    use crate::model::time::{Clock, Mono, Now, Wall};
    use crate::observe::access::Record;

    #[test]
    fn what_is_written_is_read_again_and_has_the_fields_that_are_documented() {
        let now = Now { wall: Wall::from_unix_seconds(1_800_000_000), mono: Mono::from_start(Default::default()) };
        let (traffic, clock) = (Arc::new(Traffic::default()), Clock::from_fn(move || now));
        let mut record = Record::begin(traffic.clone(), clock, None, None, Method::POST, "/mcp");
        record.status(StatusCode::OK);
        drop(record);
        let recent = Recent::of(&traffic, Date::of(Some(now.wall)));
        let text = serde_json::to_string(&recent).unwrap();
        assert_eq!(serde_json::from_str::<Recent>(&text).unwrap(), recent);
        let value: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(value["calls"][0], value["clients"][0]["last"]);
        assert_eq!(value["calls"][0]["at"], "2027-01-15T08:00:00Z");
        let document = include_str!("../../../docs/CONTROL.md");
        let fields = |value: &serde_json::Value| value.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
        for field in fields(&value).into_iter().chain(fields(&value["calls"][0])).chain(fields(&value["clients"][0])) {
            assert!(document.contains(&format!("`{field}`")), "docs/CONTROL.md says nothing of {field}");
        }
    }
}
