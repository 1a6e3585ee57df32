//! The status as programs read it; `docs/STATUS.md` describes it, and a test holds the two together.

use serde_json::{Value, json};

use crate::auth::keeper;
use crate::cli::status::{Asked, Daemon, Report, first_to_end};
use crate::daemon::neighbour::{Neighbour, Reported};
use crate::daemon::report::{Date, Source, Status, Upstream, VERSION};
use crate::model::time::Wall;

/// The whole text.
pub(super) fn text(report: &Report) -> String {
    let report = value(report);
    format!("{report:#}")
}

fn value(report: &Report) -> Value {
    json!({
        "version": VERSION,
        "time": Date::of(Some(report.now)),
        "exit_code": report.exit() as u8,
        "problem": report.key_problem,
        "upstreams": report.logins,
        "daemon": of_daemon(&report.daemon, report.now),
    })
}

fn of_daemon(daemon: &Daemon, now: Wall) -> Value {
    let (address, listens, control, health) = match daemon {
        Daemon::Asked(asked) => {
            let Asked { control, status, .. } = asked.as_ref();
            (status.listens.first(), "mcp-proxy", Some(control), of_status(status, now))
        }
        Daemon::LookedFor(address, neighbour) => {
            let (listens, health) = match neighbour {
                Neighbour::None => ("nothing", Value::Null),
                Neighbour::Other(_) => ("other", Value::Null),
                Neighbour::Proxy(reported) => ("mcp-proxy", of_health(reported)),
            };
            (address.as_ref(), listens, None, health)
        }
    };
    json!({
        "address": address,
        "listens": listens,
        "control": control.map(|path| path.display().to_string()),
        "api_credentials": of_credentials(daemon),
        "health": health,
        "requests": asked(daemon).map(|asked| asked.status.requests),
        "tokens": asked(daemon).map(|asked| asked.status.upstreams.iter().map(of_token).collect::<Vec<_>>()),
        "reach": asked(daemon).and_then(|asked| asked.reach.as_ref()).map(|reach| &reach.upstreams),
        "recent": asked(daemon).and_then(|asked| asked.recent.as_ref()).map(|recent| json!({
            "clients": recent.clients,
            "calls": recent.calls,
        })),
    })
}

/// What a daemon said, if one was asked.
fn asked(daemon: &Daemon) -> Option<&Asked> {
    match daemon {
        Daemon::Asked(asked) => Some(asked),
        Daemon::LookedFor(..) => None,
    }
}

/// The token of one upstream, whatever supplies it.
fn of_token(upstream: &Upstream) -> Value {
    json!({
        "upstream": upstream.name,
        "source": upstream.source,
        "serves": upstream.serves,
        "token_ends": upstream.token_ends,
        "renewals": upstream.renewals,
        "renewal_failures": upstream.renewal_failures,
        "last_renewal": upstream.last_renewal,
        "next_renewal": upstream.next_renewal,
    })
}

/// Where each upstream that needs API credentials has them from; `null` if nobody was asked who knows.
fn of_credentials(daemon: &Daemon) -> Value {
    let Some(Asked { status, .. }) = asked(daemon) else { return Value::Null };
    let needs = |upstream: &&Upstream| matches!(upstream.source, Source::Login | Source::AccessKey);
    let of = |upstream: &Upstream| json!({ "upstream": upstream.name, "source": upstream.api_credentials });
    status.upstreams.iter().filter(needs).map(of).collect()
}

fn of_status(status: &Status, now: Wall) -> Value {
    let first = first_to_end(status);
    let ends = first.and_then(|upstream| upstream.token_ends);
    let token_status = match first {
        Some(Upstream { serves: true, .. }) => "valid",
        Some(Upstream { token_ends: Some(_), .. }) => "expired",
        _ => "none",
    };
    json!({
        "status": if status.ready { "healthy" } else { "degraded" },
        "token_status": token_status,
        "token_expires_in": ends.map(|end| end.wall().since(now).as_secs()),
        "uptime": status.uptime,
        "active_requests": status.requests.active,
        "last_renewal": first.and_then(|upstream| upstream.last_renewal),
        "next_renewal": first.and_then(|upstream| upstream.next_renewal),
        "conditions": status.conditions,
    })
}

fn of_health(reported: &Reported) -> Value {
    json!({
        "status": reported.status,
        "token_status": reported.token_status,
        "token_expires_in": reported.token_expires_in.map(|left| left.as_secs()),
        "uptime": reported.uptime.map(|up| up.as_secs()),
        "active_requests": reported.active_requests,
        "last_renewal": Date::of(reported.last_renewal),
        "next_renewal": Date::of(reported.next_renewal),
        "conditions": reported.conditions.iter().map(|name| json!({
            "name": name,
            "remedy": keeper::remedy(name),
        })).collect::<Vec<_>>(),
    })
}

