//! What the machine hears and what it answers.

use std::time::Duration;

use crate::auth::credential::{Credential, TokenAnswer};
use crate::model::secret::Secret;
use crate::model::time::{Mono, Wall};
use crate::token::Unavailable;

/// What happened.
#[derive(Debug, Clone)]
pub enum Event {
    /// The daemon started.
    Started {
        /// The saved login, or why there is none to use.
        saved: Result<Credential, String>,
        /// True if a renewal of it was cut off by a crash, so that its answer may be lost.
        cut_off: bool,
    },
    /// The time of [`Machine::sleep`](crate::auth::machine::Machine::sleep) is over.
    Tick,
    /// The upstream refused the bearer of this generation, or it was found expired.
    Rejected(u64),
    /// The renewal of the grant with this serial ended.
    RenewalEnded {
        /// The serial of the grant that was to be renewed.
        serial: u64,
        /// How it ended.
        outcome: RenewalOutcome,
    },
    /// A person signed in.
    SignedIn(Credential),
    /// The store holds this credential, written by another process.
    Found(Credential),
    /// The saved login is gone from the store: a person signed out.
    Removed,
    /// A person signed out here: nothing is to be kept, on disk or not.
    SignedOut,
    /// A save ended.
    SaveEnded(Result<(), String>),
    /// The source of tokens has something new.
    SourceChanged,
}

/// How a renewal ended.
#[derive(Debug, Clone)]
pub enum RenewalOutcome {
    /// The server gave new tokens, asked for at `asked_at`.
    Renewed {
        /// The answer.
        answer: TokenAnswer,
        /// When the request was sent.
        asked_at: Wall,
    },
    /// Another process had renewed already; this is its result.
    Adopted(Credential),
    /// It did not work this time.
    Failed(Failure),
    /// The server refuses for good (RFC 6749 §5.2): trying again makes no sense.
    Refused(String),
    /// Nothing was asked: a person had signed out.
    Removed,
}

/// A failure that may pass.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// What happened, for people.
    pub reason: String,
    /// How long the server asks to wait.
    pub retry_after: Option<Duration>,
    /// True if the server may have processed the request, so that its answer may be lost.
    pub maybe_processed: bool,
    /// True if it ends only when somebody changes something: it is tried again, but nobody need wait for that.
    pub lasting: bool,
}

/// By what tokens are renewed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Means {
    /// By the grant's refresh token; without one a person has to sign in.
    RefreshToken,
    /// At will, by a source that needs no person.
    AtWill,
}

/// What is to be done, in this order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Renew; one renewal at a time.
    Renew {
        /// The credential to be renewed.
        credential: Credential,
        /// True if the upstream refused its token.
        rejected: bool,
    },
    /// Save this durably, then report [`Event::SaveEnded`].
    Save(Credential),
    /// Hand this token to the readers.
    Publish {
        /// The number of the bearer.
        generation: u64,
        /// The access token.
        token: Secret,
        /// The end of its life on both clocks.
        expires: Option<(Wall, Mono)>,
    },
    /// Say why there is nothing once the published bearer has expired.
    Explain(Unavailable),
    /// Take the bearer back.
    Withdraw(Unavailable),
    /// Something is wrong, for this reason. Raising again renews the reason.
    Raise(Trouble, String),
    /// It is over.
    Clear(Trouble),
}

/// What can be wrong with a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Trouble {
    /// A person has to sign in.
    LoginRequired,
    /// Renewals fail; they are tried again.
    RenewalFailing,
    /// The newest tokens are not on disk; saving is tried again.
    NotDurable,
}
