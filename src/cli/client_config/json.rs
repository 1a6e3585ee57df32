//! JSON as people paste it: members in the order in which they are given, and indented like what is around them.

use serde_json::{Map, Value};

/// A JSON value whose members have an order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Json {
    /// A string.
    Text(String),
    /// `true` or `false`.
    Truth(bool),
    /// A list of strings.
    List(Vec<String>),
    /// An object.
    Object(Vec<(String, Json)>),
}

impl Json {
    /// A string.
    pub(super) fn text(text: impl Into<String>) -> Self {
        Self::Text(text.into())
    }

    /// An object.
    pub(super) fn object<const N: usize>(members: [(&str, Self); N]) -> Self {
        Self::Object(members.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
    }

    /// The same without an order.
    pub(super) fn value(&self) -> Value {
        match self {
            Self::Text(text) => Value::from(text.as_str()),
            Self::Truth(truth) => Value::from(*truth),
            Self::List(list) => Value::from(list.clone()),
            Self::Object(members) => {
                Value::Object(members.iter().map(|(name, value)| (name.clone(), value.value())).collect::<Map<_, _>>())
            }
        }
    }

    /// As text. `indent` stands before each line but the first, and each level adds `unit`.
    pub(super) fn written(&self, indent: &str, unit: &str, line_break: &str) -> String {
        match self {
            Self::Text(text) => quoted(text),
            Self::Truth(truth) => truth.to_string(),
            Self::List(list) => format!("[{}]", list.iter().map(|text| quoted(text)).collect::<Vec<_>>().join(", ")),
            Self::Object(members) if members.is_empty() => "{}".to_owned(),
            Self::Object(members) => {
                let inner = format!("{indent}{unit}");
                let line = |(name, value): &(String, Self)| {
                    format!("{inner}{}: {}", quoted(name), value.written(&inner, unit, line_break))
                };
                let lines = members.iter().map(line).collect::<Vec<_>>().join(&format!(",{line_break}"));
                format!("{{{line_break}{lines}{line_break}{indent}}}")
            }
        }
    }

    /// As a text of its own.
    pub(super) fn pretty(&self) -> String {
        self.written("", "  ", "\n")
    }
}

/// A string as JSON has it, which is also how Python and TOML read it.
pub(super) fn quoted(text: &str) -> String {
    Value::from(text).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_what_it_means() {
        let list = Json::List(vec!["a".into(), "b\"\n".into()]);
        let json =
            Json::object([("z", Json::text("é")), ("a", list), ("t", Json::Truth(true)), ("o", Json::object([]))]);
        let expected = "{\n  \"z\": \"é\",\n  \"a\": [\"a\", \"b\\\"\\n\"],\n  \"t\": true,\n  \"o\": {}\n}";
        assert_eq!(json.pretty(), expected);
        assert_eq!(serde_json::from_str::<Value>(&json.pretty()).unwrap(), json.value());
        let nested = Json::object([("a", Json::object([("b", Json::text("c"))]))]);
        assert_eq!(nested.written("\t", "\t", "\r\n"), "{\r\n\t\t\"a\": {\r\n\t\t\t\"b\": \"c\"\r\n\t\t}\r\n\t}");
    }
}
