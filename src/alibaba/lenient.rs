//! Tolerant reading of the cloud's JSON: a number may come as a string and the reverse, and anything may be missing.

use std::time::Duration;

use serde::{Deserialize, Deserializer};
use serde_json::Value;

/// A text; numbers are taken as written. Empty and of any other kind counts as missing.
pub(crate) fn text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    Value::deserialize(deserializer).map(|value| as_text(&value))
}

/// A length of time in seconds; zero, negative and of any other kind counts as missing.
pub(crate) fn seconds<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Duration>, D::Error> {
    Value::deserialize(deserializer).map(|value| as_number(&value).filter(|n| *n > 0).map(Duration::from_secs))
}

/// A count; negative and of any other kind counts as missing.
pub(crate) fn count<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u64>, D::Error> {
    Value::deserialize(deserializer).map(|value| as_number(&value))
}

/// A yes or no; of any other kind counts as missing.
pub(crate) fn flag<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<bool>, D::Error> {
    Value::deserialize(deserializer).map(|value| match value {
        Value::Bool(flag) => Some(flag),
        Value::String(text) => text.to_ascii_lowercase().parse().ok(),
        _ => None,
    })
}

/// A list, which may be `null`; an element of the wrong kind is left out.
pub(crate) fn list<'de, D: Deserializer<'de>, T: serde::de::DeserializeOwned>(
    deserializer: D,
) -> Result<Vec<T>, D::Error> {
    Value::deserialize(deserializer).map(|value| match value {
        Value::Array(elements) => {
            elements.into_iter().filter_map(|element| serde_json::from_value(element).ok()).collect()
        }
        _ => Vec::new(),
    })
}

/// An object, which may be `null`; anything of the wrong kind counts as the empty one.
pub(crate) fn object<'de, D: Deserializer<'de>, T: serde::de::DeserializeOwned + Default>(
    deserializer: D,
) -> Result<T, D::Error> {
    // A list would be taken for the fields in order.
    Value::deserialize(deserializer)
        .map(|value| if value.is_object() { serde_json::from_value(value).unwrap_or_default() } else { T::default() })
}

/// The text in a value, if it holds one that is not empty.
pub(crate) fn as_text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) if !text.is_empty() => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

fn as_number(value: &Value) -> Option<u64> {
    match value {
        Value::Number(number) => number.as_u64(),
        Value::String(text) => text.trim().parse().ok(),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Deserialize, Debug, PartialEq, Default)]
    #[serde(default)]
    struct Sample {
        #[serde(deserialize_with = "text")]
        id: Option<String>,
        #[serde(deserialize_with = "seconds")]
        life: Option<Duration>,
        #[serde(deserialize_with = "count")]
        total: Option<u64>,
        #[serde(deserialize_with = "flag")]
        on: Option<bool>,
        #[serde(deserialize_with = "list")]
        names: Vec<String>,
        #[serde(deserialize_with = "object")]
        inner: Inner,
    }

    #[derive(Deserialize, Debug, PartialEq, Default)]
    struct Inner {
        a: u8,
    }

    #[test]
    fn values_are_read_in_either_form() {
        let expected = Sample {
            id: Some("42".to_owned()),
            life: Some(Duration::from_secs(60)),
            total: Some(0),
            on: Some(true),
            names: vec!["a".to_owned()],
            inner: Inner { a: 1 },
        };
        for json in [
            r#"{"id":"42","life":60,"total":0,"on":true,"names":["a"],"inner":{"a":1}}"#,
            r#"{"id":42,"life":"60","total":"0","on":"True","names":["a",{}],"inner":{"a":1,"b":2}}"#,
        ] {
            assert_eq!(serde_json::from_str::<Sample>(json).unwrap(), expected, "{json}");
        }
        for json in [
            "{}",
            r#"{"id":null,"life":-1,"total":-1,"on":null,"names":null,"inner":null}"#,
            r#"{"id":"","life":0,"total":{},"on":3,"names":"","inner":[1]}"#,
        ] {
            assert_eq!(serde_json::from_str::<Sample>(json).unwrap(), Sample::default(), "{json}");
        }
    }
}
