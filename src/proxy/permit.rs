//! What a client may do, applied to one request: its limits, and the rules about methods and tools, for which the body
//! is read. A client without rules passes without any of it.

use std::sync::Arc;
use std::time::Duration;

use http::Method;
use http::header::{self, HeaderMap, HeaderValue};
use http::request::Parts;
use http::uri::{PathAndQuery, Uri};

use crate::model::client::ClientName;
use crate::model::time::Clock;
use crate::observe::access::{MOST_CALLS, Record};
use crate::observe::kinds::RuleKind;
use crate::policy::client::Client;
use crate::policy::grant::{Refusal, TOOL_LIST};
use crate::policy::message::{self, Message, Target};
use crate::proxy::called::{self, argument_names};
use crate::proxy::quota::{Quotas, Slot};
use crate::proxy::refusal::{Refused, hold_against, kind_of, rule_of};
use crate::proxy::replay::{Kept, Ungathered};
use crate::proxy::reply::{self, Reply};
use crate::proxy::tools::Cutter;
use crate::proxy::upstream::Upstream;

/// As much of a body is read to apply rules to it. A longer one is refused.
const LONGEST_READ: usize = 4 * 1024 * 1024;

/// How long a body may be, and who says so.
#[derive(Debug, Clone, Copy)]
pub(super) struct BodyLimit<'a> {
    /// In bytes; `None` for no limit.
    pub(super) bytes: Option<u64>,
    client: Option<&'a ClientName>,
}

impl<'a> BodyLimit<'a> {
    /// The lower one of everybody's and the client's own.
    pub(super) fn of(everybodys: Option<u64>, client: Option<&'a Client>) -> Self {
        let own = client.and_then(|client| Some((client.grant.request_body_limit?, &client.name)));
        match own.filter(|(bytes, _)| everybodys.is_none_or(|limit| *bytes < limit)) {
            Some((bytes, name)) => Self { bytes: Some(bytes), client: Some(name) },
            None => Self { bytes: everybodys, client: None },
        }
    }

    /// The answer to a body that is beyond it; `None` as long as it is not.
    pub(super) fn refuses(&self, body: &Kept) -> Option<Reply> {
        let bytes = self.bytes.filter(|_| body.is_too_long())?;
        Some(Refused::too_long(bytes, self.setting()).plain_reply())
    }

    /// What sets it.
    pub(super) fn setting(&self) -> String {
        match self.client {
            Some(name) => format!("request_body of [[client]] {name}"),
            None => "limits.request_body".to_owned(),
        }
    }
}

/// What goes with a request that may pass.
#[derive(Debug, Default)]
pub(super) struct Permit {
    /// Counts as under way until it is dropped.
    pub(super) slot: Option<Slot>,
    /// Cuts the lists of tools in the answer.
    pub(super) cutter: Option<Cutter>,
    /// If the answer is a stream of HTTP+SSE, refusals of its messages are said there.
    pub(super) hears_refusals: bool,
}

/// What becomes of a request that may not pass.
#[derive(Debug)]
pub(super) struct Turned {
    /// The answer.
    pub(super) reply: Reply,
    /// The rule, as the audit trail names it.
    pub(super) rule: String,
    /// What kind of rule it is.
    pub(super) kind: RuleKind,
}

/// What a request is judged by.
pub(super) struct Bench<'a> {
    pub(super) quotas: &'a Quotas,
    pub(super) clock: &'a Clock,
    pub(super) upstream: &'a Arc<Upstream>,
    /// How long a body may pause.
    pub(super) patience: Duration,
}

