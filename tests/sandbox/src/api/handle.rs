//! The path of one API call: fault, host, version, signature if there is one, permission, action, answer.

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use http::header::CONTENT_TYPE;
use serde_json::Value;

use crate::api::actions::Action;
use crate::api::answer::{self, Form};
use crate::api::error::ApiError;
use crate::api::{actions, applications, bearer, catalog, safety, tokens};
use crate::cloud::Cloud;
use crate::cloud::accounts::Caller;
use crate::cloud::counts::bump;
use crate::cloud::faults::ApiFault;
use crate::random;
use crate::sign::claim::{Claim, Malformed};
use crate::sign::encoding::{Pairs, decode_pairs, text};
use crate::wire::head::Head;
use crate::wire::request::Received;

/// Whether a request is for the signed API: it names an action or is a control-plane path.
pub(crate) fn is_api(head: &Head) -> bool {
    head.text("x-acs-action").is_some()
        || text(&decode_pairs(head.query().as_bytes()), "Action").is_some()
        || matches!(head.path(), "/apimcpservers" | "/apimcpservercores" | "/safePolicy/set")
}

/// Answers one API call.
pub(crate) async fn handle(cloud: &Cloud, request: &Received) -> Response {
    let query = decode_pairs(request.head.query().as_bytes());
    let mut parameters = query.clone();
    parameters.extend(request.form());
    let name = request.head.text("x-acs-action").or_else(|| text(&parameters, "Action")).unwrap_or_default().to_owned();
    let known = actions::action(&name);
    let form = Form {
        json: wants_json(request, &parameters),
        lower_case: known.as_ref().is_some_and(|action| action.path != "/"),
        product: known.as_ref().map_or("OpenAPIExplorer", |action| action.product),
        host: request.head.text("host").unwrap_or_default().to_owned(),
        action: name.clone(),
    };
    cloud.count(|counts| bump(&mut counts.api, if known.is_some() { &name } else { "unknown" }));
    let request_id = random::request_id();
    let fault = cloud.state.faults.lock().take_api(&name);
    let outcome = match fault {
        Some(ApiFault::Hang) => std::future::pending().await,
        Some(ApiFault::Html) => return html(),
        Some(fault) => Err(injected(&fault, known.as_ref())),
        None => perform(cloud, request, &name, known, &parameters),
    };
    match outcome {
        Ok(fields) => answer::success(&form, &request_id, fields),
        Err(error) => {
            tracing::info!(action = name, code = error.code, "API call refused");
            cloud.count(|counts| bump(&mut counts.api_errors, &error.code));
            answer::refusal(&form, &request_id, &error)
        }
    }
}

/// V3 and ROA ask with `Accept`, RPC with `Format`; RPC without `Format` means XML.
fn wants_json(request: &Received, parameters: &Pairs) -> bool {
    if let Some(format) = text(parameters, "Format") {
        return format.eq_ignore_ascii_case("json");
    }
    let is_rpc = request.head.text("x-acs-version").is_none() || text(parameters, "SignatureVersion").is_some();
    let accept = request.head.text("accept").unwrap_or_default();
    !is_rpc && accept.contains("application/json")
}

fn injected(fault: &ApiFault, action: Option<&Action>) -> ApiError {
    match fault {
        ApiFault::Throttled { retry_after_ms } => {
            let text = "Request was denied due to user flow control.";
            let mut error = ApiError::new(400, "Throttling.User", text);
            error.retry_after = *retry_after_ms;
            error
        }
        ApiFault::Error { status, code, message, recommend, retry_after_ms } => {
            let mut error = ApiError::new(*status, code, message.as_str());
            (error.recommend, error.retry_after) = (recommend.clone(), *retry_after_ms);
            error
        }
        ApiFault::Denied => ApiError::no_permission(action.map_or("*", |action| action.permission), ""),
        _ => {
            let text = "The request has failed due to a temporary failure of the server.";
            ApiError::new(503, "ServiceUnavailable", text)
        }
    }
}

fn html() -> Response {
    let page = "<html><head><title>502 Bad Gateway</title></head><body>\
                <center><h1>502 Bad Gateway</h1></center><hr></body></html>";
    (StatusCode::BAD_GATEWAY, [(CONTENT_TYPE, "text/html")], Body::from(page)).into_response()
}

fn perform(
    cloud: &Cloud,
    request: &Received,
    name: &str,
    action: Option<Action>,
    parameters: &Pairs,
) -> Result<Value, ApiError> {
    let action = action.ok_or_else(ApiError::unknown_action)?;
    let head = &request.head;
    if head.path() != action.path || !action.methods.contains(&head.method.as_str()) {
        return Err(ApiError::unknown_action());
    }
    if !action.belongs_to(head.text("host").unwrap_or_default()) {
        return Err(ApiError::unknown_action());
    }
    // Only one of the two is signed, and a signature must not cover another action than is done.
    for (header, parameter) in [("x-acs-action", "Action"), ("x-acs-version", "Version")] {
        if let (Some(said), Some(also)) = (head.text(header), text(parameters, parameter))
            && said != also
        {
            return Err(Malformed::Incomplete(format!("{header} is not {parameter}")).into());
        }
    }
    let version = head.text("x-acs-version").or_else(|| text(parameters, "Version"));
    if version != Some(action.version) {
        return Err(ApiError::new(400, "InvalidVersion", "Specified parameter Version is not valid."));
    }
    if name == "UpdateBearerTokenSafetyPolicy" {
        return safety::set(cloud, request);
    }
    if name == "AssumeRoleWithOIDC" {
        return tokens::assume_role_with_oidc(cloud, parameters); // the token is the proof
    }
    let caller = match bearer::read(request, parameters)? {
        Some(token) => bearer::caller(cloud, token)?,
        None => {
            let claim = Claim::read(request)?;
            if !action.accepts(claim.scheme, cloud.state.settings.lock().ramoauth_v3) {
                return Err(Malformed::Incomplete("this signature scheme is not for this product".to_owned()).into());
            }
            let caller = cloud.state.accounts.lock().authenticate(&claim, cloud.now())?;
            cloud.count(|counts| bump(&mut counts.api_keys, &caller.key.id));
            caller
        }
    };
    if name != "GetCallerIdentity" {
        caller.require(action.permission)?; // asking who one is needs no permission
    }
    dispatch(cloud, &caller, name, parameters)
}

fn dispatch(cloud: &Cloud, caller: &Caller, name: &str, parameters: &Pairs) -> Result<Value, ApiError> {
    let account = caller.key.account.as_str();
    match name {
        "ListApplications" => Ok(applications::list(cloud, account)),
        "GetApplication" => applications::get(cloud, account, parameters),
        "CreateApplication" => applications::create(cloud, account, parameters),
        "UpdateApplication" => applications::update(cloud, account, parameters),
        "DeleteApplication" => applications::delete(cloud, account, parameters),
        "GetCallerIdentity" => Ok(tokens::caller_identity(caller)),
        "AssumeRole" => tokens::assume_role(cloud, caller, parameters),
        "GenerateAccessToken" => tokens::generate_access_token(cloud, caller, parameters),
        "ListApiMcpServers" => catalog::servers(cloud, account, parameters),
        "ListApiMcpServerCores" => Ok(catalog::cores(cloud, account)),
        _ => Err(ApiError::unknown_action()),
    }
}
