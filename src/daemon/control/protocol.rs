//! The words that go over the control socket, beside [`report`](crate::daemon::report): requests and answers in JSON.
//!
//! What an older command does not know of a newer daemon's answer, it passes over. An older daemon refuses what it does
//! not know of a request: half of it may be the wrong half.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::alibaba::oauth_app::OauthApp;
use crate::alibaba::settings::parse_app_name;
use crate::auth::keeper::Stopping;
use crate::auth::sign_out::SignOutError;
use crate::daemon::custody::Kept;
use crate::daemon::obstacle::Obstacle;
use crate::model::client::ClientName;
use crate::model::secret::Secret;

/// `POST /login`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LoginRequest {
    /// For which upstream; needed only when several have logins.
    pub upstream: Option<String>,
    /// The OAuth application, if the caller has looked it up. Without it the daemon does, with its own API credentials.
    pub application: Option<Application>,
    /// The user on whose behalf root asks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<u32>,
}

/// An OAuth application that was found and fits.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Application {
    /// The client id.
    pub client_id: String,
    /// The name.
    pub name: String,
    /// The account that it belongs to, when known.
    pub account: Option<String>,
    /// How long a refresh token lives, in seconds, counted from the login, when known.
    pub refresh_token_validity: Option<u64>,
}

impl From<OauthApp> for Application {
    fn from(app: OauthApp) -> Self {
        let OauthApp { app_id, app_name, account_id, access_token_validity: _, refresh_token_validity } = app;
        Self {
            client_id: app_id,
            name: app_name,
            account: account_id,
            refresh_token_validity: refresh_token_validity.as_ref().map(Duration::as_secs),
        }
    }
}

impl Application {
    /// The application, if all of it can be what it says.
    ///
    /// # Errors
    /// A sentence that says what cannot.
    pub(super) fn judged(self) -> Result<OauthApp, String> {
        let plain =
            |text: &str| !text.is_empty() && text.len() <= 128 && text.bytes().all(|byte| byte.is_ascii_alphanumeric());
        let name = parse_app_name(&self.name)?;
        for (what, text) in [("client_id", Some(&self.client_id)), ("account", self.account.as_ref())] {
            if !text.is_none_or(|text| plain(text)) {
                return Err(format!("the application's {what} has other characters than letters and digits"));
            }
        }
        Ok(OauthApp {
            app_id: self.client_id,
            app_name: name,
            account_id: self.account,
            access_token_validity: None,
            refresh_token_validity: self.refresh_token_validity.map(Duration::from_secs),
        })
    }
}

/// What becomes of a login, one JSON text a line. No `Debug`: the address holds the `state` of the login.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub enum LoginEvent {
    /// The person is waited for.
    Waiting {
        /// What `POST /login/ID/paste` names the login by.
        id: u64,
        /// The upstream.
        upstream: String,
        /// Where the person signs in.
        url: String,
        /// Where the browser arrives afterwards.
        redirect_uri: String,
    },
    /// The login is in use. The last event.
    Done {
        /// The upstream.
        upstream: String,
        /// The OAuth application.
        application: String,
        /// The account that it belongs to, when known.
        account: Option<String>,
        /// How long the access token lives, in seconds, when known.
        valid_for: Option<u64>,
        /// Why the login is in use, but not on disk.
        not_saved: Option<String>,
    },
    /// It did not work. The last event.
    Failed {
        /// Why, and what to do.
        reason: String,
        /// The kind of it.
        obstacle: Obstacle,
    },
    /// Something that a newer daemon says.
    #[serde(other)]
    Other,
}

/// `POST /logout`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LogoutRequest {
    /// End the grants at the server first.
    #[serde(default)]
    pub revoke: bool,
}

/// What became of the logins.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LoggedOut {
    /// One for each upstream that has logins.
    pub logins: Vec<Ended>,
}

/// What became of one login.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ended {
    /// The upstream.
    pub upstream: String,
    /// How it ended.
    pub outcome: Outcome,
    /// Where it was saved.
    pub file: PathBuf,
    /// The OAuth application that is configured.
    pub application: String,
    /// Where a person ends the grant without us.
    pub console: String,
    /// Why it was kept.
    pub problem: Option<Problem>,
    /// Files beside it that hold logins which were set aside.
    pub set_aside: Vec<PathBuf>,
}

