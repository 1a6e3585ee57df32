//! Cuts lists of tools out of a text with JSON-RPC messages (MCP, server/tools): by their shape, `result.tools`.
//!
//! What is not cut keeps every byte. A list that can be read in two ways is none that can be cut.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;

/// One tool of a list, as far as rules are about it.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::proxy) struct Tool<'a> {
    /// Its name.
    pub(in crate::proxy) name: Cow<'a, str>,
    /// Its server says that it changes nothing. Without a word it may (MCP, ToolAnnotations).
    pub(in crate::proxy) is_read_only: bool,
}

/// The text is no JSON, or can be read in two ways.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::proxy) struct Unreadable;

/// The text without the tools that `keeps` does not want; `None` if that changes nothing. Tools without a plain name are
/// not kept.
///
/// # Errors
/// When it cannot be told what is in it.
pub(in crate::proxy) fn cut(
    text: &str,
    mut keeps: impl FnMut(&Tool<'_>) -> bool,
) -> Result<Option<String>, Unreadable> {
    let mut changed = Changed { text, out: String::new(), passed: 0 };
    match text.trim_start().chars().next() {
        // What some clients skip, or take for another encoding, before they read on.
        Some('\u{feff}' | '\0') => return Err(Unreadable),
        Some('[') => {
            let messages: Vec<&RawValue> = parsed(text)?;
            messages.into_iter().try_for_each(|message| in_message(message.get(), &mut changed, &mut keeps))?;
        }
        Some('{') => in_message(text, &mut changed, &mut keeps)?,
        // No message at all, such as the "Accepted" with which HTTP+SSE answers a POST.
        _ => {}
    }
    Ok(changed.whole())
}

#[derive(Deserialize)]
struct Message<'a> {
    #[serde(borrow)]
    result: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct ToolsResult<'a> {
    #[serde(borrow)]
    tools: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct RawTool<'a> {
    #[serde(borrow)]
    name: Cow<'a, str>,
    annotations: Option<Annotations>,
}

#[derive(Deserialize)]
struct Annotations {
    #[serde(rename = "readOnlyHint")]
    read_only: Option<bool>,
}

fn in_message<'a>(
    message: &'a str,
    changed: &mut Changed<'a>,
    keeps: &mut impl FnMut(&Tool<'_>) -> bool,
) -> Result<(), Unreadable> {
    if !is(b'{', message) {
        // A message is an object; what is none must be JSON all the same.
        return parsed::<&RawValue>(message).map(drop);
    }
    let message: Message<'a> = parsed(message)?;
    let Some(result) = message.result.filter(|result| is(b'{', result.get())) else { return Ok(()) };
    let result: ToolsResult<'a> = parsed(result.get())?;
    let Some(tools) = result.tools.filter(|tools| is(b'[', tools.get())) else { return Ok(()) };
    let all: Vec<&'a RawValue> = parsed(tools.get())?;
    let kept: Vec<&'a str> =
        all.iter().map(|tool| tool.get()).filter(|raw| tool(raw).is_some_and(|t| keeps(&t))).collect();
    if kept.len() < all.len() {
        changed.replace(tools.get(), &kept);
    }
    Ok(())
}

fn tool(raw: &str) -> Option<Tool<'_>> {
    let RawTool { name, annotations } = serde_json::from_str(raw).ok()?;
    let is_read_only = annotations.and_then(|annotations| annotations.read_only).unwrap_or(false);
    Some(Tool { name, is_read_only })
}

fn parsed<'a, T: Deserialize<'a>>(text: &'a str) -> Result<T, Unreadable> {
    serde_json::from_str(text).map_err(|_| Unreadable)
}

fn is(first: u8, text: &str) -> bool {
    text.trim_start().as_bytes().first() == Some(&first)
}

/// A text of which pieces are replaced from left to right.
struct Changed<'a> {
    text: &'a str,
    out: String,
    passed: usize,
}

impl<'a> Changed<'a> {
    /// `list` is a piece of the text.
    fn replace(&mut self, list: &'a str, kept: &[&str]) {
        let begin = list.as_ptr() as usize - self.text.as_ptr() as usize;
        self.out.push_str(&self.text[self.passed..begin]);
        self.out.push('[');
        self.out.push_str(&kept.join(","));
        self.out.push(']');
        self.passed = begin + list.len();
    }

