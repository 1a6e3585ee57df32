//! The life of a token as a pure machine: events and the time go in, actions come out.
//!
//! No I/O, no clock, no async. The keeper performs the actions in their order, so "saved before it is
//! published" is the order of two list entries. What holds at every moment:
//!
//! * at most one renewal is under way;
//! * a bearer is published only while its life lasts on both clocks;
//! * a permanent refusal ends the renewals, and deletes nothing;
//! * a credential is replaced by one with a higher serial only, and forgotten only when a person signed out.

mod allowance;
mod events;
mod held;
#[cfg(test)]
mod properties;
#[cfg(test)]
mod table;
#[cfg(test)]
mod tests;

use std::time::Duration;

use self::allowance::Allowance;
pub use self::events::{Action, Event, Failure, Means, RenewalOutcome, Trouble};
use self::held::Held;
use crate::auth::credential::Credential;
use crate::auth::timing::{Jitter, wait_after};
use crate::model::time::{Mono, Now, Wall};
use crate::token::Unavailable;

/// The machine looks at the clocks at least this often, for the monotonic one stands still in suspend.
const LONGEST_SLEEP: Duration = Duration::from_secs(30);
/// A `Retry-After` is followed up to this.
const LONGEST_RETRY_AFTER: Duration = Duration::from_secs(300);
/// Why a login whose token is over needs a person.
const NOTHING_TO_RENEW_WITH: &str = "the token has ended and the login has no refresh token";

/// The machine.
#[derive(Debug)]
pub struct Machine {
    means: Means,
    jitter: Jitter,
    held: Option<Held>,
    generation: u64,
    renewing: bool,
    retry: Option<Retry>,
    refused: Option<String>,
    answer_lost: bool,
    /// True while the last try failed in a way that lasts, and readers know.
    stuck: bool,
    unsaved: Option<Retry>,
    rejections: Allowance,
}

/// When something is tried again, and after how many failures in a row.
#[derive(Debug, Clone, Copy)]
struct Retry {
    at: Mono,
    failures: u32,
}

impl Machine {
    /// A machine that holds nothing; `seed` spreads its timing.
    pub fn new(means: Means, seed: u64, now: Now) -> Self {
        Self {
            means,
            jitter: Jitter::new(seed),
            held: None,
            generation: 0,
            renewing: false,
            retry: None,
            refused: None,
            answer_lost: false,
            stuck: false,
            unsaved: None,
            rejections: Allowance::new(now.mono),
        }
    }

    /// Takes one event and answers what is to be done.
    pub fn step(&mut self, event: Event, now: Now) -> Vec<Action> {
        let mut actions = Vec::new();
        match event {
            Event::Started { saved: Err(reason), .. } => self.require_login(reason, &mut actions),
            Event::Started { saved: Ok(credential), cut_off } => {
                self.adopt(credential, now, &mut actions);
                self.answer_lost = cut_off;
            }
            Event::Found(credential) => {
                self.adopt(credential, now, &mut actions);
            }
            Event::Removed => self.removed(&mut actions),
            Event::SignedOut => self.signed_out(&mut actions),
            Event::SignedIn(credential) => self.signed_in(credential, now, &mut actions),
            Event::Rejected(generation) => self.rejected(generation, now, &mut actions),
            Event::RenewalEnded { serial, outcome } => self.renewal_ended(serial, outcome, now, &mut actions),
            Event::SaveEnded(result) => self.save_ended(result, now, &mut actions),
            Event::SourceChanged => self.source_changed(now),
            Event::Tick => {}
        }
        self.expire(now, &mut actions);
        self.save_again(now, &mut actions);
        self.renew_if_due(now, &mut actions);
        actions
    }

    /// How long to sleep before the next [`Event::Tick`], if nothing else happens.
    pub fn sleep(&self, now: Now) -> Duration {
        let mut sleep = LONGEST_SLEEP;
        if let Some(held) = &self.held {
            if !held.withdrawn {
                sleep = sleep.min(held.expires_in(now).unwrap_or(LONGEST_SLEEP));
            }
            if self.may_renew() {
                sleep = sleep.min(match self.retry {
                    Some(retry) => retry.at.since(now.mono),
                    None => held.renewal_in(now),
                });
            }
        }
        match self.unsaved {
            Some(unsaved) => sleep.min(unsaved.at.since(now.mono)),
            None => sleep,
        }
    }

    /// When the next renewal is due, as far as one is.
    pub fn next_renewal(&self, now: Now) -> Option<Wall> {
        let held = self.held.as_ref().filter(|_| self.may_renew())?;
        Some(match self.retry {
            Some(retry) => now.wall.plus(retry.at.since(now.mono)),
            None => held.renewal_due(),
        })
    }

    /// The credential in use.
    pub fn credential(&self) -> Option<&Credential> {
        self.held.as_ref().map(|held| &held.credential)
    }

