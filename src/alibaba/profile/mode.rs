//! Where the credentials of a profile come from: its mode, and the keys that the mode reads.

use std::path::{Path, PathBuf};

use serde::Deserialize;
use url::{Host, Url};
use zeroize::Zeroizing;

use crate::alibaba::credentials::source::{self, AccessKey, Bearer, PersonsToken, Role, SESSION_NAME, Source};
use crate::alibaba::lenient;
use crate::alibaba::profile::{Environment, ProfileError};
use crate::alibaba::site::{Site, parse_origin};
use crate::model::secret::Secret;
use crate::model::time::Wall;

/// Modes of the aliyun CLI that have no place here, and why.
const UNSUPPORTED: [(&str, &str); 2] = [
    ("RsaKeyPair", "its vendor has retired it, and does not describe how such a key pair gets keys"),
    ("Anonymous", "it is nobody's identity, and every call that is needed is somebody's"),
];

/// With what the names of the environment's keys begin, for the aliyun CLI; the first that is set counts.
pub(crate) const PREFIXES: [&str; 3] = ["ALIBABA_CLOUD_", "ALIBABACLOUD_", "ALICLOUD_"];

/// Forbids the modes that let something else run or answer; the aliyun CLI obeys it as well.
const NO_PROCESS: &str = "ALIBABA_CLOUD_DISABLE_EXTERNAL_PROCESS";

/// A profile as it stands in the file. As for the CLI, `null` is the same as nothing.
#[derive(Deserialize, Default)]
#[serde(default)]
pub(super) struct RawProfile {
    pub(super) name: Option<String>,
    mode: Option<String>,
    access_key_id: Option<String>,
    access_key_secret: Zeroized,
    sts_token: Zeroized,
    #[serde(deserialize_with = "lenient::count")]
    sts_expiration: Option<u64>,
    ram_role_arn: Option<String>,
    ram_role_name: Option<String>,
    ram_session_name: Option<String>,
    role_session_name: Option<String>,
    #[serde(deserialize_with = "lenient::count")]
    expired_seconds: Option<u64>,
    external_id: Option<String>,
    policy: Option<String>,
    sts_region: Option<String>,
    sts_endpoint: Option<String>,
    #[serde(deserialize_with = "lenient::flag")]
    enable_vpc: Option<bool>,
    source_profile: Option<String>,
    oidc_provider_arn: Option<String>,
    oidc_token_file: Option<String>,
    credentials_uri: Zeroized,
    process_command: Option<String>,
    cloud_sso_sign_in_url: Option<String>,
    cloud_sso_account_id: Option<String>,
    cloud_sso_access_config: Option<String>,
    access_token: Zeroized,
    #[serde(deserialize_with = "lenient::count")]
    cloud_sso_access_token_expire: Option<u64>,
    oauth_site_type: Option<String>,
    oauth_access_token: Zeroized,
    #[serde(deserialize_with = "lenient::count")]
    oauth_access_token_expire: Option<u64>,
    bearer_token: Zeroized,
    bearer_token_header_key: Option<String>,
}

/// A secret as it is read; [`Secret`] itself stays free of any file format.
#[derive(Default)]
struct Zeroized(Zeroizing<String>);

impl<'de> Deserialize<'de> for Zeroized {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Option::<String>::deserialize(deserializer).map(|text| Self(Zeroizing::new(text.unwrap_or_default())))
    }
}

impl Zeroized {
    fn new(text: String) -> Self {
        Self(Zeroizing::new(text))
    }

    fn given(&self) -> Option<&str> {
        Some(self.0.trim()).filter(|text| !text.is_empty())
    }
}

fn given(value: &Option<String>) -> Option<&str> {
    value.as_deref().map(str::trim).filter(|text| !text.is_empty())
}

/// Reads the profiles of one file.
pub(super) struct Reader<'a> {
    pub(super) path: &'a Path,
    pub(super) profiles: &'a [RawProfile],
    pub(super) environment: Environment<'a>,
}

/// One profile of the file, with its name for errors.
struct One<'a> {
    raw: &'a RawProfile,
    path: &'a Path,
    name: &'a str,
}

