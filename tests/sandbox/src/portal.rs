//! Where people who signed in get keys: the portal of CloudSSO, and the exchange of the aliyun CLI's tokens.

use std::collections::BTreeSet;

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use http::header::{AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderMap, StatusCode};
use serde_json::{Value, json};

use crate::api::tokens::session_key;
use crate::cloud::Cloud;
use crate::cloud::accounts::KEY;
use crate::cloud::proofs::CONFIGURATION;
use crate::oauth::{OAuthError, json_answer};
use crate::random;

/// Where CloudSSO gives keys.
pub(crate) const CLOUD_SSO: &str = "/cloud-credentials";

/// Life of the keys, in seconds.
const LIFE: i64 = 3600;

pub(crate) fn routes() -> Router<Cloud> {
    Router::new().route(CLOUD_SSO, post(cloud_sso)).route("/v1/exchange", post(exchange))
}

fn bearer(headers: &HeaderMap) -> &str {
    let value = headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok());
    value.and_then(|value| value.strip_prefix("Bearer ")).unwrap_or_default()
}

async fn cloud_sso(State(cloud): State<Cloud>, headers: HeaderMap, body: Bytes) -> Response {
    let refuse = |status, code: &str, text: &str| {
        let error = json!({ "ErrorCode": code, "ErrorMessage": text, "RequestId": random::request_id() });
        json_answer(status, &error)
    };
    let ends = cloud.state.proofs.lock().cloud_sso.get(bearer(&headers)).copied();
    if ends.is_none_or(|ends| ends <= cloud.now()) {
        return refuse(StatusCode::UNAUTHORIZED, "InvalidAccessToken", "The access token is invalid or expired.");
    }
    if !headers.get(CONTENT_TYPE).is_some_and(|kind| kind.as_bytes().starts_with(b"application/json")) {
        return refuse(StatusCode::BAD_REQUEST, "InvalidContentType", "The request is not JSON.");
    }
    let account = cloud.state.accounts.lock().get(KEY).map(|key| key.account.clone()).unwrap_or_default();
    let wish: Value = serde_json::from_slice(&body).unwrap_or_default();
    if wish["AccountId"] != account.as_str() || wish["AccessConfigurationId"] != CONFIGURATION {
        return refuse(StatusCode::FORBIDDEN, "NoPermission.AccessConfiguration", "Nothing is assigned to you there.");
    }
    let key = session_key(&cloud, &account, "aliyunreserved-sso/alice", LIFE, BTreeSet::new());
    json_answer(StatusCode::OK, &json!({ "CloudCredential": key, "RequestId": random::request_id() }))
}

/// Most official SDKs want an answer in camel case, and one the names of STS.
async fn exchange(State(cloud): State<Cloud>, headers: HeaderMap) -> Response {
    let account = cloud.state.grants.lock().valid(bearer(&headers), cloud.now()).map(|found| found.account.clone());
    let Ok(account) = account else {
        return OAuthError::new("invalid_token", "The access token is invalid or expired.").into_response();
    };
    let key = session_key(&cloud, &account, "aliyun-cli/alice", LIFE, BTreeSet::new());
    if cloud.state.settings.lock().exchange_upper_case {
        let mut answer = key;
        answer["RequestId"] = Value::from(random::request_id());
        return json_answer(StatusCode::OK, &answer);
    }
    let answer = json!({
        "requestId": random::request_id(),
        "accessKeyId": key["AccessKeyId"],
        "accessKeySecret": key["AccessKeySecret"],
        "securityToken": key["SecurityToken"],
        "expiration": key["Expiration"],
    });
    json_answer(StatusCode::OK, &answer)
}
