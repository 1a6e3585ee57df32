//! Lab paths: answers whose every byte and moment is known, for tests of a relay.

use std::convert::Infallible;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::response::{IntoResponse, Response};
use futures_util::StreamExt;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE, HeaderValue, LOCATION};
use http::{Request, StatusCode};
use serde_json::json;
use sha2::{Digest, Sha256};

use crate::cloud::Cloud;
use crate::gateway::{admit, lab_answers as answers};
use crate::oauth::json_ok;
use crate::sign::encoding::{Pairs, decode_pairs, hex, text};
use crate::wire::head::Head;

/// Answers a lab request.
pub(crate) async fn answer(cloud: &Cloud, head: &Head, request: Request<Body>) -> Response {
    let query = decode_pairs(head.query().as_bytes());
    let parts: Vec<&str> = head.path().trim_start_matches("/lab/").split('/').collect();
    match parts.as_slice() {
        ["bytes", length] => match length.parse() {
            Ok(length) => bytes(length),
            Err(_) => admit::not_found(head),
        },
        ["upload"] => {
            // A reader that takes its time, for tests of back-pressure.
            let wait = Duration::from_millis(number(&query, "wait_ms", 0));
            tokio::time::sleep(wait).await;
            upload(request).await
        }
        ["trickle"] => {
            let gap = Duration::from_millis(number(&query, "gap_ms", 100));
            let body = Body::from_stream(answers::trickle(number(&query, "chunks", 10), gap));
            ([(CONTENT_TYPE, "application/octet-stream")], body).into_response()
        }
        ["sse"] => events(Body::from_stream(answers::events(&answers::EventShape {
            events: number(&query, "events", 3),
            gap: Duration::from_millis(number(&query, "gap_ms", 0)),
            eol: answers::Eol::parse(text(&query, "eol").unwrap_or("lf")),
            unterminated: text(&query, "unterminated") == Some("1"),
        }))),
        ["line", length] => match length.parse() {
            Ok(length) => events(Body::from_stream(answers::line(length))),
            Err(_) => admit::not_found(head),
        },
        ["hold"] => events(Body::from_stream(answers::hold(cloud.state.holds.subscribe()))),
        ["echo"] => echo(head, request).await,
        ["status", code] => status(code, head),
        ["redirect"] => redirect(&query),
        ["slow"] => {
            tokio::time::sleep(Duration::from_millis(number(&query, "ms", 1000))).await;
            json_ok(&json!({ "slow": true }))
        }
        // The body is left unread, so hyper closes the connection after the answer.
        ["early401"] => admit::unauthorized(head, "Refused before the body was read"),
        _ => admit::not_found(head),
    }
}

fn number(query: &Pairs, name: &str, default: u64) -> u64 {
    text(query, name).and_then(|value| value.parse().ok()).unwrap_or(default)
}

fn events(body: Body) -> Response {
    let headers = [(CONTENT_TYPE, "text/event-stream"), (http::header::CACHE_CONTROL, "no-cache")];
    (headers, body).into_response()
}

/// So many bytes with their length announced, made while they are sent.
fn bytes(length: u64) -> Response {
    let body = Body::new(answers::Pattern::new(length));
    let mut response = ([(CONTENT_TYPE, "application/octet-stream")], body).into_response();
    response.headers_mut().insert(CONTENT_LENGTH, HeaderValue::from(length));
    response
}

async fn upload(request: Request<Body>) -> Response {
    let mut stream = request.into_body().into_data_stream();
    let (mut length, mut hash) = (0_u64, Sha256::new());
    while let Some(piece) = stream.next().await {
        match piece {
            Ok(data) => {
                length += data.len() as u64;
                hash.update(&data);
            }
            Err(error) => return (StatusCode::BAD_REQUEST, error.to_string()).into_response(),
        }
    }
    json_ok(&json!({ "bytes": length, "sha256": hex(&hash.finalize()) }))
}

/// What arrived, byte for byte.
async fn echo(head: &Head, request: Request<Body>) -> Response {
    let body = match axum::body::to_bytes(request.into_body(), 64 << 20).await {
        Ok(body) => body,
        Err(error) => return (StatusCode::BAD_REQUEST, error.to_string()).into_response(),
    };
    let headers: Vec<_> = head
        .headers
        .iter()
        .map(|(name, value)| {
            json!({
                "name": name,
                "value": String::from_utf8_lossy(value),
                "value_base64": answers::base64(value),
            })
        })
        .collect();
    json_ok(&json!({
        "method": head.method,
        "target": head.target,
        "headers": headers,
        "body_base64": answers::base64(&body),
    }))
}

fn status(code: &str, head: &Head) -> Response {
    let Some(code) =
        code.parse().ok().and_then(|code| StatusCode::from_u16(code).ok()).filter(|code| !code.is_informational())
    // no final answer has such a status
    else {
        return admit::not_found(head);
    };
    if code == StatusCode::UNAUTHORIZED {
        return admit::unauthorized(head, "Refused on request");
    }
    if code == StatusCode::NO_CONTENT || code == StatusCode::NOT_MODIFIED {
        return code.into_response();
    }
    let body = json!({ "status": code.as_u16() }).to_string();
    (code, [(CONTENT_TYPE, "application/json")], body).into_response()
}

fn redirect(query: &Pairs) -> Response {
    let code = u16::try_from(number(query, "code", 307)).ok();
    let code = code.and_then(|code| StatusCode::from_u16(code).ok()).filter(StatusCode::is_redirection);
    let target = HeaderValue::from_str(text(query, "to").unwrap_or("/lab/echo"));
    match (code, target) {
        (Some(code), Ok(target)) => {
            let body = Body::from_stream(futures_util::stream::empty::<Result<Bytes, Infallible>>());
            (code, [(LOCATION, target)], body).into_response()
        }
        _ => admit::refuse(StatusCode::BAD_REQUEST, "code or to cannot be used"),
    }
}
