//! What a request calls, for the record: the JSON-RPC method, and the name of the tool, prompt or resource.
//!
//! The body says it. The headers `Mcp-Method` and `Mcp-Name` (MCP 2026-07-28, Streamable HTTP) say the same where the
//! beginning of a body is not enough, and only there: an upstream that does not know them obeys the body, so a record
//! made of headers could be led astray.

use std::borrow::Cow;
use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::HeaderMap;
use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, Visitor};

/// What a list of messages is called (JSON-RPC 2.0 §6).
const BATCH: &str = "batch";

/// A method and what it is applied to.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Called<'a> {
    pub(super) method: Cow<'a, str>,
    pub(super) name: Option<Cow<'a, str>>,
}

/// What a request with that head calls; `beginning` is the beginning of its body, or all of it.
pub(super) fn called<'a>(headers: &HeaderMap, beginning: &'a [u8]) -> Option<Called<'a>> {
    from_body(beginning).or_else(|| from_headers(headers))
}

fn from_headers(headers: &HeaderMap) -> Option<Called<'static>> {
    let text = |name: &str| headers.get(name).and_then(|value| decoded(value.to_str().ok()?)).map(Cow::Owned);
    Some(Called { method: text("mcp-method")?, name: text("mcp-name") })
}

/// The value of such a header: as it stands, or what is inside `=?base64?...?=`.
pub(super) fn decoded(value: &str) -> Option<String> {
    match value.strip_prefix("=?base64?").and_then(|rest| rest.strip_suffix("?=")) {
        Some(inner) => String::from_utf8(STANDARD.decode(inner).ok()?).ok(),
        None => Some(value.to_owned()),
    }
}

fn from_body(beginning: &[u8]) -> Option<Called<'_>> {
    if beginning.iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b'[') {
        return Some(Called { method: BATCH.into(), name: None });
    }
    let mut found = Found::default();
    // Where the text breaks off, or is no JSON, what was found before it counts.
    let message = Message(&mut found);
    // To look once whether all of it is UTF-8 is much cheaper than to look at each text in it.
    let _ = match str::from_utf8(beginning) {
        Ok(text) => message.deserialize(&mut serde_json::Deserializer::from_str(text)),
        Err(_) => message.deserialize(&mut serde_json::Deserializer::from_slice(beginning)),
    };
    let method = found.method?;
    let name = if method.starts_with("resources/") { found.uri } else { found.name };
    let name = name.filter(|_| has_a_name(&method));
    Some(Called { method, name })
}

/// True if what a method is applied to has a name that may be recorded: everything else is an argument.
pub(super) fn has_a_name(method: &str) -> bool {
    const METHODS: [&str; 5] =
        ["tools/call", "prompts/get", "resources/read", "resources/subscribe", "resources/unsubscribe"];
    METHODS.contains(&method)
}

#[derive(Default)]
struct Found<'de> {
    method: Option<Cow<'de, str>>,
    name: Option<Cow<'de, str>>,
    uri: Option<Cow<'de, str>>,
}

/// A text as it stands in the message: only one with escapes is copied, which `Cow` alone would do with each.
#[derive(Deserialize)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

struct Message<'a, 'de>(&'a mut Found<'de>);

struct Params<'a, 'de>(&'a mut Found<'de>);

impl<'de> Visitor<'de> for Message<'_, 'de> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a message")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(Text(key)) = map.next_key()? {
            match &*key {
                "method" => self.0.method = Some(map.next_value::<Text<'_>>()?.0),
                "params" => map.next_value_seed(Params(self.0))?,
                _ => drop(map.next_value::<IgnoredAny>()?),
            }
        }
        Ok(())
    }
}

impl<'de> Visitor<'de> for Params<'_, 'de> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("parameters by name")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(Text(key)) = map.next_key()? {
            match &*key {
                "name" => self.0.name = Some(map.next_value::<Text<'_>>()?.0),
                "uri" => self.0.uri = Some(map.next_value::<Text<'_>>()?.0),
                _ => drop(map.next_value::<IgnoredAny>()?),
            }
        }
        Ok(())
    }
}

impl<'de> DeserializeSeed<'de> for Message<'_, 'de> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> DeserializeSeed<'de> for Params<'_, 'de> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

