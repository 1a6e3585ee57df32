//! The configuration that is in force, and how far the files, the environment and the flags say something else by now.

use std::collections::BTreeSet;
use std::sync::{Arc, PoisonError, RwLock};

use crate::config::keys::is_live;
use crate::config::{self, Inputs, Loaded};
use crate::daemon::probe::Stale;

/// What is in force. Clones are one.
#[derive(Clone)]
pub(super) struct InForce(Arc<Inner>);

struct Inner {
    inputs: Inputs,
    started_with: Loaded,
    now: RwLock<Loaded>,
}

impl InForce {
    /// What the daemon was started with.
    pub(super) fn new(inputs: Inputs, loaded: Loaded) -> Self {
        Self(Arc::new(Inner { inputs, started_with: loaded.clone(), now: RwLock::new(loaded) }))
    }

    /// Something else was put in force.
    pub(super) fn now(&self, loaded: Loaded) {
        // Nobody panics while holding this lock.
        *self.0.now.write().unwrap_or_else(PoisonError::into_inner) = loaded;
    }

    /// The dotted paths of the keys whose values are others in `newer`.
    pub(super) fn changed(&self, newer: &Loaded) -> BTreeSet<String> {
        self.0.now.read().unwrap_or_else(PoisonError::into_inner).changed(newer)
    }

    /// Reads the configuration and says what of it is not in force.
    pub(super) fn stale(&self) -> Stale {
        match config::load(&self.0.inputs) {
            Err(problems) => Stale { problems: problems.iter().map(ToString::to_string).collect(), ..Stale::default() },
            Ok(loaded) => Stale {
                problems: Vec::new(),
                for_a_reload: self.changed(&loaded).into_iter().filter(|path| is_live(path)).collect(),
                for_a_restart: {
                    let changed = self.0.started_with.changed(&loaded);
                    changed.into_iter().filter(|path| !is_live(path)).collect()
                },
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_written_since_is_told_by_what_puts_it_in_force() {
        let directory = tempfile::tempdir().unwrap();
        let main_file = directory.path().join("main.toml");
        let write = |more: &str| {
            std::fs::write(&main_file, format!("state_dir = {:?}\n{more}", directory.path())).unwrap();
        };
        let inputs = Inputs { main_file: main_file.clone(), ..Inputs::default() };
        write("");
        let in_force = InForce::new(inputs.clone(), config::load(&inputs).unwrap());
        assert_eq!(in_force.stale(), Stale::default());
        write("[listen]\nport = 8090\n[log]\nlevel = \"debug\"\n");
        let stale = in_force.stale();
        assert_eq!(stale.for_a_reload, ["log.level"]);
        assert_eq!(stale.for_a_restart, ["listen.port"]);
        in_force.now(config::load(&inputs).unwrap());
        let stale = in_force.stale();
        assert!(stale.for_a_reload.is_empty(), "{stale:?}");
        assert_eq!(stale.for_a_restart, ["listen.port"], "a reload does not put that in force");
        write("[listen]\nprot = 8090\n");
        assert!(in_force.stale().problems[0].contains("listen.prot"));
    }
}
