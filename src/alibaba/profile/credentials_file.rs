//! The credentials file that the vendor's SDKs share: sections of `key = value`, of which one is meant.
//!
//! The file belongs to whoever wrote it; it is read and never written.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::alibaba::credentials::source::{self, AccessKey, Role, SESSION_NAME, Source};
use crate::alibaba::profile::{Environment, ProfileError, is_true, text_of};
use crate::model::secret::Secret;

/// The section that is meant where nobody names one.
const USUAL: &str = "default";
/// Names a section, as it names a profile of the aliyun CLI.
const SECTION: &str = "ALIBABA_CLOUD_PROFILE";
/// Names the file.
const FILE: &str = "ALIBABA_CLOUD_CREDENTIALS_FILE";
/// Where the file is below the home directory: one SDK looks for the first name, another for the second.
const NAMES: [&str; 2] = [".alibabacloud/credentials", ".alibabacloud/credentials.ini"];

/// The files that may hold the section, in the order in which they are looked at; only the first that is there counts.
pub fn places(environment: Environment<'_>) -> Vec<PathBuf> {
    let path = |name: &str| environment(name).map(PathBuf::from).filter(|path| path.is_absolute());
    match path(FILE) {
        Some(file) => vec![file],
        None => path("HOME").map_or_else(Vec::new, |home| NAMES.map(|name| home.join(name)).to_vec()),
    }
}

/// The section that is meant, and its name and file; `None` if there is no file, or no such section in it.
///
/// # Errors
/// Each says which file, section and key it is about, and what to do.
pub fn load(environment: Environment<'_>) -> Result<Option<(Source, String, PathBuf)>, ProfileError> {
    let name = environment(SECTION).filter(|name| !name.is_empty()).unwrap_or_else(|| USUAL.to_owned());
    for path in places(environment) {
        let Some(text) = text_of(&path)? else { continue };
        let Some(values) = section(&path, &text, &name)? else { return Ok(None) };
        let section = Section { path: &path, name: &name, values };
        return Ok(Some((section.source(environment)?, name, path)));
    }
    Ok(None)
}

type Values<'t> = BTreeMap<&'t str, &'t str>;

/// The values of the section `wanted`. Of a value, what follows a `#` is a comment.
fn section<'t>(path: &Path, text: &'t str, wanted: &str) -> Result<Option<Values<'t>>, ProfileError> {
    let mut found: Option<Values<'t>> = None;
    let mut here = false;
    for (number, line) in text.lines().enumerate() {
        let line = line.trim_start_matches('\u{feff}').trim();
        if line.is_empty() || line.starts_with(['#', ';']) {
            continue;
        }
        if let Some(name) = line.strip_prefix('[').and_then(|rest| rest.split(']').next()) {
            here = name.trim() == wanted;
            if here {
                found.get_or_insert_default();
            }
            continue;
        }
        // No content of the line is told: it may be a secret.
        let Some((key, value)) = line.split_once(['=', ':']) else {
            let problem = format!("line {} is neither [section] nor `key = value`. Mend it", number + 1);
            return Err(ProfileError::Shared { path: path.to_owned(), problem });
        };
        if let (true, Some(values)) = (here, &mut found) {
            values.insert(key.trim(), value.split('#').next().unwrap_or_default().trim());
        }
    }
    Ok(found)
}

/// One section, with its name and file for errors.
struct Section<'a> {
    path: &'a Path,
    name: &'a str,
    values: Values<'a>,
}

