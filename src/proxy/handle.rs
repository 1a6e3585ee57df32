//! The path of one request. Every step is a function; none goes back.
//!
//! `admit -> guard -> route -> token -> headers -> upstream -> relay -> record`

use std::sync::Arc;
use std::time::Duration;

use http::header::{self, HeaderValue};
use http::request::Parts;
use http::uri::Uri;
use http::{HeaderMap, Method, Request, Response};
use hyper::body::Incoming;

use crate::net::pool;
use crate::observe::access::Record;
use crate::observe::kinds::RuleKind;
use crate::policy::client::Client;
use crate::policy::grant::Grant;
use crate::proxy::admit;
use crate::proxy::body::AnswerBody;
use crate::proxy::caller::Caller;
use crate::proxy::channels::Channel;
use crate::proxy::connection::Exchange;
use crate::proxy::context::{Context, Snapshot};
use crate::proxy::endpoint::{self, Opened, Verdict};
use crate::proxy::error::Trouble;
use crate::proxy::intake::{self, Intake};
use crate::proxy::permit::{self, Bench, BodyLimit, Permit, permit};
use crate::proxy::refusal::Refused;
use crate::proxy::relay::{self, Relay};
use crate::proxy::replay::Kept;
use crate::proxy::reply::Reply;
use crate::proxy::route::{Decision, route, takes_messages};
use crate::proxy::told::Told;
use crate::proxy::tools::Cutter;
use crate::proxy::upstream::{Redirected, Upstream};
use crate::proxy::wait::Wait;
use crate::proxy::{cors, guard, headers, local, reply, tools, trace};

/// The longest path with its query, in bytes. RFC 9110 §4.1 asks for at least 8,000.
const LONGEST_TARGET: usize = 32 * 1024;
/// How long the head of an event stream with a length waits for its first event, which may change that length.
const SETTLING: Duration = Duration::from_secs(1);

/// Answers one request.
pub(super) async fn handle(
    context: Arc<Context>,
    caller: Caller,
    exchange: &Exchange,
    request: Request<Incoming>,
) -> Response<AnswerBody> {
    let (mut head, body) = request.into_parts();
    let now = context.snapshot();
    let mut record = Record::begin(
        context.traffic.clone(),
        context.clock.clone(),
        context.audit.clone(),
        Some(caller.peer),
        head.method.clone(),
        head.uri.path(),
    );
    trace::take_up(context.traffic.tracer(), &mut head.headers, &mut record);
    let Destined { origin, client, upstream, mut record } =
        match destined(&context, &now, &caller, &mut head, record).await {
            Ok(destined) => destined,
            Err(response) => {
                intake::use_up(&head, body).await;
                return response;
            }
        };
    let origin = origin.as_ref();
    let grant = client.as_ref().map_or(Grant::everything(), |client| &client.grant);
    let limit = BodyLimit::of(now.settings.request_body_limit, client.as_deref());
    let intake = Intake::new(body, exchange.upload(), limit.bytes, upstream.counters.usage.clone());
    let kept = Kept::new(intake, now.settings.replay_limit);
    if let Some(refused) = limit.refuses(&kept) {
        record.refused(RuleKind::Size, limit.setting());
        return authored(refused, origin, &head.method, record);
    }
    let permit = match &client {
        None => Permit::default(),
        Some(client) => {
            let bench = Bench {
                quotas: &context.quotas,
                clock: &context.clock,
                upstream: &upstream,
                patience: now.settings.header_timeout,
            };
            match permit(&bench, client, &mut head, &kept, &mut record).await {
                Ok(permit) => permit,
                Err(turned) => {
                    let arguments = grant.log_argument_names;
                    drop(Told { record: &mut record, head: &head, body: &kept, arguments });
                    let (reply, kind, rule) = match limit.refuses(&kept) {
                        Some(reply) => (reply, RuleKind::Size, limit.setting()),
                        None => (turned.reply, turned.kind, turned.rule),
                    };
                    record.refused(kind, rule);
                    return authored(reply, origin, &head.method, record);
                }
            }
        }
    };
    let asking = Asking { head: &head, origin, exchange, grant, limit, permit };
    forward(&context, &now, &upstream, asking, &kept, record).await
}

/// A request that may go to an upstream.
struct Destined {
    /// The web page that asks.
    origin: Option<HeaderValue>,
    client: Option<Arc<Client>>,
    upstream: Arc<Upstream>,
    record: Record,
}

