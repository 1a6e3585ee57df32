//! Saved logins from outside of their keepers: where they are, with which key they are encrypted, and their end.

use std::path::PathBuf;
use std::sync::Arc;

use crate::alibaba::settings::Settings as AlibabaSettings;
use crate::auth::credential::Expected;
use crate::auth::revocation::RevocationEndpoint;
use crate::auth::sign_out::{SignOutError, sign_out};
use crate::auth::store::{Busy, KeyError, Protection, ResealError, SealKey, Store};
use crate::config::settings::{Auth, Settings};
use crate::daemon::Environment;
use crate::model::upstream::UpstreamName;
use crate::net::api_client::ApiClient;

/// The name of the systemd credential that holds the key.
const CREDENTIAL: &str = "token-key";

/// Where the login of one upstream is kept, and what is demanded of it.
#[derive(Debug, Clone)]
pub struct Kept {
    /// The upstream.
    pub upstream: UpstreamName,
    /// The vendor's settings for it.
    pub alibaba: AlibabaSettings,
    /// What the login must be for.
    pub expected: Expected,
    /// The place.
    pub store: Store,
}

/// A key is given and cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum GivenKeyError {
    /// The file of the configuration.
    #[error("login.key_file: {0}")]
    File(KeyError),
    /// The credential that systemd passed.
    #[error("the systemd credential {CREDENTIAL}: {0}")]
    Credential(KeyError),
    /// There are two, and they differ.
    #[error(
        "two different keys are given: login.key_file {} (key {file}) and the systemd credential {CREDENTIAL} (key \
         {credential}). Take away the one that the saved logins are not encrypted with; mcp-proxy status names their key",
        path.display()
    )]
    Two {
        /// The file.
        path: PathBuf,
        /// The id of its key.
        file: String,
        /// The id of the credential's key.
        credential: String,
    },
}

/// The key for saved logins: of `login.key_file`, else the systemd credential; `None` if neither is given.
///
/// # Errors
/// When a key is given and cannot be used: a login must not be saved as plain text because of a slip.
pub fn key(settings: &Settings, environment: &Environment) -> Result<Option<Arc<SealKey>>, GivenKeyError> {
    let file =
        settings.key_file.as_ref().map(|path| Ok((path, SealKey::read_file(path).map_err(GivenKeyError::File)?)));
    let file = file.transpose()?;
    let directory = environment.get("CREDENTIALS_DIRECTORY").filter(|directory| directory.starts_with('/'));
    let passed = directory.map(|directory| PathBuf::from(directory).join(CREDENTIAL)).filter(|path| path.exists());
    let passed = passed.map(|path| SealKey::read_credential(&path).map_err(GivenKeyError::Credential)).transpose()?;
    match (file, passed) {
        (Some((path, file)), Some(passed)) if file.id() != passed.id() => Err(GivenKeyError::Two {
            path: path.clone(),
            file: file.id().to_owned(),
            credential: passed.id().to_owned(),
        }),
        (file, passed) => Ok(file.map(|(_, key)| key).or(passed).map(Arc::new)),
    }
}

/// The saved logins of those upstreams that have one, in their order, encrypted with `key`.
pub fn kept(settings: &Settings, key: Option<Arc<SealKey>>) -> Vec<Kept> {
    let of = |upstream: &crate::config::settings::Upstream| {
        let Auth::AlibabaOauth(alibaba) = &upstream.auth else { return None };
        let (expected, name) = (expected(alibaba), upstream.proxy.name.clone());
        let store = Store::new(&settings.state_dir, &name, &expected.site, &expected.client_name);
        let alibaba = AlibabaSettings::clone(alibaba);
        Some(Kept { upstream: name, alibaba, expected, store: store.sealed_with(key.clone()) })
    };
    settings.upstreams.iter().filter_map(of).collect()
}

/// How the change to another key ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rotated {
    /// The login is encrypted with the new key.
    Done,
    /// It was before.
    Already,
    /// There is no login.
    Nothing,
}

