//! The messages in the body of a request (JSON-RPC 2.0 §4 to §6), as far as rules are about them.
//!
//! What one server would read otherwise than another is not read at all: a member that stands twice (RFC 8259 §4 leaves
//! open which one counts), one whose name differs by case alone (some parsers take it for the same), a body that goes
//! on after its message. Escapes are decoded before anything is compared.

use std::borrow::Cow;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor};

/// The most messages that one body may hold.
const MOST_MESSAGES: usize = 1000;
/// The members of a message.
const MEMBERS: [&str; 6] = ["jsonrpc", "id", "method", "params", "result", "error"];
/// The members of parameters that say what a method is applied to.
const TARGETS: [&str; 3] = ["name", "uri", "taskId"];

/// Why a body cannot be read, in words that follow "the body".
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Unreadable(String);

/// What a body holds.
#[derive(Debug, PartialEq, Eq)]
pub struct Messages<'a> {
    batch: bool,
    list: Vec<Message<'a>>,
}

/// One message.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Message<'a> {
    method: Option<Cow<'a, str>>,
    has_id: bool,
    targets: [Target<'a>; 3],
}

/// One of the parameters that say what a method is applied to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Target<'a> {
    /// It is not there.
    #[default]
    Absent,
    /// This text.
    Text(Cow<'a, str>),
    /// It is no text, or not plain which text it is.
    Unclear,
}

impl<'a> Messages<'a> {
    /// The messages, at least one.
    pub fn list(&self) -> &[Message<'a>] {
        &self.list
    }

    /// True if they stand in a list, even of one.
    pub fn are_a_batch(&self) -> bool {
        self.batch
    }
}

impl<'a> Message<'a> {
    /// The method; `None` for an answer.
    pub fn method(&self) -> Option<&str> {
        self.method.as_deref()
    }

    /// True if it wants an answer.
    pub fn is_request(&self) -> bool {
        self.has_id && self.method.is_some()
    }

    /// `params.name`: a tool, or a prompt.
    pub fn name(&self) -> &Target<'a> {
        &self.targets[0]
    }

    /// What the header `Mcp-Name` repeats (MCP 2026-07-28, Streamable HTTP): the name of a tool or prompt, the URI of a
    /// resource, the id of a task.
    pub fn named(&self) -> &Target<'a> {
        let [name, uri, task] = &self.targets;
        match self.method.as_deref() {
            Some(method) if method.starts_with("resources/") => uri,
            Some(method) if method.starts_with("tasks/") => task,
            _ => name,
        }
    }
}

/// Reads a body.
///
/// # Errors
/// When it is no message, or can be read in two ways.
pub fn read(body: &[u8]) -> Result<Messages<'_>, Unreadable> {
    let text = std::str::from_utf8(body).map_err(|_| Unreadable("is not UTF-8".to_owned()))?;
    let mut deserializer = serde_json::Deserializer::from_str(text);
    let read = BodySeed.deserialize(&mut deserializer).and_then(|read| deserializer.end().map(|()| read));
    read.map_err(|error| match error.classify() {
        // Our own words; the parser's may repeat the body.
        serde_json::error::Category::Data => {
            let words = error.to_string();
            Unreadable(words.split(" at line ").next().unwrap_or_default().to_owned())
        }
        _ => Unreadable("is not JSON".to_owned()),
    })
}

struct BodySeed;
struct MessageSeed;
struct TextSeed;
struct ParamsSeed<'t, 'a>(&'t mut [Target<'a>; 3]);

impl<'de> DeserializeSeed<'de> for BodySeed {
    type Value = Messages<'de>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Messages<'de>, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for BodySeed {
    type Value = Messages<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON-RPC message")
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Messages<'de>, A::Error> {
        Ok(Messages { batch: false, list: vec![MessageSeed.visit_map(map)?] })
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Messages<'de>, A::Error> {
        let mut list = Vec::new();
        while let Some(message) = seq.next_element_seed(MessageSeed)? {
            if list.len() == MOST_MESSAGES {
                return Err(A::Error::custom(format!("holds more than {MOST_MESSAGES} messages")));
            }
            list.push(message);
        }
        if list.is_empty() {
            return Err(A::Error::custom("holds no message"));
        }
        Ok(Messages { batch: true, list })
    }
}

