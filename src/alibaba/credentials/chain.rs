//! Which source is meant: the order of the vendor's SDKs ("default credential chain"), without asking anybody.
//!
//! A source that is there is used, or says what is wrong with it. Only one that is not there at all lets the next one
//! have its turn.

use std::path::{Path, PathBuf};

use crate::alibaba::credentials::CredentialsError;
use crate::alibaba::credentials::source::{self, AccessKey, Bearer, Role, SESSION_NAME, Source};
use crate::alibaba::profile::{self, Environment, PREFIXES, ProfileError, credentials_file, is_true};
use crate::alibaba::settings::Settings;
use crate::model::secret::Secret;

pub(super) const KEY_ID: &str = "ALIBABA_CLOUD_ACCESS_KEY_ID";
pub(super) const KEY_SECRET: &str = "ALIBABA_CLOUD_ACCESS_KEY_SECRET";
/// Names the aliyun CLI's configuration, for some of the SDKs.
const CONFIG_FILE: &str = "ALIBABA_CLOUD_CONFIG_FILE";
const BEARER_TOKEN: &str = "ALIBABA_CLOUD_BEARER_TOKEN";
const SECURITY_TOKEN: &str = "ALIBABA_CLOUD_SECURITY_TOKEN";

const OIDC_TOKEN_FILE: &str = "ALIBABA_CLOUD_OIDC_TOKEN_FILE";
const OIDC_PROVIDER: &str = "ALIBABA_CLOUD_OIDC_PROVIDER_ARN";
const ROLE: &str = "ALIBABA_CLOUD_ROLE_ARN";
const CREDENTIALS_URI: &str = "ALIBABA_CLOUD_CREDENTIALS_URI";

/// What the service manager may pass: a key in two or three parts, or the aliyun CLI's configuration.
const PASSED_ID: &str = "aliyun-access-key-id";
const PASSED_SECRET: &str = "aliyun-access-key-secret";
const PASSED_TOKEN: &str = "aliyun-security-token";
const PASSED_PROFILES: &str = "aliyun-config";

/// Where a source stands in the order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Step {
    /// The profile that a person named.
    Named,
    /// The environment's key.
    Environment,
    /// A key that the service manager passes.
    Passed,
    /// A role by the token of an identity provider, in the environment.
    Oidc,
    /// The aliyun CLI's profile.
    Profile,
    /// The aliyun CLI's configuration, as the service manager passes it.
    PassedProfile,
    /// The credentials file of the SDKs.
    Shared,
    /// What only the aliyun CLI takes from the environment.
    CliEnvironment,
    /// The role of the machine.
    Machine,
    /// The address that the environment names.
    Uri,
}

/// A source, and what it is called.
#[derive(Debug, Clone)]
pub(super) struct Chosen {
    pub(super) step: Step,
    pub(super) source: Source,
    pub(super) origin: String,
}

impl Chosen {
    fn new(step: Step, source: Source, place: &str) -> Self {
        let origin = format!("{place}{}", source.manner());
        Self { step, source, origin }
    }
}

/// The files that decide which source is meant, and with which key.
pub(super) fn files(settings: &Settings, environment: Environment<'_>) -> Vec<PathBuf> {
    let passed = passed(environment);
    let of_service = [PASSED_ID, PASSED_SECRET, PASSED_TOKEN, PASSED_PROFILES]
        .into_iter()
        .filter_map(|name| Some(passed.as_ref()?.join(name)));
    config_file(settings, environment)
        .into_iter()
        .chain(of_service)
        .chain(credentials_file::places(environment))
        .collect()
}

/// The source that is written down somewhere.
pub(super) fn choose(settings: &Settings, environment: Environment<'_>) -> Result<Chosen, CredentialsError> {
    if settings.profile.is_none() {
        let found = match environment_key(environment)? {
            Some(found) => Some(found),
            None => passed_key(environment)?,
        };
        let found = match found {
            Some(found) => Some(found),
            None => oidc(environment)?,
        };
        if let Some(found) = found {
            return Ok(found);
        }
    }
    let named = value(environment, "ALIBABA_CLOUD_ECS_METADATA").filter(|_| !without_metadata(environment));
    let written = match profile(settings, environment) {
        // Where the file has no such profile, the name may be that of a section.
        Err(absent) if settings.profile.is_none() && (absent.is_absence() || is_unknown(&absent)) => {
            match shared(environment)? {
                Some(found) => Ok(found),
                None if absent.is_absence() => cli_environment(environment)?.ok_or(absent),
                None => Err(absent),
            }
        }
        found => found,
    };
    match (written, named) {
        (Err(absent), Some(role)) if absent.is_absence() && settings.profile.is_none() => {
            Ok(Chosen::new(Step::Machine, machine(environment, Some(role)), "ALIBABA_CLOUD_ECS_METADATA"))
        }
        (found, _) => found,
    }
}

