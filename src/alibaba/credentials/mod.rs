//! The API credentials: found in the order of the vendor's SDKs, obtained where that takes a call, and kept while they live.
//!
//! They serve the few calls of a login; the MCP traffic itself is authorized by the OAuth token.

mod chain;
mod obtain;
pub mod source;
pub(crate) mod temporary;

use std::os::unix::fs::MetadataExt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use self::chain::{Chosen, KEY_ID, KEY_SECRET, Step};
use self::source::{AccessKey, Bearer, Source};
use self::temporary::Proof;
use crate::alibaba::call::{Api, CallError, Skew};
use crate::alibaba::profile::ProfileError;
use crate::alibaba::settings::Settings;
use crate::model::secret::Secret;
use crate::model::time::{Clock, Wall};
use crate::net::api_client::ApiClient;

/// Temporary keys are renewed when they have less than this left, as the vendor's SDKs do.
const AHEAD: Duration = Duration::from_secs(180);

/// An access key of the cloud, long-lived or temporary; or a bearer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiCredentials {
    /// Id of the access key; not a secret.
    pub access_key_id: String,
    /// Secret of the access key: signs, and is never sent.
    pub access_key_secret: Secret,
    /// Sent with temporary keys.
    pub security_token: Option<Secret>,
    /// Sent in the place of a signature; there is no key then.
    pub bearer: Option<Bearer>,
    /// Where they come from, for people: `profile default in /home/me/.aliyun/config.json`.
    pub source: String,
}

impl ApiCredentials {
    /// The secret that each request carries, if it carries one: servers may repeat it in an error.
    pub(crate) fn token_sent(&self) -> Option<&Secret> {
        self.security_token.as_ref().or_else(|| self.bearer.as_ref().map(|bearer| &bearer.token))
    }
}

/// Why there are no API credentials.
#[derive(Debug, thiserror::Error)]
pub enum CredentialsError {
    /// One of the two variables is set without the other.
    #[error(
        "the environment variable {present} is set but {absent} is not. \
         Set both, or unset both to use an aliyun CLI profile"
    )]
    HalfAPair {
        /// The variable that is set.
        present: &'static str,
        /// The one it needs.
        absent: &'static str,
    },
    /// A value that no header can carry.
    #[error(
        "{what} of {origin} holds characters that cannot be part of it. Copy it again, without blanks or quotes around"
    )]
    Illegal {
        /// Which value.
        what: &'static str,
        /// Where it comes from.
        origin: String,
    },
    /// There are no keys in the environment, and it is not known where the aliyun CLI keeps its own.
    #[error(
        "there are no API credentials: {KEY_ID} is not set, and without a home directory there is no aliyun CLI \
         configuration to read. Set {KEY_ID} and {KEY_SECRET}, or name the file in `alibaba.aliyun_config_file`"
    )]
    Nowhere,
    /// No profile can be used.
    #[error(transparent)]
    Profile(#[from] ProfileError),
    /// The source that was in use is not there any more. Nobody's identity changes unasked.
    #[error(
        "the API credentials came from {was}, which is not there any more. Put it back, or restart mcp-proxy to use \
         another source"
    )]
    Gone {
        /// The source that was in use.
        was: String,
    },
    /// The source gives no usable key.
    #[error("cannot get API credentials from {origin}: {reason}")]
    Failed {
        /// The source.
        origin: String,
        /// What is wrong, and what to do.
        reason: String,
        /// True if it is the same at the next try, until somebody changes something.
        lasts: bool,
    },
    /// A call that would have given a key failed.
    #[error("cannot get API credentials from {origin}: {error}")]
    Call {
        /// The source.
        origin: String,
        /// Why.
        error: Box<CallError>,
    },
}

impl CredentialsError {
    /// True if it is the same at the next try, until somebody changes something.
    pub fn lasts(&self) -> bool {
        match self {
            Self::Failed { lasts, .. } => *lasts,
            Self::Call { error, .. } => error.lasts(),
            Self::HalfAPair { .. } | Self::Illegal { .. } | Self::Nowhere | Self::Profile(_) | Self::Gone { .. } => {
                true
            }
        }
    }

