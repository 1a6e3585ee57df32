//! What the headers of a request repeat of its body, from revision 2026-07-28 on (MCP, Streamable HTTP, "Standard
//! Request Headers" and "Custom Headers from Tool Parameters"): version, method, name, and the arguments that a tool
//! marked with `x-mcp-header`. The marks are learned from the lists of tools that pass.

use std::collections::{HashMap, HashSet};
use std::sync::{Mutex, PoisonError};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::header::{HeaderMap, HeaderName, HeaderValue};
use serde_json::{Map, Value};

use crate::bridge::message::Message;

/// The mark in the schema of an argument.
const MARK: &str = "x-mcp-header";
/// Of how many tools marks are kept, and how many of each. Few tools have any.
const MOST_TOOLS: usize = 1000;
const MOST_MARKS: usize = 64;
/// Integers beyond lose digits in JavaScript, and servers compare numbers (RFC 8259 §6).
const LARGEST_SAFE: u64 = (1 << 53) - 1;

/// Where an argument stands, and the header that repeats it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Mark {
    path: Vec<String>,
    header: HeaderName,
}

/// The marks of all tools that have any.
#[derive(Debug, Default)]
pub(super) struct Marks(Mutex<HashMap<String, Vec<Mark>>>);

impl Marks {
    /// Learns from an answer to `tools/list`.
    pub(super) fn learn(&self, answer: &[u8]) {
        let mut marks = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // Most lists have no marks, and are not worth reading.
        let has_marks = answer.windows(MARK.len()).any(|window| window == MARK.as_bytes());
        if !has_marks && marks.is_empty() {
            return;
        }
        let Ok(mut answer) = serde_json::from_slice::<Value>(answer) else { return };
        let Value::Array(tools) = answer["result"]["tools"].take() else { return };
        for tool in tools {
            let Some(name) = tool["name"].as_str() else { continue };
            let found = marks_of(&tool["inputSchema"]);
            if found.is_empty() {
                marks.remove(name);
            } else if marks.len() < MOST_TOOLS || marks.contains_key(name) {
                marks.insert(name.to_owned(), found);
            }
        }
    }

    /// Adds the headers of a message of `version`; `text` is the message.
    pub(super) fn repeat(&self, headers: &mut HeaderMap, version: &str, message: &Message, text: &[u8]) {
        let mut set = |name: HeaderName, value: &str| {
            if let Some(value) = field_value(value) {
                headers.insert(name, value);
            }
        };
        set(HeaderName::from_static("mcp-protocol-version"), version);
        set(HeaderName::from_static("mcp-method"), &message.method);
        let Some(name) = &message.name else { return };
        set(HeaderName::from_static("mcp-name"), name);
        let marks = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(marks) = marks.get(name).filter(|_| message.method == "tools/call") else { return };
        let Ok(body) = serde_json::from_slice::<Value>(text) else { return };
        for Mark { path, header } in marks {
            let argument = path.iter().try_fold(&body["params"]["arguments"], |value, key| value.get(key));
            if let Some(text) = argument.and_then(as_text) {
                set(header.clone(), &text);
            }
        }
    }
}

fn marks_of(schema: &Value) -> Vec<Mark> {
    let (mut marks, mut names) = (Vec::new(), HashSet::new());
    let mut path = Vec::new();
    if let Value::Object(properties) = &schema["properties"] {
        collect(properties, &mut path, &mut marks);
    }
    // Two marks of one name make the tool's definition invalid: then none of them counts.
    if marks.iter().all(|mark: &Mark| names.insert(mark.header.clone())) { marks } else { Vec::new() }
}

fn collect(properties: &Map<String, Value>, path: &mut Vec<String>, marks: &mut Vec<Mark>) {
    for (name, schema) in properties {
        path.push(name.clone());
        let header = schema[MARK].as_str().filter(|text| !text.is_empty());
        let header = header.and_then(|text| format!("mcp-param-{text}").parse().ok());
        let is_plain = matches!(schema["type"].as_str(), Some("string" | "integer" | "boolean"));
        if let Some(header) = header.filter(|_| is_plain && marks.len() < MOST_MARKS) {
            marks.push(Mark { path: path.clone(), header });
        }
        if let Value::Object(properties) = &schema["properties"] {
            collect(properties, path, marks);
        }
        path.pop();
    }
}

