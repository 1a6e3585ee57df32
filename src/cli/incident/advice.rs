//! What is left for a person to do, at the vendor and on this machine: the five steps of the vendor's manual for a token
//! that got out, with what is done of them.

use std::fmt::Write;

use crate::daemon::control::protocol::{Ended, Outcome};
use crate::model::time::Wall;
use crate::observe::audit::event::in_utc;

/// The steps. `others` are the upstreams without a login: their tokens come from elsewhere.
pub(super) fn text(logins: &[Ended], others: &[&str], since: Wall) -> String {
    let done = |done: bool| match done {
        _ if logins.is_empty() => "there is none",
        true => "done",
        false => "NOT done, see above",
    };
    let ended = logins.iter().all(|login| login.outcome != Outcome::Kept);
    let mut text = "What to do now:\n  1. Stop forwarding: done.\n".to_owned();
    let _ = writeln!(text, "  2. Remove the saved login: {}.", done(ended));
    let _ = writeln!(text, "  3. Revoke the authorization: {}.", done(ended));
    for Ended { console, application, .. } in logins {
        let _ = writeln!(
            text,
            "     See for yourself: {console}, OAuth applications, {application:?}: nobody's authorization should be left."
        );
    }
    if !logins.is_empty() {
        text.push_str("     An access token that was issued before may be good until it ends, some hours at most.\n");
    }
    if !others.is_empty() {
        let _ = writeln!(
            text,
            "     NOT done for {}: its token comes from a file, a command or API credentials. Revoke it where it comes\n     \
             from, and change those credentials: a token that was made of them may be good for days.",
            others.join(", ")
        );
    }
    let _ = writeln!(
        text,
        "  4. Look for what was done, in the ActionTrail console, since {} and some time before, all regions:\n     \
         - events of the user who had signed in, from addresses that are not this machine's;\n     \
         - events of RAM: CreateUser, CreateAccessKey, CreateLoginProfile, AttachPolicyToUser, AttachPolicyToRole,\n       \
         UpdateRole, BindMFADevice: whoever comes back later made something there.\n     \
         In RAM: users, AccessKeys and policies that nobody knows; whether that user may do more than it needs.",
        in_utc(since)
    );
    text.push_str(
        "     API credentials that are on this machine (AccessKeys, profiles of the aliyun CLI) were not touched: if \
         others\n     could read them, disable them in RAM and make new ones.\n",
    );
    text.push_str("  5. Once the cause is found and mended: mcp-proxy resume, then mcp-proxy login.");
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_not_done_is_said_loudly() {
        let ended = |outcome| Ended {
            upstream: "alibaba".to_owned(),
            outcome,
            file: "/x".into(),
            application: "app".to_owned(),
            console: "https://ram.example".to_owned(),
            problem: None,
            set_aside: Vec::new(),
        };
        let since = Wall::from_unix_seconds(1_800_000_000);
        let good = text(&[ended(Outcome::Removed)], &[], since);
        assert!(good.contains("authorization: done") && good.contains("https://ram.example"), "{good}");
        assert!(good.contains("since 2027-01-15T08:00:00.000Z") && !good.contains("NOT done"), "{good}");
        assert_eq!(text(&[ended(Outcome::Kept)], &[], since).matches("NOT done").count(), 2);
        let elsewhere = text(&[], &["github", "other"], since);
        assert!(elsewhere.contains("NOT done for github, other"), "{elsewhere}");
        assert!(elsewhere.contains("login: there is none") && !elsewhere.contains(": done.\n  3"), "{elsewhere}");
    }
}