/// Why a saved login was not encrypted with the new key; it is as it was.
#[derive(Debug, thiserror::Error)]
pub enum RotateError {
    /// It is in use.
    #[error(transparent)]
    Busy(#[from] Busy),
    /// It cannot be read or written.
    #[error(transparent)]
    Reseal(#[from] ResealError),
}

impl Kept {
    /// Encrypts the login with `key`; safe to interrupt and to repeat.
    ///
    /// # Errors
    /// When it is in use, or cannot be read or written.
    pub async fn rotate(&self, key: Arc<SealKey>) -> Result<Rotated, RotateError> {
        let _lock = self.store.lock().await?;
        if self.store.protection() == Some(Protection::Sealed { key_id: key.id().to_owned() }) {
            return Ok(Rotated::Already);
        }
        let target = self.store.clone().sealed_with(Some(key));
        Ok(if self.store.reseal_as(&target)? { Rotated::Done } else { Rotated::Nothing })
    }

    /// Removes the login, after it was revoked with `revoke`; answers false if there was none.
    ///
    /// # Errors
    /// When it is there still; with `revoke` also when the server did not revoke it.
    pub async fn remove(&self, revoke: Option<&ApiClient>) -> Result<bool, SignOutError> {
        let endpoint = revoke.map(|api| self.revocation(api));
        sign_out(&self.store, None, endpoint.as_ref()).await
    }

    /// Where the grant is ended at the server.
    pub(super) fn revocation(&self, api: &ApiClient) -> RevocationEndpoint {
        RevocationEndpoint::new(api.clone(), self.alibaba.endpoints.revocation())
    }
}

/// What the settings demand of a saved login.
fn expected(alibaba: &AlibabaSettings) -> Expected {
    Expected {
        site: alibaba.site.to_string(),
        token_endpoint: alibaba.endpoints.oauth.to_string(),
        client_name: alibaba.app_name().to_owned(),
        scope: alibaba.scope.clone(),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::path::Path;

    use super::*;
    use crate::config::{self, Inputs};

    fn settings(directory: &Path, key_file: Option<&Path>) -> Settings {
        let main_file = directory.join("mcp-proxy.toml");
        let key = key_file.map(|path| format!("[login]\nkey_file = {path:?}")).unwrap_or_default();
        std::fs::write(&main_file, format!("state_dir = {directory:?}\n{key}\n")).unwrap();
        config::load(&Inputs { main_file, ..Inputs::default() }).unwrap().settings
    }

    fn passed(directory: &Path) -> Environment {
        Arc::new(BTreeMap::from([("CREDENTIALS_DIRECTORY".to_owned(), directory.display().to_string())]))
    }

    #[test]
    fn the_key_comes_from_the_file_or_from_systemd_and_never_from_both() {
        let directory = tempfile::tempdir().unwrap();
        let (here, nothing) = (directory.path(), Environment::default());
        let file = here.join("key");
        let id = |result: Result<Option<Arc<SealKey>>, GivenKeyError>| result.unwrap().map(|key| key.id().to_owned());
        assert_eq!(id(key(&settings(here, None), &nothing)), None);
        assert_eq!(id(key(&settings(here, None), &passed(here))), None, "other credentials may be passed");
        let error = key(&settings(here, Some(&file)), &nothing).unwrap_err().to_string();
        assert!(error.starts_with("login.key_file: ") && error.contains("mcp-proxy key generate"), "{error}");
        let first = SealKey::create_file(&file).unwrap().id().to_owned();
        assert_eq!(id(key(&settings(here, Some(&file)), &nothing)), Some(first.clone()));
        let second = SealKey::create_file(&here.join(CREDENTIAL)).unwrap().id().to_owned();
        assert_eq!(id(key(&settings(here, None), &passed(here))), Some(second.clone()));
        let error = key(&settings(here, Some(&file)), &passed(here)).unwrap_err().to_string();
        assert!(error.contains(&first) && error.contains(&second), "{error}");
        std::fs::copy(&file, here.join(CREDENTIAL)).unwrap();
        assert_eq!(id(key(&settings(here, Some(&file)), &passed(here))), Some(first));
        std::fs::write(here.join(CREDENTIAL), "x").unwrap();
        let error = key(&settings(here, None), &passed(here)).unwrap_err().to_string();
        assert!(error.starts_with("the systemd credential token-key: "), "{error}");
    }
}
