//! The sign-in of a person, from the OAuth application to the saved login.
//!
//! Here `alibaba`, which knows the application, and `auth`, which knows OAuth, meet.

use std::sync::Arc;

use tokio::sync::Notify;

use crate::alibaba::cloud_error::Kind;
use crate::alibaba::credentials::{Credentials, CredentialsError};
use crate::alibaba::oauth_app::{self, OauthApp, OauthAppError};
use crate::alibaba::settings::Settings as AlibabaSettings;
use crate::auth::credential::{Binding, Credential, Expected, Grant};
use crate::auth::endpoint::{CodeExchange, TokenEndpoint};
use crate::auth::flow::{Attempt, Client, Delivery, Desk, PasteError, Superseded};
use crate::auth::keeper::{Handle, Stopping};
use crate::auth::pkce::NoRandomness;
use crate::daemon::Environment;
use crate::model::callback::{Callback, CallbackOutcome};
use crate::model::time::{Clock, Wall};
use crate::model::upstream::UpstreamName;
use crate::net::api_client::ApiClient;
use crate::observe::text::shown;

/// How a person signs in to one upstream.
#[derive(Clone)]
pub struct SignIn {
    pub(super) upstream: UpstreamName,
    pub(super) alibaba: AlibabaSettings,
    pub(super) credentials: Credentials,
    pub(super) clock: Clock,
    pub(super) desk: Desk,
    pub(super) endpoint: TokenEndpoint,
    pub(super) keeper: Handle,
    pub(super) expected: Expected,
    pub(super) redirect_uri: String,
    pub(super) signed_in: Arc<Notify>,
}

/// A sign-in that waits for the person.
pub struct Begun {
    sign_in: SignIn,
    app: OauthApp,
    attempt: Attempt,
    begun_at: Wall,
}

/// What a finished sign-in says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedIn {
    /// The upstream.
    pub upstream: UpstreamName,
    /// The OAuth application.
    pub application: String,
    /// The account that it belongs to, when known.
    pub account: Option<String>,
    /// When the access token ends, when known.
    pub token_ends: Option<Wall>,
    /// Why the login is in use, but not on disk.
    pub not_saved: Option<String>,
}

