//! `/health`: the state of the daemon, in the JSON that monitoring of `aliyun mcp-proxy` knows.

use std::collections::BTreeSet;
use std::time::Duration;

use http::StatusCode;
use serde_json::{Map, Value, json};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::model::time::{Now, Wall};
use crate::observe::health::Standing;
use crate::observe::traffic::Counts;

/// Answers the state: 200 when the requests of every upstream can be served, 503 when some cannot. The times are
/// those of the upstream whose token ends first, or has ended.
///
/// Of conditions only the names are said here, for whoever may use the port may ask.
pub(super) fn answer(
    standings: &[Standing],
    conditions: &BTreeSet<&'static str>,
    counts: Counts,
    started: Now,
    now: Now,
) -> (StatusCode, Value) {
    let nobody = Standing::default();
    let usable = |standing: &Standing| standing.serves(now.wall);
    let ends = |standing: &&Standing| (usable(standing), standing.expires_at.is_none(), standing.expires_at);
    let standing = standings.iter().min_by_key(ends).unwrap_or(&nobody);
    let up = now.mono.since(started.mono);
    let access = Remaining::of(standing.expires_at, standing.signed_in, now.wall);
    // A refresh token whose end is not known counts as valid while the login does.
    let refresh = Remaining::of(standing.refresh_expires_at, standing.signed_in, now.wall);
    let healthy = is_healthy(standings, conditions, now);
    let resident = resident_megabytes();
    let mut answer = Map::new();
    let mut put = |key: &str, value: Value| answer.insert(key.to_owned(), value);
    put("status", json!(if healthy { "healthy" } else { "degraded" }));
    put("timestamp", json!(now.wall.unix_seconds()));
    let iso = OffsetDateTime::from_unix_timestamp(now.wall.unix_seconds()).ok().and_then(|t| t.format(&Rfc3339).ok());
    put("timestamp_iso", json!(iso));
    put("uptime", json!(clock_words(up)));
    put("uptime_seconds", json!(up.as_secs_f64()));
    put("token_status", json!(access.word()));
    put("refresh_token_status", json!(refresh.word()));
    if let Some(left) = access.left() {
        put("token_expires_in", json!(left.as_secs()));
        put("token_expires_inh", json!(clock_words(Duration::from_secs(left.as_secs()))));
    }
    if let Some(left) = refresh.left() {
        put("refresh_token_expires_in", json!(left.as_secs()));
        put("refresh_token_expires_inh", json!(clock_words(Duration::from_secs(left.as_secs()))));
    }
    put("memory", json!({"alloc_mb": resident, "sys_mb": resident}));
    put(
        "requests",
        json!({"total": counts.total, "active": counts.active, "success": counts.success, "error": counts.error}),
    );
    let mut refreshes = json!({"total": standing.renewals, "errors": standing.renewal_failures});
    if let Some(last) = standing.last_renewal {
        refreshes["last_refresh"] = json!(last.unix_seconds());
    }
    if let Some(next) = standing.next_renewal {
        refreshes["next_refresh"] = json!(next.unix_seconds());
    }
    put("token_refreshes", refreshes);
    put("conditions", json!(conditions));
    let status = if healthy { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, Value::Object(answer))
}

/// The status alone: 200 when the requests of every upstream can be served, 503 when some cannot.
pub(super) fn status_alone(
    standings: &[Standing],
    conditions: &BTreeSet<&'static str>,
    now: Now,
) -> (StatusCode, Value) {
    match is_healthy(standings, conditions, now) {
        true => (StatusCode::OK, json!({"status": "healthy"})),
        false => (StatusCode::SERVICE_UNAVAILABLE, json!({"status": "degraded"})),
    }
}

fn is_healthy(standings: &[Standing], conditions: &BTreeSet<&'static str>, now: Now) -> bool {
    !conditions.contains("incident")
        && !standings.is_empty()
        && standings.iter().all(|standing| standing.serves(now.wall))
}

/// What is left of a token's life.
enum Remaining {
    None,
    Expired,
    Left(Duration),
    Unknown,
}

impl Remaining {
    fn of(end: Option<Wall>, signed_in: bool, now: Wall) -> Self {
        match end {
            Some(end) if end <= now => Self::Expired,
            _ if !signed_in => Self::None,
            Some(end) => Self::Left(end.since(now)),
            None => Self::Unknown,
        }
    }

