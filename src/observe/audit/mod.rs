//! The audit trail: who did what, and what was decided, as lines of a file that only grows.
//!
//! Whoever has a record hands it over and goes on: one thread writes. What cannot be written waits, as much as there is
//! room for; what comes on top is lost, counted, and the count stands in the file as soon as it can be written again.

pub mod event;

use std::collections::VecDeque;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rustix::fs::OFlags;

use crate::model::time::{Clock, Wall};
use crate::observe::audit::event::{Event, write_line};
use crate::observe::health::Health;

/// How many records may wait. What comes on top is lost.
const MOST: usize = 8192;
/// How many are written at once.
const AT_ONCE: usize = 256;
/// How long to wait before a file that could not be written is tried again.
const BREATHER: Duration = Duration::from_secs(1);
/// The condition: the file cannot be written.
const NOT_WRITTEN: &str = "audit-not-written";
/// What it concerns.
const SUBJECT: &str = "audit";
const REMEDY: &str = "Give the daemon's user a file that it can write at log.audit_file, and room on its disk; it is \
                      tried again every second";

/// Takes records. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Audit(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    clock: Clock,
    state: Mutex<State>,
    /// There is something to do for the writer.
    more: Condvar,
    /// Everything is written.
    written: Condvar,
}

#[derive(Debug, Default)]
struct State {
    waiting: VecDeque<(Wall, Event)>,
    /// Lost, and not yet said in the file.
    unsaid: u64,
    lost: u64,
    reopen: bool,
    /// The writer has written all it had, and waits.
    idle: bool,
}

