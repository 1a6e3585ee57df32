//! What the cloud says to the API credentials: is there a key, may it do what is needed, does the OAuth application fit?

use serde::{Deserialize, Serialize};

use crate::alibaba::call::{Api, CallError};
use crate::alibaba::catalog::{self, CatalogError};
use crate::alibaba::cloud_error::{CloudError, Kind as Refusal};
use crate::alibaba::credentials::{Credentials, CredentialsError};
use crate::alibaba::oauth_app::{self, OauthAppError};
use crate::alibaba::settings::Settings;

/// What was found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Vendor {
    /// Where the API credentials come from; never what they are.
    pub source: Option<String>,
    /// Why there are none that can be used.
    pub credentials: Option<Hindrance>,
    /// The OAuth application; `None` if nobody signs in, or it was not reached.
    pub application: Option<Application>,
    /// Why the list of MCP servers cannot be read.
    pub servers: Option<Hindrance>,
}

/// The OAuth application.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Application {
    /// It is there, and one can sign in with it.
    Fits {
        /// Its name.
        name: String,
        /// True if its redirect URI was looked at too.
        with_redirect_uri: bool,
    },
    /// It will be made at the first sign-in.
    Missing {
        /// Its name.
        name: String,
    },
    /// One cannot sign in with it, or it is not known.
    Not(Hindrance),
}

/// What stands in the way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hindrance {
    /// What kind of thing it is.
    pub kind: Kind,
    /// In words.
    pub text: String,
    /// For a missing permission: the action, and a RAM policy that grants it.
    pub permission: Option<(String, String)>,
    /// A command of the vendor's tool that mends it.
    pub command: Option<String>,
}

/// The kinds that are mended in different ways.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// No API credentials, or none that can be read.
    Absent,
    /// The key is not good.
    Key,
    /// The clocks differ too much.
    Clock,
    /// A permission is missing.
    Permission,
    /// No OAuth application of that name.
    NoApplication,
    /// It is of the wrong type.
    Type,
    /// It lacks the scope.
    Scope,
    /// It lacks the redirect URI.
    RedirectUri,
    /// The service was not reached, or is in trouble.
    Unreachable,
    /// Anything else.
    Other,
}

impl Hindrance {
    fn of(kind: Kind, text: String) -> Self {
        Self { kind, text, permission: None, command: None }
    }
}

impl Vendor {
    /// The time was over before anything was known.
    pub(super) fn late(credentials: &Credentials) -> Self {
        let text = "the API credentials, or the cloud, took too long".to_owned();
        let hindrance = Some(Hindrance::of(Kind::Unreachable, text));
        Self { source: credentials.source(), credentials: hindrance, application: None, servers: None }
    }
}

/// Asks. With `signs_in`, also for the OAuth application.
pub(super) async fn look(
    settings: &Settings,
    credentials: &Credentials,
    signs_in: bool,
    redirect_uri: Option<&str>,
) -> Vendor {
    let api = match credentials.api().await {
        Ok(api) => api,
        Err(error) => {
            let hindrance = Some(of_credentials(&error));
            return Vendor { source: credentials.source(), credentials: hindrance, application: None, servers: None };
        }
    };
    let application = async {
        match signs_in {
            true => Some(application(&api, settings, redirect_uri).await),
            false => None,
        }
    };
    let servers = async { catalog::list_servers(&api).await.err().map(|error| of_catalog(&error)) };
    let (application, servers) = tokio::join!(application, servers);
    Vendor { source: credentials.source(), credentials: None, application, servers }
}

async fn application(api: &Api, settings: &Settings, redirect_uri: Option<&str>) -> Application {
    match oauth_app::inspect(api, settings, redirect_uri).await {
        Ok(Some(found)) => Application::Fits { name: found.app_name, with_redirect_uri: redirect_uri.is_some() },
        Ok(None) => Application::Missing { name: settings.app_name().to_owned() },
        Err(error) => Application::Not(of_application(&error)),
    }
}

fn of_credentials(error: &CredentialsError) -> Hindrance {
    match error {
        CredentialsError::Call { error: inner, .. } => Hindrance { text: error.to_string(), ..of_call(inner) },
        other => Hindrance::of(Kind::Absent, other.to_string()),
    }
}

fn of_catalog(error: &CatalogError) -> Hindrance {
    match error {
        CatalogError::Call(error) => of_call(error),
        other => Hindrance::of(Kind::Other, other.to_string()),
    }
}

fn of_application(error: &OauthAppError) -> Hindrance {
    let text = error.to_string();
    let command = text.split('`').nth(1).filter(|command| command.starts_with("aliyun ")).map(str::to_owned);
    let kind = match error {
        OauthAppError::NotFound { .. } => Kind::NoApplication,
        OauthAppError::WrongType { .. } => Kind::Type,
        OauthAppError::MissingScope { .. } => Kind::Scope,
        OauthAppError::MissingRedirectUri { .. } => Kind::RedirectUri,
        OauthAppError::MayNotCreate { error, .. } => return of_call(error),
        OauthAppError::Call(error) => return of_call(error),
        OauthAppError::Hidden { .. } | OauthAppError::NoId { .. } => Kind::Other,
    };
    Hindrance { command, ..Hindrance::of(kind, text) }
}

fn of_call(error: &CallError) -> Hindrance {
    let text = error.to_string();
    let CallError::Refused(refused) = error else { return Hindrance::of(Kind::Unreachable, text) };
    let kind = match refused.kind() {
        Refusal::UnknownKey | Refusal::DisabledKey | Refusal::WrongSecret | Refusal::StaleToken => Kind::Key,
        Refusal::ClockSkew => Kind::Clock,
        Refusal::NoPermission => Kind::Permission,
        Refusal::Throttled | Refusal::ServerTrouble | Refusal::Foreign => Kind::Unreachable,
        _ => Kind::Other,
    };
    let permission = (kind == Kind::Permission).then(|| granted(refused)).flatten();
    Hindrance { permission, ..Hindrance::of(kind, text) }
}

fn granted(refused: &CloudError) -> Option<(String, String)> {
    Some((refused.auth_action.clone()?, refused.policy()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_application_that_does_not_fit_comes_with_the_command_that_mends_it() {
        let error = OauthAppError::MissingRedirectUri {
            name: "app".to_owned(),
            id: "40".to_owned(),
            missing: "http://127.0.0.1:8088/callback".to_owned(),
            existing: vec!["http://127.0.0.1:9/callback".to_owned()],
            console: "https://ram.example",
        };
        let found = of_application(&error);
        assert_eq!(found.kind, Kind::RedirectUri);
        let uris = "'http://127.0.0.1:9/callback;http://127.0.0.1:8088/callback'";
        let expected = format!("aliyun ims UpdateApplication --AppId 40 --NewRedirectUris {uris}");
        assert_eq!(found.command.as_deref(), Some(expected.as_str()));
        let missing = OauthAppError::NotFound { name: "app".to_owned(), existing: Vec::new() };
        assert_eq!((of_application(&missing).kind, of_application(&missing).command), (Kind::NoApplication, None));
    }
}
