//! STS 2015-04-01 and RAM OAuth 2026-04-21: who am I, a role's keys, a bearer without a person.

use serde_json::{Value, json};

use crate::api::error::ApiError;
use crate::api::rules::{optional, required};
use crate::clock::iso8601;
use crate::cloud::Cloud;
use crate::cloud::accounts::{AccessKey, Caller, Session};
use crate::cloud::grants::AccessToken;
use crate::random;
use crate::sign::encoding::Pairs;

/// Clients the cloud itself runs, which need not be registered.
const OFFICIAL_CLIENTS: [&str; 2] = ["4071151845732613353", "4195410055503316452"];

/// Three days less a second, as the real service answers.
const GENERATED_LIFE: i64 = 259_199;

pub(crate) fn caller_identity(caller: &Caller) -> Value {
    let account = &caller.key.account;
    match &caller.key.session {
        Some(session) => json!({
            "IdentityType": "AssumedRoleUser",
            "AccountId": account,
            "RoleId": "300000000000000001",
            "PrincipalId": "300000000000000001:mcp-proxy",
            "Arn": format!("acs:ram::{account}:assumed-role/{}", session.role),
        }),
        None => json!({
            "IdentityType": "RAMUser",
            "AccountId": account,
            "UserId": "200000000000000001",
            "PrincipalId": "200000000000000001",
            "Arn": format!("acs:ram::{account}:user/alice"),
        }),
    }
}

/// Temporary keys of a role of the caller's own account.
pub(crate) fn assume_role(cloud: &Cloud, caller: &Caller, parameters: &Pairs) -> Result<Value, ApiError> {
    let arn = required(parameters, "RoleArn")?;
    let session_name = required(parameters, "RoleSessionName")?;
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b".@-_".contains(&byte);
    if !(2..=64).contains(&session_name.len()) || !session_name.bytes().all(plain) {
        return Err(ApiError::invalid("RoleSessionName", "2 to 64 letters, digits or .@-_"));
    }
    let duration = optional(parameters, "DurationSeconds").unwrap_or("3600").parse::<i64>();
    let duration = duration
        .ok()
        .filter(|seconds| (900..=3600).contains(seconds))
        .ok_or_else(|| ApiError::invalid("DurationSeconds", "900 to 3600"))?;
    let prefix = format!("acs:ram::{}:role/", caller.key.account);
    let role = arn
        .strip_prefix(&prefix)
        .filter(|role| !role.is_empty())
        .ok_or_else(|| ApiError::new(404, "EntityNotExist.Role", "The role not exists."))?;
    let expires_at = cloud.now() + duration;
    let key = AccessKey {
        id: format!("STS.{}", random::token(22)),
        secret: random::token(44),
        account: caller.key.account.clone(),
        active: true,
        session: Some(Session {
            token: format!("CAIS{}", random::token(120)),
            expires_at,
            role: format!("{role}/{session_name}"),
        }),
        denied: caller.key.denied.clone(),
    };
    let token = key.session.as_ref().map_or("", |session| session.token.as_str()).to_owned();
    cloud.issued(&key.secret);
    cloud.issued(&token);
    let answer = json!({
        "AssumedRoleUser": {
            "Arn": format!("{arn}/{session_name}"),
            "AssumedRoleId": format!("300000000000000001:{session_name}"),
        },
        "Credentials": {
            "AccessKeyId": key.id,
            "AccessKeySecret": key.secret,
            "SecurityToken": token,
            "Expiration": iso8601(expires_at),
        },
    });
    cloud.state.accounts.lock().add(key);
    Ok(answer)
}

/// A bearer token from an access key alone. `ExpiresIn` is a string in the real answer.
pub(crate) fn generate_access_token(cloud: &Cloud, caller: &Caller, parameters: &Pairs) -> Result<Value, ApiError> {
    let client_id = required(parameters, "ClientId")?;
    let scope = required(parameters, "Scope")?;
    let registered = cloud.state.applications.lock().by_client_id(client_id).is_some();
    if !registered && !OFFICIAL_CLIENTS.contains(&client_id) {
        let text = "The application does not exist.";
        return Err(ApiError::new(404, "EntityNotExist.Application", text));
    }
    if scope != "/internal/acs/openapi" && scope != "/acs/mcp-server" {
        return Err(ApiError::invalid("Scope", "not a scope of this client"));
    }
    let life = cloud.state.settings.lock().access_token_life.unwrap_or(GENERATED_LIFE);
    let token = random::token(180);
    cloud.issued(&token);
    cloud.state.grants.lock().add_access(AccessToken {
        token: token.clone(),
        grant: None,
        account: caller.key.account.clone(),
        for_mcp: true,
        expires_at: cloud.now() + life,
        revoked: false,
    });
    Ok(json!({ "Data": {
        "TokenType": "Bearer",
        "ExpiresIn": life.to_string(),
        "Scope": scope,
        "AccessToken": token,
    } }))
}
