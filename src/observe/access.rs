//! One record per request: who asked, for what, what was decided, what came of it, how long it took. It becomes a line of
//! the log, with fields for the journal, and a line of the audit trail. Never a body, a query value, a code or a token.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use http::{HeaderMap, HeaderName, Method, StatusCode};

use crate::model::certificate::Fingerprint;
use crate::model::client::ClientName;
use crate::model::peer::Peer;
use crate::model::time::{Clock, Mono, Wall};
use crate::model::trace::TraceId;
use crate::observe::audit::Audit;
use crate::observe::audit::event::{Call, Caller, Event, Request, Server, Verdict};
use crate::observe::kinds::{Breaker, Failure, RuleKind};
use crate::observe::line::{called, log};
use crate::observe::recent::Entry;
use crate::observe::text::shown;
use crate::observe::trace::{Place, Span};
use crate::observe::traffic::{RequestId, Traffic};
use crate::observe::usage::{Counted, Usage};

/// Headers by which upstreams name a request, the first one that is there counts.
static REQUEST_IDS: [HeaderName; 2] =
    [HeaderName::from_static("x-acs-request-id"), HeaderName::from_static("x-request-id")];
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
    /// The counters of the upstream that it goes to.
    usage: Option<Arc<Usage>>,
    /// What kind of rule refused it.
    refused: Option<RuleKind>,
    /// Why its upstream gave no answer.
    failure: Option<Failure>,
    /// Our span in its trace.
    span: Option<Place>,
    /// The answer is an event stream.
    stream: bool,
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
            trace_id: None,
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
            usage: None,
            refused: None,
            failure: None,
            span: None,
            stream: false,
            endless: false,
            ending: Ending::ClientGone,
        }
    }

    /// When the request began.
    pub fn began(&self) -> Wall {
        self.request.as_ref().map_or(Wall::from_unix_millis(0), |request| request.began)
    }

    /// What the log calls this request.
    pub fn id(&self) -> RequestId {
        self.request.as_ref().map(|request| request.id).unwrap_or_default()
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

    /// A rule of that kind refuses the request: named by its key in the configuration, `[[client]] dify: blocked_tools
    /// has x`. The first one counts.
    pub fn refused(&mut self, kind: RuleKind, rule: impl Into<Cow<'static, str>>) {
        self.refused.get_or_insert(kind);
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
    pub fn call_refused(
        &mut self,
        kind: RuleKind,
        method: &str,
        name: Option<&str>,
        rule: impl Into<Cow<'static, str>>,
    ) {
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
        self.refused(kind, rule);
    }

    /// The upstream that it goes to, with its counters.
    pub fn upstream(&mut self, usage: &Arc<Usage>) {
        self.note(|request| request.upstream = Some(usage.upstream().to_owned()));
        self.usage = Some(usage.clone());
    }

    /// The upstream gives no answer.
    pub fn failed(&mut self, why: Failure) {
        self.failure = Some(why);
        self.usage().failed(why);
    }

    /// The trace that it belongs to.
    pub fn trace(&mut self, trace: TraceId) {
        self.note(|request| request.trace_id = Some(trace));
    }

    /// A span of it is recorded.
    pub fn span(&mut self, place: Place) {
        self.trace(place.own.trace);
        self.span = Some(place);
    }

    /// The answer is an event stream.
    pub fn streams(&mut self) {
        if !std::mem::replace(&mut self.stream, true) {
            self.usage().stream_opened();
        }
    }

    /// The MCP server that it goes to, as the upstream's catalogue has it.
    pub fn server(&mut self, name: &str, id: &str) {
        self.note(|request| request.server = Some(Server { name: shown(name, &[]), id: shown(id, &[]) }));
    }

    /// The head of the upstream's answer, which was waited for so long: it may say what the upstream's own log calls this
    /// request.
    pub fn answered(&mut self, headers: &HeaderMap, waited: Duration) {
        let until_now = self.clock.mono().since(self.began);
        self.usage().answered(waited, until_now.saturating_sub(waited));
        let id = REQUEST_IDS.iter().find_map(|name| headers.get(name)?.to_str().ok());
        self.note(|request| request.upstream_request_id = id.map(|id| shown(id, &[])));
    }

    fn usage(&self) -> &Arc<Usage> {
        self.usage.as_ref().unwrap_or(self.traffic.own())
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
        self.usage().sent(bytes);
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
        self.traffic.end(complete && good);
        let Some(mut request) = self.request.take() else { return };
        let now = self.clock.now();
        let duration = now.mono.since(self.began);
        request.duration_us = u64::try_from(duration.as_micros()).unwrap_or(u64::MAX);
        request.status = self.status.map(|status| status.as_u16());
        request.bytes_out = self.bytes;
        request.ending = self.ending.words();
        self.count(&request, duration);
        if self.has_line(&request, complete && good, now.mono, duration) {
            log(&request, self.ending.remark(), now.wall, duration);
        }
        if let Some((place, tracer)) = self.span.zip(self.traffic.tracer()) {
            tracer.record(Span::of(&request, place, self.failure, complete));
        }
        self.traffic.note(Entry::of(&mut request, now.wall, self.audit.is_some()));
        if let Some(audit) = &self.audit {
            audit.record_at(request.began, Event::Request(request));
        }
    }
}

impl Record {
    /// What a person will look for always has a line.
    fn has_line(&self, request: &Request, success: bool, now: Mono, took: Duration) -> bool {
        let calls_tool = || request.calls.iter().any(|call| call.method == "tools/call");
        if !success || request.verdict == Verdict::Refused || calls_tool() {
            return true;
        }
        let method = called(&request.calls).map(|call| call.method.as_str());
        self.traffic.routine.gets_line(now, method, took, self.bytes)
    }

    fn count(&self, request: &Request, duration: Duration) {
        let broken_by = match self.ending {
            Ending::Complete => None,
            Ending::UpstreamBroke => Some(Breaker::Upstream),
            Ending::ClientGone => (!self.endless).then_some(Breaker::Client),
        };
        let usage = self.usage();
        usage.ended(Counted {
            server: request.server.as_ref().map(|server| server.name.as_str()),
            method: called(&request.calls).map(|call| call.method.as_str()),
            status: request.status,
            took: (!self.endless).then_some(duration),
            broken_by,
        });
        if self.stream {
            usage.stream_ended();
        }
        if let Some(kind) = self.refused {
            self.traffic.refused(kind);
        }
    }
}

impl Ending {
    fn words(self) -> &'static str {
        match self {
            Self::Complete => "complete",
            Self::UpstreamBroke => "upstream broke off",
            Self::ClientGone => "client gone",
        }
    }

    /// What a line says of it, if it says anything.
    fn remark(self) -> &'static str {
        match self {
            Self::Complete => "",
            Self::UpstreamBroke => " (upstream broke off)",
            Self::ClientGone => " (client gone)",
        }
    }
}

/// The name of a resource is a URI: what may be secret in one is left out.
fn without_query(name: &str) -> &str {
    name.split(['?', '#']).next().unwrap_or_default()
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