impl Audit {
    /// Begins a trail in the file at `path`, which is made if it is not there. That it cannot be written is a condition
    /// of `health`, and keeps nobody from anything.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub fn begin(path: &Path, clock: Clock, health: Health) -> io::Result<Self> {
        let audit = Self::unwritten(clock);
        let file = AppendedFile { path: path.to_owned(), file: None };
        let writer = Writer { shared: audit.0.clone(), sink: file, health, path: path.to_owned(), failing: false };
        std::thread::Builder::new().name("audit".to_owned()).spawn(move || writer.run())?;
        Ok(audit)
    }

    fn unwritten(clock: Clock) -> Self {
        let (state, more, written) = (Mutex::default(), Condvar::new(), Condvar::new());
        Self(Arc::new(Shared { clock, state, more, written }))
    }

    /// Takes a record of what happens now.
    pub fn record(&self, event: Event) {
        self.record_at(self.0.clock.now().wall, event);
    }

    pub(in crate::observe) fn record_at(&self, at: Wall, event: Event) {
        let mut state = self.0.lock();
        if state.waiting.len() >= MOST {
            state.unsaid += 1;
            state.lost += 1;
            return;
        }
        state.waiting.push_back((at, event));
        // Waking the writer is the dear part, and needed only if it waits.
        if std::mem::take(&mut state.idle) {
            drop(state);
            self.0.more.notify_one();
        }
    }

    /// Opens the file anew, for what rotated it away; made at once, if it is not there.
    pub fn reopen(&self) {
        self.0.lock().reopen = true;
        self.0.more.notify_one();
    }

    /// How many records were lost since the start.
    pub fn lost(&self) -> u64 {
        self.0.lock().lost
    }

    /// Waits until everything is written, at most for `limit`.
    pub fn wait_until_written(&self, limit: Duration) {
        let unwritten = |state: &mut State| !(state.idle && state.waiting.is_empty());
        let state = self.0.lock();
        // Whether or not it is: the program ends now.
        drop(self.0.written.wait_timeout_while(state, limit, unwritten));
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        // No code panics while it holds this lock.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Where lines go.
trait Sink {
    /// Makes sure that it is open; with `anew`, closes it first.
    fn open(&mut self, anew: bool) -> io::Result<()>;
    /// Writes some of `text`, and answers how much.
    fn write(&mut self, text: &[u8]) -> io::Result<usize>;
}

/// A file that only grows, and that only its owner may read.
struct AppendedFile {
    path: PathBuf,
    file: Option<File>,
}

impl Sink for AppendedFile {
    fn open(&mut self, anew: bool) -> io::Result<()> {
        if anew || self.file.is_none() {
            self.file = None;
            self.file = Some(open(&self.path)?);
        }
        Ok(())
    }

    fn write(&mut self, text: &[u8]) -> io::Result<usize> {
        match &mut self.file {
            Some(file) => file.write(text),
            None => Err(io::ErrorKind::NotFound.into()),
        }
    }
}

/// Opens a file of the daemon's own to append to it. What others could have put there is refused: a link, a pipe that
/// nobody reads, a file that its owner could change afterwards.
fn open(path: &Path) -> io::Result<File> {
    let flags = (OFlags::NOFOLLOW | OFlags::NONBLOCK).bits();
    let flags = i32::try_from(flags).map_err(io::Error::other)?;
    let file = OpenOptions::new().append(true).create(true).mode(0o600).custom_flags(flags).open(path)?;
    let found = file.metadata()?;
    if !found.is_file() {
        return Err(io::Error::other("it is no regular file"));
    }
    if found.uid() != rustix::process::geteuid().as_raw() {
        return Err(io::Error::other(format!("it belongs to uid {}, not to the daemon", found.uid())));
    }
    Ok(file)
}

struct Writer<S> {
    shared: Arc<Shared>,
    sink: S,
    health: Health,
    path: PathBuf,
    failing: bool,
}

impl<S: Sink> Writer<S> {
    fn run(mut self) {
        let mut text = Vec::new();
        // The file is made at the start, so that what is wrong with it is known before the first record.
        let mut anew = true;
        loop {
            match self.flush(&mut text, anew) {
                Ok(()) => self.works(),
                Err(error) => self.fails(&error),
            }
            anew = self.next(&mut text);
        }
    }

    /// Writes what is there. What remains of `text` is not written.
    fn flush(&mut self, text: &mut Vec<u8>, anew: bool) -> io::Result<()> {
        self.sink.open(anew)?;
        while !text.is_empty() {
            match self.sink.write(text) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(written) => drop(text.drain(..written)),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    fn works(&mut self) {
        if std::mem::take(&mut self.failing) {
            self.health.clear(NOT_WRITTEN, SUBJECT);
        }
    }

    fn fails(&mut self, error: &io::Error) {
        self.failing = true;
        let lost = self.shared.lock().unsaid;
        let lost = if lost > 0 { format!("; {lost} records are lost by now") } else { String::new() };
        let reason = format!("The audit trail {} cannot be written: {error}{lost}", self.path.display());
        self.health.raise(NOT_WRITTEN, SUBJECT, &reason, REMEDY);
    }

    /// Waits for something to write, unless there still is; answers whether the file is to be opened anew.
    fn next(&mut self, text: &mut Vec<u8>) -> bool {
        let mut state = self.shared.lock();
        if self.failing {
            // Whoever lets us wait may have taken the file away: what is open may lead nowhere.
            state = self.shared.more.wait_timeout(state, BREATHER).unwrap_or_else(PoisonError::into_inner).0;
            state.reopen = false;
            if !text.is_empty() {
                return true;
            }
        }
        while state.waiting.is_empty() && state.unsaid == 0 && !state.reopen && !self.failing {
            state.idle = true;
            self.shared.written.notify_all();
            state = self.shared.more.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        state.idle = false;
        let (anew, lost) = (std::mem::take(&mut state.reopen) || self.failing, std::mem::take(&mut state.unsaid));
        let many = state.waiting.len().min(AT_ONCE);
        let taken: Vec<_> = state.waiting.drain(..many).collect();
        drop(state);
        taken.iter().for_each(|(at, event)| write_line(text, *at, event));
        if lost > 0 {
            write_line(text, self.shared.clock.now().wall, &Event::Lost { count: lost });
            tracing::warn!(lost, "{lost} records of the audit trail are lost: its file could not take them");
        }
        anew
    }
}

#[cfg(test)]
mod tests;
