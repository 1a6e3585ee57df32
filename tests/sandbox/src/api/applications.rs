//! IMS 2019-08-15: the OAuth applications of an account.

use serde_json::{Value, json};

use crate::api::error::ApiError;
use crate::api::rules::{self, optional, required};
use crate::cloud::Cloud;
use crate::cloud::applications::{AppType, Application, LIMIT};
use crate::random;
use crate::sign::encoding::Pairs;

fn not_found() -> ApiError {
    ApiError::new(404, "EntityNotExist.Application", "The application does not exist.")
}

/// All applications of the account: this call has no pages.
pub(crate) fn list(cloud: &Cloud, account: &str) -> Value {
    let applications = cloud.state.applications.lock();
    let all: Vec<Value> = applications.of(account).map(Application::to_json).collect();
    json!({ "Applications": { "Application": all } })
}

pub(crate) fn get(cloud: &Cloud, account: &str, parameters: &Pairs) -> Result<Value, ApiError> {
    let id = required(parameters, "AppId")?;
    let mut applications = cloud.state.applications.lock();
    let application = applications.get_mut(account, id).ok_or_else(not_found)?;
    Ok(json!({ "Application": application.to_json() }))
}

pub(crate) fn create(cloud: &Cloud, account: &str, parameters: &Pairs) -> Result<Value, ApiError> {
    let name = rules::app_name(required(parameters, "AppName")?)?;
    let display_name = rules::display_name(required(parameters, "DisplayName")?)?;
    let kind = rules::app_type(required(parameters, "AppType")?)?;
    let text = |name| optional(parameters, name);
    let scopes = rules::scopes("PredefinedScopes", text("PredefinedScopes").unwrap_or_default())?;
    let required_scopes = rules::scopes("RequiredScopes", text("RequiredScopes").unwrap_or_default())?;
    if let Some(extra) = required_scopes.iter().find(|scope| !scopes.contains(scope)) {
        let why = format!("{extra} is not among PredefinedScopes");
        return Err(ApiError::invalid("RequiredScopes", &why));
    }
    let redirect_uris = rules::redirect_uris("RedirectUris", text("RedirectUris").unwrap_or_default())?;
    let refresh_default = if kind == AppType::Web { 7_776_000 } else { 2_592_000 };
    let flag =
        |name: &str, default: bool| optional(parameters, name).map_or(Ok(default), |value| rules::boolean(name, value));
    let secret_required = flag("SecretRequired", false)?;
    let now = cloud.now();
    let application = Application {
        id: random::digits(19),
        account: account.to_owned(),
        name,
        display_name,
        kind,
        redirect_uris,
        scopes,
        required_scopes,
        access_token_validity: text("AccessTokenValidity").map_or(Ok(3600), rules::access_token_validity)?,
        refresh_token_validity: text("RefreshTokenValidity")
            .map_or(Ok(refresh_default), rules::refresh_token_validity)?,
        protocol_version: rules::protocol_version(text("ProtocolVersion").unwrap_or("2.0"))?,
        multi_tenant: flag("IsMultiTenant", kind != AppType::Web)?,
        // Only native applications may do without a secret.
        secret_required: secret_required || kind != AppType::Native,
        secrets: Vec::new(),
        created: now,
        updated: now,
    };
    let mut applications = cloud.state.applications.lock();
    if applications.of(account).any(|own| own.name == application.name) {
        let text = "The application already exists.";
        return Err(ApiError::new(409, "EntityAlreadyExists.Application", text));
    }
    if applications.of(account).count() >= LIMIT {
        let text = "The number of applications has reached the limit.";
        return Err(ApiError::new(409, "LimitExceeded.Application", text));
    }
    let answer = json!({ "Application": application.to_json() });
    applications.insert(application);
    Ok(answer)
}

/// Every rule is checked before anything is changed; lists replace the old ones.
pub(crate) fn update(cloud: &Cloud, account: &str, parameters: &Pairs) -> Result<Value, ApiError> {
    let id = required(parameters, "AppId")?;
    let text = |name| optional(parameters, name);
    let display_name = text("NewDisplayName").map(rules::display_name).transpose()?;
    let uris = text("NewRedirectUris").map(|value| rules::redirect_uris("NewRedirectUris", value)).transpose()?;
    let scopes = |name| text(name).map(|value| rules::scopes(name, value)).transpose();
    let (predefined, required_scopes) = (scopes("NewPredefinedScopes")?, scopes("NewRequiredScopes")?);
    let access = text("NewAccessTokenValidity").map(rules::access_token_validity).transpose()?;
    let refresh = text("NewRefreshTokenValidity").map(rules::refresh_token_validity).transpose()?;
    let flag = |name| text(name).map(|value| rules::boolean(name, value)).transpose();
    let (multi_tenant, secret_required) = (flag("NewIsMultiTenant")?, flag("NewSecretRequired")?);

    let now = cloud.now();
    let mut applications = cloud.state.applications.lock();
    let own = applications.get_mut(account, id).ok_or_else(not_found)?;
    own.display_name = display_name.unwrap_or_else(|| own.display_name.clone());
    own.redirect_uris = uris.unwrap_or_else(|| own.redirect_uris.clone());
    own.scopes = predefined.unwrap_or_else(|| own.scopes.clone());
    own.required_scopes = required_scopes.unwrap_or_else(|| own.required_scopes.clone());
    own.access_token_validity = access.unwrap_or(own.access_token_validity);
    own.refresh_token_validity = refresh.unwrap_or(own.refresh_token_validity);
    own.multi_tenant = multi_tenant.unwrap_or(own.multi_tenant);
    own.secret_required = secret_required.unwrap_or(own.secret_required) || own.kind != AppType::Native;
    own.updated = now;
    Ok(json!({ "Application": own.to_json() }))
}

pub(crate) fn delete(cloud: &Cloud, account: &str, parameters: &Pairs) -> Result<Value, ApiError> {
    let id = required(parameters, "AppId")?;
    if cloud.state.applications.lock().remove(account, id) { Ok(json!({})) } else { Err(not_found()) }
}
