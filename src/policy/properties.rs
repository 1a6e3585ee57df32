//! Whatever a server takes a body for, what the rules refuse does not get to it: random bodies, read as servers read
//! JSON. Some take the first of two members with one name, some the last, and some do not look at case.

use proptest::prelude::*;
use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};

use crate::policy::grant::Grant;
use crate::policy::message;
use crate::policy::pattern::{Pattern, Patterns};

/// JSON with all members in their order.
#[derive(Debug, Clone)]
enum Json {
    Text(String),
    List(Vec<Json>),
    Object(Vec<(String, Json)>),
    Other,
}

impl<'de> Deserialize<'de> for Json {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Any;
        impl<'de> Visitor<'de> for Any {
            type Value = Json;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("JSON")
            }
            fn visit_str<E>(self, text: &str) -> Result<Json, E> {
                Ok(Json::Text(text.to_owned()))
            }
            fn visit_bool<E>(self, _: bool) -> Result<Json, E> {
                Ok(Json::Other)
            }
            fn visit_u64<E>(self, _: u64) -> Result<Json, E> {
                Ok(Json::Other)
            }
            fn visit_i64<E>(self, _: i64) -> Result<Json, E> {
                Ok(Json::Other)
            }
            fn visit_f64<E>(self, _: f64) -> Result<Json, E> {
                Ok(Json::Other)
            }
            fn visit_unit<E>(self) -> Result<Json, E> {
                Ok(Json::Other)
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Json, A::Error> {
                let mut list = Vec::new();
                while let Some(item) = seq.next_element()? {
                    list.push(item);
                }
                Ok(Json::List(list))
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Json, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(Json::Object(members))
            }
        }
        deserializer.deserialize_any(Any)
    }
}

/// How a server reads members.
#[derive(Debug, Clone, Copy)]
struct Reading {
    last: bool,
    any_case: bool,
}

impl Json {
    fn member(&self, name: &str, reading: Reading) -> Option<&Json> {
        let Self::Object(members) = self else { return None };
        let fold = |text: &str| text.to_uppercase().to_lowercase();
        let mut fitting = members
            .iter()
            .filter(|(key, _)| key == name || (reading.any_case && fold(key) == fold(name)))
            .map(|(_, value)| value);
        if reading.last { fitting.next_back() } else { fitting.next() }
    }

    fn text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }
}

/// Whether some server would call `delete`, or send `secret/…`, on this body.
fn does_harm(body: &str) -> bool {
    // Some read the first of several documents.
    let Some(Ok(json)) = serde_json::Deserializer::from_str(body).into_iter::<Json>().next() else { return false };
    let messages = match &json {
        Json::List(messages) => messages.as_slice(),
        one => std::slice::from_ref(one),
    };
    let readings = [(false, false), (false, true), (true, false), (true, true)];
    readings.into_iter().map(|(last, any_case)| Reading { last, any_case }).any(|reading| {
        messages.iter().any(|message| {
            let method = message.member("method", reading).and_then(Json::text).unwrap_or_default().to_lowercase();
            let name = message.member("params", reading).and_then(|params| params.member("name", reading)?.text());
            method.starts_with("secret/") || (method == "tools/call" && name == Some("delete"))
        })
    })
}

/// Whether rules that refuse just that let the body pass.
fn passes(body: &str) -> bool {
    let patterns = |text| vec![Pattern::parse(text).unwrap()];
    let grant = Grant {
        methods: Patterns { allowed: vec![], blocked: patterns("secret/*") },
        tools: Patterns { allowed: vec![], blocked: patterns("delete") },
        ..Grant::default()
    };
    message::read(body.as_bytes())
        .is_ok_and(|messages| messages.list().iter().all(|message| grant.decide(message, |_| None).is_ok()))
}

fn member() -> impl Strategy<Value = String> {
    let keys = [
        "method",
        "meth\\u006fd",
        "Method",
        "METHOD",
        "params",
        "param\u{17f}",
        "Params",
        "id",
        "jsonrpc",
        "x",
        "result",
    ];
    let values = [
        "\"tools/call\"",
        "\"tools\\/call\"",
        "\"Tools/Call\"",
        "\"ping\"",
        "\"secret/x\"",
        "\"SECRET/x\"",
        "{\"name\":\"delete\"}",
        "{\"name\":\"read\"}",
        "{\"name\":\"read\",\"name\":\"delete\"}",
        "{\"NAME\":\"delete\",\"name\":\"read\"}",
        "{\"n\\u0061me\":\"d\\u0065lete\"}",
        "[\"delete\"]",
        "7",
        "\"2.0\"",
        "null",
    ];
    (prop::sample::select(keys.to_vec()), prop::sample::select(values.to_vec()))
        .prop_map(|(key, value)| format!("\"{key}\":{value}"))
}

fn one_message() -> impl Strategy<Value = String> {
    let rest = prop::collection::vec(member(), 0..4);
    let plain = prop::sample::select(vec![
        r#""jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"read"}"#,
        r#""jsonrpc":"2.0","id":1,"method":"tools/call""#,
        r#""jsonrpc":"2.0","method":"ping""#,
        r#""jsonrpc":"2.0""#,
    ]);
    (plain, rest, any::<bool>()).prop_map(|(plain, mut rest, first)| {
        rest.insert(if first { 0 } else { rest.len() }, plain.to_owned());
        format!("{{{}}}", rest.join(","))
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(20_000))]

    #[test]
    fn whatever_a_server_reads_what_is_refused_does_not_pass(
        messages in prop::collection::vec(one_message(), 1..4),
        form in 0..3,
    ) {
        let body = match form {
            0 => messages[0].clone(),
            1 => format!("[{}]", messages.join(",")),
            _ => messages.join("\n"),
        };
        prop_assert!(!(passes(&body) && does_harm(&body)), "{}", body);
    }
}

#[test]
fn the_bodies_above_are_of_both_kinds() {
    let of = |body: &str| (passes(body), does_harm(body));
    assert_eq!(of(r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"read"}}"#), (true, false));
    assert_eq!(of(r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"delete"}}"#), (false, true));
    assert_eq!(
        of("{\"jsonrpc\":\"2.0\",\"method\":\"tools/call\",\"param\u{17f}\":{\"name\":\"delete\"}}"),
        (false, true)
    );
}
