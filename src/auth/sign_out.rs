//! The end of a login: revoked at the server if that is asked for, then overwritten and removed.

use crate::auth::credential::Credential;
use crate::auth::revocation::{RevocationEndpoint, RevocationError};
use crate::auth::store::{Busy, LoadError, SaveError, Store};

/// Why a login was not removed.
#[derive(Debug, thiserror::Error)]
pub enum SignOutError {
    /// It is in use.
    #[error(transparent)]
    Busy(#[from] Busy),
    /// The token to be revoked cannot be read.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// The server did not revoke it.
    #[error(transparent)]
    Revocation(#[from] RevocationError),
    /// A step of the removal failed.
    #[error(transparent)]
    Remove(#[from] SaveError),
}

/// Removes the login of `store`, after it was revoked at `revocation`; answers false if there was none. `held` is the
/// login in use, which may be newer than the saved one.
///
/// # Errors
/// When it is there still; with `revocation` also when the server did not revoke it.
pub async fn sign_out(
    store: &Store,
    held: Option<&Credential>,
    revocation: Option<&RevocationEndpoint>,
) -> Result<bool, SignOutError> {
    let _lock = store.lock().await?;
    if let Some(endpoint) = revocation
        && let Some(credential) = newest(store.load(), held)?
    {
        let grant = &credential.grant;
        let token = grant.refresh_token.as_ref().unwrap_or(&grant.access_token);
        endpoint.revoke(&credential.binding.client_id, token).await?;
    }
    Ok(store.remove()? || held.is_some())
}

fn newest(
    saved: Result<Option<Credential>, LoadError>,
    held: Option<&Credential>,
) -> Result<Option<Credential>, LoadError> {
    let Some(held) = held else { return saved };
    match saved {
        Ok(Some(saved)) if saved.grant.serial > held.grant.serial => Ok(Some(saved)),
        _ => Ok(Some(held.clone())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::credential::{Binding, Grant};
    use crate::auth::store::NotReadable;
    use crate::model::secret::Secret;
    use crate::model::time::Wall;

    fn login(serial: u64) -> Credential {
        Credential {
            binding: Binding {
                site: "CN".into(),
                token_endpoint: "https://oauth.example".into(),
                account: None,
                client_id: "40".into(),
                client_name: "app".into(),
                scope: "/acs/mcp-server".into(),
            },
            grant: Grant {
                serial,
                access_token: Secret::new("a"),
                refresh_token: Some(Secret::new("r")),
                obtained_at: Wall::from_unix_seconds(0),
                expires_at: None,
                refresh_expires_at: None,
            },
        }
    }

    #[test]
    fn the_newest_refresh_token_is_the_one_to_revoke() {
        let unusable = || Err(LoadError::NotUsable { path: "/x".into(), reason: NotReadable::OtherFormat });
        let serial = |saved, held: Option<u64>| {
            let newest = newest(saved, held.map(login).as_ref());
            newest.map(|login| login.map(|login| login.grant.serial)).ok()
        };
        assert_eq!(serial(Ok(Some(login(1))), Some(2)), Some(Some(2)), "it could not be saved");
        assert_eq!(serial(Ok(Some(login(2))), Some(1)), Some(Some(2)), "another process renewed it");
        assert_eq!(serial(Ok(None), Some(1)), Some(Some(1)));
        assert_eq!(serial(unusable(), Some(1)), Some(Some(1)));
        assert_eq!(serial(unusable(), None), None);
        assert_eq!(serial(Ok(None), None), Some(None));
    }
}
