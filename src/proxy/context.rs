//! What all requests share, and the part of it that a reload exchanges as a whole.

use std::sync::Arc;

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::model::callback::CallbackHandler;
use crate::model::time::{Clock, Now};
use crate::net::owner::Finder;
use crate::observe::audit::Audit;
use crate::observe::health::Health;
use crate::observe::traffic::Traffic;
use crate::observe::unheard::Unheard;
use crate::policy::register::Register;
use crate::proxy::admit::Doors;
use crate::proxy::gate::Gate;
use crate::proxy::guesses::Guesses;
use crate::proxy::quota::Quotas;
use crate::proxy::settings::Settings;
use crate::proxy::upstream::Upstream;

/// What all requests share.
pub(super) struct Context {
    /// What a reload exchanges.
    pub(super) current: watch::Sender<Arc<Snapshot>>,
    pub(super) callbacks: CallbackHandler,
    /// Who is at the other end of a connection.
    pub(super) finder: Finder,
    /// People and keys.
    pub(super) register: watch::Receiver<Arc<Register>>,
    pub(super) guesses: Guesses,
    pub(super) health: Health,
    pub(super) traffic: Arc<Traffic>,
    /// Puts down what was no request.
    pub(super) unheard: Unheard,
    pub(super) quotas: Quotas,
    /// Takes the records of all requests.
    pub(super) audit: Option<Audit>,
    /// Before all upstreams.
    pub(super) gate: Gate,
    pub(super) clock: Clock,
    pub(super) started: Now,
    /// Cancelled when the daemon stops: event streams end at their next boundary.
    pub(super) drain: CancellationToken,
}

/// What the configuration decides. A request takes it once and keeps it to its end, so that a reload never meets a
/// request half-way.
pub(super) struct Snapshot {
    pub(super) settings: Settings,
    pub(super) doors: Doors,
    /// Longest mount first.
    pub(super) mounts: Vec<Arc<Upstream>>,
}

impl Context {
    /// What holds now.
    pub(super) fn snapshot(&self) -> Arc<Snapshot> {
        self.current.borrow().clone()
    }
}
