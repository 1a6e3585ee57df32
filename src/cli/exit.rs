//! Exit codes, as sysexits(3) has them.

use std::process::ExitCode;

use crate::alibaba::mcpproxy_file::PeerLoginError;
use crate::auth::store::{KeyError, ResealError};
use crate::daemon::StartError;
use crate::daemon::custody::RotateError;
use crate::daemon::import::ImportError;
use crate::daemon::obstacle::Obstacle;
use crate::daemon::sign_in::SignInError;

/// What each code means, for the reference.
pub(super) const MEANINGS: &[(Exit, &str)] = &[
    (Exit::Ok, "All went well; also a stop by Ctrl+C or SIGTERM."),
    (Exit::Usage, "The command line is wrong."),
    (
        Exit::DataError,
        "The file to import holds no login, the file with the client keys is not readable, or an application's file is \
         left alone.",
    ),
    (Exit::NoInput, "The file to import is not there, or cannot be read; there is no such client key."),
    (
        Exit::Unavailable,
        "Something needed is not there: a port in use, a service that cannot be reached, an MCP server that nobody has. \
         (`doctor`: of this and the codes below, that of the first fault.)",
    ),
    (Exit::Software, "A fault of mcp-proxy."),
    (Exit::OsError, "The system refused something basic."),
    (Exit::CantCreate, "A key file exists already, or cannot be made; there are too many client keys."),
    (Exit::IoError, "A saved login, a client key or an application's file cannot be written or removed."),
    (
        Exit::TempFail,
        "It may work another time: a sign-in that was broken off, a login in use, an import that is older than ours.",
    ),
    (Exit::NoPermission, "The sign-in was refused, a person has to sign in, or you may not open the control socket."),
    (Exit::Config, "The configuration, a key, a saved login, the credentials or the OAuth application is wrong."),
];

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
            StartError::Bind(_) | StartError::Adopt(_) => Self::Unavailable,
            StartError::Tls(_) | StartError::Server(_) | StartError::Key(_) => Self::Config,
            StartError::Identity(_) | StartError::NoIdentity => Self::Config,
            StartError::Randomness(_) | StartError::Audit(_) => Self::OsError,
        }
    }
}

impl From<Obstacle> for Exit {
    fn from(obstacle: Obstacle) -> Self {
        match obstacle {
            Obstacle::Configuration => Self::Config,
            Obstacle::Refused => Self::NoPermission,
            Obstacle::Unavailable => Self::Unavailable,
            Obstacle::AnotherTime => Self::TempFail,
            Obstacle::Disk => Self::IoError,
            Obstacle::System => Self::OsError,
        }
    }
}

impl From<&SignInError> for Exit {
    fn from(error: &SignInError) -> Self {
        Obstacle::from(error).into()
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_has_a_meaning() {
        let described: Vec<Exit> = MEANINGS.iter().map(|(exit, _)| *exit).collect();
        let text = include_str!("exit.rs").split("#[cfg(test)]").next().unwrap();
        let codes = text.lines().filter_map(|line| line.split_once(" = ")?.1.strip_suffix(',')?.parse::<u8>().ok());
        assert_eq!(described.iter().map(|exit| *exit as u8).collect::<Vec<_>>(), codes.collect::<Vec<_>>());
    }
}
