//! The one task that owns a login: it performs what the [`machine`](crate::auth::machine) decides.

use std::collections::VecDeque;
use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;

use crate::auth::credential::{Credential, Expected};
use crate::auth::endpoint::{TokenEndpoint, TokenError};
use crate::auth::machine::{Action, Event, Failure, Machine, RenewalOutcome, Trouble};
use crate::auth::reminder::{Reminded, Reminder};
use crate::auth::store::{LoadError, Lock, Sight, Stamp, Store};
use crate::model::time::{Clock, Wall};
use crate::model::upstream::UpstreamName;
use crate::observe::health::{Health, Standing};
use crate::token::{Bearer, Publisher};

/// The store is looked at this often: another process may have signed in or out.
const LOOK_AT_STORE: Duration = Duration::from_secs(1);
/// How long a renewal under way may take once the daemon stops: its answer may hold the only refresh token.
const LAST_RENEWAL: Duration = Duration::from_secs(5);

/// What a keeper is made of.
#[derive(Debug)]
pub struct Parts {
    /// The upstream whose login this is.
    pub name: UpstreamName,
    /// Where the login is saved.
    pub store: Store,
    /// What the configuration demands of a saved login.
    pub expected: Expected,
    /// Where tokens are renewed.
    pub endpoint: TokenEndpoint,
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
    sign_ins: mpsc::Receiver<SignIn>,
    standing: Standing,
    pending: Vec<Action>,
    /// How the last save ended; the one who signed in is told.
    last_save: Result<(), String>,
    /// The file as it was when it was last read.
    seen: Option<Stamp>,
    reminder: Reminder,
}

type Renewal = Pin<Box<dyn Future<Output = Renewed> + Send>>;

struct Renewed {
    serial: u64,
    outcome: RenewalOutcome,
    /// Held until the outcome is saved, so that no other process renews in between.
    lock: Option<Lock>,
}

struct SignIn {
    credential: Credential,
    saved: oneshot::Sender<Result<(), String>>,
}

/// Hands a new login to its keeper. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Handle(mpsc::Sender<SignIn>);

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
        self.0.send(SignIn { credential, saved }).await.map_err(|_| Stopping)?;
        outcome.await.map_err(|_| Stopping)
    }
}

