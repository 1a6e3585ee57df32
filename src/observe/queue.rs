//! The way from who logs to what writes: a bounded queue and one thread, so that a journal or a terminal that is slow,
//! or stands still, costs lines but never holds up a request.

use std::collections::VecDeque;
use std::fmt::Debug;
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use tracing::field::{DisplayValue, Field, Value, Visit, display};
use tracing::{Event, Metadata, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;

use crate::observe::outlet::{Form, Made, Outlet};

/// How many lines may wait. What comes on top is lost, and counted.
const MOST: usize = 8192;
/// How long the writer rests after it has written: what comes meanwhile is written together. To wake it costs more than
/// a line does, and so does each call that writes.
const REST: Duration = Duration::from_millis(10);
/// The most fields of an event that are kept.
const MOST_FIELDS: usize = 32;

/// How many lines were lost since the start: a process has one log.
static LOST: AtomicU64 = AtomicU64::new(0);

/// How many lines were lost since the start.
pub(super) fn lost() -> u64 {
    LOST.load(Ordering::Relaxed)
}

/// What takes lines that are made already, if the log was begun.
static MADE: OnceLock<Door> = OnceLock::new();

/// Where lines go that are made already. To make an event of each costs several times as much: each of its fields is
/// looked at, by who queues it and by who writes it.
#[derive(Debug)]
pub(super) struct Door {
    lines: Arc<Lines>,
    form: Form,
}

impl Door {
    /// What is taken there.
    pub(super) fn form(&self) -> Form {
        self.form
    }

    /// Puts a line into the queue.
    pub(super) fn push(&self, line: Made) {
        self.lines.push(Line::Made(line));
    }
}

/// From now on `lines` take lines that are made already, of this form. The first ones do.
pub(super) fn take_made_lines(lines: &Arc<Lines>, form: Form) {
    // A second log is refused where it begins.
    let _ = MADE.set(Door { lines: lines.clone(), form });
}

/// Where lines go that are made already.
pub(super) fn made_lines() -> Option<&'static Door> {
    MADE.get()
}

/// Lines on their way.
#[derive(Debug, Default)]
pub(super) struct Lines {
    state: Mutex<State>,
    /// There is something to write.
    more: Condvar,
    /// Everything is written.
    written: Condvar,
}

#[derive(Debug, Default)]
struct State {
    waiting: VecDeque<Line>,
    lost: u64,
    /// The writer has written all it had, and waits.
    idle: bool,
    /// Somebody waits until everything is written: no time to rest.
    hurry: bool,
}

#[derive(Debug)]
enum Line {
    /// An event.
    Told(Told),
    /// A line that is made already.
    Made(Made),
}

/// One event, on its own.
#[derive(Debug)]
struct Told {
    metadata: &'static Metadata<'static>,
    fields: Vec<(Field, Text)>,
}

#[derive(Debug)]
enum Text {
    /// A field that is a text.
    Plain(String),
    /// A field that is shown as this text.
    Shown(DisplayValue<String>),
}

/// Puts events into the queue.
pub(super) struct Queue {
    lines: Arc<Lines>,
}

impl Queue {
    pub(super) fn new(lines: Arc<Lines>) -> Self {
        Self { lines }
    }
}

impl<S: Subscriber> Layer<S> for Queue {
    fn on_event(&self, event: &Event<'_>, _context: Context<'_, S>) {
        let fields = Vec::with_capacity(event.metadata().fields().len());
        let mut told = Told { metadata: event.metadata(), fields };
        event.record(&mut told);
        self.lines.push(Line::Told(told));
    }
}

