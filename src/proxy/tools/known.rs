//! What servers say of their tools, remembered from the lists that pass: `read_only` is decided by it.

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// So many addresses are remembered; the one that was learnt first is forgotten first, at the price of one more list.
const ADDRESSES: usize = 256;
/// So many tools of an address are remembered.
const TOOLS: usize = 10_000;

/// What is known of the tools of one upstream, by the address (path and query) whose list had them.
#[derive(Debug, Default)]
pub(in crate::proxy) struct Known(Mutex<VecDeque<Learnt>>);

/// An address, and of each of its tools whether it changes nothing.
type Learnt = (String, HashMap<Box<str>, bool>);

impl Known {
    /// Whether that tool changes nothing; `None` if no list had it.
    pub(in crate::proxy) fn is_read_only(&self, address: &str, tool: &str) -> Option<bool> {
        self.lock().iter().find(|(known, _)| known == address)?.1.get(tool).copied()
    }

    /// Remembers what a list says: of each tool whether it changes nothing. The latest word counts, and in one list the most careful one.
    pub(in crate::proxy) fn learn(&self, address: &str, tools: &[(String, bool)]) {
        let mut all = self.lock();
        let at = all.iter().position(|(known, _)| known == address).unwrap_or_else(|| {
            if all.len() == ADDRESSES {
                all.pop_front();
            }
            all.push_back((address.to_owned(), HashMap::new()));
            all.len() - 1
        });
        let Some((_, known)) = all.get_mut(at) else { return };
        // What says no comes last: it is the last word on a name that a list has twice.
        for says in [true, false] {
            for (name, _) in tools.iter().filter(|(_, is_read_only)| *is_read_only == says) {
                if let Some(known) = known.get_mut(name.as_str()) {
                    *known = says;
                } else if known.len() < TOOLS {
                    known.insert(name.as_str().into(), says);
                }
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<Learnt>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tool(name: &str, is_read_only: bool) -> (String, bool) {
        (name.to_owned(), is_read_only)
    }

    #[test]
    fn the_latest_word_counts_and_in_one_list_the_most_careful() {
        let known = Known::default();
        assert_eq!(known.is_read_only("/a", "x"), None);
        known.learn("/a", &[tool("x", true), tool("y", false), tool("y", true)]);
        known.learn("/a", &[tool("z", true)]);
        let of = |name| known.is_read_only("/a", name);
        assert_eq!((of("x"), of("y"), of("z")), (Some(true), Some(false), Some(true)));
        assert_eq!(known.is_read_only("/b", "x"), None, "every address by itself");
        known.learn("/a", &[tool("x", false), tool("y", true)]);
        assert_eq!((known.is_read_only("/a", "x"), known.is_read_only("/a", "y")), (Some(false), Some(true)));
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let known = Known::default();
        for number in 0..=ADDRESSES {
            known.learn(&format!("/{number}"), &[tool("x", true)]);
        }
        assert_eq!(known.is_read_only("/0", "x"), None);
        assert_eq!(known.is_read_only("/1", "x"), Some(true));
        let names: Vec<String> = (0..=TOOLS).map(|number| number.to_string()).collect();
        known.learn("/1", &names.iter().map(|name| tool(name, true)).collect::<Vec<_>>());
        assert_eq!(known.is_read_only("/1", &TOOLS.to_string()), None, "and what is not remembered is not known");
        known.learn("/1", &[tool("x", false)]);
        assert_eq!(known.is_read_only("/1", "x"), Some(false));
    }
}
