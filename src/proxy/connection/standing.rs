//! How one connection stands: what it waits for and since when, seen by its own task, by its requests, and by whoever
//! looks for one to close.
//!
//! A lock that hardly anybody else wants costs less than a timer; so a request changes what stands here, and no timer.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Poll, Waker};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;

/// How long a connection may say nothing before it is in the way of a newcomer.
const FIRST_WORD: Duration = Duration::from_millis(500);

/// What a connection is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::proxy) enum Phase {
    /// Nothing has come since it was accepted.
    New,
    /// A request has begun to come.
    Head,
    /// A request is being answered.
    Active,
    /// It is kept for the next request.
    Idle,
    /// It was given up in favour of another one.
    Evicted,
}

/// How long a connection may stand so.
#[derive(Debug, Clone, Copy)]
pub(in crate::proxy) struct Patience {
    /// From the first byte of a request's head to its last; also from the start of the connection.
    pub(in crate::proxy) head: Duration,
    /// Between two requests.
    pub(in crate::proxy) idle: Duration,
}

/// Says when a place may have become free, once somebody wants one.
#[derive(Debug, Default)]
pub(in crate::proxy) struct Room {
    wanted: AtomicBool,
    freed: Notify,
}

impl Room {
    /// From now on connections say when they become idle.
    pub(in crate::proxy) fn want(&self, wanted: bool) {
        self.wanted.store(wanted, Ordering::SeqCst);
    }

    /// Waits until one has become idle.
    pub(in crate::proxy) async fn freed(&self) {
        self.freed.notified().await;
    }
}

/// How one connection stands.
#[derive(Debug)]
pub(in crate::proxy) struct Standing {
    state: Mutex<State>,
    /// hyper waits for input, and so would see its end.
    reading: AtomicBool,
    /// It is about to be closed: what the kernel has counts, too.
    closing: AtomicBool,
    /// The kernel has something that hyper was not told of yet.
    has_input: AtomicBool,
    room: Arc<Room>,
}

#[derive(Debug)]
struct State {
    phase: Phase,
    since: Instant,
    /// HTTP/2: several requests at once, and bytes that are no request.
    multiplexed: bool,
    exchanges: usize,
    served: bool,
    /// The other end does not take what we write.
    write_blocked: bool,
    /// The body of the request under way has been read to its end.
    upload_complete: bool,
    /// There is a request under way after which the client sends no more: it may close its side and still wants the
    /// answer (RFC 9112 §9.6).
    last: Option<Last>,
}

#[derive(Debug, Default)]
struct Last {
    /// The input has ended, which hyper was not told. It waits with this.
    reader: Option<Waker>,
    /// The request's body is waited for with this.
    upload: Option<Waker>,
}

