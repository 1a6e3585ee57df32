//! Why a call to the cloud's API has no result.

use std::time::Duration;

use crate::alibaba::cloud_error::{CloudError, Kind};
use crate::net::api_client::ApiError;

/// Why a call has no result.
#[derive(Debug, thiserror::Error)]
pub enum CallError {
    /// No answer came.
    #[error("{0}. Check the network, the endpoint's host, and HTTPS_PROXY and NO_PROXY if a proxy is needed")]
    Unanswered(#[from] ApiError),
    /// The API refused.
    #[error(transparent)]
    Refused(Box<CloudError>),
    /// The answer is a success, but not what the call returns.
    #[error(
        "the answer of {host} to {action} cannot be read ({reason}). Check the endpoint's host, and any HTTP proxy in between"
    )]
    Unreadable {
        /// Host, and port if it is not the scheme's own.
        host: String,
        /// The call.
        action: &'static str,
        /// What is wrong with the answer.
        reason: String,
    },
    /// The request cannot be made at all.
    #[error("cannot make the request {action}: {reason}")]
    Unsendable {
        /// The call.
        action: &'static str,
        /// What is in the way.
        reason: String,
    },
}

impl CallError {
    /// What kind of refusal this is, if the API refused.
    pub fn kind(&self) -> Option<Kind> {
        match self {
            Self::Refused(error) => Some(error.kind()),
            _ => None,
        }
    }

    /// True if the same call fails again until somebody changes something.
    pub fn lasts(&self) -> bool {
        self.kind().is_some_and(Kind::lasts)
    }

    /// How long the API asks to wait before the next call, if it does.
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Refused(error) => error.retry_after,
            _ => None,
        }
    }
}
