//! The aliyun CLI's configuration file: which profile is meant; `mode` says where its credentials come from.
//!
//! The file belongs to the aliyun CLI; it is read and never written.

pub mod credentials_file;
mod mode;

use std::io;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use zeroize::Zeroizing;

pub(crate) use self::mode::{PREFIXES, is_true, uri};
use self::mode::{RawProfile, Reader};
use crate::alibaba::credentials::source::Source;

/// The environment as a value: what a variable is set to, if it is.
pub type Environment<'a> = &'a dyn Fn(&str) -> Option<String>;

/// Variables that name a profile; the first one that is set counts.
const PROFILE_VARIABLES: [&str; 3] = ["ALIBABACLOUD_PROFILE", "ALIBABA_CLOUD_PROFILE", "ALICLOUD_PROFILE"];

/// Variables that forbid the use of the file.
const IGNORE_VARIABLES: [&str; 2] = ["ALIBABA_CLOUD_IGNORE_PROFILE", "ALIBABACLOUD_IGNORE_PROFILE"];

/// A profile, as far as API credentials go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Profile {
    /// The profile's name.
    pub name: String,
    /// Where its credentials come from.
    pub source: Source,
}

/// Why no profile can be used.
#[derive(Debug, thiserror::Error)]
pub enum ProfileError {
    /// The environment forbids the file.
    #[error(
        "the aliyun CLI's profiles are switched off by {variable}. Unset it, name a profile with --profile, \
         or set ALIBABA_CLOUD_ACCESS_KEY_ID and ALIBABA_CLOUD_ACCESS_KEY_SECRET"
    )]
    Ignored {
        /// The variable that says so.
        variable: &'static str,
    },
    /// There is no such file.
    #[error(
        "the aliyun CLI's configuration {} does not exist. Run `aliyun configure`, \
         or set ALIBABA_CLOUD_ACCESS_KEY_ID and ALIBABA_CLOUD_ACCESS_KEY_SECRET", path.display()
    )]
    Missing {
        /// The file.
        path: PathBuf,
    },
    /// The file is there but cannot be read.
    #[error("cannot read {}: {reason}. Make it readable for this user, or name another file", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// The system's words.
        reason: io::Error,
    },
    /// The file does not have the form of the aliyun CLI's configuration.
    #[error("{} is not a configuration of the aliyun CLI: {reason}. Run `aliyun configure` to write a new one", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What is wrong, with line and column; no content of the file.
        reason: String,
    },
    /// No profile is named anywhere.
    #[error("{} names no profile in `current`. Choose one with --profile; there are: {}", path.display(), list(known))]
    NoCurrent {
        /// The file.
        path: PathBuf,
        /// Names of the profiles in it.
        known: Vec<String>,
    },
    /// The profile that is asked for is not in the file.
    #[error(
        "there is no profile {name:?} (named by {named_by}) in {}. There are: {}. \
         Choose one of them, or run `aliyun configure --profile {name}`", path.display(), list(known)
    )]
    Unknown {
        /// The file.
        path: PathBuf,
        /// The name that was asked for.
        name: String,
        /// Who asked for it.
        named_by: String,
        /// Names of the profiles in the file.
        known: Vec<String>,
    },
    /// A mode that the aliyun CLI has and this program has not.
    #[error(
        "mode {mode} of profile {name} in {} is not supported: {why}. Use another one, for example RamRoleArn, \
         or set ALIBABA_CLOUD_ACCESS_KEY_ID and ALIBABA_CLOUD_ACCESS_KEY_SECRET", path.display()
    )]
    UnsupportedMode {
        /// The file.
        path: PathBuf,
        /// The profile.
        name: String,
        /// Its mode.
        mode: String,
        /// Why.
        why: &'static str,
    },
    /// A mode that the aliyun CLI does not have either.
    #[error("`mode` of profile {name} in {} is {mode:?}, which is no mode of the aliyun CLI; for example AK or RamRoleArn are", path.display())]
    UnknownMode {
        /// The file.
        path: PathBuf,
        /// The profile.
        name: String,
        /// What is written there.
        mode: String,
    },
    /// A key that the mode needs is missing or empty.
    #[error("profile {name} in {} has no `{key}`. Run `aliyun configure --profile {name}` to set it", path.display())]
    MissingKey {
        /// The file.
        path: PathBuf,
        /// The profile.
        name: String,
        /// The key in the file.
        key: &'static str,
    },
    /// The value of a key cannot be used.
    #[error("`{key}` of profile {name} in {} cannot be used: {problem}", path.display())]
    BadValue {
        /// The file.
        path: PathBuf,
        /// The profile.
        name: String,
        /// The key in the file.
        key: &'static str,
        /// What is wrong with it, without its text.
        problem: String,
    },
    /// The credentials file of the SDKs cannot be used.
    #[error("the credentials file {} cannot be used: {problem}", path.display())]
    Shared {
        /// The file.
        path: PathBuf,
        /// Where in it, what is wrong, and what to do; without its text.
        problem: String,
    },
    /// Profiles that name each other as their source.
    #[error(
        "the profiles {} in {} name each other in a circle as their `source_profile`. Let the last of them have keys",
        names.join(", "), path.display()
    )]
    Circle {
        /// The file.
        path: PathBuf,
        /// The profiles, in order.
        names: Vec<String>,
    },
}

