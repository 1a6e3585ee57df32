//! Who may pass the gateway: the right `Host`, no foreign `Origin`, one valid bearer.

use axum::response::{IntoResponse, Response};
use http::StatusCode;
use http::header::{CONTENT_TYPE, HeaderValue, WWW_AUTHENTICATE};
use serde_json::json;
use url::Url;

use crate::api::recommend;
use crate::cloud::Cloud;
use crate::cloud::grants::Unacceptable;
use crate::random;
use crate::wire::head::Head;

/// The gateway's own names in the real cloud.
pub(crate) const HOSTS: [&str; 4] = [
    "openapi-mcp.cn-hangzhou.aliyuncs.com",
    "openapi-mcp.ap-southeast-1.aliyuncs.com",
    "openapi-mcp-cn.vpc-proxy.aliyuncs.com",
    "openapi-mcp-intl.vpc-proxy.aliyuncs.com",
];

/// The refusal of a request that was not meant for this gateway.
pub(crate) fn check_host_and_origin(cloud: &Cloud, head: &Head) -> Result<(), Box<Response>> {
    let settings = cloud.state.settings.lock().clone();
    let bases = [&settings.cloud_url, &settings.public_base];
    let mut own: Vec<String> = bases.iter().filter_map(|base| authority(base)).collect();
    if let Some(port) = Url::parse(&settings.cloud_url).ok().and_then(|url| url.port()) {
        own.extend([format!("127.0.0.1:{port}"), format!("[::1]:{port}")]);
    }
    own.extend(HOSTS.iter().map(ToString::to_string));

    let hosts: Vec<&[u8]> = head.all("host").collect();
    let host = match hosts.as_slice() {
        [host] => String::from_utf8_lossy(host).to_ascii_lowercase(),
        _ => {
            return Err(Box::new(refuse(StatusCode::BAD_REQUEST, "Exactly one Host is needed")));
        }
    };
    if !own.contains(&host) {
        return Err(Box::new(refuse(StatusCode::FORBIDDEN, "Host is not allowed")));
    }
    for origin in head.all("origin") {
        let origin = String::from_utf8_lossy(origin).into_owned();
        if !own.iter().any(|name| origin == format!("https://{name}")) {
            return Err(Box::new(refuse(StatusCode::FORBIDDEN, "Origin is not allowed")));
        }
    }
    if head.all("authorization").count() > 1 {
        let text = "More than one Authorization header";
        return Err(Box::new(refuse(StatusCode::BAD_REQUEST, text)));
    }
    Ok(())
}

fn authority(base: &str) -> Option<String> {
    let url = Url::parse(base).ok()?;
    let host = url.host_str()?.to_owned();
    Some(url.port().map_or(host.clone(), |port| format!("{host}:{port}")))
}

/// The account whose token the request carries.
pub(crate) fn check_bearer(cloud: &Cloud, head: &Head) -> Result<String, Box<Response>> {
    let challenge = |text: &str| Box::new(unauthorized(head, text));
    let Some(value) = head.text("authorization") else {
        return Err(challenge("Authorization header is missing"));
    };
    let token = match value.split_once(' ') {
        Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") => token,
        _ => return Err(challenge("Authorization header is invalid")),
    };
    let grants = cloud.state.grants.lock();
    match grants.valid_for_mcp(token, cloud.now()) {
        Ok(found) => Ok(found.account.clone()),
        Err(Unacceptable::WrongKind) => {
            let text = "Access token type is not match"; // as the real gateway says it
            Err(Box::new(refuse(StatusCode::FORBIDDEN, text)))
        }
        Err(Unacceptable::Expired) => Err(challenge("Access token is expired")),
        Err(Unacceptable::Unknown) => Err(challenge("Access token is invalid")),
    }
}

pub(crate) fn unauthorized(head: &Head, text: &str) -> Response {
    let mut response = refuse(StatusCode::UNAUTHORIZED, text);
    let host = head.text("host").unwrap_or_default();
    let metadata = format!("https://{host}/.well-known/oauth-protected-resource{}", head.path());
    let value = format!("Bearer resource_metadata=\"{metadata}\"");
    if let Ok(value) = HeaderValue::from_str(&value) {
        response.headers_mut().insert(WWW_AUTHENTICATE, value);
    }
    response
}

/// A refusal in the gateway's own form.
pub(crate) fn refuse(status: StatusCode, text: &str) -> Response {
    let headers = [(CONTENT_TYPE, "application/json;charset=utf-8")];
    (status, headers, json!({ "error": text }).to_string()).into_response()
}

/// What the real gateway answers on `/` and on every path it does not know.
pub(crate) fn not_found(head: &Head) -> Response {
    let id = random::request_id();
    let code = "InvalidAction.NotFound";
    let host = crate::api::escape(head.text("host").unwrap_or_default());
    let body = format!(
        "<?xml version='1.0' encoding='UTF-8'?><Error><RequestId>{id}</RequestId>\
         <HostId>{host}</HostId><Code>{code}</Code>\
         <Message>Specified api is not found, please check your url and method.</Message>\
         <Recommend><![CDATA[{}]]></Recommend></Error>",
        recommend(code, "OpenAPIExplorer", &id)
    );
    let headers = [(CONTENT_TYPE, "text/xml;charset=utf-8")];
    (StatusCode::NOT_FOUND, headers, body).into_response()
}
