//! Counters of the data path.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;

use crate::observe::kinds::{Entry as Entrance, RuleKind};
use crate::observe::recent::{ClientUse, Ended, Entry, Recent};
use crate::observe::routine::Routine;
use crate::observe::trace::Tracer;
use crate::observe::usage::{NONE, Usage};

/// How much was done since the start. Plain counters: reading them never stops the traffic.
#[derive(Debug)]
pub struct Traffic {
    started: AtomicU64,
    succeeded: AtomicU64,
    failed: AtomicU64,
    refusals: [AtomicU64; RuleKind::COUNT],
    connections: [Connections; Entrance::COUNT],
    /// Of requests that go to no upstream.
    own: Arc<Usage>,
    /// Of requests to upstreams, whose names come from the configuration.
    usages: Mutex<Vec<Arc<Usage>>>,
    pub(super) recent: Recent,
    /// Which requests have lines in the log.
    pub routine: Routine,
    /// Takes the spans of requests, if they are wanted.
    tracer: Option<Tracer>,
    /// Connections on which no request could be read, in the order of [`Unread::ALL`].
    unread: [AtomicU64; Unread::ALL.len()],
    /// Tells the requests of this run from those of another.
    run: u32,
}

#[derive(Debug, Default)]
struct Connections {
    accepted: AtomicU64,
    open: AtomicU64,
}

/// A connection of a client, which counts as open until this is dropped.
#[derive(Debug)]
pub struct Connected {
    traffic: Arc<Traffic>,
    by: Entrance,
}

impl Default for Traffic {
    fn default() -> Self {
        let count = || AtomicU64::new(0);
        // Without randomness ids are unique within this run alone, which is what they are for in the first place.
        let run = getrandom::u32().unwrap_or_default();
        Self {
            started: count(),
            succeeded: count(),
            failed: count(),
            refusals: Default::default(),
            connections: Default::default(),
            own: Arc::new(Usage::of(NONE)),
            usages: Mutex::default(),
            recent: Recent::default(),
            routine: Routine::default(),
            tracer: None,
            unread: Default::default(),
            run,
        }
    }
}

/// One reading of the counters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Counts {
    /// Requests that began.
    pub total: u64,
    /// Requests that ended with a status below 400 and a whole body.
    pub success: u64,
    /// Requests that ended otherwise.
    pub error: u64,
    /// Requests that have not ended.
    pub active: u64,
}

/// Why no request could be read on a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unread {
    /// What came is no request: answered 400, or an error of HTTP/2.
    Malformed,
    /// Its head is too long: answered 431 or 414.
    TooLong,
    /// Its head was not complete in time: answered 408.
    TooLate,
    /// It came without TLS where TLS is spoken: answered 400.
    NotTls,
    /// The handshake of TLS failed, or was not complete in time.
    Handshake,
}

impl Unread {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Malformed, Self::TooLong, Self::TooLate, Self::NotTls, Self::Handshake];

    /// What programs call it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Malformed => "malformed",
            Self::TooLong => "too-long",
            Self::TooLate => "too-late",
            Self::NotTls => "not-tls",
            Self::Handshake => "tls-handshake",
        }
    }

    /// What a person reads.
    pub fn in_words(self) -> &'static str {
        match self {
            Self::Malformed => "what came is no request of HTTP",
            Self::TooLong => "its head is too long",
            Self::TooLate => "its head did not come in time (limits.header_timeout)",
            Self::NotTls => "it came without TLS to an address of tls.listen",
            Self::Handshake => "the TLS handshake failed",
        }
    }
}

/// Names one request in the log.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct RequestId {
    run: u32,
    number: u64,
}

impl RequestId {
    /// Appends what is shown of it, which is much cheaper than to format it.
    pub(super) fn push_to(self, text: &mut String) {
        let digit = |place: u32| char::from_digit(self.run >> (4 * place) & 0xf, 16).unwrap_or_default();
        text.extend((0..8).rev().map(digit));
        text.push('-');
        text.push_str(itoa::Buffer::new().format(self.number));
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = String::new();
        self.push_to(&mut text);
        f.write_str(&text)
    }
}

impl Traffic {
    /// Counters at zero, and who takes the spans of requests.
    pub fn traced(tracer: Option<Tracer>) -> Self {
        Self { tracer, ..Self::default() }
    }

    /// Who takes the spans of requests, if they are wanted.
    pub fn tracer(&self) -> Option<&Tracer> {
        self.tracer.as_ref()
    }

    /// A request begins. Answers an id for it that no other request has, of this run or another.
    pub fn begin(&self) -> RequestId {
        RequestId { run: self.run, number: self.started.fetch_add(1, Ordering::Relaxed) + 1 }
    }

    /// A request ended, well or not.
    pub(super) fn end(&self, success: bool) {
        let counter = if success { &self.succeeded } else { &self.failed };
        counter.fetch_add(1, Ordering::Relaxed);
    }

