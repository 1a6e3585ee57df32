//! The login that `aliyun mcp-proxy` saved: `.mcpproxy_config`, beside the aliyun CLI's configuration.
//!
//! The file belongs to the aliyun CLI; it is read and never written.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Deserialize;

use crate::alibaba::lenient;
use crate::model::secret::Secret;
use crate::model::time::Wall;

/// The name of the file.
const NAME: &str = ".mcpproxy_config";

/// A login of `aliyun mcp-proxy`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PeerLogin {
    /// The OAuth application's name.
    pub app_name: String,
    /// Its client id.
    pub app_id: String,
    /// The site, such as `CN`.
    pub site: String,
    /// The access token.
    pub access_token: Secret,
    /// The refresh token.
    pub refresh_token: Secret,
    /// The life of an access token.
    pub access_validity: Option<Duration>,
    /// When the access token ends.
    pub access_expires: Option<Wall>,
    /// When the refresh token ends.
    pub refresh_expires: Option<Wall>,
}

/// Why there is no login to take over.
#[derive(Debug, thiserror::Error)]
pub enum PeerLoginError {
    /// There is no such file.
    #[error("there is no login of `aliyun mcp-proxy`: {} does not exist. Name another file, or sign in with: mcp-proxy login", path.display())]
    Missing {
        /// The file.
        path: PathBuf,
    },
    /// The file cannot be read.
    #[error("cannot read {}: {source}. Make it readable for this user, or name another file", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
    /// It is something else.
    #[error("{} is not a login of `aliyun mcp-proxy`: {reason}. Name another file, or sign in with: mcp-proxy login", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What is wrong with it; no content of the file.
        reason: String,
    },
}

#[derive(Deserialize)]
struct Raw {
    #[serde(default, rename = "mcp_oauth_app_name", deserialize_with = "lenient::text")]
    app_name: Option<String>,
    #[serde(default, rename = "mcp_oauth_app_id", deserialize_with = "lenient::text")]
    app_id: Option<String>,
    #[serde(default, rename = "mcp_oauth_site_type", deserialize_with = "lenient::text")]
    site: Option<String>,
    #[serde(default, rename = "mcp_oauth_access_token")]
    access_token: String,
    #[serde(default, rename = "mcp_oauth_refresh_token")]
    refresh_token: String,
    #[serde(default, rename = "mcp_oauth_access_token_validity", deserialize_with = "lenient::seconds")]
    access_validity: Option<Duration>,
    #[serde(default, rename = "mcp_oauth_access_token_expire", deserialize_with = "lenient::count")]
    access_expires: Option<u64>,
    #[serde(default, rename = "mcp_oauth_refresh_token_expire", deserialize_with = "lenient::count")]
    refresh_expires: Option<u64>,
}

/// Where the file is, beside the aliyun CLI's configuration.
pub fn beside(aliyun_config_file: &Path) -> PathBuf {
    aliyun_config_file.with_file_name(NAME)
}

