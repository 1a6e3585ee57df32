//! Everything that the page shows, as one value: what is drawn depends on nothing else.

use crate::daemon::control::rights::{Caller, Rights};
use crate::daemon::control::{Context, servers, snapshot};
use crate::daemon::report::Status;
use crate::daemon::report::servers::Servers;
use crate::model::language::Language;
use crate::model::secret::Secret;
use crate::model::time::Wall;
use crate::observe::recent::{ClientUse, Ended};

/// What the page shows.
#[derive(Debug, Clone)]
pub(super) struct View {
    pub(super) language: Language,
    pub(super) now: Wall,
    pub(super) status: Status,
    pub(super) servers: Servers,
    /// Event streams to clients that are open.
    pub(super) streams: u64,
    /// True if whoever looks may see who calls and what is called.
    pub(super) sees_calls: bool,
    /// What ended last, the newest first.
    pub(super) calls: Vec<Ended>,
    pub(super) clients: Vec<ClientUse>,
    /// What a form must carry; `None` if whoever looks may only look.
    pub(super) form_key: Option<Secret>,
    /// The login that waits for its answer, if the one who looks may give it.
    pub(super) waiting: Option<u64>,
    /// What became of the last thing that was done here.
    pub(super) said: Option<Said>,
}

/// What became of something that a person did on the page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Said {
    SignedIn { upstream: String, not_saved: Option<String> },
    Failed { reason: String },
    NotTaken { reason: String },
    TooLate,
}

impl View {
    /// How everything stands now, for `caller`.
    pub(super) fn of(context: &Context, caller: &Caller, language: Language) -> Self {
        // What `GET /recent` says is for those who may sign in too.
        let may = caller.rights == Rights::All;
        let now = context.clock.now().wall;
        Self {
            language,
            now,
            status: snapshot::status(context),
            servers: servers::servers(context),
            streams: context.traffic.all_usages().iter().map(|usage| usage.streams().0).sum(),
            sees_calls: may,
            calls: if may { context.traffic.recent() } else { Vec::new() },
            clients: if may { context.traffic.clients() } else { Vec::new() },
            form_key: context.ui.form_key().filter(|_| may),
            waiting: context.waiting.current().filter(|_| may),
            said: context.ui.said(now).filter(|_| may),
        }
    }
}
