//! The configuration, read anew while the daemon runs: parsed whole, then put in force, or kept as it was.
//!
//! Requests that began keep the settings they began with, and no connection is dropped. What cannot change without a
//! restart waits for one, and is named ([`crate::config::keys::LIVE`]).

use std::collections::BTreeSet;
use std::sync::Arc;

use tokio::sync::Notify;

use crate::config::keys::is_live;
use crate::config::problem::Problem;
use crate::config::{self, Inputs, Loaded};
use crate::daemon::headline::Headline;
use crate::daemon::in_force::InForce;
use crate::daemon::notify::{Word, tell};
use crate::daemon::registrar;
use crate::net::api_client::ApiClient;
use crate::net::identity::{Acceptor, Identity};
use crate::net::owner::Finder;
use crate::observe::audit::Audit;
use crate::observe::log::Log;
use crate::proxy::server::{Mounted, Reloader};

/// What conditions of the configuration concern.
const SUBJECT: &str = "configuration";
/// The configuration was read anew and is not correct.
const RELOAD_FAILED: &str = "reload-failed";
/// Something has changed that a reload does not put in force.
const RESTART_NEEDED: &str = "restart-needed";

/// What a reload begins with.
pub struct Source {
    /// Where the configuration comes from.
    pub inputs: Inputs,
    /// What the daemon was started with.
    pub loaded: Loaded,
    /// The log, whose level may change.
    pub log: Arc<Log>,
    /// Asks for a reload.
    pub asked: Arc<Notify>,
}

/// Performs reloads.
pub(super) struct Reload {
    pub(super) source: Source,
    /// What is in force; `source.loaded` is what the daemon was started with.
    pub(super) in_force: InForce,
    pub(super) server: Reloader,
    pub(super) mounted: Vec<Mounted>,
    /// Asks for the server lists of the cloud anew.
    pub(super) listings: Vec<Arc<Notify>>,
    pub(super) api: ApiClient,
    /// Its file is opened anew.
    pub(super) audit: Option<Audit>,
    pub(super) headline: Headline,
    pub(super) finder: Finder,
    /// What begins TLS with clients, if anything listens for that.
    pub(super) acceptor: Option<Acceptor>,
}

impl Reload {
    /// Reloads whenever it is asked for, for as long as it is polled.
    pub(super) async fn run(mut self) {
        loop {
            self.source.asked.notified().await;
            // Also if the configuration is not correct: something has rotated the file away.
            self.audit.iter().for_each(Audit::reopen);
            tell(vec![Word::Reloading, Word::Status("reading the configuration anew".to_owned())]).await;
            self.reload().await;
            tell(vec![Word::Ready, Word::Status(self.headline.now())]).await;
        }
    }

    async fn reload(&mut self) {
        let inputs = self.source.inputs.clone();
        // Files may be on a disk that takes its time.
        let listens_for_tls = self.acceptor.is_some();
        let read = tokio::task::spawn_blocking(move || {
            let loaded = config::load(&inputs).map_err(|problems| said(&problems))?;
            let identity = if listens_for_tls { Some(identity(&loaded)?) } else { None };
            Ok((loaded, identity))
        });
        let Ok(read) = read.await else { return };
        match read.and_then(|(loaded, identity)| self.put_in_force(loaded, identity)) {
            Ok(()) => self.headline.health.clear(RELOAD_FAILED, SUBJECT),
            Err(problems) => {
                problems.iter().for_each(|problem| tracing::error!("{problem}"));
                let reason = match problems.as_slice() {
                    [one] => one.clone(),
                    several => format!("{} problems, of which the first: {}", several.len(), several[0]),
                };
                let reason = format!("The configuration stays as it was: {reason}");
                let remedy = "See what is wrong with: mcp-proxy check-config. Mend it and reload again";
                self.headline.health.remind(RELOAD_FAILED, SUBJECT, &reason, remedy);
            }
        }
    }

    /// Puts in force what can be.
    ///
    /// # Errors
    /// What does not fit this machine; then nothing was changed.
    fn put_in_force(&mut self, loaded: Loaded, identity: Option<Identity>) -> Result<(), Vec<String>> {
        let new = &loaded.settings;
        let mut mounted = self.mounted.clone();
        for mounted in &mut mounted {
            let named = new.upstreams.iter().find(|upstream| upstream.proxy.name == mounted.settings.name);
            if let Some(upstream) = named {
                mounted.settings.rules = upstream.proxy.rules.clone();
            }
        }
        // Each of these reads the trusted authorities, which is all that can fail; the first one tells for both.
        self.api.reload(&new.net).map_err(|error| vec![error.to_string()])?;
        self.server.reload(new.proxy.clone(), &new.net, mounted).map_err(|error| vec![error.to_string()])?;
        self.source.log.set_level(&new.log).map_err(|error| vec![error])?;
        self.headline.traffic.routine.allow(new.log.routine_per_second);
        if let Some((acceptor, identity)) = self.acceptor.as_ref().zip(identity) {
            acceptor.exchange(identity);
        }
        registrar::judge(&new.proxy.clients, &self.finder, &self.headline.health);
        self.listings.iter().for_each(|listing| listing.notify_one());
        self.report(&loaded);
        self.in_force.now(loaded);
        Ok(())
    }

    /// Says what has changed, and what waits for a restart. Keys alone: a value may say more than a log should.
    fn report(&self, loaded: &Loaded) {
        let changed: BTreeSet<String> =
            self.in_force.changed(loaded).into_iter().filter(|path| is_live(path)).collect();
        match changed.is_empty() {
            true => tracing::info!("the configuration was read anew; nothing that can change now is another"),
            false => tracing::info!("the configuration was read anew; in force: {}", listed(&changed)),
        }
        let mut waiting = self.source.loaded.changed(loaded);
        waiting.retain(|path| !is_live(path));
        if waiting.is_empty() {
            self.headline.health.clear(RESTART_NEEDED, SUBJECT);
        } else {
            let reason = format!("Changed, and not in force before a restart: {}", listed(&waiting));
            self.headline.health.remind(RESTART_NEEDED, SUBJECT, &reason, "Restart mcp-proxy when it suits");
        }
    }
}

/// What the listener with TLS is to show from now on.
fn identity(loaded: &Loaded) -> Result<Identity, Vec<String>> {
    let Some(tls) = &loaded.settings.tls else {
        return Err(vec!["tls.certificate_file is gone, and a listener with TLS needs it until a restart".to_owned()]);
    };
    Identity::read(&tls.identity).map_err(|error| vec![error.to_string()])
}

fn said(problems: &[Problem]) -> Vec<String> {
    problems.iter().map(Problem::to_string).collect()
}

fn listed(paths: &BTreeSet<String>) -> String {
    paths.iter().map(String::as_str).collect::<Vec<_>>().join(", ")
}