    /// How long the service asks to wait before the next try, if one does.
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Call { error, .. } => error.retry_after(),
            _ => None,
        }
    }

    /// True if nothing is written down anywhere, so that other places may be tried.
    fn is_absence(&self) -> bool {
        matches!(self, Self::Nowhere | Self::Profile(ProfileError::Missing { .. } | ProfileError::Ignored { .. }))
    }
}

/// How the files stood that API credentials are read from: two equal ones mean that nobody wrote to any.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stamp(Vec<Option<Version>>);

/// By what a changed file is known, also when it was replaced by one of the same time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Version(u64, u64, i64, i64, u64);

/// The environment, as long as the program runs.
pub type Variables = Arc<dyn Fn(&str) -> Option<String> + Send + Sync>;

/// The API credentials of one upstream. Clones share what is kept.
#[derive(Clone)]
pub struct Credentials(Arc<Shared>);

struct Shared {
    settings: Settings,
    environment: Variables,
    client: ApiClient,
    clock: Clock,
    skew: Skew,
    /// Held while a key is obtained, so that nobody obtains another at the same time.
    kept: tokio::sync::Mutex<Option<Kept>>,
    used: Mutex<Option<(Step, String)>>,
}

/// A temporary key, and what it was obtained from.
struct Kept {
    source: Source,
    credentials: ApiCredentials,
    ends: Wall,
}

impl Credentials {
    /// The credentials that the settings and the environment lead to. Nothing is read before they are needed.
    pub fn new(settings: Settings, environment: Variables, client: ApiClient, clock: Clock) -> Self {
        let (kept, used) = (tokio::sync::Mutex::new(None), Mutex::new(None));
        Self(Arc::new(Shared { settings, environment, client, clock, skew: Skew::default(), kept, used }))
    }

    /// The API of the cloud, as these credentials see it.
    ///
    /// # Errors
    /// When there are none.
    pub async fn api(&self) -> Result<Api, CredentialsError> {
        let (client, clock) = (self.0.client.clone(), self.0.clock.clone());
        let api = Api::new(client, clock, self.get().await?, self.0.settings.endpoints.clone());
        Ok(api.knowing(&self.0.skew))
    }

    /// The credentials now. What is written down is read anew on each call, so a changed key is used at once.
    ///
    /// # Errors
    /// When there is no source, or it gives none. An error never leads to another source, nor to keys of before that
    /// something else was written for.
    pub async fn get(&self) -> Result<ApiCredentials, CredentialsError> {
        let mut kept = self.0.kept.lock().await;
        let (candidates, absent) = self.candidates()?;
        for chosen in candidates {
            match self.obtain(&chosen, &mut kept).await {
                Ok(credentials) => {
                    self.note(&chosen);
                    return Ok(credentials);
                }
                // That there is no such service here is the usual case; an address that somebody set is meant.
                Err(reason) if absent.is_some() && chosen.step == Step::Machine => {
                    tracing::debug!("{reason}");
                }
                Err(reason) => return Err(reason),
            }
        }
        Err(absent.unwrap_or(CredentialsError::Nowhere))
    }

    /// Where they come from, for people, without a call; `None` if there are none, as far as that is known without one.
    pub fn source(&self) -> Option<String> {
        match self.candidates() {
            Ok((chosen, None)) => chosen.into_iter().next().map(|chosen| chosen.origin),
            Ok((_, Some(_))) => self.used().map(|(_, origin)| origin),
            Err(_) => None,
        }
    }

    /// How the files stand now that they are read from. Cheap: nothing is opened.
    pub fn stamp(&self) -> Stamp {
        let environment = |name: &str| (self.0.environment)(name);
        let stamp = |path: std::path::PathBuf| {
            let seen = std::fs::metadata(path).ok()?;
            Some(Version(seen.dev(), seen.ino(), seen.mtime(), seen.mtime_nsec(), seen.size()))
        };
        Stamp(chain::files(&self.0.settings, &environment).into_iter().map(stamp).collect())
    }

    /// Forgets a temporary key that the cloud does not take any more. False if there was none.
    pub async fn forget(&self) -> bool {
        self.0.kept.lock().await.take().is_some()
    }

