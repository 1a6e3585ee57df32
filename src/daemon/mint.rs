//! Tokens for API credentials: introduces the vendor, who gives them, to a keeper, who knows no vendor.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;

use crate::alibaba::access_token;
use crate::alibaba::call::CallError;
use crate::alibaba::cloud_error::Kind;
use crate::alibaba::credentials::{Credentials, CredentialsError, Stamp};
use crate::alibaba::settings::{AccessTokenSettings, Safety};
use crate::auth::credential::TokenAnswer;
use crate::auth::machine::Failure;
use crate::auth::source::Minter;

/// How long to wait after a refusal that only a person can end, who may be doing so right now.
const AFTER_REFUSAL: Duration = Duration::from_secs(60);

/// What a person can do.
const REMEDY: &str = "It is tried again by itself, once a minute at least and as soon as a file of the credentials changes, \
                      without a restart. Until then a token that is good still serves";

/// Everything that it takes to get a token.
#[derive(Clone)]
pub(super) struct Mint(Arc<Parts>);

struct Parts {
    credentials: Credentials,
    token: AccessTokenSettings,
    /// The files of the credentials as they were at the last try.
    asked_with: Mutex<Option<Stamp>>,
    /// Has the list of servers read anew, with whatever the files say now.
    listing: Arc<Notify>,
}

/// Why there is no token.
#[derive(Debug, thiserror::Error)]
enum MintError {
    #[error(transparent)]
    Credentials(#[from] CredentialsError),
    #[error(transparent)]
    Call(#[from] CallError),
}

impl Mint {
    pub(super) fn new(credentials: Credentials, token: AccessTokenSettings, listing: Arc<Notify>) -> Self {
        Self(Arc::new(Parts { credentials, token, asked_with: Mutex::default(), listing }))
    }

    /// The source for a keeper.
    pub(super) fn minter(self) -> Minter {
        let watched = self.0.clone();
        Minter::new("the API credentials".to_owned(), REMEDY, move || {
            let parts = self.0.clone();
            Box::pin(async move { parts.ask().await.map_err(MintError::into_failure) })
        })
        .noticing(move || watched.has_changed())
    }
}

impl Parts {
    /// True if a file of the credentials is another one than at the last try: a key was changed, or mended.
    fn has_changed(&self) -> bool {
        let asked_with = self.asked_with.lock().unwrap_or_else(PoisonError::into_inner);
        asked_with.as_ref().is_some_and(|stamp| *stamp != self.credentials.stamp())
    }

    /// Asks for a token, with the credentials as they are now. Keys that were taken back before their end are
    /// exchanged once.
    async fn ask(&self) -> Result<TokenAnswer, MintError> {
        // Before they are read: a change meanwhile is noticed.
        let stamp = self.credentials.stamp();
        let before = self.asked_with.lock().unwrap_or_else(PoisonError::into_inner).replace(stamp.clone());
        if before.is_some_and(|before| before != stamp) {
            self.listing.notify_one();
        }
        match self.ask_once().await {
            Err(MintError::Call(error))
                if error.kind() == Some(Kind::StaleToken) && self.credentials.forget().await =>
            {
                self.ask_once().await
            }
            answer => answer,
        }
    }

    async fn ask_once(&self) -> Result<TokenAnswer, MintError> {
        let api = self.credentials.api().await?;
        let answer = access_token::generate(&api, &self.token).await?;
        // Nobody has the token before: one that could not be restricted is forgotten.
        if self.token.safety != Safety::default() {
            access_token::restrict(&api, &answer.token, &self.token.safety).await?;
        }
        Ok(TokenAnswer { access_token: answer.token, refresh_token: None, expires_in: answer.life })
    }
}

impl MintError {
    fn into_failure(self) -> Failure {
        let (lasting, asked, refused) = match &self {
            Self::Credentials(error) => {
                let refused = matches!(error, CredentialsError::Call { .. });
                (error.lasts(), error.retry_after(), refused)
            }
            Self::Call(error) => (error.lasts(), error.retry_after(), true),
        };
        // The cloud is not asked again and again for what it refuses; to look for a key here costs nobody anything.
        let retry_after = if lasting && refused { Some(AFTER_REFUSAL) } else { asked };
        // Nothing is lost with an answer: the next token is asked for with the same credentials.
        Failure { reason: self.to_string(), retry_after, maybe_processed: false, lasting }
    }
}
