//! How many files and sockets the process may have open: each stream needs two.

use rustix::process::{Resource, getrlimit, setrlimit};

/// Raises the soft limit to the hard one (getrlimit(2)). Shells give a soft limit of 1,024, which is enough for five
/// hundred streams; nothing here uses `select`, for whose sake it is so low.
pub fn raise_limit() {
    let mut limit = getrlimit(Resource::Nofile);
    if limit.current == limit.maximum {
        return;
    }
    limit.current = limit.maximum;
    if let Err(error) = setrlimit(Resource::Nofile, limit) {
        tracing::debug!("the limit of open files stays as it is: {error}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_soft_limit_becomes_the_hard_one() {
        raise_limit();
        let limit = getrlimit(Resource::Nofile);
        assert_eq!(limit.current, limit.maximum);
    }
}
