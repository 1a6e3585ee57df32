//! Which service a request belongs to: by a real host name, else by action, else by path.

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::response::{IntoResponse, Response};
use http::{Request, StatusCode};
use tower::ServiceExt;

use crate::admin;
use crate::api;
use crate::cloud::Cloud;
use crate::gateway::Gateway;
use crate::metadata;
use crate::oauth;
use crate::portal;
use crate::wire::connection::Connection;
use crate::wire::head::Head;
use crate::wire::request::Received;

/// Most bytes of the body of a signed API call.
const API_BODY_LIMIT: usize = 1 << 20;

/// The services of the cloud.
#[derive(Clone)]
pub(crate) struct Services {
    cloud: Cloud,
    gateway: Gateway,
    oauth: Router,
    page: Router,
    metadata: Router,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Service {
    Api,
    OAuth,
    Gateway,
    Nothing,
}

impl Services {
    pub(crate) fn new(cloud: &Cloud) -> Self {
        let page = oauth::page_routes().merge(admin::routes()).merge(metadata::uri_routes());
        Self {
            cloud: cloud.clone(),
            gateway: Gateway::new(cloud.clone()),
            oauth: oauth::cloud_router().merge(portal::routes()).with_state(cloud.clone()),
            page: page.with_state(cloud.clone()),
            metadata: metadata::routes().with_state(cloud.clone()),
        }
    }

    /// A request to the cloud.
    pub(crate) async fn cloud(
        &self,
        head: &Head,
        connection: &Arc<Connection>,
        mut request: Request<Body>,
    ) -> Response {
        match service(head) {
            Service::Api => {
                let body = match axum::body::to_bytes(request.into_body(), API_BODY_LIMIT).await {
                    Ok(body) => body,
                    Err(error) => {
                        return (StatusCode::PAYLOAD_TOO_LARGE, error.to_string()).into_response();
                    }
                };
                api::handle(&self.cloud, &Received { head: head.clone(), body }).await
            }
            Service::OAuth => {
                request.extensions_mut().insert(Arc::clone(connection));
                call(&self.oauth, request).await
            }
            Service::Gateway => self.gateway.handle(head, connection, request).await,
            Service::Nothing => StatusCode::NOT_FOUND.into_response(),
        }
    }

    /// A request to the metadata service.
    pub(crate) async fn metadata(&self, request: Request<Body>) -> Response {
        call(&self.metadata, request).await
    }

    /// A request to the plain listener.
    pub(crate) async fn page(&self, request: Request<Body>) -> Response {
        call(&self.page, request).await
    }
}

async fn call(router: &Router, request: Request<Body>) -> Response {
    match router.clone().oneshot(request).await {
        Ok(response) => response,
        Err(never) => match never {},
    }
}

fn service(head: &Head) -> Service {
    let host = head.text("host").unwrap_or_default().to_ascii_lowercase();
    let name = host.split(':').next().unwrap_or_default();
    let is_oauth_path = head.path().starts_with("/v1/") || head.path().starts_with("/oauth2/");
    let is_discovery = head.path() == "/.well-known/openid-configuration";
    match name {
        "signin.aliyun.com" | "signin.alibabacloud.com" | "oauth.aliyun.com" | "oauth.alibabacloud.com" => {
            Service::OAuth
        }
        "ims.aliyuncs.com" | "ramoauth.aliyuncs.com" | "ramoauth.alibabacloudcs.com" | "sts.aliyuncs.com" => {
            Service::Api
        }
        _ if name.ends_with(".aliyuncs.com") && ["sts.", "sts-vpc."].iter().any(|own| name.starts_with(own)) => {
            Service::Api
        }
        _ if name.ends_with(".alibabacloudsso.com") => Service::OAuth,
        _ if name.starts_with("openapi-mcp") && api::is_api(head) => Service::Api,
        _ if name.starts_with("openapi-mcp") => Service::Gateway,
        _ if name.ends_with(".aliyun.com") || name.ends_with(".aliyuncs.com") => Service::Nothing,
        _ if api::is_api(head) => Service::Api,
        _ if is_oauth_path || is_discovery || head.path() == portal::CLOUD_SSO => Service::OAuth,
        _ => Service::Gateway,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(host: &str, target: &str, action: Option<&str>) -> Service {
        let mut text = format!("GET {target} HTTP/1.1\r\nHost: {host}\r\n");
        if let Some(action) = action {
            text.push_str(&format!("x-acs-action: {action}\r\n"));
        }
        service(&Head::parse(format!("{text}\r\n").as_bytes()).unwrap())
    }

    #[test]
    fn real_names_decide_first() {
        assert_eq!(of("ims.aliyuncs.com", "/", None), Service::Api);
        assert_eq!(of("oauth.aliyun.com", "/accounts/1/x", None), Service::OAuth);
        assert_eq!(of("openapi-mcp.cn-hangzhou.aliyuncs.com", "/v1/token", None), Service::Gateway);
        assert_eq!(of("sts.cn-hangzhou.aliyuncs.com", "/", Some("AssumeRole")), Service::Api);
        assert_eq!(of("sts-vpc.cn-hangzhou.aliyuncs.com", "/", Some("AssumeRole")), Service::Api);
        assert_eq!(of("signin-cn-shanghai.alibabacloudsso.com", portal::CLOUD_SSO, None), Service::OAuth);
        assert_eq!(of("signin-cn-shanghai.alibabacloudsso.com", "/accounts/1/x", None), Service::OAuth);
        assert_eq!(of("ecs.aliyuncs.com", "/", None), Service::Nothing);
    }

    #[test]
    fn on_one_address_action_and_path_decide() {
        assert_eq!(of("localhost:1", "/", Some("ListApplications")), Service::Api);
        assert_eq!(of("localhost:1", "/?Action=AssumeRole", None), Service::Api);
        assert_eq!(of("localhost:1", "/apimcpservers", None), Service::Api);
        assert_eq!(of("localhost:1", "/v1/token", None), Service::OAuth);
        assert_eq!(of("localhost:1", "/", None), Service::Gateway);
    }
}