    /// No request could be read on a connection.
    pub fn unread(&self, why: Unread) {
        if let Some(counter) = Unread::ALL.iter().position(|known| *known == why).and_then(|at| self.unread.get(at)) {
            counter.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// A rule refused a request.
    pub(super) fn refused(&self, by: RuleKind) {
        if let Some(counter) = self.refusals.get(by as usize) {
            counter.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// How many connections were without a request that could be read, by reason.
    pub fn unread_connections(&self) -> [(Unread, u64); Unread::ALL.len()] {
        let mut counters = self.unread.iter();
        Unread::ALL.map(|why| (why, counters.next().map_or(0, |counter| counter.load(Ordering::Relaxed))))
    }

    /// How many requests rules of that kind refused.
    pub fn refusals(&self, by: RuleKind) -> u64 {
        self.refusals.get(by as usize).map_or(0, |counter| counter.load(Ordering::Relaxed))
    }

    /// A client has connected.
    pub fn connected(self: &Arc<Self>, by: Entrance) -> Connected {
        if let Some(counted) = self.connections.get(by as usize) {
            counted.accepted.fetch_add(1, Ordering::Relaxed);
            counted.open.fetch_add(1, Ordering::Relaxed);
        }
        Connected { traffic: self.clone(), by }
    }

    /// Connections of clients: those that are open, and all since the start.
    pub fn connections(&self, by: Entrance) -> (u64, u64) {
        let read =
            |counted: &Connections| (counted.open.load(Ordering::Relaxed), counted.accepted.load(Ordering::Relaxed));
        self.connections.get(by as usize).map_or((0, 0), read)
    }

    /// The counters of the upstream of that name.
    pub fn usage(&self, upstream: &str) -> Arc<Usage> {
        let mut usages = self.usages();
        if let Some(known) = usages.iter().find(|usage| usage.upstream() == upstream) {
            return known.clone();
        }
        let usage = Arc::new(Usage::of(upstream));
        usages.push(usage.clone());
        usage
    }

    /// All counters: those of the requests that go to no upstream, then those of each upstream.
    pub fn all_usages(&self) -> Vec<Arc<Usage>> {
        let usages = self.usages();
        std::iter::once(&self.own).chain(usages.iter()).cloned().collect()
    }

    pub(super) fn own(&self) -> &Arc<Usage> {
        &self.own
    }

    /// Bytes of bodies that were handed to clients.
    pub fn bytes(&self) -> u64 {
        self.all_usages().iter().map(|usage| usage.bytes().1).sum()
    }

    fn usages(&self) -> MutexGuard<'_, Vec<Arc<Usage>>> {
        // No code panics while it holds this lock.
        self.usages.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts down what is told of a request that ended.
    pub(super) fn note(&self, entry: Entry) {
        self.recent.note(entry);
    }

    /// The requests that ended last, the newest first; 256 at the most.
    pub fn recent(&self) -> Vec<Ended> {
        self.recent.ended_last()
    }

    /// The clients that were seen last, the last one first; 64 at the most.
    pub fn clients(&self) -> Vec<ClientUse> {
        self.recent.clients()
    }

    /// Sees a new value after each request that ended from now on.
    pub fn ended(&self) -> watch::Receiver<u64> {
        self.recent.subscribe()
    }

    /// The counters now.
    pub fn counts(&self) -> Counts {
        let (success, error) = (self.succeeded.load(Ordering::Relaxed), self.failed.load(Ordering::Relaxed));
        let total = self.started.load(Ordering::Relaxed);
        Counts { total, success, error, active: total.saturating_sub(success + error) }
    }
}

impl Drop for Connected {
    fn drop(&mut self) {
        if let Some(counted) = self.traffic.connections.get(self.by as usize) {
            counted.open.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_request_is_counted_once() {
        let traffic = Traffic::default();
        for success in [true, false, false] {
            traffic.begin();
            traffic.end(success);
        }
        traffic.begin();
        assert_eq!(traffic.counts(), Counts { total: 4, success: 1, error: 2, active: 1 });
    }

    #[test]
    fn an_upstream_has_its_counters_once() {
        let traffic = Traffic::default();
        traffic.usage("a").sent(1);
        traffic.usage("b").sent(2);
        traffic.usage("a").sent(3);
        let names: Vec<String> = traffic.all_usages().iter().map(|usage| usage.upstream().to_owned()).collect();
        assert_eq!((names.join(" ").as_str(), traffic.bytes()), ("none a b", 6));
    }

    #[test]
    fn a_connection_is_open_until_it_ends() {
        let traffic = Arc::new(Traffic::default());
        let one = traffic.connected(Entrance::Unix);
        drop(traffic.connected(Entrance::Unix));
        assert_eq!((traffic.connections(Entrance::Unix), traffic.connections(Entrance::Tcp)), ((1, 2), (0, 0)));
        drop(one);
        assert_eq!(traffic.connections(Entrance::Unix), (0, 2));
    }
}
