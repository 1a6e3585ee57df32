//! The API credentials: from the profile a person named, else the environment, else the usual profile.
//!
//! They serve the few calls of a login; the MCP traffic itself is authorized by the OAuth token.

use crate::alibaba::profile::{self, Environment, Profile, ProfileError};
use crate::alibaba::settings::Settings;
use crate::model::secret::Secret;

const KEY_ID: &str = "ALIBABA_CLOUD_ACCESS_KEY_ID";
const KEY_SECRET: &str = "ALIBABA_CLOUD_ACCESS_KEY_SECRET";
const SECURITY_TOKEN: &str = "ALIBABA_CLOUD_SECURITY_TOKEN";

/// An access key of the cloud, long-lived or temporary.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiCredentials {
    /// Id of the access key; not a secret.
    pub access_key_id: String,
    /// Secret of the access key: signs, and is never sent.
    pub access_key_secret: Secret,
    /// Sent with temporary keys.
    pub security_token: Option<Secret>,
    /// Where they come from, for people: `profile default in /home/me/.aliyun/config.json`.
    pub source: String,
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
}

impl ApiCredentials {
    /// Finds the credentials. The file is read anew on each call, so changed keys are picked up.
    ///
    /// # Errors
    /// A lone variable, an unusable profile, or a value that cannot be a key.
    pub fn find(settings: &Settings, environment: Environment<'_>) -> Result<Self, CredentialsError> {
        let from_environment = match settings.profile {
            Some(_) => None,
            None => from_environment(environment)?,
        };
        let found = match from_environment {
            Some(credentials) => credentials,
            None => from_profile(settings, environment)?,
        };
        found.checked()
    }

    /// Both end up in headers, where control characters and non-ASCII cannot stand.
    fn checked(self) -> Result<Self, CredentialsError> {
        let graphic = |text: &str| text.bytes().all(|byte| byte.is_ascii_graphic());
        let what = if !graphic(&self.access_key_id) || self.access_key_id.contains(',') {
            "the access key id"
        } else if !self.security_token.as_ref().is_none_or(|token| graphic(token.expose())) {
            "the security token"
        } else {
            return Ok(self);
        };
        Err(CredentialsError::Illegal { what, origin: self.source })
    }
}

fn from_environment(environment: Environment<'_>) -> Result<Option<ApiCredentials>, CredentialsError> {
    let value = |name: &str| environment(name).map(|value| value.trim().to_owned()).filter(|value| !value.is_empty());
    match (value(KEY_ID), value(KEY_SECRET)) {
        (None, None) => Ok(None),
        (Some(_), None) => Err(CredentialsError::HalfAPair { present: KEY_ID, absent: KEY_SECRET }),
        (None, Some(_)) => Err(CredentialsError::HalfAPair { present: KEY_SECRET, absent: KEY_ID }),
        (Some(access_key_id), Some(secret)) => Ok(Some(ApiCredentials {
            access_key_id,
            access_key_secret: Secret::new(secret),
            security_token: value(SECURITY_TOKEN).map(Secret::new),
            source: format!("environment variable {KEY_ID}"),
        })),
    }
}

fn from_profile(settings: &Settings, environment: Environment<'_>) -> Result<ApiCredentials, CredentialsError> {
    let path = settings.aliyun_config_file.as_deref().ok_or(CredentialsError::Nowhere)?;
    let Profile { name, access_key_id, access_key_secret, sts_token } =
        profile::load(path, settings.profile.as_deref(), environment)?;
    let source = format!("profile {name} in {}", path.display());
    Ok(ApiCredentials { access_key_id, access_key_secret, security_token: sts_token, source })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alibaba::testing::settings;

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
        ApiCredentials::find(&settings, &|name| {
            variables.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned())
        })
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
        let all = |name: &str| name.contains("ACCESS_KEY").then(|| "x".to_owned());
        assert!(ApiCredentials::find(&settings(), &all).is_ok());
        let says = ApiCredentials::find(&settings(), &|_| None).unwrap_err().to_string();
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