    fn word(&self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Expired => "expired",
            Self::Left(_) | Self::Unknown => "valid",
        }
    }

    fn left(&self) -> Option<Duration> {
        match self {
            Self::Left(left) => Some(*left),
            _ => None,
        }
    }
}

/// A length of time as Go prints it: `8759h59m59s`, `3m0s`, `0.5s`.
fn clock_words(length: Duration) -> String {
    let (hours, minutes) = (length.as_secs() / 3600, length.as_secs() / 60 % 60);
    let seconds = (length - Duration::from_secs(hours * 3600 + minutes * 60)).as_secs_f64();
    match (hours, minutes) {
        (0, 0) => format!("{seconds}s"),
        (0, m) => format!("{m}m{seconds}s"),
        (h, m) => format!("{h}h{m}m{seconds}s"),
    }
}

/// Resident memory of this process in megabytes, or 0 where the system does not say.
fn resident_megabytes() -> u64 {
    let resident = procfs::process::Process::myself().and_then(|process| process.statm()).map(|memory| memory.resident);
    resident.unwrap_or(0).saturating_mul(procfs::page_size()) / (1024 * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::time::Mono;

    const COUNTS: Counts = Counts { total: 3, success: 1, error: 1, active: 1 };

    fn at(seconds: i64) -> Now {
        let mono = Mono::from_start(Duration::from_secs(u64::try_from(seconds).unwrap()));
        Now { wall: Wall::from_unix_seconds(1_800_000_000 + seconds), mono }
    }

    #[test]
    fn a_signed_in_daemon_is_healthy() {
        let standing = Standing {
            signed_in: true,
            expires_at: Some(at(10_800).wall),
            refresh_expires_at: Some(at(31_536_000).wall),
            ..Standing::default()
        };
        let (status, answer) = answer(&[standing], &BTreeSet::new(), COUNTS, at(0), at(1));
        assert_eq!(status, StatusCode::OK);
        assert_eq!(answer["status"], "healthy");
        assert_eq!(answer["timestamp_iso"], "2027-01-15T08:00:01Z");
        assert_eq!(answer["token_expires_in"], 10_799);
        assert_eq!(answer["token_expires_inh"], "2h59m59s");
        assert_eq!(answer["refresh_token_expires_inh"], "8759h59m59s");
        assert_eq!(answer["requests"], json!({"total": 3, "active": 1, "success": 1, "error": 1}));
        assert!(answer["memory"]["sys_mb"].as_u64().unwrap() > 0);
    }

    #[test]
    fn one_upstream_without_a_token_makes_it_degraded() {
        let good = Standing { signed_in: true, expires_at: Some(at(10_800).wall), ..Standing::default() };
        let endless = Standing { signed_in: true, ..Standing::default() };
        let (status, both) = answer(&[endless.clone(), good.clone()], &BTreeSet::new(), COUNTS, at(0), at(1));
        assert_eq!((status, both["token_expires_in"].as_u64()), (StatusCode::OK, Some(10_799)));
        let (status, one) = answer(&[good, Standing::default(), endless], &BTreeSet::new(), COUNTS, at(0), at(1));
        assert_eq!((status, one["token_status"].as_str()), (StatusCode::SERVICE_UNAVAILABLE, Some("none")));
    }

    #[test]
    fn without_a_usable_token_it_is_degraded() {
        let (status, none) = answer(&[], &BTreeSet::from(["login-required"]), COUNTS, at(0), at(1));
        assert_eq!(none["conditions"], json!(["login-required"]));
        assert_eq!((status, none["status"].as_str()), (StatusCode::SERVICE_UNAVAILABLE, Some("degraded")));
        assert_eq!(none["token_status"], "none");
        let expired = Standing { signed_in: true, expires_at: Some(at(1).wall), ..Standing::default() };
        let (status, expired) = answer(&[expired], &BTreeSet::new(), COUNTS, at(0), at(1));
        assert_eq!((status, expired["token_status"].as_str()), (StatusCode::SERVICE_UNAVAILABLE, Some("expired")));
        assert!(expired.get("token_expires_in").is_none());
    }
}
