//! What the gateway refuses to whoever has a certain token: set once per token, by whoever has it.

use http::header::CONTENT_TYPE;
use serde_json::{Value, json};

use crate::api::error::ApiError;
use crate::cloud::Cloud;
use crate::cloud::safety::Safety;
use crate::wire::request::Received;

/// `UpdateBearerTokenSafetyPolicy`. Nothing is signed: the token in the body is the proof. Later calls for the same token
/// change nothing.
pub(crate) fn set(cloud: &Cloud, request: &Received) -> Result<Value, ApiError> {
    for name in ["date", "x-acs-signature-nonce", "x-acs-version"] {
        request.head.text(name).ok_or_else(|| ApiError::missing(name))?;
    }
    if request.head.text("authorization").is_some() {
        return Err(ApiError::invalid("Authorization", "this call is anonymous"));
    }
    let is_json = request.head.text(CONTENT_TYPE.as_str()).is_some_and(|kind| kind.starts_with("application/json"));
    let body: Value = Some(&request.body)
        .filter(|_| is_json)
        .and_then(|body| serde_json::from_slice(body).ok())
        .filter(Value::is_object)
        .ok_or_else(|| ApiError::invalid("body", "not a JSON object"))?;
    let text = |name: &str| match &body[name] {
        Value::Null => Ok(None),
        Value::String(text) if !text.is_empty() => Ok(Some(text.clone())),
        _ => Err(ApiError::invalid(name, "not a text")),
    };
    let token = text("bearerToken")?.ok_or_else(|| ApiError::missing("bearerToken"))?;
    let rules = text("safePolicy")?.ok_or_else(|| ApiError::missing("safePolicy"))?;
    let tools = text("toolPolicy")?.map(|text| allowed_tools(&text)).transpose()?;
    let safety = Safety::parse(&rules, tools)
        .ok_or_else(|| ApiError::invalid("safePolicy", "PATTERN=VERDICT, or rules as JSON"))?;
    let now = cloud.now();
    let mut grants = cloud.state.grants.lock();
    let token = grants.restrictable(&token, now).ok_or_else(|| ApiError::invalid("bearerToken", "no live token"))?;
    token.safety.get_or_insert(safety);
    Ok(json!({}))
}

fn allowed_tools(text: &str) -> Result<Vec<String>, ApiError> {
    let refuse = || ApiError::invalid("toolPolicy", "JSON with a list allowedTools, in a text");
    let policy: Value = serde_json::from_str(text).map_err(|_| refuse())?;
    let names = policy["allowedTools"].as_array().ok_or_else(refuse)?;
    names.iter().map(|name| name.as_str().map(str::to_owned).ok_or_else(refuse)).collect()
}
