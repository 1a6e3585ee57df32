//! Where a credential is kept and how it is renewed: a login on disk, or a source that gives tokens at will.

use std::sync::Arc;

use crate::auth::credential::{Credential, Expected};
use crate::auth::endpoint::{TokenEndpoint, TokenError};
use crate::auth::machine::{Failure, Means, RenewalOutcome};
use crate::auth::source::AtWill;
use crate::auth::store::{LoadError, Lock, Sight, Store};
use crate::model::time::{Clock, Now, Wall};

/// The two kinds of custody. Cheap to clone.
#[derive(Debug, Clone)]
pub enum Custody {
    /// A person's login.
    Login(Arc<Login>),
    /// A source that needs no person; nothing is saved.
    AtWill(Arc<AtWill>),
}

/// A login: saved on disk, renewed by its refresh token.
#[derive(Debug)]
pub struct Login {
    /// Where it is saved.
    pub store: Store,
    /// What the configuration demands of a saved login.
    pub expected: Expected,
    /// Where tokens are renewed.
    pub endpoint: TokenEndpoint,
}

/// A renewal that ended.
#[derive(Debug)]
pub(super) struct Renewed {
    pub(super) serial: u64,
    pub(super) outcome: RenewalOutcome,
    /// Held until the outcome is saved, so that no other process renews in between.
    pub(super) lock: Option<Lock>,
}

impl Custody {
    pub(super) fn means(&self) -> Means {
        match self {
            Self::Login(_) => Means::RefreshToken,
            Self::AtWill(_) => Means::AtWill,
        }
    }

    /// What a person can do when a renewal fails, where the source knows better than the keeper.
    pub(super) fn remedy(&self) -> Option<&'static str> {
        match self {
            Self::Login(_) => None,
            Self::AtWill(source) => Some(source.remedy()),
        }
    }

    /// The credential to begin with, or why there is none.
    pub(super) fn first(&self, now: Now) -> Result<Credential, String> {
        match self {
            Self::Login(login) => login.usable(),
            Self::AtWill(source) => Ok(source.nothing_yet(now)),
        }
    }

    /// True if a renewal of the grant with this serial was cut off by a crash.
    pub(super) fn was_cut_off(&self, serial: u64) -> bool {
        match self {
            Self::Login(login) => login.store.unfinished_renewal() == Some(serial),
            Self::AtWill(_) => false,
        }
    }

    /// A login that another process saved.
    pub(super) fn found(&self) -> Option<Credential> {
        match self {
            Self::Login(login) => login.usable().ok(),
            Self::AtWill(_) => None,
        }
    }

    /// True if the source has something new.
    pub(super) fn has_news(&self) -> bool {
        match self {
            Self::Login(_) => false,
            Self::AtWill(source) => source.has_changed(),
        }
    }

    /// Where a login is saved.
    pub(super) fn store(&self) -> Option<&Store> {
        match self {
            Self::Login(login) => Some(&login.store),
            Self::AtWill(_) => None,
        }
    }

    /// Renews. `rejected`: the upstream refused the token. `durable`: what is on disk is what the keeper holds.
    pub(super) async fn renew(self, credential: Credential, rejected: bool, durable: bool, clock: Clock) -> Renewed {
        match self {
            Self::Login(login) => login.renew(credential, durable, clock).await,
            Self::AtWill(source) => {
                let now = clock.now();
                let refused = rejected.then_some(&credential.grant.access_token);
                let outcome = match source.mint(refused, now).await {
                    Ok(answer) => RenewalOutcome::Renewed { answer, asked_at: now.wall },
                    Err(failure) => RenewalOutcome::Failed(failure),
                };
                Renewed { serial: credential.grant.serial, outcome, lock: None }
            }
        }
    }

    /// Saves durably, where there is something to be saved.
    pub(super) async fn save(self, credential: Credential, now: Wall) -> Result<(), String> {
        let Self::Login(login) = self else { return Ok(()) };
        match tokio::task::spawn_blocking(move || login.store.save(&credential, now)).await {
            Ok(result) => result.map_err(|error| error.to_string()),
            Err(error) => Err(format!("saving was broken off: {error}")),
        }
    }

    /// Takes the lock for a sign-in, as far as there is one, and answers the serial that is on disk.
    pub(super) async fn begin_sign_in(&self) -> (Option<Lock>, u64) {
        let Self::Login(login) = self else { return (None, 0) };
        let lock = login.store.lock().await.unwrap_or_default();
        let on_disk = login.store.load().ok().flatten().map_or(0, |credential| credential.grant.serial);
        (lock, on_disk)
    }
}

impl Login {
    /// The saved login, if it can be used and is for what is configured.
    fn usable(&self) -> Result<Credential, String> {
        match self.store.load() {
            Ok(Some(credential)) => match self.expected.difference(&credential.binding) {
                None => Ok(credential),
                Some(difference) => {
                    let path = self.store.path().display();
                    Err(format!("the saved login {path} is for another configuration ({difference}); it is kept"))
                }
            },
            Ok(None) => Err("no login is saved".to_owned()),
            Err(error @ LoadError::Unreadable { .. }) => Err(error.to_string()),
            Err(error @ LoadError::NotUsable { .. }) => Err(format!("{error}; it is kept")),
        }
    }

    /// Renews under the lock between processes, unless another process has done it meanwhile.
    async fn renew(&self, credential: Credential, durable: bool, clock: Clock) -> Renewed {
        let serial = credential.grant.serial;
        let store = &self.store;
        let Ok(lock) = store.lock().await else {
            let reason = format!("another process holds the lock of {}", store.path().display());
            let failure = Failure { reason, retry_after: None, maybe_processed: false, lasting: false };
            return Renewed { serial, outcome: RenewalOutcome::Failed(failure), lock: None };
        };
        if durable && lock.is_some() && store.look() == Sight::Gone {
            return Renewed { serial, outcome: RenewalOutcome::Removed, lock };
        }
        let outcome = self.renew_locked(credential, clock).await;
        let nothing_lost = match &outcome {
            RenewalOutcome::Failed(failure) => !failure.maybe_processed,
            RenewalOutcome::Refused(_) | RenewalOutcome::Adopted(_) | RenewalOutcome::Removed => true,
            // The save removes the mark.
            RenewalOutcome::Renewed { .. } => false,
        };
        if nothing_lost {
            store.renewal_ended();
        }
        Renewed { serial, outcome, lock }
    }

    async fn renew_locked(&self, credential: Credential, clock: Clock) -> RenewalOutcome {
        let Self { store, endpoint, .. } = self;
        let serial = credential.grant.serial;
        let newer = || self.usable().ok().filter(|saved| saved.grant.serial > serial);
        if let Some(saved) = newer() {
            return RenewalOutcome::Adopted(saved);
        }
        let Some(refresh_token) = &credential.grant.refresh_token else {
            return RenewalOutcome::Refused("the login has no refresh token".to_owned());
        };
        if let Err(error) = store.renewal_begins(serial) {
            tracing::debug!("the renewal is not marked beside {}: {error}", store.path().display());
        }
        let asked_at = clock.now().wall;
        match endpoint.refresh(&credential.binding.client_id, refresh_token).await {
            Ok(answer) => RenewalOutcome::Renewed { answer, asked_at },
            Err(TokenError::Failed(failure)) => RenewalOutcome::Failed(failure),
            Err(TokenError::Refused(reason)) => match newer() {
                Some(saved) => RenewalOutcome::Adopted(saved),
                None => RenewalOutcome::Refused(reason),
            },
        }
    }
}