/// The variable that forbids the use of the file, if one does.
pub fn ignored_by(environment: Environment<'_>) -> Option<&'static str> {
    let forbids = |name: &&str| environment(name).is_some_and(|value| value.trim().eq_ignore_ascii_case("true"));
    IGNORE_VARIABLES.into_iter().find(forbids)
}

/// Reads the profile that is meant: `asked_for` (`--profile`), else the environment's, else the file's `current`.
///
/// # Errors
/// Each says which file, profile and key it is about, and what to do.
pub fn load(path: &Path, asked_for: Option<&str>, environment: Environment<'_>) -> Result<Profile, ProfileError> {
    if let (None, Some(variable)) = (asked_for, ignored_by(environment)) {
        return Err(ProfileError::Ignored { variable });
    }
    let file = read(path)?;
    let mut profiles = file.profiles.unwrap_or_default();
    let known: Vec<String> = profiles.iter().filter_map(|profile| profile.name.clone()).collect();
    let current = file.current.filter(|name| !name.is_empty()).map(|name| (name, "`current`".to_owned()));
    let Some((name, named_by)) = named(asked_for, environment).or(current) else {
        return Err(ProfileError::NoCurrent { path: path.to_owned(), known });
    };
    if let Some(meant) = profiles.iter_mut().find(|profile| profile.name.as_deref() == Some(&name)) {
        meant.fill(environment);
    }
    let source = Reader { path, profiles: &profiles, environment }.source(&name, &named_by, &[])?;
    Ok(Profile { name, source })
}

fn named(asked_for: Option<&str>, environment: Environment<'_>) -> Option<(String, String)> {
    let asked_for = asked_for.map(|name| (name.to_owned(), "--profile".to_owned()));
    let from = |variable: &str| Some((environment(variable).filter(|name| !name.is_empty())?, variable.to_owned()));
    asked_for.or_else(|| PROFILE_VARIABLES.into_iter().find_map(from))
}

fn list(names: &[String]) -> String {
    if names.is_empty() { "none".to_owned() } else { names.join(", ") }
}

/// The text of a file; `None` if there is none.
fn text_of(path: &Path) -> Result<Option<Zeroizing<String>>, ProfileError> {
    match std::fs::read_to_string(path) {
        Ok(text) => Ok(Some(Zeroizing::new(text))),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(reason) => Err(ProfileError::Unreadable { path: path.to_owned(), reason }),
    }
}

fn read(path: &Path) -> Result<RawFile, ProfileError> {
    let path = || path.to_owned();
    let text = text_of(&path())?.ok_or_else(|| ProfileError::Missing { path: path() })?;
    // The parser's own words may quote a value of the file, which may be a secret: only the place is told.
    serde_json::from_str(&text).map_err(|error| {
        let what = match error.classify() {
            serde_json::error::Category::Data => "a value of the wrong kind",
            serde_json::error::Category::Eof => "the file ends too early",
            serde_json::error::Category::Io | serde_json::error::Category::Syntax => "not JSON",
        };
        let reason = format!("{what} at line {}, column {}", error.line(), error.column());
        ProfileError::Malformed { path: path(), reason }
    })
}

/// The file as the aliyun CLI writes it; what is not needed is passed over.
///
/// As for the CLI, `null` is the same as nothing.
#[derive(Deserialize)]
struct RawFile {
    #[serde(default)]
    current: Option<String>,
    #[serde(default)]
    profiles: Option<Vec<RawProfile>>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alibaba::credentials::source::{AccessKey, Bearer};
    use crate::model::secret::Secret;

    const FILE: &str = r#"{"current":"default","meta_path":"","profiles":[
        {"name":"default","mode":"AK","access_key_id":"LTAI1","access_key_secret":"s1","sts_token":"stale","region_id":"cn-hangzhou"},
        {"name":"sts","mode":"ststoken","access_key_id":"STS.1","access_key_secret":"s2","sts_token":"CAIS"},
        {"name":"guess","access_key_id":"LTAI3","access_key_secret":"s3\n"},
        {"name":"guess-role","access_key_id":"LTAI3","access_key_secret":"s3","ram_role_arn":"acs:ram::1:role/r"},
        {"name":"keyless","mode":"AK"},
        {"name":"half","mode":"AK","access_key_id":"LTAI4"},
        {"name":"half-sts","mode":"StsToken","access_key_id":"STS.4","access_key_secret":"s4"},
        {"name":"role","mode":"RamRoleArn","access_key_id":"LTAI5","access_key_secret":"s5"},
        {"name":"pair","mode":"RsaKeyPair"},
        {"name":"nobody","mode":"Anonymous"},
        {"name":"bearer","bearer_token":"b1"},
        {"name":"bearerless","mode":"BearerToken"},
        {"name":"header","mode":"BearerToken","bearer_token":"b","bearer_token_header_key":"x-acs-date"},
        {"name":"left","mode":"ChainableRamRoleArn","source_profile":"right","ram_role_arn":"acs:ram::1:role/r"},
        {"name":"right","mode":"ChainableRamRoleArn","source_profile":"left","ram_role_arn":"acs:ram::1:role/r"},
        {"name":"words","mode":"External","process_command":"say 'hello"},
        {"name":"far","mode":"CredentialsURI","credentials_uri":"http://keys.example/hunter2"},
        {"name":"odd","mode":"Telepathy"}]}"#;

    fn file(text: &str) -> tempfile::NamedTempFile {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), text).unwrap();
        file
    }

    fn with<'a>(variables: &'a [(&'a str, &'a str)]) -> impl Fn(&str) -> Option<String> + 'a {
        |name| variables.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned())
    }

    #[test]
    fn the_profile_is_chosen_as_the_aliyun_cli_chooses_it() {
        let file = file(FILE);
        let all = [("ALIBABACLOUD_PROFILE", "a"), ("ALIBABA_CLOUD_PROFILE", "b"), ("ALICLOUD_PROFILE", "c")];
        let chosen = |asked_for, variables| match load(file.path(), asked_for, &with(variables)) {
            Ok(profile) => profile.name,
            Err(ProfileError::Unknown { name, .. }) => name,
            Err(other) => panic!("{other}"),
        };
        assert_eq!(chosen(None, &[]), "default");
        assert_eq!(chosen(None, &[("ALIBABA_CLOUD_PROFILE", "")]), "default");
        assert_eq!(chosen(Some("sts"), &all), "sts");
        assert_eq!(chosen(None, &all), "a");
        assert_eq!(chosen(None, &all[1..]), "b");
        assert_eq!(chosen(None, &all[2..]), "c");
    }

    #[test]
    fn both_supported_modes_are_read() {
        let file = file(FILE);
        let read = |name| load(file.path(), Some(name), &with(&[])).unwrap();
        let expected = |name: &str, id: &str, secret: &str, token: Option<&str>| Profile {
            name: name.to_owned(),
            source: Source::AccessKey(AccessKey {
                id: id.to_owned(),
                secret: Secret::new(secret),
                security_token: token.map(Secret::new),
            }),
        };
        assert_eq!(read("default"), expected("default", "LTAI1", "s1", None));
        assert_eq!(read("sts"), expected("sts", "STS.1", "s2", Some("CAIS")));
        assert_eq!(read("guess"), expected("guess", "LTAI3", "s3", None));
    }

    #[test]
    fn the_environment_fills_what_a_profile_leaves_empty_and_nothing_else() {
        let file = file(FILE);
        let read = |name, variables: &[(&str, &str)]| load(file.path(), Some(name), &with(variables)).map(|p| p.source);
        let bearer = |token: &str, header| Source::Bearer(Bearer::new(Secret::new(token), header).unwrap());
        assert_eq!(read("bearer", &[]).unwrap(), bearer("b1", None));
        let variables = [("ALIBABA_CLOUD_BEARER_TOKEN", "b2"), ("ALIBABA_CLOUD_BEARER_TOKEN_HEADER_KEY", "X-Own")];
        assert_eq!(read("bearer", &variables).unwrap(), bearer("b1", Some("x-own")));
        assert_eq!(read("bearerless", &variables).unwrap(), bearer("b2", Some("x-own")));
        // A key is taken whole, by the first prefix that has both parts, and never mixed.
        let variables = [
            ("ALIBABA_CLOUD_ACCESS_KEY_ID", "LTAI-half"),
            ("ALIBABACLOUD_ACCESS_KEY_ID", "LTAI-env"),
            ("ALIBABACLOUD_ACCESS_KEY_SECRET", " s\n"),
            ("ALICLOUD_ACCESS_KEY_ID", "LTAI-later"),
            ("ALICLOUD_ACCESS_KEY_SECRET", "later"),
        ];
        let key = |id: &str, secret: &str| {
            Source::AccessKey(AccessKey { id: id.to_owned(), secret: Secret::new(secret), security_token: None })
        };
        assert_eq!(read("keyless", &variables).unwrap(), key("LTAI-env", "s"));
        assert_eq!(read("default", &variables).unwrap(), key("LTAI1", "s1"));
        assert!(matches!(read("half", &variables), Err(ProfileError::MissingKey { key: "access_key_secret", .. })));
    }

    #[test]
    fn every_failure_names_file_and_key_and_a_way_out() {
        let good = file(FILE);
        let says = |path: &Path, asked_for, variables| {
            let text = load(path, asked_for, &with(variables)).unwrap_err().to_string();
            assert!(text.contains(&path.display().to_string()) || text.contains("IGNORE_PROFILE"), "{text}");
            text
        };
        for (name, parts) in [
            ("nope", &["no profile \"nope\" (named by --profile)", "default, sts, guess", "aliyun configure"][..]),
            ("half", &["profile half", "no `access_key_secret`", "aliyun configure --profile half"]),
            ("half-sts", &["no `sts_token`"]),
            ("role", &["profile role", "no `ram_role_arn`"]),
            (
                "pair",
                &[
                    "mode RsaKeyPair of profile pair",
                    "not supported: its vendor has retired it",
                    "ALIBABA_CLOUD_ACCESS_KEY_ID",
                ],
            ),
            ("nobody", &["mode Anonymous of profile nobody", "nobody's identity", "RamRoleArn"]),
            ("bearerless", &["profile bearerless", "no `bearer_token`"]),
            ("header", &["`bearer_token_header_key` of profile header", "leave it empty"]),
            ("left", &["profiles left, right, left", "circle"]),
            ("words", &["`process_command` of profile words", "quotation mark"]),
            ("far", &["`credentials_uri` of profile far", "unencrypted"]),
            ("odd", &["`mode` of profile odd", "Telepathy"]),
        ] {
            let text = says(good.path(), Some(name), &[]);
            assert!(parts.iter().all(|part| text.contains(part)), "{text}");
        }
        let text = says(good.path(), None, &[("ALICLOUD_PROFILE", "x")]);
        assert!(text.contains("named by ALICLOUD_PROFILE"), "{text}");
        let text = says(Path::new("/nonexistent/config.json"), None, &[]);
        assert!(text.contains("does not exist") && text.contains("aliyun configure"), "{text}");
        let text = says(Path::new("/proc/self"), None, &[]);
        assert!(text.contains("cannot read"), "{text}");
        let text = says(good.path(), None, &[("ALIBABA_CLOUD_IGNORE_PROFILE", "TRUE")]);
        assert!(text.contains("switched off by ALIBABA_CLOUD_IGNORE_PROFILE"), "{text}");
        let text = says(file(r#"{"profiles":[]}"#).path(), None, &[]);
        assert!(text.contains("names no profile in `current`") && text.contains("there are: none"), "{text}");
    }

    #[test]
    fn a_malformed_file_is_located_without_quoting_it() {
        for (text, what) in [
            ("{\"current\":\"x\",\n \"profiles\":\"sekrit\"}", "a value of the wrong kind at line 2"),
            ("{\"current\":\"sekrit", "the file ends too early at line 1"),
            ("sekrit", "not JSON at line 1"),
        ] {
            let file = file(text);
            let says = load(file.path(), None, &with(&[])).unwrap_err().to_string();
            assert!(says.contains(what) && !says.contains("sekrit"), "{says}");
        }
    }

    #[test]
    fn an_explicit_profile_is_used_even_when_profiles_are_switched_off() {
        let file = file(FILE);
        let off = [("ALIBABACLOUD_IGNORE_PROFILE", "true")];
        assert!(load(file.path(), Some("sts"), &with(&off)).is_ok());
        assert!(load(file.path(), None, &with(&off)).is_err());
    }
}
