//! How many connections there are to an upstream, and what goes over them: counters that outlive a reload.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::net::pool::Protocol;

/// Counters of the connections to one upstream.
#[derive(Debug, Default)]
pub struct Tally {
    http1: Counts,
    http2: Counts,
    refused: AtomicU64,
}

#[derive(Debug, Default)]
struct Counts {
    opened: AtomicU64,
    open: AtomicU64,
    streams: AtomicU64,
}

/// One reading, of one protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reading {
    /// `http1` or `http2`.
    pub protocol: &'static str,
    /// Connections that were opened since the start.
    pub opened: u64,
    /// Connections that are open.
    pub open: u64,
    /// Exchanges under way on them.
    pub streams: u64,
}

impl Tally {
    /// What was counted until now, by protocol.
    pub fn read(&self) -> [Reading; 2] {
        let read = |protocol: &'static str, counts: &Counts| Reading {
            protocol,
            opened: counts.opened.load(Ordering::Relaxed),
            open: counts.open.load(Ordering::Relaxed),
            streams: counts.streams.load(Ordering::Relaxed),
        };
        [read("http1", &self.http1), read("http2", &self.http2)]
    }

    /// How many attempts to connect failed since the start.
    pub fn attempts_failed(&self) -> u64 {
        self.refused.load(Ordering::Relaxed)
    }

    pub(super) fn attempt_failed(&self) {
        self.refused.fetch_add(1, Ordering::Relaxed);
    }

    /// A connection was opened.
    pub(super) fn opened(self: &Arc<Self>, protocol: Protocol) -> Counted {
        self.of(protocol).opened.fetch_add(1, Ordering::Relaxed);
        Counted::new(self.clone(), protocol, |counts| &counts.open)
    }

    /// An exchange begins on one.
    pub(super) fn begun(self: &Arc<Self>, protocol: Protocol) -> Counted {
        Counted::new(self.clone(), protocol, |counts| &counts.streams)
    }

    fn of(&self, protocol: Protocol) -> &Counts {
        match protocol {
            Protocol::Http1 => &self.http1,
            Protocol::Http2 => &self.http2,
        }
    }
}

/// Counts until it is dropped.
pub(super) struct Counted {
    tally: Arc<Tally>,
    protocol: Protocol,
    which: fn(&Counts) -> &AtomicU64,
}

impl Counted {
    fn new(tally: Arc<Tally>, protocol: Protocol, which: fn(&Counts) -> &AtomicU64) -> Self {
        which(tally.of(protocol)).fetch_add(1, Ordering::Relaxed);
        Self { tally, protocol, which }
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        (self.which)(self.tally.of(self.protocol)).fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_open_counts_until_it_ends() {
        let tally = Arc::new(Tally::default());
        let one = tally.opened(Protocol::Http2);
        let streams = [tally.begun(Protocol::Http2), tally.begun(Protocol::Http2)];
        drop(tally.opened(Protocol::Http1));
        let [http1, http2] = tally.read();
        assert_eq!((http1.opened, http1.open, http1.streams), (1, 0, 0));
        assert_eq!((http2.opened, http2.open, http2.streams), (1, 1, 2));
        drop((one, streams));
        assert_eq!(tally.read()[1], Reading { protocol: "http2", opened: 1, open: 0, streams: 0 });
    }
}