    fn whole(mut self) -> Option<String> {
        if self.passed == 0 {
            return None;
        }
        self.out.push_str(&self.text[self.passed..]);
        Some(self.out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn without_b(text: &str) -> Result<Option<String>, Unreadable> {
        cut(text, |tool| tool.name != "b")
    }

    #[test]
    fn what_is_not_wanted_goes_and_the_rest_keeps_every_byte() {
        let text = "{ \"jsonrpc\":\"2.0\",\"id\" : 1.0,\"result\":{\"x\":\"\\u0061\",\"tools\": [ {\"name\":\"a\",\"z\": 1.50} , \
                    {\"name\":\"\\u0062\"},{\"name\":\"c\"} ],\"nextCursor\":\"n\"} }\n";
        let expected = "{ \"jsonrpc\":\"2.0\",\"id\" : 1.0,\"result\":{\"x\":\"\\u0061\",\"tools\": [{\"name\":\"a\",\"z\": \
                        1.50},{\"name\":\"c\"}],\"nextCursor\":\"n\"} }\n";
        assert_eq!(without_b(text), Ok(Some(expected.to_owned())));
        assert_eq!(without_b(expected), Ok(None));
    }

    #[test]
    fn lists_are_told_by_their_shape() {
        for text in [
            r#"{"id":1,"result":{"tools":[]}}"#,
            r#"{"id":1,"result":{"tools":{"name":"b"}}}"#,
            r#"{"id":1,"result":{"content":[{"tools":[{"name":"b"}]}]}}"#,
            r#"{"id":1,"result":[{"name":"b"}]}"#,
            r#"{"id":1,"error":{"tools":[{"name":"b"}]}}"#,
            r#"{"method":"x","params":{"tools":[{"name":"b"}]}}"#,
            r#"{"id":1,"result":null}"#,
            r#"[{"id":1,"result":{}},7]"#,
            "7",
            "",
            "Accepted",
        ] {
            assert_eq!(without_b(text), Ok(None), "{text}");
        }
        let batch =
            r#"[{"id":1,"result":{"tools":[{"name":"b"}]}},{"id":2,"result":{"tools":[{"name":"a"},{"name":"b"}]}} ]"#;
        let expected = r#"[{"id":1,"result":{"tools":[]}},{"id":2,"result":{"tools":[{"name":"a"}]}} ]"#;
        assert_eq!(without_b(batch), Ok(Some(expected.to_owned())));
    }

    #[test]
    fn tools_without_a_plain_name_are_not_kept() {
        let text = r#"{"result":{"tools":[{"name":7},{},7,null,{"name":"a","name":"c"},{"name":"d"}]}}"#;
        assert_eq!(without_b(text), Ok(Some(r#"{"result":{"tools":[{"name":"d"}]}}"#.to_owned())));
    }

    #[test]
    fn what_can_be_read_in_two_ways_is_unreadable() {
        for text in [
            "{",
            "[{]",
            "\u{feff}{}",
            "\0{\0}",
            r#"{"result":{"tools":[]},"result":{}}"#,
            r#"{"result":{"tools":[],"t\u006fols":[{"name":"b"}]}}"#,
            r#"{"result":{"tools":[{"name":"b"}]}}{}"#,
            r#"{"result":{"tools":[{"name":"b"}],"x":NaN}}"#,
        ] {
            assert_eq!(without_b(text), Err(Unreadable), "{text}");
        }
    }

    #[test]
    fn a_tool_changes_nothing_only_if_its_server_says_so() {
        let hint = |annotations: &str| {
            let raw = format!(r#"{{"name":"a"{annotations}}}"#);
            tool(&raw).map(|tool| tool.is_read_only)
        };
        for (annotations, expected) in [
            (r#","annotations":{"readOnlyHint":true,"x":1}"#, Some(true)),
            (r#","annotations":{"readOnlyHint":false}"#, Some(false)),
            (r#","annotations":{"readonlyhint":true}"#, Some(false)),
            (r#","annotations":{}"#, Some(false)),
            (r#","annotations":null"#, Some(false)),
            ("", Some(false)),
            (r#","readOnlyHint":true"#, Some(false)),
            (r#","annotations":{"readOnlyHint":"true"}"#, None),
            (r#","annotations":{"readOnlyHint":true,"readOnlyHint":false}"#, None),
        ] {
            assert_eq!(hint(annotations), expected, "{annotations}");
        }
    }
}
