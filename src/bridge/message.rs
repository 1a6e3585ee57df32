//! JSON-RPC messages as far as a bridge has to know them (JSON-RPC 2.0 §4 to §6): which of them wait for an answer,
//! what an answer answers, and what the headers of Streamable HTTP repeat. The text itself passes as it is.

use std::borrow::Cow;
use std::hash::{Hash, Hasher};

use serde::de::IgnoredAny;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::value::RawValue;

/// The first revision without sessions (MCP 2026-07-28): every request says its version itself.
const FIRST_STATELESS: &str = "2026-07-28";
/// The most messages of one batch.
const MOST_OF_A_BATCH: usize = 1000;

/// The id of a request, as it was written.
#[derive(Debug, Clone)]
pub(super) struct Id {
    raw: Box<RawValue>,
    /// What two spellings of one id have in common.
    meaning: String,
}

impl Id {
    fn new(raw: &RawValue) -> Self {
        // Numbers are compared by their digits, so that long ones stay apart; of texts the escapes do not count.
        let text = serde_json::from_str::<String>(raw.get());
        let meaning = text.map_or_else(|_| raw.get().to_owned(), |text| format!("\"{text}"));
        Self { raw: raw.to_owned(), meaning }
    }

    /// The id of no request.
    pub(super) fn null() -> Self {
        Self::new(RawValue::NULL)
    }
}

impl PartialEq for Id {
    fn eq(&self, other: &Self) -> bool {
        self.meaning == other.meaning
    }
}

impl Eq for Id {}

impl Hash for Id {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.meaning.hash(state);
    }
}

/// What kind of message it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Kind {
    /// It waits for an answer.
    Request(Id),
    /// It does not.
    Notification,
    /// It is an answer.
    Answer(Id),
}

/// One message.
#[derive(Debug, Clone)]
pub(super) struct Message {
    pub(super) kind: Kind,
    /// Empty for an answer.
    pub(super) method: String,
    /// The revision that it says it is of, if that is one without sessions.
    pub(super) stateless: Option<String>,
    /// What it is applied to: the header `Mcp-Name`.
    pub(super) name: Option<String>,
    /// The request that it cancels.
    pub(super) cancels: Option<Id>,
}

/// A line of the client: one message, or a batch (MCP 2025-03-26).
#[derive(Debug, Clone)]
pub(super) struct Messages {
    pub(super) list: Vec<Message>,
    pub(super) is_batch: bool,
}

/// Why a text is no message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    /// No JSON.
    Parse,
    /// JSON, but no message.
    Invalid,
}

#[derive(Deserialize)]
struct Envelope<'a> {
    #[serde(borrow)]
    id: Option<&'a RawValue>,
    #[serde(borrow)]
    method: Option<Cow<'a, str>>,
    #[serde(borrow)]
    params: Option<&'a RawValue>,
    #[serde(default, deserialize_with = "present")]
    result: bool,
    #[serde(default, deserialize_with = "present")]
    error: bool,
}

#[derive(Default, Deserialize)]
struct Params<'a> {
    #[serde(borrow, rename = "_meta")]
    meta: Option<Meta<'a>>,
    #[serde(borrow)]
    name: Option<&'a RawValue>,
    #[serde(borrow)]
    uri: Option<&'a RawValue>,
    #[serde(borrow, rename = "taskId")]
    task: Option<&'a RawValue>,
    #[serde(borrow, rename = "requestId")]
    request: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Meta<'a> {
    #[serde(borrow, rename = "io.modelcontextprotocol/protocolVersion")]
    version: Option<Cow<'a, str>>,
}

fn present<'de, D: Deserializer<'de>>(deserializer: D) -> Result<bool, D::Error> {
    IgnoredAny::deserialize(deserializer).map(|_| true)
}

impl Messages {
    /// Reads a text.
    ///
    /// # Errors
    /// When it is no message.
    pub(super) fn read(text: &[u8]) -> Result<Self, Fault> {
        let text = std::str::from_utf8(text).map_err(|_| Fault::Parse)?;
        if !text.trim_start().starts_with('[') {
            return Ok(Self { list: vec![Message::read(text)?], is_batch: false });
        }
        let parts: Vec<&RawValue> = serde_json::from_str(text).map_err(|_| Fault::Parse)?;
        if parts.is_empty() || parts.len() > MOST_OF_A_BATCH {
            return Err(Fault::Invalid);
        }
        let list = parts.into_iter().map(|part| Message::read(part.get())).collect::<Result<_, _>>()?;
        Ok(Self { list, is_batch: true })
    }

