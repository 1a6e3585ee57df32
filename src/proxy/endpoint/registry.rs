//! Paths of our own that stand for message endpoints which clients could not reach under their true path: those
//! outside the mount, and those that we answer ourselves.
//!
//! Each lives as long as the event stream that named it, so there are never more than there are streams. And what was
//! refused, so that it is said once.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use http::uri::PathAndQuery;

/// Below the mount; no upstream has such a path.
const RESERVED: &str = "/.mcp-proxy/endpoint/";

/// The paths of one upstream.
#[derive(Debug, Default)]
pub(in crate::proxy) struct Registry {
    targets: Arc<Mutex<HashMap<String, PathAndQuery>>>,
    refused: Mutex<String>,
}

/// A path that is known for as long as this lives.
#[derive(Debug)]
pub(in crate::proxy) struct Remembered {
    targets: Arc<Mutex<HashMap<String, PathAndQuery>>>,
    path: String,
}

impl Registry {
    /// A new path below `mount` for `target`. It cannot be guessed: like a session's id, it is all that a client must
    /// know.
    ///
    /// # Errors
    /// When the system has no randomness.
    pub(in crate::proxy) fn remember(&self, mount: &str, target: PathAndQuery) -> Result<Remembered, getrandom::Error> {
        let mut bytes = [0; 16];
        getrandom::fill(&mut bytes)?;
        let path = format!("{}{RESERVED}{:032x}", mount.trim_end_matches('/'), u128::from_ne_bytes(bytes));
        lock(&self.targets).insert(path.clone(), target);
        Ok(Remembered { targets: self.targets.clone(), path })
    }

    /// Notes that an endpoint at `place` was refused. False if the last one was there too.
    pub(in crate::proxy) fn refuses_anew(&self, place: &str) -> bool {
        let mut refused = self.refused.lock().unwrap_or_else(PoisonError::into_inner);
        let anew = *refused != place;
        if anew {
            place.clone_into(&mut refused);
        }
        anew
    }

    /// What `path` stands for.
    pub(in crate::proxy) fn target(&self, path: &str) -> Option<PathAndQuery> {
        lock(&self.targets).get(path).cloned()
    }
}

impl Remembered {
    /// The path.
    pub(in crate::proxy) fn path(&self) -> &str {
        &self.path
    }
}

impl Drop for Remembered {
    fn drop(&mut self) {
        lock(&self.targets).remove(&self.path);
    }
}

/// True if `path` is one that only a registry hands out, known or not.
pub(in crate::proxy) fn is_reserved(path: &str, mount: &str) -> bool {
    path.strip_prefix(mount.trim_end_matches('/')).is_some_and(|rest| rest.starts_with(RESERVED))
}

fn lock(targets: &Mutex<HashMap<String, PathAndQuery>>) -> MutexGuard<'_, HashMap<String, PathAndQuery>> {
    targets.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_refused_again_is_no_news() {
        let registry = Registry::default();
        let news = ["https://a", "https://a", "https://b", "https://a"].map(|place| registry.refuses_anew(place));
        assert_eq!(news, [true, false, true, true]);
    }

    #[test]
    fn a_path_lives_as_long_as_its_stream() {
        for mount in ["/", "/a/b"] {
            let registry = Registry::default();
            let one = registry.remember(mount, PathAndQuery::from_static("/x?y=1")).unwrap();
            let other = registry.remember(mount, PathAndQuery::from_static("/x?y=1")).unwrap();
            assert_ne!(one.path(), other.path());
            assert!(is_reserved(one.path(), mount) && !one.path().contains("//"), "{}", one.path());
            assert_eq!(registry.target(one.path()).unwrap(), "/x?y=1");
            let path = one.path().to_owned();
            drop(one);
            assert_eq!(registry.target(&path), None);
            assert!(is_reserved(&path, mount) && registry.target(other.path()).is_some());
        }
        assert!(!is_reserved("/ab/.mcp-proxy/endpoint/x", "/a"));
    }
}