fn is_unknown(error: &CredentialsError) -> bool {
    matches!(error, CredentialsError::Profile(ProfileError::Unknown { .. }))
}

/// The credentials file of the SDKs.
fn shared(environment: Environment<'_>) -> Result<Option<Chosen>, CredentialsError> {
    let found = credentials_file::load(environment)?;
    Ok(found.map(|(source, section, path)| {
        Chosen::new(Step::Shared, source, &format!("section {section} in {}", path.display()))
    }))
}

/// What the aliyun CLI takes from the environment where it has no file, and the SDKs do not: older names of a key, and
/// a bearer.
fn cli_environment(environment: Environment<'_>) -> Result<Option<Chosen>, CredentialsError> {
    for prefix in PREFIXES {
        let (id_name, secret_name) = (format!("{prefix}ACCESS_KEY_ID"), format!("{prefix}ACCESS_KEY_SECRET"));
        let absent = |name: &str| unusable(name, "is missing. Set both parts of the key, or neither".to_owned());
        match (value(environment, &id_name), value(environment, &secret_name)) {
            (None, None) => {}
            (Some(_), None) => return Err(absent(&secret_name)),
            (None, Some(_)) => return Err(absent(&id_name)),
            (Some(id), Some(secret)) => {
                let security_token = value(environment, &format!("{prefix}SECURITY_TOKEN")).map(Secret::new);
                let key = Source::AccessKey(AccessKey { id, secret: Secret::new(secret), security_token });
                return Ok(Some(Chosen::new(Step::CliEnvironment, key, &format!("environment variable {id_name}"))));
            }
        }
    }
    let Some(token) = value(environment, BEARER_TOKEN) else { return Ok(None) };
    let header = value(environment, "ALIBABA_CLOUD_BEARER_TOKEN_HEADER_KEY");
    let bearer = Bearer::new(Secret::new(token), header.as_deref())
        .map_err(|problem| unusable("ALIBABA_CLOUD_BEARER_TOKEN_HEADER_KEY", problem))?;
    let place = format!("environment variable {BEARER_TOKEN}");
    Ok(Some(Chosen::new(Step::CliEnvironment, Source::Bearer(bearer), &place)))
}

/// The aliyun CLI's configuration: that of the settings, if they name another than the usual one; else that of the
/// environment; else the usual one.
fn config_file(settings: &Settings, environment: Environment<'_>) -> Option<PathBuf> {
    let usual = value(environment, "HOME").map(|home| Path::new(&home).join(".aliyun/config.json"));
    let set = settings.aliyun_config_file.clone().filter(|file| Some(file) != usual.as_ref());
    let named = || value(environment, CONFIG_FILE).map(PathBuf::from).filter(|path| path.is_absolute());
    set.or_else(named).or_else(|| settings.aliyun_config_file.clone())
}

/// Where credentials may still be found when nothing is written down.
pub(super) fn last_resorts(environment: Environment<'_>) -> Result<Vec<Chosen>, CredentialsError> {
    let mut found = Vec::new();
    if !without_metadata(environment) {
        found.push(Chosen::new(Step::Machine, machine(environment, None), "the metadata service"));
    }
    if let Some(text) = value(environment, CREDENTIALS_URI) {
        let source = profile::uri(&text).map_err(|problem| unusable(CREDENTIALS_URI, problem))?;
        found.push(Chosen::new(Step::Uri, source, CREDENTIALS_URI));
    }
    Ok(found)
}

fn without_metadata(environment: Environment<'_>) -> bool {
    is_true(environment, "ALIBABA_CLOUD_ECS_METADATA_DISABLED")
}

fn value(environment: Environment<'_>, name: &str) -> Option<String> {
    environment(name).map(|value| value.trim().to_owned()).filter(|value| !value.is_empty())
}

fn unusable(variable: &str, problem: String) -> CredentialsError {
    CredentialsError::Failed { origin: format!("the environment variable {variable}"), reason: problem, lasts: true }
}

fn machine(environment: Environment<'_>, role: Option<String>) -> Source {
    Source::Machine { role, without_token: !is_true(environment, "ALIBABA_CLOUD_IMDSV1_DISABLED") }
}

fn environment_key(environment: Environment<'_>) -> Result<Option<Chosen>, CredentialsError> {
    let value = |name: &str| value(environment, name);
    match (value(KEY_ID), value(KEY_SECRET)) {
        (None, None) => Ok(None),
        (Some(_), None) => Err(CredentialsError::HalfAPair { present: KEY_ID, absent: KEY_SECRET }),
        (None, Some(_)) => Err(CredentialsError::HalfAPair { present: KEY_SECRET, absent: KEY_ID }),
        (Some(id), Some(secret)) => {
            let security_token = value(SECURITY_TOKEN).map(Secret::new);
            let key = Source::AccessKey(AccessKey { id, secret: Secret::new(secret), security_token });
            Ok(Some(Chosen::new(Step::Environment, key, &format!("environment variable {KEY_ID}"))))
        }
    }
}

