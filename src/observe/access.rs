//! One record per request: who asked, for what, what was decided, what came of it, how long it took. It becomes a line of
//! the log, with fields for the journal, and a line of the audit trail. Never a body, a query value, a code or a token.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use http::{HeaderMap, Method, StatusCode};

use crate::model::certificate::Fingerprint;
use crate::model::client::ClientName;
use crate::model::peer::Peer;
use crate::model::time::{Clock, Mono};
use crate::observe::audit::Audit;
use crate::observe::audit::event::{Call, Caller, Event, Request, Server, Verdict};
use crate::observe::text::shown;
use crate::observe::traffic::{RequestId, Traffic};

/// The target of these lines, for `log.level` and for those who write them.
pub(super) const TARGET: &str = "mcp_proxy::access";
/// The fields that the message does not repeat.
pub(super) const IN_NO_MESSAGE: [&str; 2] = ["request_id", "upstream_request_id"];
/// Headers by which upstreams name a request, the first one that is there counts.
const REQUEST_IDS: [&str; 2] = ["x-acs-request-id", "x-request-id"];
/// How many calls of a batch are kept.
pub const MOST_CALLS: usize = 32;
/// How many names of arguments are kept of a call.
const MOST_ARGUMENTS: usize = 32;

/// How a request ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ending {
    /// The whole answer went out.
    Complete,
    /// The upstream broke the answer off.
    UpstreamBroke,
    /// The client went away, or the daemon stopped.
    ClientGone,
}

/// The record of one request. It is written exactly once: when it is dropped.
#[derive(Debug)]
pub struct Record {
    traffic: Arc<Traffic>,
    clock: Clock,
    audit: Option<Audit>,
    began: Mono,
    /// Taken out when the record is written.
    request: Option<Box<Request>>,
    status: Option<StatusCode>,
    bytes: u64,
    /// The answer has no end of its own: it goes on until the client leaves.
    endless: bool,
    ending: Ending,
}

impl Record {
    /// Begins the record of a request. `path` is the path alone.
    pub fn begin(
        traffic: Arc<Traffic>,
        clock: Clock,
        audit: Option<Audit>,
        peer: Option<Peer>,
        method: Method,
        path: &str,
    ) -> Self {
        let now = clock.now();
        let uid = match peer {
            Some(Peer::Unix(credentials)) => Some(credentials.uid),
            _ => None,
        };
        let request = Request {
            id: traffic.begin(),
            began: now.wall,
            duration_us: 0,
            peer,
            caller: Caller { uid, ..Caller::default() },
            http_method: method,
            path: path.to_owned(),
            calls: Vec::new(),
            more_calls: 0,
            upstream: None,
            server: None,
            upstream_request_id: None,
            verdict: Verdict::Allowed,
            rule: None,
            status: None,
            bytes_out: 0,
            ending: "",
        };
        Self {
            traffic,
            clock,
            audit,
            began: now.mono,
            request: Some(Box::new(request)),
            status: None,
            bytes: 0,
            endless: false,
            ending: Ending::ClientGone,
        }
    }

    /// What the log calls this request.
    pub fn id(&self) -> RequestId {
        self.request.as_ref().map(|request| request.id).unwrap_or_default()
    }

    /// True if somebody will read what is recorded.
    pub fn is_read(&self) -> bool {
        self.audit.is_some() || tracing::enabled!(target: TARGET, tracing::Level::INFO)
    }

    /// The client of the configuration that the caller is.
    pub fn client(&mut self, name: &ClientName) {
        self.note(|request| request.caller.name = Some(name.clone()));
    }

    /// What the machine knows of the process that calls: its user, and the systemd unit that it belongs to.
    pub fn caller(&mut self, uid: Option<u32>, unit: Option<&str>) {
        self.note(|request| {
            request.caller.uid = uid.or(request.caller.uid);
            request.caller.unit = unit.map(|unit| shown(unit, &[]));
        });
    }

    /// The caller has shown this certificate, and it is good.
    pub fn certificate(&mut self, fingerprint: Fingerprint) {
        self.note(|request| request.caller.certificate = Some(fingerprint));
    }

    /// A rule refuses the request: named by its key in the configuration, `[[client]] dify: blocked_tools has x`. The
    /// first one counts.
    pub fn refused(&mut self, rule: impl Into<Cow<'static, str>>) {
        self.note(|request| {
            request.verdict = Verdict::Refused;
            let rule = rule.into();
            request.rule.get_or_insert_with(|| shown(&rule, &[]).into());
        });
    }

    /// What the request calls: a JSON-RPC method, and the name of a tool, prompt or resource. Both come from the client.
    /// Once for each message of a batch.
    pub fn called(&mut self, method: &str, name: Option<&str>) {
        self.note(|request| {
            if request.calls.len() >= MOST_CALLS {
                request.more_calls += 1;
                return;
            }
            let name = name.map(|name| shown(without_query(name), &[]));
            request.calls.push(Call { method: shown(method, &[]), name, argument_names: None, rule: None });
        });
    }

    /// True if it is known what the request calls.
    pub fn knows_calls(&self) -> bool {
        self.request.as_ref().is_some_and(|request| !request.calls.is_empty())
    }