/// The argument as a header has it; `None` for what no header can stand for.
fn as_text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Bool(truth) => Some(truth.to_string()),
        Value::Number(number) => {
            let is_safe = number.as_i64().is_some_and(|number| number.unsigned_abs() <= LARGEST_SAFE);
            is_safe.then(|| number.to_string())
        }
        _ => None,
    }
}

/// The text as a field value, in `=?base64?...?=` where it cannot stand as it is.
fn field_value(text: &str) -> Option<HeaderValue> {
    let is_plain = text.bytes().all(|byte| matches!(byte, b'\t' | b' '..=b'~'))
        && text.trim() == text
        && !text.is_empty()
        && !(text.starts_with("=?base64?") && text.ends_with("?="));
    match is_plain {
        true => HeaderValue::from_str(text).ok(),
        false => HeaderValue::try_from(format!("=?base64?{}?=", STANDARD.encode(text))).ok(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bridge::message::Messages;

    fn headers(marks: &Marks, text: &str) -> Vec<(String, String)> {
        let mut headers = HeaderMap::new();
        let messages = Messages::read(text.as_bytes()).unwrap();
        marks.repeat(&mut headers, "2026-07-28", messages.only().unwrap(), text.as_bytes());
        let mut found: Vec<_> =
            headers.iter().map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned())).collect();
        found.sort();
        found.retain(|(name, _)| name != "mcp-protocol-version" && name != "mcp-method");
        found
    }

    fn call(name: &str, arguments: &str) -> String {
        format!(r#"{{"id":1,"method":"tools/call","params":{{"name":"{name}","arguments":{arguments}}}}}"#)
    }

    #[test]
    fn names_stand_as_they_are_or_encoded() {
        let marks = Marks::default();
        for (name, value) in [
            ("echo", "echo"),
            ("a b", "a b"),
            ("caf\\u00e9", "=?base64?Y2Fmw6k=?="),
            (" a", "=?base64?IGE=?="),
            ("=?base64?YQ==?=", "=?base64?PT9iYXNlNjQ/WVE9PT89?="),
            ("a\\nb", "=?base64?YQpi?="),
        ] {
            assert_eq!(headers(&marks, &call(name, "{}")), [("mcp-name".to_owned(), value.to_owned())], "{name}");
        }
    }

    #[test]
    fn marked_arguments_are_repeated() {
        let marks = Marks::default();
        let list = r#"{"id":1,"result":{"tools":[{"name":"sql","inputSchema":{"properties":{
            "region":{"type":"string","x-mcp-header":"Region"},
            "deep":{"type":"object","properties":{"n":{"type":"integer","x-mcp-header":"N"}}},
            "dry":{"type":"boolean","x-mcp-header":"Dry"},
            "odd":{"type":"number","x-mcp-header":"Odd"},
            "bad":{"type":"string","x-mcp-header":"not a token"},
            "plain":{"type":"string"}}}},
            {"name":"twice","inputSchema":{"properties":{
            "a":{"type":"string","x-mcp-header":"X"},"b":{"type":"string","x-mcp-header":"x"}}}}]}}"#;
        marks.learn(list.as_bytes());
        let text = call("sql", r#"{"region":"é","deep":{"n":7},"dry":true,"odd":1.5,"bad":"x","plain":"y"}"#);
        let expected = [
            ("mcp-name", "sql"),
            ("mcp-param-dry", "true"),
            ("mcp-param-n", "7"),
            ("mcp-param-region", "=?base64?w6k=?="),
        ];
        let expected: Vec<_> = expected.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect();
        assert_eq!(headers(&marks, &text), expected);
        let nothing = [("mcp-name".to_owned(), "sql".to_owned())];
        assert_eq!(headers(&marks, &call("sql", r#"{"region":null,"deep":{"n":9007199254740993}}"#)), nothing);
        assert_eq!(headers(&marks, &call("twice", r#"{"a":"1","b":"2"}"#)).len(), 1);
        marks.learn(br#"{"id":2,"result":{"tools":[{"name":"sql","inputSchema":{}}]}}"#);
        assert_eq!(headers(&marks, &text), nothing, "the newer list counts");
    }
}
