//! The state of the stand-in, and the handle that tests steer it with.
//!
//! [`Cloud`] is cheap to clone and all its methods are synchronous. Every change of a counter
//! wakes those who wait in [`Cloud::wait_until`], so no test has to poll.

pub(crate) mod accounts;
pub(crate) mod applications;
pub(crate) mod counts;
pub(crate) mod faults;
pub(crate) mod grants;
pub(crate) mod holds;
pub(crate) mod observe;
pub(crate) mod proofs;
pub(crate) mod safety;
pub(crate) mod settings;
mod steer;

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use tokio::sync::watch;

use crate::clock::Clock;
use crate::cloud::accounts::Accounts;
use crate::cloud::applications::Applications;
use crate::cloud::counts::Counts;
use crate::cloud::faults::Faults;
use crate::cloud::grants::Grants;
use crate::cloud::holds::Holds;
use crate::cloud::proofs::Proofs;
use crate::cloud::settings::Settings;
use crate::gateway::servers::{self, Entry};
use crate::sync::Guarded;
use crate::wire::connection::Connections;
use crate::wire::request::RequestRecord;

/// A handle to a running stand-in: faults, clock, counters, records.
#[derive(Clone)]
pub struct Cloud {
    pub(crate) state: Arc<State>,
}

impl std::fmt::Debug for Cloud {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // The state holds secrets: the counters are all that may be printed.
        formatter.debug_struct("Cloud").field("counts", &self.counts()).finish_non_exhaustive()
    }
}

/// Everything the cloud's services share.
pub(crate) struct State {
    pub(crate) clock: Clock,
    pub(crate) settings: Guarded<Settings>,
    pub(crate) accounts: Guarded<Accounts>,
    pub(crate) applications: Guarded<Applications>,
    pub(crate) grants: Guarded<Grants>,
    pub(crate) servers: Guarded<Vec<Entry>>,
    pub(crate) faults: Guarded<Faults>,
    pub(crate) secrets: Guarded<BTreeSet<String>>,
    pub(crate) records: Guarded<VecDeque<RequestRecord>>,
    pub(crate) recorded: AtomicU64,
    pub(crate) counts: watch::Sender<Counts>,
    pub(crate) connections: Connections,
    pub(crate) holds: Holds,
    /// Tokens of the metadata service and their ends.
    pub(crate) metadata_tokens: Guarded<HashMap<String, i64>>,
    pub(crate) proofs: Guarded<Proofs>,
}

impl Cloud {
    pub(crate) fn new(settings: Settings) -> Self {
        let accounts = Accounts::with_defaults();
        let secrets = accounts.secrets();
        Self {
            state: Arc::new(State {
                clock: Clock::default(),
                settings: Guarded::new(settings),
                accounts: Guarded::new(accounts),
                applications: Guarded::default(),
                grants: Guarded::default(),
                servers: Guarded::new(servers::defaults()),
                faults: Guarded::default(),
                secrets: Guarded::new(secrets),
                records: Guarded::default(),
                recorded: AtomicU64::new(0),
                counts: watch::Sender::new(Counts::default()),
                connections: Connections::default(),
                holds: Holds::default(),
                metadata_tokens: Guarded::default(),
                proofs: Guarded::default(),
            }),
        }
    }

    pub(crate) fn now(&self) -> i64 {
        self.state.clock.now()
    }

    /// Changes the counters and wakes the waiters.
    pub(crate) fn count(&self, change: impl FnOnce(&mut Counts)) {
        self.state.counts.send_modify(change);
    }

    /// Notes a secret that was handed out, for searches in logs.
    pub(crate) fn issued(&self, secret: &str) {
        self.state.secrets.lock().insert(secret.to_owned());
    }
}