/// Says where a request goes, from its head alone; or answers it. The path may become another one.
async fn destined(
    context: &Context,
    now: &Snapshot,
    caller: &Caller,
    head: &mut Parts,
    mut record: Record,
) -> Result<Destined, Response<AnswerBody>> {
    let admitted = match now.doors.admit(caller.entrance, head) {
        Ok(admitted) => admitted,
        Err(why) => {
            record.refused(why.kind(), why.rule());
            return Err(authored(reply::not_admitted(&why), None, &head.method, record));
        }
    };
    let origin = admitted.origin.as_ref();
    if target_length(head) > LONGEST_TARGET {
        record.refused(RuleKind::Size, "longest path and query");
        return Err(authored(reply::target_too_long(LONGEST_TARGET), origin, &head.method, record));
    }
    if admit::is_preflight(&head.method, &head.headers) {
        return Err(preflight(&head.headers, origin, record));
    }
    let began = record.began();
    let guarded = guard::admit(context, now, caller, &head.headers, began).await;
    caller.tell(&mut record, began);
    let client = match guarded {
        Ok(client) => client,
        Err(refused) => {
            record.refused(refused.kind(), refused.rule());
            return Err(authored(guard::refuse(&refused, head, context).await, origin, &head.method, record));
        }
    };
    if let Some(client) = &client {
        record.client(&client.name);
    }
    let grant = client.as_ref().map_or(Grant::everything(), |client| &client.grant);
    let upstream = match route(&head.method, head.uri.path(), grant, &now.mounts) {
        Decision::Forward(upstream) => upstream,
        Decision::ForwardTo(upstream, target) => {
            head.uri = target.into();
            upstream
        }
        Decision::Local(which) => {
            return Err(authored(local::answer(which, head, context).await, origin, &head.method, record));
        }
        Decision::Refuse(barred) => {
            let name = client.as_ref().map(|client| &client.name);
            record.refused(RuleKind::Servers, barred.rule(name));
            return Err(authored(reply::barred(&barred, name), origin, &head.method, record));
        }
        Decision::Gone => return Err(authored(reply::gone(), origin, &head.method, record)),
        Decision::NoUpstream => return Err(authored(reply::no_upstream(), origin, &head.method, record)),
    };
    Ok(Destined { origin: admitted.origin, client, upstream, record })
}

fn target_length(head: &Parts) -> usize {
    head.uri.path_and_query().map_or(0, |target| target.as_str().len())
}

/// A request that is forwarded.
struct Asking<'a> {
    head: &'a Parts,
    origin: Option<&'a HeaderValue>,
    exchange: &'a Exchange,
    grant: &'a Grant,
    limit: BodyLimit<'a>,
    permit: Permit,
}

async fn forward(
    context: &Context,
    now: &Arc<Snapshot>,
    upstream: &Arc<Upstream>,
    asking: Asking<'_>,
    asked: &Kept,
    mut record: Record,
) -> Response<AnswerBody> {
    let Asking { head, origin, exchange, grant, limit, permit } = asking;
    let Permit { slot, cutter, hears_refusals } = permit;
    record.upstream(&upstream.counters.usage);
    upstream.name_server(head.uri.path(), &mut record);
    let shut = context.gate.is_shut();
    if shut {
        record.refused(RuleKind::Incident, "incident");
    }
    let wait = Wait::new(&context.clock);
    let exchanged = {
        let _told = Told { record: &mut record, head, body: asked, arguments: grant.log_argument_names };
        match shut {
            true => Err(Trouble::Incident),
            false => upstream.exchange(head, asked, grant, &now.settings, &wait).await,
        }
    };
    match exchanged {
        Ok(response) => {
            let (mut answer, body) = response.into_parts();
            record.answered(&answer.headers, wait.total());
            let is_stream = headers::for_client(&mut answer.headers);
            if let Some(origin) = origin {
                cors::allow(&mut answer.headers, origin);
            }
            record.status(answer.status);
            // What failed is no list, and clients look closely at the words of a failure.
            let cutter = cutter.filter(|_| answer.status.is_success());
            if let Some(cutter) = cutter.as_ref().filter(|_| !is_stream && has_list(head, &answer.headers)) {
                return match tools::whole(&mut answer, body, cutter).await {
                    Ok(list) => {
                        let body = AnswerBody::whole(list, record).holding(slot);
                        finished(Response::from_parts(answer, body), &head.method)
                    }
                    Err(why) => {
                        let text = asked.passed().unwrap_or_default();
                        let refused = Refused::list(cutter.client(), &why);
                        record.refused(refused.kind(), refused.rule().to_owned());
                        authored(refused.reply(&text), origin, &head.method, record)
                    }
                };
            }
            let relay = if is_stream {
                exchange.is_event_stream();
                record.streams();
                if listens(head) {
                    record.endless();
                }
                let beside = Beside { cutter, hears_refusals };
                event_stream(context, now, upstream, head, &mut answer, body, beside).await
            } else {
                Relay::plain(body)
            };
            let body = AnswerBody::relayed(relay, record).holding(slot);
            finished(Response::from_parts(answer, body), &head.method)
        }
        Err(trouble) => {
            tracing::debug!(request_id = %record.id(), path = head.uri.path(), "{trouble:?}");
            record.failed(trouble.kind());
            if let Some(refused) = limit.refuses(asked) {
                record.refused(RuleKind::Size, limit.setting());
                return authored(refused, origin, &head.method, record);
            }
            // To answer a JSON-RPC request its id is needed: the rest of the body is awaited, within its limits.
            let reading = tokio::time::timeout(now.settings.header_timeout, asked.whole());
            let text = reading.await.ok().flatten();
            // Where nothing of it had been sent, nobody has looked into it before.
            drop(Told { record: &mut record, head, body: asked, arguments: grant.log_argument_names });
            let (name, supply) = (upstream.settings.name.as_str(), upstream.settings.supply);
            authored(reply::trouble(&trouble, name, supply, text.as_deref()), origin, &head.method, record)
        }
    }
}

