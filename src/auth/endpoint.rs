//! The token endpoint (RFC 6749 §3.2): a code or a refresh token goes in, tokens come out.

use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response, StatusCode, header};
use serde::Deserialize;
use url::Url;
use url::form_urlencoded::Serializer;

use crate::auth::credential::TokenAnswer;
use crate::auth::machine::Failure;
use crate::model::secret::Secret;
use crate::net::api_client::{ApiClient, ApiError};
use crate::observe::text::shown;

/// Error codes after which trying again makes no sense (RFC 6749 §5.2, and what Alibaba Cloud adds).
const PERMANENT: [&str; 7] = [
    "expired_token",
    "invalid_client",
    "invalid_grant",
    "invalid_scope",
    "invalid_token",
    "unauthorized_client",
    "unsupported_grant_type",
];

/// Longer lives are cut to ten years, so that no clock arithmetic can overflow.
const LONGEST_LIFE: u64 = 10 * 366 * 86_400;

/// An authorization server's token endpoint.
#[derive(Debug, Clone)]
pub struct TokenEndpoint {
    api: ApiClient,
    url: Url,
}

/// Why there are no tokens.
#[derive(Debug, Clone)]
pub enum TokenError {
    /// It may work another time.
    Failed(Failure),
    /// The server refuses for good.
    Refused(String),
}

impl TokenError {
    /// What happened, for people.
    pub fn reason(&self) -> &str {
        match self {
            Self::Failed(failure) => &failure.reason,
            Self::Refused(reason) => reason,
        }
    }
}

/// What is exchanged for the first tokens (RFC 6749 §4.1.3, RFC 7636 §4.5).
#[derive(Debug)]
pub struct CodeExchange<'a> {
    /// The OAuth client id.
    pub client_id: &'a str,
    /// The authorization code.
    pub code: &'a Secret,
    /// The PKCE verifier.
    pub verifier: &'a Secret,
    /// The redirect URI of the authorization request, to the letter.
    pub redirect_uri: &'a str,
}

impl TokenEndpoint {
    /// The token endpoint of the authorization server at `base`.
    pub fn new(api: ApiClient, base: &Url) -> Self {
        let mut url = base.clone();
        url.set_path("/v1/token");
        Self { api, url }
    }

    /// Exchanges an authorization code.
    ///
    /// # Errors
    /// When no tokens came; a code can be used once, so every failure ends the login.
    pub async fn exchange(&self, exchange: CodeExchange<'_>) -> Result<TokenAnswer, TokenError> {
        let form = [
            ("grant_type", "authorization_code"),
            ("client_id", exchange.client_id),
            ("code", exchange.code.expose()),
            ("code_verifier", exchange.verifier.expose()),
            ("redirect_uri", exchange.redirect_uri),
        ];
        self.call(&form, &[exchange.code, exchange.verifier]).await
    }

    /// Renews an access token (RFC 6749 §6).
    ///
    /// # Errors
    /// When no tokens came; the error tells whether trying again makes sense.
    pub async fn refresh(&self, client_id: &str, refresh_token: &Secret) -> Result<TokenAnswer, TokenError> {
        let form =
            [("grant_type", "refresh_token"), ("client_id", client_id), ("refresh_token", refresh_token.expose())];
        self.call(&form, &[refresh_token]).await
    }

    async fn call(&self, form: &[(&str, &str)], secrets: &[&Secret]) -> Result<TokenAnswer, TokenError> {
        let body = Serializer::new(String::new()).extend_pairs(form).finish();
        let request = Request::post(self.url.as_str())
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
            .header(header::ACCEPT, "application/json")
            .body(Bytes::from(body))
            .map_err(|error| failed(error.to_string(), None, false))?;
        let response = self.api.call(request).await.map_err(|error: ApiError| {
            let maybe_processed = !error.surely_not_processed();
            failed(error.to_string(), None, maybe_processed)
        })?;
        read(self.url.host_str().unwrap_or_default(), &response, secrets)
    }
}

/// Reads what `host` answered; none of `secrets` stands in an error.
pub(super) fn read(host: &str, response: &Response<Bytes>, secrets: &[&Secret]) -> Result<TokenAnswer, TokenError> {
    let status = response.status();
    if status == StatusCode::OK {
        return parse_answer(response.body())
            .map_err(|why| failed(format!("{host} gave no usable token answer: {why}"), None, true));
    }
    let retry_after = retry_after(response);
    match serde_json::from_slice::<ErrorAnswer>(response.body()) {
        Ok(answer) if !answer.error.is_empty() => {
            let error = shown(&answer.error, secrets);
            let description = shown(&answer.error_description, secrets);
            let request = shown(&answer.request_id, secrets);
            let mut reason = format!("{host} answered {error}");
            for (before, detail) in [(": ", description), (", request id ", request)] {
                if !detail.is_empty() {
                    reason.push_str(before);
                    reason.push_str(&detail);
                }
            }
            let refused = matches!(status, StatusCode::BAD_REQUEST | StatusCode::UNAUTHORIZED);
            if refused && PERMANENT.contains(&answer.error.as_str()) {
                Err(TokenError::Refused(reason))
            } else {
                Err(failed(reason, retry_after, false))
            }
        }
        // An error page of something in between: the server behind it may have done its part.
        _ => Err(failed(format!("{host} answered {status}"), retry_after, status.is_server_error())),
    }
}

