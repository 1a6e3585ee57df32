//! What the vendor adapter can be told.

use std::path::PathBuf;

pub use crate::alibaba::boundary::parse as parse_boundary;
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

/// The scope of tokens that API credentials are exchanged for, when no other is named.
pub const DEFAULT_TOKEN_SCOPE: &str = "/internal/acs/openapi";

/// What is asked for when API credentials are exchanged for a token: legal values only.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccessTokenSettings {
    /// The OAuth client that the token is for.
    pub client_id: String,
    /// Its scope.
    pub scope: String,
    /// A RAM policy that takes permissions away from the token, as [`parse_boundary`] answers it.
    pub boundary: Option<String>,
    /// What the MCP gateway shall refuse to whoever has the token.
    pub safety: Safety,
}

/// What the MCP gateway shall refuse to whoever has a token; the default: nothing beyond the identity's permissions.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Safety {
    /// The rules, in the gateway's own words.
    pub rules: Option<String>,
    /// The only tools that may be called; empty: all.
    pub tools: Vec<String>,
}

impl AccessTokenSettings {
    /// What is asked for when nobody says otherwise.
    pub fn of(site: Site) -> Self {
        let (client_id, scope) = (site.openapi_client_id().to_owned(), DEFAULT_TOKEN_SCOPE.to_owned());
        Self { client_id, scope, boundary: None, safety: Safety::default() }
    }
}

/// Reads the id of an OAuth client: at most 64 letters, digits, `-` and `_`.
///
/// # Errors
/// A sentence that says what is wrong with it.
pub fn parse_client_id(text: &str) -> Result<String, String> {
    let legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    match text {
        "" => Err("the id of an OAuth client is not empty".to_owned()),
        _ if text.len() <= 64 && text.chars().all(legal) => Ok(text.to_owned()),
        _ => Err(format!("{text:?} cannot be the id of an OAuth client: it is a number such as 4071151845732613353")),
    }
}

/// Reads safety rules: `PATTERN=VERDICT`, separated by commas, such as `ecs:describe-*=allow,*=deny`; or a JSON object.
///
/// They are passed on as they are: which patterns and verdicts there are is for the gateway to say.
///
/// # Errors
/// A sentence that says what is wrong with it.
pub fn parse_safety_rules(text: &str) -> Result<String, String> {
    let word = |word: &str| !word.is_empty() && word.chars().all(|c| !c.is_whitespace() && !c.is_control());
    let is_rule = |rule: &str| rule.trim().split_once('=').is_some_and(|(left, right)| word(left) && word(right));
    let is_object = || serde_json::from_str::<serde_json::Map<String, serde_json::Value>>(text).is_ok();
    if text.split(',').all(is_rule) || is_object() {
        return Ok(text.to_owned());
    }
    Err(format!("{text:?} are no safety rules: write PATTERN=VERDICT, separated by commas"))
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
    fn client_ids() {
        assert!(parse_client_id(Site::Cn.openapi_client_id()).is_ok());
        for bad in ["", "a b", "1&x", &"1".repeat(65)] {
            assert!(parse_client_id(bad).unwrap_err().contains("id of an OAuth client"), "{bad}");
        }
    }

    #[test]
    fn safety_rules() {
        for good in ["ecs:describe-*=allow,*=deny", "*=deny", r#"{"rules":[]}"#] {
            assert_eq!(parse_safety_rules(good).as_deref(), Ok(good));
        }
        for bad in ["", "*", "=deny", "*=deny,", "a b=deny", "{", "[]"] {
            assert!(parse_safety_rules(bad).unwrap_err().contains("PATTERN=VERDICT"), "{bad}");
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
