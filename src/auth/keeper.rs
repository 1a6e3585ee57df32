//! The one task that owns a login: it performs what the [`machine`](crate::auth::machine) decides.

use std::collections::VecDeque;
use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;

use crate::auth::credential::Credential;
use crate::auth::custody::{Custody, Renewed};
use crate::auth::machine::{Action, Event, Failure, Machine, RenewalOutcome, Trouble};
use crate::auth::reminder::{Reminded, Reminder};
use crate::auth::revocation::RevocationEndpoint;
use crate::auth::sign_out::{SignOutError, sign_out};
use crate::auth::store::{Sight, Stamp};
use crate::model::time::Clock;
use crate::model::upstream::UpstreamName;
use crate::observe::health::{Health, Standing};
use crate::observe::pulse::Beat;
use crate::token::{Bearer, Publisher};

/// How often the disk is looked at, where something else may put a token there: a login by another process, a file
/// that is kept up to date.
const LOOK: Duration = Duration::from_secs(1);
/// How long a renewal under way may take once the daemon stops: its answer may hold the only refresh token.
const LAST_RENEWAL: Duration = Duration::from_secs(5);

/// What a keeper is made of.
#[derive(Debug)]
pub struct Parts {
    /// The upstream whose login this is.
    pub name: UpstreamName,
    /// Where it is kept and how it is renewed.
    pub custody: Custody,
    /// Where bearers are published.
    pub publisher: Publisher,
    /// Where conditions are raised.
    pub health: Health,
    /// The time.
    pub clock: Clock,
    /// Spreads the timing.
    pub seed: u64,
}

/// The keeper of one login.
pub struct Keeper {
    parts: Parts,
    machine: Machine,
    renewal: Option<Renewal>,
    orders: mpsc::Receiver<Order>,
    standing: Standing,
    pending: Vec<Action>,
    /// How the last save ended; the one who signed in is told.
    last_save: Result<(), String>,
    /// The file as it was when it was last read.
    seen: Option<Stamp>,
    reminder: Reminder,
}

type Renewal = Pin<Box<dyn Future<Output = Renewed> + Send>>;

/// What a person wants of a keeper.
enum Order {
    SignIn {
        credential: Credential,
        saved: oneshot::Sender<Result<(), String>>,
    },
    SignOut {
        /// Where the grant is ended first.
        revocation: Option<RevocationEndpoint>,
        ended: oneshot::Sender<Result<bool, SignOutError>>,
    },
}

/// Hands a person's orders to a keeper. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Handle(mpsc::Sender<Order>);

/// The keeper has ended, because the daemon stops.
#[derive(Debug, thiserror::Error)]
#[error("the daemon is stopping")]
pub struct Stopping;

impl Handle {
    /// Puts a login into use. Answers once it is saved, or could not be.
    ///
    /// # Errors
    /// When the keeper has ended. The inner error says why the login, though in use, is not on disk.
    pub async fn sign_in(&self, credential: Credential) -> Result<Result<(), String>, Stopping> {
        let (saved, outcome) = oneshot::channel();
        self.0.send(Order::SignIn { credential, saved }).await.map_err(|_| Stopping)?;
        outcome.await.map_err(|_| Stopping)
    }

    /// Ends the login, after it was revoked at `revocation`. Answers whether there was one.
    ///
    /// # Errors
    /// When the keeper has ended. The inner error says why the login is there still.
    pub async fn sign_out(
        &self,
        revocation: Option<RevocationEndpoint>,
    ) -> Result<Result<bool, SignOutError>, Stopping> {
        let (ended, outcome) = oneshot::channel();
        self.0.send(Order::SignOut { revocation, ended }).await.map_err(|_| Stopping)?;
        outcome.await.map_err(|_| Stopping)
    }
}

impl Keeper {
    /// Reads the saved login and decides the first state. Touches no network.
    pub fn start(parts: Parts) -> (Self, Handle) {
        let now = parts.clock.now();
        let mut machine = Machine::new(parts.custody.means(), parts.seed, now);
        let saved = parts.custody.first(now);
        let cut_off = saved.as_ref().is_ok_and(|credential| parts.custody.was_cut_off(credential.grant.serial));
        let pending = machine.step(Event::Started { saved, cut_off }, now);
        let (sender, orders) = mpsc::channel(1);
        let mut keeper = Self {
            parts,
            machine,
            renewal: None,
            orders,
            standing: Standing::default(),
            pending,
            last_save: Ok(()),
            seen: None,
            reminder: Reminder::default(),
        };
        keeper.announce();
        // What needs neither disk nor network is done at once: requests may come before the task first runs.
        let (quick, later) = std::mem::take(&mut keeper.pending)
            .into_iter()
            .partition(|action| !matches!(action, Action::Renew { .. } | Action::Save(_)));
        keeper.pending = later;
        for action in quick {
            keeper.tell(action);
        }
        (keeper, Handle(sender))
    }

