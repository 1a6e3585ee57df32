//! What the process takes from itself and from others: open files, core dumps, who may look into its memory, and the mode
//! of files that it makes.

use std::sync::OnceLock;

use rustix::fs::Mode;
use rustix::process::{DumpableBehavior, Resource, Rlimit, getrlimit, set_dumpable_behavior, setrlimit, umask};

/// Raises the soft limit of open files to the hard one. Shells give a soft limit of 1,024, which is enough for five
/// hundred streams, since each needs two; nothing here uses `select`, for whose sake it is so low.
pub fn raise_open_files() {
    let mut limit = getrlimit(Resource::Nofile);
    if limit.current == limit.maximum {
        return;
    }
    limit.current = limit.maximum;
    if let Err(error) = setrlimit(Resource::Nofile, limit) {
        tracing::debug!("the limit of open files stays as it is: {error}");
    }
}

/// Lets the kernel write no core file: it would hold tokens. A core that is piped to a program is not covered by this
/// limit (core(5)).
pub fn write_no_core_files() {
    // Lowering a limit is always allowed.
    let _ = setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) });
}

/// Lets no other process of the same user look into the memory (`PR_SET_DUMPABLE`, prctl(2)): no debugger, no
/// `/proc/PID/mem`, and no core dump either where one is piped to a program. Programs that we start are as usual.
pub fn keep_memory_private() {
    // The kernel refuses unknown values only.
    let _ = set_dumpable_behavior(DumpableBehavior::NotDumpable);
}

/// The umask that the program was started with.
static GIVEN_UMASK: OnceLock<Mode> = OnceLock::new();

/// Makes files for nobody but the owner from now on, whatever is forgotten where they are made. Sockets have the mode
/// that is configured all the same.
pub fn make_private_files() {
    GIVEN_UMASK.get_or_init(|| umask(Mode::RWXG | Mode::RWXO));
}

/// Starts a program of the person's own, which makes files as that person's programs do. Files that we make say their
/// mode themselves, so none gets wider in this moment.
pub fn with_given_umask<T>(start: impl FnOnce() -> T) -> T {
    let Some(given) = GIVEN_UMASK.get() else { return start() };
    let own = umask(*given);
    let started = start();
    umask(own);
    started
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_soft_limit_of_open_files_becomes_the_hard_one() {
        raise_open_files();
        let limit = getrlimit(Resource::Nofile);
        assert_eq!(limit.current, limit.maximum);
    }

    #[test]
    fn no_core_file_is_written() {
        write_no_core_files();
        let limit = getrlimit(Resource::Core);
        assert_eq!((limit.current, limit.maximum), (Some(0), Some(0)));
    }
}
