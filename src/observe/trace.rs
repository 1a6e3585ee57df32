//! Spans: one for each request that belongs to a trace which is recorded. Whoever has one hands it over and goes on; a
//! queue of limited length leads to whoever sends them.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::mpsc;

use crate::model::client::ClientName;
use crate::model::peer::Peer;
use crate::model::time::Wall;
use crate::model::trace::{SAMPLED, SpanId, TraceId, TraceParent};
use crate::observe::audit::event::Request;
use crate::observe::kinds::Failure;
use crate::observe::line::called;

/// How many spans may wait. What comes on top is lost, and counted.
const MOST: usize = 2048;

/// Takes spans. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Tracer(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    queue: mpsc::Sender<Span>,
    sent: AtomicU64,
    lost: AtomicU64,
}

/// The place of a request in its trace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// The trace, our span, and the flags of whoever began it.
    pub own: TraceParent,
    /// The span that ours belongs to; `None` if the trace begins with ours.
    pub parent: Option<SpanId>,
}

/// What is told of one request. Never a body, a query value, an argument or a token.
#[derive(Debug, Clone, PartialEq)]
pub struct Span {
    /// Where it belongs.
    pub place: Place,
    /// The JSON-RPC method with the name of the tool, else the method of the request.
    pub name: String,
    /// When the request began.
    pub began: Wall,
    /// How long it took, in microseconds.
    pub duration_us: u64,
    /// What kind of error it ended with, if it did.
    pub error: Option<String>,
    /// What else is known, by the names of OpenTelemetry's conventions where there are any.
    pub attributes: Vec<(&'static str, Value)>,
}

/// The value of an attribute.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// A text.
    Text(String),
    /// A number.
    Number(u64),
}

impl Tracer {
    /// A tracer, and where its spans arrive.
    pub fn new() -> (Self, mpsc::Receiver<Span>) {
        let (queue, spans) = mpsc::channel(MOST);
        (Self(Arc::new(Shared { queue, sent: AtomicU64::new(0), lost: AtomicU64::new(0) })), spans)
    }

    /// A span of our own in the trace of `parent`, or in a new one. `None` if the system has no randomness.
    pub fn begin(&self, parent: Option<TraceParent>) -> Option<Place> {
        let (mut trace, mut span) = ([0; 16], [0; 8]);
        getrandom::fill(&mut span).ok()?;
        let (trace, flags) = match parent {
            Some(parent) => (parent.trace, parent.flags),
            None => {
                getrandom::fill(&mut trace).ok()?;
                (TraceId::new(trace)?, SAMPLED)
            }
        };
        let own = TraceParent { trace, span: SpanId::new(span)?, flags };
        Some(Place { own, parent: parent.map(|parent| parent.span) })
    }

    pub(super) fn record(&self, span: Span) {
        if self.0.queue.try_send(span).is_err() {
            self.lost(1);
        }
    }

    /// So many spans were taken by whoever gathers them.
    pub fn sent(&self, spans: u64) {
        self.0.sent.fetch_add(spans, Ordering::Relaxed);
    }

    /// So many spans were lost.
    pub fn lost(&self, spans: u64) {
        self.0.lost.fetch_add(spans, Ordering::Relaxed);
    }

    /// How many spans were sent and how many lost, since the start.
    pub fn counts(&self) -> (u64, u64) {
        (self.0.sent.load(Ordering::Relaxed), self.0.lost.load(Ordering::Relaxed))
    }
}

impl Span {
    /// The span of a request that has ended; `whole` if its answer ended as it should.
    pub(super) fn of(request: &Request, place: Place, failure: Option<Failure>, whole: bool) -> Self {
        let call = called(&request.calls);
        let tool = call.and_then(|call| call.name.as_deref());
        let name = match (call, tool) {
            (Some(call), Some(tool)) => format!("{} {tool}", call.method),
            (Some(call), None) => call.method.clone(),
            (None, _) => request.http_method.to_string(),
        };
        let error = match (failure, request.status) {
            (Some(failure), _) => Some(failure.as_str().to_owned()),
            (None, Some(status @ 500..)) => Some(status.to_string()),
            (None, _) => (!whole).then(|| request.ending.to_owned()),
        };
        let (began, duration_us) = (request.began, request.duration_us);
        Self { place, name, began, duration_us, error, attributes: attributes(request) }
    }
}

fn attributes(request: &Request) -> Vec<(&'static str, Value)> {
    let call = called(&request.calls);
    let method = call.map(|call| call.method.as_str());
    let name_is = match method {
        Some("tools/call") => "gen_ai.tool.name",
        Some("prompts/get") => "gen_ai.prompt.name",
        _ => "mcp.resource.uri",
    };
    let address = match request.peer {
        Some(Peer::Tcp(address)) => Some(address.ip().to_string()),
        _ => None,
    };
    let texts = [
        ("http.request.method", Some(request.http_method.as_str())),
        ("url.path", Some(request.path.as_str())),
        ("client.address", address.as_deref()),
        ("mcp.method.name", method),
        (name_is, call.and_then(|call| call.name.as_deref())),
        ("mcp_proxy.client", request.caller.name.as_ref().map(ClientName::as_str)),
        ("mcp_proxy.upstream", request.upstream.as_deref()),
        ("mcp_proxy.server", request.server.as_ref().map(|server| server.name.as_str())),
        ("mcp_proxy.upstream_request_id", request.upstream_request_id.as_deref()),
        ("mcp_proxy.refused_by", request.rule.as_deref()),
        ("mcp_proxy.ending", Some(request.ending)),
    ];
    let texts = texts.into_iter().filter_map(|(name, text)| Some((name, Value::Text(text?.to_owned()))));
    let numbers = [
        ("http.response.status_code", request.status.map(u64::from)),
        ("http.response.body.size", Some(request.bytes_out)),
    ];
    let numbers = numbers.into_iter().filter_map(|(name, number)| Some((name, Value::Number(number?))));
    let id = ("mcp_proxy.request_id", Value::Text(request.id.to_string()));
    texts.chain(numbers).chain([id]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_span_continues_the_trace_of_its_parent_or_begins_one() {
        let (tracer, _spans) = Tracer::new();
        let parent = TraceParent::parse("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-03").unwrap();
        let Place { own, parent: of } = tracer.begin(Some(parent)).unwrap();
        assert_eq!((own.trace, own.flags, of), (parent.trace, 3, Some(parent.span)));
        assert_ne!(own.span, parent.span);
        let (first, second) = (tracer.begin(None).unwrap(), tracer.begin(None).unwrap());
        assert_eq!((first.parent, first.own.is_sampled()), (None, true));
        assert_ne!((first.own.trace, first.own.span), (second.own.trace, second.own.span));
    }

    #[test]
    fn what_there_is_no_room_for_is_counted() {
        let (tracer, mut spans) = Tracer::new();
        let place = tracer.begin(None).unwrap();
        let began = Wall::from_unix_seconds(0);
        let span = Span { place, name: String::new(), began, duration_us: 0, error: None, attributes: Vec::new() };
        (0..MOST + 3).for_each(|_| tracer.record(span.clone()));
        assert_eq!(tracer.counts(), (0, 3));
        assert_eq!(spans.try_recv().unwrap(), span);
        tracer.record(span);
        assert_eq!(tracer.counts(), (0, 3), "there is room again");
    }
}