    /// True if the store holds what is in use; what was never saved cannot have been removed.
    pub fn is_durable(&self) -> bool {
        self.unsaved.is_none()
    }

    /// True if only a person can help.
    pub fn needs_login(&self) -> bool {
        self.held.is_none() || self.refused.is_some()
    }

    /// Takes what the store holds into use, if it is newer.
    fn adopt(&mut self, credential: Credential, now: Now, actions: &mut Vec<Action>) -> bool {
        let newer = self.credential().is_none_or(|held| credential.grant.serial > held.grant.serial);
        if newer {
            self.hold(credential, now, actions);
            if self.unsaved.take().is_some() {
                actions.push(Action::Clear(Trouble::NotDurable));
            }
        }
        newer
    }

    fn signed_in(&mut self, mut credential: Credential, now: Now, actions: &mut Vec<Action>) {
        let held = self.credential().map_or(0, |held| held.grant.serial);
        credential.grant.serial = credential.grant.serial.max(held).saturating_add(1);
        actions.push(Action::Save(credential.clone()));
        self.hold(credential, now, actions);
    }

    /// Makes `credential` the one in use, and publishes its token if it is still good.
    fn hold(&mut self, credential: Credential, now: Now, actions: &mut Vec<Action>) {
        self.generation += 1;
        self.renewing = false;
        self.retry = None;
        self.refused = None;
        self.answer_lost = false;
        self.stuck = false;
        let held = Held::new(credential, now, &mut self.jitter);
        if held.is_expired(now) {
            actions.push(Action::Explain(Unavailable::Renewing));
        } else {
            let token = held.credential.grant.access_token.clone();
            actions.push(Action::Publish { generation: self.generation, token, expires: held.expires });
        }
        actions.push(Action::Clear(Trouble::LoginRequired));
        actions.push(Action::Clear(Trouble::RenewalFailing));
        let is_over = held.withdrawn && !self.is_renewable(&held);
        self.held = Some(held);
        if is_over {
            self.require_login(NOTHING_TO_RENEW_WITH.to_owned(), actions);
        }
    }

    fn is_renewable(&self, held: &Held) -> bool {
        self.means == Means::AtWill || held.credential.grant.refresh_token.is_some()
    }

    /// Forgets the login, if it was removed: one that was never saved is merely not there yet.
    fn removed(&mut self, actions: &mut Vec<Action>) {
        if !self.is_durable() || self.held.take().is_none() {
            return;
        }
        self.renewing = false;
        self.retry = None;
        self.answer_lost = false;
        self.stuck = false;
        actions.push(Action::Clear(Trouble::RenewalFailing));
        self.require_login("signed out: the saved login was removed".to_owned(), actions);
    }

    /// Forgets the login, even one that was never saved.
    fn signed_out(&mut self, actions: &mut Vec<Action>) {
        if self.unsaved.take().is_some() {
            actions.push(Action::Clear(Trouble::NotDurable));
        }
        self.removed(actions);
    }

    fn rejected(&mut self, generation: u64, now: Now, actions: &mut Vec<Action>) {
        if generation != self.generation || self.renewing {
            return;
        }
        if self.held.as_ref().is_some_and(|held| !self.is_renewable(held)) && self.refused.is_none() {
            self.require_login(
                "the upstream refused the token, and the login has no refresh token".to_owned(),
                actions,
            );
        }
        let Some(held) = &mut self.held else { return };
        if self.refused.is_some() {
            // Neither the upstream nor the authorization server takes it any more: say so at once.
            held.withdrawn = true;
            actions.push(Action::Withdraw(Unavailable::SignInNeeded));
            return;
        }
        held.rejected = true;
        if held.is_expired(now) {
            held.renew_now(now);
        } else {
            // A generation is reported once, so a renewal that must not happen yet is made up for later.
            held.renew_at(self.rejections.take(now.mono).err().unwrap_or(now.mono));
        }
    }

    fn source_changed(&mut self, now: Now) {
        self.retry = None;
        if let Some(held) = &mut self.held {
            held.renew_now(now);
        }
    }

