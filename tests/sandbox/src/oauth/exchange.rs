//! The authorization code grant: a code and the proof of who asked for it become tokens.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::cloud::Cloud;
use crate::cloud::applications::AppType;
use crate::cloud::grants::{AccessToken, Challenge, Grant, RefreshToken};
use crate::cloud::settings::SignedInAs;
use crate::oauth::token::{Issued, OAuthError, client};
use crate::random;
use crate::sign::encoding::{Pairs, sha256, text};

/// Exchanges a code.
pub(crate) fn exchange(cloud: &Cloud, form: &Pairs) -> Result<Issued, OAuthError> {
    let client_id = client(cloud, form)?;
    let missing = |name: &str| OAuthError::new("invalid_request", &format!("{name} is missing."));
    let code = text(form, "code").ok_or_else(|| missing("code"))?;
    let redirect_uri = text(form, "redirect_uri").ok_or_else(|| missing("redirect_uri"))?;
    let now = cloud.now();

    let mut grants = cloud.state.grants.lock();
    let unknown = || OAuthError::grant("The code is invalid.");
    let own = grants.code_mut(code).ok_or_else(unknown)?.clone();
    let grant = grants.grant(own.grant).ok_or_else(unknown)?.clone();
    if grant.client_id != client_id {
        return Err(OAuthError::grant("The code was issued to another application."));
    }
    if own.used {
        // The second use means that somebody else has the code: what came from it must go.
        grants.revoke_grant(grant.id);
        return Err(OAuthError::grant("The code was used already."));
    }
    if own.expires_at <= now || grant.revoked {
        return Err(OAuthError::grant("The code is expired."));
    }
    if own.redirect_uri != redirect_uri {
        return Err(OAuthError::grant("The redirect_uri does not match."));
    }
    if !proves(&own.challenge, text(form, "code_verifier")) {
        return Err(OAuthError::grant("The code_verifier does not match."));
    }
    if let Some(code) = grants.code_mut(code) {
        code.used = true;
    }
    drop(grants);
    Ok(issue(cloud, &grant, true))
}

/// Whether the verifier is well-formed and is the one the challenge was made of.
fn proves(challenge: &Challenge, verifier: Option<&str>) -> bool {
    let unreserved = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    let well_formed = |verifier: &&str| (43..=128).contains(&verifier.len()) && verifier.bytes().all(unreserved);
    let verifier = verifier.filter(well_formed);
    match challenge {
        Challenge::S256(digest) => {
            verifier.is_some_and(|text| URL_SAFE_NO_PAD.encode(sha256(text.as_bytes())) == *digest)
        }
        Challenge::Plain(plain) => verifier == Some(plain),
        Challenge::None => true,
    }
}

/// Makes an access token for a grant and, when `renew` says so and the grant may have one, a
/// refresh token.
pub(crate) fn issue(cloud: &Cloud, grant: &Grant, renew: bool) -> Issued {
    let settings = cloud.state.settings.lock().clone();
    let application = cloud.state.applications.lock().by_client_id(&grant.client_id).cloned();
    let (access_life, refresh_life, native) = application.map_or((3600, 2_592_000, true), |app| {
        (app.access_token_validity, app.refresh_token_validity, app.kind == AppType::Native)
    });
    let life = settings.access_token_life.unwrap_or(access_life);
    let access_token = random::token(160);
    // A role's session cannot outlive itself, so the cloud gives it nothing to renew with.
    let may_refresh = grant.offline && native && grant.signed_in_as == SignedInAs::User;
    let refresh_token = (renew && may_refresh).then(|| random::token(96));
    let mut grants = cloud.state.grants.lock();
    grants.add_access(AccessToken {
        token: access_token.clone(),
        grant: Some(grant.id),
        account: grant.account.clone(),
        for_mcp: grant.is_for_mcp(),
        boundary: None,
        safety: None,
        expires_at: cloud.now() + life,
        revoked: false,
    });
    if let Some(token) = &refresh_token {
        let refresh_life = settings.refresh_token_life.unwrap_or(refresh_life);
        grants.add_refresh(RefreshToken {
            token: token.clone(),
            grant: grant.id,
            expires_at: grant.authorized_at + refresh_life,
            dead: false,
        });
    }
    drop(grants);
    cloud.issued(&access_token);
    if let Some(token) = &refresh_token {
        cloud.issued(token);
    }
    Issued { access_token, life, refresh_token }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_example_of_rfc_7636_holds() {
        let challenge = Challenge::S256("E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM".to_owned());
        assert!(proves(&challenge, Some("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk")));
        assert!(!proves(&challenge, Some("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXl")));
        assert!(!proves(&challenge, None));
        assert!(!proves(&Challenge::Plain("short".to_owned()), Some("short")));
    }
}
