//! The HTTP+SSE transport of 2024-11-05: `GET /sse` opens a session, its first event names the
//! path for messages, and answers come as `message` events.

use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::Arc;

use axum::body::{Body, Bytes};
use axum::response::{IntoResponse, Response};
use futures_util::{StreamExt, stream};
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use http::request::Parts;
use http::{HeaderValue, StatusCode};
use rmcp::model::{ClientJsonRpcMessage, GetExtensions, ServerJsonRpcMessage};
use rmcp::{ServerHandler, ServiceExt};
use tokio::sync::mpsc;

use crate::mcp::channel::ChannelTransport;
use crate::random;
use crate::sync::{Guarded, OwnedTask};

/// Messages waiting on either side of a session.
const QUEUE: usize = 64;

/// The open sessions: where their messages go, and the path they belong to.
#[derive(Default)]
pub(crate) struct Sessions(Guarded<HashMap<String, (String, mpsc::Sender<ClientJsonRpcMessage>)>>);

/// Ends a session when its event stream goes.
struct Session {
    id: String,
    sessions: Arc<Sessions>,
    _server: OwnedTask,
}

impl Drop for Session {
    fn drop(&mut self) {
        self.sessions.0.lock().remove(&self.id);
    }
}

/// Opens a session on a server; `base` stands before the path when the endpoint is absolute.
pub(crate) fn open<H: ServerHandler>(sessions: &Arc<Sessions>, handler: H, path: &str, base: &str) -> Response {
    let id = random::token(32);
    let (to_server, incoming) = mpsc::channel(QUEUE);
    let (outgoing, from_server) = mpsc::channel::<ServerJsonRpcMessage>(QUEUE);
    let server = OwnedTask::spawn(async move {
        let transport = ChannelTransport { incoming, outgoing };
        match handler.serve(transport).await {
            Ok(running) => {
                if let Err(error) = running.waiting().await {
                    tracing::warn!(%error, "an HTTP+SSE session ended badly");
                }
            }
            Err(error) => tracing::debug!(%error, "an HTTP+SSE session never began"),
        }
    });
    sessions.0.lock().insert(id.clone(), (path.to_owned(), to_server));
    let endpoint = format!("event: endpoint\ndata: {base}{path}/message?sessionId={id}\n\n");
    let session = Session { id, sessions: Arc::clone(sessions), _server: server };
    let first = stream::iter([Ok::<_, Infallible>(Bytes::from(endpoint))]);
    let rest = stream::unfold((from_server, session), |(mut from_server, session)| async move {
        let message = from_server.recv().await?;
        let json = serde_json::to_string(&message).unwrap_or_default();
        let event = Bytes::from(format!("event: message\ndata: {json}\n\n"));
        Some((Ok(event), (from_server, session)))
    });
    let headers = [
        (CONTENT_TYPE, HeaderValue::from_static("text/event-stream")),
        (CACHE_CONTROL, HeaderValue::from_static("no-cache")),
    ];
    (headers, Body::from_stream(first.chain(rest))).into_response()
}

/// Takes a message for a session of this path; a request keeps the parts of its HTTP request.
pub(crate) async fn post(sessions: &Sessions, path: &str, id: &str, parts: Parts, body: &[u8]) -> Response {
    let sender = {
        let sessions = sessions.0.lock();
        sessions.get(id).filter(|(own, _)| own == path).map(|(_, sender)| sender.clone())
    };
    let Some(sender) = sender else {
        return (StatusCode::NOT_FOUND, "session not found").into_response();
    };
    match serde_json::from_slice(body).map(|message| with_parts(message, parts)) {
        Err(error) => (StatusCode::BAD_REQUEST, format!("not a message: {error}")).into_response(),
        Ok(message) => match sender.send(message).await {
            Ok(()) => (StatusCode::ACCEPTED, "Accepted").into_response(),
            Err(_) => (StatusCode::NOT_FOUND, "session not found").into_response(),
        },
    }
}

fn with_parts(mut message: ClientJsonRpcMessage, parts: Parts) -> ClientJsonRpcMessage {
    if let ClientJsonRpcMessage::Request(request) = &mut message {
        request.request.extensions_mut().insert(parts);
    }
    message
}
