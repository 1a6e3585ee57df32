//! The refresh grant (tokens replace each other) and revocation.

use crate::cloud::Cloud;
use crate::oauth::exchange::issue;
use crate::oauth::token::{Issued, OAuthError, client};
use crate::sign::encoding::{Pairs, text};

/// Uses a refresh token. The old one is dead at once, whether or not the answer arrives.
pub(crate) fn refresh(cloud: &Cloud, form: &Pairs) -> Result<Issued, OAuthError> {
    let client_id = client(cloud, form)?;
    let token =
        text(form, "refresh_token").ok_or_else(|| OAuthError::new("invalid_request", "refresh_token is missing."))?;
    let settings = cloud.state.settings.lock().clone();
    let now = cloud.now();
    let mut grants = cloud.state.grants.lock();
    let unknown = || OAuthError::grant("The refresh token is invalid.");
    let own = grants.refresh_mut(token).ok_or_else(unknown)?.clone();
    let grant = grants.grant(own.grant).ok_or_else(unknown)?.clone();
    if grant.client_id != client_id {
        return Err(OAuthError::grant("The refresh token was issued to another application."));
    }
    if own.dead {
        if settings.reuse_revokes {
            grants.revoke_grant(grant.id);
        }
        return Err(unknown());
    }
    if own.expires_at <= now || grant.revoked {
        return Err(OAuthError::grant("The refresh token is expired."));
    }
    if settings.rotate
        && let Some(own) = grants.refresh_mut(token)
    {
        own.dead = true;
    }
    drop(grants);
    Ok(issue(cloud, &grant, settings.rotate))
}

/// RFC 7009: a refresh token ends its grant, an access token itself, an unknown one nothing;
/// the answer is the same.
pub(crate) fn revoke(cloud: &Cloud, form: &Pairs) -> Result<(), OAuthError> {
    cloud.count(|counts| counts.revocations += 1);
    let client_id = client(cloud, form)?;
    let token = text(form, "token").ok_or_else(|| OAuthError::new("invalid_request", "token is missing."))?;
    let mut grants = cloud.state.grants.lock();
    let is_own = |grants: &crate::cloud::grants::Grants, id: u64| {
        grants.grant(id).is_some_and(|grant| grant.client_id == client_id)
    };
    if let Some(id) = grants.refresh_mut(token).map(|own| own.grant) {
        if is_own(&grants, id) {
            grants.revoke_grant(id);
        }
    } else if let Some(id) = grants.access_token(token).and_then(|own| own.grant)
        && is_own(&grants, id)
    {
        grants.revoke_access(token);
    }
    Ok(())
}
