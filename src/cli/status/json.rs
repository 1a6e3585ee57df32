//! The status as programs read it; `docs/STATUS.md` describes it, and a test holds the two together.

use serde_json::{Value, json};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::auth::keeper;
use crate::auth::store::Protection;
use crate::cli::status::Report;
use crate::cli::status::login::{Login, State};
use crate::daemon::neighbour::Neighbour;
use crate::model::time::Wall;

/// Grows when a field changes its meaning or goes away; new fields may come at any time.
const VERSION: u32 = 1;

/// The whole text.
pub(super) fn text(report: &Report) -> String {
    let report = value(report);
    format!("{report:#}")
}

fn value(report: &Report) -> Value {
    json!({
        "version": VERSION,
        "time": date(Some(report.now)),
        "exit_code": report.exit() as u8,
        "problem": report.key_problem,
        "upstreams": report.logins.iter().map(|login| of_login(login, report.now)).collect::<Vec<_>>(),
        "daemon": of_daemon(report),
    })
}

fn of_login(login: &Login, now: Wall) -> Value {
    let state = match login.state {
        State::SignedIn => "signed-in",
        State::SignInNeeded => "sign-in-needed",
        State::Unusable => "unusable",
    };
    let token = |present: Option<bool>, end: Option<Wall>| {
        let left = end.map(|end| end.since(now).as_secs());
        json!({"present": present, "expires_at": date(end), "expires_in": left})
    };
    let tokens = login.tokens;
    // What cannot be opened may hold anything.
    let present = |of_login: bool| (login.state != State::Unusable).then_some(tokens.is_some() && of_login);
    json!({
        "name": login.upstream,
        "state": state,
        "problem": login.problem.as_ref().map(|problem| &problem.reason),
        "remedy": login.problem.as_ref().map(|problem| &problem.remedy),
        "account": login.account,
        "application": login.application,
        "site": login.site,
        "scope": login.scope,
        "access_token": token(present(true), tokens.and_then(|tokens| tokens.access_ends)),
        "refresh_token": token(
            present(tokens.is_some_and(|tokens| tokens.has_refresh_token)),
            tokens.and_then(|tokens| tokens.refresh_ends),
        ),
        "renewal_cut_off": login.renewal_cut_off,
        "file": login.saved_in.display().to_string(),
        "encrypted": login.protection.as_ref().map(|protection| matches!(protection, Protection::Sealed { .. })),
        "key_id": match &login.protection {
            Some(Protection::Sealed { key_id }) => Some(key_id),
            _ => None,
        },
    })
}

fn of_daemon(report: &Report) -> Value {
    let listens = match &report.daemon {
        Neighbour::None => "nothing",
        Neighbour::Other(_) => "other",
        Neighbour::Proxy(_) => "mcp-proxy",
    };
    let health = match &report.daemon {
        Neighbour::Proxy(reported) => json!({
            "status": reported.status,
            "token_status": reported.token_status,
            "token_expires_in": reported.token_expires_in.map(|left| left.as_secs()),
            "uptime": reported.uptime.map(|up| up.as_secs()),
            "active_requests": reported.active_requests,
            "last_renewal": date(reported.last_renewal),
            "next_renewal": date(reported.next_renewal),
            "conditions": reported.conditions.iter().map(|name| json!({
                "name": name,
                "remedy": keeper::remedy(name),
            })).collect::<Vec<_>>(),
        }),
        Neighbour::None | Neighbour::Other(_) => Value::Null,
    };
    json!({"address": report.address, "listens": listens, "health": health})
}

fn date(at: Option<Wall>) -> Option<String> {
    OffsetDateTime::from_unix_timestamp(at?.unix_seconds()).ok()?.format(&Rfc3339).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::status::login;
    use crate::daemon::neighbour::Reported;

    fn names(value: &Value, into: &mut Vec<String>) {
        match value {
            Value::Object(fields) => fields.iter().for_each(|(name, value)| {
                into.push(name.clone());
                names(value, into);
            }),
            Value::Array(values) => values.iter().for_each(|value| names(value, into)),
            _ => {}
        }
    }

    #[test]
    fn every_field_is_described() {
        let reported = Reported {
            status: "healthy".to_owned(),
            token_status: "valid".to_owned(),
            token_expires_in: None,
            uptime: None,
            active_requests: None,
            last_renewal: None,
            next_renewal: None,
            conditions: vec!["login-required".to_owned()],
        };
        let report = Report {
            now: Wall::from_unix_seconds(1_800_000_000),
            logins: vec![login::nobody()],
            address: Some("127.0.0.1:8088".to_owned()),
            daemon: Neighbour::Proxy(reported),
            key_problem: None,
        };
        let value = value(&report);
        assert_eq!((&value["version"], &value["time"]), (&json!(1), &json!("2027-01-15T08:00:00Z")));
        assert_eq!(value["exit_code"], 77);
        let page = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/STATUS.md")).unwrap();
        let mut fields = Vec::new();
        names(&value, &mut fields);
        for field in fields {
            assert!(page.contains(&format!("`{field}`")), "docs/STATUS.md does not describe {field}");
        }
    }
}
