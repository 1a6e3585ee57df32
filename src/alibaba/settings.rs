//! What the vendor adapter can be told.

use std::path::PathBuf;

use crate::alibaba::site::{Endpoints, Site};

/// Name of the OAuth application that is used, and created if missing, when no other is named.
///
/// It is the name the aliyun CLI uses, so that one application serves both programs.
pub const DEFAULT_APP_NAME: &str = "aliyun-cli-mcp-proxy";

/// The scope that the MCP gateway asks for.
pub const DEFAULT_SCOPE: &str = "/acs/mcp-server";

/// Settings of the vendor adapter: legal values only.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// Which cloud the account belongs to.
    pub site: Site,
    /// Where its services are.
    pub endpoints: Endpoints,
    /// An existing OAuth application, never created. `None` means [`DEFAULT_APP_NAME`], created if missing.
    pub oauth_app_name: Option<String>,
    /// The OAuth scope to ask for; the application must have it.
    pub scope: String,
    /// The aliyun CLI profile a person asked for by name.
    pub profile: Option<String>,
    /// The aliyun CLI's configuration, usually `~/.aliyun/config.json`. `None` if there is no home directory to
    /// look in: a system service may have none, and needs the file only if its environment holds no keys.
    pub aliyun_config_file: Option<PathBuf>,
}

impl Settings {
    /// The name of the application in use, given or default.
    pub fn app_name(&self) -> &str {
        self.oauth_app_name.as_deref().unwrap_or(DEFAULT_APP_NAME)
    }
}

/// Reads the name of an OAuth application: 1 to 64 letters, digits, `.`, `_` and `-`.
///
/// # Errors
/// A sentence that says what is wrong with it.
pub fn parse_app_name(text: &str) -> Result<String, String> {
    let legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    if !text.is_empty() && text.len() <= 64 && text.chars().all(legal) {
        Ok(text.to_owned())
    } else {
        Err(format!(
            "{text:?} cannot be the name of an OAuth application: \
             it has 1 to 64 letters, digits, '.', '_' and '-'"
        ))
    }
}

/// Reads a scope: one or more scope names, separated by single spaces (RFC 6749 §3.3).
///
/// # Errors
/// A sentence that says what is wrong with it.
pub fn parse_scope(text: &str) -> Result<String, String> {
    // `;` is legal in OAuth but separates values in the vendor's API.
    let legal = |c: char| c.is_ascii_graphic() && !matches!(c, '"' | '\\' | ';');
    if text.split(' ').all(|name| !name.is_empty() && name.chars().all(legal)) {
        Ok(text.to_owned())
    } else {
        Err(format!("{text:?} cannot be a scope: write names such as {DEFAULT_SCOPE}, separated by single spaces"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn application_names() {
        assert!(parse_app_name(DEFAULT_APP_NAME).is_ok() && parse_app_name(&"a".repeat(64)).is_ok());
        for bad in ["", "a b", "é", "a/b", &"a".repeat(65)] {
            assert!(parse_app_name(bad).unwrap_err().contains("64 letters"), "{bad}");
        }
    }

    #[test]
    fn scopes() {
        assert!(parse_scope(DEFAULT_SCOPE).is_ok() && parse_scope("openid /acs/mcp-server").is_ok());
        for bad in ["", " ", "a  b", "a;b", "a\"b", "a\nb"] {
            assert!(parse_scope(bad).unwrap_err().contains("single spaces"), "{bad:?}");
        }
    }
}