/// Judges a request. Its headers are made fit for an answer that can be read, where it has to be.
///
/// # Errors
/// The answer that refuses it.
pub(super) async fn permit(
    bench: &Bench<'_>,
    client: &Arc<Client>,
    head: &mut Parts,
    body: &Kept,
    record: &mut Record,
) -> Result<Permit, Turned> {
    let slot = match bench.quotas.enter(client, bench.clock) {
        Ok(slot) => slot,
        Err(busy) => return Err(bench.refused(Refused::busy(&client.name, busy), head, body).await),
    };
    let opens_stream = head.method == Method::GET;
    if !client.grant.reads_messages() {
        let hears_refusals = opens_stream && slot.is_some();
        return Ok(Permit { slot, cutter: None, hears_refusals });
    }
    let lists_tools = match bench.judge(client, head, body, record).await {
        Ok(lists_tools) => lists_tools,
        Err(refused) => return Err(bench.refused(refused, head, body).await),
    };
    // The body was read, so the client has been asked for it.
    head.headers.remove(header::EXPECT);
    let cuts = client.grant.cuts_tool_lists() && (lists_tools || opens_stream);
    if cuts {
        head.headers.insert(header::ACCEPT_ENCODING, HeaderValue::from_static("identity"));
    }
    let cutter = cuts.then(|| Cutter::new(client.clone(), bench.upstream.known.clone(), bench.learns_from(&head.uri)));
    Ok(Permit { slot, cutter, hears_refusals: opens_stream })
}

impl Bench<'_> {
    /// Decides about the messages. True if one asks for a list of tools.
    async fn judge(&self, client: &Client, head: &Parts, body: &Kept, record: &mut Record) -> Result<bool, Refused> {
        if head.method != Method::POST {
            return match body.is_empty() {
                true => Ok(false),
                false => Err(Refused::undecided(&client.name, "has a body, and is no POST")),
            };
        }
        readable(&head.headers).map_err(|why| Refused::undecided(&client.name, why))?;
        let text = self.read(client, body).await?;
        let messages =
            message::read(&text).map_err(|why| Refused::undecided(&client.name, &format!("has a body that {why}")))?;
        hold_against(&head.headers, messages.list()).map_err(|why| Refused::mismatch(&why))?;
        let address = self.learns_from(&head.uri);
        let known = |tool: &str| self.upstream.known.is_read_only(&address, tool);
        let mut account = Account { record, client, text: &text, batch: messages.are_a_batch(), refused: 0 };
        let mut first = None;
        for message in messages.list() {
            let decided = client.grant.decide(message, known);
            account.add(message, decided.as_ref().err());
            if let Err(why) = decided
                && first.is_none()
            {
                first = Some(Refused::message(&client.name, &why, message, messages.are_a_batch()));
            }
        }
        if let Some(refused) = first {
            return Err(refused);
        }
        // What a server that does not look at case would answer with a list.
        let lists = |method: &str| method.eq_ignore_ascii_case(TOOL_LIST);
        Ok(messages.list().iter().any(|message| message.method().is_some_and(lists)))
    }

    async fn read(&self, client: &Client, body: &Kept) -> Result<bytes::Bytes, Refused> {
        let gathered = tokio::select! {
            gathered = body.gathered(LONGEST_READ) => gathered,
            () = body.rests_for(self.patience) => return Err(Refused::too_slow()),
        };
        gathered.map_err(|why| match why {
            Ungathered::TooLong => Refused::too_long_to_read(&client.name, LONGEST_READ),
            Ungathered::Intake(why) => Refused::undecided(&client.name, &format!("broke off: {why}")),
        })
    }

    /// The address whose lists say what the tools at `target` do: over HTTP+SSE the one that opened the stream.
    fn learns_from(&self, target: &Uri) -> String {
        let own = path_and_query(target);
        self.upstream.channels.opened(own).unwrap_or_else(|| own.to_owned())
    }

    /// The answer that refuses. To answer a JSON-RPC request its id is needed: the body is awaited, within its limits.
    async fn refused(&self, refused: Refused, head: &Parts, body: &Kept) -> Turned {
        let (rule, kind) = (refused.rule().to_owned(), refused.kind());
        Turned { reply: self.reply(refused, head, body).await, rule, kind }
    }

    async fn reply(&self, refused: Refused, head: &Parts, body: &Kept) -> Reply {
        if head.method != Method::POST || !refused.answers_a_message() {
            return refused.plain_reply();
        }
        let reading = tokio::time::timeout(self.patience, body.gathered(LONGEST_READ));
        let text = reading.await.ok().and_then(Result::ok).unwrap_or_default();
        // Over HTTP+SSE clients wait for the answer in their stream, and read none here.
        let said =
            refused.event(&text).is_some_and(|event| self.upstream.channels.say(path_and_query(&head.uri), event));
        if said { reply::accepted() } else { refused.reply(&text) }
    }
}