/// The directory in which the service manager passes credentials.
fn passed(environment: Environment<'_>) -> Option<PathBuf> {
    value(environment, "CREDENTIALS_DIRECTORY").map(PathBuf::from).filter(|directory| directory.is_absolute())
}

/// The credentials `aliyun-access-key-id`, `aliyun-access-key-secret` and `aliyun-security-token` of the service.
fn passed_key(environment: Environment<'_>) -> Result<Option<Chosen>, CredentialsError> {
    let Some(directory) = passed(environment) else { return Ok(None) };
    let read = |name: &str| -> Result<Option<Secret>, CredentialsError> {
        let path = directory.join(name);
        match std::fs::read_to_string(&path) {
            Ok(text) => {
                let whole = Secret::new(text);
                Ok(Some(Secret::new(whole.expose().trim())).filter(|text| !text.is_empty()))
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(CredentialsError::Failed {
                origin: format!("the systemd credential {}", path.display()),
                reason: format!("cannot read it: {error}. Let the unit pass it with LoadCredential="),
                lasts: true,
            }),
        }
    };
    let (id, secret) = (PASSED_ID, PASSED_SECRET);
    let half = |absent: &str| CredentialsError::Failed {
        origin: format!("the systemd credentials in {}", directory.display()),
        reason: format!("{absent} is missing. Pass both, {id} and {secret}, or neither"),
        lasts: true,
    };
    match (read(id)?, read(secret)?) {
        (None, None) => Ok(None),
        (Some(_), None) => Err(half(secret)),
        (None, Some(_)) => Err(half(id)),
        (Some(key_id), Some(secret)) => {
            let security_token = read(PASSED_TOKEN)?;
            let key = AccessKey { id: key_id.expose().to_owned(), secret, security_token };
            let place = format!("systemd credential {}", directory.join(id).display());
            Ok(Some(Chosen::new(Step::Passed, Source::AccessKey(key), &place)))
        }
    }
}

fn oidc(environment: Environment<'_>) -> Result<Option<Chosen>, CredentialsError> {
    let value = |name: &str| value(environment, name);
    let (Some(file), Some(provider_arn), Some(arn)) = (value(OIDC_TOKEN_FILE), value(OIDC_PROVIDER), value(ROLE))
    else {
        return Ok(None);
    };
    let region = value("ALIBABA_CLOUD_STS_REGION");
    let sts = source::sts(None, region.as_deref(), is_true(environment, "ALIBABA_CLOUD_VPC_ENDPOINT_ENABLED"))
        .map_err(|problem| unusable("ALIBABA_CLOUD_STS_REGION", problem))?;
    let session_name = value("ALIBABA_CLOUD_ROLE_SESSION_NAME").unwrap_or_else(|| SESSION_NAME.to_owned());
    let role = Role { arn, session_name, seconds: None, external_id: None, policy: None, sts };
    let source = Source::Oidc { provider_arn, token_file: PathBuf::from(file), role };
    Ok(Some(Chosen::new(Step::Oidc, source, &format!("environment variable {OIDC_TOKEN_FILE}"))))
}

fn profile(settings: &Settings, environment: Environment<'_>) -> Result<Chosen, CredentialsError> {
    let asked_for = settings.profile.as_deref();
    let off = "ALIBABA_CLOUD_CLI_PROFILE_DISABLED";
    if asked_for.is_none() && is_true(environment, off) {
        return Err(ProfileError::Ignored { variable: off }.into());
    }
    let load = |path: &Path, step: Step| -> Result<Chosen, CredentialsError> {
        let found = profile::load(path, asked_for, environment)?;
        let place = format!("profile {} in {}", found.name, path.display());
        Ok(Chosen::new(if asked_for.is_some() { Step::Named } else { step }, found.source, &place))
    };
    let absent = match config_file(settings, environment).map(|path| load(&path, Step::Profile)) {
        None => CredentialsError::Nowhere,
        Some(Err(CredentialsError::Profile(missing @ ProfileError::Missing { .. }))) => missing.into(),
        Some(found) => return found,
    };
    match passed(environment).map(|directory| load(&directory.join(PASSED_PROFILES), Step::PassedProfile)) {
        None | Some(Err(CredentialsError::Profile(ProfileError::Missing { .. }))) => Err(absent),
        Some(found) => found,
    }
}
