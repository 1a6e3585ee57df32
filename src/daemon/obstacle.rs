//! What stands in the way of something a person asked for, as far as a program acts on it: each kind has an exit code.

use serde::{Deserialize, Serialize};

use crate::alibaba::call::CallError;
use crate::alibaba::cloud_error::Kind;
use crate::alibaba::credentials::CredentialsError;
use crate::alibaba::oauth_app::OauthAppError;
use crate::auth::revocation::RevocationError;
use crate::auth::sign_out::SignOutError;
use crate::daemon::sign_in::SignInError;

/// The kinds of obstacles.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Obstacle {
    /// The configuration, the credentials or the OAuth application is wrong, or a saved login cannot be read.
    Configuration,
    /// The person or the server refused.
    Refused,
    /// A service cannot be reached, or is in trouble itself.
    Unavailable,
    /// It may work another time.
    AnotherTime,
    /// A file cannot be written or removed.
    Disk,
    /// The system refused something basic.
    System,
}

impl From<&SignInError> for Obstacle {
    fn from(error: &SignInError) -> Self {
        match error {
            SignInError::Application(OauthAppError::Call(error)) if is_the_clouds(error) => Self::Unavailable,
            SignInError::Credentials(CredentialsError::Call { error, .. }) if is_the_clouds(error) => Self::Unavailable,
            SignInError::Credentials(_) | SignInError::Application(_) => Self::Configuration,
            SignInError::Denied { .. } | SignInError::NoRefreshToken { .. } => Self::Refused,
            SignInError::Exchange(_) => Self::Unavailable,
            SignInError::Superseded(_) | SignInError::Stopping(_) => Self::AnotherTime,
            SignInError::Randomness(_) => Self::System,
        }
    }
}

/// True if nothing here is wrong: the cloud cannot be reached, or is in trouble itself.
fn is_the_clouds(error: &CallError) -> bool {
    matches!(error, CallError::Unanswered(_) | CallError::Unreadable { .. })
        || matches!(error.kind(), Some(Kind::ServerTrouble | Kind::Throttled))
}

impl From<&SignOutError> for Obstacle {
    fn from(error: &SignOutError) -> Self {
        match error {
            SignOutError::Busy(_) => Self::AnotherTime,
            SignOutError::Load(_) => Self::Configuration,
            SignOutError::Revocation(RevocationError::NotReached(_)) => Self::Unavailable,
            SignOutError::Revocation(RevocationError::Refused(_)) => Self::Refused,
            SignOutError::Remove(_) => Self::Disk,
        }
    }
}