    /// The requests that wait for answers.
    pub(super) fn requests(&self) -> Vec<Id> {
        let id = |message: &Message| match &message.kind {
            Kind::Request(id) => Some(id.clone()),
            _ => None,
        };
        self.list.iter().filter_map(id).collect()
    }

    /// The requests that are answered.
    pub(super) fn answers(&self) -> impl Iterator<Item = &Id> {
        self.list.iter().filter_map(|message| match &message.kind {
            Kind::Answer(id) => Some(id),
            _ => None,
        })
    }

    /// The message, if it is alone.
    pub(super) fn only(&self) -> Option<&Message> {
        if self.is_batch { None } else { self.list.first() }
    }

    /// True for a single message of that method.
    pub(super) fn is(&self, method: &str) -> bool {
        self.only().is_some_and(|message| message.method == method)
    }

    /// The revision without sessions that they are of.
    pub(super) fn stateless(&self) -> Option<&str> {
        self.only().and_then(|message| message.stateless.as_deref())
    }
}

impl Message {
    fn read(text: &str) -> Result<Self, Fault> {
        let fault = |error: serde_json::Error| match error.classify() {
            serde_json::error::Category::Data => Fault::Invalid,
            _ => Fault::Parse,
        };
        let envelope: Envelope<'_> = serde_json::from_str(text).map_err(fault)?;
        let id = envelope.id.map(Id::new);
        let kind = match (id, &envelope.method, envelope.result || envelope.error) {
            (Some(id), Some(_), false) => Kind::Request(id),
            (None, Some(_), false) => Kind::Notification,
            (Some(id), None, true) => Kind::Answer(id),
            // An error that answers no request that could be read has no id.
            (None, None, true) if envelope.error => Kind::Notification,
            _ => return Err(Fault::Invalid),
        };
        let method = envelope.method.unwrap_or_default().into_owned();
        let params = envelope.params.and_then(|params| serde_json::from_str(params.get()).ok());
        let params: Params<'_> = params.unwrap_or_default();
        let version = params.meta.and_then(|meta| meta.version).filter(|version| **version >= *FIRST_STATELESS);
        let named = match method.as_str() {
            "tools/call" | "prompts/get" => params.name,
            "resources/read" | "resources/subscribe" | "resources/unsubscribe" => params.uri,
            "tasks/get" | "tasks/update" | "tasks/cancel" => params.task,
            _ => None,
        };
        let cancels = params.request.filter(|_| method == "notifications/cancelled").map(Id::new);
        Ok(Self {
            kind,
            stateless: version.map(Cow::into_owned),
            name: named.and_then(|name| serde_json::from_str(name.get()).ok()),
            cancels,
            method,
        })
    }
}

/// The revision that an answer to `initialize` agrees to; `None` if it is an error.
pub(super) fn agreed_version(answer: &[u8]) -> Option<String> {
    #[derive(Deserialize)]
    struct Answer {
        result: Agreed,
    }
    #[derive(Deserialize)]
    struct Agreed {
        #[serde(rename = "protocolVersion")]
        version: String,
    }
    serde_json::from_slice::<Answer>(answer).ok().map(|answer| answer.result.version)
}

/// The error object of an answer, and whether that answer is for `id`.
pub(super) fn error_of<'a>(answer: &'a [u8], id: &Id) -> Option<(&'a RawValue, bool)> {
    #[derive(Deserialize)]
    struct Refusal<'a> {
        #[serde(borrow)]
        id: Option<&'a RawValue>,
        #[serde(borrow)]
        error: &'a RawValue,
    }
    #[derive(Deserialize)]
    struct Shape {
        #[serde(rename = "code")]
        _code: i64,
        #[serde(rename = "message")]
        _message: String,
    }
    let refusal: Refusal<'a> = serde_json::from_slice(answer).ok()?;
    serde_json::from_str::<Shape>(refusal.error.get()).ok()?;
    Some((refusal.error, refusal.id.is_some_and(|theirs| Id::new(theirs) == *id)))
}