    /// Keeps the login until `stop`, and answers when `beat` is asked for.
    pub async fn run(mut self, stop: CancellationToken, mut beat: Beat) {
        let first = std::mem::take(&mut self.pending);
        self.perform(first).await;
        loop {
            let wake = self.machine.sleep(self.parts.clock.now()).min(LOOK);
            let renewal = async {
                match &mut self.renewal {
                    Some(renewal) => renewal.await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                biased;
                () = stop.cancelled() => break,
                () = beat.asked() => beat.answer().await,
                renewed = renewal => self.renewal_ended(renewed).await,
                Some(order) = self.orders.recv() => match order {
                    Order::SignIn { credential, saved } => {
                        let result = self.sign_in(credential).await;
                        // The person may have given up waiting; the login is in use all the same.
                        let _ = saved.send(result);
                    }
                    Order::SignOut { revocation, ended } => {
                        let result = self.sign_out(revocation.as_ref()).await;
                        let _ = ended.send(result);
                    }
                },
                Some(generation) = self.parts.publisher.rejected() => self.step(Event::Rejected(generation)).await,
                () = tokio::time::sleep(wake) => self.tick().await,
            }
        }
        if let Some(renewal) = self.renewal.take()
            && let Ok(renewed) = tokio::time::timeout(LAST_RENEWAL, renewal).await
        {
            self.renewal_ended(renewed).await;
        }
    }

    async fn tick(&mut self) {
        if self.machine.needs_login()
            && let Some(credential) = self.parts.custody.found()
        {
            self.step(Event::Found(credential)).await;
        }
        if self.parts.custody.has_news() {
            self.step(Event::SourceChanged).await;
        }
        self.look_at_store().await;
        self.step(Event::Tick).await;
    }

    /// Notices what another process did to the saved login: removed it, or put a new one in its place.
    async fn look_at_store(&mut self) {
        let Some(store) = self.parts.custody.store() else { return };
        let Some(held) = self.machine.credential() else { return };
        if self.renewal.is_some() || !self.machine.is_durable() {
            return;
        }
        match store.look() {
            // Whoever puts one login in the place of another holds the lock meanwhile.
            Sight::Gone => {
                if let Ok(Some(_lock)) = store.try_lock()
                    && store.look() == Sight::Gone
                {
                    self.step(Event::Removed).await;
                }
            }
            Sight::There(stamp) if self.seen != Some(stamp) => {
                let Some(saved) = self.parts.custody.found() else { return };
                self.seen = Some(stamp);
                // Signed out and in again between two looks: the new login is counted from the beginning.
                let counted_anew = saved.grant.serial <= held.grant.serial;
                if counted_anew && saved.grant.obtained_at > held.grant.obtained_at {
                    self.step(Event::Removed).await;
                }
                self.step(Event::Found(saved)).await;
                // A person may have signed in where the key is not at hand.
                if let Some(store) = self.parts.custody.store() {
                    store.encrypt_what_is_plain();
                }
            }
            Sight::There(_) | Sight::Unknown => {}
        }
    }

    async fn renewal_ended(&mut self, renewed: Renewed) {
        self.renewal = None;
        match &renewed.outcome {
            RenewalOutcome::Renewed { .. } | RenewalOutcome::Adopted(_) => {
                self.standing.renewals += 1;
                self.standing.last_renewal = Some(self.parts.clock.now().wall);
            }
            RenewalOutcome::Failed(_) | RenewalOutcome::Refused(_) => self.standing.renewal_failures += 1,
            RenewalOutcome::Removed => {}
        }
        self.step(Event::RenewalEnded { serial: renewed.serial, outcome: renewed.outcome }).await;
        drop(renewed.lock);
    }

    async fn sign_in(&mut self, mut credential: Credential) -> Result<(), String> {
        // A renewal of the login that is being replaced is of no use any more, and it holds the lock.
        self.renewal = None;
        // Another process may have saved a newer login than the one in memory.
        let (lock, on_disk) = self.parts.custody.begin_sign_in().await;
        credential.grant.serial = credential.grant.serial.max(on_disk);
        self.step(Event::SignedIn(credential)).await;
        drop(lock);
        self.last_save.clone()
    }

    async fn sign_out(&mut self, revocation: Option<&RevocationEndpoint>) -> Result<bool, SignOutError> {
        let Some(store) = self.parts.custody.store().cloned() else { return Ok(false) };
        // A renewal under way holds the lock, and may bring the only refresh token that is worth revoking.
        if let Some(renewal) = self.renewal.take() {
            let renewed = tokio::time::timeout(LAST_RENEWAL, renewal).await;
            let renewed = renewed.unwrap_or_else(|_| self.broken_off());
            self.renewal_ended(renewed).await;
        }
        let held = self.machine.credential().cloned();
        let ended = sign_out(&store, held.as_ref(), revocation).await?;
        self.step(Event::SignedOut).await;
        Ok(ended)
    }

    /// A renewal that was not waited for.
    fn broken_off(&self) -> Renewed {
        let serial = self.machine.credential().map_or(0, |held| held.grant.serial);
        let reason = "the renewal was broken off".to_owned();
        let failure = Failure { reason, retry_after: None, maybe_processed: true, lasting: false };
        Renewed { serial, outcome: RenewalOutcome::Failed(failure), lock: None }
    }

    /// Lets the machine decide and performs it.
    async fn step(&mut self, event: Event) {
        let actions = self.machine.step(event, self.parts.clock.now());
        self.perform(actions).await;
        self.announce();
    }

    async fn perform(&mut self, actions: Vec<Action>) {
        let mut queue = VecDeque::from(actions);
        while let Some(action) = queue.pop_front() {
            match action {
                Action::Save(credential) => {
                    let (custody, now) = (self.parts.custody.clone(), self.parts.clock.now().wall);
                    self.last_save = custody.save(credential, now).await;
                    let ended = Event::SaveEnded(self.last_save.clone());
                    queue.extend(self.machine.step(ended, self.parts.clock.now()));
                }
                Action::Renew { credential, rejected } => {
                    let durable = self.machine.is_durable();
                    let (custody, clock) = (self.parts.custody.clone(), self.parts.clock.clone());
                    self.renewal = Some(Box::pin(custody.renew(credential, rejected, durable, clock)));
                }
                other => self.tell(other),
            }
        }
    }

    /// Performs what reaches readers and people only.
    fn tell(&self, action: Action) {
        let Parts { publisher, health, name, .. } = &self.parts;
        match action {
            Action::Publish { generation, token, expires } => match Bearer::new(generation, &token, expires) {
                Ok(bearer) => publisher.publish(bearer),
                Err(error) => tracing::error!(upstream = %name, "{error}"),
            },
            Action::Explain(without) => publisher.explain(without),
            Action::Withdraw(without) => publisher.withdraw(without),
            Action::Raise(trouble, reason) => {
                let (condition, remedy) = words(trouble, self.parts.custody.remedy());
                health.raise(condition, name.as_str(), &reason, remedy);
            }
            Action::Clear(trouble) => {
                health.clear(words(trouble, None).0, name.as_str());
            }
            Action::Save(_) | Action::Renew { .. } => {}
        }
    }

    fn announce(&mut self) {
        self.standing.signed_in = !self.machine.needs_login();
        let held = self.machine.credential();
        self.standing.account = held.and_then(|held| held.binding.account.clone());
        self.standing.application = held.map(|held| held.binding.client_name.clone());
        self.standing.expires_at = held.and_then(|held| held.grant.expires_at);
        self.standing.refresh_expires_at = held.and_then(|held| held.grant.refresh_expires_at);
        let Parts { health, name, clock, .. } = &self.parts;
        self.standing.next_renewal = self.machine.next_renewal(clock.now());
        match self.reminder.look(self.standing.refresh_expires_at, clock.now().wall) {
            Some(Reminded::Ending(reason)) => health.remind(LOGIN_EXPIRING, name.as_str(), &reason, SIGN_IN),
            Some(Reminded::Over) => health.clear(LOGIN_EXPIRING, name.as_str()),
            None => {}
        }
        health.set_standing(name.as_str(), self.standing.clone());
    }
}

/// The condition when a person has to sign in.
pub const LOGIN_REQUIRED: &str = "login-required";
/// The condition when the newest tokens are not on disk.
pub const TOKEN_NOT_DURABLE: &str = "token-not-durable";
/// The condition of a login that ends soon.
const LOGIN_EXPIRING: &str = "login-expiring";
/// What a person can do about a login.
const SIGN_IN: &str = "Sign in with: mcp-proxy login";

/// What to do about a condition that a keeper raises; `None` for another name.
pub fn remedy(condition: &str) -> Option<&'static str> {
    let troubles = [Trouble::LoginRequired, Trouble::RenewalFailing, Trouble::NotDurable];
    let known = troubles.map(|trouble| words(trouble, None)).into_iter().chain([(LOGIN_EXPIRING, SIGN_IN)]);
    known.into_iter().find(|(name, _)| *name == condition).map(|(_, remedy)| remedy)
}

/// The name of a trouble as a condition, and what to do about it; `source`: what a source says of failing renewals.
fn words(trouble: Trouble, source: Option<&'static str>) -> (&'static str, &'static str) {
    match trouble {
        Trouble::LoginRequired => (LOGIN_REQUIRED, SIGN_IN),
        Trouble::RenewalFailing => (
            "token-renewal-failing",
            source.unwrap_or(
                "It is tried again by itself; if it lasts, mend what is named here, such as the network, the proxy \
                 settings, or what gives the token",
            ),
        ),
        Trouble::NotDurable => (
            TOKEN_NOT_DURABLE,
            "The login is in use but would be lost by a restart. Make room or give write access; saving is tried again",
        ),
    }
}
