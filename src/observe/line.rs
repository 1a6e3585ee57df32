//! The line of the log that the record of a request becomes.

use std::fmt;
use std::time::Duration;

use crate::model::client::ClientName;
use crate::model::peer::Peer;
use crate::observe::audit::event::{Call, Request};

/// The target of these lines, for `log.level` and for those who write them.
pub(super) const TARGET: &str = "mcp_proxy::access";
/// The fields that the message does not repeat.
pub(super) const IN_NO_MESSAGE: [&str; 3] = ["request_id", "upstream_request_id", "trace_id"];

/// The line of the log. The journal's field names are these in upper case.
pub(super) fn log(request: &Request, remark: &str, duration: Duration) {
    let caller = &request.caller;
    let called = Called::of(&request.calls);
    tracing::info!(
        target: TARGET,
        request_id = %request.id,
        http_method = request.http_method.as_str(),
        path = request.path,
        mcp_method = called.0.map(|call| call.method.as_str()),
        mcp_name = called.0.and_then(|call| call.name.as_deref()),
        mcp_argument_names = called.0.and_then(|call| Some(call.argument_names.as_ref()?.join(" "))),
        upstream = request.upstream,
        server = request.server.as_ref().map(|server| server.name.as_str()),
        server_id = request.server.as_ref().map(|server| server.id.as_str()),
        upstream_request_id = request.upstream_request_id,
        trace_id = request.trace_id.map(tracing::field::display),
        client = request.peer.map(|peer| tracing::field::display(Origin(peer))),
        client_name = caller.name.as_ref().map(ClientName::as_str),
        client_uid = caller.uid,
        client_unit = caller.unit,
        client_certificate = caller.certificate.map(tracing::field::display),
        verdict = request.verdict.as_str(),
        rule = request.rule.as_deref(),
        status = request.status,
        duration_us = request.duration_us,
        bytes_out = request.bytes_out,
        ending = request.ending,
        "{} {}{} {} {} B {:.1} ms{}{}{}",
        request.http_method,
        request.path,
        called,
        Shown(request.status),
        request.bytes_out,
        duration.as_secs_f64() * 1e3,
        remark,
        ShownClient(request),
        ShownRule(request.rule.as_deref()),
    );
}

/// What a line says of the calls: the first one that is refused, else the first one.
pub(super) struct Called<'a>(pub(super) Option<&'a Call>);

impl<'a> Called<'a> {
    pub(super) fn of(calls: &'a [Call]) -> Self {
        Self(calls.iter().find(|call| call.rule.is_some()).or(calls.first()))
    }
}

impl fmt::Display for Called<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(Call { method, name, .. }) = self.0 else { return Ok(()) };
        [Some(method), name.as_ref()].into_iter().flatten().try_for_each(|word| write!(f, " {word}"))
    }
}

/// A client without what is another one at each connection, so that the journal can be searched for it.
struct Origin(Peer);

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Peer::Tcp(address) => address.ip().fmt(f),
            Peer::Unix(credentials) => write!(f, "uid {}", credentials.uid),
        }
    }
}

struct Shown(Option<u16>);

impl fmt::Display for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(status) => write!(f, "{status}"),
            None => f.write_str("-"),
        }
    }
}

struct ShownClient<'a>(&'a Request);

impl fmt::Display for ShownClient<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(peer) = self.0.peer {
            write!(f, " from {peer}")?;
        }
        match &self.0.caller.name {
            Some(name) => write!(f, " ({name})"),
            None => Ok(()),
        }
    }
}

struct ShownRule<'a>(Option<&'a str>);

impl fmt::Display for ShownRule<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(rule) => write!(f, " refused: {rule}"),
            None => Ok(()),
        }
    }
}
