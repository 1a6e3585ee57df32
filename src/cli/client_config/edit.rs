//! Changes single members of a JSON text and leaves every other byte as it is: order, blanks, comments, numbers that
//! nobody else would write so. Comments and trailing commas (as VS Code has them) are understood and kept.
//!
//! What comes out is read again and held against what it should mean, so that a mistake here cannot damage a file.

use std::ops::Range;

use serde_json::Value;

use crate::cli::client_config::json::{Json, quoted};

/// Why a text is left alone.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum NotEdited {
    /// It is no JSON object, or one that can be read in two ways.
    #[error("it is not understood ({0})")]
    NotUnderstood(String),
    /// Somebody else has that place.
    #[error("{0}")]
    Taken(String),
}

/// Sets members of the root object, those of objects in them one by one. Other members stay.
///
/// # Errors
/// When the text is no JSON object, or a member that has to be an object is something else.
pub(super) fn merged(text: &str, members: &[(String, Json)]) -> Result<String, NotEdited> {
    let before = meaning(text)?;
    let mut text = if plain(text)?.trim().is_empty() { format!("{{}}{}", line_break(text)) } else { text.to_owned() };
    let root = Scanner { text: &text }.skip_blanks(bom(&text))?;
    let unit = unit(&text);
    merge(&mut text, root, members, &unit)?;
    let expected = members.iter().fold(before, |value, (name, json)| with(value, name, json));
    match meaning(&text)? == expected {
        true => Ok(text),
        false => Err(NotEdited::NotUnderstood("it does not mean what it should after the change".to_owned())),
    }
}

/// What a text means; an empty one is an empty object.
///
/// # Errors
/// When it is no JSON object.
pub(super) fn meaning(text: &str) -> Result<Value, NotEdited> {
    let plain = plain(text)?;
    if plain.trim().is_empty() {
        return Ok(Value::Object(serde_json::Map::new()));
    }
    match serde_json::from_str(&plain) {
        Ok(value @ Value::Object(_)) => Ok(value),
        Ok(_) => Err(not("it is no JSON object")),
        Err(error) => Err(NotEdited::NotUnderstood(format!("it is no JSON: {error}"))),
    }
}

fn not(why: &str) -> NotEdited {
    NotEdited::NotUnderstood(why.to_owned())
}

fn with(mut value: Value, name: &str, json: &Json) -> Value {
    if let Value::Object(members) = &mut value {
        let old = members.remove(name);
        let new = match (old, json) {
            (Some(old @ Value::Object(_)), Json::Object(inner)) => {
                inner.iter().fold(old, |value, (name, json)| with(value, name, json))
            }
            _ => json.value(),
        };
        members.insert(name.to_owned(), new);
    }
    value
}

/// Changes the object that begins at `at`.
fn merge(text: &mut String, at: usize, members: &[(String, Json)], unit: &str) -> Result<(), NotEdited> {
    for (name, json) in members {
        let object = Scanner { text }.object(at)?;
        let mut found = object.members.iter().filter(|member| member.name == *name);
        let (first, second) = (found.next(), found.next());
        if second.is_some() {
            return Err(NotEdited::NotUnderstood(format!("{name:?} stands twice in one object")));
        }
        let Some(member) = first else {
            insert(text, &object, name, json, unit);
            continue;
        };
        let (value, old) = (member.value.clone(), &text[member.value.clone()]);
        match json {
            Json::Object(inner) if old.starts_with('{') => merge(text, value.start, inner, unit)?,
            Json::Object(_) => {
                return Err(NotEdited::NotUnderstood(format!("{name:?} is no object")));
            }
            _ if serde_json::from_str(&plain(old)?).ok() == Some(json.value()) => {}
            _ => {
                let indent = indent_at(text, value.start);
                let new = json.written(&indent, unit, line_break(text));
                text.replace_range(value, &new);
            }
        }
    }
    Ok(())
}

fn insert(text: &mut String, object: &Object, name: &str, json: &Json, unit: &str) {
    let end = line_break(text);
    let outer = indent_at(text, object.open);
    let own = |member: &Member| {
        let line = text[..member.start].rfind('\n').map_or(0, |at| at + 1);
        text[line..member.start].trim().is_empty().then(|| text[line..member.start].to_owned())
    };
    let inner = object.members.first().and_then(own).unwrap_or_else(|| format!("{outer}{unit}"));
    let member = format!("{inner}{}: {}", quoted(name), json.written(&inner, unit, end));
    // What stands behind the last member, a comment maybe, stays there.
    let last = object.members.last().map_or(object.open + 1, |member| member.value.end);
    let tail = text[last..object.close].trim_end().to_owned();
    let comma = if object.members.is_empty() || object.ends_with_comma { "" } else { "," };
    text.replace_range(last..object.close, &format!("{comma}{tail}{end}{member}{end}{outer}"));
}

/// The blanks at the beginning of the line of `at`.
fn indent_at(text: &str, at: usize) -> String {
    let line = &text[text[..at].rfind('\n').map_or(0, |at| at + 1)..at];
    line.chars().take_while(|c| matches!(c, ' ' | '\t')).collect()
}

