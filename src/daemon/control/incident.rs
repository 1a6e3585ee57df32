//! `POST /incident`: nothing is forwarded any more, the grants end at the server, and the saved logins go.

use crate::daemon::control::protocol::{AddedKey, Declared};
use crate::daemon::control::rights::Caller;
use crate::daemon::control::{Context, logout};
use crate::daemon::incident::Notice;
use crate::daemon::ledger::LedgerError;

/// Does all of it, in that order. A login whose grant could not be revoked is kept, so that this can be repeated.
pub(super) async fn declare(context: &Context, caller: Caller, rotate_keys: bool) -> Declared {
    let not_written = context.incident.declare(&caller.to_string()).err();
    if let Some(error) = &not_written {
        tracing::error!("the incident cannot be written down, and ends with this daemon: {error}");
    }
    let logins = logout::logout(context, true).await.logins;
    let (keys, keys_kept) = match rotate_keys {
        true => replaced(context).await.map_or_else(|error| (Vec::new(), Some(error.to_string())), |keys| (keys, None)),
        false => (Vec::new(), None),
    };
    let file = Notice::in_dir(&context.state_dir).path().to_owned();
    Declared { file, not_written: not_written.map(|error| error.to_string()), logins, keys, keys_kept }
}

async fn replaced(context: &Context) -> Result<Vec<AddedKey>, LedgerError> {
    let now = context.clock.now().wall;
    let made = context.registrar.change(move |ledger| ledger.replace_all(now)).await?;
    Ok(made.iter().map(AddedKey::of).collect())
}
