//! What is counted of the requests to one upstream. Readers never stop the traffic, and a request that is counted
//! allocates nothing, unless it is the first one to its server.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use crate::observe::histogram::{ADDED, Histogram, Reading, WHOLE};
use crate::observe::kinds::{Breaker, Failure, METHODS, STATUSES, class_of, place_of};

/// The name for no upstream, and for no server that the catalogue knows.
pub const NONE: &str = "none";
/// The name for all servers beyond those that are counted by their names.
pub const OTHER: &str = "other";
/// How many servers of an upstream are counted by their names.
const MOST_SERVERS: usize = 100;

/// The counters of one upstream, or of the requests that go to none.
#[derive(Debug)]
pub struct Usage {
    upstream: Box<str>,
    unnamed: Series,
    beyond: Series,
    by_server: RwLock<HashMap<Box<str>, Arc<Series>>>,
    added: Histogram,
    waited: Histogram,
    received: AtomicU64,
    sent: AtomicU64,
    streams: AtomicU64,
    streams_opened: AtomicU64,
    failures: [AtomicU64; Failure::COUNT],
    broken: [AtomicU64; Breaker::COUNT],
}

/// The counters of one server.
#[derive(Debug)]
struct Series {
    requests: [[AtomicU64; STATUSES.len()]; METHODS.len()],
    took: Histogram,
}

/// A request that has ended, as far as it is counted.
#[derive(Debug, Clone, Copy)]
pub(super) struct Counted<'a> {
    pub(super) server: Option<&'a str>,
    pub(super) method: Option<&'a str>,
    pub(super) status: Option<u16>,
    /// `None` if that means nothing: a stream that lasted for as long as its client wanted.
    pub(super) took: Option<Duration>,
    pub(super) broken_by: Option<Breaker>,
}

/// Requests to one server, by method and status.
#[derive(Debug, Clone, PartialEq)]
pub struct OfServer {
    /// The server, [`NONE`] or [`OTHER`].
    pub server: String,
    /// Method, class of status, and how many; what is zero is left out.
    pub requests: Vec<(&'static str, &'static str, u64)>,
    /// From the head of the request to the end of the answer.
    pub took: Reading,
}

impl Series {
    fn new() -> Self {
        let requests = std::array::from_fn(|_| std::array::from_fn(|_| AtomicU64::new(0)));
        Self { requests, took: Histogram::new(WHOLE) }
    }

    fn count(&self, counted: Counted<'_>) {
        if let Some(cell) = self.requests.get(place_of(counted.method)).and_then(|of| of.get(class_of(counted.status)))
        {
            cell.fetch_add(1, Ordering::Relaxed);
        }
        if let Some(took) = counted.took {
            self.took.observe(took);
        }
    }

    fn read(&self, server: &str) -> OfServer {
        let by_method = METHODS.iter().zip(&self.requests);
        let cells =
            by_method.flat_map(|(method, of)| STATUSES.iter().zip(of).map(move |(class, cell)| (method, class, cell)));
        let requests = cells.map(|(method, class, cell)| (*method, *class, cell.load(Ordering::Relaxed)));
        let requests = requests.filter(|(.., count)| *count > 0).collect();
        OfServer { server: server.to_owned(), requests, took: self.took.read() }
    }
}

impl Usage {
    /// Counters for an upstream, all at zero.
    pub fn of(upstream: &str) -> Self {
        Self {
            upstream: upstream.into(),
            unnamed: Series::new(),
            beyond: Series::new(),
            by_server: RwLock::default(),
            added: Histogram::new(ADDED),
            waited: Histogram::new(WHOLE),
            received: AtomicU64::new(0),
            sent: AtomicU64::new(0),
            streams: AtomicU64::new(0),
            streams_opened: AtomicU64::new(0),
            failures: Default::default(),
            broken: Default::default(),
        }
    }

    /// The upstream's name.
    pub fn upstream(&self) -> &str {
        &self.upstream
    }

