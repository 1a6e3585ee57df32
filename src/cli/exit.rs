//! Exit codes, as sysexits(3) has them.

use std::process::ExitCode;

use crate::alibaba::call::CallError;
use crate::alibaba::cloud_error::Kind;
use crate::alibaba::mcpproxy_file::PeerLoginError;
use crate::alibaba::oauth_app::OauthAppError;
use crate::auth::revocation::RevocationError;
use crate::auth::store::{KeyError, ResealError};
use crate::daemon::StartError;
use crate::daemon::custody::{RemoveError, RotateError};
use crate::daemon::import::ImportError;
use crate::daemon::sign_in::SignInError;

/// How the program ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Exit {
    /// All went well.
    Ok = 0,
    /// The command line is wrong.
    Usage = 64,
    /// A file does not hold what it should.
    DataError = 65,
    /// A file that is to be read is not there.
    NoInput = 66,
    /// Something needed is not there: a port, a service.
    Unavailable = 69,
    /// A fault of the program.
    Software = 70,
    /// The system refused something basic.
    OsError = 71,
    /// A file cannot be made.
    CantCreate = 73,
    /// A file cannot be read or written.
    IoError = 74,
    /// It may work another time.
    TempFail = 75,
    /// The sign-in was refused.
    NoPermission = 77,
    /// The configuration is wrong.
    Config = 78,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

impl From<&StartError> for Exit {
    fn from(error: &StartError) -> Self {
        match error {
            StartError::Bind(_) => Self::Unavailable,
            StartError::Tls(_) | StartError::Server(_) | StartError::Key(_) => Self::Config,
            StartError::Randomness(_) => Self::OsError,
        }
    }
}

impl From<&SignInError> for Exit {
    fn from(error: &SignInError) -> Self {
        match error {
            SignInError::Application(OauthAppError::Call(error)) if is_the_clouds(error) => Self::Unavailable,
            SignInError::Credentials(_) | SignInError::Application(_) => Self::Config,
            SignInError::Denied { .. } | SignInError::NoRefreshToken { .. } => Self::NoPermission,
            SignInError::Exchange(_) => Self::Unavailable,
            SignInError::Superseded(_) | SignInError::Stopping(_) => Self::TempFail,
            SignInError::Randomness(_) => Self::OsError,
        }
    }
}

/// True if nothing here is wrong: the cloud cannot be reached, or is in trouble itself.
fn is_the_clouds(error: &CallError) -> bool {
    matches!(error, CallError::Unanswered(_) | CallError::Unreadable { .. })
        || matches!(error.kind(), Some(Kind::ServerTrouble | Kind::Throttled))
}

impl From<&KeyError> for Exit {
    fn from(error: &KeyError) -> Self {
        match error {
            KeyError::Exists { .. } | KeyError::NotMade { .. } => Self::CantCreate,
            KeyError::Randomness(_) => Self::OsError,
            _ => Self::Config,
        }
    }
}

impl From<&RotateError> for Exit {
    fn from(error: &RotateError) -> Self {
        match error {
            RotateError::Busy(_) => Self::TempFail,
            RotateError::Reseal(ResealError::Load(_)) => Self::Config,
            RotateError::Reseal(ResealError::Save(_)) => Self::IoError,
        }
    }
}

impl From<&RemoveError> for Exit {
    fn from(error: &RemoveError) -> Self {
        match error {
            RemoveError::Busy(_) => Self::TempFail,
            RemoveError::Load(_) => Self::Config,
            RemoveError::Revocation(RevocationError::NotReached(_)) => Self::Unavailable,
            RemoveError::Revocation(RevocationError::Refused(_)) => Self::NoPermission,
            RemoveError::Remove(_) => Self::IoError,
        }
    }
}

impl From<&ImportError> for Exit {
    fn from(error: &ImportError) -> Self {
        match error {
            ImportError::NoPlace => Self::Usage,
            ImportError::File(PeerLoginError::Missing { .. } | PeerLoginError::Unreadable { .. }) => Self::NoInput,
            ImportError::File(PeerLoginError::Malformed { .. }) => Self::DataError,
            ImportError::OtherLogin { .. } | ImportError::OursIsUnusable(_) => Self::Config,
            ImportError::Ended { .. } => Self::NoPermission,
            ImportError::OursIsNewer { .. } | ImportError::Busy(_) => Self::TempFail,
            ImportError::Save(_) => Self::IoError,
        }
    }
}