/// The names of the arguments of the call in a body that begins so, as far as they stand there; none for a list of
/// messages.
pub(super) fn argument_names(beginning: &[u8]) -> Vec<String> {
    let mut names = Vec::new();
    let path = Within { path: &["params", "arguments"], names: &mut names };
    // Where the text breaks off, what was found before it counts.
    let _ = path.deserialize(&mut serde_json::Deserializer::from_slice(beginning));
    names
}

/// Collects the names of the fields of an object inside of others.
struct Within<'a> {
    path: &'a [&'a str],
    names: &'a mut Vec<String>,
}

impl<'de> Visitor<'de> for Within<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(Text(key)) = map.next_key()? {
            match self.path.split_first() {
                Some((first, path)) if *key == **first => {
                    map.next_value_seed(Within { path, names: &mut *self.names })?;
                }
                Some(_) => drop(map.next_value::<IgnoredAny>()?),
                None => {
                    self.names.push(key.into_owned());
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(())
    }
}

impl<'de> DeserializeSeed<'de> for Within<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn words(headers: &[(&'static str, &'static str)], body: &str) -> Option<String> {
        let headers = headers.iter().map(|(name, value)| ((*name).parse().unwrap(), HeaderValue::from_static(value)));
        let called = called(&headers.collect(), body.as_bytes())?;
        Some(called.name.map_or(called.method.to_string(), |name| format!("{} {name}", called.method)))
    }

    #[test]
    fn the_body_says_what_is_called() {
        for (body, expected) in [
            (
                r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"echo","arguments":{"name":"no"}}}"#,
                "tools/call echo",
            ),
            (r#" {"params":{"arguments":{},"name":"echo"},"method":"tools/call"}"#, "tools/call echo"),
            (r#"{"method":"resources/read","params":{"uri":"notes://1"}}"#, "resources/read notes://1"),
            (r#"{"method":"initialize","params":{"name":"x","clientInfo":{"name":"y"}}}"#, "initialize"),
            (r#"{"method":"tools/call","params":{"name":"echo","arguments":{"text":"it breaks o"#, "tools/call echo"),
            (r#" [{"method":"ping"}]"#, "batch"),
        ] {
            assert_eq!(words(&[], body).as_deref(), Some(expected), "{body}");
            let lie = [("mcp-method", "ping"), ("mcp-name", "harmless")];
            assert_eq!(words(&lie, body).as_deref(), Some(expected), "{body}");
        }
    }

    #[test]
    fn headers_say_it_where_the_body_does_not() {
        let encoded = [("mcp-method", "tools/call"), ("mcp-name", "=?base64?w6ljaG8=?=")];
        for body in ["", r#"{"params":{"arguments":{"text":"it is lon"#] {
            assert_eq!(words(&encoded, body).as_deref(), Some("tools/call écho"));
        }
        for name in ["=?base64?w6ljaG8?=", "=?base64?/w==?="] {
            assert_eq!(words(&[("mcp-method", "tools/call"), ("mcp-name", name)], "").as_deref(), Some("tools/call"));
        }
    }

    #[test]
    fn arguments_are_named_and_never_told() {
        for (body, expected) in [
            (
                r#"{"method":"tools/call","params":{"name":"x","arguments":{"region":"secret","page":{"size":1}}}}"#,
                "region page",
            ),
            (r#"{"params":{"arguments":{"a":1,"b":"it breaks o"#, "a b"),
            (r#"{"arguments":{"a":1},"params":{"a":{"arguments":{"b":1}}}}"#, ""),
            (r#"[{"params":{"arguments":{"a":1}}}]"#, ""),
            (r#"{"params":{"arguments":["a"]}}"#, ""),
            ("", ""),
        ] {
            assert_eq!(argument_names(body.as_bytes()).join(" "), expected, "{body}");
        }
    }

    #[test]
    fn what_calls_nothing_is_called_nothing() {
        let deep = format!(r#"{{"a":{}"#, "[".repeat(100_000));
        for body in ["", "hello", r#"{"id":1,"result":{}}"#, r#"{"method":7}"#, "{\"method\":\"\u{0}", &deep] {
            assert_eq!(words(&[], body), None, "{}", &body[..body.len().min(30)]);
        }
    }
}
