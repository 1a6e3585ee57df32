//! The revocation endpoint (RFC 7009): a token that is not to be used any more is ended at the server.

use bytes::Bytes;
use http::{Request, Response, StatusCode, header};
use serde::Deserialize;
use url::Url;
use url::form_urlencoded::Serializer;

use crate::model::secret::Secret;
use crate::net::api_client::ApiClient;
use crate::observe::text::shown;

/// An authorization server's revocation endpoint.
#[derive(Debug, Clone)]
pub struct RevocationEndpoint {
    api: ApiClient,
    url: Url,
}

/// The token was not revoked, or there is no telling.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RevocationError {
    /// The server refuses.
    #[error("{0}")]
    Refused(String),
    /// No usable answer came; it may work another time.
    #[error("{0}")]
    NotReached(String),
}

impl RevocationEndpoint {
    /// The revocation endpoint at `url`.
    pub fn new(api: ApiClient, url: Url) -> Self {
        Self { api, url }
    }

    /// Revokes a refresh token, and with it what was granted; or an access token alone. A token that the server
    /// does not know any more counts as revoked (RFC 7009 §2.2).
    ///
    /// # Errors
    /// When the server refuses, or cannot be reached.
    pub async fn revoke(&self, client_id: &str, token: &Secret) -> Result<(), RevocationError> {
        let form = [("token", token.expose()), ("client_id", client_id)];
        let body = Serializer::new(String::new()).extend_pairs(form).finish();
        let request = Request::post(self.url.as_str())
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
            .header(header::ACCEPT, "application/json")
            .body(Bytes::from(body))
            .map_err(|error| RevocationError::NotReached(error.to_string()))?;
        let answer = self.api.call(request).await;
        self.read(&answer.map_err(|error| RevocationError::NotReached(error.to_string()))?, token)
    }

    fn read(&self, response: &Response<Bytes>, token: &Secret) -> Result<(), RevocationError> {
        let (host, status) = (self.url.host_str().unwrap_or_default(), response.status());
        if status == StatusCode::OK {
            return Ok(());
        }
        let mut reason = format!("{host} answered {status}");
        if let Ok(answer) = serde_json::from_slice::<Answer>(response.body()) {
            for (before, detail) in [(": ", &answer.error), (", ", &answer.error_description)] {
                let detail = shown(detail, &[token]);
                if !detail.is_empty() {
                    reason.push_str(before);
                    reason.push_str(&detail);
                }
            }
        }
        // RFC 7009 §2.2.1: 503 asks to try again; other answers of 5xx and 429 are no refusals either.
        match status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS {
            true => Err(RevocationError::NotReached(reason)),
            false => Err(RevocationError::Refused(reason)),
        }
    }
}

#[derive(Deserialize)]
struct Answer {
    #[serde(default)]
    error: String,
    #[serde(default)]
    error_description: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn answers_are_told_apart_and_no_token_is_shown() {
        let api = ApiClient::new(&crate::net::Settings::default()).unwrap();
        let endpoint = RevocationEndpoint::new(api, Url::parse("https://oauth.example/v1/revoke").unwrap());
        let read = |status: u16, body: &'static str| {
            let response = Response::builder().status(status).body(Bytes::from(body)).unwrap();
            endpoint.read(&response, &Secret::new("rt-1"))
        };
        assert_eq!(read(200, "{}"), Ok(()));
        assert_eq!(read(200, ""), Ok(()));
        let refused = read(400, r#"{"error":"unsupported_token_type","error_description":"not rt-1"}"#).unwrap_err();
        let says = "oauth.example answered 400 Bad Request: unsupported_token_type, not (redacted)";
        assert_eq!(refused, RevocationError::Refused(says.to_owned()));
        for status in [429, 500, 502, 503] {
            assert!(matches!(read(status, "<html>"), Err(RevocationError::NotReached(_))), "{status}");
        }
        // A redirect is not followed with a token.
        assert!(matches!(read(302, ""), Err(RevocationError::Refused(_))));
    }
}