impl Reader<'_> {
    /// The source of the profile `name`; `above`: the profiles that lead to it by `source_profile`.
    pub(super) fn source(&self, name: &str, named_by: &str, above: &[&str]) -> Result<Source, ProfileError> {
        let path = || self.path.to_owned();
        let chain: Vec<&str> = above.iter().copied().chain([name]).collect();
        if above.contains(&name) {
            return Err(ProfileError::Circle { path: path(), names: chain.into_iter().map(str::to_owned).collect() });
        }
        let Some(raw) = self.profiles.iter().find(|profile| profile.name.as_deref() == Some(name)) else {
            let known = self.profiles.iter().filter_map(|profile| profile.name.clone()).collect();
            let (name, named_by) = (name.to_owned(), named_by.to_owned());
            return Err(ProfileError::Unknown { path: path(), name, named_by, known });
        };
        let one = One { raw, path: self.path, name };
        let mode = given(&raw.mode).unwrap_or_else(|| raw.guess()).to_ascii_lowercase();
        Ok(match mode.as_str() {
            "ak" => Source::AccessKey(one.key(false)?),
            "ststoken" => Source::AccessKey(one.key(true)?),
            "bearertoken" => Source::Bearer(one.bearer()?),
            // A temporary key may assume a role as well.
            "ramrolearn" => one.role_by(Source::AccessKey(one.key(raw.sts_token.given().is_some())?))?,
            "chainableramrolearn" => {
                let source = one.required("source_profile", given(&raw.source_profile))?;
                one.role_by(self.source(source, &format!("`source_profile` of {name}"), &chain)?)?
            }
            "ecsramrole" => self.machine(raw),
            "ramrolearnwithrolename" => one.role_by(self.machine(raw))?,
            "oidc" => Source::Oidc {
                provider_arn: one.required("oidc_provider_arn", given(&raw.oidc_provider_arn))?.to_owned(),
                token_file: PathBuf::from(one.required("oidc_token_file", given(&raw.oidc_token_file))?),
                role: one.role()?,
            },
            "credentialsuri" => self.permitted(&one, "CredentialsURI").and_then(|()| one.uri())?,
            "external" => self.permitted(&one, "External").and_then(|()| one.command())?,
            "cloudsso" => one.stored_or(one.cloud_sso()?),
            "oauth" => one.stored_or(one.oauth()?),
            _ => return Err(one.no_mode(&mode)),
        })
    }

    fn machine(&self, raw: &RawProfile) -> Source {
        let without_token = !is_true(self.environment, "ALIBABA_CLOUD_IMDSV1_DISABLED");
        Source::Machine { role: given(&raw.ram_role_name).map(str::to_owned), without_token }
    }

    fn permitted(&self, one: &One<'_>, mode: &str) -> Result<(), ProfileError> {
        match is_true(self.environment, NO_PROCESS) {
            true => Err(one.bad("mode", format!("{NO_PROCESS} forbids {mode}. Unset it, or use another mode"))),
            false => Ok(()),
        }
    }
}

impl RawProfile {
    /// Takes from the environment what the profile leaves empty, as the aliyun CLI does. Of a key, all parts or none.
    pub(super) fn fill(&mut self, environment: Environment<'_>) {
        let value =
            |name: String| environment(&name).map(|text| text.trim().to_owned()).filter(|text| !text.is_empty());
        if given(&self.access_key_id).is_none() && self.access_key_secret.given().is_none() {
            for prefix in PREFIXES {
                let part = |name: &str| value(format!("{prefix}{name}"));
                if let (Some(id), Some(secret)) = (part("ACCESS_KEY_ID"), part("ACCESS_KEY_SECRET")) {
                    self.access_key_id = Some(id);
                    self.access_key_secret = Zeroized::new(secret);
                    self.sts_token = part("SECURITY_TOKEN").map(Zeroized::new).unwrap_or_default();
                    break;
                }
            }
        }
        for (field, name) in [
            (&mut self.ram_role_arn, "ROLE_ARN"),
            (&mut self.external_id, "EXTERNAL_ID"),
            (&mut self.sts_endpoint, "STS_ENDPOINT"),
            (&mut self.oidc_provider_arn, "OIDC_PROVIDER_ARN"),
            (&mut self.oidc_token_file, "OIDC_TOKEN_FILE"),
            (&mut self.bearer_token_header_key, "BEARER_TOKEN_HEADER_KEY"),
        ] {
            if given(field).is_none() {
                *field = value(format!("ALIBABA_CLOUD_{name}"));
            }
        }
        for (field, name) in [(&mut self.credentials_uri, "CREDENTIALS_URI"), (&mut self.bearer_token, "BEARER_TOKEN")]
        {
            if field.given().is_none() {
                *field = value(format!("ALIBABA_CLOUD_{name}")).map(Zeroized::new).unwrap_or_default();
            }
        }
    }

