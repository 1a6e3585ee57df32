//! `POST /logout`: each login ends where it is kept, and is in no request any more once this has answered.

use crate::auth::keeper::Stopping;
use crate::daemon::control::Context;
use crate::daemon::control::protocol::{Ended, LoggedOut, Outcome};

/// Signs out of every upstream that has a login.
pub(super) async fn logout(context: &Context, revoke: bool) -> LoggedOut {
    let mut logins = Vec::with_capacity(context.kept.len());
    for kept in &context.kept {
        let Some(sign_in) = context.sign_ins.iter().find(|sign_in| *sign_in.upstream() == kept.upstream) else {
            continue;
        };
        let revocation = revoke.then(|| kept.revocation(&context.api));
        let ended = match sign_in.keeper.sign_out(revocation).await {
            Ok(result) => Ended::of(kept, &result),
            Err(Stopping) => Ended::not_asked(kept, &Stopping),
        };
        if ended.outcome == Outcome::Removed {
            let upstream = kept.upstream.clone();
            if let Err(error) = context.registrar.change(move |ledger| ledger.signed_in(&upstream, None)).await {
                tracing::warn!("who had signed in is noted still: {error}");
            }
        }
        match (ended.outcome, &ended.problem) {
            (Outcome::Removed, _) => tracing::info!(upstream = %kept.upstream, revoked = revoke, "signed out"),
            (_, Some(problem)) => tracing::warn!(upstream = %kept.upstream, "not signed out: {}", problem.reason),
            _ => {}
        }
        logins.push(ended);
    }
    LoggedOut { logins }
}
