//! Named conditions: what is wrong now, since when, and what a person can do about it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::watch;

use crate::model::time::{Clock, Wall};

/// Something that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Condition {
    /// Its name, as documented: lower-case words joined with `-`.
    pub name: &'static str,
    /// What it concerns: the name of an upstream.
    pub subject: String,
    /// What is wrong.
    pub reason: String,
    /// What to do about it.
    pub remedy: String,
    /// Since when.
    pub since: Wall,
}

/// How the sign-in of one upstream stands.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Standing {
    /// The account, when known.
    pub account: Option<String>,
    /// The OAuth application's name.
    pub application: Option<String>,
    /// True while there is a login that has not been refused.
    pub signed_in: bool,
    /// When the access token ends.
    pub expires_at: Option<Wall>,
    /// When the refresh token ends, as far as known.
    pub refresh_expires_at: Option<Wall>,
    /// Renewals that gave a new token.
    pub renewals: u64,
    /// Renewals that failed.
    pub renewal_failures: u64,
    /// When the last renewal succeeded.
    pub last_renewal: Option<Wall>,
    /// When the next renewal is due.
    pub next_renewal: Option<Wall>,
}

impl Standing {
    /// True if requests can be served: there is a login or a source, and its token has not ended.
    pub fn serves(&self, now: Wall) -> bool {
        self.signed_in && self.expires_at.is_none_or(|end| end > now)
    }
}

/// The conditions and standings of the whole daemon. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Health {
    inner: Arc<Mutex<Inner>>,
    changes: watch::Sender<u64>,
    clock: Clock,
}

#[derive(Debug, Default)]
struct Inner {
    conditions: BTreeMap<(&'static str, String), Condition>,
    standings: BTreeMap<String, Standing>,
}

impl Health {
    /// Nothing is wrong, nothing is known.
    pub fn new(clock: Clock) -> Self {
        Self { inner: Arc::default(), changes: watch::channel(0).0, clock }
    }

    /// Raises a condition, or renews the reason of one that is raised. Logs one line when it is new, not when
    /// it is repeated.
    pub fn raise(&self, name: &'static str, subject: &str, reason: &str, remedy: &str) {
        if self.note(name, subject, reason, remedy) {
            tracing::warn!(condition = name, subject, "{reason}. {remedy}");
        } else {
            tracing::debug!(condition = name, subject, "still: {reason}");
        }
    }

    /// Raises a condition, or renews its reason, and logs one line in either case: for what is worth being said
    /// again.
    pub fn remind(&self, name: &'static str, subject: &str, reason: &str, remedy: &str) {
        self.note(name, subject, reason, remedy);
        tracing::warn!(condition = name, subject, "{reason}. {remedy}");
    }

    /// Puts a condition down; answers whether it is new.
    fn note(&self, name: &'static str, subject: &str, reason: &str, remedy: &str) -> bool {
        let since = self.clock.now().wall;
        self.change(|inner| {
            let key = (name, subject.to_owned());
            let since = inner.conditions.get(&key).map_or(since, |known| known.since);
            let (reason, remedy) = (reason.to_owned(), remedy.to_owned());
            let condition = Condition { name, subject: subject.to_owned(), reason, remedy, since };
            inner.conditions.insert(key, condition).is_none()
        })
    }

    /// Ends a condition; nothing happens if it was not raised.
    pub fn clear(&self, name: &'static str, subject: &str) {
        let ended = self.change(|inner| inner.conditions.remove(&(name, subject.to_owned())).is_some());
        if ended {
            tracing::info!(condition = name, subject, "over");
        }
    }

    /// All conditions that are raised now.
    pub fn conditions(&self) -> Vec<Condition> {
        self.lock().conditions.values().cloned().collect()
    }

    /// Sets how the sign-in of `subject` stands.
    pub fn set_standing(&self, subject: &str, standing: Standing) {
        // Nobody is woken for what is known.
        if self.lock().standings.get(subject) != Some(&standing) {
            self.change(|inner| inner.standings.insert(subject.to_owned(), standing));
        }
    }

    /// How the sign-ins stand, by upstream.
    pub fn standings(&self) -> BTreeMap<String, Standing> {
        self.lock().standings.clone()
    }

    /// Sees a new value whenever anything changes.
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    fn change<T>(&self, change: impl FnOnce(&mut Inner) -> T) -> T {
        let result = change(&mut self.lock());
        self.changes.send_modify(|count| *count += 1);
        result
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Inner> {
        // No code panics while it holds this lock; if it did, the maps would still be whole.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_condition_keeps_its_beginning_and_takes_the_newest_reason() {
        let seconds = Arc::new(Mutex::new(100));
        let read = seconds.clone();
        let clock = Clock::from_fn(move || crate::model::time::Now {
            wall: Wall::from_unix_seconds(*read.lock().unwrap()),
            mono: crate::model::time::Mono::from_start(std::time::Duration::ZERO),
        });
        let health = Health::new(clock);
        health.raise("login-required", "alibaba", "none saved", "sign in");
        *seconds.lock().unwrap() = 200;
        health.raise("login-required", "alibaba", "refused", "sign in");
        let conditions = health.conditions();
        assert_eq!(conditions.len(), 1);
        assert_eq!((conditions[0].since.unix_seconds(), conditions[0].reason.as_str()), (100, "refused"));
        health.clear("login-required", "alibaba");
        assert!(health.conditions().is_empty());
    }
}
