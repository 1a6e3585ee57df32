//! The certificate that the listener with TLS shows: read at the start and at each reload, and watched for its end.

use std::time::Duration;

use crate::config::settings::Tls;
use crate::daemon::StartError;
use crate::model::time::{Clock, Wall};
use crate::net::identity::{Acceptor, Identity};
use crate::observe::health::Health;
use crate::observe::stamp::in_utc;

/// The certificate ends soon, or has ended.
const EXPIRES: &str = "tls-certificate-expires";
/// What conditions of it concern.
const SUBJECT: &str = "tls";
/// How long before the end it is said.
const AHEAD: Duration = Duration::from_secs(14 * 86_400);
/// How often the time is looked at: nobody renews a certificate by the minute.
const GLANCE: Duration = Duration::from_secs(600);

/// What begins TLS with clients, if there is a listener that needs it.
pub(super) fn acceptor(tls: Option<&Tls>, needed: bool) -> Result<Option<Acceptor>, StartError> {
    match tls {
        _ if !needed => Ok(None),
        None => Err(StartError::NoIdentity),
        Some(tls) => Ok(Some(Acceptor::new(Identity::read(&tls.identity)?))),
    }
}

/// Says when the certificate ends soon, for as long as it is polled.
pub(super) async fn watch(acceptor: Option<Acceptor>, health: Health, clock: Clock) {
    let Some(acceptor) = acceptor else { return std::future::pending().await };
    loop {
        let (ends, mut exchanged) = acceptor.ends();
        judge(ends, clock.now().wall, &health);
        let _ = tokio::time::timeout(GLANCE, exchanged.changed()).await;
    }
}

/// Raises or ends the condition.
fn judge(ends: Wall, now: Wall, health: &Health) {
    if ends.minus(AHEAD) > now {
        return health.clear(EXPIRES, SUBJECT);
    }
    let reason = match ends <= now {
        true => format!("The certificate of tls.certificate_file has ended ({}): clients refuse it", in_utc(ends)),
        false => format!("The certificate of tls.certificate_file ends at {}", in_utc(ends)),
    };
    let remedy = "Put a new one in its place, then reload: systemctl reload mcp-proxy, or SIGHUP";
    health.raise(EXPIRES, SUBJECT, &reason, remedy);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_is_said_two_weeks_ahead_and_until_there_is_another_certificate() {
        let health = Health::new(Clock::system());
        let ends = Wall::from_unix_seconds(2_000_000_000);
        let said = |now: Wall| {
            judge(ends, now, &health);
            health.conditions().pop().map(|condition| condition.reason)
        };
        assert_eq!(said(ends.minus(AHEAD + Duration::from_secs(1))), None);
        assert!(said(ends.minus(AHEAD)).unwrap().contains("ends at 2033-05-18"));
        assert!(said(ends).unwrap().contains("has ended (2033-05-18"));
        judge(ends.plus(AHEAD + AHEAD), ends, &health);
        assert!(health.conditions().is_empty());
    }
}
