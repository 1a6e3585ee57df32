//! Where the upstream refuses fresh tokens: at such a path a 401 is the upstream's word about the user, and asking for
//! yet another token would only make everybody wait.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::model::time::Mono;

/// So many paths are remembered; the oldest is forgotten first, at the price of two renewals.
const REMEMBERED: usize = 64;
/// After the second fresh token was refused, none is asked for so long; twice as long after each further one.
const FIRST_REST: Duration = Duration::from_secs(60);
/// No path rests longer: what was allowed meanwhile, or a token that ended there, is noticed then.
const LONGEST_REST: Duration = Duration::from_secs(3600);

/// Paths, and the fresh tokens that were refused there.
#[derive(Debug, Default)]
pub(super) struct Refused {
    /// True while there are any: nearly always there are none, and requests need not look.
    some: AtomicBool,
    paths: Mutex<VecDeque<Path>>,
}

#[derive(Debug)]
struct Path {
    path: String,
    /// The last one that was refused.
    generation: u64,
    /// How long it rests after the next one.
    next_rest: Duration,
    rests_until: Option<Mono>,
}

impl Refused {
    /// True if another token would be refused at `path` as well, as far as anybody knows.
    pub(super) fn knows(&self, path: &str, now: Mono) -> bool {
        self.some.load(Ordering::Relaxed)
            && self.lock().iter().any(|known| known.path == path && known.rests_until.is_some_and(|end| now < end))
    }

    /// A token was refused at `path`, after it had replaced another one that was refused there. The first time that
    /// proves nothing: the token may have ended on the way.
    pub(super) fn refused(&self, path: &str, generation: u64, now: Mono) {
        let mut paths = self.lock();
        self.some.store(true, Ordering::Relaxed);
        let Some(known) = paths.iter_mut().find(|known| known.path == path) else {
            if paths.len() == REMEMBERED {
                paths.pop_front();
            }
            let path = path.to_owned();
            return paths.push_back(Path { path, generation, next_rest: FIRST_REST, rests_until: None });
        };
        // Requests beside each other are refused with the same token: that is one refusal.
        if known.generation < generation {
            known.generation = generation;
            known.rests_until = Some(now.plus(known.next_rest));
            known.next_rest = (known.next_rest * 2).min(LONGEST_REST);
        }
    }

    /// A token was accepted at `path`.
    pub(super) fn accepted(&self, path: &str) {
        if self.some.load(Ordering::Relaxed) {
            let mut paths = self.lock();
            paths.retain(|known| known.path != path);
            self.some.store(!paths.is_empty(), Ordering::Relaxed);
        }
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<Path>> {
        self.paths.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Mono {
        Mono::from_start(Duration::from_secs(seconds))
    }

    #[test]
    fn two_tokens_that_are_refused_give_a_path_a_rest_that_grows() {
        let refused = Refused::default();
        refused.refused("/a", 7, at(0));
        refused.refused("/a", 7, at(0));
        assert!(!refused.knows("/a", at(0)), "it may have been revoked on the way, for many requests at once");
        let mut now = 0;
        for (generation, rest) in (8..).zip([60, 120, 240, 480, 960, 1920, 3600, 3600]) {
            refused.refused("/a", generation, at(now));
            refused.refused("/a", generation, at(now + rest - 1));
            assert!(refused.knows("/a", at(now + rest - 1)) && !refused.knows("/a", at(now + rest)), "{rest}");
            assert!(!refused.knows("/b", at(now)));
            now += rest;
        }
    }

    #[test]
    fn a_path_that_accepts_a_token_begins_anew() {
        let refused = Refused::default();
        refused.accepted("/a");
        for generation in [7, 8] {
            refused.refused("/a", generation, at(0));
            refused.refused("/b", generation, at(0));
        }
        refused.accepted("/a");
        assert!(!refused.knows("/a", at(1)) && refused.knows("/b", at(1)));
        refused.refused("/a", 9, at(2));
        assert!(!refused.knows("/a", at(2)));
    }

    #[test]
    fn paths_are_not_remembered_without_end() {
        let refused = Refused::default();
        for number in 0..=REMEMBERED {
            for generation in [7, 8] {
                refused.refused(&format!("/{number}"), generation, at(0));
            }
        }
        assert!(!refused.knows("/0", at(1)) && refused.knows("/1", at(1)));
        assert_eq!(refused.lock().len(), REMEMBERED);
    }
}
