//! Taking over the login of `aliyun mcp-proxy`. Here the vendor's file and our saved logins meet.

use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::alibaba::mcpproxy_file::{self, PeerLogin, PeerLoginError};
use crate::auth::credential::{Binding, Credential, Expected, Grant};
use crate::auth::store::{Busy, LoadError, SaveError};
use crate::daemon::custody::Kept;
use crate::daemon::sign_in::{SignIn, SignInError, SignedIn};
use crate::model::time::{Wall, in_words};

/// Why a login is not taken over. Neither file was changed.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// There is no file to look for.
    #[error(
        "there is no telling where the aliyun CLI keeps its files: HOME is not set. Name the file: mcp-proxy import FILE"
    )]
    NoPlace,
    /// There is no login in the file.
    #[error(transparent)]
    File(#[from] PeerLoginError),
    /// It is for another site or application.
    #[error("the login in {} is for {difference}. {remedy}, or sign in with: mcp-proxy login", path.display())]
    OtherLogin {
        /// The file.
        path: PathBuf,
        /// How it differs.
        difference: String,
        /// What to do.
        remedy: String,
    },
    /// Its refresh token has ended.
    #[error("the login in {} ended {} ago. Sign in with: mcp-proxy login", path.display(), in_words(*.ago))]
    Ended {
        /// The file.
        path: PathBuf,
        /// How long ago.
        ago: Duration,
    },
    /// Ours is newer.
    #[error(
        "the saved login {} is newer than the one in {}. To take that over all the same, add --force",
        ours.display(), path.display()
    )]
    OursIsNewer {
        /// The file.
        path: PathBuf,
        /// Our saved login.
        ours: PathBuf,
    },
    /// Ours cannot be read, so there is no telling which is newer.
    #[error("{0}. To replace it, add --force")]
    OursIsUnusable(LoadError),
    /// Ours is in use.
    #[error(transparent)]
    Busy(#[from] Busy),
    /// It cannot be saved.
    #[error(transparent)]
    Save(#[from] SaveError),
}

/// Where the login of `aliyun mcp-proxy` lies when nobody names another file.
///
/// # Errors
/// When there is no home directory to look in.
pub fn place(kept: &Kept) -> Result<PathBuf, ImportError> {
    kept.alibaba.aliyun_config_file.as_deref().map(mcpproxy_file::beside).ok_or(ImportError::NoPlace)
}

impl Kept {
    /// Saves the login in the file `path` as this upstream's.
    ///
    /// # Errors
    /// When there is none that fits, ours is newer and `force` is not given, or it cannot be saved.
    pub async fn import(&self, path: &Path, force: bool, now: Wall) -> Result<Credential, ImportError> {
        let mut credential = credential(path, mcpproxy_file::read(path)?, &self.expected, now)?;
        let _lock = self.store.lock().await?;
        match self.store.load() {
            Ok(Some(ours)) => {
                let newer = ours.grant.obtained_at >= credential.grant.obtained_at;
                if newer && !force && self.expected.difference(&ours.binding).is_none() {
                    let ours = self.store.path().to_owned();
                    return Err(ImportError::OursIsNewer { path: path.to_owned(), ours });
                }
                credential.grant.serial = credential.grant.serial.max(ours.grant.serial.saturating_add(1));
            }
            Err(error) if !force => return Err(ImportError::OursIsUnusable(error)),
            Ok(None) | Err(_) => {}
        }
        self.store.save(&credential, now)?;
        Ok(credential)
    }
}

impl SignIn {
    /// A login of `aliyun mcp-proxy` that could be used instead of signing in, and its file.
    pub fn importable(&self) -> Option<(PathBuf, Credential)> {
        let path = self.alibaba.aliyun_config_file.as_deref().map(mcpproxy_file::beside)?;
        let login = mcpproxy_file::read(&path).ok()?;
        let credential = credential(&path, login, &self.expected, self.clock.now().wall).ok()?;
        Some((path, credential))
    }

    /// Puts a login that was found into use.
    ///
    /// # Errors
    /// When the daemon stops.
    pub async fn take_over(&self, credential: Credential) -> Result<SignedIn, SignInError> {
        self.use_login(credential).await
    }
}

/// The login as ours, if it fits.
fn credential(path: &Path, login: PeerLogin, expected: &Expected, now: Wall) -> Result<Credential, ImportError> {
    let other =
        |difference: String, remedy: String| Err(ImportError::OtherLogin { path: path.to_owned(), difference, remedy });
    if login.site != expected.site {
        let remedy = format!("To use it, add --region-type {}", login.site);
        return other(format!("the site {} instead of {}", login.site, expected.site), remedy);
    }
    if login.app_name != expected.client_name {
        let difference = format!("the OAuth application {:?} instead of {:?}", login.app_name, expected.client_name);
        return other(difference, format!("To use it, add --oauth-app-name {}", login.app_name));
    }
    if let Some(ended) = login.refresh_expires.filter(|end| *end <= now) {
        return Err(ImportError::Ended { path: path.to_owned(), ago: now.since(ended) });
    }
    // The file says when the token ends and how long it lives; what it does not say counts as long ago.
    let obtained_at = match (login.access_expires, login.access_validity) {
        (Some(end), Some(life)) => end.minus(life),
        (Some(end), None) => end,
        (None, _) => Wall::from_unix_seconds(0),
    };
    Ok(Credential {
        binding: Binding {
            site: login.site,
            token_endpoint: expected.token_endpoint.clone(),
            account: None,
            client_id: login.app_id,
            client_name: login.app_name,
            scope: expected.scope.clone(),
        },
        grant: Grant {
            // Numbered as sign-ins are, by time: a running daemon takes the higher number for the newer login.
            serial: u64::try_from(now.unix_millis()).unwrap_or_default(),
            access_token: login.access_token,
            refresh_token: Some(login.refresh_token),
            obtained_at: obtained_at.min(now),
            expires_at: login.access_expires,
            refresh_expires_at: login.refresh_expires,
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::secret::Secret;

    const NOW: Wall = Wall::from_unix_seconds(1_800_000_000);

    fn login() -> PeerLogin {
        PeerLogin {
            app_name: "app".into(),
            app_id: "40".into(),
            site: "CN".into(),
            access_token: Secret::new("a"),
            refresh_token: Secret::new("r"),
            access_validity: Some(Duration::from_secs(10_800)),
            access_expires: Some(NOW.plus(Duration::from_secs(800))),
            refresh_expires: Some(NOW.plus(Duration::from_secs(9_000_000))),
        }
    }

    fn judge(login: PeerLogin) -> Result<Credential, String> {
        let expected = Expected {
            site: "CN".into(),
            token_endpoint: "https://oauth.example/".into(),
            client_name: "app".into(),
            scope: "/acs/mcp-server".into(),
        };
        credential(Path::new("/f"), login, &expected, NOW).map_err(|error| error.to_string())
    }

    #[test]
    fn the_times_are_kept_and_the_account_is_unknown() {
        let ours = judge(login()).unwrap();
        assert_eq!((ours.binding.account, ours.binding.client_id.as_str()), (None, "40"));
        assert_eq!(ours.grant.obtained_at, NOW.minus(Duration::from_secs(10_000)));
        assert_eq!(ours.grant.expires_at, login().access_expires);
        assert_eq!(ours.grant.refresh_expires_at, login().refresh_expires);
        let silent = PeerLogin { access_validity: None, access_expires: None, refresh_expires: None, ..login() };
        let ours = judge(silent).unwrap();
        assert_eq!((ours.grant.expires_at, ours.grant.refresh_expires_at), (None, None));
    }

    #[test]
    fn a12_what_does_not_fit_is_refused_with_the_remedy() {
        let error = judge(PeerLogin { site: "INTL".into(), ..login() }).unwrap_err();
        assert!(error.contains("site INTL instead of CN") && error.contains("--region-type INTL"), "{error}");
        let error = judge(PeerLogin { app_name: "mine".into(), ..login() }).unwrap_err();
        assert!(error.contains("\"mine\" instead of \"app\"") && error.contains("--oauth-app-name mine"), "{error}");
        let ended = Some(NOW.minus(Duration::from_secs(7200)));
        let error = judge(PeerLogin { refresh_expires: ended, ..login() }).unwrap_err();
        assert!(error.contains("ended 2 h ago") && error.contains("mcp-proxy login"), "{error}");
    }
}
