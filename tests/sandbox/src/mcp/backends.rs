//! The servers of one gateway, and how a request reaches them.

use std::sync::Arc;

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use http::header::ALLOW;
use http::{Method, Request, StatusCode};
use rmcp::transport::streamable_http_server::session::local::LocalSessionManager;
use rmcp::transport::streamable_http_server::{StreamableHttpServerConfig, StreamableHttpService};

use crate::cloud::Cloud;
use crate::gateway::servers::{Backend, Listed};
use crate::mcp::legacy::{self, Sessions};
use crate::mcp::notes::{Notebook, Notes};
use crate::mcp::tools::Tools;
use crate::sign::encoding::{decode_pairs, text};
use crate::wire::head::Head;

/// Most bytes of one message.
const MESSAGE_LIMIT: usize = 16 << 20;

/// The servers and their sessions.
pub(crate) struct Backends {
    cloud: Cloud,
    config: StreamableHttpServerConfig,
    tools: StreamableHttpService<Tools, LocalSessionManager>,
    notes: StreamableHttpService<Notes, LocalSessionManager>,
    notebook: Arc<Notebook>,
    sessions: Arc<Sessions>,
}

impl Backends {
    pub(crate) fn new(cloud: &Cloud) -> Self {
        // The gateway has checked Host and Origin already, for all its paths.
        let config =
            StreamableHttpServerConfig::default().disable_allowed_hosts().with_max_request_body_bytes(MESSAGE_LIMIT);
        let notebook = Arc::new(Notebook::default());
        let tools = {
            let cloud = cloud.clone();
            StreamableHttpService::new(move || Ok(Tools::new(cloud.clone())), Arc::default(), config.clone())
        };
        let notes = {
            let (cloud, notebook) = (cloud.clone(), Arc::clone(&notebook));
            StreamableHttpService::new(
                move || Ok(Notes::new(cloud.clone(), Arc::clone(&notebook))),
                Arc::default(),
                config.clone(),
            )
        };
        Self { cloud: cloud.clone(), config, tools, notes, notebook, sessions: Arc::default() }
    }

    /// Streamable HTTP: sessions of the revisions up to 2025-11-25, and none from 2026-07-28 on.
    pub(crate) async fn streamable(&self, backend: Backend, request: Request<Body>) -> Response {
        let response = match backend {
            Backend::Tools => self.tools.handle(request).await,
            Backend::Notes => self.notes.handle(request).await,
        };
        response.map(Body::new)
    }

    /// `GET …/sse`.
    pub(crate) fn open_sse(&self, server: &Listed, head: &Head, method: &Method) -> Response {
        if method != Method::GET {
            return (StatusCode::METHOD_NOT_ALLOWED, [(ALLOW, "GET")]).into_response();
        }
        let base = match (self.cloud.state.settings.lock().absolute_endpoint, head.text("host")) {
            (true, Some(host)) => format!("https://{host}"),
            _ => String::new(),
        };
        match server.entry.backend {
            Backend::Tools => legacy::open(&self.sessions, Tools::new(self.cloud.clone()), &server.path, &base),
            Backend::Notes => {
                let notes = Notes::new(self.cloud.clone(), Arc::clone(&self.notebook));
                legacy::open(&self.sessions, notes, &server.path, &base)
            }
        }
    }

    /// `POST …/message?sessionId=…`.
    pub(crate) async fn post_message(&self, server: &Listed, head: &Head, request: Request<Body>) -> Response {
        if request.method() != Method::POST {
            return (StatusCode::METHOD_NOT_ALLOWED, [(ALLOW, "POST")]).into_response();
        }
        let query = decode_pairs(head.query().as_bytes());
        let id = text(&query, "sessionId").unwrap_or_default();
        let (parts, body) = request.into_parts();
        match axum::body::to_bytes(body, MESSAGE_LIMIT).await {
            Ok(body) => {
                self.cloud.count(|counts| counts.legacy_messages += 1);
                legacy::post(&self.sessions, &server.path, id, parts, &body).await
            }
            Err(error) => (StatusCode::BAD_REQUEST, error.to_string()).into_response(),
        }
    }
}

impl Drop for Backends {
    fn drop(&mut self) {
        self.config.cancellation_token.cancel();
    }
}
