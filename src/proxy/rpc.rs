//! The little that we read of a JSON-RPC message, and only when we have to answer it ourselves: is it a
//! request, and with which id (JSON-RPC 2.0 §4).

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

/// Error codes: of our own, outside the range that JSON-RPC 2.0 §5.1 reserves, and one of MCP.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Code {
    /// A person has to sign in.
    SignInNeeded = -31_401,
    /// A rule refuses the request.
    Refused = -31_403,
    /// Headers and body say different things (MCP 2026-07-28, Streamable HTTP, `HeaderMismatch`).
    HeaderMismatch = -32_020,
    /// A client sends more than it may.
    TooMany = -31_429,
    /// Somebody stopped all forwarding.
    Incident = -31_423,
    /// The upstream cannot be reached, or broke off.
    Upstream = -31_502,
    /// It may work in a moment.
    TryAgain = -31_503,
    /// The upstream did not answer in time.
    NoAnswer = -31_504,
}

/// A message as far as it matters.
#[derive(Debug, Deserialize)]
struct Message<'a> {
    #[serde(borrow)]
    id: Option<&'a RawValue>,
    method: Option<Box<str>>,
}

impl Message<'_> {
    fn is_request(&self) -> bool {
        self.method.is_some() && self.id.is_some_and(|id| id.get() != "null")
    }
}

/// The JSON-RPC error for every request in `body`; `None` if it holds none (a notification, an answer, no JSON).
pub(super) fn error_for(body: &[u8], code: Code, text: &str) -> Option<Vec<u8>> {
    let first = body.iter().find(|byte| !byte.is_ascii_whitespace())?;
    if *first == b'[' {
        let messages: Vec<Message<'_>> = serde_json::from_slice(body).ok()?;
        let errors: Vec<_> =
            messages.iter().filter(|m| m.is_request()).map(|m| Answer::new(m.id, code, text)).collect();
        return if errors.is_empty() { None } else { serde_json::to_vec(&errors).ok() };
    }
    let message: Message<'_> = serde_json::from_slice(body).ok()?;
    message.is_request().then(|| serde_json::to_vec(&Answer::new(message.id, code, text)).ok())?
}

/// A JSON-RPC error that answers no particular request.
pub(super) fn error_without_id(code: Code, text: &str) -> Vec<u8> {
    serde_json::to_vec(&Answer::new(None, code, text)).unwrap_or_default()
}

#[derive(Serialize)]
struct Answer<'a> {
    jsonrpc: &'static str,
    id: Option<&'a RawValue>,
    error: ErrorObject<'a>,
}

#[derive(Serialize)]
struct ErrorObject<'a> {
    code: i32,
    message: &'a str,
}

impl<'a> Answer<'a> {
    fn new(id: Option<&'a RawValue>, code: Code, message: &'a str) -> Self {
        Self { jsonrpc: "2.0", id, error: ErrorObject { code: code as i32, message } }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(body: &str) -> Option<String> {
        error_for(body.as_bytes(), Code::SignInNeeded, "sign in").map(|bytes| String::from_utf8(bytes).unwrap())
    }

    #[test]
    fn requests_get_their_own_id_back_to_the_letter() {
        for id in ["1", "\"a-1\"", "1.50", "12345678901234567890123"] {
            let body = format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"tools/list"}}"#);
            let expected = format!(r#"{{"jsonrpc":"2.0","id":{id},"error":{{"code":-31401,"message":"sign in"}}}}"#);
            assert_eq!(error(&body).unwrap(), expected);
        }
    }

    #[test]
    fn what_is_no_request_gets_no_error() {
        for body in [
            "",
            "  ",
            "hello",
            r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#,
            r#"{"jsonrpc":"2.0","id":1,"result":{}}"#,
            r#"{"jsonrpc":"2.0","id":null,"method":"x"}"#,
            "[]",
            "[1,2",
        ] {
            assert_eq!(error(body), None, "{body}");
        }
    }

    #[test]
    fn a_batch_gets_an_error_for_each_request_in_it() {
        let body = r#" [{"id":1,"method":"a"},{"method":"note"},{"id":2,"method":"b"}]"#;
        let answer: serde_json::Value = serde_json::from_str(&error(body).unwrap()).unwrap();
        let ids: Vec<_> = answer.as_array().unwrap().iter().map(|error| error["id"].clone()).collect();
        assert_eq!(ids, [1, 2]);
    }
}
