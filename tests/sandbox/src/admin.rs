//! The admin interface on the plain listener: the same as [`Cloud`]'s methods, as JSON.
//!
//! It is for the demo and for tests that run the stand-in as a process. It listens on a
//! loopback address and is no part of the emulated cloud.

use std::time::Duration;

use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::cloud::Cloud;
use crate::cloud::faults::{ApiFault, GatewayFault, TokenFault};
use crate::cloud::settings::{Consent, ExpiresIn, SignedInAs};

/// `/admin/...`.
pub(crate) fn routes() -> Router<Cloud> {
    Router::new()
        .route("/admin/counts", get(counts))
        .route("/admin/received", get(received))
        .route("/admin/secrets", get(secrets))
        .route("/admin/wait", post(wait))
        .route("/admin/fail/{place}", post(fail))
        .route("/admin/clear", post(clear))
        .route("/admin/refuse", post(refuse))
        .route("/admin/cut", post(cut))
        .route("/admin/revoke", post(revoke))
        .route("/admin/clock", post(clock))
        .route("/admin/permission", post(permission))
        .route("/admin/key", post(key))
        .route("/admin/hold", post(hold))
        .route("/admin/servers", post(servers))
        .route("/admin/settings", post(settings))
}

async fn counts(State(cloud): State<Cloud>) -> Response {
    Json(cloud.counts()).into_response()
}

async fn received(State(cloud): State<Cloud>) -> Response {
    Json(cloud.received()).into_response()
}