    /// The mode of a profile that names none, by the keys that are there; as the CLI guesses.
    fn guess(&self) -> &'static str {
        let has_key = given(&self.access_key_id).is_some() || self.access_key_secret.given().is_some();
        match () {
            () if has_key && given(&self.ram_role_arn).is_some() => "RamRoleArn",
            () if has_key && self.sts_token.given().is_some() => "StsToken",
            () if has_key => "AK",
            () if given(&self.ram_role_name).is_some() => "EcsRamRole",
            () if given(&self.process_command).is_some() => "External",
            () if given(&self.oidc_provider_arn).is_some() => "OIDC",
            () if given(&self.cloud_sso_sign_in_url).is_some() => "CloudSSO",
            () if self.bearer_token.given().is_some() => "BearerToken",
            () => "AK",
        }
    }
}

impl One<'_> {
    fn required<'v>(&self, key: &'static str, value: Option<&'v str>) -> Result<&'v str, ProfileError> {
        value.ok_or_else(|| ProfileError::MissingKey { path: self.path.to_owned(), name: self.name.to_owned(), key })
    }

    fn bad(&self, key: &'static str, problem: String) -> ProfileError {
        ProfileError::BadValue { path: self.path.to_owned(), name: self.name.to_owned(), key, problem }
    }

    fn no_mode(&self, mode: &str) -> ProfileError {
        let (path, name) = (self.path.to_owned(), self.name.to_owned());
        match UNSUPPORTED.into_iter().find(|(known, _)| known.eq_ignore_ascii_case(mode)) {
            Some((known, why)) => ProfileError::UnsupportedMode { path, name, mode: known.to_owned(), why },
            None => {
                let mode = given(&self.raw.mode).unwrap_or_default().to_owned();
                ProfileError::UnknownMode { path, name, mode }
            }
        }
    }

    fn key(&self, is_temporary: bool) -> Result<AccessKey, ProfileError> {
        let raw = self.raw;
        let id = self.required("access_key_id", given(&raw.access_key_id))?.to_owned();
        let secret = Secret::new(self.required("access_key_secret", raw.access_key_secret.given())?);
        let security_token = match is_temporary {
            true => Some(Secret::new(self.required("sts_token", raw.sts_token.given())?)),
            false => None,
        };
        Ok(AccessKey { id, secret, security_token })
    }

    fn bearer(&self) -> Result<Bearer, ProfileError> {
        let token = Secret::new(self.required("bearer_token", self.raw.bearer_token.given())?);
        Bearer::new(token, given(&self.raw.bearer_token_header_key))
            .map_err(|problem| self.bad("bearer_token_header_key", problem))
    }

    fn role(&self) -> Result<Role, ProfileError> {
        let raw = self.raw;
        let owned = |value: &Option<String>| given(value).map(str::to_owned);
        let (endpoint, region) = (given(&raw.sts_endpoint), given(&raw.sts_region));
        let sts = source::sts(endpoint, region, raw.enable_vpc == Some(true))
            .map_err(|problem| self.bad(if endpoint.is_some() { "sts_endpoint" } else { "sts_region" }, problem))?;
        Ok(Role {
            arn: self.required("ram_role_arn", given(&raw.ram_role_arn))?.to_owned(),
            session_name: owned(&raw.ram_session_name)
                .or_else(|| owned(&raw.role_session_name))
                .unwrap_or_else(|| SESSION_NAME.to_owned()),
            seconds: raw.expired_seconds.filter(|seconds| *seconds > 0),
            external_id: owned(&raw.external_id),
            policy: owned(&raw.policy),
            sts,
        })
    }

    fn role_by(&self, by: Source) -> Result<Source, ProfileError> {
        Ok(Source::Role { by: Box::new(by), role: self.role()? })
    }

    fn uri(&self) -> Result<Source, ProfileError> {
        let text = self.required("credentials_uri", self.raw.credentials_uri.given())?;
        uri(text).map_err(|problem| self.bad("credentials_uri", problem))
    }

    fn command(&self) -> Result<Source, ProfileError> {
        let text = self.required("process_command", given(&self.raw.process_command))?;
        match shlex::split(text) {
            Some(line) if !line.is_empty() => Ok(Source::Command(line)),
            _ => Err(self.bad("process_command", "a quotation mark is not closed, or nothing is there".to_owned())),
        }
    }

    fn cloud_sso(&self) -> Result<Source, ProfileError> {
        let raw = self.raw;
        let key = "cloud_sso_sign_in_url";
        let mut page = Url::parse(self.required(key, given(&raw.cloud_sso_sign_in_url))?)
            .map_err(|error| self.bad(key, error.to_string()))?;
        page.set_path("/");
        page.set_query(None);
        page.set_fragment(None);
        Ok(Source::CloudSso {
            portal: parse_origin(page.as_str()).map_err(|problem| self.bad(key, problem))?,
            account: self.required("cloud_sso_account_id", given(&raw.cloud_sso_account_id))?.to_owned(),
            configuration: self.required("cloud_sso_access_config", given(&raw.cloud_sso_access_config))?.to_owned(),
            token: self.persons_token("access_token", &raw.access_token, raw.cloud_sso_access_token_expire)?,
        })
    }

    fn oauth(&self) -> Result<Source, ProfileError> {
        let raw = self.raw;
        let site = given(&raw.oauth_site_type).unwrap_or("CN").to_ascii_uppercase();
        Ok(Source::OAuth {
            site: site.parse::<Site>().map_err(|error| self.bad("oauth_site_type", error.to_string()))?,
            token: self.persons_token("oauth_access_token", &raw.oauth_access_token, raw.oauth_access_token_expire)?,
        })
    }

    fn persons_token(
        &self,
        key: &'static str,
        token: &Zeroized,
        ends: Option<u64>,
    ) -> Result<PersonsToken, ProfileError> {
        Ok(PersonsToken {
            token: Secret::new(self.required(key, token.given())?),
            ends: ends.filter(|ends| *ends > 0).map(point),
            profile: self.name.to_owned(),
        })
    }

    /// The keys that the CLI wrote down, as long as they live.
    fn stored_or(&self, then: Source) -> Source {
        match (self.key(true), self.raw.sts_expiration) {
            (Ok(key), Some(ends)) => Source::Stored { key, ends: point(ends), then: Box::new(then) },
            _ => then,
        }
    }
}

