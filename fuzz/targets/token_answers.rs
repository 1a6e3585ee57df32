//! What gives tokens: an answer of the token endpoint, a file, a command. The first line of an input is the status of
//! an answer and its `Retry-After`, the rest is its body; the body is also read as a file.

#![no_main]

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderValue, Response};
use libfuzzer_sys::fuzz_target;
use mcp_proxy::auth::credential::{Grant, TokenAnswer};
use mcp_proxy::auth::endpoint::TokenError;
use mcp_proxy::auth::fuzzing::{token_answer, token_text};
use mcp_proxy::auth::timing::{Jitter, renew_after};
use mcp_proxy::model::secret::Secret;
use mcp_proxy::model::time::{Mono, Now, Wall};
use mcp_proxy::token::Bearer;

/// What was sent; a server may repeat it.
const SENT: &str = "refresh-token-that-was-sent";
const NOW: Now = Now { wall: Wall::from_unix_seconds(1_800_000_000), mono: Mono::from_start(Duration::from_secs(9)) };

/// A usable answer stays usable on its way into the slot.
fn check(answer: TokenAnswer) {
    assert!(!answer.access_token.is_empty());
    assert!(answer.refresh_token.as_ref().is_none_or(|token| !token.is_empty()));
    assert!(!answer.expires_in.is_some_and(|life| life.is_zero()), "a life of nothing");
    let life = answer.expires_in;
    let after = renew_after(life, &mut Jitter::new(7));
    assert!(life.is_none_or(|life| after <= life));
    let old = Grant {
        serial: u64::MAX,
        access_token: Secret::new("old"),
        refresh_token: Some(Secret::new(SENT)),
        obtained_at: NOW.wall,
        expires_at: None,
        refresh_expires_at: None,
    };
    let grant = old.renewed(answer, NOW.wall);
    assert!(grant.refresh_token.is_some());
    assert!(grant.expires_at.is_none_or(|end| end >= NOW.wall));
    let end = life.map(|life| (NOW.wall.plus(life), NOW.mono.plus(life)));
    if let Ok(bearer) = Bearer::new(1, &grant.access_token, end) {
        assert!(bearer.authorization().is_sensitive());
        assert!(!format!("{bearer:?}{grant:?}").contains(SENT));
    }
}

fuzz_target!(|input: &[u8]| {
    let end = input.iter().position(|byte| *byte == b'\n').unwrap_or(input.len());
    let (first, body) = input.split_at(end);
    let body = body.strip_prefix(b"\n").unwrap_or(body);
    let (status, retry_after) = first.split_at(first.len().min(3));

    let mut response = Response::new(Bytes::copy_from_slice(body));
    let Some(status) = std::str::from_utf8(status).ok().and_then(|status| status.parse().ok()) else { return };
    *response.status_mut() = status;
    if let Ok(value) = HeaderValue::from_bytes(retry_after.trim_ascii()) {
        response.headers_mut().insert("retry-after", value);
    }
    match token_answer("oauth.example", &response, &[&Secret::new(SENT)]) {
        Ok(answer) => {
            assert_eq!(status, 200);
            check(answer);
        }
        Err(error) => {
            let reason = error.reason();
            assert!(!reason.contains(SENT) && !reason.contains(char::is_control), "{reason:?}");
            assert!(reason.chars().count() < 1100 && reason.starts_with("oauth.example "), "{reason:?}");
            assert!(!matches!(error, TokenError::Refused(_)) || [400, 401].contains(&status.as_u16()));
        }
    }
    if let Ok(text) = std::str::from_utf8(body) {
        match token_text(text, NOW) {
            Ok(answer) => check(answer),
            Err(what) => assert!(what.len() < 50, "more than our own words: {what}"),
        }
    }
});
