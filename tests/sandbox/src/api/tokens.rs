//! STS 2015-04-01 and RAM OAuth 2026-04-21: who am I, a role's keys, a bearer without a person.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use crate::api::error::ApiError;
use crate::api::rules::{optional, required};
use crate::clock::iso8601;
use crate::cloud::Cloud;
use crate::cloud::accounts::{AccessKey, Caller, KEY, Session};
use crate::cloud::applications::Application;
use crate::cloud::grants::AccessToken;
use crate::cloud::proofs::PROVIDER;
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
    let wish = Wish::read(&caller.key.account, parameters)?;
    Ok(wish.fulfil(cloud, caller.key.denied.clone()))
}

/// The same for whoever has the token of an identity provider that the default account trusts. Not signed.
pub(crate) fn assume_role_with_oidc(cloud: &Cloud, parameters: &Pairs) -> Result<Value, ApiError> {
    let arn = required(parameters, "OIDCProviderArn")?;
    let token = required(parameters, "OIDCToken")?;
    let account = cloud.state.accounts.lock().get(KEY).map(|key| key.account.clone()).unwrap_or_default();
    if arn != format!("acs:ram::{account}:{PROVIDER}") {
        return Err(ApiError::new(404, "EntityNotExist.OIDCProvider", "The OIDC provider does not exist."));
    }
    let wish = Wish::read(&account, parameters)?;
    match cloud.state.proofs.lock().oidc.get(token) {
        None => Err(ApiError::new(400, "AuthenticationFail.OIDCToken.Invalid", "The OIDC token is invalid.")),
        Some(ends) if *ends <= cloud.now() => {
            Err(ApiError::new(400, "AuthenticationFail.OIDCToken.Expired", "The OIDC token is expired."))
        }
        Some(_) => Ok(()),
    }?;
    let mut answer = wish.fulfil(cloud, BTreeSet::new());
    answer["OIDCTokenInfo"] = json!({ "Subject": "alice", "Issuer": "https://idp.example", "ClientIds": "sandbox" });
    Ok(answer)
}

/// A role that somebody wants to assume.
struct Wish<'a> {
    account: &'a str,
    arn: &'a str,
    role: &'a str,
    session_name: &'a str,
    seconds: i64,
}

impl<'a> Wish<'a> {
    fn read(account: &'a str, parameters: &'a Pairs) -> Result<Self, ApiError> {
        let arn = required(parameters, "RoleArn")?;
        let session_name = required(parameters, "RoleSessionName")?;
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b".@-_".contains(&byte);
        if !(2..=64).contains(&session_name.len()) || !session_name.bytes().all(plain) {
            return Err(ApiError::invalid("RoleSessionName", "2 to 64 letters, digits or .@-_"));
        }
        let seconds = optional(parameters, "DurationSeconds").unwrap_or("3600").parse::<i64>();
        let seconds = seconds
            .ok()
            .filter(|seconds| (900..=3600).contains(seconds))
            .ok_or_else(|| ApiError::invalid("DurationSeconds", "900 to 3600"))?;
        if optional(parameters, "ExternalId").is_some_and(|id| !(2..=1224).contains(&id.len())) {
            return Err(ApiError::invalid("ExternalId", "2 to 1224 characters"));
        }
        // A session may take permissions away by a policy of its own.
        let is_policy = |text: &str| text.len() <= 2048 && serde_json::from_str::<Map<String, Value>>(text).is_ok();
        if optional(parameters, "Policy").is_some_and(|policy| !is_policy(policy)) {
            return Err(ApiError::invalid("Policy", "a policy as JSON, of at most 2048 characters"));
        }
        let prefix = format!("acs:ram::{account}:role/");
        let role = arn
            .strip_prefix(&prefix)
            .filter(|role| !role.is_empty())
            .ok_or_else(|| ApiError::new(404, "EntityNotExist.Role", "The role not exists."))?;
        Ok(Self { account, arn, role, session_name, seconds })
    }

    fn fulfil(&self, cloud: &Cloud, denied: BTreeSet<String>) -> Value {
        let Self { account, arn, role, session_name, seconds } = self;
        json!({
            "AssumedRoleUser": {
                "Arn": format!("{arn}/{session_name}"),
                "AssumedRoleId": format!("300000000000000001:{session_name}"),
            },
            "Credentials": session_key(cloud, account, &format!("{role}/{session_name}"), *seconds, denied),
        })
    }
}

/// Makes a temporary key; its fields as most services answer them.
pub(crate) fn session_key(cloud: &Cloud, account: &str, role: &str, seconds: i64, denied: BTreeSet<String>) -> Value {
    let expires_at = cloud.now() + seconds;
    let token = format!("CAIS{}", random::token(120));
    let session = Session { token: token.clone(), expires_at, role: role.to_owned() };
    let key = AccessKey {
        id: format!("STS.{}", random::token(22)),
        secret: random::token(44),
        account: account.to_owned(),
        active: true,
        session: Some(session),
        denied,
    };
    cloud.issued(&key.secret);
    cloud.issued(&token);
    let answer = json!({
        "AccessKeyId": key.id,
        "AccessKeySecret": key.secret,
        "SecurityToken": token,
        "Expiration": iso8601(expires_at),
    });
    cloud.state.accounts.lock().add(key);
    answer
}

/// A bearer token from an access key alone. `ExpiresIn` is a string in the real answer.
pub(crate) fn generate_access_token(cloud: &Cloud, caller: &Caller, parameters: &Pairs) -> Result<Value, ApiError> {
    let client_id = required(parameters, "ClientId")?;
    let scope = required(parameters, "Scope")?;
    let boundary = optional(parameters, "Policy").map(boundary).transpose()?;
    let has_scope = if OFFICIAL_CLIENTS.contains(&client_id) {
        scope == "/internal/acs/openapi"
    } else {
        let applications = cloud.state.applications.lock();
        let usable = |own: &&Application| own.multi_tenant || own.account == caller.key.account;
        let application = applications
            .by_client_id(client_id)
            .filter(usable)
            .ok_or_else(|| ApiError::new(404, "EntityNotExist.Application", "The application does not exist."))?;
        application.scopes.iter().any(|own| own == scope)
    };
    if !has_scope {
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
        boundary,
        safety: None,
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

/// The rules for `Policy`: 512 characters, and nothing but statements that take away.
fn boundary(text: &str) -> Result<String, ApiError> {
    let refuse = |why: &str| ApiError::invalid("Policy", why);
    if text.chars().count() > 512 {
        return Err(refuse("at most 512 characters"));
    }
    let policy: Value = serde_json::from_str(text).map_err(|_| refuse("not JSON"))?;
    if policy["Version"] != "1" {
        return Err(refuse("Version must be 1"));
    }
    let statements = policy["Statement"].as_array().filter(|list| !list.is_empty());
    let is_legal = |statement: &Value| {
        let has = |name: &str| statement.get(name).is_some_and(|value| !value.is_null());
        statement["Effect"] == "Deny" && has("Action") != has("NotAction") && has("Resource")
    };
    match statements {
        Some(list) if list.iter().all(is_legal) => Ok(text.to_owned()),
        _ => Err(refuse("every statement has the effect Deny, one of Action and NotAction, and a Resource")),
    }
}
