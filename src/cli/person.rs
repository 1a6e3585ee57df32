//! The person who signs in: whom the daemon serves beside root and its own user.

use std::path::Path;

use crate::cli::error_line;
use crate::daemon::Environment;
use crate::daemon::ledger::Ledger;
use crate::model::upstream::UpstreamName;

/// The user who ran `sudo`, if root runs this.
pub(super) fn behind_sudo(environment: &Environment) -> Option<u32> {
    let uid = environment.get("SUDO_UID").filter(|_| rustix::process::geteuid().is_root())?;
    uid.parse().ok().filter(|uid| *uid != 0)
}

/// Notes who signed in, where no daemon does it. Whoever runs this without `sudo` is the daemon's user.
pub(super) fn note(state_dir: &Path, upstream: &UpstreamName, environment: &Environment) {
    if let Err(error) = Ledger::new(state_dir).signed_in(upstream, behind_sudo(environment)) {
        error_line(&format!("who signed in is not noted, so only root and the daemon's user may use it: {error}"));
    }
}