impl Standing {
    pub(in crate::proxy) fn new(room: Arc<Room>) -> Self {
        let state = State {
            phase: Phase::New,
            since: Instant::now(),
            multiplexed: false,
            exchanges: 0,
            served: false,
            write_blocked: false,
            upload_complete: true,
            last: None,
        };
        Self {
            state: Mutex::new(state),
            reading: AtomicBool::new(false),
            closing: AtomicBool::new(false),
            has_input: AtomicBool::new(false),
            room,
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// When its patience ends, and with what; `None` while a request is answered, which takes as long as it takes.
    pub(super) fn deadline(&self, patience: Patience) -> Option<(Instant, Phase)> {
        let state = self.lock();
        let limit = match state.phase {
            Phase::New | Phase::Head => patience.head,
            Phase::Idle if !state.write_blocked => patience.idle,
            Phase::Idle | Phase::Active => return None,
            Phase::Evicted => Duration::ZERO,
        };
        Some((state.since + limit, state.phase))
    }

    /// Since when nobody would miss it: silent ones come before those that were of use, and older ones before younger
    /// ones. `None` while it is busy, or has only just been accepted.
    pub(in crate::proxy) fn dispensable_since(&self) -> Option<(bool, Instant)> {
        let state = self.lock();
        state.is_dispensable().then_some((state.served, state.since))
    }

    /// Gives it up, unless it has become busy meanwhile. No request begins on it any more.
    pub(in crate::proxy) fn evict(&self) -> bool {
        let mut state = self.lock();
        let dispensable = state.is_dispensable();
        if dispensable {
            state.enter(Phase::Evicted);
        }
        dispensable
    }

    /// It speaks HTTP/2.
    pub(super) fn multiplexed(&self) {
        let mut state = self.lock();
        state.multiplexed = true;
        state.enter(Phase::Idle);
    }

    /// Bytes have come.
    pub(super) fn received(&self) {
        self.reading.store(false, Ordering::Relaxed);
        let mut state = self.lock();
        let begins = match state.phase {
            Phase::New | Phase::Idle => !state.multiplexed,
            _ => false,
        };
        if begins {
            // The time of the first head runs from the start of the connection.
            let since = if state.phase == Phase::New { state.since } else { Instant::now() };
            (state.phase, state.since) = (Phase::Head, since);
        }
        if let Some(last) = &mut state.last {
            // What has come may be for the body, so who waited for it will look again.
            last.upload = None;
        }
    }

    /// hyper waits for input; `has_input` looks whether the kernel has some all the same.
    pub(super) fn waits_for_input(&self, has_input: impl FnOnce() -> bool) {
        self.reading.store(true, Ordering::Relaxed);
        if self.closing.load(Ordering::Relaxed) {
            self.has_input.store(has_input(), Ordering::Relaxed);
        }
    }

    /// From now on it is closed as soon as it may be.
    pub(super) fn is_closing(&self) {
        self.closing.store(true, Ordering::Relaxed);
        self.has_input.store(false, Ordering::Relaxed);
    }

    /// True if something has come that hyper will be told of soon.
    pub(super) fn has_input(&self) -> bool {
        self.has_input.load(Ordering::Relaxed)
    }

    /// Nobody waits for input, whoever did before.
    pub(super) fn read_by_nobody(&self) {
        self.reading.store(false, Ordering::Relaxed);
    }

    /// Whether a request is under way whose client nobody looks after, because hyper has no reason to read; and if so,
    /// whether the end of its input says that it has left.
    pub(super) fn is_unwatched(&self) -> Option<bool> {
        if self.reading.load(Ordering::Relaxed) {
            return None;
        }
        let state = self.lock();
        let unwatched = state.phase == Phase::Active && state.upload_complete && !state.multiplexed;
        unwatched.then_some(state.last.is_none())
    }

    /// The input has ended: ready if hyper is to know, pending as long as a last request is answered.
    pub(super) fn poll_end_of_input(&self, reader: &Waker) -> Poll<()> {
        let mut state = self.lock();
        let Some(last) = state.last.as_mut() else { return Poll::Ready(()) };
        last.reader = Some(reader.clone());
        if let Some(upload) = last.upload.take() {
            // It knows whether the body is complete.
            upload.wake();
        }
        Poll::Pending
    }

    /// Whether the other end takes what we write.
    pub(super) fn write_blocked(&self, blocked: bool) {
        let mut state = self.lock();
        if state.write_blocked && !blocked && state.phase == Phase::Idle {
            state.since = Instant::now();
        }
        state.write_blocked = blocked;
    }

    /// True if the other end does not take what we write.
    pub(super) fn is_write_blocked(&self) -> bool {
        self.lock().write_blocked
    }

    /// A request begins; false if the connection was given up. `last`: the client sends no other one after it.
    pub(super) fn begin(&self, last: bool, upload_complete: bool) -> bool {
        let mut state = self.lock();
        if state.phase == Phase::Evicted {
            return false;
        }
        // Only its end has a time that matters.
        state.phase = Phase::Active;
        state.exchanges += 1;
        state.served = true;
        state.upload_complete = upload_complete;
        state.last = (last && !state.multiplexed).then(Last::default);
        true
    }

    /// A request's answer is complete, or given up.
    pub(super) fn end(&self) {
        let mut state = self.lock();
        state.exchanges -= 1;
        if state.exchanges > 0 {
            return;
        }
        state.show_end();
        state.enter(Phase::Idle);
        drop(state);
        if self.room.wanted.load(Ordering::SeqCst) {
            self.room.freed.notify_one();
        }
    }

    /// The request's body waits for more; after the end of the input it would wait for ever.
    pub(super) fn upload_waits(&self, upload: &Waker) {
        let mut state = self.lock();
        let Some(last) = &mut state.last else { return };
        if last.reader.is_some() {
            state.show_end();
        } else {
            last.upload = Some(upload.clone());
        }
    }

    /// The request's body was read to its end.
    pub(super) fn upload_complete(&self) {
        self.lock().upload_complete = true;
    }

    /// The answer goes on until the client leaves: the end of its input says that it has left.
    pub(super) fn end_of_input_means_gone(&self) {
        self.lock().show_end();
    }

    /// True if the last request's body was not read to its end.
    pub(super) fn left_upload_unread(&self) -> bool {
        !self.lock().upload_complete
    }
}

impl State {
    fn enter(&mut self, phase: Phase) {
        (self.phase, self.since) = (phase, Instant::now());
    }

    fn is_dispensable(&self) -> bool {
        match self.phase {
            Phase::New | Phase::Head => self.since.elapsed() >= FIRST_WORD,
            Phase::Idle => !self.write_blocked,
            Phase::Active | Phase::Evicted => false,
        }
    }

    /// Lets hyper see the end of the input.
    fn show_end(&mut self) {
        if let Some(reader) = self.last.take().and_then(|last| last.reader) {
            reader.wake();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATIENCE: Patience = Patience { head: Duration::from_secs(10), idle: Duration::from_secs(120) };

    fn standing() -> Standing {
        Standing::new(Arc::default())
    }

    fn phase(standing: &Standing) -> Option<Phase> {
        standing.deadline(PATIENCE).map(|(_, phase)| phase)
    }

    #[tokio::test(start_paused = true)]
    async fn each_phase_has_its_own_time() {
        let (began, standing) = (Instant::now(), standing());
        tokio::time::advance(Duration::from_secs(3)).await;
        standing.received();
        assert_eq!(standing.deadline(PATIENCE), Some((began + PATIENCE.head, Phase::Head)), "from the very start");
        assert!(standing.begin(false, true));
        assert_eq!(standing.deadline(PATIENCE), None);
        standing.end();
        let idle = Instant::now();
        assert_eq!(standing.deadline(PATIENCE), Some((idle + PATIENCE.idle, Phase::Idle)));
        tokio::time::advance(Duration::from_secs(100)).await;
        standing.received();
        tokio::time::advance(Duration::from_secs(1)).await;
        standing.received();
        let head = idle + Duration::from_secs(100) + PATIENCE.head;
        assert_eq!(standing.deadline(PATIENCE), Some((head, Phase::Head)), "from its first byte");
    }

    #[test]
    fn frames_of_http_2_are_no_head_and_the_last_of_its_requests_makes_it_idle() {
        let standing = standing();
        standing.multiplexed();
        standing.received();
        assert_eq!(phase(&standing), Some(Phase::Idle));
        assert!(standing.begin(false, true) && standing.begin(false, true));
        standing.end();
        assert_eq!(phase(&standing), None);
        standing.end();
        assert_eq!(phase(&standing), Some(Phase::Idle));
    }

    #[test]
    fn a_busy_connection_is_not_given_up_and_one_that_was_begins_nothing() {
        let standing = standing();
        assert!(standing.begin(false, true));
        assert!(!standing.evict());
        standing.write_blocked(true);
        standing.end();
        assert!(!standing.evict(), "the end of the answer is still on its way");
        standing.write_blocked(false);
        assert!(standing.evict());
        assert!(!standing.begin(false, true));
    }

    #[test]
    fn the_end_of_the_input_is_hidden_while_a_last_request_is_answered() {
        let waker = Waker::noop();
        let standing = standing();
        assert!(standing.begin(false, true));
        assert!(standing.poll_end_of_input(waker).is_ready());
        standing.end();
        assert!(standing.begin(true, true));
        assert!(standing.poll_end_of_input(waker).is_pending());
        standing.end_of_input_means_gone();
        assert!(standing.poll_end_of_input(waker).is_ready());
        standing.end();
        assert!(standing.begin(true, false));
        assert!(standing.poll_end_of_input(waker).is_pending());
        standing.upload_waits(waker);
        assert!(standing.poll_end_of_input(waker).is_ready(), "the body broke off");
    }
}