/// True if the answer may be a list of tools that comes whole; an encoded one cannot be looked into.
fn has_list(head: &Parts, answer: &HeaderMap) -> bool {
    head.method == Method::POST || answer.contains_key(header::CONTENT_ENCODING)
}

/// What a client with rules needs of an event stream.
struct Beside {
    cutter: Option<Cutter>,
    hears_refusals: bool,
}

/// The body of an answer that is an event stream.
async fn event_stream(
    context: &Context,
    now: &Arc<Snapshot>,
    upstream: &Arc<Upstream>,
    head: &Parts,
    answer: &mut http::response::Parts,
    body: pool::Incoming,
    beside: Beside,
) -> Relay {
    let mut relay = Relay::plain(body);
    let has_rules = beside.cutter.is_some() || beside.hears_refusals;
    if has_rules {
        // Nobody knows how much will be cut, or said beside.
        answer.headers.remove(header::CONTENT_LENGTH);
    }
    if let Some(cutter) = beside.cutter {
        relay = relay.cut(cutter);
    }
    if listens(head) {
        relay = relay.ending_with(context.drain.clone());
    }
    let has_length = answer.headers.contains_key(header::CONTENT_LENGTH);
    if let Some(silence) = now.settings.sse_keep_alive.filter(|_| !has_length) {
        relay = relay.kept_alive(silence);
    }
    if head.method != Method::GET {
        return relay;
    }
    let channel = beside.hears_refusals.then(|| upstream.channels.open(permit::path_and_query(&head.uri).to_owned()));
    let (channel, inbox) = channel.unzip();
    if let Some(inbox) = inbox {
        relay = relay.hearing(inbox);
    }
    relay = relay.judged(endpoint_judge(now.clone(), upstream.clone(), head, answer, channel));
    if has_length && !relay.keeps_its_length(SETTLING).await {
        answer.headers.remove(header::CONTENT_LENGTH);
    }
    relay
}

/// Decides about the `endpoint` event of the stream that this GET opened.
fn endpoint_judge(
    now: Arc<Snapshot>,
    upstream: Arc<Upstream>,
    head: &Parts,
    answer: &http::response::Parts,
    channel: Option<Arc<Channel>>,
) -> relay::Judge {
    // Copies: a part of the head, kept for as long as the stream is silent, would keep all that was read with it.
    let target = |uri: &Uri| permit::path_and_query(uri).to_owned();
    let asked = target(&head.uri);
    let answered = answer.extensions.get().map_or_else(|| asked.clone(), |Redirected(uri)| target(uri));
    let opened = Opened { asked, answered };
    Box::new(move |reference| {
        let Some(reference) = reference else { return endpoint::unreadable(&upstream) };
        let routes = |path: &str| takes_messages(&upstream, path, &now.mounts);
        let verdict = endpoint::judge(reference, &opened, &upstream, routes);
        if let Some(channel) = channel
            && !matches!(verdict, Verdict::Refused)
            && let Some(target) = endpoint::target(reference, &opened, &upstream)
        {
            channel.named(target);
        }
        verdict
    })
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