fn failed(reason: String, retry_after: Option<Duration>, maybe_processed: bool) -> TokenError {
    TokenError::Failed(Failure { reason, retry_after, maybe_processed, lasting: false })
}

/// `Retry-After` in seconds (RFC 9110 §10.2.3); a date is passed over, our own waits are short enough.
fn retry_after(response: &Response<Bytes>) -> Option<Duration> {
    let seconds = response.headers().get(header::RETRY_AFTER)?.to_str().ok()?.trim().parse().ok()?;
    Some(Duration::from_secs(seconds))
}

#[derive(Deserialize)]
struct ErrorAnswer {
    error: String,
    #[serde(default)]
    error_description: String,
    #[serde(default, rename = "requestId", alias = "request_id")]
    request_id: String,
}

#[derive(Deserialize)]
struct Answer {
    access_token: Option<Box<str>>,
    refresh_token: Option<Box<str>>,
    token_type: Option<Box<str>>,
    #[serde(default)]
    expires_in: serde_json::Value,
}

/// Reads a token answer. `expires_in` may be a number or a string; what is absent, not a number, zero or
/// negative counts as unknown, for such a token may well work.
fn parse_answer(body: &[u8]) -> Result<TokenAnswer, &'static str> {
    let answer: Answer = serde_json::from_slice(body).map_err(|_| "it is not the JSON of RFC 6749 §5.1")?;
    let access_token = answer.access_token.filter(|token| !token.is_empty()).ok_or("it has no access_token")?;
    if answer.token_type.is_some_and(|kind| !kind.eq_ignore_ascii_case("bearer")) {
        return Err("its token_type is not Bearer");
    }
    let seconds = match &answer.expires_in {
        serde_json::Value::Number(number) => number.as_f64(),
        serde_json::Value::String(text) => text.trim().parse().ok(),
        _ => None,
    };
    let expires_in = seconds
        .filter(|seconds| seconds.is_finite() && *seconds > 0.0)
        .map(|seconds| Duration::from_secs_f64(seconds.min(LONGEST_LIFE as f64)))
        .filter(|life| !life.is_zero());
    let refresh_token = answer.refresh_token.filter(|token| !token.is_empty()).map(Secret::new);
    Ok(TokenAnswer { access_token: Secret::new(access_token), refresh_token, expires_in })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answered(status: u16, body: &str) -> Result<TokenAnswer, TokenError> {
        let response = Response::builder().status(status).header("retry-after", "7");
        let response = response.body(Bytes::copy_from_slice(body.as_bytes())).unwrap();
        read("oauth.example", &response, &[&Secret::new("rt-1")])
    }

    #[test]
    fn a6_every_form_of_expires_in() {
        for (text, seconds) in [
            ("3600", Some(3600)),
            ("\"3600\"", Some(3600)),
            ("\" 60 \"", Some(60)),
            ("0", None),
            ("-5", None),
            ("1e-12", None),
            ("\"soon\"", None),
            ("null", None),
            ("1e300", Some(LONGEST_LIFE)),
        ] {
            let body = format!(r#"{{"access_token":"a","token_type":"Bearer","expires_in":{text}}}"#);
            assert_eq!(answered(200, &body).unwrap().expires_in, seconds.map(Duration::from_secs), "{text}");
        }
        assert_eq!(answered(200, r#"{"access_token":"a"}"#).unwrap().expires_in, None);
    }

    #[test]
    fn empty_tokens_count_as_absent() {
        let answer = answered(200, r#"{"access_token":"a","refresh_token":""}"#).unwrap();
        assert_eq!(answer.refresh_token, None);
        assert!(matches!(answered(200, r#"{"access_token":""}"#), Err(TokenError::Failed(f)) if f.maybe_processed));
    }

    #[test]
    fn what_is_permanent_and_what_passes() {
        let permanent = [(400, "invalid_grant"), (401, "invalid_client"), (400, "unauthorized_client")];
        for (status, error) in permanent {
            let result = answered(status, &format!(r#"{{"error":"{error}","error_description":"rt-1 is bad"}}"#));
            let Err(TokenError::Refused(reason)) = result else { panic!("{error}: {result:?}") };
            assert!(reason.contains(error) && !reason.contains("rt-1"), "{reason}");
        }
        for (status, body) in [
            (500, "<html>"),
            (503, r#"{"error":"invalid_grant"}"#),
            (429, r#"{"error":"slow_down"}"#),
            (400, r#"{"error":"temporarily_unavailable"}"#),
            (403, "no"),
        ] {
            let result = answered(status, body);
            let Err(TokenError::Failed(failure)) = result else { panic!("{status} {body}: {result:?}") };
            assert_eq!(failure.retry_after, Some(Duration::from_secs(7)));
        }
    }

    #[test]
    fn an_answer_that_is_not_json_shows_nothing_of_itself() {
        let error = answered(200, "token=hunter2").unwrap_err();
        assert!(!error.reason().contains("hunter2"));
    }
}