impl Keeper {
    /// Reads the saved login and decides the first state. Touches no network.
    pub fn start(parts: Parts) -> (Self, Handle) {
        let now = parts.clock.now();
        let mut machine = Machine::new(parts.seed, now);
        let saved = usable(&parts);
        let serial = saved.as_ref().ok().map(|credential| credential.grant.serial);
        let cut_off = serial.is_some() && serial == parts.store.unfinished_renewal();
        let pending = machine.step(Event::Started { saved, cut_off }, now);
        let (sender, sign_ins) = mpsc::channel(1);
        let mut keeper = Self {
            parts,
            machine,
            renewal: None,
            sign_ins,
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
            .partition(|action| !matches!(action, Action::Renew(_) | Action::Save(_)));
        keeper.pending = later;
        for action in quick {
            keeper.tell(action);
        }
        (keeper, Handle(sender))
    }

    /// Keeps the login until `stop`.
    pub async fn run(mut self, stop: CancellationToken) {
        let first = std::mem::take(&mut self.pending);
        self.perform(first).await;
        loop {
            let wake = self.machine.sleep(self.parts.clock.now()).min(LOOK_AT_STORE);
            let renewal = async {
                match &mut self.renewal {
                    Some(renewal) => renewal.await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                biased;
                () = stop.cancelled() => break,
                renewed = renewal => self.renewal_ended(renewed).await,
                Some(sign_in) = self.sign_ins.recv() => self.sign_in(sign_in).await,
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
            && let Ok(credential) = usable(&self.parts)
        {
            self.step(Event::Found(credential)).await;
        }
        self.look_at_store().await;
        self.step(Event::Tick).await;
    }

    /// Notices what another process did to the saved login: removed it, or put a new one in its place.
    async fn look_at_store(&mut self) {
        let Parts { store, .. } = &self.parts;
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
                let Ok(saved) = usable(&self.parts) else { return };
                self.seen = Some(stamp);
                // Signed out and in again between two looks: the new login is counted from the beginning.
                let counted_anew = saved.grant.serial <= held.grant.serial;
                if counted_anew && saved.grant.obtained_at > held.grant.obtained_at {
                    self.step(Event::Removed).await;
                }
                self.step(Event::Found(saved)).await;
                // A person may have signed in where the key is not at hand.
                self.parts.store.encrypt_what_is_plain();
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

    async fn sign_in(&mut self, sign_in: SignIn) {
        let SignIn { mut credential, saved } = sign_in;
        // A renewal of the login that is being replaced is of no use any more, and it holds the lock.
        self.renewal = None;
        let lock = self.parts.store.lock().await;
        // Another process may have saved a newer login than the one in memory.
        if let Ok(Some(on_disk)) = self.parts.store.load() {
            credential.grant.serial = credential.grant.serial.max(on_disk.grant.serial);
        }
        self.step(Event::SignedIn(credential)).await;
        drop(lock);
        // The person may have given up waiting; the login is in use all the same.
        let _ = saved.send(self.last_save.clone());
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
                    let (store, now) = (self.parts.store.clone(), self.parts.clock.now().wall);
                    self.last_save = save(store, credential, now).await;
                    let ended = Event::SaveEnded(self.last_save.clone());
                    queue.extend(self.machine.step(ended, self.parts.clock.now()));
                }
                Action::Renew(credential) => {
                    let (store, expected) = (self.parts.store.clone(), self.parts.expected.clone());
                    let (endpoint, clock) = (self.parts.endpoint.clone(), self.parts.clock.clone());
                    let durable = self.machine.is_durable();
                    self.renewal = Some(Box::pin(renew(store, expected, endpoint, clock, credential, durable)));
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
                let (condition, remedy) = words(trouble);
                health.raise(condition, name.as_str(), &reason, remedy);
            }
            Action::Clear(trouble) => health.clear(words(trouble).0, name.as_str()),
            Action::Save(_) | Action::Renew(_) => {}
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
        match self.reminder.look(self.standing.refresh_expires_at, clock.now().wall) {
            Some(Reminded::Ending(reason)) => health.remind(LOGIN_EXPIRING, name.as_str(), &reason, SIGN_IN),
            Some(Reminded::Over) => health.clear(LOGIN_EXPIRING, name.as_str()),
            None => {}
        }
        health.set_standing(name.as_str(), self.standing.clone());
    }
}

async fn save(store: Store, credential: Credential, now: Wall) -> Result<(), String> {
    match tokio::task::spawn_blocking(move || store.save(&credential, now)).await {
        Ok(result) => result.map_err(|error| error.to_string()),
        Err(error) => Err(format!("saving was broken off: {error}")),
    }
}

/// The condition of a login that ends soon.
const LOGIN_EXPIRING: &str = "login-expiring";
/// What a person can do about a login.
const SIGN_IN: &str = "Sign in with: mcp-proxy login";

/// The name of a trouble as a condition, and what to do about it.
fn words(trouble: Trouble) -> (&'static str, &'static str) {
    match trouble {
        Trouble::LoginRequired => ("login-required", SIGN_IN),
        Trouble::RenewalFailing => (
            "token-renewal-failing",
            "It is tried again by itself; if it lasts, check the network and the proxy settings",
        ),
        Trouble::NotDurable => (
            "token-not-durable",
            "The login is in use but would be lost by a restart. Make room or give write access; saving is tried again",
        ),
    }
}

/// The saved login, if it can be used and is for what is configured.
fn usable(parts: &Parts) -> Result<Credential, String> {
    match parts.store.load() {
        Ok(Some(credential)) => match parts.expected.difference(&credential.binding) {
            None => Ok(credential),
            Some(difference) => {
                let path = parts.store.path().display();
                Err(format!("the saved login {path} is for another configuration ({difference}); it is kept"))
            }
        },
        Ok(None) => Err("no login is saved".to_owned()),
        Err(error @ LoadError::Unreadable { .. }) => Err(error.to_string()),
        Err(error @ LoadError::NotUsable { .. }) => Err(format!("{error}; it is kept")),
    }
}

/// Renews under the lock between processes, unless another process has done it meanwhile.
async fn renew(
    store: Store,
    expected: Expected,
    endpoint: TokenEndpoint,
    clock: Clock,
    credential: Credential,
    durable: bool,
) -> Renewed {
    let serial = credential.grant.serial;
    let Ok(lock) = store.lock().await else {
        let reason = format!("another process holds the lock of {}", store.path().display());
        let failure = Failure { reason, retry_after: None, maybe_processed: false };
        return Renewed { serial, outcome: RenewalOutcome::Failed(failure), lock: None };
    };
    if durable && lock.is_some() && store.look() == Sight::Gone {
        return Renewed { serial, outcome: RenewalOutcome::Removed, lock };
    }
    let newer = || match store.load() {
        Ok(Some(saved)) if saved.grant.serial > serial && expected.difference(&saved.binding).is_none() => Some(saved),
        _ => None,
    };
    if let Some(saved) = newer() {
        return Renewed { serial, outcome: RenewalOutcome::Adopted(saved), lock };
    }
    let Some(refresh_token) = &credential.grant.refresh_token else {
        let outcome = RenewalOutcome::Refused("the login has no refresh token".to_owned());
        return Renewed { serial, outcome, lock };
    };
    if let Err(error) = store.renewal_begins(serial) {
        tracing::debug!("the renewal is not marked beside {}: {error}", store.path().display());
    }
    let asked_at = clock.now().wall;
    let outcome = match endpoint.refresh(&credential.binding.client_id, refresh_token).await {
        Ok(answer) => RenewalOutcome::Renewed { answer, asked_at },
        Err(TokenError::Failed(failure)) => RenewalOutcome::Failed(failure),
        Err(TokenError::Refused(reason)) => match newer() {
            Some(saved) => RenewalOutcome::Adopted(saved),
            None => RenewalOutcome::Refused(reason),
        },
    };
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
