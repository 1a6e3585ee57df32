//! How many wrong keys each caller has shown lately. A right key always counts: whoever shares an address with somebody
//! who guesses is not shut out by that.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::model::peer::Peer;
use crate::model::time::Mono;

/// How many wrong keys are answered one by one, in how much time.
const MOST: u32 = 10;
const WINDOW: Duration = Duration::from_secs(60);
/// How many callers are counted one by one; beyond them, all count as one.
const MOST_SOURCES: usize = 4096;

/// Who shows keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Source {
    Address(IpAddr),
    User(u32),
    Anybody,
}

/// The counts.
#[derive(Debug, Default)]
pub(super) struct Guesses(Mutex<HashMap<Source, (Mono, u32)>>);

/// What a wrong key is answered with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wrong {
    /// A refusal; the first one in a while is worth a line in the log.
    Told { first: bool },
    /// There were too many.
    TooMany,
}

impl Guesses {
    /// Counts a wrong key.
    pub(super) fn wrong(&self, peer: Peer, now: Mono) -> Wrong {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut source = match peer {
            Peer::Tcp(address) => Source::Address(network_of(address.ip())),
            Peer::Unix(credentials) => Source::User(credentials.uid),
        };
        if !counts.contains_key(&source) && counts.len() >= MOST_SOURCES {
            counts.retain(|_, (begun, _)| now.since(*begun) < WINDOW);
            if counts.len() >= MOST_SOURCES {
                source = Source::Anybody;
            }
        }
        let (begun, count) = counts.entry(source).or_insert((now, 0));
        if now.since(*begun) >= WINDOW {
            (*begun, *count) = (now, 0);
        }
        *count = count.saturating_add(1);
        if *count > MOST { Wrong::TooMany } else { Wrong::Told { first: *count == 1 } }
    }
}

/// Whoever has one address of IPv6 has a whole network of them.
fn network_of(ip: IpAddr) -> IpAddr {
    match ip {
        IpAddr::V6(ip) => {
            let mut octets = ip.octets();
            octets[8..].fill(0);
            octets.into()
        }
        ip => ip,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wrong_keys_are_counted_by_caller_and_for_a_minute() {
        let guesses = Guesses::default();
        let at = |seconds| Mono::from_start(Duration::from_secs(seconds));
        let peer = |address: &str| Peer::Tcp(address.parse().unwrap());
        assert_eq!(guesses.wrong(peer("192.0.2.1:1"), at(0)), Wrong::Told { first: true });
        for port in 2..=MOST {
            let wrong = guesses.wrong(peer(&format!("192.0.2.1:{port}")), at(1));
            assert_eq!(wrong, Wrong::Told { first: false }, "{port}");
        }
        assert_eq!(guesses.wrong(peer("192.0.2.1:99"), at(59)), Wrong::TooMany);
        assert_eq!(guesses.wrong(peer("192.0.2.2:1"), at(59)), Wrong::Told { first: true });
        assert_eq!(guesses.wrong(peer("192.0.2.1:1"), at(60)), Wrong::Told { first: true });
    }

    #[test]
    fn a_crowd_of_guessers_takes_no_more_room() {
        let guesses = Guesses::default();
        let mut told = 0;
        for number in 0..2 * MOST_SOURCES as u32 {
            let peer = Peer::Tcp((std::net::Ipv4Addr::from(0x0a00_0000 + number), 1).into());
            told += u32::from(guesses.wrong(peer, Mono::from_start(Duration::ZERO)) != Wrong::TooMany);
        }
        assert_eq!(guesses.0.lock().unwrap().len(), MOST_SOURCES + 1);
        assert_eq!(told as usize, MOST_SOURCES + MOST as usize);
    }
}
