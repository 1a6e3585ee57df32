//! The HTTP side of OAuth: routes, faults of the token endpoint, discovery.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Extension, RawQuery, State};
use axum::response::{Html, IntoResponse, Response};
use axum::routing::{get, post};
use futures_util::{StreamExt, stream};
use http::header::{AUTHORIZATION, CONTENT_TYPE, LOCATION, RETRY_AFTER};
use http::{HeaderMap, StatusCode};
use http_body_util::BodyExt;
use serde_json::json;

use crate::cloud::Cloud;
use crate::cloud::faults::TokenFault;
use crate::cloud::settings::Consent;
use crate::oauth::authorize::{self, Refused};
use crate::oauth::token::{self, OAuthError, json_answer};
use crate::oauth::{page, refresh};
use crate::sign::encoding::{decode_pairs, text};
use crate::wire::connection::Connection;

/// The sign-in page, for both listeners.
pub(crate) fn page_routes() -> Router<Cloud> {
    Router::new().route("/oauth2/v1/auth", get(ask).post(decide))
}

/// Everything on the cloud's side: the sign-in host and the token host.
pub(crate) fn cloud_router() -> Router<Cloud> {
    page_routes()
        .route("/v1/token", post(call_token))
        .route("/v1/revoke", post(call_revoke))
        .route("/v1/userinfo", get(userinfo))
        .route("/v1/keys", get(async || json_answer(StatusCode::OK, &json!({ "keys": [] }))))
        .route("/.well-known/openid-configuration", get(discovery))
}

async fn ask(State(cloud): State<Cloud>, RawQuery(query): RawQuery) -> Response {
    let query = query.unwrap_or_default();
    let request = match authorize::check(&cloud, &query) {
        Ok(request) => request,
        Err(refused) => return refuse(&cloud, refused),
    };
    let consent = cloud.state.settings.lock().consent;
    match consent {
        Consent::Ask => page::consent(&request, &query),
        Consent::Allow => found(authorize::allow(&cloud, request).as_str()),
        Consent::Deny => found(authorize::deny(&cloud, &request).as_str()),
    }
}

async fn decide(State(cloud): State<Cloud>, body: Bytes) -> Response {
    let form = decode_pairs(&body);
    let query = text(&form, "request").unwrap_or_default();
    match (authorize::check(&cloud, query), text(&form, "decision")) {
        (Err(refused), _) => refuse(&cloud, refused),
        (Ok(request), Some("allow")) => found(authorize::allow(&cloud, request).as_str()),
        (Ok(request), Some("deny")) => found(authorize::deny(&cloud, &request).as_str()),
        (Ok(_), _) => page::error("Neither Allow nor Deny was chosen."),
    }
}

fn refuse(cloud: &Cloud, refused: Refused) -> Response {
    cloud.count(|counts| counts.authorize_refused += 1);
    match refused {
        Refused::Page(why) => page::error(&why),
        Refused::Redirect(target) => found(target.as_str()),
    }
}

fn found(target: &str) -> Response {
    (StatusCode::FOUND, [(LOCATION, target)]).into_response()
}

async fn call_token(
    State(cloud): State<Cloud>,
    Extension(connection): Extension<Arc<Connection>>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let fault = cloud.state.faults.lock().take_token();
    cloud.count(|counts| counts.token_calls += 1);
    let form = decode_pairs(&body);
    if fault.as_ref().is_some_and(is_lost) && text(&form, "grant_type") == Some("refresh_token") {
        cloud.count(|counts| counts.refreshes_failed += 1);
    }
    match fault {
        None => work(&cloud, &headers, &body),
        Some(TokenFault::Slow { ms }) => {
            tokio::time::sleep(Duration::from_millis(ms)).await;
            work(&cloud, &headers, &body)
        }
        Some(TokenFault::SlowAfter { ms }) => {
            let response = work(&cloud, &headers, &body);
            tokio::time::sleep(Duration::from_millis(ms)).await;
            response
        }
        Some(TokenFault::Drip { ms }) => drip(work(&cloud, &headers, &body), Duration::from_millis(ms)).await,
        Some(TokenFault::CutAfter) => {
            drop(work(&cloud, &headers, &body));
            cut(&connection).await
        }
        Some(TokenFault::CutBefore) => cut(&connection).await,
        Some(TokenFault::Hang) => std::future::pending().await,
        Some(TokenFault::Status { status, retry_after }) => unavailable(status, retry_after),
        Some(TokenFault::Html) => {
            let page = "<html><body><h1>502 Bad Gateway</h1></body></html>";
            (StatusCode::BAD_GATEWAY, Html(page)).into_response()
        }
        Some(TokenFault::Garbage) => {
            let headers = [(CONTENT_TYPE, "application/json;charset=utf-8")];
            (StatusCode::OK, headers, "{\"access_token\": \"cut of").into_response()
        }
        Some(TokenFault::Answer { status, content_type, body }) => {
            let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
            (status, [(CONTENT_TYPE, content_type)], body).into_response()
        }
        Some(TokenFault::OAuth { error }) => OAuthError::new(&error, "Refused by an injected fault.").into_response(),
    }
}