    fn renewal_ended(&mut self, serial: u64, outcome: RenewalOutcome, now: Now, actions: &mut Vec<Action>) {
        let renewed = |held: &&Held| self.renewing && held.credential.grant.serial == serial;
        let Some(held) = self.held.as_ref().filter(renewed) else {
            return; // It is not waited for any more: another credential took the place of the renewed one.
        };
        match outcome {
            RenewalOutcome::Renewed { answer, asked_at } => {
                let credential = Credential {
                    binding: held.credential.binding.clone(),
                    grant: held.credential.grant.renewed(answer, asked_at),
                };
                actions.push(Action::Save(credential.clone()));
                self.hold(credential, now, actions);
            }
            RenewalOutcome::Adopted(credential) => {
                self.renewing = false;
                if !self.adopt(credential, now, actions) {
                    let reason = "another process renewed, but its login is not newer".to_owned();
                    let failure = Failure { reason, retry_after: None, maybe_processed: false, lasting: false };
                    self.failed(failure, now, actions);
                }
            }
            RenewalOutcome::Failed(failure) => self.failed(failure, now, actions),
            RenewalOutcome::Refused(reason) => {
                self.renewing = false;
                self.retry = None;
                let lost = "; the answer to an earlier renewal was lost on the way, and the server had already \
                            replaced the refresh token";
                let reason = if self.answer_lost { format!("{reason}{lost}") } else { reason };
                actions.push(Action::Clear(Trouble::RenewalFailing));
                self.require_login(reason, actions);
            }
            RenewalOutcome::Removed => {
                self.renewing = false;
                self.removed(actions);
            }
        }
    }

    fn failed(&mut self, failure: Failure, now: Now, actions: &mut Vec<Action>) {
        self.renewing = false;
        self.answer_lost |= failure.maybe_processed;
        let failures = self.retry.map_or(0, |retry| retry.failures).saturating_add(1);
        let asked = failure.retry_after.unwrap_or_default().min(LONGEST_RETRY_AFTER);
        let wait = wait_after(failures, &mut self.jitter).max(asked);
        self.retry = Some(Retry { at: now.mono.plus(wait), failures });
        actions.push(Action::Raise(Trouble::RenewalFailing, failure.reason));
        if failure.lasting {
            self.stuck = true;
            actions.push(Action::Explain(Unavailable::NotSoon));
        }
    }

    fn require_login(&mut self, reason: String, actions: &mut Vec<Action>) {
        actions.push(Action::Raise(Trouble::LoginRequired, reason.clone()));
        self.refused = Some(reason);
        let published = self.held.as_ref().is_some_and(|held| !held.withdrawn);
        actions.push(match published {
            true => Action::Explain(Unavailable::SignInNeeded),
            false => Action::Withdraw(Unavailable::SignInNeeded),
        });
    }

    fn save_ended(&mut self, result: Result<(), String>, now: Now, actions: &mut Vec<Action>) {
        match result {
            Ok(()) => {
                self.unsaved = None;
                actions.push(Action::Clear(Trouble::NotDurable));
            }
            // Without a login nothing is missing on disk, and nothing would be tried again.
            Err(_) if self.held.is_none() => {}
            Err(reason) => {
                let failures = self.unsaved.map_or(0, |unsaved| unsaved.failures).saturating_add(1);
                let at = now.mono.plus(wait_after(failures, &mut self.jitter));
                self.unsaved = Some(Retry { at, failures });
                actions.push(Action::Raise(Trouble::NotDurable, reason));
            }
        }
    }

    /// Takes the bearer back when its life is over, and gives up when nothing can renew it.
    fn expire(&mut self, now: Now, actions: &mut Vec<Action>) {
        let Some(held) = &mut self.held else { return };
        if held.withdrawn || !held.is_expired(now) {
            return;
        }
        held.withdrawn = true;
        let without = match self.refused {
            None if self.stuck => Unavailable::NotSoon,
            None => Unavailable::Renewing,
            Some(_) => Unavailable::SignInNeeded,
        };
        actions.push(Action::Withdraw(without));
        let renewable = self.held.as_ref().is_some_and(|held| self.is_renewable(held));
        if !renewable && self.refused.is_none() {
            self.require_login(NOTHING_TO_RENEW_WITH.to_owned(), actions);
        }
    }

    fn save_again(&mut self, now: Now, actions: &mut Vec<Action>) {
        let due = self.unsaved.is_some_and(|unsaved| now.mono >= unsaved.at);
        let saving = actions.iter().any(|action| matches!(action, Action::Save(_)));
        if let (true, false, Some(held)) = (due, saving, &self.held) {
            actions.push(Action::Save(held.credential.clone()));
        }
    }

    fn renew_if_due(&mut self, now: Now, actions: &mut Vec<Action>) {
        let Some(held) = self.held.as_ref().filter(|_| self.may_renew()) else { return };
        let due = match self.retry {
            Some(retry) => now.mono >= retry.at,
            None => held.renewal_in(now).is_zero(),
        };
        if due {
            actions.push(Action::Renew { credential: held.credential.clone(), rejected: held.rejected });
            self.renewing = true;
            if std::mem::take(&mut self.stuck) {
                // Its end is near, whatever it is: worth waiting for.
                actions.push(Action::Explain(Unavailable::Renewing));
            }
        }
    }

    fn may_renew(&self) -> bool {
        let renewable = self.held.as_ref().is_some_and(|held| self.is_renewable(held));
        renewable && !self.renewing && self.refused.is_none()
    }
}