/// Why a sign-in failed.
#[derive(Debug, thiserror::Error)]
pub enum SignInError {
    /// No API credentials to find the OAuth application with.
    #[error(transparent)]
    Credentials(#[from] CredentialsError),
    /// The OAuth application cannot be used.
    #[error(transparent)]
    Application(#[from] OauthAppError),
    /// The person, or the server, refused.
    #[error("the sign-in was refused: {error}{}. To try again, run: mcp-proxy login", description.as_ref().map_or_else(String::new, |text| format!(" ({text})")))]
    Denied {
        /// The error code (RFC 6749 §4.1.2.1).
        error: String,
        /// The server's words.
        description: Option<String>,
    },
    /// The code could not be exchanged.
    #[error("the sign-in failed: {0}. To try again, run: mcp-proxy login")]
    Exchange(String),
    /// Failure A13: the login would end with its first token.
    #[error(
        "OAuth flow returned empty RefreshToken: the login would end with its first token. Sign in as an Alibaba Cloud \
         account or RAM user, not as an assumed role, and see that the OAuth application {application:?} has the type \
         Native"
    )]
    NoRefreshToken {
        /// The OAuth application's name.
        application: String,
    },
    /// A newer sign-in took over.
    #[error(transparent)]
    Superseded(#[from] Superseded),
    /// No randomness.
    #[error(transparent)]
    Randomness(#[from] NoRandomness),
    /// The daemon stops.
    #[error(transparent)]
    Stopping(#[from] Stopping),
}

/// The API credentials that the settings and the environment lead to.
pub fn credentials(alibaba: &AlibabaSettings, environment: &Environment, api: ApiClient, clock: Clock) -> Credentials {
    let environment = environment.clone();
    Credentials::new(alibaba.clone(), Arc::new(move |name| environment.get(name).cloned()), api, clock)
}

/// Finds or creates the OAuth application of the settings.
///
/// # Errors
/// When there are no API credentials, or the application cannot be used.
pub async fn application(
    alibaba: &AlibabaSettings,
    credentials: &Credentials,
    redirect_uri: &str,
) -> Result<OauthApp, SignInError> {
    let found = oauth_app::find_or_create(&credentials.api().await?, alibaba, redirect_uri).await;
    match found {
        // The keys were taken back before their end: others may do.
        Err(OauthAppError::Call(error)) if error.kind() == Some(Kind::StaleToken) && credentials.forget().await => {
            Ok(oauth_app::find_or_create(&credentials.api().await?, alibaba, redirect_uri).await?)
        }
        found => Ok(found?),
    }
}

impl SignIn {
    /// The upstream to sign in to.
    pub fn upstream(&self) -> &UpstreamName {
        &self.upstream
    }

    /// Finds or creates the OAuth application and begins to wait for the person.
    ///
    /// # Errors
    /// When there are no API credentials, or the application cannot be used.
    pub async fn begin(&self) -> Result<Begun, SignInError> {
        let app = application(&self.alibaba, &self.credentials, &self.redirect_uri).await?;
        self.begin_with(app)
    }

    /// Begins to wait for the person, who signs in with `app`.
    ///
    /// # Errors
    /// When there is no randomness.
    pub fn begin_with(&self, app: OauthApp) -> Result<Begun, SignInError> {
        let attempt = self.desk.begin(Client {
            id: app.app_id.clone(),
            authorization_endpoint: self.alibaba.endpoints.authorization_page(),
            redirect_uri: self.redirect_uri.clone(),
            scope: self.alibaba.scope.clone(),
        })?;
        Ok(Begun { sign_in: self.clone(), app, attempt, begun_at: self.clock.now().wall })
    }

    /// Puts a login into use, and on disk.
    pub(super) async fn use_login(&self, credential: Credential) -> Result<SignedIn, SignInError> {
        let (application, account) = (credential.binding.client_name.clone(), credential.binding.account.clone());
        let token_ends = credential.grant.expires_at;
        let not_saved = self.keeper.sign_in(credential).await?.err();
        self.signed_in.notify_one();
        Ok(SignedIn { upstream: self.upstream.clone(), application, account, token_ends, not_saved })
    }
}

impl Begun {
    /// Where the person signs in.
    pub fn authorize_url(&self) -> &str {
        self.attempt.authorize_url().as_str()
    }

    /// Where the browser arrives after signing in.
    pub fn redirect_uri(&self) -> &str {
        &self.attempt.client().redirect_uri
    }

    /// The OAuth application's name.
    pub fn application(&self) -> &str {
        &self.app.app_name
    }

    /// Reads what the person pasted.
    ///
    /// # Errors
    /// When it is no answer to this sign-in, which goes on waiting.
    pub fn pasted(&self, text: &str) -> Result<Callback, PasteError> {
        self.attempt.pasted(text)
    }

    /// Waits for the answer through the browser.
    ///
    /// # Errors
    /// When a newer sign-in takes over.
    pub async fn delivered(&mut self) -> Result<Delivery, Superseded> {
        self.attempt.delivered().await
    }

    /// Finishes with an answer that came through the browser, whose page then says how it ended.
    ///
    /// # Errors
    /// When the person refused, or the code is worth nothing.
    pub async fn finish_delivered(self, delivery: Delivery) -> Result<SignedIn, SignInError> {
        let result = self.finish(delivery.callback).await;
        let outcome = match &result {
            Ok(_) => CallbackOutcome::SignedIn,
            Err(SignInError::Denied { error, description }) => {
                CallbackOutcome::Denied { error: error.clone(), description: description.clone() }
            }
            Err(error) => CallbackOutcome::Failed { reason: error.to_string() },
        };
        // The browser may be gone; the sign-in counts all the same.
        let _ = delivery.outcome.send(outcome);
        result
    }

    /// Finishes with an answer: exchanges the code and puts the login into use.
    ///
    /// # Errors
    /// When the person refused, or the code is worth nothing.
    pub async fn finish(self, callback: Callback) -> Result<SignedIn, SignInError> {
        let Self { sign_in, app, attempt, begun_at } = self;
        let code = match callback {
            Callback { error: Some(error), error_description: description, .. } => {
                // Words from outside reach a terminal and a page.
                let description = description.map(|text| shown(&text, &[]));
                return Err(SignInError::Denied { error: shown(&error, &[]), description });
            }
            Callback { code: Some(code), .. } => code,
            Callback { .. } => return Err(SignInError::Exchange("the answer holds no code".to_owned())),
        };
        let asked_at = sign_in.clock.now().wall;
        let exchange = CodeExchange {
            client_id: &app.app_id,
            code: &code,
            verifier: attempt.verifier(),
            redirect_uri: &attempt.client().redirect_uri,
        };
        let answer = sign_in.endpoint.exchange(exchange).await;
        let answer = answer.map_err(|error| SignInError::Exchange(error.reason().to_owned()))?;
        let Some(refresh_token) = answer.refresh_token else {
            return Err(SignInError::NoRefreshToken { application: app.app_name });
        };
        let credential = Credential {
            binding: Binding {
                site: sign_in.expected.site.clone(),
                token_endpoint: sign_in.expected.token_endpoint.clone(),
                account: app.account_id,
                client_id: app.app_id,
                client_name: app.app_name,
                scope: sign_in.expected.scope.clone(),
            },
            grant: Grant {
                // Higher than that of any login begun before: a running daemon knows newer ones by it, even if
                // the file it counted in was removed meanwhile. A renewal adds one, and takes longer than a millisecond.
                serial: u64::try_from(asked_at.unix_millis()).unwrap_or_default(),
                access_token: answer.access_token,
                refresh_token: Some(refresh_token),
                obtained_at: asked_at,
                expires_at: answer.expires_in.map(|life| asked_at.plus(life)),
                // Counted from the authorization, and never moved by a renewal.
                refresh_expires_at: app.refresh_token_validity.map(|life| begun_at.plus(life)),
            },
        };
        sign_in.use_login(credential).await
    }
}