async fn secrets(State(cloud): State<Cloud>) -> Response {
    Json(cloud.issued_secrets()).into_response()
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wait {
    /// A counter, with dots for a name below (`api.ListApplications`).
    counter: String,
    at_least: Option<u64>,
    at_most: Option<u64>,
    #[serde(default = "ten_seconds")]
    timeout_ms: u64,
}

fn ten_seconds() -> u64 {
    10_000
}

/// Answers 200 with the counters when the counter is in range, 408 when it never was.
async fn wait(State(cloud): State<Cloud>, Json(wait): Json<Wait>) -> Response {
    let in_range = |counts: &crate::Counts| {
        let all = serde_json::to_value(counts).unwrap_or_default();
        let found = wait.counter.splitn(2, '.').try_fold(&all, |at, name| at.get(name));
        let value = found.and_then(Value::as_u64).unwrap_or(0);
        wait.at_least.is_none_or(|least| value >= least) && wait.at_most.is_none_or(|most| value <= most)
    };
    match cloud.wait_until(in_range, Duration::from_millis(wait.timeout_ms)).await {
        Some(counts) => Json(counts).into_response(),
        None => (StatusCode::REQUEST_TIMEOUT, Json(cloud.counts())).into_response(),
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Fail {
    fault: Value,
    /// The action that fails, of the API alone; absent means all.
    action: Option<String>,
    /// For how many calls; absent means until cleared.
    times: Option<u32>,
}

async fn fail(State(cloud): State<Cloud>, Path(place): Path<String>, Json(fail): Json<Fail>) -> Response {
    let Fail { fault, action, times } = fail;
    if action.is_some() && place != "api" {
        return (StatusCode::BAD_REQUEST, "only the API has actions").into_response();
    }
    let armed = match place.as_str() {
        "token" => serde_json::from_value::<TokenFault>(fault).map(|fault| cloud.fail_token(fault, times)),
        "gateway" => serde_json::from_value::<GatewayFault>(fault).map(|fault| cloud.fail_gateway(fault, times)),
        "api" => serde_json::from_value::<ApiFault>(fault).map(|fault| match &action {
            Some(action) => cloud.fail_action(action, fault, times),
            None => cloud.fail_api(fault, times),
        }),
        _ => return StatusCode::NOT_FOUND.into_response(),
    };
    match armed {
        Ok(()) => done(),
        Err(error) => (StatusCode::BAD_REQUEST, error.to_string()).into_response(),
    }
}

fn done() -> Response {
    Json(json!({ "ok": true })).into_response()
}

async fn clear(State(cloud): State<Cloud>) -> Response {
    cloud.clear_faults();
    done()
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Refuse {
    cloud: Option<bool>,
    token: Option<bool>,
}

async fn refuse(State(cloud): State<Cloud>, Json(refuse): Json<Refuse>) -> Response {
    if let Some(refuse) = refuse.cloud {
        cloud.refuse_connections(refuse);
    }
    if let Some(refuse) = refuse.token {
        cloud.refuse_token_connections(refuse);
    }
    done()
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum What {
    All,
    Streams,
    Idle,
}

async fn cut(State(cloud): State<Cloud>, Json(what): Json<What>) -> Response {
    let count = match what {
        What::All => cloud.cut_connections(),
        What::Streams => cloud.cut_streams(),
        What::Idle => cloud.close_idle_connections(),
    };
    Json(json!({ "cut": count })).into_response()
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum Revoke {
    AccessTokens,
    Grants,
}

async fn revoke(State(cloud): State<Cloud>, Json(what): Json<Revoke>) -> Response {
    let count = match what {
        Revoke::AccessTokens => cloud.revoke_access_tokens(),
        Revoke::Grants => cloud.revoke_grants(),
    };
    Json(json!({ "revoked": count })).into_response()
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SetClock {
    offset: Option<i64>,
    advance: Option<i64>,
}

async fn clock(State(cloud): State<Cloud>, Json(set): Json<SetClock>) -> Response {
    if let Some(offset) = set.offset {
        cloud.set_clock_offset(offset);
    }
    if let Some(seconds) = set.advance {
        cloud.advance_clock(seconds);
    }
    Json(json!({ "offset": cloud.clock_offset() })).into_response()
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Permission {
    access_key_id: String,
    action: String,
    allowed: bool,
}

async fn permission(State(cloud): State<Cloud>, Json(set): Json<Permission>) -> Response {
    cloud.set_permission(&set.access_key_id, &set.action, set.allowed);
    done()
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum Key {
    Create,
    Enable(String),
    Disable(String),
    Delete(String),
}

async fn key(State(cloud): State<Cloud>, Json(change): Json<Key>) -> Response {
    match change {
        Key::Create => {
            let (id, secret) = cloud.create_access_key();
            return Json(json!({ "access_key_id": id, "access_key_secret": secret })).into_response();
        }
        Key::Enable(id) => cloud.set_key_active(&id, true),
        Key::Disable(id) => cloud.set_key_active(&id, false),
        Key::Delete(id) => cloud.delete_access_key(&id),
    }
    done()
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum Hold {
    Say(String),
    End,
}

async fn hold(State(cloud): State<Cloud>, Json(hold): Json<Hold>) -> Response {
    let streams = match hold {
        Hold::Say(text) => cloud.say_on_holds(text),
        Hold::End => cloud.end_holds(),
    };
    Json(json!({ "streams": streams })).into_response()
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum Servers {
    Add(String),
    Remove(String),
}

async fn servers(State(cloud): State<Cloud>, Json(change): Json<Servers>) -> Response {
    match change {
        Servers::Add(name) => Json(json!({ "id": cloud.add_server(&name) })).into_response(),
        Servers::Remove(id) => {
            cloud.remove_server(&id);
            done()
        }
    }
}

/// Only what is present is changed; a life of 0 means what the application says.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SetSettings {
    consent: Option<Consent>,
    sign_in_as: Option<SignedInAs>,
    expires_in: Option<ExpiresIn>,
    rotate: Option<bool>,
    reuse_revokes: Option<bool>,
    access_token_life: Option<i64>,
    refresh_token_life: Option<i64>,
    page_size: Option<usize>,
    public_base: Option<String>,
    absolute_endpoint: Option<bool>,
    metadata_hardened: Option<bool>,
    metadata_old: Option<bool>,
    ramoauth_v3: Option<bool>,
    listening: Option<bool>,
    exchange_upper_case: Option<bool>,
}

async fn settings(State(cloud): State<Cloud>, Json(set): Json<SetSettings>) -> Response {
    let life = |seconds: i64| (seconds != 0).then_some(seconds);
    set.consent.into_iter().for_each(|value| cloud.set_consent(value));
    set.sign_in_as.into_iter().for_each(|value| cloud.sign_in_as(value));
    set.expires_in.into_iter().for_each(|value| cloud.set_expires_in(value));
    set.rotate.into_iter().for_each(|value| cloud.set_rotation(value));
    set.reuse_revokes.into_iter().for_each(|value| cloud.set_reuse_revokes(value));
    set.access_token_life.into_iter().for_each(|value| cloud.set_access_token_life(life(value)));
    set.refresh_token_life.into_iter().for_each(|value| cloud.set_refresh_token_life(life(value)));
    set.page_size.into_iter().for_each(|value| cloud.set_page_size(value));
    set.public_base.iter().for_each(|value| cloud.set_public_base(value));
    set.absolute_endpoint.into_iter().for_each(|value| cloud.set_absolute_endpoint(value));
    set.metadata_hardened.into_iter().for_each(|value| cloud.set_metadata_hardened(value));
    set.metadata_old.into_iter().for_each(|value| cloud.set_metadata_old(value));
    set.listening.into_iter().for_each(|value| cloud.set_listening(value));
    set.ramoauth_v3.into_iter().for_each(|value| cloud.set_ramoauth_v3(value));
    set.exchange_upper_case.into_iter().for_each(|value| cloud.set_exchange_upper_case(value));
    done()
}
