//! The forms in which services and commands give a key: the same fields, spelled in three ways.

use serde::Deserialize;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::alibaba::credentials::source::{AccessKey, Bearer};
use crate::model::secret::Secret;
use crate::model::time::Wall;

/// By what an identity is proved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Proof {
    Key(AccessKey),
    Bearer(Bearer),
}

/// A proof, and the end of its life if it has one that is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Obtained {
    pub(crate) proof: Proof,
    pub(crate) ends: Option<Wall>,
}

/// A key as it comes. Error texts of the parser quote no values of these kinds.
#[derive(Deserialize)]
pub(crate) struct Given {
    #[serde(alias = "Code", alias = "code", default)]
    code: Option<String>,
    #[serde(alias = "AccessKeyId", alias = "accessKeyId", default)]
    access_key_id: Option<Box<str>>,
    #[serde(alias = "AccessKeySecret", alias = "accessKeySecret", default)]
    access_key_secret: Option<Box<str>>,
    #[serde(alias = "SecurityToken", alias = "securityToken", alias = "sts_token", default)]
    security_token: Option<Box<str>>,
    #[serde(alias = "Expiration", default)]
    expiration: Option<String>,
}

impl Given {
    /// Reads a key; the text itself never stands in an error.
    pub(crate) fn parse(text: &[u8]) -> Result<Self, String> {
        serde_json::from_slice(text).map_err(|_| "is not the JSON of an access key".to_owned())
    }

    /// The key. `must_be_temporary`: one without a security token cannot be right here.
    pub(crate) fn into_key(self, must_be_temporary: bool) -> Result<Obtained, String> {
        if let Some(code) = self.code.filter(|code| !code.eq_ignore_ascii_case("success")) {
            let plain: String = code.chars().filter(char::is_ascii_graphic).take(64).collect();
            return Err(format!("says that it failed, with code {plain:?}"));
        }
        let text = |value: Option<Box<str>>| value.map(|value| value.trim().to_owned()).filter(|v| !v.is_empty());
        let id = text(self.access_key_id).ok_or("has no access key id")?;
        let secret = text(self.access_key_secret).map(Secret::new).ok_or("has no access key secret")?;
        let security_token = text(self.security_token).map(Secret::new);
        if must_be_temporary && security_token.is_none() {
            return Err("has no security token".to_owned());
        }
        let ends = match text(self.expiration.map(String::into_boxed_str)) {
            None => None,
            Some(date) => {
                let date = OffsetDateTime::parse(&date, &Rfc3339)
                    .map_err(|_| "has an expiration that is no date; write 2030-01-01T00:00:00Z")?;
                Some(Wall::from_unix_seconds(date.unix_timestamp()))
            }
        };
        Ok(Obtained { proof: Proof::Key(AccessKey { id, secret, security_token }), ends })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Obtained, String> {
        Given::parse(text.as_bytes())?.into_key(true)
    }

    #[test]
    fn every_spelling_is_read() {
        for text in [
            r#"{"Code":"Success","AccessKeyId":"STS.1","AccessKeySecret":"s","SecurityToken":"t","Expiration":"2030-01-01T00:00:00Z"}"#,
            r#"{"requestId":"x","accessKeyId":"STS.1","accessKeySecret":"s","securityToken":"t","expiration":"2030-01-01T00:00:00Z"}"#,
            r#"{"mode":"StsToken","access_key_id":"STS.1","access_key_secret":"s","sts_token":"t","expiration":"2030-01-01T00:00:00Z"}"#,
        ] {
            let security_token = Some(Secret::new("t"));
            let key = AccessKey { id: "STS.1".to_owned(), secret: Secret::new("s"), security_token };
            let ends = Some(Wall::from_unix_seconds(1_893_456_000));
            assert_eq!(read(text).unwrap(), Obtained { proof: Proof::Key(key), ends }, "{text}");
        }
    }

    #[test]
    fn what_is_none_is_named_and_not_shown() {
        for (text, says) in [
            ("hunter2", "not the JSON"),
            (r#"{"Code":"Failed","AccessKeySecret":"hunter2"}"#, "code \"Failed\""),
            (r#"{"AccessKeySecret":"hunter2"}"#, "no access key id"),
            (r#"{"AccessKeyId":"a","SecurityToken":"hunter2"}"#, "no access key secret"),
            (r#"{"AccessKeyId":"a","AccessKeySecret":"hunter2"}"#, "no security token"),
            (
                r#"{"AccessKeyId":"a","AccessKeySecret":"hunter2","SecurityToken":"t","Expiration":"soon"}"#,
                "expiration that is no date",
            ),
        ] {
            let error = read(text).unwrap_err();
            assert!(error.contains(says) && !error.contains("hunter2"), "{text}: {error}");
        }
    }
}