/// What one level is indented by: as the first indented line.
fn unit(text: &str) -> String {
    let indented = |line: &str| -> Option<String> {
        let blanks: String = line.chars().take_while(|c| matches!(c, ' ' | '\t')).collect();
        (!blanks.is_empty() && line.trim_start().starts_with('"')).then_some(blanks)
    };
    let found = text.lines().find_map(indented);
    found.filter(|blanks| blanks.len() <= 8).unwrap_or_else(|| "  ".to_owned())
}

fn line_break(text: &str) -> &'static str {
    if text.contains("\r\n") { "\r\n" } else { "\n" }
}

/// The length of a byte order mark.
fn bom(text: &str) -> usize {
    if text.starts_with('\u{FEFF}') { '\u{FEFF}'.len_utf8() } else { 0 }
}

/// The text as plain JSON: blanks for comments, for trailing commas and for a byte order mark.
fn plain(text: &str) -> Result<String, NotEdited> {
    let scanner = Scanner { text };
    let mut plain = " ".repeat(bom(text));
    let (mut at, mut comma) = (bom(text), None);
    while at < text.len() {
        let end = match text.as_bytes()[at] {
            b'"' => scanner.string(at)?,
            b'/' => {
                let end = scanner.comment(at)?;
                // Line breaks stay, so that an error names the right line.
                plain.extend(text[at..end].bytes().map(|byte| if byte == b'\n' { '\n' } else { ' ' }));
                at = end;
                continue;
            }
            _ => at + text[at..].chars().next().map_or(1, char::len_utf8),
        };
        match text.as_bytes()[at] {
            b',' => comma = Some(plain.len()),
            b'}' | b']' => {
                if let Some(comma) = comma.take() {
                    plain.replace_range(comma..=comma, " ");
                }
            }
            byte if byte.is_ascii_whitespace() => {}
            _ => comma = None,
        }
        plain.push_str(&text[at..end]);
        at = end;
    }
    Ok(plain)
}

/// An object and where its parts are.
struct Object {
    open: usize,
    /// The brace at its end.
    close: usize,
    members: Vec<Member>,
    ends_with_comma: bool,
}

struct Member {
    name: String,
    start: usize,
    value: Range<usize>,
}

/// Finds the parts of a JSON text.
struct Scanner<'a> {
    text: &'a str,
}

