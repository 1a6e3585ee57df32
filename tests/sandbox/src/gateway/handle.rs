//! The path of one gateway request: admission, fault, server or lab, observed answer.

use std::sync::Arc;

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use futures_util::StreamExt;
use http::header::{ALLOW, CONTENT_TYPE, RETRY_AFTER};
use http::{Method, Request, StatusCode};
use serde_json::json;

use crate::cloud::Cloud;
use crate::cloud::faults::GatewayFault;
use crate::gateway::admit;
use crate::gateway::lab;
use crate::gateway::policy::Policy;
use crate::gateway::servers::{Transport, find};
use crate::mcp::Backends;
use crate::oauth::json_ok;
use crate::wire::connection::Connection;
use crate::wire::head::Head;
use crate::wire::response::Observed;

/// The longest request under a policy, in bytes.
const JUDGED: usize = 1 << 20;

/// The gateway with its servers.
#[derive(Clone)]
pub(crate) struct Gateway {
    cloud: Cloud,
    backends: Arc<Backends>,
}

impl Gateway {
    pub(crate) fn new(cloud: Cloud) -> Self {
        let backends = Arc::new(Backends::new(&cloud));
        Self { cloud, backends }
    }

    /// Answers one request.
    pub(crate) async fn handle(&self, head: &Head, connection: &Arc<Connection>, request: Request<Body>) -> Response {
        self.cloud.count(|counts| counts.gateway_requests += 1);
        let (response, cut_after) = match self.admitted(head) {
            Ok(account) => self.answer(&account, head, connection, request).await,
            Err(refusal) => (*refusal, None),
        };
        self.cloud.count(|counts| {
            counts.gateway_unauthorized += u64::from(response.status() == StatusCode::UNAUTHORIZED);
            counts.gateway_forbidden += u64::from(response.status() == StatusCode::FORBIDDEN);
        });
        self.observe(response, connection, cut_after)
    }

    /// The account of the bearer, or the refusal. Paths that lead nowhere need no bearer.
    fn admitted(&self, head: &Head) -> Result<String, Box<Response>> {
        admit::check_host_and_origin(&self.cloud, head)?;
        let path = head.path();
        if path.starts_with("/.well-known/") {
            return Err(Box::new(self.metadata(head)));
        }
        let guarded = ["/accounts/", "/id/", "/lab/"];
        if path != "/mcp" && !guarded.iter().any(|prefix| path.starts_with(prefix)) {
            return Err(Box::new(admit::not_found(head)));
        }
        admit::check_bearer(&self.cloud, head)
    }

    async fn answer(
        &self,
        account: &str,
        head: &Head,
        connection: &Arc<Connection>,
        request: Request<Body>,
    ) -> (Response, Option<u64>) {
        let fault = self.cloud.state.faults.lock().take_gateway();
        if fault.is_some() {
            self.cloud.count(|counts| counts.gateway_faults += 1);
        }
        let cut_after = match fault {
            None => None,
            Some(GatewayFault::CutAfter { bytes }) => Some(bytes),
            Some(GatewayFault::Status { status, retry_after }) => {
                return (unavailable(status, retry_after), None);
            }
            Some(GatewayFault::CutBefore) => {
                connection.cut();
                return std::future::pending().await;
            }
            Some(GatewayFault::Hang) => {
                // The body is read, so that only the answer is missing.
                let mut body = request.into_body().into_data_stream();
                while body.next().await.is_some() {}
                return std::future::pending().await;
            }
        };
        (self.route(account, head, request).await, cut_after)
    }

    async fn route(&self, account: &str, head: &Head, request: Request<Body>) -> Response {
        let path = head.path();
        if path.starts_with("/lab/") {
            return lab::answer(&self.cloud, head, request).await;
        }
        if let Some(rest) = path.strip_prefix("/accounts/")
            && rest.split('/').next() != Some(account)
        {
            return admit::refuse(StatusCode::FORBIDDEN, "Access denied: not your account");
        }
        let Some((server, transport)) = find(&self.cloud, account, path) else { return admit::not_found(head) };
        let request = match Policy::of(&self.cloud, head, &server.entry) {
            None => request,
            Some(policy) => match judged(policy, request).await {
                Ok(request) => request,
                Err(refusal) => return *refusal,
            },
        };
        if transport == Transport::Streamable && request.method() == Method::GET && !self.listening() {
            return (StatusCode::METHOD_NOT_ALLOWED, [(ALLOW, "POST, DELETE")]).into_response();
        }
        match transport {
            Transport::Streamable => self.backends.streamable(server.entry.backend, request).await,
            Transport::Sse => self.backends.open_sse(&server, head, request.method()),
            Transport::Message => self.backends.post_message(&server, head, request).await,
        }
    }

    fn listening(&self) -> bool {
        self.cloud.state.settings.lock().listening
    }

    /// RFC 9728 and RFC 8414 documents, as the real gateway publishes them.
    fn metadata(&self, head: &Head) -> Response {
        let settings = self.cloud.state.settings.lock().clone();
        let resource = head.path().strip_prefix("/.well-known/oauth-protected-resource");
        let base = &settings.cloud_url;
        if let Some(resource) = resource {
            return json_ok(&json!({
                "resource": format!("{base}{resource}"),
                "authorization_servers": [base],
                "bearer_methods_supported": ["header"],
                "scopes_supported": ["/acs/mcp-server"],
            }));
        }
        if head.path().starts_with("/.well-known/oauth-authorization-server") {
            return json_ok(&json!({
                "issuer": base,
                "authorization_endpoint": format!("{}/oauth2/v1/auth", settings.page_url),
                "token_endpoint": format!("{base}/v1/token"),
                "response_types_supported": ["code"],
                "grant_types_supported": ["authorization_code", "refresh_token"],
                "code_challenge_methods_supported": ["S256"],
                "token_endpoint_auth_methods_supported": ["none"],
            }));
        }
        admit::not_found(head)
    }

    fn observe(&self, response: Response, connection: &Arc<Connection>, cut_after: Option<u64>) -> Response {
        let is_stream =
            response.headers().get(CONTENT_TYPE).is_some_and(|kind| kind.as_bytes().starts_with(b"text/event-stream"));
        let (parts, body) = response.into_parts();
        let (cloud, connection) = (self.cloud.clone(), Arc::clone(connection));
        let body = Observed::new(body, cloud, connection, is_stream, cut_after);
        Response::from_parts(parts, Body::new(body))
    }
}

/// The request with its policy, unless it calls a tool that the policy refuses.
async fn judged(policy: Policy, request: Request<Body>) -> Result<Request<Body>, Box<Response>> {
    let (mut parts, body) = request.into_parts();
    let body = axum::body::to_bytes(body, JUDGED)
        .await
        .map_err(|_| Box::new(admit::refuse(StatusCode::PAYLOAD_TOO_LARGE, "The request is too long to be judged")))?;
    policy.check(&body).map_err(|(status, text)| Box::new(admit::refuse(status, text)))?;
    parts.extensions.insert(policy);
    Ok(Request::from_parts(parts, Body::from(body)))
}

fn unavailable(status: u16, retry_after: Option<u64>) -> Response {
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::SERVICE_UNAVAILABLE);
    let mut response = (status, "injected fault").into_response();
    if let Some(seconds) = retry_after {
        response.headers_mut().insert(RETRY_AFTER, seconds.into());
    }
    response
}
