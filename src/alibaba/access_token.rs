//! A bearer for API credentials, without a person: `GenerateAccessToken` (RamOAuth 2026-04-21).
//!
//! There is no refresh token: whoever needs another bearer asks again.

use std::time::Duration;

use bytes::Bytes;
use serde::Deserialize;

use crate::alibaba::call::{Api, CallError};
use crate::alibaba::lenient;
use crate::alibaba::settings::{AccessTokenSettings, Safety};
use crate::model::secret::Secret;

/// The call.
const ACTION: &str = "GenerateAccessToken";

/// Lives are cut to ten years, so that no clock arithmetic can overflow.
const LONGEST_LIFE: Duration = Duration::from_secs(10 * 366 * 86_400);

/// A bearer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccessToken {
    /// The token.
    pub token: Secret,
    /// How long it lives from when it was asked for; `None` when the API said nothing usable.
    pub life: Option<Duration>,
}

/// Asks for a bearer.
///
/// # Errors
/// When the API cannot be reached, refuses, or answers something else.
pub async fn generate(api: &Api, settings: &AccessTokenSettings) -> Result<AccessToken, CallError> {
    let mut query = vec![("ClientId", settings.client_id.clone()), ("Scope", settings.scope.clone())];
    query.extend(settings.boundary.clone().map(|policy| ("Policy", policy)));
    let call = api.ramoauth(ACTION, query);
    let Answer { data } = api.perform(&call).await?;
    let is_bearer = data.token_type.as_ref().is_none_or(|kind| kind.eq_ignore_ascii_case("Bearer"));
    match data.access_token.filter(|_| is_bearer) {
        Some(token) => {
            Ok(AccessToken { token: Secret::new(token), life: data.life.map(|life| life.min(LONGEST_LIFE)) })
        }
        None => Err(call.unreadable("it has no bearer in Data.AccessToken")),
    }
}

/// Has the MCP gateway restrict whoever has the token (`UpdateBearerTokenSafetyPolicy`). Only the first such call for a
/// token may count, so it comes before the token is used.
///
/// # Errors
/// When the gateway cannot be reached or refuses; the token is then not restricted.
pub async fn restrict(api: &Api, token: &Secret, safety: &Safety) -> Result<(), CallError> {
    let rules = safety.rules.as_deref().unwrap_or(r#"{"rules":[]}"#);
    let mut body = serde_json::json!({ "bearerToken": token.expose(), "safePolicy": rules });
    if !safety.tools.is_empty() {
        // JSON in a text, as the gateway wants it.
        body["toolPolicy"] = serde_json::json!({ "allowedTools": safety.tools }).to_string().into();
    }
    let body = Bytes::from(body.to_string());
    api.order(&api.gateway_unsigned("/safePolicy/set", "UpdateBearerTokenSafetyPolicy", body, token)).await
}

#[derive(Deserialize)]
struct Answer {
    #[serde(rename = "Data", default, deserialize_with = "lenient::object")]
    data: Data,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "PascalCase", default)]
struct Data {
    #[serde(deserialize_with = "lenient::text")]
    access_token: Option<String>,
    #[serde(deserialize_with = "lenient::text")]
    token_type: Option<String>,
    /// A string in the real answers.
    #[serde(rename = "ExpiresIn", deserialize_with = "lenient::seconds")]
    life: Option<Duration>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alibaba::site::Site;
    use crate::alibaba::testing::Cloud;