/// The words of an error object.
pub(super) fn words_of(error: &RawValue) -> Option<String> {
    #[derive(Deserialize)]
    struct Words {
        message: String,
    }
    serde_json::from_str::<Words>(error.get()).ok().map(|words| words.message)
}

/// One line: between the tokens of JSON a line break is a blank like any other, and inside of a string there is none
/// (RFC 8259 §2, §7).
pub(super) fn on_one_line(mut text: Vec<u8>) -> Vec<u8> {
    for byte in &mut text {
        if matches!(byte, b'\n' | b'\r') {
            *byte = b' ';
        }
    }
    text
}

#[derive(Serialize)]
struct ErrorAnswer<'a, E> {
    jsonrpc: &'static str,
    id: Option<&'a RawValue>,
    error: E,
}

#[derive(Serialize)]
struct ErrorObject<'a> {
    code: i32,
    message: &'a str,
}

/// An error as the answer to `id`, or to nothing that could be read.
pub(super) fn error(id: Option<&Id>, code: i32, message: &str) -> Vec<u8> {
    written(id, ErrorObject { code, message })
}

/// An error that somebody else made, as the answer to `id`.
pub(super) fn error_by(id: &Id, error: &RawValue) -> Vec<u8> {
    on_one_line(written(Some(id), error))
}

