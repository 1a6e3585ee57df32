//! What one saved login says of itself. No secret leaves this file.

use std::path::PathBuf;

use crate::auth::credential::Credential;
use crate::auth::store::{LoadError, Protection};
use crate::daemon::custody::Kept;
use crate::model::time::Wall;

/// How a login stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    /// There is one, and as far as the file says it works.
    SignedIn,
    /// There is none, it has ended, or it is for another configuration.
    SignInNeeded,
    /// There is one that cannot be opened.
    Unusable,
}

/// A saved login, without its secrets.
#[derive(Debug, Clone)]
pub(super) struct Login {
    pub(super) upstream: String,
    pub(super) state: State,
    pub(super) account: Option<String>,
    /// What the saved login is for; without one: what is configured.
    pub(super) application: String,
    pub(super) site: String,
    pub(super) scope: String,
    /// The tokens' ends; `None` without a login that can be read.
    pub(super) tokens: Option<Tokens>,
    pub(super) saved_in: PathBuf,
    /// `None` if there is no file that can be read.
    pub(super) protection: Option<Protection>,
    /// True if a crash cut a renewal off, so that the server's answer may be lost.
    pub(super) renewal_cut_off: bool,
    pub(super) problem: Option<Problem>,
}

/// When the tokens end, as far as known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Tokens {
    pub(super) access_ends: Option<Wall>,
    pub(super) has_refresh_token: bool,
    pub(super) refresh_ends: Option<Wall>,
}

/// What is wrong, and what to do about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Problem {
    pub(super) reason: String,
    pub(super) remedy: String,
}

const SIGN_IN: &str = "Sign in with: mcp-proxy login";

impl Login {
    /// Looks at a saved login.
    pub(super) fn look(kept: &Kept, now: Wall) -> Self {
        let Kept { upstream, expected, store, .. } = kept;
        let mut login = Self {
            upstream: upstream.to_string(),
            state: State::SignedIn,
            account: None,
            application: expected.client_name.clone(),
            site: expected.site.clone(),
            scope: expected.scope.clone(),
            tokens: None,
            saved_in: store.path().to_owned(),
            protection: store.protection(),
            renewal_cut_off: false,
            problem: None,
        };
        match store.load() {
            Ok(Some(credential)) => {
                login.renewal_cut_off = store.unfinished_renewal() == Some(credential.grant.serial);
                let difference = expected.difference(&credential.binding);
                login.fill(credential, difference, now);
            }
            Ok(None) => login.fail(State::SignInNeeded, "not signed in: no login is saved".to_owned(), SIGN_IN),
            Err(error @ LoadError::Unreadable { .. }) => {
                login.fail(State::Unusable, error.to_string(), "Run this as the user that runs mcp-proxy, or as root");
            }
            Err(error @ LoadError::NotUsable { .. }) => {
                let sealed = matches!(login.protection, Some(Protection::Sealed { .. }));
                login.fail(State::Unusable, error.to_string(), if sealed { GIVE_KEY } else { SIGN_IN });
            }
        }
        login
    }

    fn fill(&mut self, credential: Credential, difference: Option<String>, now: Wall) {
        let Credential { binding, grant } = credential;
        self.account = binding.account;
        (self.application, self.site, self.scope) = (binding.client_name, binding.site, binding.scope);
        let has_refresh_token = grant.refresh_token.is_some();
        let (access_ends, refresh_ends) = (grant.expires_at, grant.refresh_expires_at);
        self.tokens = Some(Tokens { access_ends, has_refresh_token, refresh_ends });
        let ended = |end: Option<Wall>| end.is_some_and(|end| end <= now);
        let lasts = has_refresh_token && !ended(refresh_ends);
        if let Some(difference) = difference {
            let reason = format!("the saved login is for another configuration ({difference}); it is kept");
            self.fail(State::SignInNeeded, reason, "Change the configuration back, or sign in with: mcp-proxy login");
        } else if ended(access_ends) && !lasts {
            self.fail(State::SignInNeeded, "the login has ended".to_owned(), SIGN_IN);
        } else if !lasts {
            let reason = "the login ends with its access token: it cannot be renewed".to_owned();
            self.problem = Some(Problem { reason, remedy: SIGN_IN.to_owned() });
        }
    }

    fn fail(&mut self, state: State, reason: String, remedy: &str) {
        self.state = state;
        self.problem = Some(Problem { reason, remedy: remedy.to_owned() });
    }
}

const GIVE_KEY: &str = "Name the file of that key in login.key_file. If systemd passes the key, it does so to the daemon \
                        alone: ask the daemon, at /health. If the key is lost, sign in with: mcp-proxy login";

#[cfg(test)]
pub(super) fn nobody() -> Login {
    Login {
        upstream: "alibaba".to_owned(),
        state: State::SignInNeeded,
        account: None,
        application: "app".to_owned(),
        site: "CN".to_owned(),
        scope: "/acs/mcp-server".to_owned(),
        tokens: None,
        saved_in: PathBuf::from("/s/logins/x.json"),
        protection: None,
        renewal_cut_off: false,
        problem: None,
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::auth::credential::{Binding, Grant};
    use crate::model::secret::Secret;

    #[test]
    fn what_a_login_says_of_itself() {
        let now = Wall::from_unix_seconds(1_800_000_000);
        let (ahead, ago) = (Some(now.plus(Duration::from_secs(60))), Some(now.minus(Duration::from_secs(60))));
        for (access, refresh_token, refresh, difference, state, says) in [
            (ahead, true, ahead, None, State::SignedIn, None),
            (ago, true, ahead, None, State::SignedIn, None),
            (None, true, None, None, State::SignedIn, None),
            (ahead, true, ago, None, State::SignedIn, Some("cannot be renewed")),
            (ahead, false, None, None, State::SignedIn, Some("cannot be renewed")),
            (ago, true, ago, None, State::SignInNeeded, Some("has ended")),
            (ago, false, None, None, State::SignInNeeded, Some("has ended")),
            (ahead, true, ahead, Some("site"), State::SignInNeeded, Some("another configuration (site)")),
        ] {
            let credential = Credential {
                binding: Binding {
                    site: "CN".into(),
                    token_endpoint: "https://oauth.example/".into(),
                    account: Some("12".into()),
                    client_id: "40".into(),
                    client_name: "app".into(),
                    scope: "/acs/mcp-server".into(),
                },
                grant: Grant {
                    serial: 1,
                    access_token: Secret::new("a"),
                    refresh_token: refresh_token.then(|| Secret::new("r")),
                    obtained_at: now,
                    expires_at: access,
                    refresh_expires_at: refresh,
                },
            };
            let mut login = Login { state: State::SignedIn, ..nobody() };
            login.fill(credential, difference.map(str::to_owned), now);
            assert_eq!((login.state, login.account.as_deref()), (state, Some("12")));
            match says {
                Some(says) => assert!(login.problem.unwrap().reason.contains(says), "{says}"),
                None => assert_eq!(login.problem, None),
            }
        }
    }
}
