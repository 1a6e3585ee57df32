//! Temporary keys of a role, from the service STS 2015-04-01.

use bytes::Bytes;
use http::{Method, Request, header};
use serde::Deserialize;
use url::Url;

use crate::alibaba::call::{Api, CallError, authority};
use crate::alibaba::cloud_error::{CallContext, CloudError};
use crate::alibaba::credentials::source::Role;
use crate::alibaba::credentials::temporary::Given;
use crate::alibaba::sign;
use crate::model::secret::Secret;
use crate::model::time::Wall;
use crate::net::api_client::ApiClient;

/// The name of the call that needs no key.
const WITH_OIDC: &str = "AssumeRoleWithOIDC";

#[derive(Deserialize)]
struct Answer {
    #[serde(rename = "Credentials")]
    credentials: Given,
}

/// Assumes a role as the identity of `api`. `sts` is the service.
pub(crate) async fn assume_role(api: &Api, sts: &Url, role: &Role) -> Result<Given, CallError> {
    let answer: Answer = api.perform(&api.sts(sts, "AssumeRole", parameters(role))).await?;
    Ok(answer.credentials)
}

/// Assumes a role with the token of an identity provider. The call is not signed: the token is the proof, and stands
/// in the body, where no log of addresses has it.
pub(crate) async fn assume_role_with_oidc(
    client: &ApiClient,
    sts: &Url,
    role: &Role,
    provider_arn: &str,
    token: &Secret,
    now: Wall,
    origin: &str,
) -> Result<Given, CallError> {
    let host = authority(sts);
    let system = sign::canonical_query(&[
        ("Action", WITH_OIDC),
        ("Format", "JSON"),
        ("Timestamp", &sign::timestamp(now)),
        ("Version", "2015-04-01"),
    ]);
    let mut form = parameters(role);
    // This call has no such parameter: the provider's trust decides.
    form.retain(|(name, _)| *name != "ExternalId");
    form.push(("OIDCProviderArn", provider_arn.to_owned()));
    form.push(("OIDCToken", token.expose().to_owned()));
    let request = Request::builder()
        .method(Method::POST)
        .uri(format!("{}://{host}/?{system}", sts.scheme()))
        .header(header::ACCEPT, "application/json")
        .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
        .body(Bytes::from(sign::canonical_query(&form)))
        .map_err(|error| CallError::Unsendable { action: WITH_OIDC, reason: error.to_string() })?;
    let answer = client.call(request).await?;
    if !answer.status().is_success() {
        let context = CallContext {
            host: &host,
            action: WITH_OIDC,
            ram_action: "sts:AssumeRoleWithOIDC",
            credentials: origin,
            hide: Some(token.expose()),
        };
        return Err(CallError::Refused(Box::new(CloudError::read(&answer, context))));
    }
    let answer: Answer = serde_json::from_slice(answer.body()).map_err(|_| CallError::Unreadable {
        host,
        action: WITH_OIDC,
        reason: "it is not the JSON of temporary keys".to_owned(),
    })?;
    Ok(answer.credentials)
}

fn parameters(role: &Role) -> Vec<(&'static str, String)> {
    let mut parameters = vec![("RoleArn", role.arn.clone()), ("RoleSessionName", role.session_name.clone())];
    let seconds = role.seconds.map(|seconds| seconds.to_string());
    let optional = [("DurationSeconds", &seconds), ("ExternalId", &role.external_id), ("Policy", &role.policy)];
    parameters.extend(optional.into_iter().filter_map(|(name, value)| Some((name, value.clone()?))));
    parameters
}
