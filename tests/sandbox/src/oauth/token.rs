//! The token endpoint: who the client is, which grant it uses, and the answer.

use axum::response::{IntoResponse, Response};
use http::StatusCode;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use serde_json::{Value, json};

use crate::cloud::Cloud;
use crate::cloud::settings::ExpiresIn;
use crate::oauth::{exchange, refresh};
use crate::random;
use crate::sign::encoding::{Pairs, text};

/// A refusal of RFC 6749 section 5.2.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct OAuthError {
    pub(crate) error: String,
    pub(crate) description: String,
}

impl OAuthError {
    pub(crate) fn new(error: &str, description: &str) -> Self {
        Self { error: error.to_owned(), description: description.to_owned() }
    }

    pub(crate) fn grant(description: &str) -> Self {
        Self::new("invalid_grant", description)
    }

    fn status(&self) -> StatusCode {
        match self.error.as_str() {
            "invalid_client" | "invalid_token" => StatusCode::UNAUTHORIZED,
            _ => StatusCode::BAD_REQUEST,
        }
    }
}

impl IntoResponse for OAuthError {
    fn into_response(self) -> Response {
        let body = json!({
            "error": self.error,
            "error_description": self.description,
            "requestId": random::request_id(),
        });
        json_answer(self.status(), &body)
    }
}

/// JSON that no cache may keep.
pub(crate) fn json_answer(status: StatusCode, body: &Value) -> Response {
    let headers = [(CONTENT_TYPE, "application/json;charset=utf-8"), (CACHE_CONTROL, "no-store")];
    (status, headers, body.to_string()).into_response()
}

/// Tokens to be handed out.
pub(crate) struct Issued {
    pub(crate) access_token: String,
    pub(crate) life: i64,
    pub(crate) refresh_token: Option<String>,
}

/// One call of the token endpoint, faults apart.
pub(crate) fn answer(cloud: &Cloud, form: &Pairs) -> Response {
    let kind = text(form, "grant_type").unwrap_or_default();
    let outcome = match kind {
        "authorization_code" => {
            let outcome = exchange::exchange(cloud, form);
            cloud.count(|counts| match &outcome {
                Ok(_) => counts.code_exchanges += 1,
                Err(_) => counts.code_exchanges_failed += 1,
            });
            outcome
        }
        "refresh_token" => {
            let outcome = refresh::refresh(cloud, form);
            cloud.count(|counts| match &outcome {
                Ok(_) => counts.refreshes += 1,
                Err(_) => counts.refreshes_failed += 1,
            });
            outcome
        }
        "" => Err(OAuthError::new("invalid_request", "grant_type is missing.")),
        _ => Err(OAuthError::new("unsupported_grant_type", "The grant type is not supported.")),
    };
    match outcome {
        Ok(issued) => success(cloud, &issued),
        Err(error) => {
            tracing::info!(grant_type = kind, error = error.error, "token refused");
            error.into_response()
        }
    }
}

fn success(cloud: &Cloud, issued: &Issued) -> Response {
    let mut body = json!({ "access_token": issued.access_token, "token_type": "Bearer" });
    let form = cloud.state.settings.lock().expires_in;
    let expires_in = match form {
        ExpiresIn::Number => Some(Value::from(issued.life)),
        ExpiresIn::String => Some(Value::from(issued.life.to_string())),
        ExpiresIn::Absent => None,
        ExpiresIn::Zero => Some(Value::from(0)),
        ExpiresIn::Negative => Some(Value::from(-1)),
    };
    if let Some(value) = expires_in {
        body["expires_in"] = value;
    }
    if let Some(token) = &issued.refresh_token {
        body["refresh_token"] = Value::from(token.clone());
    }
    json_answer(StatusCode::OK, &body)
}

/// The client of a token request, once it has proved itself; its id.
pub(crate) fn client(cloud: &Cloud, form: &Pairs) -> Result<String, OAuthError> {
    let id = text(form, "client_id").ok_or_else(|| OAuthError::new("invalid_request", "client_id is missing."))?;
    let applications = cloud.state.applications.lock();
    let application = applications
        .by_client_id(id)
        .ok_or_else(|| OAuthError::new("invalid_client", "The application does not exist."))?;
    let secret = text(form, "client_secret");
    let known = secret.is_some_and(|secret| application.secrets.iter().any(|own| own == secret));
    if (application.secret_required || secret.is_some()) && !known {
        return Err(OAuthError::new("invalid_client", "The client secret is invalid."));
    }
    Ok(id.to_owned())
}

/// A JSON document with status 200.
pub(crate) fn json_ok(body: &Value) -> Response {
    json_answer(StatusCode::OK, body)
}