/// A daemon that has done nothing and knows nothing.
#[cfg(test)]
pub(super) fn of_nothing() -> Status {
    use crate::daemon::report::Requests;
    Status {
        version: VERSION,
        time: None,
        program: "0.1.0".to_owned(),
        pid: 1,
        uptime: 0,
        ready: true,
        listens: vec!["127.0.0.1:8088".to_owned()],
        state_dir: "/s".into(),
        requests: Requests { total: 0, active: 0, success: 0, error: 0, bytes: 0 },
        upstreams: Vec::new(),
        conditions: Vec::new(),
    }
}

/// A tool call that went well, in 210 ms.
#[cfg(test)]
pub(super) fn call() -> crate::daemon::report::recent::Call {
    crate::daemon::report::recent::Call {
        at: None,
        request: "r-1".to_owned(),
        client: "dify".to_owned(),
        upstream: Some("alibaba".to_owned()),
        server: Some("ecs".to_owned()),
        method: Some("tools/call".to_owned()),
        name: Some("list".to_owned()),
        http_method: "POST".to_owned(),
        path: "/x/mcp".to_owned(),
        status: Some(200),
        refused_by: None,
        duration_us: 210_000,
        bytes: 10,
        ending: "complete".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::daemon::report::login::Login;
    use crate::daemon::report::reach::{Reachability, Reached};
    use crate::daemon::report::recent::{ClientUse, Recent};
    use crate::daemon::report::{Condition, SignInDoor};

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

    #[track_caller]
    fn described(value: &Value) {
        let page = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/STATUS.md")).unwrap();
        let mut fields = Vec::new();
        names(value, &mut fields);
        for field in fields {
            assert!(page.contains(&format!("`{field}`")), "docs/STATUS.md does not describe {field}");
        }
    }

    fn now() -> Wall {
        Wall::from_unix_seconds(1_800_000_000)
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
            now: now(),
            logins: vec![Login::of_nobody()],
            daemon: Daemon::LookedFor(Some("127.0.0.1:8088".to_owned()), Neighbour::Proxy(reported)),
            key_problem: None,
            notes: Vec::new(),
        };
        let value = value(&report);
        assert_eq!((&value["version"], &value["time"]), (&json!(1), &json!("2027-01-15T08:00:00Z")));
        assert_eq!(value["exit_code"], 77);
        assert_eq!(value["upstreams"][0]["state"], "sign-in-needed");
        described(&value);
    }

    #[test]
    fn a_daemon_that_was_asked_says_as_much_as_one_on_the_port() {
        let upstream = Upstream {
            name: "alibaba".to_owned(),
            mount: "/".to_owned(),
            url: "https://gw.example".to_owned(),
            source: Source::Login,
            api_credentials: Some("profile default in /h/config.json".to_owned()),
            serves: true,
            token_ends: Date::of(Some(now().plus(std::time::Duration::from_secs(60)))),
            renewals: 1,
            renewal_failures: 0,
            last_renewal: None,
            next_renewal: None,
            login: Some(Login::of_nobody()),
            sign_in: Some(SignInDoor {
                redirect_uri: "http://127.0.0.1:8088/callback".to_owned(),
                application: "app".to_owned(),
                site: "CN".to_owned(),
                scope: "/acs/mcp-server".to_owned(),
                api_credentials: None,
            }),
        };
        let condition = Condition {
            name: "login-expiring".to_owned(),
            subject: "alibaba".to_owned(),
            reason: "soon".to_owned(),
            remedy: "sign in".to_owned(),
            since: None,
        };
        let status = Status { upstreams: vec![upstream], conditions: vec![condition], ..of_nothing() };
        described(&serde_json::to_value(&status).unwrap());
        let reached =
            Reached { upstream: "alibaba".to_owned(), duration_us: Some(1), status: Some(401), problem: None };
        let reach = Reachability { version: 1, time: None, upstreams: vec![reached] };
        let call = call();
        let used = ClientUse { client: "dify".to_owned(), requests: 1, refused: 0, last: call.clone() };
        let recent = Recent { version: 1, time: None, calls: vec![call], clients: vec![used] };
        let control = "/run/mcp-proxy/control.sock".into();
        let daemon = Daemon::Asked(Box::new(Asked { control, status, recent: Some(recent), reach: Some(reach) }));
        let value = of_daemon(&daemon, now());
        described(&value);
        assert_eq!(
            (&value["listens"], &value["control"]),
            (&json!("mcp-proxy"), &json!("/run/mcp-proxy/control.sock"))
        );
        let health = &value["health"];
        assert_eq!((&health["token_status"], &health["token_expires_in"]), (&json!("valid"), &json!(60)));
    }
}
