//! The path of one request. Every step is a function; none goes back.
//!
//! `admit -> route -> token -> headers -> upstream -> relay -> record`

use std::net::SocketAddr;
use std::sync::Arc;

use http::header::{self, HeaderValue};
use http::request::Parts;
use http::{HeaderMap, Method, Request, Response};
use hyper::body::Incoming;

use crate::observe::access::Record;
use crate::proxy::admit;
use crate::proxy::body::AnswerBody;
use crate::proxy::context::Context;
use crate::proxy::relay::Relay;
use crate::proxy::replay::Kept;
use crate::proxy::reply::Reply;
use crate::proxy::route::{Decision, route};
use crate::proxy::upstream::Upstream;
use crate::proxy::{cors, headers, local, reply};

/// Answers one request.
pub(super) async fn handle(
    context: Arc<Context>,
    client: SocketAddr,
    request: Request<Incoming>,
) -> Response<AnswerBody> {
    let (head, body) = request.into_parts();
    let record = Record::begin(
        context.traffic.clone(),
        context.clock.clone(),
        Some(client),
        head.method.clone(),
        head.uri.path(),
    );
    let admitted = match context.doors.admit(&head) {
        Ok(admitted) => admitted,
        Err(why) => return authored(reply::not_admitted(&why), None, &head.method, record),
    };
    let origin = admitted.origin.as_ref();
    if admit::is_preflight(&head.method, &head.headers) {
        return preflight(&head.headers, origin, record);
    }
    let upstream = match route(&head.method, head.uri.path(), &context.mounts) {
        Decision::Forward(upstream) => upstream,
        Decision::Local(which) => {
            return authored(local::answer(which, &head, &context).await, origin, &head.method, record);
        }
        Decision::Refuse(denied) => return authored(reply::denied(&denied), origin, &head.method, record),
        Decision::NoUpstream => return authored(reply::no_upstream(), origin, &head.method, record),
    };
    forward(&context, &upstream, &head, body, origin, record).await
}

async fn forward(
    context: &Context,
    upstream: &Upstream,
    head: &Parts,
    body: Incoming,
    origin: Option<&HeaderValue>,
    mut record: Record,
) -> Response<AnswerBody> {
    let kept = Kept::new(body, context.settings.replay_limit);
    match upstream.exchange(head, &kept, &context.settings).await {
        Ok(response) => {
            let (mut answer, body) = response.into_parts();
            headers::for_client(&mut answer.headers);
            if let Some(origin) = origin {
                cors::allow(&mut answer.headers, origin);
            }
            record.status(answer.status);
            let relay = if headers::is_event_stream(&answer.headers) && listens(head) {
                record.endless();
                Relay::event_stream(body, context.drain.clone())
            } else {
                Relay::plain(body)
            };
            finished(Response::from_parts(answer, AnswerBody::relayed(relay, record)), &head.method)
        }
        Err(trouble) => {
            tracing::debug!(path = head.uri.path(), "{trouble:?}");
            // To answer a JSON-RPC request its id is needed: the rest of the body is awaited, within its limits.
            let reading = tokio::time::timeout(context.settings.header_timeout, kept.whole());
            let asked = reading.await.ok().flatten();
            let (name, has_login) = (upstream.settings.name.as_str(), upstream.settings.has_login);
            authored(reply::trouble(&trouble, name, has_login, asked.as_deref()), origin, &head.method, record)
        }
    }
}

/// True if the request listens for whatever comes, for as long as it lasts. When the daemon stops, such a stream ends
/// at once; the stream that answers a call goes on until the answer is there, or the time is up.
fn listens(head: &Parts) -> bool {
    head.method == Method::GET || head.headers.get("mcp-method").is_some_and(|name| name == "subscriptions/listen")
}

/// Sends an answer of our own.
fn authored(reply: Reply, origin: Option<&HeaderValue>, method: &Method, mut record: Record) -> Response<AnswerBody> {
    record.status(reply.status());
    let (mut parts, body) = reply.into_parts();
    if let Some(origin) = origin {
        cors::allow(&mut parts.headers, origin);
    }
    finished(Response::from_parts(parts, AnswerBody::whole(body, record)), method)
}

fn preflight(asked: &HeaderMap, origin: Option<&HeaderValue>, record: Record) -> Response<AnswerBody> {
    let mut reply = reply::preflight();
    cors::allow_request(reply.headers_mut(), asked.get(header::ACCESS_CONTROL_REQUEST_HEADERS));
    authored(reply, origin, &Method::OPTIONS, record)
}

fn finished(response: Response<AnswerBody>, method: &Method) -> Response<AnswerBody> {
    match *method {
        Method::HEAD => response.map(AnswerBody::nobody_reads),
        _ => response,
    }
}
