//! Why a request that was admitted has no answer of its upstream.

use std::time::Duration;

use crate::observe::kinds::Failure;

/// What went wrong between us and the upstream. `reply` turns it into what the client sees.
#[derive(Debug)]
pub(super) enum Trouble {
    /// Somebody stopped all forwarding.
    Incident,
    /// A person has to sign in.
    SignInNeeded,
    /// The token is being renewed and was not there in time.
    Renewing,
    /// There is no token, and the last try to get one failed in a way that lasts.
    NotSoon,
    /// The upstream refused the token, and the body is too long to have been kept.
    NotRepeatable,
    /// The upstream refused the token, and there was no newer one in time.
    RefusedAndNotRenewed,
    /// The upstream refused the renewed token too.
    RefusedTwice,
    /// No connection to the upstream.
    Connect(String),
    /// The upstream surely did not process the request, and it cannot be sent again.
    NotTaken(String),
    /// The connection broke before the answer began.
    Broken(String),
    /// The upstream did not begin its answer in time.
    NoAnswer(Duration),
    /// The upstream answered with a redirect that must not be followed.
    Redirect(String),
    /// The client's own request broke off.
    ClientBroke(String),
}

impl Trouble {
    /// What it is counted as.
    pub(super) fn kind(&self) -> Failure {
        match self {
            Self::Incident => Failure::Incident,
            Self::SignInNeeded => Failure::SignInNeeded,
            Self::Renewing | Self::NotSoon => Failure::NoToken,
            Self::NotRepeatable | Self::RefusedAndNotRenewed | Self::RefusedTwice => Failure::TokenRefused,
            Self::Connect(_) => Failure::Connect,
            Self::NotTaken(_) | Self::Broken(_) => Failure::Broken,
            Self::NoAnswer(_) => Failure::Timeout,
            Self::Redirect(_) => Failure::Redirect,
            Self::ClientBroke(_) => Failure::Client,
        }
    }
}