impl Lines {
    /// Starts the thread that writes to `outlet`, for as long as the process lives.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub(super) fn write_to(self: Arc<Self>, outlet: Outlet) -> io::Result<()> {
        std::thread::Builder::new().name("log".to_owned()).spawn(move || self.write(&outlet)).map(drop)
    }

    fn write(&self, outlet: &Outlet) {
        loop {
            let (lines, lost) = self.next();
            lines.iter().for_each(|line| line.write(outlet));
            outlet.flush();
            if lost > 0 {
                tracing::warn!(lost, "{lost} lines of the log are lost: what takes the log was too slow");
            }
            self.rest();
        }
    }

    fn rest(&self) {
        let needs_none = |state: &mut State| !state.hurry && state.waiting.len() < MOST / 2;
        drop(self.more.wait_timeout_while(self.lock(), REST, needs_none));
    }

    /// Waits for lines, and answers with them how many were lost.
    fn next(&self) -> (VecDeque<Line>, u64) {
        let mut state = self.lock();
        while state.waiting.is_empty() {
            state.idle = true;
            self.written.notify_all();
            state = self.more.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        state.idle = false;
        (std::mem::take(&mut state.waiting), std::mem::take(&mut state.lost))
    }

    fn push(&self, line: Line) {
        let mut state = self.lock();
        if state.waiting.len() >= MOST {
            state.lost += 1;
            LOST.fetch_add(1, Ordering::Relaxed);
            return;
        }
        state.waiting.push_back(line);
        // Waking the writer is the dear part, and needed only if it waits, or must rest no longer.
        if std::mem::take(&mut state.idle) || state.waiting.len() == MOST / 2 {
            drop(state);
            self.more.notify_one();
        }
    }

    /// Waits until everything is written, at most for `limit`.
    pub(super) fn wait_until_written(&self, limit: Duration) {
        let unwritten = |state: &mut State| !(state.idle && state.waiting.is_empty());
        let mut state = self.lock();
        state.hurry = true;
        self.more.notify_one();
        // Whether or not it is: the program ends now.
        drop(self.written.wait_timeout_while(state, limit, unwritten));
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // No code panics while it holds this lock.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Line {
    fn write(&self, outlet: &Outlet) {
        match self {
            Self::Told(told) => told.write(outlet),
            Self::Made(line) => {
                if outlet.write(line).is_err() {
                    LOST.fetch_add(1, Ordering::Relaxed);
                }
            }
        }
    }
}

impl Told {
    fn write(&self, outlet: &Outlet) {
        let Some((first, _)) = self.fields.first() else { return };
        let mut values: [(&Field, Option<&dyn Value>); MOST_FIELDS] = [(first, None); MOST_FIELDS];
        for (slot, (field, text)) in values.iter_mut().zip(&self.fields) {
            let value: &dyn Value = match text {
                Text::Plain(text) => text,
                Text::Shown(text) => text,
            };
            *slot = (field, Some(value));
        }
        let values = self.metadata.fields().value_set(&values);
        outlet.writer.event(&Event::new(self.metadata, &values));
    }
}

impl Visit for Told {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.fields.push((field.clone(), Text::Plain(value.to_owned())));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.fields.push((field.clone(), Text::Shown(display(format!("{value:?}")))));
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use tracing_subscriber::layer::SubscriberExt;

    use super::*;

    /// Writes what an event says into a channel, one at a time: a channel that is not read stands still.
    struct Writer(mpsc::SyncSender<String>);

    struct Words(Vec<String>);

    impl Visit for Words {
        fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
            self.0.push(format!("{field}={value:?}"));
        }
    }

    impl<S: Subscriber> Layer<S> for Writer {
        fn on_event(&self, event: &Event<'_>, _context: Context<'_, S>) {
            let mut words = Words(Vec::new());
            event.record(&mut words);
            words.0.sort();
            let _ = self.0.send(words.0.join(" "));
        }
    }

    fn queue() -> (Arc<Lines>, impl Subscriber + Send + Sync) {
        let lines = Arc::new(Lines::default());
        (lines.clone(), tracing_subscriber::registry().with(Queue::new(lines)))
    }

    fn outlet() -> (Outlet, mpsc::Receiver<String>) {
        let (sender, written) = mpsc::sync_channel(0);
        (Outlet::of(tracing_subscriber::registry().with(Writer(sender))), written)
    }

    #[test]
    fn lines_arrive_whole_and_in_order() {
        let (lines, logging) = queue();
        let (outlet, written) = outlet();
        tracing::subscriber::with_default(logging, || {
            tracing::warn!(text = "a b", count = 3, missing = None::<u8>, "one {}", 1);
            tracing::info!(request_id = %"a-1", bytes_out = 7, "GET /");
        });
        lines.clone().write_to(outlet).unwrap();
        assert_eq!(written.recv().unwrap(), r#"count=3 message=one 1 text="a b""#);
        assert_eq!(written.recv().unwrap(), "bytes_out=7 message=GET / request_id=a-1");
        lines.wait_until_written(Duration::from_secs(20));
        assert!(lines.lock().idle);
    }

    #[test]
    fn a_writer_that_stands_still_costs_lines_but_no_time() {
        let (lines, logging) = queue();
        let (outlet, written) = outlet();
        lines.clone().write_to(outlet).unwrap();
        tracing::subscriber::with_default(logging, || {
            tracing::info!("first");
            // The writer has taken it, and now waits for somebody to read it.
            while !lines.lock().waiting.is_empty() {
                std::thread::yield_now();
            }
            (0..MOST + 5).for_each(|number| tracing::info!("{number}"));
        });
        assert_eq!(lines.lock().lost, 5);
        lines.wait_until_written(Duration::ZERO);
        assert_eq!(written.recv().unwrap(), "message=first");
        let rest: Vec<String> = (0..MOST).map(|_| written.recv().unwrap()).collect();
        assert_eq!(rest[MOST - 1], format!("message={}", MOST - 1));
        lines.wait_until_written(Duration::from_secs(20));
        assert_eq!(lines.lock().lost, 0, "they were reported");
    }
}