    /// The source that is written down; or, with the error that says that none is, those that may be there anyway.
    fn candidates(&self) -> Result<(Vec<Chosen>, Option<CredentialsError>), CredentialsError> {
        let environment = |name: &str| (self.0.environment)(name);
        let used = self.used();
        match chain::choose(&self.0.settings, &environment) {
            Ok(chosen) => match used {
                // What was in use ahead of it is gone.
                Some((step, was)) if step < chosen.step => Err(CredentialsError::Gone { was }),
                _ => Ok((vec![chosen], None)),
            },
            Err(absent) if absent.is_absence() && self.0.settings.profile.is_none() => match used {
                Some((step, was)) if step < Step::Machine => Err(CredentialsError::Gone { was }),
                used => {
                    let mut found = chain::last_resorts(&environment)?;
                    // The one that worked is used again.
                    found.retain(|chosen| used.as_ref().is_none_or(|(step, _)| *step == chosen.step));
                    Ok((found, Some(absent)))
                }
            },
            Err(other) => Err(other),
        }
    }

    async fn obtain(&self, chosen: &Chosen, kept: &mut Option<Kept>) -> Result<ApiCredentials, CredentialsError> {
        let now = self.0.clock.now().wall;
        if kept.as_ref().is_some_and(|kept| kept.source != chosen.source || kept.ends <= now) {
            *kept = None;
        }
        if let Some(kept) = kept.as_ref().filter(|kept| kept.ends.since(now) > AHEAD) {
            return Ok(kept.credentials.clone());
        }
        let shared = &self.0;
        let obtaining = obtain::Obtaining {
            settings: &shared.settings,
            client: &shared.client,
            clock: &shared.clock,
            skew: &shared.skew,
            origin: &chosen.origin,
        };
        let obtained = match (obtaining.from(&chosen.source).await, kept.as_ref()) {
            (Ok(obtained), _) => obtained,
            (Err(error), Some(kept)) => {
                tracing::warn!("{error}. The temporary key of before is used until it ends");
                return Ok(kept.credentials.clone());
            }
            (Err(error), None) => return Err(error),
        };
        if obtained.ends.is_some_and(|ends| ends <= now) {
            let reason = "its key has ended already. Renew it, and check the clock of this machine".to_owned();
            return Err(CredentialsError::Failed { origin: chosen.origin.clone(), reason, lasts: true });
        }
        let credentials = obtained.checked(&chosen.origin)?;
        *kept = obtained.ends.filter(|_| !matches!(chosen.source, Source::AccessKey(_))).map(|ends| Kept {
            source: chosen.source.clone(),
            credentials: credentials.clone(),
            ends,
        });
        Ok(credentials)
    }

    fn used(&self) -> Option<(Step, String)> {
        self.0.used.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn note(&self, chosen: &Chosen) {
        let now = (chosen.step, chosen.origin.clone());
        let before = self.0.used.lock().unwrap_or_else(PoisonError::into_inner).replace(now.clone());
        if before.is_some_and(|before| before != now) {
            tracing::info!("the API credentials now come from {}", chosen.origin);
        }
    }
}

impl temporary::Obtained {
    /// Id and token end up in headers, where control characters and non-ASCII cannot stand.
    fn checked(&self, origin: &str) -> Result<ApiCredentials, CredentialsError> {
        let graphic = |text: &str| text.bytes().all(|byte| byte.is_ascii_graphic());
        let source = origin.to_owned();
        let (key, bearer) = match &self.proof {
            Proof::Key(key) => (key.clone(), None),
            Proof::Bearer(bearer) => (AccessKey::none(), Some(bearer.clone())),
        };
        let what = if !graphic(&key.id) || key.id.contains(',') {
            "the access key id"
        } else if !key.security_token.as_ref().is_none_or(|token| graphic(token.expose())) {
            "the security token"
        } else if !bearer.as_ref().is_none_or(|bearer| graphic(bearer.token.expose())) {
            "the bearer token"
        } else {
            let AccessKey { id: access_key_id, secret: access_key_secret, security_token } = key;
            return Ok(ApiCredentials { access_key_id, access_key_secret, security_token, bearer, source });
        };
        Err(CredentialsError::Illegal { what, origin: origin.to_owned() })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::alibaba::testing::settings;

    const SECURITY_TOKEN: &str = "ALIBABA_CLOUD_SECURITY_TOKEN";

    const FILE: &str = r#"{"current":"default","profiles":[
        {"name":"default","mode":"AK","access_key_id":"LTAI-default","access_key_secret":"s"},
        {"name":"work","mode":"StsToken","access_key_id":"STS.work","access_key_secret":"s","sts_token":"CAIS"},
        {"name":"broken","mode":"AK","access_key_id":"LT\u00e9","access_key_secret":"s"}]}"#;

