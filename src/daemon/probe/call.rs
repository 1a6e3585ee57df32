//! One MCP call, as a client makes it: `initialize`, and the end of the session that it may have begun.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, header};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::time::timeout;

use crate::auth::settings::TokenSource;
use crate::auth::source::AtWill;
use crate::config::settings::{Auth, Upstream};
use crate::daemon::custody::Kept;
use crate::daemon::probe::LIMIT;
use crate::model::secret::Secret;
use crate::model::time::{Clock, in_words};
use crate::net::api_client::ApiClient;
use crate::observe::text::shown;
use crate::token::Bearer;

/// The session that an MCP server has begun (MCP 2025-06-18, Streamable HTTP).
const SESSION: HeaderName = HeaderName::from_static("mcp-session-id");
/// How long the end of a session may take.
const GOODBYE: Duration = Duration::from_secs(2);

const INITIALIZE: &str = concat!(
    r#"{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-06-18","capabilities":{},"#,
    r#""clientInfo":{"name":"mcp-proxy doctor","version":""#,
    env!("CARGO_PKG_VERSION"),
    r#""}}}"#
);

/// What came of a call.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Called {
    /// There was an answer.
    Answered {
        /// The path.
        path: String,
        /// The status.
        status: u16,
        /// How long it took, in milliseconds.
        millis: u64,
        /// The code of a JSON-RPC error, if it is one.
        code: Option<i64>,
        /// Its words.
        says: Option<String>,
    },
    /// There was none.
    Failed(String),
    /// There is no token, and why.
    NoToken(String),
    /// No path is known that leads to an MCP server.
    NoPath,
    /// Only a running daemon has the token: it runs a command for it, or asks the cloud.
    DaemonOnly,
}

impl Called {
    /// The time was over before there was an answer.
    pub(super) fn late() -> Self {
        Self::Failed(format!("no answer within {}", in_words(LIMIT)))
    }
}

/// Calls with the token at hand. `path` finds out where to, if it comes to that.
pub(super) async fn with_what_is_at_hand(
    upstream: &Upstream,
    kept: Option<&Kept>,
    api: &ApiClient,
    clock: &Clock,
    path: impl Future<Output = Option<String>>,
) -> Called {
    let (token, path) = match (&upstream.auth, kept) {
        (Auth::AlibabaOauth(_), Some(kept)) => match saved(kept, clock) {
            Ok(token) => (token, path.await),
            Err(why) => return Called::NoToken(why),
        },
        (Auth::Source(source @ TokenSource::File(_)), _) => {
            match AtWill::new(source.clone()).mint(None, clock.now()).await {
                Ok(answer) => (answer.access_token, Some(upstream.proxy.mount.clone())),
                Err(failure) => return Called::NoToken(failure.reason),
            }
        }
        _ => return Called::DaemonOnly,
    };
    let Some(path) = path else { return Called::NoPath };
    initialize(api, &format!("{}{path}", upstream.proxy.origin), Some(&token), clock).await
}

fn saved(kept: &Kept, clock: &Clock) -> Result<Secret, String> {
    let credential = kept.store.clone().looking_only().load().map_err(|error| error.to_string())?;
    let grant = credential.ok_or_else(|| "no login is saved".to_owned())?.grant;
    match grant.expires_at.is_some_and(|end| end <= clock.now().wall) {
        true => Err("the access token has ended; a daemon renews it when it starts".to_owned()),
        false => Ok(grant.access_token),
    }
}

/// Calls `url`, with `token` if one is given.
pub async fn initialize(api: &ApiClient, url: &str, token: Option<&Secret>, clock: &Clock) -> Called {
    let secrets: Vec<&Secret> = token.into_iter().collect();
    let authorization = match token.map(|token| Bearer::new(0, token, None)).transpose() {
        Ok(bearer) => bearer.map(|bearer| bearer.authorization().clone()),
        Err(error) => return Called::NoToken(error.to_string()),
    };
    let began = clock.mono();
    match api.call(request(Method::POST, url, authorization.as_ref(), INITIALIZE)).await {
        Ok(answer) => {
            let millis = clock.mono().since(began).as_millis().try_into().unwrap_or(u64::MAX);
            if let Some(session) = answer.headers().get(SESSION) {
                say_goodbye(api, url, authorization.as_ref(), session).await;
            }
            let (code, says) = error_of(&answer);
            let path = url::Url::parse(url).map_or_else(|_| "/".to_owned(), |url| url.path().to_owned());
            let says = says.map(|says| shown(&says, &secrets));
            Called::Answered { path, status: answer.status().as_u16(), millis, code, says }
        }
        Err(error) => Called::Failed(error.to_string()),
    }
}

fn request(method: Method, url: &str, authorization: Option<&HeaderValue>, body: &'static str) -> Request<Bytes> {
    let mut request = Request::new(Bytes::from_static(body.as_bytes()));
    *request.method_mut() = method;
    if let Ok(uri) = url.parse() {
        *request.uri_mut() = uri;
    }
    let headers: &mut HeaderMap = request.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(header::ACCEPT, HeaderValue::from_static("application/json, text/event-stream"));
    if let Some(authorization) = authorization {
        headers.insert(header::AUTHORIZATION, authorization.clone());
    }
    request
}

/// Nobody goes on with that session, so the server need not keep it.
async fn say_goodbye(api: &ApiClient, url: &str, authorization: Option<&HeaderValue>, session: &HeaderValue) {
    let mut request = request(Method::DELETE, url, authorization, "");
    request.headers_mut().remove(header::CONTENT_TYPE);
    request.headers_mut().insert(SESSION, session.clone());
    // Whatever it says: a session that is left ends by itself.
    let _ = timeout(GOODBYE, api.call(request)).await;
}

/// Code and message of a JSON-RPC error, of a JSON body or of the first event of a stream.
fn error_of(answer: &Response<Bytes>) -> (Option<i64>, Option<String>) {
    let text = String::from_utf8_lossy(answer.body());
    let json = text.lines().find_map(|line| line.strip_prefix("data:")).unwrap_or(&text);
    let value: Value = serde_json::from_str(json.trim()).unwrap_or_default();
    let error = &value["error"];
    (error["code"].as_i64(), error["message"].as_str().map(str::to_owned))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_is_read_from_json_and_from_events() {
        let error = r#"{"jsonrpc":"2.0","id":1,"error":{"code":-31403,"message":"no"}}"#;
        for (body, expected) in [
            (error.to_owned(), (Some(-31_403), Some("no".to_owned()))),
            (format!("event: message\ndata: {error}\n\n"), (Some(-31_403), Some("no".to_owned()))),
            (r#"{"jsonrpc":"2.0","id":1,"result":{}}"#.to_owned(), (None, None)),
            ("<html>".to_owned(), (None, None)),
            (String::new(), (None, None)),
        ] {
            assert_eq!(error_of(&Response::new(Bytes::from(body))), expected);
        }
    }

    #[test]
    fn what_is_said_is_json() {
        let value: Value = serde_json::from_str(INITIALIZE).unwrap();
        assert_eq!(value["method"], "initialize");
    }
}
