//! What the stand-in has seen and done.

use std::collections::BTreeMap;

use serde::Serialize;

/// Counters since the start. `open_*` go down again; everything else only grows.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// Sign-ins that ended with a code.
    pub authorizations: u64,
    /// Sign-ins that the person (or the setting) denied.
    pub denials: u64,
    /// Authorization requests answered with an error page.
    pub authorize_refused: u64,
    /// Calls of the token endpoint, whatever came of them.
    pub token_calls: u64,
    /// Codes exchanged for tokens.
    pub code_exchanges: u64,
    /// Code exchanges refused.
    pub code_exchanges_failed: u64,
    /// Refreshes that gave a token.
    pub refreshes: u64,
    /// Refreshes refused, by a rule or by a fault.
    pub refreshes_failed: u64,
    /// Calls of the revocation endpoint.
    pub revocations: u64,
    /// Signed API calls per action, whatever came of them.
    pub api: BTreeMap<String, u64>,
    /// Signed API calls answered with an error, per code.
    pub api_errors: BTreeMap<String, u64>,
    /// Signed API calls whose signature was right, per access key id.
    pub api_keys: BTreeMap<String, u64>,
    /// Requests to the gateway's data plane.
    pub gateway_requests: u64,
    /// Of these, answered 401.
    pub gateway_unauthorized: u64,
    /// Of these, answered 403.
    pub gateway_forbidden: u64,
    /// Of these, answered by an injected fault.
    pub gateway_faults: u64,
    /// Bytes of response bodies that the gateway has handed to connections: how far a slow
    /// reader lets it get.
    pub gateway_response_bytes: u64,
    /// TCP connections accepted by the TLS listeners.
    pub connections: u64,
    /// TCP connections open now.
    pub open_connections: u64,
    /// Event streams started by the gateway.
    pub streams: u64,
    /// Event streams open now.
    pub open_streams: u64,
    /// Event streams that the other side left before their end.
    pub cancelled_streams: u64,
    /// Tool calls per `server/tool`.
    pub mcp_calls: BTreeMap<String, u64>,
    /// Tool calls given up before their end, by a notice or by a closed stream.
    pub mcp_cancellations: u64,
    /// Messages posted to the old HTTP+SSE transport.
    pub legacy_messages: u64,
}

impl Counts {
    /// Calls of one API action.
    pub fn api_calls(&self, action: &str) -> u64 {
        self.api.get(action).copied().unwrap_or(0)
    }

    /// Calls of one tool, named `server/tool`.
    pub fn tool_calls(&self, name: &str) -> u64 {
        self.mcp_calls.get(name).copied().unwrap_or(0)
    }
}

/// Adds one to a named counter.
pub(crate) fn bump(map: &mut BTreeMap<String, u64>, name: &str) {
    *map.entry(name.to_owned()).or_default() += 1;
}