fn written(id: Option<&Id>, error: impl Serialize) -> Vec<u8> {
    let answer = ErrorAnswer { jsonrpc: "2.0", id: id.map(|id| &*id.raw), error };
    // Only maps with odd keys cannot be written, and there are none.
    serde_json::to_vec(&answer).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(text: &str) -> Messages {
        Messages::read(text.as_bytes()).unwrap()
    }

    fn id(text: &str) -> Id {
        Id::new(serde_json::from_str(text).unwrap())
    }

    #[test]
    fn kinds_are_told_apart() {
        for (text, kind) in [
            (r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#, Kind::Request(id("1"))),
            (r#" { "method" : "pi\u006eg", "id" : "a" } "#, Kind::Request(id("\"a\""))),
            (r#"{"method":"notifications/initialized"}"#, Kind::Notification),
            (r#"{"id":1,"result":{}}"#, Kind::Answer(id("1"))),
            (r#"{"id":1,"result":null}"#, Kind::Answer(id("1"))),
            (r#"{"id":1,"error":{"code":1,"message":"x"}}"#, Kind::Answer(id("1"))),
            (r#"{"id":null,"error":{"code":1,"message":"x"}}"#, Kind::Notification),
        ] {
            assert_eq!(read(text).only().unwrap().kind, kind, "{text}");
        }
        assert_eq!(read(r#"{"id":1,"method":"pi\u006eg"}"#).only().unwrap().method, "ping");
    }

    #[test]
    fn what_is_no_message_is_named() {
        for (text, fault) in [
            (&b""[..], Fault::Parse),
            (b"hello", Fault::Parse),
            (b"{\"id\":1,", Fault::Parse),
            (b"{\"method\":\"x\"} {}", Fault::Parse),
            (b"{\"method\":\"\xFF\"}", Fault::Parse),
            (b"[{\"method\":\"x\"}", Fault::Parse),
            (b"1", Fault::Invalid),
            (b"{}", Fault::Invalid),
            (b"[]", Fault::Invalid),
            (b"[1]", Fault::Invalid),
            (b"{\"method\":7}", Fault::Invalid),
            (b"{\"id\":1}", Fault::Invalid),
            (b"{\"id\":1,\"method\":\"x\",\"result\":1}", Fault::Invalid),
            (b"{\"id\":1,\"method\":\"x\",\"method\":\"y\"}", Fault::Invalid),
        ] {
            assert_eq!(Messages::read(text).unwrap_err(), fault, "{}", String::from_utf8_lossy(text));
        }
        let deep = format!("{{\"method\":\"x\",\"params\":{}{}}}", "[".repeat(100_000), "]".repeat(100_000));
        assert!(Messages::read(deep.as_bytes()).is_ok(), "depth is the server's business");
    }

    #[test]
    fn an_id_is_the_same_however_it_is_spelled() {
        assert_eq!(id(r#""a""#), id(r#""\u0061""#));
        assert_ne!(id("1"), id(r#""1""#));
        assert_ne!(id("12345678901234567890123"), id("12345678901234567890124"));
        let answer = error(Some(&id(r#""\u0061""#)), -1, "no\nnews");
        assert_eq!(answer, br#"{"jsonrpc":"2.0","id":"\u0061","error":{"code":-1,"message":"no\nnews"}}"#);
        assert_eq!(error(None, -32700, "x"), br#"{"jsonrpc":"2.0","id":null,"error":{"code":-32700,"message":"x"}}"#);
    }

    #[test]
    fn what_the_headers_repeat_is_found() {
        let meta = r#""_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28"}"#;
        for (method, params, name) in [
            ("tools/call", r#""name":"caf\u00e9""#, Some("café")),
            ("prompts/get", r#""name":"p""#, Some("p")),
            ("resources/read", r#""uri":"a://b","name":"no""#, Some("a://b")),
            ("tasks/get", r#""taskId":"7""#, Some("7")),
            ("tools/list", r#""name":"no""#, None),
            ("tools/call", r#""name":7"#, None),
        ] {
            let text = format!(r#"{{"id":1,"method":"{method}","params":{{{params},{meta}}}}}"#);
            let message = read(&text);
            let message = message.only().unwrap();
            assert_eq!((message.name.as_deref(), message.stateless.as_deref()), (name, Some("2026-07-28")), "{text}");
        }
        for params in ["[1]", "null", "{}", r#"{"_meta":{"io.modelcontextprotocol/protocolVersion":"2025-11-25"}}"#] {
            let text = format!(r#"{{"id":1,"method":"x","params":{params}}}"#);
            assert_eq!(read(&text).stateless(), None, "{text}");
        }
        let cancelled = read(r#"{"method":"notifications/cancelled","params":{"requestId":"a"}}"#);
        assert_eq!(cancelled.only().unwrap().cancels, Some(id("\"a\"")));
    }

    #[test]
    fn a_batch_is_read_as_a_whole() {
        let batch = read(r#"[{"id":1,"method":"a"},{"method":"b"},{"id":2,"result":1}]"#);
        assert!(batch.is_batch && batch.only().is_none());
        assert_eq!(batch.requests(), [id("1")]);
        assert_eq!(batch.answers().collect::<Vec<_>>(), [&id("2")]);
    }

    #[test]
    fn refusals_are_recognised() {
        let refusal = br#"{"jsonrpc":"2.0","id":null,"error":{"code":-31403,"message":"no"}}"#;
        let (found, ours) = error_of(refusal, &id("5")).unwrap();
        assert!(!ours);
        let expected = r#"{"jsonrpc":"2.0","id":5,"error":{"code":-31403,"message":"no"}}"#;
        assert_eq!(String::from_utf8(error_by(&id("5"), found)).unwrap(), expected);
        assert!(error_of(expected.as_bytes(), &id("5")).unwrap().1);
        for text in ["", "<html>", r#"{"error":"not_found"}"#, r#"{"error":{"message":"x"}}"#] {
            assert!(error_of(text.as_bytes(), &id("5")).is_none(), "{text}");
        }
    }

    #[test]
    fn line_breaks_between_tokens_go_and_what_is_in_strings_stays() {
        let text = "{\n  \"a\":\r\n\"x\\n\u{2028}\u{85}y\"\r}";
        let line = String::from_utf8(on_one_line(text.as_bytes().to_vec())).unwrap();
        assert_eq!(line, "{   \"a\":  \"x\\n\u{2028}\u{85}y\" }");
        let value = |text: &str| serde_json::from_str::<serde_json::Value>(text).unwrap();
        assert_eq!(value(&line), value(text));
    }

    proptest! {
        #[test]
        fn no_text_is_a_panic(text in prop::collection::vec(any::<u8>(), 0..60)) {
            let _ = (Messages::read(&text), agreed_version(&text), error_of(&text, &Id::null()).is_some());
        }

        #[test]
        fn nothing_like_a_message_is_a_panic(text in "[{}\\[\\]\":,0-9a-z ]{0,20}(\"(id|method|params|result|error)\":[{}\\[\\]0-9\",a-z]{0,9},?){0,4}") {
            if let Ok(messages) = Messages::read(text.as_bytes()) {
                let errors = messages.requests().iter().map(|id| error(Some(id), -1, "x")).collect::<Vec<_>>();
                for answer in errors {
                    let answers = Messages::read(&answer).unwrap();
                    prop_assert!(messages.requests().contains(answers.answers().next().unwrap()));
                }
            }
        }
    }
}
