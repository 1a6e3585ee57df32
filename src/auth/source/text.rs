//! The forms in which files and commands give a token: the token alone, or JSON with the end of its life.

use std::time::Duration;

use serde::Deserialize;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::auth::credential::TokenAnswer;
use crate::model::secret::Secret;
use crate::model::time::{Now, Wall};

#[derive(Deserialize)]
struct Answer {
    #[serde(alias = "token")]
    access_token: Box<str>,
    #[serde(default)]
    expires_in: serde_json::Value,
    #[serde(default)]
    expires_at: serde_json::Value,
}

/// Reads a token. JSON has `access_token` (or `token`), and `expires_in` in seconds or `expires_at` as a Unix time
/// or a date (RFC 3339). The text itself never stands in an error.
pub(crate) fn parse(text: &str, now: Now) -> Result<TokenAnswer, String> {
    let text = text.trim();
    if !text.starts_with('{') {
        let one_word = !text.is_empty() && text.chars().all(|c| c.is_ascii_graphic());
        return match one_word {
            true => Ok(TokenAnswer { access_token: Secret::new(text), refresh_token: None, expires_in: None }),
            false if text.is_empty() => Err("is empty".to_owned()),
            false => Err("is neither one word nor JSON".to_owned()),
        };
    }
    let answer: Answer =
        serde_json::from_str(text).map_err(|_| "is JSON without access_token (or token)".to_owned())?;
    if answer.access_token.is_empty() {
        return Err("has an empty access_token".to_owned());
    }
    let expires_in = match (seconds(&answer.expires_in), end(&answer.expires_at)) {
        (_, Some(end)) if end <= now.wall => return Err("has a token whose life is over".to_owned()),
        (_, Some(end)) => Some(end.since(now.wall)),
        (Some(life), None) if life > 0.0 => Some(Duration::from_secs_f64(life.min(1e9))).filter(|life| !life.is_zero()),
        _ => None,
    };
    Ok(TokenAnswer { access_token: Secret::new(answer.access_token), refresh_token: None, expires_in })
}

fn seconds(value: &serde_json::Value) -> Option<f64> {
    value.as_f64().or_else(|| value.as_str()?.trim().parse().ok()).filter(|seconds: &f64| seconds.is_finite())
}

fn end(value: &serde_json::Value) -> Option<Wall> {
    let date = |text: &str| OffsetDateTime::parse(text.trim(), &Rfc3339).ok().map(|date| date.unix_timestamp());
    let unix = seconds(value).map(|seconds| seconds as i64).or_else(|| date(value.as_str()?));
    unix.map(Wall::from_unix_seconds)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::time::Mono;

    fn read(text: &str) -> Result<(String, Option<u64>), String> {
        let now = Now { wall: Wall::from_unix_seconds(1_800_000_000), mono: Mono::from_start(Duration::ZERO) };
        parse(text, now).map(|a| (a.access_token.expose().to_owned(), a.expires_in.map(|life| life.as_secs())))
    }

    #[test]
    fn every_form() {
        for (text, life) in [
            ("abc\n", None),
            (r#"{"access_token":"abc"}"#, None),
            (r#"{"token":"abc","expires_in":60}"#, Some(60)),
            (r#"{"token":"abc","expires_in":"60"}"#, Some(60)),
            (r#"{"token":"abc","expires_in":0}"#, None),
            (r#"{"token":"abc","expires_in":1e-12}"#, None),
            (r#"{"token":"abc","expires_at":1800000060}"#, Some(60)),
            (r#"{"token":"abc","expires_at":"2027-01-15T08:01:00Z"}"#, Some(60)),
        ] {
            assert_eq!(read(text), Ok(("abc".to_owned(), life)), "{text}");
        }
    }

    #[test]
    fn what_is_none_is_named_and_not_shown() {
        for (text, says) in [
            (" \n", "empty"),
            ("hunter2 hunter3", "neither"),
            (r#"{"hunter2":1}"#, "without access_token"),
            (r#"{"token":""}"#, "empty access_token"),
            (r#"{"token":"hunter2","expires_at":1}"#, "life is over"),
        ] {
            let error = read(text).unwrap_err();
            assert!(error.contains(says) && !error.contains("hunter"), "{text}: {error}");
        }
    }
}
