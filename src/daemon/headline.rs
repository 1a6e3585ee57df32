//! How the daemon stands, in one line for `systemctl status`.

use std::sync::Arc;
use std::time::Duration;

use crate::model::time::{Clock, Wall, in_words};
use crate::observe::health::{Condition, Health, Standing};
use crate::observe::text::shown;
use crate::observe::traffic::Traffic;

/// What the line is made of. Cheap to clone.
#[derive(Debug, Clone)]
pub(super) struct Headline {
    pub(super) health: Health,
    pub(super) traffic: Arc<Traffic>,
    pub(super) clock: Clock,
}

impl Headline {
    /// The line now: `ready: signed in as 1234, token valid 2 h 58 min, 0 active`.
    pub(super) fn now(&self) -> String {
        let standings: Vec<Standing> = self.health.standings().into_values().collect();
        line(&standings, &self.health.conditions(), self.traffic.counts().active, self.clock.now().wall)
    }
}

fn line(standings: &[Standing], conditions: &[Condition], active: u64, now: Wall) -> String {
    let serves = |standing: &Standing| standing.signed_in && standing.expires_at.is_none_or(|end| end > now);
    let state = match standings.iter().all(serves) {
        _ if conditions.iter().any(|condition| condition.name == "incident") => "stopped",
        true => "ready",
        false => "degraded",
    };
    let mut parts = Vec::new();
    match standings {
        [] => {}
        [one] if serves(one) => {
            let account = one.account.as_ref().map(|account| format!("signed in as {}", shown(account, &[])));
            parts.extend(account);
            parts.extend(one.expires_at.map(|end| format!("token valid {}", whole_minutes(end.since(now)))));
        }
        [_] if conditions.is_empty() => parts.push("waiting for a token".to_owned()),
        [_] => {}
        several => {
            let good = several.iter().filter(|standing| serves(standing));
            parts.push(format!("{} of {} upstreams have a token", good.clone().count(), several.len()));
            let first = good.filter_map(|standing| standing.expires_at).min();
            parts.extend(first.map(|end| format!("the first is valid {}", whole_minutes(end.since(now)))));
        }
    }
    parts.extend(conditions.iter().map(|condition| format!("{} ({})", condition.name, condition.subject)));
    parts.push(format!("{active} active"));
    // The last remedy would push the rest out of sight; the first one is the one to begin with.
    let remedy = conditions.first().map_or_else(String::new, |first| format!(". {}", first.remedy));
    format!("{state}: {}{remedy}", parts.join(", "))
}

/// Seconds would be another line every second.
fn whole_minutes(left: Duration) -> String {
    if left < Duration::from_secs(60) {
        return "less than a minute".to_owned();
    }
    in_words(Duration::from_secs(left.as_secs() / 60 * 60))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Wall = Wall::from_unix_seconds(1_000_000);

    fn standing(account: Option<&str>, seconds: u64) -> Standing {
        Standing {
            account: account.map(str::to_owned),
            signed_in: true,
            expires_at: Some(NOW.plus(Duration::from_secs(seconds))),
            ..Standing::default()
        }
    }

    fn condition(name: &'static str, subject: &str, remedy: &str) -> Condition {
        let (subject, remedy) = (subject.to_owned(), remedy.to_owned());
        Condition { name, subject, reason: "why".to_owned(), remedy, since: NOW }
    }

    #[test]
    fn the_line_says_what_a_person_asks_first() {
        let login = || condition("login-required", "alibaba", "Sign in with: mcp-proxy login");
        for (standings, conditions, expected) in [
            (
                vec![standing(Some("1234"), 10_700)],
                vec![],
                "ready: signed in as 1234, token valid 2 h 58 min, 3 active",
            ),
            (vec![Standing::default()], vec![], "degraded: waiting for a token, 3 active"),
            (vec![standing(None, 59)], vec![], "ready: token valid less than a minute, 3 active"),
            (
                vec![Standing::default()],
                vec![login()],
                "degraded: login-required (alibaba), 3 active. Sign in with: mcp-proxy login",
            ),
            (
                vec![standing(Some("1"), 60), standing(Some("2"), 7_200), Standing::default()],
                vec![login()],
                "degraded: 2 of 3 upstreams have a token, the first is valid 1 min, login-required (alibaba), 3 active. \
                 Sign in with: mcp-proxy login",
            ),
            (
                vec![standing(Some("1\n2"), 3_600)],
                vec![condition("reload-failed", "configuration", "Mend it")],
                "ready: signed in as 1 2, token valid 1 h, reload-failed (configuration), 3 active. Mend it",
            ),
        ] {
            assert_eq!(line(&standings, &conditions, 3, NOW), expected);
        }
        assert!(line(&[standing(Some("1"), 0)], &[], 0, NOW).starts_with("degraded: "), "a token that has ended");
    }
}
