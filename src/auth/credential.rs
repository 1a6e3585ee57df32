//! A login: the tokens a person was granted, and whose they are.

use std::time::Duration;

use crate::model::secret::Secret;
use crate::model::time::Wall;

/// What a login belongs to. A saved login whose binding differs from the configured one is not used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Binding {
    /// The authorization server's site, such as `CN`.
    pub site: String,
    /// The base URL of the token endpoint that issued the tokens.
    pub token_endpoint: String,
    /// The account the OAuth application belongs to, when known.
    pub account: Option<String>,
    /// The OAuth client id.
    pub client_id: String,
    /// The OAuth application's name.
    pub client_name: String,
    /// The scope that was asked for.
    pub scope: String,
}

impl Binding {
    /// True if `other` is for the same configuration, whatever the account: one login then follows the other.
    pub fn is_for_the_same(&self, other: &Self) -> bool {
        let configured = |binding: &Self| {
            let Self { site, token_endpoint, client_name, scope, account: _, client_id: _ } = binding.clone();
            (site, token_endpoint, client_name, scope)
        };
        configured(self) == configured(other)
    }
}

/// The tokens of a login.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grant {
    /// Grows by one with every token obtained; the larger number is the newer grant.
    pub serial: u64,
    /// The access token.
    pub access_token: Secret,
    /// The refresh token; without it the login ends with the access token.
    pub refresh_token: Option<Secret>,
    /// When the access token was asked for.
    pub obtained_at: Wall,
    /// When the access token ends; `None` when the server did not say.
    pub expires_at: Option<Wall>,
    /// When the refresh token ends, as far as known. Renewals do not move it.
    pub refresh_expires_at: Option<Wall>,
}

/// A login as it is saved: the tokens and whose they are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Credential {
    /// Whose they are.
    pub binding: Binding,
    /// The tokens.
    pub grant: Grant,
}

/// A successful answer of the token endpoint (RFC 6749 §5.1).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenAnswer {
    /// The access token.
    pub access_token: Secret,
    /// A new refresh token, if the server replaced it (RFC 6749 §6).
    pub refresh_token: Option<Secret>,
    /// How long the access token lives; `None` when the server said nothing usable.
    pub expires_in: Option<Duration>,
}

impl Grant {
    /// The grant after a renewal that was asked for at `asked_at`. An answer without a refresh token keeps the
    /// old one (RFC 6749 §6).
    #[must_use]
    pub fn renewed(&self, answer: TokenAnswer, asked_at: Wall) -> Self {
        Self {
            serial: self.serial.saturating_add(1),
            access_token: answer.access_token,
            refresh_token: answer.refresh_token.or_else(|| self.refresh_token.clone()),
            obtained_at: asked_at,
            expires_at: answer.expires_in.map(|life| asked_at.plus(life)),
            refresh_expires_at: self.refresh_expires_at,
        }
    }
}

/// What a configuration demands of a saved login.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expected {
    /// The site.
    pub site: String,
    /// The base URL of the token endpoint.
    pub token_endpoint: String,
    /// The OAuth application's name.
    pub client_name: String,
    /// The scope.
    pub scope: String,
}

impl Expected {
    /// How `binding` differs from what is expected, in words for a person; `None` if it fits.
    pub fn difference(&self, binding: &Binding) -> Option<String> {
        let pairs = [
            ("site", &self.site, &binding.site),
            ("token endpoint", &self.token_endpoint, &binding.token_endpoint),
            ("OAuth application", &self.client_name, &binding.client_name),
            ("scope", &self.scope, &binding.scope),
        ];
        let differences: Vec<String> = pairs
            .into_iter()
            .filter(|(_, want, have)| want != have)
            .map(|(what, want, have)| format!("{what} {have:?} instead of {want:?}"))
            .collect();
        (!differences.is_empty()).then(|| differences.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grant() -> Grant {
        Grant {
            serial: 4,
            access_token: Secret::new("old"),
            refresh_token: Some(Secret::new("refresh")),
            obtained_at: Wall::from_unix_seconds(0),
            expires_at: Some(Wall::from_unix_seconds(100)),
            refresh_expires_at: Some(Wall::from_unix_seconds(9000)),
        }
    }

    #[test]
    fn a4_a_renewal_without_a_refresh_token_keeps_the_old_one() {
        let answer = TokenAnswer {
            access_token: Secret::new("new"),
            refresh_token: None,
            expires_in: Some(Duration::from_secs(60)),
        };
        let renewed = grant().renewed(answer, Wall::from_unix_seconds(50));
        assert_eq!(renewed.refresh_token, Some(Secret::new("refresh")));
        assert_eq!(renewed.expires_at, Some(Wall::from_unix_seconds(110)));
        assert_eq!((renewed.serial, renewed.refresh_expires_at), (5, Some(Wall::from_unix_seconds(9000))));
    }

    #[test]
    fn a_binding_that_differs_is_described() {
        let expected = Expected {
            site: "CN".into(),
            token_endpoint: "https://oauth.example".into(),
            client_name: "app".into(),
            scope: "/acs/mcp-server".into(),
        };
        let mut binding = Binding {
            site: "CN".into(),
            token_endpoint: "https://oauth.example".into(),
            account: None,
            client_id: "1".into(),
            client_name: "app".into(),
            scope: "/acs/mcp-server".into(),
        };
        assert_eq!(expected.difference(&binding), None);
        binding.site = "INTL".into();
        assert_eq!(expected.difference(&binding).unwrap(), "site \"INTL\" instead of \"CN\"");
    }
}