impl Scanner<'_> {
    fn byte(&self, at: usize) -> Option<u8> {
        self.text.as_bytes().get(at).copied()
    }

    /// Where the next token begins.
    fn skip_blanks(&self, mut at: usize) -> Result<usize, NotEdited> {
        loop {
            match self.byte(at) {
                Some(byte) if byte.is_ascii_whitespace() => at += 1,
                Some(b'/') => at = self.comment(at)?,
                _ => return Ok(at),
            }
        }
    }

    /// Where the comment at `at` ends.
    fn comment(&self, at: usize) -> Result<usize, NotEdited> {
        let rest = &self.text[at..];
        match self.byte(at + 1) {
            Some(b'/') => Ok(at + rest.find('\n').unwrap_or(rest.len())),
            Some(b'*') => rest[2..].find("*/").map(|end| at + 2 + end + 2).ok_or_else(|| not("a comment has no end")),
            _ => Err(not("there is a stray slash")),
        }
    }

    /// Where the string at `at` ends.
    fn string(&self, at: usize) -> Result<usize, NotEdited> {
        let mut here = at + 1;
        loop {
            match self.byte(here) {
                Some(b'"') => return Ok(here + 1),
                Some(b'\\') => here += 2,
                Some(_) => here += 1,
                None => return Err(not("a string has no end")),
            }
        }
    }

    /// Where the value at `at` ends.
    fn value(&self, at: usize) -> Result<usize, NotEdited> {
        let (mut here, mut depth) = (at, 0_usize);
        loop {
            match self.byte(here) {
                None if depth == 0 => return Ok(here),
                None => return Err(not("an object or list has no end")),
                Some(b'"') => here = self.string(here)?,
                Some(b'/') if depth > 0 => here = self.comment(here)?,
                Some(b'{' | b'[') => (depth, here) = (depth + 1, here + 1),
                Some(b'}' | b']') if depth > 0 => (depth, here) = (depth - 1, here + 1),
                Some(b',' | b'}' | b']' | b'/') if depth == 0 => return Ok(here),
                Some(byte) if depth == 0 && byte.is_ascii_whitespace() => return Ok(here),
                Some(_) => {
                    here += 1;
                    continue;
                }
            }
            if depth == 0 {
                return Ok(here);
            }
        }
    }

    /// The object at `at`.
    fn object(&self, at: usize) -> Result<Object, NotEdited> {
        if self.byte(at) != Some(b'{') {
            return Err(not("it is no JSON object"));
        }
        let mut object = Object { open: at, close: at, members: Vec::new(), ends_with_comma: false };
        let mut here = self.skip_blanks(at + 1)?;
        loop {
            match self.byte(here) {
                Some(b'}') => {
                    object.close = here;
                    return Ok(object);
                }
                Some(b'"') => {}
                _ => return Err(not("a member has no name")),
            }
            let name_end = self.string(here)?;
            let name = serde_json::from_str(&self.text[here..name_end]).map_err(|error| not(&error.to_string()))?;
            let colon = self.skip_blanks(name_end)?;
            if self.byte(colon) != Some(b':') {
                return Err(not("a member has no value"));
            }
            let value = self.skip_blanks(colon + 1)?;
            let end = self.value(value)?;
            object.members.push(Member { name, start: here, value: value..end });
            here = self.skip_blanks(end)?;
            object.ends_with_comma = self.byte(here) == Some(b',');
            if object.ends_with_comma {
                here = self.skip_blanks(here + 1)?;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn entry(url: &str) -> Vec<(String, Json)> {
        let server = Json::object([("url", Json::text(url))]);
        vec![("servers".to_owned(), Json::object([("ecs", server)]))]
    }

    #[test]
    fn a_member_is_added_and_all_else_stays() {
        for (before, after) in [
            ("", "{\n  \"servers\": {\n    \"ecs\": {\n      \"url\": \"u\"\n    }\n  }\n}\n"),
            ("{}", "{\n  \"servers\": {\n    \"ecs\": {\n      \"url\": \"u\"\n    }\n  }\n}"),
            (
                "{\n    \"z\": 1.50,\n    \"servers\": {\n        \"own\": {\"command\": \"x\"} // mine\n    },\n    \"a\": [ 1,2 ]\n}\n",
                "{\n    \"z\": 1.50,\n    \"servers\": {\n        \"own\": {\"command\": \"x\"}, // mine\n        \"ecs\": {\n            \"url\": \"u\"\n        }\n    },\n    \"a\": [ 1,2 ]\n}\n",
            ),
            (
                "{\r\n\t\"servers\": {\r\n\t\t\"own\": {},\r\n\t},\r\n}\r\n",
                "{\r\n\t\"servers\": {\r\n\t\t\"own\": {},\r\n\t\t\"ecs\": {\r\n\t\t\t\"url\": \"u\"\r\n\t\t}\r\n\t},\r\n}\r\n",
            ),
            (
                "// see the manual\n{\"servers\":{\"ecs\":{\"url\":\"old\",\"disabled\":true}}}",
                "// see the manual\n{\"servers\":{\"ecs\":{\"url\":\"u\",\"disabled\":true}}}",
            ),
            ("{ /* none */ }", "{ /* none */\n  \"servers\": {\n    \"ecs\": {\n      \"url\": \"u\"\n    }\n  }\n}"),
            (
                "\u{FEFF}{\"servers\": {\"ecs\": {\"url\": \"\\u0075\"}}}",
                "\u{FEFF}{\"servers\": {\"ecs\": {\"url\": \"\\u0075\"}}}",
            ),
        ] {
            assert_eq!(merged(before, &entry("u")).as_deref(), Ok(after), "{before}");
            assert_eq!(merged(after, &entry("u")).as_deref(), Ok(after), "once more changes nothing");
        }
    }

    #[test]
    fn what_is_not_understood_is_left_alone() {
        for text in [
            "[]",
            "1",
            "{",
            "{\"servers\": []}",
            "{\"servers\": {\"ecs\": 7}}",
            "{\"servers\": {}, \"servers\": {}}",
            "{\"servers\": {\"ecs\": {}, \"\\u0065cs\": {}}}",
            "{\"servers\": {}} x",
            "{\"servers\": {} /* }",
            "{servers: {}}",
            "{\"a\": / }",
            "{\"a\": \"x}",
            "{\"a\" 1}",
            "{\"a\": 1 \"b\": 2}",
            "mcpServers = {}",
        ] {
            assert!(matches!(merged(text, &entry("u")), Err(NotEdited::NotUnderstood(_))), "{text}");
        }
    }

    fn json() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i32>().prop_map(Value::from),
            "[ -~é/*\\\\\"\n]{0,8}".prop_map(Value::from),
        ];
        leaf.prop_recursive(3, 24, 4, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                prop::collection::btree_map("servers|ecs|url|[a-z/*]{0,3}", inner, 0..4)
                    .prop_map(|map| Value::Object(map.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn any_json_is_merged_to_what_it_should_mean_or_left_alone(value in json(), pretty in any::<bool>()) {
            let text = if pretty { serde_json::to_string_pretty(&value).unwrap() } else { value.to_string() };
            if let Ok(text) = merged(&text, &entry("u")) {
                let after = meaning(&text).unwrap();
                prop_assert_eq!(&after["servers"]["ecs"]["url"], &Value::from("u"));
                for (name, old) in value.as_object().unwrap() {
                    prop_assert!(name == "servers" || after[name] == *old);
                }
            } else {
                prop_assert!(!value.is_object() || value.get("servers").is_some());
            }
        }

        #[test]
        fn no_text_is_a_panic(text in "[{}\\[\\]\",:/*\n a-c\\\\é]{0,40}") {
            let _ = merged(&text, &entry("u"));
        }
    }
}