/// Reads the file.
///
/// # Errors
/// When it is not there, cannot be read, or lacks a part of a login.
pub fn read(path: &Path) -> Result<PeerLogin, PeerLoginError> {
    match std::fs::read_to_string(path) {
        Ok(text) => {
            parse(&Secret::new(text)).map_err(|reason| PeerLoginError::Malformed { path: path.to_owned(), reason })
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Err(PeerLoginError::Missing { path: path.to_owned() }),
        Err(source) => Err(PeerLoginError::Unreadable { path: path.to_owned(), source }),
    }
}

fn parse(text: &Secret) -> Result<PeerLogin, String> {
    // The parser's own words may quote a value, which may be a secret: only the place is told.
    let raw: Raw = serde_json::from_str(text.expose())
        .map_err(|error| format!("it cannot be read at line {}, column {}", error.line(), error.column()))?;
    let tokens = [raw.access_token, raw.refresh_token].map(Secret::new);
    let [access_token, refresh_token] = tokens.map(|token| Some(token).filter(|token| !token.is_empty()));
    let missing = [
        ("mcp_oauth_app_name", raw.app_name.is_none()),
        ("mcp_oauth_app_id", raw.app_id.is_none()),
        ("mcp_oauth_site_type", raw.site.is_none()),
        ("mcp_oauth_access_token", access_token.is_none()),
        ("mcp_oauth_refresh_token", refresh_token.is_none()),
    ];
    let (Some(app_name), Some(app_id), Some(site), Some(access_token), Some(refresh_token)) =
        (raw.app_name, raw.app_id, raw.site, access_token, refresh_token)
    else {
        let names: Vec<_> = missing.into_iter().filter(|(_, missing)| *missing).map(|(name, _)| name).collect();
        return Err(format!("it has no {}", names.join(", no ")));
    };
    let end = |seconds: Option<u64>| {
        let seconds = i64::try_from(seconds?).ok().filter(|seconds| *seconds > 0)?;
        Some(Wall::from_unix_seconds(seconds))
    };
    Ok(PeerLogin {
        app_name,
        app_id,
        site,
        access_token,
        refresh_token,
        access_validity: raw.access_validity,
        access_expires: end(raw.access_expires),
        refresh_expires: end(raw.refresh_expires),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As `aliyun mcp-proxy` 3.4 writes it.
    const CAPTURED: &str = r#"{
	"name": "default-mcp",
	"mcp_oauth_app_name": "aliyun-cli-mcp-proxy",
	"mcp_oauth_app_id": "4567890123456789012",
	"mcp_oauth_site_type": "CN",
	"mcp_oauth_access_token": "FakeAccessToken02",
	"mcp_oauth_refresh_token": "FakeRefreshToken02",
	"mcp_oauth_access_token_validity": 10800,
	"mcp_oauth_access_token_expire": 1795391476,
	"mcp_oauth_refresh_token_validity": 31536000,
	"mcp_oauth_refresh_token_expire": 1826916675
}"#;

    #[test]
    fn a_captured_file_is_read() {
        let login = parse(&Secret::new(CAPTURED)).unwrap();
        assert_eq!((login.app_name.as_str(), login.site.as_str()), ("aliyun-cli-mcp-proxy", "CN"));
        assert_eq!(login.app_id, "4567890123456789012");
        assert_eq!(login.refresh_token, Secret::new("FakeRefreshToken02"));
        assert_eq!(login.access_validity, Some(Duration::from_secs(10_800)));
        assert_eq!(login.access_expires, Some(Wall::from_unix_seconds(1_795_391_476)));
        assert_eq!(login.refresh_expires, Some(Wall::from_unix_seconds(1_826_916_675)));
    }

    #[test]
    fn missing_parts_are_all_named_and_nothing_is_shown() {
        let error = parse(&Secret::new(r#"{"name":"x","mcp_oauth_app_name":"hunter2"}"#)).unwrap_err();
        assert_eq!(
            error,
            "it has no mcp_oauth_app_id, no mcp_oauth_site_type, no mcp_oauth_access_token, no mcp_oauth_refresh_token"
        );
        let without = CAPTURED.replace("FakeRefreshToken02", "");
        assert_eq!(parse(&Secret::new(without)).unwrap_err(), "it has no mcp_oauth_refresh_token");
        for text in ["", "[]", "{\"mcp_oauth_access_token\":7}", "{\"mcp_oauth_access_token\": hunter2}"] {
            let error = parse(&Secret::new(text)).unwrap_err();
            assert!(!error.contains("hunter2"), "{error}");
        }
    }

    #[test]
    fn it_lies_beside_the_configuration() {
        assert_eq!(beside(Path::new("/home/a/.aliyun/config.json")), Path::new("/home/a/.aliyun/.mcpproxy_config"));
        let missing = read(Path::new("/nowhere/.mcpproxy_config")).unwrap_err();
        assert!(missing.to_string().contains("/nowhere/.mcpproxy_config does not exist"), "{missing}");
    }
}