impl<'de> DeserializeSeed<'de> for MessageSeed {
    type Value = Message<'de>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Message<'de>, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for MessageSeed {
    type Value = Message<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON-RPC message")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Message<'de>, A::Error> {
        let (mut message, mut seen, mut version) = (Message::default(), [false; MEMBERS.len()], Target::Absent);
        while let Some(key) = map.next_key_seed(TextSeed)? {
            let key = key.text().ok_or_else(|| A::Error::custom("has a member without a name"))?;
            let Some(at) = MEMBERS.iter().position(|member| is_taken_for(&key, member)) else {
                map.next_value::<IgnoredAny>()?;
                continue;
            };
            let member = MEMBERS[at];
            if key != member {
                return Err(A::Error::custom(format!("has a member that some servers take for {member:?}")));
            }
            if std::mem::replace(&mut seen[at], true) {
                return Err(A::Error::custom(format!("has {member:?} twice")));
            }
            match member {
                "jsonrpc" => version = map.next_value_seed(TextSeed)?,
                "method" => {
                    let method = map.next_value_seed(TextSeed)?.text();
                    message.method = Some(method.ok_or_else(|| A::Error::custom("has a method that is no text"))?);
                }
                "params" => map.next_value_seed(ParamsSeed(&mut message.targets))?,
                _ => drop(map.next_value::<IgnoredAny>()?),
            }
        }
        let [_, id, method, _, result, error] = seen;
        message.has_id = id;
        match (method, result || error) {
            _ if version.text().as_deref() != Some("2.0") => Err(A::Error::custom("is not JSON-RPC 2.0")),
            (true, true) => Err(A::Error::custom("is a request and an answer at once")),
            (false, false) => Err(A::Error::custom("is neither a request nor an answer")),
            _ => Ok(message),
        }
    }
}

impl<'de> DeserializeSeed<'de> for ParamsSeed<'_, 'de> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for ParamsSeed<'_, 'de> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("parameters by name or in order")
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(key) = map.next_key_seed(TextSeed)? {
            let key = key.text().unwrap_or_default();
            let Some(at) = TARGETS.iter().position(|target| is_taken_for(&key, target)) else {
                map.next_value::<IgnoredAny>()?;
                continue;
            };
            let value = map.next_value_seed(TextSeed)?;
            // Twice, or in another case: which one counts is for each server to say.
            let plain = key == TARGETS[at] && self.0[at] == Target::Absent;
            self.0[at] = if plain { value } else { Target::Unclear };
        }
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        while seq.next_element::<IgnoredAny>()?.is_some() {}
        *self.0 = [Target::Unclear, Target::Unclear, Target::Unclear];
        Ok(())
    }
}

impl<'a> Target<'a> {
    fn text(self) -> Option<Cow<'a, str>> {
        match self {
            Self::Text(text) => Some(text),
            Self::Absent | Self::Unclear => None,
        }
    }
}

impl<'de> DeserializeSeed<'de> for TextSeed {
    type Value = Target<'de>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Target<'de>, D::Error> {
        deserializer.deserialize_any(self)
    }
}

/// Takes any value, and tells texts from the rest.
impl<'de> Visitor<'de> for TextSeed {
    type Value = Target<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Target<'de>, E> {
        Ok(Target::Text(Cow::Borrowed(text)))
    }

    fn visit_str<E>(self, text: &str) -> Result<Target<'de>, E> {
        Ok(Target::Text(Cow::Owned(text.to_owned())))
    }

    fn visit_bool<E>(self, _: bool) -> Result<Target<'de>, E> {
        Ok(Target::Unclear)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Target<'de>, E> {
        Ok(Target::Unclear)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Target<'de>, E> {
        Ok(Target::Unclear)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Target<'de>, E> {
        Ok(Target::Unclear)
    }

    fn visit_unit<E>(self) -> Result<Target<'de>, E> {
        Ok(Target::Unclear)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Target<'de>, A::Error> {
        while seq.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Target::Unclear)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Target<'de>, A::Error> {
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Target::Unclear)
    }
}

