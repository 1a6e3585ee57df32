//! What a client reads when its own rules refuse a request: which rule, and of which `[[client]]`.
//!
//! A JSON-RPC request gets a JSON-RPC error with status 200, for that is what every client shows to its person. What
//! cannot be answered so gets a status, with the same words.

use std::time::Duration;

use bytes::Bytes;
use http::header::{self, HeaderValue};
use http::{HeaderMap, StatusCode};
use hyper::ext::ReasonPhrase;

use crate::model::client::ClientName;
use crate::model::time::in_words;
use crate::observe::kinds::RuleKind;
use crate::observe::text::shown;
use crate::policy::grant::Refusal;
use crate::policy::message::{Message, Target};
use crate::proxy::called;
use crate::proxy::quota::Busy;
use crate::proxy::reply::{self, Reply};
use crate::proxy::rpc::{self, Code};
use crate::proxy::tools::NotCut;

/// Words that refuse, and how.
#[derive(Debug)]
pub(super) struct Refused {
    status: StatusCode,
    code: Code,
    text: String,
    rule: String,
    kind: RuleKind,
    retry_after: Option<u64>,
}

impl Refused {
    fn new(kind: RuleKind, status: StatusCode, code: Code, text: String, rule: String) -> Self {
        Self { status, code, text, rule, kind, retry_after: None }
    }

    /// What kind of rule it is.
    pub(super) fn kind(&self) -> RuleKind {
        self.kind
    }

    /// The rule, as the audit trail names it.
    pub(super) fn rule(&self) -> &str {
        &self.rule
    }

    /// A message that its rules refuse.
    pub(super) fn message(client: &ClientName, why: &Refusal, message: &Message<'_>, in_batch: bool) -> Self {
        let method = shown(message.method().unwrap_or_default(), &[]);
        let tool = match message.name() {
            Target::Text(name) => shown(name, &[]),
            Target::Absent | Target::Unclear => String::new(),
        };
        let key = why.key();
        let rule = rule_of(client, why);
        let what = match why {
            Refusal::MethodBlocked(pattern) => {
                format!("the method {method} is blocked for this client ({key} of [[client]] {client} has {pattern})")
            }
            Refusal::MethodNotAllowed => format!(
                "the method {method} is not allowed for this client (no entry of {key} of [[client]] {client} fits)"
            ),
            Refusal::MethodUnclear => {
                format!(
                    "{method:?} is no plain name of a method, so the rules of [[client]] {client} cannot be applied to it"
                )
            }
            Refusal::ToolBlocked(pattern) => {
                format!("the tool {tool} is blocked for this client ({key} of [[client]] {client} has {pattern})")
            }
            Refusal::ToolNotAllowed => {
                format!(
                    "the tool {tool} is not allowed for this client (no entry of {key} of [[client]] {client} fits)"
                )
            }
            Refusal::ToolUnclear => format!(
                "the request does not say plainly which tool it calls, so the rules of [[client]] {client} cannot be applied"
            ),
            Refusal::ToolWrites => format!(
                "this client may only read ({key} of [[client]] {client}), and the server does not say of the tool {tool} \
                 that it changes nothing (readOnlyHint)"
            ),
            Refusal::ToolUnknown => format!(
                "this client may only read ({key} of [[client]] {client}), and it is not known yet whether the tool {tool} \
                 changes anything. Have the client list the tools of this server (tools/list), then try again"
            ),
        };
        let rest = if in_batch { ". Nothing of the batch was sent" } else { "" };
        Self::new(kind_of(why), StatusCode::FORBIDDEN, Code::Refused, format!("Access denied: {what}{rest}"), rule)
    }

    /// A request to which the rules cannot be applied: what is wrong with it, in words that follow "the request".
    pub(super) fn undecided(client: &ClientName, why: &str) -> Self {
        let text =
            format!("Access denied: the request {why}, so the rules of [[client]] {client} cannot be applied to it");
        Self::new(RuleKind::Unreadable, StatusCode::FORBIDDEN, Code::Refused, text, unreadable(client))
    }

