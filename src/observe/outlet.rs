//! Where the lines of the log go: the journal with all their fields (systemd's native protocol), or standard error.

use std::env;
use std::fmt;
use std::fs::File;
use std::io::{self, IsTerminal, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::MetadataExt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tracing::Subscriber;
use tracing_journald::{Priority, PriorityMappings};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::FormatTime;
use tracing_subscriber::layer::SubscriberExt;

use crate::model::time::{Clock, Wall};
use crate::observe::journal::{Entry, Journal};
use crate::observe::stamp::{Stamp, in_utc};

/// What writes lines. It is given events and is never installed, so it decides nothing about what is enabled.
pub(super) struct Outlet {
    pub(super) writer: Box<dyn Subscriber + Send + Sync>,
    /// Where lines go that are made already.
    made: To,
    /// What was written for standard error and did not go there yet.
    gathered: Gathered,
}

/// What a line must be that is made already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// A text.
    Text,
    /// An entry of the journal.
    Entry,
}

/// A line at the level `INFO` that is made already.
#[derive(Debug)]
pub(super) enum Made {
    /// For standard error: its time, and the rest.
    Text(Wall, String),
    /// For the journal.
    Entry(Entry),
}

/// Where lines go that are made already.
enum To {
    StandardError(Text),
    Journal(Journal),
}

/// Lines that are text already look as events do that `tracing_subscriber` writes.
struct Text {
    stamp: Mutex<Stamp>,
    before_time: &'static str,
    after_time: &'static str,
}

impl Text {
    fn new(colours: bool) -> Self {
        let (before_time, after_time) = match colours {
            true => ("\u{1b}[2m", "\u{1b}[0m \u{1b}[32m INFO\u{1b}[0m "),
            false => ("", "  INFO "),
        };
        Self { stamp: Mutex::default(), before_time, after_time }
    }
}

/// The time of events.
struct Time(Clock);

impl FormatTime for Time {
    fn format_time(&self, writer: &mut Writer<'_>) -> fmt::Result {
        writer.write_str(&in_utc(self.0.now().wall))
    }
}

/// Lines that go to standard error together.
#[derive(Debug, Clone, Default)]
struct Gathered(Arc<Mutex<Vec<u8>>>);

/// So much is gathered at the most, in bytes.
const MOST_GATHERED: usize = 32 * 1024;

impl Outlet {
    /// One that needs no flushing.
    #[cfg(test)]
    pub(super) fn of(writer: impl Subscriber + Send + Sync) -> Self {
        let made = To::StandardError(Text::new(false));
        Self { writer: Box::new(writer), made, gathered: Gathered::default() }
    }

    /// What lines must be that are made already.
    pub(super) fn form(&self) -> Form {
        match &self.made {
            To::StandardError(_) => Form::Text,
            To::Journal(_) => Form::Entry,
        }
    }

    /// Writes a line that is made already.
    ///
    /// # Errors
    /// When the journal does not take it.
    pub(super) fn write(&self, line: &Made) -> io::Result<()> {
        match (&self.made, line) {
            (To::StandardError(text), Made::Text(at, line)) => self.write_text(text, *at, line),
            (To::Journal(journal), Made::Entry(entry)) => return journal.send(entry),
            // Whoever makes lines asks for the form.
            (To::StandardError(_), Made::Entry(_)) | (To::Journal(_), Made::Text(..)) => {}
        }
        Ok(())
    }

    fn write_text(&self, text: &Text, at: Wall, line: &str) {
        let mut gathered = self.gathered.lock();
        gathered.extend_from_slice(text.before_time.as_bytes());
        text.stamp.lock().unwrap_or_else(PoisonError::into_inner).put(at, &mut gathered);
        gathered.extend_from_slice(text.after_time.as_bytes());
        gathered.extend_from_slice(line.as_bytes());
        gathered.push(b'\n');
        let full = gathered.len() >= MOST_GATHERED;
        drop(gathered);
        if full {
            self.gathered.hand_over();
        }
    }

    /// Hands over what was gathered.
    pub(super) fn flush(&self) {
        self.gathered.hand_over();
    }
}

