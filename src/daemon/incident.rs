//! An incident: somebody has stopped all forwarding, until somebody says that it is over.
//!
//! It is written down beside the logins, so that it outlives the daemon. A running daemon looks at that file once a
//! second: whoever may write there can stop it without its control socket. What cannot be read counts as an incident; a
//! file that goes away ends none, for a state directory may be away for a moment.

use std::fs::{DirBuilder, File, Metadata, OpenOptions, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::daemon::report::Date;
use crate::model::time::{Clock, Wall};
use crate::observe::health::Health;
use crate::proxy::gate::Gate;

/// The condition while it lasts.
const CONDITION: &str = "incident";
/// What it concerns.
const SUBJECT: &str = "forwarding";
const REMEDY: &str = "When it is over: mcp-proxy resume";
/// The name of the file in the state directory.
const FILE: &str = "incident.json";
/// How often the file is looked at.
const OFTEN: Duration = Duration::from_secs(1);

/// What the file says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Statement {
    version: u32,
    /// Whether forwarding is stopped.
    pub active: bool,
    /// Since when it is as it is.
    pub since: Option<Date>,
    /// Who said so.
    pub by: String,
}

/// The file of one state directory.
#[derive(Debug, Clone)]
pub struct Notice(PathBuf);

impl Notice {
    /// That of the daemon whose state is kept in `state_dir`.
    pub fn in_dir(state_dir: &Path) -> Self {
        Self(state_dir.join(FILE))
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// What it says; `None` if there is none. One that cannot be understood says that there is an incident.
    pub fn read(&self) -> Option<Statement> {
        let unreadable = || Statement { version: 1, active: true, since: None, by: "an unreadable file".to_owned() };
        match std::fs::read(&self.0) {
            Ok(text) => Some(serde_json::from_slice(&text).unwrap_or_else(|_| unreadable())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(_) => Some(unreadable()),
        }
    }

    /// Says whether there is an incident, whole or not at all, and durably.
    ///
    /// # Errors
    /// The system's.
    pub fn write(&self, active: bool, by: &str, now: Wall) -> io::Result<()> {
        let statement = Statement { version: 1, active, since: Date::of(Some(now)), by: by.to_owned() };
        let directory = self.0.parent().unwrap_or(Path::new("/"));
        // As private as the logins that it may hold one day.
        DirBuilder::new().recursive(true).mode(0o700).create(directory)?;
        let new = self.0.with_extension(format!("{}.new", std::process::id()));
        let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&new)?;
        file.write_all(&serde_json::to_vec_pretty(&statement)?)?;
        // There is no secret in it, and what root says the daemon must be able to read.
        file.set_permissions(Permissions::from_mode(0o644))?;
        file.sync_all()?;
        std::fs::rename(&new, &self.0)?;
        File::open(directory)?.sync_all()
    }

    /// What tells one version of the file from another.
    fn looks(&self) -> Option<(u64, i64, i64)> {
        let of = |found: Metadata| (found.ino(), found.mtime(), found.mtime_nsec());
        std::fs::metadata(&self.0).ok().map(of)
    }
}

/// Whether a daemon forwards. Clones are the same.
#[derive(Debug, Clone)]
pub(super) struct Incident {
    notice: Notice,
    gate: Gate,
    health: Health,
    clock: Clock,
    /// How the file looked when it was obeyed.
    obeyed: Arc<Mutex<Option<(u64, i64, i64)>>>,
}

impl Incident {
    /// As the file of the state directory says.
    pub(super) fn as_noted(state_dir: &Path, health: Health, clock: Clock) -> Self {
        let notice = Notice::in_dir(state_dir);
        let obeyed = Arc::new(Mutex::new(notice.looks()));
        let lasting = notice.read().filter(|statement| statement.active);
        let gate = if lasting.is_some() { Gate::shut_from_the_start() } else { Gate::default() };
        let incident = Self { notice, gate, health, clock, obeyed };
        if let Some(Statement { by, since, .. }) = lasting {
            incident.raise(&by, since.map(Date::wall));
        }
        incident
    }

    /// The gate that it shuts.
    pub(super) fn gate(&self) -> Gate {
        self.gate.clone()
    }

    /// True while it lasts.
    pub(super) fn lasts(&self) -> bool {
        self.gate.is_shut()
    }