/// Tells the record of the messages that were read: of a batch all, of one alone if it is refused. What passes is told
/// when it has been sent.
struct Account<'a> {
    record: &'a mut Record,
    client: &'a Client,
    text: &'a [u8],
    batch: bool,
    refused: usize,
}

impl Account<'_> {
    fn add(&mut self, message: &Message<'_>, refusal: Option<&Refusal>) {
        let Some(method) = message.method() else { return };
        let name = match message.named() {
            Target::Text(name) if called::has_a_name(method) => Some(name.as_ref()),
            Target::Text(_) | Target::Absent | Target::Unclear => None,
        };
        match refusal {
            // There is room for no more of them; their number is told.
            Some(_) if self.refused >= MOST_CALLS => self.record.called(method, None),
            Some(why) => {
                self.refused += 1;
                self.record.call_refused(kind_of(why), method, name, rule_of(&self.client.name, why));
                if !self.batch && self.client.grant.log_argument_names {
                    self.record.argument_names(argument_names(self.text).iter().map(String::as_str));
                }
            }
            None if self.batch => self.record.called(method, name),
            None => {}
        }
    }
}

/// Path and query, as they are sent to the upstream.
pub(super) fn path_and_query(target: &Uri) -> &str {
    target.path_and_query().map_or("/", PathAndQuery::as_str)
}

/// Whether the headers say that the body is what we take it for. In words that follow "the request".
fn readable(headers: &HeaderMap) -> Result<(), &'static str> {
    if headers.contains_key(header::CONTENT_ENCODING) {
        return Err("has an encoded body (Content-Encoding)");
    }
    let mut types = headers.get_all(header::CONTENT_TYPE).iter();
    let (Some(only), None) = (types.next(), types.next()) else { return Err("needs one Content-Type") };
    let mut parts = only.as_bytes().split(|byte| *byte == b';').map(<[u8]>::trim_ascii);
    if !parts.next().is_some_and(|essence| essence.eq_ignore_ascii_case(b"application/json")) {
        return Err("is not application/json (Content-Type)");
    }
    // A server that obeyed another charset would read another text.
    let is_utf_8 = |part: &[u8]| {
        let value =
            part.iter().filter(|byte| !byte.is_ascii_whitespace() && **byte != b'"').copied().collect::<Vec<_>>();
        value.is_empty() || value.eq_ignore_ascii_case(b"charset=utf-8")
    };
    if parts.all(is_utf_8) { Ok(()) } else { Err("has a body with parameters other than charset=utf-8 (Content-Type)") }
}

#[cfg(test)]
mod tests {
    use http::HeaderName;

    use super::*;

    fn headers(pairs: &[(&str, &str)]) -> HeaderMap {
        let name = |name: &str| HeaderName::from_bytes(name.as_bytes()).unwrap();
        let mut headers = HeaderMap::new();
        for (key, value) in pairs {
            headers.append(name(key), value.parse().unwrap());
        }
        headers
    }

    #[test]
    fn a_body_is_read_if_its_headers_let_no_doubt() {
        for (pairs, says) in [
            (&[("content-type", "application/json")][..], None),
            (&[("content-type", "Application/JSON; charset=\"UTF-8\"")], None),
            (&[("content-type", "application/json;")], None),
            (&[("content-type", "application/json; charset=utf-7")], Some("charset")),
            (&[("content-type", "application/json; charset=utf-8; charset=utf-7")], Some("charset")),
            (&[("content-type", "text/plain")], Some("not application/json")),
            (&[("content-type", "application/json"), ("content-type", "text/plain")], Some("one Content-Type")),
            (&[], Some("one Content-Type")),
            (&[("content-type", "application/json"), ("content-encoding", "gzip")], Some("Content-Encoding")),
            (&[("content-type", "application/json"), ("content-encoding", "identity")], Some("Content-Encoding")),
        ] {
            let found = readable(&headers(pairs)).err();
            assert_eq!(found.is_some(), says.is_some(), "{pairs:?}: {found:?}");
            assert!(says.is_none_or(|says| found.is_some_and(|found| found.contains(says))), "{pairs:?}: {found:?}");
        }
    }
}