impl Section<'_> {
    fn source(&self, environment: Environment<'_>) -> Result<Source, ProfileError> {
        Ok(match self.required("type")? {
            "access_key" => Source::AccessKey(self.key()?),
            "ram_role_arn" => {
                Source::Role { by: Box::new(Source::AccessKey(self.key()?)), role: self.role(environment)? }
            }
            "oidc_role_arn" => Source::Oidc {
                provider_arn: self.required("oidc_provider_arn")?.to_owned(),
                token_file: PathBuf::from(self.required("oidc_token_file_path")?),
                role: self.role(environment)?,
            },
            "ecs_ram_role" => Source::Machine {
                role: self.given("role_name").map(str::to_owned),
                without_token: !is_true(environment, "ALIBABA_CLOUD_IMDSV1_DISABLED"),
            },
            "rsa_key_pair" => {
                return Err(self.problem(
                    "type rsa_key_pair is not supported: its vendor has retired it, and does not describe how such a \
                     key pair gets keys. Use access_key or ram_role_arn",
                ));
            }
            _ => {
                return Err(self.problem(
                    "`type` is none that is known; write access_key, ram_role_arn, oidc_role_arn or ecs_ram_role",
                ));
            }
        })
    }

    fn key(&self) -> Result<AccessKey, ProfileError> {
        let id = self.required("access_key_id")?.to_owned();
        let secret = Secret::new(self.required("access_key_secret")?);
        Ok(AccessKey { id, secret, security_token: self.given("security_token").map(Secret::new) })
    }

    fn role(&self, environment: Environment<'_>) -> Result<Role, ProfileError> {
        let region = environment("ALIBABA_CLOUD_STS_REGION").filter(|region| !region.is_empty());
        let sts = source::sts(None, region.as_deref(), is_true(environment, "ALIBABA_CLOUD_VPC_ENDPOINT_ENABLED"))
            .map_err(|problem| self.problem(&format!("ALIBABA_CLOUD_STS_REGION: {problem}")))?;
        Ok(Role {
            arn: self.required("role_arn")?.to_owned(),
            session_name: self.given("role_session_name").unwrap_or(SESSION_NAME).to_owned(),
            seconds: None,
            external_id: None,
            policy: self.given("policy").map(str::to_owned),
            sts,
        })
    }

    fn given(&self, key: &str) -> Option<&str> {
        self.values.get(key).copied().filter(|value| !value.is_empty())
    }

    fn required(&self, key: &str) -> Result<&str, ProfileError> {
        self.given(key).ok_or_else(|| self.problem(&format!("`{key}` is missing. Add it")))
    }

    fn problem(&self, what: &str) -> ProfileError {
        ProfileError::Shared { path: self.path.to_owned(), problem: format!("section [{}]: {what}", self.name) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE_TEXT: &str = "# of the SDKs\n[default]\ntype = access_key # usual\naccess_key_id=LTAI1\naccess_key_secret : s=1\n\n\
        [role]\ntype=ram_role_arn\naccess_key_id=LTAI2\naccess_key_secret=s2\nrole_arn=acs:ram::1:role/r\n\
        [oidc]\ntype=oidc_role_arn\nrole_arn=acs:ram::1:role/r\noidc_provider_arn=p\noidc_token_file_path=/t\n\
        [vm]\ntype=ecs_ram_role\nrole_name=v\n[rsa]\ntype=rsa_key_pair\n[odd]\ntype=telepathy\n[none]\n\
        [half]\ntype=access_key\naccess_key_id=LTAI3\n";

    fn read(text: &str, name: &str) -> Result<Option<Source>, String> {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), text).unwrap();
        let path = file.path().to_str().unwrap().to_owned();
        let environment = |variable: &str| match variable {
            "ALIBABA_CLOUD_CREDENTIALS_FILE" => Some(path.clone()),
            "ALIBABA_CLOUD_PROFILE" => Some(name.to_owned()),
            _ => None,
        };
        match load(&environment) {
            Ok(found) => Ok(found.map(|(source, _, _)| source)),
            Err(error) => {
                let text = error.to_string();
                assert!(text.contains(&path), "{text}");
                Err(text)
            }
        }
    }

    #[test]
    fn every_type_is_read() {
        let key = |id: &str, secret: &str| {
            Source::AccessKey(AccessKey { id: id.to_owned(), secret: Secret::new(secret), security_token: None })
        };
        let of = |name| read(FILE_TEXT, name).unwrap();
        assert_eq!(of(""), Some(key("LTAI1", "s=1")));
        assert!(matches!(of("role"), Some(Source::Role { by, role }) if *by == key("LTAI2", "s2")
            && role.arn == "acs:ram::1:role/r" && role.session_name == SESSION_NAME));
        assert!(matches!(of("oidc"), Some(Source::Oidc { token_file, .. }) if token_file == Path::new("/t")));
        assert_eq!(of("vm"), Some(Source::Machine { role: Some("v".to_owned()), without_token: true }));
        assert_eq!(of("nobody"), None);
    }

    #[test]
    fn what_is_wrong_is_said_without_the_file_s_text() {
        for (name, says) in [
            ("rsa", "section [rsa]: type rsa_key_pair is not supported"),
            ("odd", "`type` is none that is known"),
            ("none", "`type` is missing"),
            ("half", "section [half]: `access_key_secret` is missing"),
        ] {
            let text = read(FILE_TEXT, name).unwrap_err();
            assert!(text.contains(says), "{text}");
        }
        let text = read("[default]\nhunter2\n", "").unwrap_err();
        assert!(text.contains("line 2 is neither") && !text.contains("hunter2"), "{text}");
    }

    #[test]
    fn the_file_is_the_named_one_or_one_of_the_home_directory() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().to_str().unwrap().to_owned();
        let environment = |variable: &str| (variable == "HOME").then(|| path.clone());
        assert!(load(&environment).unwrap().is_none());
        std::fs::create_dir(home.path().join(".alibabacloud")).unwrap();
        for (name, id) in NAMES.iter().rev().zip(["LTAI-ini", "LTAI-plain"]) {
            let text = format!("[default]\ntype=access_key\naccess_key_id={id}\naccess_key_secret=s\n");
            std::fs::write(home.path().join(name), text).unwrap();
            let (source, section, file) = load(&environment).unwrap().unwrap();
            assert!(matches!(source, Source::AccessKey(key) if key.id == id), "{name}");
            assert_eq!((section.as_str(), file), ("default", home.path().join(name)));
        }
    }
}
