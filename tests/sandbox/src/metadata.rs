//! The metadata service of a virtual machine, on a listener of its own, and a credentials URI: two
//! places from which a program gets temporary keys without being told a secret.

use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, put};
use axum::{Json, Router};
use http::{HeaderMap, StatusCode};
use serde_json::{Value, json};

use crate::clock::iso8601;
use crate::cloud::Cloud;
use crate::cloud::accounts::TEMPORARY_KEY;
use crate::random;

/// The role of the machine.
const ROLE: &str = "sandbox-role";

/// `/credentials`, on the plain listener.
pub(crate) fn uri_routes() -> Router<Cloud> {
    Router::new().route("/credentials", get(async |State(cloud)| Json(keys(&cloud))))
}

/// `/latest/...`.
pub(crate) fn routes() -> Router<Cloud> {
    let credentials = "/latest/meta-data/ram/security-credentials/";
    Router::new()
        .route("/latest/api/token", put(token))
        .route(credentials, get(role))
        .route(&format!("{credentials}{{role}}"), get(role_keys))
}

/// A token for the hardened mode; its life must be said.
async fn token(State(cloud): State<Cloud>, headers: HeaderMap) -> Response {
    if cloud.state.settings.lock().metadata_old {
        return StatusCode::NOT_FOUND.into_response();
    }
    let seconds = headers
        .get("x-aliyun-ecs-metadata-token-ttl-seconds")
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.parse::<i64>().ok())
        .filter(|seconds| (1..=21_600).contains(seconds));
    let Some(seconds) = seconds else {
        return StatusCode::BAD_REQUEST.into_response();
    };
    let token = random::token(56);
    cloud.issued(&token);
    let expires_at = cloud.now() + seconds;
    cloud.state.metadata_tokens.lock().insert(token.clone(), expires_at);
    token.into_response()
}

/// In normal mode a request may come without a token, but never with a wrong one.
fn admitted(cloud: &Cloud, headers: &HeaderMap) -> bool {
    match headers.get("x-aliyun-ecs-metadata-token") {
        None => !cloud.state.settings.lock().metadata_hardened,
        Some(value) => value.to_str().is_ok_and(|token| {
            let tokens = cloud.state.metadata_tokens.lock();
            tokens.get(token).is_some_and(|expires_at| *expires_at > cloud.now())
        }),
    }
}

async fn role(State(cloud): State<Cloud>, headers: HeaderMap) -> Response {
    if !admitted(&cloud, &headers) {
        return StatusCode::FORBIDDEN.into_response();
    }
    ROLE.into_response()
}

async fn role_keys(State(cloud): State<Cloud>, Path(role): Path<String>, headers: HeaderMap) -> Response {
    if !admitted(&cloud, &headers) {
        return StatusCode::FORBIDDEN.into_response();
    }
    if role != ROLE {
        return StatusCode::NOT_FOUND.into_response();
    }
    Json(keys(&cloud)).into_response()
}

/// The temporary key, in the form both sources share.
fn keys(cloud: &Cloud) -> Value {
    let now = cloud.now();
    let accounts = cloud.state.accounts.lock();
    let Some((key, session)) = accounts.get(TEMPORARY_KEY).and_then(|key| Some((key, key.session.as_ref()?))) else {
        return json!({ "Code": "Failed" });
    };
    json!({
        "Code": "Success",
        "AccessKeyId": key.id,
        "AccessKeySecret": key.secret,
        "SecurityToken": session.token,
        "LastUpdated": iso8601(now),
        "Expiration": iso8601(session.expires_at.min(now + 6 * 3600)),
    })
}
