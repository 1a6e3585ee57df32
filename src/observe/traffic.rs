//! Counters of the data path.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};

use http::StatusCode;

/// How much was done since the start. Plain counters: reading them never stops the traffic.
#[derive(Debug)]
pub struct Traffic {
    started: AtomicU64,
    succeeded: AtomicU64,
    failed: AtomicU64,
    /// By the first digit of the status; 0 where no answer had begun.
    statuses: [AtomicU64; 6],
    bytes: AtomicU64,
    /// Connections on which no request could be read, in the order of [`Unread::ALL`].
    unread: [AtomicU64; Unread::ALL.len()],
    /// Tells the requests of this run from those of another.
    run: u32,
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
            statuses: Default::default(),
            bytes: count(),
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

/// More of what was done, for those who measure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Answers {
    /// Requests that ended, by the first digit of their status; 0 where no answer had begun.
    pub by_class: [u64; 6],
    /// Bytes of bodies that were handed to clients.
    pub bytes: u64,
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

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:08x}-{}", self.run, self.number)
    }
}

impl Traffic {
    /// A request begins. Answers an id for it that no other request has, of this run or another.
    pub fn begin(&self) -> RequestId {
        RequestId { run: self.run, number: self.started.fetch_add(1, Ordering::Relaxed) + 1 }
    }

    /// A request ended: well or not, with this status if an answer had begun, after so many bytes of its body.
    pub fn end(&self, success: bool, status: Option<StatusCode>, bytes: u64) {
        let class = usize::from(status.map_or(0, |status| status.as_u16() / 100));
        // A status has three digits, and the first one may be as high as 9.
        if let Some(counter) = self.statuses.get(class).or(self.statuses.first()) {
            counter.fetch_add(1, Ordering::Relaxed);
        }
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
        let counter = if success { &self.succeeded } else { &self.failed };
        counter.fetch_add(1, Ordering::Relaxed);
    }

    /// No request could be read on a connection.
    pub fn unread(&self, why: Unread) {
        if let Some(counter) = Unread::ALL.iter().position(|known| *known == why).and_then(|at| self.unread.get(at)) {
            counter.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// How many connections were without a request that could be read, by reason.
    pub fn unread_connections(&self) -> [(Unread, u64); Unread::ALL.len()] {
        let mut counters = self.unread.iter();
        Unread::ALL.map(|why| (why, counters.next().map_or(0, |counter| counter.load(Ordering::Relaxed))))
    }

    /// The counters now.
    pub fn counts(&self) -> Counts {
        let (success, error) = (self.succeeded.load(Ordering::Relaxed), self.failed.load(Ordering::Relaxed));
        let total = self.started.load(Ordering::Relaxed);
        Counts { total, success, error, active: total.saturating_sub(success + error) }
    }

    /// The answers until now.
    pub fn answers(&self) -> Answers {
        let by_class = self.statuses.each_ref().map(|counter| counter.load(Ordering::Relaxed));
        Answers { by_class, bytes: self.bytes.load(Ordering::Relaxed) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_request_is_counted_once() {
        let traffic = Traffic::default();
        for (status, success) in [(Some(200), true), (Some(404), false), (None, false), (Some(999), false)] {
            traffic.begin();
            traffic.end(success, status.map(|status| StatusCode::from_u16(status).unwrap()), 10);
        }
        traffic.begin();
        assert_eq!(traffic.answers(), Answers { by_class: [2, 0, 1, 0, 1, 0], bytes: 40 });
        assert_eq!(traffic.counts(), Counts { total: 5, success: 1, error: 3, active: 1 });
    }
}
