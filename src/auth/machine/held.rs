//! The credential in use, with its times on both clocks.

use std::time::Duration;

use crate::auth::credential::Credential;
use crate::auth::timing::{Jitter, renew_after};
use crate::model::time::{Mono, Now, Wall};

/// A credential and when it is due. Whichever clock reaches a time first counts: the wall clock notices that
/// the machine slept, the monotonic clock that somebody set the wall clock back.
#[derive(Debug)]
pub(super) struct Held {
    pub(super) credential: Credential,
    /// When the access token ends; `None` if unknown.
    pub(super) expires: Option<(Wall, Mono)>,
    renew: (Wall, Mono),
    /// True once the bearer was taken back.
    pub(super) withdrawn: bool,
    /// True once the upstream refused the token.
    pub(super) rejected: bool,
}

impl Held {
    pub(super) fn new(credential: Credential, now: Now, jitter: &mut Jitter) -> Self {
        let grant = &credential.grant;
        let life = grant.expires_at.map(|end| end.since(grant.obtained_at));
        let on_both = |after: Duration| {
            let wall = grant.obtained_at.plus(after);
            // A wall clock that runs behind must not make the token live longer than its whole life.
            (wall, now.mono.plus(wall.since(now.wall).min(after)))
        };
        let expires = life.map(on_both);
        let renew = on_both(renew_after(life, jitter));
        let withdrawn = expires.is_some_and(|(wall, _)| now.wall >= wall);
        Self { expires, renew, withdrawn, rejected: false, credential }
    }

    pub(super) fn is_expired(&self, now: Now) -> bool {
        self.expires.is_some_and(|(wall, mono)| now.wall >= wall || now.mono >= mono)
    }

    pub(super) fn expires_in(&self, now: Now) -> Option<Duration> {
        self.expires.map(|at| left(at, now))
    }

    pub(super) fn renewal_due(&self) -> Wall {
        self.renew.0
    }

    pub(super) fn renewal_in(&self, now: Now) -> Duration {
        left(self.renew, now)
    }

    pub(super) fn renew_now(&mut self, now: Now) {
        self.renew = (now.wall, now.mono);
    }

    /// Brings the renewal forward to `mono`, unless it is due before.
    pub(super) fn renew_at(&mut self, mono: Mono) {
        self.renew.1 = self.renew.1.min(mono);
    }
}

fn left((wall, mono): (Wall, Mono), now: Now) -> Duration {
    wall.since(now.wall).min(mono.since(now.mono))
}