    /// So many more bytes came of requests' bodies.
    pub fn received(&self, bytes: usize) {
        self.received.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    pub(super) fn sent(&self, bytes: usize) {
        self.sent.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    pub(super) fn failed(&self, why: Failure) {
        if let Some(counter) = self.failures.get(why as usize) {
            counter.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// The head of an answer is there: so long it was waited for, and so long everything else took.
    pub(super) fn answered(&self, waited: Duration, added: Duration) {
        self.waited.observe(waited);
        self.added.observe(added);
    }

    pub(super) fn stream_opened(&self) {
        self.streams_opened.fetch_add(1, Ordering::Relaxed);
        self.streams.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn stream_ended(&self) {
        self.streams.fetch_sub(1, Ordering::Relaxed);
    }

    pub(super) fn ended(&self, counted: Counted<'_>) {
        if let Some(counter) = counted.broken_by.and_then(|breaker| self.broken.get(breaker as usize)) {
            counter.fetch_add(1, Ordering::Relaxed);
        }
        let server = match counted.server {
            None | Some(NONE) => return self.unnamed.count(counted),
            // One that a catalogue calls so would be one series twice.
            Some(OTHER) => return self.beyond.count(counted),
            Some(server) => server,
        };
        // No code panics while it holds this lock.
        let known = self.by_server.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(series) = known.get(server) {
            return series.count(counted);
        }
        drop(known);
        let mut known = self.by_server.write().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= MOST_SERVERS && !known.contains_key(server) {
            return self.beyond.count(counted);
        }
        known.entry(server.into()).or_insert_with(|| Arc::new(Series::new())).count(counted);
    }

    /// The requests that have ended, by server in the order of the names. Servers without any are left out.
    pub fn by_server(&self) -> Vec<OfServer> {
        let known = self.by_server.read().unwrap_or_else(PoisonError::into_inner);
        let mut named: Vec<(Box<str>, Arc<Series>)> =
            known.iter().map(|(name, series)| (name.clone(), series.clone())).collect();
        drop(known);
        named.sort_unstable_by(|one, other| one.0.cmp(&other.0));
        let unnamed = [(NONE, &self.unnamed), (OTHER, &self.beyond)].into_iter();
        let named = named.iter().map(|(name, series)| (&**name, &**series));
        unnamed.chain(named).map(|(name, series)| series.read(name)).filter(|of| !of.requests.is_empty()).collect()
    }

    /// How long it took until the head of an answer was there, without the waiting for the upstream.
    pub fn added(&self) -> Reading {
        self.added.read()
    }

    /// How long the upstream was waited for until the head of its answer was there.
    pub fn waited(&self) -> Reading {
        self.waited.read()
    }

    /// Bytes of bodies: of requests, and of answers.
    pub fn bytes(&self) -> (u64, u64) {
        (self.received.load(Ordering::Relaxed), self.sent.load(Ordering::Relaxed))
    }

    /// Event streams: those that are open, and all since the start.
    pub fn streams(&self) -> (u64, u64) {
        (self.streams.load(Ordering::Relaxed), self.streams_opened.load(Ordering::Relaxed))
    }

    /// Requests that the upstream gave no answer to.
    pub fn failures(&self, why: Failure) -> u64 {
        self.failures.get(why as usize).map_or(0, |counter| counter.load(Ordering::Relaxed))
    }

    /// Answers that ended before their end.
    pub fn broken(&self, by: Breaker) -> u64 {
        self.broken.get(by as usize).map_or(0, |counter| counter.load(Ordering::Relaxed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counted(server: Option<&str>) -> Counted<'_> {
        let (method, status) = (Some("tools/call"), Some(200));
        Counted { server, method, status, took: Some(Duration::from_millis(3)), broken_by: None }
    }

    #[test]
    fn requests_are_counted_by_server_method_and_status() {
        let usage = Usage::of("alibaba");
        usage.ended(counted(Some("ops")));
        usage.ended(counted(Some("ops")));
        usage.ended(Counted { method: Some("made/up"), status: None, took: None, ..counted(Some("ops")) });
        usage.ended(Counted { broken_by: Some(Breaker::Upstream), ..counted(None) });
        let read = usage.by_server();
        let requests: Vec<_> = read.iter().map(|of| (of.server.as_str(), of.requests.clone(), of.took.count)).collect();
        let expected = [
            (NONE, vec![("tools/call", "2xx", 1)], 1),
            ("ops", vec![("other", "none", 1), ("tools/call", "2xx", 2)], 2),
        ];
        assert_eq!(requests, expected);
        assert_eq!((usage.broken(Breaker::Upstream), usage.broken(Breaker::Client)), (1, 0));
    }

    #[test]
    fn servers_beyond_the_limit_share_one_name() {
        let usage = Usage::of("alibaba");
        for number in 0..MOST_SERVERS + 7 {
            usage.ended(counted(Some(&format!("s{number}"))));
            usage.ended(counted(Some("s0")));
        }
        let read = usage.by_server();
        assert_eq!(read.len(), MOST_SERVERS + 1);
        let of = |name: &str| read.iter().find(|of| of.server == name).unwrap().requests[0].2;
        assert_eq!((of(OTHER), of("s0")), (7, MOST_SERVERS as u64 + 8));
    }

    #[test]
    fn a_server_that_is_called_as_no_server_makes_no_series_twice() {
        let usage = Usage::of("alibaba");
        for server in [Some(NONE), Some(OTHER), None] {
            usage.ended(counted(server));
        }
        let names: Vec<(String, u64)> = usage.by_server().into_iter().map(|of| (of.server, of.requests[0].2)).collect();
        assert_eq!(names, [(NONE.to_owned(), 2), (OTHER.to_owned(), 1)]);
    }
}