    /// As a real answer was published.
    const ANSWER: &str = r#"{"RequestId":"4E1D70EE-9F90-15F2-95C5-69AC01042C54","Data":{"TokenType":"Bearer",
        "ExpiresIn":"259199","Scope":"/internal/acs/openapi","AccessToken":"eyJsecret"}}"#;

    async fn ask(cloud: &Cloud, boundary: Option<&str>) -> Result<AccessToken, CallError> {
        let settings =
            AccessTokenSettings { boundary: boundary.map(str::to_owned), ..AccessTokenSettings::of(Site::Cn) };
        generate(&cloud.api(), &settings).await
    }

    #[tokio::test]
    async fn the_request_is_the_official_one_and_its_answer_is_read() {
        let cloud = Cloud::default().answering(200, ANSWER).answering(200, ANSWER);
        let token = ask(&cloud, None).await.unwrap();
        assert_eq!(token, AccessToken { token: Secret::new("eyJsecret"), life: Some(Duration::from_secs(259_199)) });
        let request = cloud.last_request();
        assert_eq!(request.headers()["host"], "ramoauth.aliyuncs.com");
        assert_eq!(request.headers()["content-length"], "0");
        assert!(!request.headers().contains_key("authorization") && !request.headers().contains_key("x-acs-date"));
        let pairs: Vec<(String, String)> =
            url::form_urlencoded::parse(request.uri().query().unwrap().as_bytes()).into_owned().collect();
        let names: Vec<&str> = pairs.iter().map(|(name, _)| name.as_str()).collect();
        let expected = "AccessKeyId Action ClientId Format Scope SignatureMethod SignatureNonce SignatureVersion \
                        Timestamp Version Signature";
        assert_eq!(names.join(" "), expected);
        let value = |name: &str| pairs.iter().find(|(known, _)| known == name).unwrap().1.as_str();
        assert_eq!((value("ClientId"), value("Scope")), ("4071151845732613353", "/internal/acs/openapi"));
        assert_eq!((value("Timestamp"), value("Version")), ("2026-09-30T12:00:00Z", "2026-04-21"));
        let policy = r#"{"Version":"1"}"#;
        ask(&cloud, Some(policy)).await.unwrap();
        assert!(cloud.asked()[1].contains("&Policy=%7B%22Version%22%3A%221%22%7D&"), "{:?}", cloud.asked());
    }

    #[tokio::test]
    async fn the_restriction_is_the_official_request() {
        let cloud = Cloud::default().answering(200, "").answering(400, r#"{"code":"Bad","message":"no eyJsecret"}"#);
        let (api, token) = (cloud.api(), Secret::new("eyJsecret"));
        let safety = Safety { rules: None, tools: vec!["a".into(), "b".into()] };
        restrict(&api, &token, &safety).await.unwrap();
        let request = cloud.last_request();
        assert_eq!(cloud.asked(), ["POST /safePolicy/set UpdateBearerTokenSafetyPolicy"]);
        let header = |name: &str| request.headers().get(name).map(|value| value.to_str().unwrap());
        for (name, value) in [
            ("host", Some("openapi-mcp.cn-hangzhou.aliyuncs.com")),
            ("date", Some("Wed, 30 Sep 2026 12:00:00 GMT")),
            ("x-acs-version", Some("2024-11-30")),
            ("x-acs-signature-method", Some("HMAC-SHA1")),
            ("x-acs-signature-version", Some("1.0")),
            ("content-type", Some("application/json; charset=utf-8")),
            ("authorization", None),
        ] {
            assert_eq!(header(name), value, "{name}");
        }
        let body: serde_json::Value = serde_json::from_slice(request.body()).unwrap();
        let (rules, tools) = (r#"{"rules":[]}"#, r#"{"allowedTools":["a","b"]}"#);
        assert_eq!(body, serde_json::json!({"bearerToken": "eyJsecret", "safePolicy": rules, "toolPolicy": tools}));
        let error = restrict(&api, &token, &Safety { rules: Some("*=deny".into()), tools: vec![] }).await.unwrap_err();
        let body: serde_json::Value = serde_json::from_slice(cloud.last_request().body()).unwrap();
        assert_eq!(body, serde_json::json!({"bearerToken": "eyJsecret", "safePolicy": "*=deny"}));
        assert!(error.to_string().contains("Bad") && !format!("{error:?}").contains("eyJ"), "{error}");
    }

    #[tokio::test]
    async fn no_error_shows_a_token() {
        for body in [
            r#"{"Data":{"TokenType":"MAC","AccessToken":"eyJsecret"}}"#,
            r#"{"Data":"eyJsecret"}"#,
            r#"{"AccessToken":{"a":"eyJsecret"}}"#,
            r#""eyJsecret""#,
            r#"{"Data":{"AccessToken":"eyJsecret"#,
        ] {
            let error = ask(&Cloud::default().answering(200, body), None).await.unwrap_err();
            let shown = format!("{error} {error:?}");
            assert!(shown.contains("GenerateAccessToken") && !shown.contains("eyJ"), "{shown}");
        }
        let error = ask(&Cloud::default().answering(403, r#"{"Code":"NoPermission"}"#), None).await.unwrap_err();
        assert!(error.to_string().contains(r#""Action":"ram:GenerateAccessToken""#), "{error}");
    }
}