/// True if `key` is `name`, or differs from it by case alone, in the widest sense that parsers have of that: the long s
/// and the sign for Kelvin are an s and a k.
fn is_taken_for(key: &str, name: &str) -> bool {
    if key.is_ascii() {
        return key.eq_ignore_ascii_case(name);
    }
    key.chars().flat_map(char::to_uppercase).eq(name.chars().flat_map(char::to_uppercase))
        || key.chars().flat_map(char::to_lowercase).eq(name.chars().flat_map(char::to_lowercase))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(body: &str) -> Result<Vec<String>, String> {
        let messages = read(body.as_bytes()).map_err(|error| error.to_string())?;
        let words = |message: &Message<'_>| {
            let kind = if message.is_request() { "request" } else { "note" };
            match (message.method(), message.named()) {
                (None, _) => "answer".to_owned(),
                (Some(method), Target::Text(name)) => format!("{kind} {method} {name}"),
                (Some(method), Target::Unclear) => format!("{kind} {method} ?"),
                (Some(method), Target::Absent) => format!("{kind} {method}"),
            }
        };
        Ok(messages.list().iter().map(words).collect())
    }

    fn message(members: &str) -> String {
        format!(r#"{{"jsonrpc":"2.0",{members}}}"#)
    }

    #[test]
    fn messages_are_read_with_their_escapes_decoded() {
        for (members, expected) in [
            (r#""id":1,"method":"tools/call","params":{"name":"a","arguments":{"name":"b"}}"#, "request tools/call a"),
            (r#""params":{"n\u0061me":"\u0061"},"meth\u006fd":"tools\/call","id":null"#, "request tools/call a"),
            (r#""method":"notifications/initialized""#, "note notifications/initialized"),
            (r#""id":1,"result":{"method":"x"}"#, "answer"),
            (r#""id":1,"error":{}"#, "answer"),
            (r#""id":1,"method":"resources/read","params":{"uri":"a:b","name":"c"}"#, "request resources/read a:b"),
            (r#""id":1,"method":"tasks/get","params":{"taskId":"t"}"#, "request tasks/get t"),
            (r#""id":1,"method":"prompts/get","params":{"name":"p"},"_x":[{}]"#, "request prompts/get p"),
            (r#""id":1,"method":"tools/call","params":{"name":"a","name":"a"}"#, "request tools/call ?"),
            (r#""id":1,"method":"tools/call","params":{"name":"a","Name":"b"}"#, "request tools/call ?"),
            (r#""id":1,"method":"tools/call","params":{"NAME":"b"}"#, "request tools/call ?"),
            (r#""id":1,"method":"tools/call","params":["a"]"#, "request tools/call ?"),
            (r#""id":1,"method":"tools/call","params":{"name":{"x":1}}"#, "request tools/call ?"),
            (r#""id":1,"method":"tools/call","params":null"#, "request tools/call"),
        ] {
            let body = message(members);
            assert_eq!(said(&body), Ok(vec![expected.to_owned()]), "{body}");
            let batch = format!(" [{body} , {body}]\n");
            assert_eq!(said(&batch), Ok(vec![expected.to_owned(); 2]), "{batch}");
            assert!(read(batch.as_bytes()).unwrap().are_a_batch());
        }
    }

    #[test]
    fn what_can_be_read_in_two_ways_is_not_read() {
        for (body, why) in [
            (message(r#""id":1,"method":"a","method":"b""#), "has \"method\" twice"),
            (message(r#""id":1,"method":"a","params":{},"params":{}"#), "has \"params\" twice"),
            (message(r#""id":1,"id":2,"method":"a""#), "has \"id\" twice"),
            (message(r#""id":1,"method":"a","meth\u006fd":"a""#), "has \"method\" twice"),
            (message(r#""id":1,"method":"a","Method":"b""#), "take for \"method\""),
            (message("\"id\":1,\"method\":\"a\",\"param\u{17f}\":{}"), "take for \"params\""),
            (message(r#""id":1,"method":"a","result":{}"#), "a request and an answer at once"),
            (message(r#""id":1"#), "neither a request nor an answer"),
            (message(r#""id":1,"method":7"#), "a method that is no text"),
            (r#"{"id":1,"method":"a"}"#.to_owned(), "is not JSON-RPC 2.0"),
            ("[]".to_owned(), "holds no message"),
            (format!("[{}]", vec![message(r#""method":"a""#); 1001].join(",")), "more than 1000"),
            ("[[]]".to_owned(), "invalid type"),
            ("7".to_owned(), "invalid type"),
            (String::new(), "is not JSON"),
            (format!("{0}{0}", message(r#""method":"a""#)), "is not JSON"),
            (format!("\u{feff}{}", message(r#""method":"a""#)), "is not JSON"),
            (message(r#""method":"a\ud800""#), "is not JSON"),
            (message("\"method\":\"a\u{0}\""), "is not JSON"),
            (message("'method':'a'"), "is not JSON"),
            (message(r#""method":"a","x":NaN"#), "is not JSON"),
            (format!("{}//", message(r#""method":"a""#)), "is not JSON"),
            (format!(r#"{{"x":{}"#, "[".repeat(100_000)), "is not JSON"),
        ] {
            let found = said(&body).unwrap_err();
            assert!(found.contains(why), "{}: {found}", &body[..body.len().min(80)]);
        }
        assert_eq!(read(b"\xff").unwrap_err().to_string(), "is not UTF-8");
    }
}