    fn find(profile: Option<&str>, variables: &[(&str, &str)]) -> Result<ApiCredentials, CredentialsError> {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), FILE).unwrap();
        let settings = Settings {
            profile: profile.map(str::to_owned),
            aliyun_config_file: Some(file.path().to_owned()),
            ..settings()
        };
        look(settings, variables)
    }

    /// Without a metadata service: there is none where tests run.
    fn look(settings: Settings, variables: &[(&str, &str)]) -> Result<ApiCredentials, CredentialsError> {
        let mut environment: BTreeMap<String, String> =
            variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        environment.insert("ALIBABA_CLOUD_ECS_METADATA_DISABLED".to_owned(), "true".to_owned());
        let client = ApiClient::direct(Duration::from_secs(1)).unwrap();
        let credentials =
            Credentials::new(settings, Arc::new(move |name| environment.get(name).cloned()), client, Clock::system());
        tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(credentials.get())
    }

    #[test]
    fn a_named_profile_beats_the_environment_which_beats_the_usual_profile() {
        let pair = [(KEY_ID, " LTAI-env\n"), (KEY_SECRET, "s")];
        let id = |profile, variables: &[_]| find(profile, variables).unwrap().access_key_id;
        assert_eq!(id(None, &[]), "LTAI-default");
        assert_eq!(id(None, &pair), "LTAI-env");
        assert_eq!(id(Some("work"), &pair), "STS.work");
        assert_eq!(id(None, &[("ALIBABA_CLOUD_PROFILE", "work")]), "STS.work");
        assert_eq!(id(None, &[(KEY_ID, ""), (KEY_SECRET, "")]), "LTAI-default");
    }

    #[test]
    fn the_source_is_told_to_people() {
        let from_file = find(Some("work"), &[]).unwrap();
        assert!(from_file.source.starts_with("profile work in /"), "{}", from_file.source);
        assert_eq!(from_file.security_token, Some(Secret::new("CAIS")));
        let variables = [(KEY_ID, "a"), (KEY_SECRET, "b"), (SECURITY_TOKEN, "c")];
        let from_environment = find(None, &variables).unwrap();
        assert_eq!(from_environment.source, "environment variable ALIBABA_CLOUD_ACCESS_KEY_ID");
        assert_eq!(from_environment.security_token, Some(Secret::new("c")));
    }

    #[test]
    fn the_file_is_needed_only_without_keys_in_the_environment() {
        assert!(look(settings(), &[(KEY_ID, "x"), (KEY_SECRET, "x")]).is_ok());
        let says = look(settings(), &[]).unwrap_err().to_string();
        assert!(says.contains("no API credentials") && says.contains("alibaba.aliyun_config_file"), "{says}");
    }

    #[test]
    fn a_lone_variable_is_named_with_its_partner() {
        for (present, absent) in [(KEY_ID, KEY_SECRET), (KEY_SECRET, KEY_ID)] {
            let says = find(None, &[(present, "x")]).unwrap_err().to_string();
            assert!(says.contains(&format!("{present} is set but {absent} is not")), "{says}");
            assert!(find(Some("work"), &[(present, "x")]).is_ok());
        }
    }

    #[test]
    fn what_no_header_can_carry_is_refused_where_it_is_read() {
        let says = find(Some("broken"), &[]).unwrap_err().to_string();
        assert!(says.contains("the access key id of profile broken in /"), "{says}");
        let variables = [(KEY_ID, "a"), (KEY_SECRET, "b"), (SECURITY_TOKEN, "x\u{7f}y")];
        let says = find(None, &variables).unwrap_err().to_string();
        assert!(says.contains("the security token of environment"), "{says}");
    }

    #[test]
    fn debug_shows_no_secret() {
        let shown = format!("{:?}", find(Some("work"), &[]).unwrap());
        assert!(shown.contains("STS.work") && !shown.contains("CAIS"), "{shown}");
    }
}
