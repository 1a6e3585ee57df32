//! What all requests of one listener share.

use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use crate::model::callback::CallbackHandler;
use crate::model::time::{Clock, Now};
use crate::observe::health::Health;
use crate::observe::traffic::Traffic;
use crate::proxy::admit::Doors;
use crate::proxy::settings::Settings;
use crate::proxy::upstream::Upstream;

/// What all requests of one listener share.
pub(super) struct Context {
    pub(super) settings: Settings,
    pub(super) doors: Doors,
    pub(super) mounts: Vec<Arc<Upstream>>,
    pub(super) callbacks: CallbackHandler,
    pub(super) health: Health,
    pub(super) traffic: Arc<Traffic>,
    pub(super) clock: Clock,
    pub(super) started: Now,
    /// Cancelled when the daemon stops: event streams end at their next boundary.
    pub(super) drain: CancellationToken,
}