fn point(unix_seconds: u64) -> Wall {
    Wall::from_unix_seconds(i64::try_from(unix_seconds).unwrap_or(i64::MAX))
}

/// True if a variable says so: `true` or `1`.
pub(crate) fn is_true(environment: Environment<'_>, name: &str) -> bool {
    environment(name).is_some_and(|value| value.trim().eq_ignore_ascii_case("true") || value.trim() == "1")
}

/// Reads a credentials URI: `https`, or `http` to this machine or its own network.
///
/// # Errors
/// What is wrong with it, without its text, which may hold a secret.
pub(crate) fn uri(text: &str) -> Result<Source, String> {
    let url = Url::parse(text).map_err(|error| format!("{error}. Write http://127.0.0.1:PORT/PATH"))?;
    let nearby = match url.host() {
        Some(Host::Ipv4(ip)) => ip.is_loopback() || ip.is_private() || ip.is_link_local(),
        Some(Host::Ipv6(ip)) => ip.is_loopback() || ip.is_unique_local() || ip.is_unicast_link_local(),
        Some(Host::Domain(name)) => name == "localhost",
        None => return Err("it names no host. Write http://127.0.0.1:PORT/PATH".to_owned()),
    };
    match url.scheme() {
        "https" => Ok(Source::Uri(Secret::new(url.as_str()))),
        "http" if nearby => Ok(Source::Uri(Secret::new(url.as_str()))),
        "http" => Err("keys would cross the network unencrypted. Write https://".to_owned()),
        other => Err(format!("the scheme {other:?} is unknown. Write http://127.0.0.1:PORT/PATH")),
    }
}
