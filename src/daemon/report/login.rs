//! What one saved login says of itself. No secret leaves this file.

use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::auth::credential::Credential;
use crate::auth::keeper;
use crate::auth::store::{LoadError, Protection};
use crate::daemon::custody::Kept;
use crate::daemon::report::date::Date;
use crate::model::time::Wall;
use crate::observe::health::{Condition, Standing};

/// How a login stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// There is one, and as far as is known it works.
    SignedIn,
    /// There is none, it has ended, or it is for another configuration.
    SignInNeeded,
    /// There is one that cannot be opened.
    Unusable,
}

/// A saved login, without its secrets. docs/STATUS.md describes the fields.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Login {
    /// The upstream.
    pub name: String,
    /// How it stands.
    pub state: State,
    /// What is wrong.
    pub problem: Option<String>,
    /// What to do about it.
    pub remedy: Option<String>,
    /// The account that the OAuth application belongs to, when known.
    pub account: Option<String>,
    /// The OAuth application that the saved login is for; without one: that is configured.
    pub application: String,
    /// The site, likewise.
    pub site: String,
    /// The scope, likewise.
    pub scope: String,
    /// The access token.
    pub access_token: Token,
    /// The refresh token.
    pub refresh_token: Token,
    /// True if a crash cut a renewal off, so that the server's answer may be lost.
    pub renewal_cut_off: bool,
    /// Where it is saved, or would be.
    pub file: PathBuf,
    /// `None` if there is no file that can be read.
    pub encrypted: Option<bool>,
    /// Which key it is encrypted with.
    pub key_id: Option<String>,
}

/// A token, without its text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Token {
    /// `None` if the login cannot be opened, and may hold anything.
    pub present: Option<bool>,
    /// When it ends, as far as known.
    pub expires_at: Option<Date>,
    /// How long it lives, in seconds; 0 once it has ended.
    pub expires_in: Option<u64>,
}

impl Token {
    const ABSENT: Self = Self { present: Some(false), expires_at: None, expires_in: None };

    fn until(end: Option<Wall>, now: Wall) -> Self {
        let left = end.map(|end| end.since(now)).as_ref().map(Duration::as_secs);
        Self { present: Some(true), expires_at: Date::of(end), expires_in: left }
    }
}

const SIGN_IN: &str = "Sign in with: mcp-proxy login";

