//! An event stream with lists of tools, for a client that may not call the tool `b`. The first byte of an input is the
//! length of the pieces, the rest is the stream.

#![no_main]

use libfuzzer_sys::fuzz_target;
use mcp_proxy::proxy::fuzzing::{Cut, cut};
use serde_json::Value;

/// The messages that a client finds in a stream (WHATWG HTML §9.2.6); one that is not over counts too.
fn messages(stream: &[u8]) -> Vec<Value> {
    let text = String::from_utf8_lossy(stream).replace("\r\n", "\n").replace('\r', "\n");
    let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
    let (mut found, mut data) = (Vec::new(), Vec::new());
    for line in text.split('\n').chain([""]) {
        if line.is_empty() {
            found.extend(serde_json::from_str(&std::mem::take(&mut data).join("\n")));
        } else if let Some(value) = line.strip_prefix("data:") {
            data.push(value.strip_prefix(' ').unwrap_or(value));
        } else if line == "data" {
            data.push("");
        }
    }
    found
}

fn shows(messages: &[Value], tool: &str) -> bool {
    let has = |message: &Value| {
        let tools = message["result"]["tools"].as_array();
        tools.is_some_and(|tools| tools.iter().any(|each| each["name"] == tool))
    };
    messages.iter().any(|message| match message {
        Value::Array(batch) => batch.iter().any(has),
        one => has(one),
    })
}

fuzz_target!(|input: &[u8]| {
    let Some((length, stream)) = input.split_first() else { return };
    let whole = cut([stream], "b");
    for length in [1, usize::from(*length).max(1)] {
        assert_eq!(cut(stream.chunks(length), "b"), whole, "in pieces of {length}");
    }
    let Cut { passed, broken } = whole;
    let (before, after) = (messages(stream), messages(&passed));
    assert!(!shows(&after, "b"), "{:?}", String::from_utf8_lossy(&passed));
    if !broken {
        assert_eq!(before.len(), after.len(), "a message is lost");
        assert_eq!(shows(&before, "a"), shows(&after, "a"), "what may be called is seen");
        if !stream.windows(5).any(|window| window == b"tools") && !stream.windows(2).any(|window| window == b"\\u") {
            assert!(passed == stream, "there was nothing to cut");
        }
    }
});