impl Ended {
    /// What became of the login of `kept`.
    pub fn of(kept: &Kept, result: &Result<bool, SignOutError>) -> Self {
        let (outcome, problem) = match result {
            Ok(true) => (Outcome::Removed, None),
            Ok(false) => (Outcome::Nothing, None),
            Err(error) => {
                let not_revoked = matches!(error, SignOutError::Revocation(_) | SignOutError::Load(_));
                let problem = Problem { reason: error.to_string(), obstacle: error.into(), not_revoked };
                (Outcome::Kept, Some(problem))
            }
        };
        Self {
            upstream: kept.upstream.to_string(),
            outcome,
            file: kept.store.path().to_owned(),
            application: kept.alibaba.app_name().to_owned(),
            console: kept.alibaba.site.ram_console().to_owned(),
            problem,
            set_aside: kept.store.set_aside_before(),
        }
    }

    /// Nobody was there to end it.
    pub(super) fn not_asked(kept: &Kept, why: &Stopping) -> Self {
        let problem = Problem { reason: why.to_string(), obstacle: Obstacle::AnotherTime, not_revoked: false };
        Self { outcome: Outcome::Kept, problem: Some(problem), ..Self::of(kept, &Ok(false)) }
    }
}

/// How the end of a login ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// It is removed.
    Removed,
    /// There was none.
    Nothing,
    /// It is there still.
    Kept,
}

/// Why something was not done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Problem {
    /// In words.
    pub reason: String,
    /// The kind of it.
    pub obstacle: Obstacle,
    /// True if the grant could not be revoked, and that is all.
    pub not_revoked: bool,
}

/// `POST /clients/add` and `POST /clients/remove`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeyRequest {
    /// The name of the client.
    pub client: String,
    /// Which of its keys; only for removing, and all without it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fingerprint: Option<String>,
}

/// A key that was made.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AddedKey {
    /// The name of the client.
    pub client: String,
    /// The key, which is said this once.
    pub key: String,
}

impl AddedKey {
    /// A key and whose it is.
    pub fn of((client, key): &(ClientName, Secret)) -> Self {
        Self { client: client.to_string(), key: key.expose().to_owned() }
    }
}

impl fmt::Debug for AddedKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AddedKey").field("client", &self.client).finish_non_exhaustive()
    }
}

/// What was removed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RemovedKeys {
    /// How many keys.
    pub removed: usize,
}

/// `POST /incident`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct IncidentRequest {
    /// Replace the keys of all clients.
    #[serde(default)]
    pub rotate_keys: bool,
}

/// What was done about an incident.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Declared {
    /// The file that keeps it over a restart.
    pub file: PathBuf,
    /// Why that file could not be written.
    pub not_written: Option<String>,
    /// What became of the logins.
    pub logins: Vec<Ended>,
    /// The new keys of the clients that had any, if that was asked for. The old ones are good no more.
    pub keys: Vec<AddedKey>,
    /// Why the old keys are still good.
    pub keys_kept: Option<String>,
}

/// What became of `POST /resume`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Resumed {
    /// Whether there was an incident.
    pub was_stopped: bool,
}

/// An answer that is none: the request cannot be served.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refused {
    /// Why, and what to do.
    pub error: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_application_from_outside_is_judged() {
        let fine = Application {
            client_id: "4000000000000000001".to_owned(),
            name: "my-app".to_owned(),
            account: Some("1234".to_owned()),
            refresh_token_validity: Some(60),
        };
        assert_eq!(Application::from(fine.clone().judged().unwrap()), fine);
        for bad in ["", "4&scope=all", "4\n", "ä", &"4".repeat(129)] {
            assert!(Application { client_id: bad.to_owned(), ..fine.clone() }.judged().is_err(), "{bad:?}");
            assert!(Application { account: Some(bad.to_owned()), ..fine.clone() }.judged().is_err(), "{bad:?}");
            assert!(Application { name: bad.to_owned(), ..fine.clone() }.judged().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn events_are_lines_that_programs_can_tell_apart() {
        let failed = LoginEvent::Failed { reason: "no".to_owned(), obstacle: Obstacle::AnotherTime };
        let text = serde_json::to_string(&failed).unwrap();
        assert_eq!(text, r#"{"event":"failed","reason":"no","obstacle":"another-time"}"#);
        assert!(serde_json::from_str::<LoginEvent>(&text).unwrap() == failed);
        assert!(serde_json::from_str::<LoginEvent>(r#"{"event":"thinking","of":1}"#).unwrap() == LoginEvent::Other);
    }
}