/// Whether the endpoint does nothing under this fault.
fn is_lost(fault: &TokenFault) -> bool {
    !matches!(
        fault,
        TokenFault::Slow { .. } | TokenFault::SlowAfter { .. } | TokenFault::Drip { .. } | TokenFault::CutAfter
    )
}

fn work(cloud: &Cloud, headers: &HeaderMap, body: &Bytes) -> Response {
    match form(headers, body) {
        Ok(form) => token::answer(cloud, &form),
        Err(error) => error.into_response(),
    }
}

/// RFC 6749: parameters come as a form and no parameter comes twice.
fn form(headers: &HeaderMap, body: &Bytes) -> Result<crate::sign::encoding::Pairs, OAuthError> {
    let kind = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if !kind.to_ascii_lowercase().starts_with("application/x-www-form-urlencoded") {
        return Err(OAuthError::new("invalid_request", "The body must be a form."));
    }
    let pairs = decode_pairs(body);
    let mut names: Vec<_> = pairs.iter().map(|(name, _)| name).collect();
    names.sort();
    if names.windows(2).any(|pair| pair[0] == pair[1]) {
        return Err(OAuthError::new("invalid_request", "A parameter is repeated."));
    }
    Ok(pairs)
}

async fn cut(connection: &Connection) -> Response {
    connection.cut();
    std::future::pending().await
}

fn unavailable(status: u16, retry_after: Option<u64>) -> Response {
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::SERVICE_UNAVAILABLE);
    let mut response = json_answer(status, &json!({ "error": "temporarily_unavailable" }));
    if let Some(seconds) = retry_after {
        response.headers_mut().insert(RETRY_AFTER, seconds.into());
    }
    response
}

/// The same answer, byte by byte, with the length announced.
async fn drip(response: Response, gap: Duration) -> Response {
    let (parts, body) = response.into_parts();
    let bytes = match body.collect().await {
        Ok(collected) => collected.to_bytes(),
        Err(error) => {
            return (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response();
        }
    };
    let pieces = stream::iter(bytes).then(move |byte| async move {
        tokio::time::sleep(gap).await;
        Ok::<_, std::io::Error>(Bytes::from(vec![byte]))
    });
    Response::from_parts(parts, Body::from_stream(pieces))
}

async fn call_revoke(State(cloud): State<Cloud>, headers: HeaderMap, body: Bytes) -> Response {
    match form(&headers, &body).and_then(|form| refresh::revoke(&cloud, &form)) {
        Ok(()) => json_answer(StatusCode::OK, &json!({})),
        Err(error) => error.into_response(),
    }
}

async fn userinfo(State(cloud): State<Cloud>, headers: HeaderMap) -> Response {
    let token = headers
        .get(AUTHORIZATION)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.strip_prefix("Bearer "))
        .unwrap_or_default();
    let grants = cloud.state.grants.lock();
    match grants.valid(token, cloud.now()) {
        Ok(found) => json_answer(
            StatusCode::OK,
            &json!({
                "sub": "200000000000000001",
                "uid": "200000000000000001",
                "aid": found.account,
                "name": "alice",
                "upn": format!("alice@{}.onaliyun.com", found.account),
            }),
        ),
        Err(_) => OAuthError::new("invalid_token", "The access token is invalid or expired.").into_response(),
    }
}

async fn discovery(State(cloud): State<Cloud>) -> Response {
    let settings = cloud.state.settings.lock().clone();
    let base = settings.cloud_url;
    json_answer(
        StatusCode::OK,
        &json!({
            "issuer": base,
            "authorization_endpoint": format!("{}/oauth2/v1/auth", settings.page_url),
            "token_endpoint": format!("{base}/v1/token"),
            "revocation_endpoint": format!("{base}/v1/revoke"),
            "userinfo_endpoint": format!("{base}/v1/userinfo"),
            "jwks_uri": format!("{base}/v1/keys"),
            "code_challenge_methods_supported": ["plain", "S256"],
            "subject_types_supported": ["public"],
            "response_types_supported": ["code"],
            "id_token_signing_alg_values_supported": ["RS256"],
            "scopes_supported": ["openid", "aliuid", "profile"],
        }),
    )
}
