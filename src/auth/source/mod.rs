//! Where new tokens come from without a refresh token: a file, a command, or somebody whom the layer above knows.
//!
//! The keeper treats them alike: renewed ahead of the end, after a rejection, with the same waits after failures.

mod command;
mod file;
mod minter;
pub(super) mod text;

pub use self::command::TokenCommand;
pub use self::file::TokenFile;
pub use self::minter::{Minter, Minting};
use crate::auth::credential::{Binding, Credential, Grant, TokenAnswer};
use crate::auth::machine::Failure;
use crate::auth::settings::TokenSource;
use crate::model::secret::Secret;
use crate::model::time::Now;

/// A source that gives tokens without a person.
#[derive(Debug)]
pub enum AtWill {
    /// A file that something else keeps up to date.
    File(TokenFile),
    /// A command that prints a token.
    Command(TokenCommand),
    /// A function that asks a service.
    Minter(Minter),
}

impl AtWill {
    /// The source of the settings.
    pub fn new(source: TokenSource) -> Self {
        match source {
            TokenSource::File(path) => Self::File(TokenFile::new(path)),
            TokenSource::Command { line, timeout } => Self::Command(TokenCommand { line, timeout }),
        }
    }

    /// Gives a token. `rejected` is the one that the upstream refused, if that is why another is wanted.
    ///
    /// # Errors
    /// When there is none now; there may be one later.
    pub async fn mint(&self, rejected: Option<&Secret>, now: Now) -> Result<TokenAnswer, Failure> {
        let failed = |reason| Failure { reason, retry_after: None, maybe_processed: false, lasting: false };
        let answer = match self {
            Self::File(file) => file.read(now).map_err(failed)?,
            Self::Command(command) => command.run(now).await.map_err(failed)?,
            Self::Minter(minter) => minter.ask().await?,
        };
        if rejected == Some(&answer.access_token) {
            let reason = format!("the upstream refused the token, and {} still gives the same one", self.name());
            return Err(failed(reason));
        }
        Ok(answer)
    }

    /// True if the source has something new since it last gave a token.
    pub fn has_changed(&self) -> bool {
        match self {
            Self::File(file) => file.has_changed(),
            Self::Command(_) => false,
            Self::Minter(minter) => minter.has_changed(),
        }
    }

    /// What the source is called in messages; no secret.
    pub fn name(&self) -> String {
        match self {
            Self::File(file) => file.path().display().to_string(),
            Self::Command(command) => command.program().to_owned(),
            Self::Minter(minter) => minter.name().to_owned(),
        }
    }

    /// What a person can do when it gives no token.
    pub fn remedy(&self) -> &'static str {
        match self {
            Self::File(_) | Self::Command(_) => {
                "It is tried again by itself. Let the file hold, or the command print, a token that is good"
            }
            Self::Minter(minter) => minter.remedy(),
        }
    }

    /// The credential before the first token: one whose life is over.
    pub fn nothing_yet(&self, now: Now) -> Credential {
        let empty = String::new;
        Credential {
            binding: Binding {
                site: empty(),
                token_endpoint: empty(),
                account: None,
                client_id: empty(),
                client_name: self.name(),
                scope: empty(),
            },
            grant: Grant {
                serial: 0,
                access_token: Secret::new(""),
                refresh_token: None,
                obtained_at: now.wall,
                expires_at: Some(now.wall),
                refresh_expires_at: None,
            },
        }
    }
}
