//! Keeps the register of people and keys: reads it when its file changes, notes when keys were used, and says when
//! callers cannot be told apart.

use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use crate::daemon::ledger::{Ledger, LedgerError};
use crate::model::time::Wall;
use crate::net::owner::Finder;
use crate::observe::health::Health;
use crate::policy::client::{Clients, Others};
use crate::policy::register::Register;

/// How often the file is looked at.
const GLANCE: Duration = Duration::from_secs(1);
/// How many glances there are between two notes of uses.
const GLANCES: u32 = 60;
/// What conditions of it concern.
const SUBJECT: &str = "access";
/// Who calls cannot be found out.
const CALLERS_UNKNOWN: &str = "callers-unknown";
/// People and keys cannot be read.
const REGISTER_UNUSABLE: &str = "register-unusable";
/// Everybody who reaches the port acts with the login.
const OPEN_TO_ANYONE: &str = "open-to-anyone";

/// Cheap to clone.
#[derive(Clone)]
pub(super) struct Registrar {
    ledger: Ledger,
    register: watch::Sender<Arc<Register>>,
    health: Health,
}

/// By what a changed file is known.
type Stamp = Option<(u64, i64, i64, u64)>;

impl Registrar {
    /// Reads the register for the first time.
    pub(super) fn new(ledger: Ledger, health: Health) -> Self {
        let own = rustix::process::geteuid().as_raw();
        let register = watch::Sender::new(Arc::new(Register { own, ..Register::default() }));
        let registrar = Self { ledger, register, health };
        registrar.read();
        registrar
    }

    /// Where requests find it.
    pub(super) fn subscribe(&self) -> watch::Receiver<Arc<Register>> {
        self.register.subscribe()
    }

    /// The register.
    pub(super) fn register(&self) -> Arc<Register> {
        self.register.borrow().clone()
    }

    /// Changes it on disk, and puts the change in force.
    pub(super) async fn change<T: Send + 'static>(
        &self,
        change: impl FnOnce(&Ledger) -> Result<T, LedgerError> + Send + 'static,
    ) -> Result<T, LedgerError> {
        let registrar = self.clone();
        let changed = tokio::task::spawn_blocking(move || {
            let result = change(&registrar.ledger);
            registrar.read();
            result
        });
        changed.await.unwrap_or_else(|error| Err(LedgerError::Randomness(error.to_string())))
    }

    /// Watches the file for as long as it is polled.
    pub(super) async fn run(self) {
        // Whatever was changed since it was read for the first time is read now.
        let mut seen = None;
        let mut noted = uses(&self.register());
        for glance in 1_u32.. {
            tokio::time::sleep(GLANCE).await;
            let stamp = Some(self.stamp());
            if stamp != seen {
                seen = stamp;
                let registrar = self.clone();
                let _ = tokio::task::spawn_blocking(move || registrar.read()).await;
            }
            let register = self.register();
            let used = uses(&register);
            if glance.is_multiple_of(GLANCES) && used != noted {
                noted = used;
                if let Err(error) = self.change(move |ledger| ledger.note_uses(&register.keys)).await {
                    tracing::debug!("when keys were used last is not noted: {error}");
                }
            }
        }
    }

    fn read(&self) {
        let read = self.ledger.read();
        let register = match read {
            Ok(register) => {
                self.health.clear(REGISTER_UNUSABLE, SUBJECT);
                register
            }
            Err(error) => {
                let reason = format!("No client key is good, and nobody is known to have signed in: {error}");
                let remedy = "Make the file readable for the user that runs mcp-proxy, or remove it and begin anew";
                self.health.raise(REGISTER_UNUSABLE, SUBJECT, &reason, remedy);
                Register { own: self.register().own, ..Register::default() }
            }
        };
        self.register.send_modify(|current| {
            for key in register.keys.keys() {
                let before = current.keys.keys().iter().find(|known| known.digest == key.digest);
                // Uses that were not noted yet.
                if let Some(used) = before.and_then(|known| known.last_used()) {
                    key.used(used);
                }
            }
            *current = Arc::new(register);
        });
    }

    fn stamp(&self) -> Stamp {
        let of = |found: Metadata| (found.ino(), found.mtime(), found.mtime_nsec(), found.len());
        std::fs::metadata(self.ledger.path()).ok().map(of)
    }
}

fn uses(register: &Register) -> Vec<Option<Wall>> {
    register.keys.keys().iter().map(|key| key.last_used()).collect()
}

/// Says what is wrong with telling callers apart, under the rules in force.
pub(super) fn judge(clients: &Clients, finder: &Finder, health: &Health) {
    match finder.works() {
        Err(error) if clients.ask_for_the_user() => {
            let reason = format!(
                "The kernel does not say whose connections are ({error}), so callers over TCP are refused unless they have \
                 a key or an allowed address"
            );
            let remedy = "As a service: systemctl enable --now mcp-proxy-diag.socket, then restart mcp-proxy. Elsewhere \
                          allow sockets of AF_NETLINK, or set access.others to what is meant";
            health.raise(CALLERS_UNKNOWN, SUBJECT, &reason, remedy);
        }
        _ => health.clear(CALLERS_UNKNOWN, SUBJECT),
    }
    match clients.access.others {
        Others::Anyone => {
            let reason = "Everybody who reaches the port acts with the login (access.others = \"anyone\")";
            health.raise(
                OPEN_TO_ANYONE,
                SUBJECT,
                reason,
                "Set access.others to \"owner\", and add a [[client]] for each other caller",
            );
        }
        Others::Owner | Others::Nobody => health.clear(OPEN_TO_ANYONE, SUBJECT),
    }
}