    /// Headers that say something else than the body (MCP 2026-07-28, Streamable HTTP, server validation).
    pub(super) fn mismatch(why: &str) -> Self {
        let text =
            format!("Header mismatch: {why}. Nothing was sent on, since this client has rules about methods or tools");
        let rule = "headers say what the body says".to_owned();
        Self::new(RuleKind::Unreadable, StatusCode::BAD_REQUEST, Code::HeaderMismatch, text, rule)
    }

    /// A body that is longer than `limit` bytes, which the text `setting` sets.
    pub(super) fn too_long(limit: u64, setting: String) -> Self {
        let text = format!(
            "the body of the request is longer than the {limit} bytes that this mcp-proxy lets pass. If it should, raise \
             {setting}"
        );
        Self::new(RuleKind::Size, StatusCode::PAYLOAD_TOO_LARGE, Code::Refused, text, setting)
    }

    /// A body that is too long to be read by the rules.
    pub(super) fn too_long_to_read(client: &ClientName, limit: usize) -> Self {
        let text = format!(
            "the body of the request is longer than {limit} bytes, which is as much as mcp-proxy reads to apply the rules \
             about methods and tools of [[client]] {client}"
        );
        Self::new(RuleKind::Size, StatusCode::PAYLOAD_TOO_LARGE, Code::Refused, text, unreadable(client))
    }

    /// A body that did not come.
    pub(super) fn too_slow() -> Self {
        let text = "the body of the request did not come in time (limits.header_timeout)".to_owned();
        let rule = "limits.header_timeout".to_owned();
        Self::new(RuleKind::Unreadable, StatusCode::REQUEST_TIMEOUT, Code::TryAgain, text, rule)
    }

    /// A request too many.
    pub(super) fn busy(client: &ClientName, busy: Busy) -> Self {
        let (kind, key) = match busy {
            Busy::Concurrent(_) => (RuleKind::Concurrency, "concurrent_requests"),
            Busy::Fast(..) => (RuleKind::Rate, "requests_per_minute"),
        };
        let (text, wait) = match busy {
            Busy::Concurrent(most) => (
                format!(
                    "too many requests at once: {most} of this client are under way, as many as \
                     concurrent_requests of [[client]] {client} allows. Try again when one has ended"
                ),
                Duration::from_secs(1),
            ),
            Busy::Fast(limit, wait) => {
                // A part of a second is a second: sooner would be too soon.
                let wait = Duration::from_secs(wait.as_secs() + u64::from(wait.subsec_nanos() > 0));
                let text = format!(
                    "too many requests: this client may send {limit} a minute (requests_per_minute of [[client]] \
                     {client}). Try again in {}",
                    in_words(wait)
                );
                (text, wait)
            }
        };
        let rule = format!("[[client]] {client}: {key}");
        let refused = Self::new(kind, StatusCode::TOO_MANY_REQUESTS, Code::TooMany, text, rule);
        Self { retry_after: Some(wait.as_secs()), ..refused }
    }

    /// A list of tools that cannot be cut.
    pub(super) fn list(client: &ClientName, why: &NotCut) -> Self {
        let text = format!(
            "the list of tools does not pass: {why}, so what [[client]] {client} may not call cannot be taken out of it"
        );
        Self::new(RuleKind::Unreadable, StatusCode::BAD_GATEWAY, Code::Upstream, text, unreadable(client))
    }

    /// True if the words are about a message, which then gets them as its answer. Others are about the request.
    pub(super) fn answers_a_message(&self) -> bool {
        matches!(self.status, StatusCode::FORBIDDEN | StatusCode::TOO_MANY_REQUESTS | StatusCode::BAD_GATEWAY)
    }

