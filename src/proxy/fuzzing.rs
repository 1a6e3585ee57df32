//! Doors for the fuzz targets in `fuzz/` and the measurements in `benches/`, built with `--cfg fuzzing` or
//! `--cfg measuring` alone: the private steps of a request, each by itself, and nothing that the program does not do.

use std::net::IpAddr;
use std::sync::Arc;

use bytes::Bytes;
use http::header::{HeaderMap, HeaderValue};
use http::request::Parts;
use http::uri::Uri;

use crate::model::client::ClientName;
use crate::net;
use crate::net::stream_client::StreamClient;
use crate::observe::usage::Usage;
use crate::policy::client::{Client, Criteria};
use crate::policy::grant::Grant;
use crate::policy::pattern::{Pattern, Patterns};
use crate::proxy::admit::{Doors, Entrance};
use crate::proxy::endpoint::{FirstEvent, Found};
use crate::proxy::headers;
use crate::proxy::route::{Decision, route};
use crate::proxy::server::{Mounted, ServerError};
use crate::proxy::sse::EventBoundary;
use crate::proxy::tools::{Cutter, EventCutter};
use crate::proxy::upstream::{Counters, Upstream};

/// What a request meets before anything is sent.
#[derive(Debug)]
pub struct Front {
    entrance: Entrance,
    doors: Doors,
    mounts: Vec<Arc<Upstream>>,
}

/// What becomes of the head of a request.
#[derive(Debug, PartialEq, Eq)]
pub enum Fate {
    /// It is not addressed to us, or its sender may not ask.
    NotAdmitted,
    /// We answer it ourselves.
    Answered,
    /// A server list refuses it.
    Refused,
    /// No upstream is mounted there.
    NoUpstream,
    /// No address of the upstream can be made of it.
    NoTarget,
    /// It goes to this address.
    Forwarded(Uri),
}

impl Front {
    /// The front of a TCP listener that is bound to `bound`; `upstreams` with the longest mount first.
    ///
    /// # Errors
    /// When the parts do not fit.
    pub fn new(
        bound: IpAddr,
        hosts: &[String],
        origins: &[String],
        upstreams: Vec<Mounted>,
    ) -> Result<Self, ServerError> {
        let client = StreamClient::new(&net::Settings::default())?;
        let mount = |Mounted { settings, tokens, catalogue, unknown }| {
            let counters = Counters { usage: Arc::new(Usage::of(&settings.name.to_string())), tally: Arc::default() };
            Arc::new(Upstream::new(settings, tokens, (catalogue, unknown), &client, counters))
        };
        let mounts = upstreams.into_iter().map(mount).collect();
        Ok(Self { entrance: Entrance::Tcp(bound), doors: Doors::new(hosts, origins), mounts })
    }

    /// Admits and routes.
    pub fn look(&self, head: &Parts) -> Fate {
        if self.doors.admit(self.entrance, head).is_err() {
            return Fate::NotAdmitted;
        }
        match route(&head.method, head.uri.path(), &Grant::default(), &self.mounts) {
            // No stream has named an endpoint here, so none is remembered.
            Decision::Local(_) | Decision::ForwardTo(..) | Decision::Gone => Fate::Answered,
            Decision::Refuse(_) => Fate::Refused,
            Decision::NoUpstream => Fate::NoUpstream,
            Decision::Forward(upstream) => upstream.target(&head.uri).map_or(Fate::NoTarget, Fate::Forwarded),
        }
    }
}

/// What of a client's headers is for the upstream.
pub fn for_upstream(said: &HeaderMap, authorization: HeaderValue) -> HeaderMap {
    headers::for_upstream(said, authorization)
}

/// Makes an upstream's headers fit for the client.
pub fn for_client(headers: &mut HeaderMap) {
    headers::for_client(headers);
}

/// Follows a stream that comes in `pieces`. Answers where the last whole event ends, if one does, and whether the
/// stream ends between two events.
pub fn boundary<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> (Option<usize>, bool) {
    let mut boundary = EventBoundary::default();
    let (mut passed, mut whole) = (0, None);
    for piece in pieces {
        whole = boundary.last_in(piece).map(|end| passed + end).or(whole);
        boundary.pass(piece);
        passed += piece.len();
    }
    (whole, boundary.is_between())
}

/// What comes of a stream with lists of tools.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cut {
    /// What passes to the client.
    pub passed: Vec<u8>,
    /// Whether it was ended, because it holds what cannot be cut.
    pub broken: bool,
}

/// Passes a stream on that arrives in `pieces`, for a client that may not call `tool`.
///
/// # Panics
/// When that is no name of a tool.
pub fn cut<'a>(pieces: impl IntoIterator<Item = &'a [u8]>, tool: &str) -> Cut {
    let (Ok(pattern), Some(name)) = (Pattern::parse(tool), ClientName::parse("fuzzed")) else { panic!("{tool:?}") };
    let tools = Patterns { allowed: Vec::new(), blocked: vec![pattern] };
    let client = Arc::new(Client { name, criteria: Criteria::default(), grant: Grant { tools, ..Grant::default() } });
    let mut events = EventCutter::new(Cutter::new(client, Arc::default(), "/mcp".to_owned()));
    let mut passed = Vec::new();
    for piece in pieces {
        let cut = events.pass(&Bytes::copy_from_slice(piece));
        passed.extend(cut.over.concat());
        if cut.trouble.is_some() {
            return Cut { passed, broken: true };
        }
    }
    let rest = events.rest();
    passed.extend(rest.iter().flatten());
    Cut { passed, broken: rest.is_err() }
}

/// What comes of an HTTP+SSE stream that arrives in `pieces`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Relayed {
    /// What passes to the client.
    pub passed: Vec<u8>,
    /// The reference in its `endpoint` event, if it begins with one that can be read.
    pub reference: Option<String>,
    /// Whether it was ended, because it begins with one that cannot be read.
    pub withheld: bool,
}

/// Passes a stream on, with another reference in its `endpoint` event if `instead` gives one.
pub fn relayed<'a>(pieces: impl IntoIterator<Item = &'a [u8]>, instead: Option<&str>) -> Relayed {
    let mut relayed = Relayed { passed: Vec::new(), reference: None, withheld: false };
    let mut first = Some(FirstEvent::default());
    for piece in pieces {
        let Some(event) = &mut first else {
            relayed.passed.extend_from_slice(piece);
            continue;
        };
        match event.pass(Bytes::copy_from_slice(piece)) {
            Found::Nothing(bytes) => relayed.passed.extend_from_slice(&bytes),
            Found::Other(bytes) => {
                relayed.passed.extend_from_slice(&bytes);
                first = None;
            }
            Found::Endpoint(event) => {
                relayed.reference = Some(event.reference());
                let bytes = match instead {
                    Some(instead) => event.with(instead),
                    None => event.unchanged(),
                };
                relayed.passed.extend_from_slice(&bytes);
                first = None;
            }
            Found::Unreadable => return Relayed { withheld: true, ..relayed },
        }
    }
    if let Some(event) = &mut first {
        relayed.passed.extend_from_slice(&event.rest());
    }
    relayed
}