    /// Stops all forwarding; then writes it down.
    ///
    /// # Errors
    /// When it cannot be written down. Forwarding is stopped all the same, until the daemon ends.
    pub(super) fn declare(&self, by: &str) -> io::Result<()> {
        let now = self.clock.now().wall;
        self.stop(by, Some(now));
        self.noted(true, by, now)
    }

    /// Ends it; answers whether there was one.
    ///
    /// # Errors
    /// When it cannot be written down; then it lasts.
    pub(super) fn end(&self, by: &str) -> io::Result<bool> {
        if !self.lasts() {
            return Ok(false);
        }
        self.noted(false, by, self.clock.now().wall)?;
        self.go_on(by);
        Ok(true)
    }

    /// Obeys the file whenever it changes, for as long as it is polled.
    pub(super) async fn watch(self) {
        loop {
            tokio::time::sleep(OFTEN).await;
            self.look();
        }
    }

    fn look(&self) {
        let looks = self.notice.looks();
        let mut obeyed = self.obeyed.lock().unwrap_or_else(PoisonError::into_inner);
        if looks.is_none() || *obeyed == looks {
            return;
        }
        *obeyed = looks;
        match self.notice.read() {
            Some(Statement { active: true, by, since, .. }) if !self.lasts() => {
                self.stop(&by, since.map(Date::wall));
            }
            Some(Statement { active: false, by, .. }) if self.lasts() => self.go_on(&by),
            _ => {}
        }
    }

    fn noted(&self, active: bool, by: &str, now: Wall) -> io::Result<()> {
        let mut obeyed = self.obeyed.lock().unwrap_or_else(PoisonError::into_inner);
        let result = self.notice.write(active, by, now);
        *obeyed = self.notice.looks();
        result
    }

    fn stop(&self, by: &str, since: Option<Wall>) {
        self.gate.shut();
        self.raise(by, since);
    }

    fn raise(&self, by: &str, since: Option<Wall>) {
        let since = since.map(|since| format!(" at {}", crate::observe::stamp::in_utc(since)));
        let reason = format!("Nothing is forwarded: {by} declared an incident{}", since.unwrap_or_default());
        self.health.raise(CONDITION, SUBJECT, &reason, REMEDY);
    }

    fn go_on(&self, by: &str) {
        self.gate.open();
        tracing::warn!("{by} ended the incident: requests are forwarded again");
        self.health.clear(CONDITION, SUBJECT);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn incident(directory: &Path) -> (Incident, Health) {
        let health = Health::new(Clock::system());
        (Incident::as_noted(directory, health.clone(), Clock::system()), health)
    }

    #[test]
    fn an_incident_outlives_the_daemon_and_ends_when_somebody_says_so() {
        let directory = tempfile::tempdir().unwrap();
        let (first, health) = incident(directory.path());
        assert!(!first.lasts() && health.conditions().is_empty());
        assert!(!first.end("uid 0").unwrap(), "there is none");
        first.declare("uid 7").unwrap();
        assert!(first.lasts());
        let (second, health) = incident(directory.path());
        assert!(second.lasts());
        let condition = health.conditions().remove(0);
        assert!(condition.name == CONDITION && condition.reason.contains("uid 7"), "{condition:?}");
        assert!(second.end("uid 0").unwrap());
        assert!(!second.lasts() && health.conditions().is_empty());
        assert!(!incident(directory.path()).0.lasts());
    }

    #[test]
    fn a_running_daemon_obeys_the_file() {
        let directory = tempfile::tempdir().unwrap();
        let notice = Notice::in_dir(directory.path());
        let (running, _) = incident(directory.path());
        for active in [true, true, false, true] {
            notice.write(active, "uid 0", Wall::from_unix_seconds(1)).unwrap();
            running.look();
            assert_eq!(running.lasts(), active);
        }
        std::fs::remove_file(notice.path()).unwrap();
        running.look();
        assert!(running.lasts(), "a directory that is away ends no incident");
        std::fs::write(notice.path(), "{").unwrap();
        assert!(incident(directory.path()).0.lasts(), "what cannot be read counts as one");
    }

    #[test]
    fn what_cannot_be_written_down_stops_forwarding_all_the_same() {
        let directory = tempfile::tempdir().unwrap();
        let (running, health) = incident(&directory.path().join("state"));
        std::fs::write(directory.path().join("state"), "a file is in the way").unwrap();
        assert!(running.declare("uid 0").is_err());
        assert!(running.lasts());
        assert!(running.end("uid 0").is_err(), "it would be back after a restart");
        assert!(running.lasts() && health.conditions().len() == 1);
    }
}