    /// The answer to a request with that body, as far as it was read.
    pub(super) fn reply(self, body: &[u8]) -> Reply {
        match rpc::error_for(body, self.code, &self.text) {
            Some(error) => self.with_retry_after(reply::json(StatusCode::OK, error)),
            None => self.plain_reply(),
        }
    }

    /// The answer to what is no request: a status, and a JSON-RPC error without an id.
    pub(super) fn plain_reply(self) -> Reply {
        let mut reply = reply::json(self.status, rpc::error_without_id(self.code, &self.text));
        // Clients that open an event stream show no body of a failure, but many show this line (RFC 9112 §4).
        if let Ok(reason) = ReasonPhrase::try_from(self.text.clone().into_bytes()) {
            reply.extensions_mut().insert(reason);
        }
        self.with_retry_after(reply)
    }

    /// The event that answers a request with that body in the stream of HTTP+SSE; `None` if there is nothing to answer.
    pub(super) fn event(&self, body: &[u8]) -> Option<Bytes> {
        let error = rpc::error_for(body, self.code, &self.text)?;
        Some([b"event: message\ndata: ".as_slice(), &error, b"\n\n"].concat().into())
    }

    fn with_retry_after(&self, mut reply: Reply) -> Reply {
        if let Some(seconds) = self.retry_after {
            reply.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        reply
    }
}

/// The rule of a client that refuses a message, as the audit trail names it.
pub(super) fn rule_of(client: &ClientName, why: &Refusal) -> String {
    let key = why.key();
    match why {
        Refusal::MethodBlocked(pattern) | Refusal::ToolBlocked(pattern) => {
            format!("[[client]] {client}: {key} has {pattern}")
        }
        _ => format!("[[client]] {client}: {key}"),
    }
}

/// What kind of rule of a client refuses a message.
pub(super) fn kind_of(why: &Refusal) -> RuleKind {
    match why {
        Refusal::MethodBlocked(_) | Refusal::MethodNotAllowed | Refusal::MethodUnclear => RuleKind::Methods,
        _ => RuleKind::Tools,
    }
}

/// The rules that cannot be applied.
fn unreadable(client: &ClientName) -> String {
    format!("[[client]] {client}: rules about methods and tools")
}

/// Holds the headers `Mcp-Method` and `Mcp-Name` against the messages (MCP 2026-07-28, Streamable HTTP): who reads the
/// body must refuse what says two things. What is not there is for the upstream to miss.
///
/// # Errors
/// What is wrong, as a sentence.
pub(super) fn hold_against(headers: &HeaderMap, messages: &[Message<'_>]) -> Result<(), String> {
    if let Some(name) = ["mcp-method", "mcp-name", "mcp-protocol-version"]
        .into_iter()
        .find(|name| headers.get_all(*name).iter().nth(1).is_some())
    {
        return Err(format!("the header {name} stands there twice"));
    }
    let said = |name: &str| {
        let decoded = |value: &HeaderValue| called::decoded(value.to_str().ok()?);
        headers.get(name).map(|value| decoded(value).ok_or_else(|| format!("the header {name} cannot be decoded")))
    };
    let (method, name) = (said("mcp-method").transpose()?, said("mcp-name").transpose()?);
    if method.is_none() && name.is_none() {
        return Ok(());
    }
    let [message] = messages else {
        return Err("the headers speak of one message, and the body has several".to_owned());
    };
    if method.is_some_and(|method| message.method() != Some(&method)) {
        return Err("mcp-method names another method than the body".to_owned());
    }
    match (name, message.named()) {
        (None, _) => Ok(()),
        (Some(name), Target::Text(named)) if name == *named => Ok(()),
        (Some(_), _) => Err("mcp-name names something else than the body".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderName;

    use super::*;
    use crate::policy::message;

    #[test]
    fn headers_must_say_what_the_body_says() {
        let call = r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"\u00e9cho"}}"#;
        let read = r#"{"jsonrpc":"2.0","id":1,"method":"resources/read","params":{"uri":"a:b","name":"c"}}"#;
        let answer = r#"{"jsonrpc":"2.0","id":1,"result":{}}"#;
        let batch = format!("[{call},{call}]");
        for (body, pairs, says) in [
            (call, &[][..], None),
            (call, &[("Mcp-Method", "tools/call"), ("MCP-NAME", "=?base64?w6ljaG8=?=")], None),
            (call, &[("mcp-name", "=?base64?w6ljaG8=?=")], None),
            (call, &[("mcp-method", "tools/list")], Some("another method")),
            (call, &[("mcp-method", "Tools/call")], Some("another method")),
            (call, &[("mcp-method", "tools/call"), ("mcp-name", "other")], Some("something else")),
            (call, &[("mcp-name", "=?BASE64?w6ljaG8=?=")], Some("something else")),
            (call, &[("mcp-name", "=?base64?w6ljaG8?=")], Some("cannot be decoded")),
            (call, &[("mcp-method", "tools/call"), ("mcp-method", "tools/call")], Some("twice")),
            (call, &[("mcp-name", "a"), ("mcp-name", "a")], Some("twice")),
            (call, &[("mcp-protocol-version", "2026-07-28"), ("mcp-protocol-version", "2025-06-18")], Some("twice")),
            (read, &[("mcp-name", "a:b")], None),
            (read, &[("mcp-name", "c")], Some("something else")),
            (answer, &[], None),
            (answer, &[("mcp-method", "tools/call")], Some("another method")),
            (&batch, &[], None),
            (&batch, &[("mcp-method", "tools/call")], Some("several")),
        ] {
            let messages = message::read(body.as_bytes()).unwrap();
            let name = |name: &str| HeaderName::from_bytes(name.as_bytes()).unwrap();
            let mut headers = HeaderMap::new();
            for (key, value) in pairs {
                headers.append(name(key), value.parse().unwrap());
            }
            let found = hold_against(&headers, messages.list()).err();
            assert_eq!(found.is_some(), says.is_some(), "{body} {pairs:?}: {found:?}");
            assert!(says.is_none_or(|says| found.clone().unwrap().contains(says)), "{body} {pairs:?}: {found:?}");
        }
    }

    #[test]
    fn refusals_have_statuses_that_clients_do_not_misread() {
        let client = ClientName::parse("dify").unwrap();
        let request = br#"{"jsonrpc":"2.0","id":"x","method":"tools/call"}"#;
        let note = br#"{"jsonrpc":"2.0","method":"notifications/x"}"#;
        let one = std::num::NonZeroU32::MIN;
        for (refused, as_request, as_note) in [
            (Refused::undecided(&client, "is odd"), 200, 403),
            (Refused::busy(&client, Busy::Fast(one, Duration::from_millis(1500))), 200, 429),
            (Refused::busy(&client, Busy::Concurrent(one)), 200, 429),
            (Refused::list(&client, &NotCut::Encoded), 200, 502),
        ] {
            let text = refused.text.clone();
            let retry = refused.retry_after;
            let again = Refused { text: text.clone(), ..refused };
            let (status, code, kind) = (again.status, again.code, again.kind);
            let reply = again.reply(request);
            assert_eq!(reply.status().as_u16(), as_request, "{text}");
            let body: serde_json::Value = serde_json::from_slice(reply.body()).unwrap();
            assert_eq!((&body["id"], &body["error"]["message"]), (&"x".into(), &text.clone().into()));
            assert!(text.contains("[[client]] dify"), "{text}");
            let reply = Refused { status, code, text, rule: String::new(), kind, retry_after: retry }.reply(note);
            assert_eq!(reply.status().as_u16(), as_note);
            assert_eq!(reply.headers().get("retry-after").is_some(), as_note == 429);
        }
        let busy = Refused::busy(&client, Busy::Fast(one, Duration::from_millis(1500)));
        assert_eq!(busy.plain_reply().headers()["retry-after"], "2");
    }
}