impl Gathered {
    fn lock(&self) -> MutexGuard<'_, Vec<u8>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn hand_over(&self) {
        let mut gathered = self.lock();
        // Where the log cannot be written there is nobody to tell.
        let _ = io::stderr().write_all(&gathered);
        gathered.clear();
    }
}

impl Write for Gathered {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut gathered = self.lock();
        gathered.extend_from_slice(bytes);
        let full = gathered.len() >= MOST_GATHERED;
        drop(gathered);
        if full {
            self.hand_over();
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The journal, if standard error leads there, else standard error. Also answers why it is not the journal although it
/// should be.
pub(super) fn open() -> (Outlet, Option<io::Error>) {
    let refused = match leads_to_the_journal(env::var("JOURNAL_STREAM").ok().as_deref(), io::stderr()) {
        true => match journal() {
            Ok(outlet) => return (outlet, None),
            Err(error) => Some(error),
        },
        false => None,
    };
    (standard_error(Clock::system(), io::stderr().is_terminal()), refused)
}

fn standard_error(clock: Clock, colours: bool) -> Outlet {
    let gathered = Gathered::default();
    let writer = gathered.clone();
    let layer = tracing_subscriber::fmt::layer()
        .with_writer(move || writer.clone())
        .with_timer(Time(clock))
        .with_ansi(colours)
        .with_target(false);
    let writer = Box::new(tracing_subscriber::registry().with(layer));
    Outlet { writer, made: To::StandardError(Text::new(colours)), gathered }
}

fn journal() -> io::Result<Outlet> {
    let priorities = PriorityMappings {
        error: Priority::Error,
        warn: Priority::Warning,
        info: Priority::Informational,
        debug: Priority::Debug,
        trace: Priority::Debug,
    };
    // Without a prefix, so that `journalctl MCP_METHOD=tools/call` is what a person guesses.
    let layer = tracing_journald::layer()?
        .with_field_prefix(None)
        .with_syslog_identifier(env!("CARGO_PKG_NAME").to_owned())
        .with_priority_mappings(priorities);
    let writer = Box::new(tracing_subscriber::registry().with(layer));
    Ok(Outlet { writer, made: To::Journal(Journal::open()?), gathered: Gathered::default() })
}

/// Whether `stream`, the value of `JOURNAL_STREAM`, is device and inode of `standard_error` (systemd.exec(5)): it is not
/// when somebody led standard error elsewhere.
fn leads_to_the_journal(stream: Option<&str>, standard_error: impl AsFd) -> bool {
    let own = standard_error.as_fd().try_clone_to_owned().and_then(|copy| File::from(copy).metadata());
    match (stream, own) {
        (Some(stream), Ok(own)) => stream == format!("{}:{}", own.dev(), own.ino()),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::model::time::{Mono, Now};

    #[test]
    fn a_line_that_is_text_already_looks_like_an_event() {
        for (colours, start) in [(false, "2026-06-26T00:00:00.007Z  INFO "), (true, "\u{1b}[2m2026-06-26T")] {
            let now = Now { wall: Wall::from_unix_millis(1_782_432_000_007), mono: Mono::from_start(Duration::ZERO) };
            let outlet = standard_error(Clock::from_fn(move || now), colours);
            outlet.write(&Made::Text(now.wall, "GET / 200".to_owned())).unwrap();
            let gathered = outlet.gathered.clone();
            tracing::subscriber::with_default(outlet.writer, || tracing::info!("GET / 200"));
            let text = String::from_utf8(gathered.lock().clone()).unwrap();
            let (one, other) = text.split_at(text.len() / 2);
            assert_eq!(one, other);
            assert!(one.starts_with(start) && one.ends_with("GET / 200\n"), "{one:?}");
        }
    }

    #[test]
    fn the_journal_is_meant_only_if_standard_error_still_leads_there() {
        let (one, other) = (tempfile::tempfile().unwrap(), tempfile::tempfile().unwrap());
        let known = one.metadata().unwrap();
        let stream = format!("{}:{}", known.dev(), known.ino());
        assert!(leads_to_the_journal(Some(&stream), &one));
        assert!(!leads_to_the_journal(Some(&stream), &other));
        assert!(!leads_to_the_journal(None, &one));
        assert!(!leads_to_the_journal(Some("9:"), &one));
    }
}
