//! Where the upstream refuses even a fresh token: at such a path a 401 is the upstream's last word, and asking for
//! yet another token would only make everybody wait.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// So many paths are remembered; the oldest is forgotten first, at the price of one renewal.
const REMEMBERED: usize = 64;

/// Paths, each with the generation of the token that was refused there right after its renewal.
#[derive(Debug, Default)]
pub(super) struct Refused(Mutex<VecDeque<(String, u64)>>);

impl Refused {
    /// True if this token was refused at `path` before, when it was fresh.
    pub(super) fn knows(&self, path: &str, generation: u64) -> bool {
        self.lock().iter().any(|(known, refused)| *refused == generation && known == path)
    }

    /// Remembers that this fresh token was refused at `path`.
    pub(super) fn remember(&self, path: &str, generation: u64) {
        let mut known = self.lock();
        known.retain(|(other, _)| other != path);
        if known.len() == REMEMBERED {
            known.pop_front();
        }
        known.push_back((path.to_owned(), generation));
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<(String, u64)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_known_for_one_token_and_not_for_ever() {
        let refused = Refused::default();
        refused.remember("/a", 7);
        assert!(refused.knows("/a", 7));
        assert!(!refused.knows("/a", 8) && !refused.knows("/b", 7));
        for number in 0..REMEMBERED {
            refused.remember(&format!("/{number}"), 7);
        }
        assert!(!refused.knows("/a", 7));
    }
}
