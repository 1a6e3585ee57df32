//! Connections that ended before there was a request: each is counted, and so many of them are put down that a person can
//! see what goes on, and a flood does not fill the log.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::model::peer::Peer;
use crate::model::time::{Clock, Mono};
use crate::observe::audit::Audit;
use crate::observe::audit::event::{Event, NoRequest};
use crate::observe::text::shown;
use crate::observe::traffic::{Traffic, Unread};

/// How many are put down one by one, in how much time. The rest of that time only their number is known.
const MOST: u64 = 20;
const WINDOW: Duration = Duration::from_secs(60);

/// What puts them down.
#[derive(Debug)]
pub struct Unheard {
    traffic: Arc<Traffic>,
    audit: Option<Audit>,
    clock: Clock,
    window: Mutex<Window>,
}

/// The time that is counted together.
#[derive(Debug, Default)]
struct Window {
    began: Option<Mono>,
    count: u64,
}

impl Unheard {
    /// Nothing was unheard yet.
    pub fn new(traffic: Arc<Traffic>, audit: Option<Audit>, clock: Clock) -> Self {
        Self { traffic, audit, clock, window: Mutex::default() }
    }

    /// A connection of `peer` ended so. `detail` is what a library says of it: foreign text.
    pub fn note(&self, peer: Peer, why: Unread, detail: &str) {
        self.traffic.unread(why);
        let now = self.clock.now();
        let Some(passed_over) = self.window.lock().unwrap_or_else(PoisonError::into_inner).enter(now.mono) else {
            return;
        };
        let detail = shown(detail, &[]);
        let more = match passed_over {
            0 => String::new(),
            count => format!(" ({count} others were not put down)"),
        };
        tracing::warn!(
            reason = why.as_str(),
            passed_over,
            "no request from {peer}: {}: {detail}{more}",
            why.in_words()
        );
        if let Some(audit) = &self.audit {
            audit.record_at(
                now.wall,
                Event::NoRequest(NoRequest { peer: Some(peer), reason: why.as_str(), detail, passed_over }),
            );
        }
    }
}

impl Window {
    /// Whether this one is put down; if so, how many were not since the last one that was.
    fn enter(&mut self, now: Mono) -> Option<u64> {
        let goes_on = self.began.is_some_and(|began| now.since(began) < WINDOW);
        let passed_over = if goes_on { 0 } else { self.count.saturating_sub(MOST) };
        if !goes_on {
            (self.began, self.count) = (Some(now), 0);
        }
        self.count = self.count.saturating_add(1);
        (self.count <= MOST).then_some(passed_over)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_is_counted_and_some_of_it_put_down() {
        let mut window = Window::default();
        let at = |seconds| Mono::from_start(Duration::from_secs(seconds));
        for _ in 0..MOST {
            assert_eq!(window.enter(at(1)), Some(0));
        }
        for _ in 0..7 {
            assert_eq!(window.enter(at(60)), None);
        }
        assert_eq!(window.enter(at(61)), Some(7));
        assert_eq!(window.enter(at(61)), Some(0));
    }

    #[test]
    fn each_is_counted_by_its_reason() {
        let traffic = Arc::new(Traffic::default());
        let unheard = Unheard::new(traffic.clone(), None, Clock::system());
        for _ in 0..50 {
            unheard.note(Peer::Tcp("192.0.2.1:7".parse().unwrap()), Unread::TooLong, "x");
        }
        unheard.note(Peer::Tcp("192.0.2.1:7".parse().unwrap()), Unread::NotTls, "x");
        let counts = traffic.unread_connections();
        assert_eq!(counts.iter().map(|(_, count)| count).sum::<u64>(), 51);
        assert!(counts.contains(&(Unread::TooLong, 50)) && counts.contains(&(Unread::NotTls, 1)));
    }
}