    /// The names of the arguments of the call that was recorded last; never their values.
    pub fn argument_names<'a>(&mut self, names: impl IntoIterator<Item = &'a str>) {
        self.note(|request| {
            if let Some(call) = request.calls.last_mut().filter(|_| request.more_calls == 0) {
                let names = names.into_iter().take(MOST_ARGUMENTS).map(|name| shown(name, &[]));
                call.argument_names = Some(names.collect());
            }
        });
    }

    /// The same of a call that a rule refuses; with it the record is one of a refusal. Where there is no room, it takes
    /// that of one that is not refused.
    pub fn call_refused(&mut self, method: &str, name: Option<&str>, rule: impl Into<Cow<'static, str>>) {
        let rule: Cow<'static, str> = rule.into();
        self.note(|request| {
            if request.calls.len() >= MOST_CALLS
                && let Some(allowed) = request.calls.iter().rposition(|call| call.rule.is_none())
            {
                request.calls.remove(allowed);
                request.more_calls += 1;
            }
        });
        let before = self.request.as_ref().map_or(0, |request| request.calls.len());
        self.called(method, name);
        self.note(|request| {
            if let Some(call) = request.calls.get_mut(before) {
                call.rule = Some(shown(&rule, &[]).into());
            }
        });
        self.refused(rule);
    }

    /// The upstream that it goes to.
    pub fn upstream(&mut self, name: &str) {
        self.note(|request| request.upstream = Some(name.to_owned()));
    }

    /// The MCP server that it goes to, as the upstream's catalogue has it.
    pub fn server(&mut self, name: &str, id: &str) {
        self.note(|request| request.server = Some(Server { name: shown(name, &[]), id: shown(id, &[]) }));
    }

    /// The head of the upstream's answer: it may say what the upstream's own log calls this request.
    pub fn answered(&mut self, headers: &HeaderMap) {
        let id = REQUEST_IDS.iter().find_map(|name| headers.get(*name)?.to_str().ok());
        self.note(|request| request.upstream_request_id = id.map(|id| shown(id, &[])));
    }

    fn note(&mut self, note: impl FnOnce(&mut Request)) {
        // It is there until the record is dropped.
        if let Some(request) = &mut self.request {
            note(request);
        }
    }

    /// The answer's status is known.
    pub fn status(&mut self, status: StatusCode) {
        self.status = Some(status);
    }

    /// The answer goes on until the client leaves, which is then no failure.
    pub fn endless(&mut self) {
        self.endless = true;
    }

    /// So many more bytes of the answer's body were handed over.
    pub fn sent(&mut self, bytes: usize) {
        self.bytes = self.bytes.saturating_add(bytes as u64);
    }

    /// The answer's body ended as it should.
    pub fn complete(&mut self) {
        self.ending = Ending::Complete;
    }

    /// The upstream broke the answer's body off.
    pub fn upstream_broke(&mut self) {
        self.ending = Ending::UpstreamBroke;
    }
}

impl Drop for Record {
    fn drop(&mut self) {
        let complete = match self.ending {
            Ending::Complete => true,
            Ending::ClientGone => self.endless,
            Ending::UpstreamBroke => false,
        };
        let good = self.status.is_some_and(|status| status.as_u16() < 400);
        self.traffic.end(complete && good, self.status, self.bytes);
        let Some(mut request) = self.request.take() else { return };
        let duration = self.clock.now().mono.since(self.began);
        request.duration_us = u64::try_from(duration.as_micros()).unwrap_or(u64::MAX);
        request.status = self.status.map(|status| status.as_u16());
        request.bytes_out = self.bytes;
        request.ending = self.ending.words();
        log(&request, self.ending, duration);
        if let Some(audit) = &self.audit {
            audit.record_at(request.began, Event::Request(request));
        }
    }
}

/// The line of the log. The journal's field names are these in upper case.
fn log(request: &Request, ending: Ending, duration: Duration) {
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
        match ending {
            Ending::Complete => "",
            Ending::UpstreamBroke => " (upstream broke off)",
            Ending::ClientGone => " (client gone)",
        },
        ShownClient(request),
        ShownRule(request.rule.as_deref()),
    );
}

impl Ending {
    fn words(self) -> &'static str {
        match self {
            Self::Complete => "complete",
            Self::UpstreamBroke => "upstream broke off",
            Self::ClientGone => "client gone",
        }
    }
}

/// What a line says of the calls: the first one that is refused, else the first one.
struct Called<'a>(Option<&'a Call>);

impl<'a> Called<'a> {
    fn of(calls: &'a [Call]) -> Self {
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

/// The name of a resource is a URI: what may be secret in one is left out.
fn without_query(name: &str) -> &str {
    name.split(['?', '#']).next().unwrap_or_default()
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

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(method: Method, mark: fn(&mut Record)) -> (u64, u64) {
        let traffic = Arc::new(Traffic::default());
        let mut record = Record::begin(traffic.clone(), Clock::system(), None, None, method, "/mcp");
        record.status(StatusCode::OK);
        mark(&mut record);
        drop(record);
        (traffic.counts().success, traffic.counts().error)
    }

    #[test]
    fn leaving_an_endless_stream_is_no_failure() {
        assert_eq!(counts(Method::GET, Record::endless), (1, 0));
        assert_eq!(counts(Method::POST, |_| ()), (0, 1));
        assert_eq!(counts(Method::GET, |record| (record.endless(), record.upstream_broke()).1), (0, 1));
    }
}