impl Login {
    /// Looks at a saved login.
    pub fn look(kept: &Kept, now: Wall) -> Self {
        let Kept { upstream, expected, store, .. } = kept;
        let (encrypted, key_id) = match store.protection() {
            Some(Protection::Sealed { key_id }) => (Some(true), Some(key_id)),
            Some(Protection::Plain) => (Some(false), None),
            None => (None, None),
        };
        let mut login = Self {
            name: upstream.to_string(),
            state: State::SignedIn,
            problem: None,
            remedy: None,
            account: None,
            application: expected.client_name.clone(),
            site: expected.site.clone(),
            scope: expected.scope.clone(),
            access_token: Token::ABSENT,
            refresh_token: Token::ABSENT,
            renewal_cut_off: false,
            file: store.path().to_owned(),
            encrypted,
            key_id,
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
                let remedy = if login.key_id.is_some() { GIVE_KEY } else { SIGN_IN };
                login.fail(State::Unusable, error.to_string(), remedy);
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
        self.access_token = Token::until(access_ends, now);
        if has_refresh_token {
            self.refresh_token = Token::until(refresh_ends, now);
        }
        let ended = |end: Option<Wall>| end.is_some_and(|end| end <= now);
        let lasts = has_refresh_token && !ended(refresh_ends);
        if let Some(difference) = difference {
            let reason = format!("the saved login is for another configuration ({difference}); it is kept");
            self.fail(State::SignInNeeded, reason, "Change the configuration back, or sign in with: mcp-proxy login");
        } else if ended(access_ends) && !lasts {
            self.fail(State::SignInNeeded, "the login has ended".to_owned(), SIGN_IN);
        } else if !lasts {
            let reason = "the login ends with its access token: it cannot be renewed".to_owned();
            (self.problem, self.remedy) = (Some(reason), Some(SIGN_IN.to_owned()));
        }
    }

    /// The same as the daemon knows it, which may have heard of a refusal, and may hold what is not on disk.
    #[must_use]
    pub fn in_use(mut self, standing: &Standing, conditions: &[Condition], now: Wall) -> Self {
        let raised = |name: &str| conditions.iter().find(|known| known.name == name && known.subject == self.name);
        match (standing.signed_in, self.state) {
            (false, State::SignedIn) => {
                if let Some(Condition { reason, remedy, .. }) = raised(keeper::LOGIN_REQUIRED) {
                    let (reason, remedy) = (reason.clone(), remedy.clone());
                    self.fail(State::SignInNeeded, reason, &remedy);
                }
            }
            (true, State::SignInNeeded | State::Unusable) => {
                let raised = raised(keeper::TOKEN_NOT_DURABLE);
                self.problem = raised.map(|known| known.reason.clone());
                self.remedy = raised.map(|known| known.remedy.clone());
                self.state = State::SignedIn;
                self.account = standing.account.clone();
                self.access_token = Token::until(standing.expires_at, now);
            }
            _ => {}
        }
        self
    }

    /// Puts down that it does not stand well, and why.
    fn fail(&mut self, state: State, reason: String, remedy: &str) {
        self.state = state;
        if state == State::Unusable {
            (self.access_token.present, self.refresh_token.present) = (None, None);
        }
        (self.problem, self.remedy) = (Some(reason), Some(remedy.to_owned()));
    }
}

const GIVE_KEY: &str = "Name the file of that key in login.key_file. If systemd passes the key, it does so to the daemon \
                        alone: ask the daemon, at /health. If the key is lost, sign in with: mcp-proxy login";

#[cfg(test)]
impl Login {
    /// There is no login; for tests.
    pub(crate) fn of_nobody() -> Self {
        Self {
            name: "alibaba".to_owned(),
            state: State::SignInNeeded,
            problem: None,
            remedy: None,
            account: None,
            application: "app".to_owned(),
            site: "CN".to_owned(),
            scope: "/acs/mcp-server".to_owned(),
            access_token: Token::ABSENT,
            refresh_token: Token::ABSENT,
            renewal_cut_off: false,
            file: PathBuf::from("/s/logins/x.json"),
            encrypted: None,
            key_id: None,
        }
    }
}

#[cfg(test)]
mod tests {
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
            let mut login = Login { state: State::SignedIn, ..Login::of_nobody() };
            login.fill(credential, difference.map(str::to_owned), now);
            assert_eq!((login.state, login.account.as_deref()), (state, Some("12")));
            match says {
                Some(says) => assert!(login.problem.unwrap().contains(says), "{says}"),
                None => assert_eq!(login.problem, None),
            }
        }
    }

    #[test]
    fn what_the_daemon_knows_is_newer_than_the_disk() {
        let now = Wall::from_unix_seconds(1_800_000_000);
        let raised = |name: &'static str| Condition {
            name,
            subject: "alibaba".to_owned(),
            reason: format!("{name}, because"),
            remedy: "do it".to_owned(),
            since: now,
        };
        let conditions = [raised("login-required"), raised("token-not-durable")];
        let on_disk = |state: State| Login { state, ..Login::of_nobody() };
        let standing = |signed_in: bool| Standing { signed_in, expires_at: Some(now), ..Standing::default() };
        let refused = on_disk(State::SignedIn).in_use(&standing(false), &conditions, now);
        assert_eq!((refused.state, refused.problem.as_deref()), (State::SignInNeeded, Some("login-required, because")));
        let held = on_disk(State::SignInNeeded).in_use(&standing(true), &conditions, now);
        assert_eq!((held.state, held.problem.as_deref()), (State::SignedIn, Some("token-not-durable, because")));
        assert_eq!((held.access_token.present, held.access_token.expires_in), (Some(true), Some(0)));
        let fine = on_disk(State::SignedIn).in_use(&standing(true), &conditions, now);
        assert_eq!(fine, on_disk(State::SignedIn));
    }
}
