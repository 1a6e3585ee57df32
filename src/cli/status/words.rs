//! The status as people read it.

use std::fmt::Write;
use std::time::Duration;

use crate::auth::keeper;
use crate::cli::status::{Daemon, Report, first_to_end};
use crate::daemon::neighbour::{Neighbour, Reported};
use crate::daemon::report::Status;
use crate::daemon::report::login::{Login, State, Token};
use crate::model::time::{Wall, in_words};

/// The whole text, without a line break at its end.
pub(super) fn text(report: &Report) -> String {
    let mut text = String::new();
    for login in &report.logins {
        of_login(&mut text, login, report.now);
        text.push('\n');
    }
    text.push_str(&of_daemon(report));
    text
}

fn of_login(text: &mut String, login: &Login, now: Wall) {
    let state = match login.state {
        State::SignedIn => "signed in",
        State::SignInNeeded => "a person has to sign in",
        State::Unusable => "the saved login cannot be used",
    };
    let _ = writeln!(text, "{}: {state}", login.name);
    let mut line = |name: &str, value: &str| {
        let _ = writeln!(text, "  {name:<15}{value}");
    };
    if let Some(problem) = &login.problem {
        line("problem", problem);
    }
    if let Some(remedy) = &login.remedy {
        line("what to do", remedy);
    }
    let can_be_read = login.access_token.present == Some(true);
    if can_be_read {
        line("account", login.account.as_deref().unwrap_or("not known"));
    }
    line("application", &login.application);
    line("site", &login.site);
    line("scope", &login.scope);
    if can_be_read {
        line("access token", &until(login.access_token, now));
        line("refresh token", &until(login.refresh_token, now));
    }
    if login.renewal_cut_off {
        line("last renewal", "was cut off; if the server had answered, the login is lost and will be refused");
    }
    let file = login.file.display();
    match (login.encrypted, &login.key_id) {
        (Some(true), Some(key_id)) => line("saved in", &format!("{file} (encrypted, key {key_id})")),
        (Some(_), _) => line("saved in", &format!("{file} (private, not encrypted)")),
        (None, _) => line("place", &file.to_string()),
    }
}

fn until(token: Token, now: Wall) -> String {
    match (token.present, token.expires_at) {
        (Some(true), Some(end)) if end.wall() > now => format!("ends in {}", in_words(end.wall().since(now))),
        (Some(true), Some(end)) => format!("ended {} ago", in_words(now.since(end.wall()))),
        (Some(true), None) => "when it ends is not known".to_owned(),
        _ => "none".to_owned(),
    }
}

fn of_daemon(report: &Report) -> String {
    match &report.daemon {
        Daemon::Asked(path, status) => of_status(&path.display().to_string(), status, report.now),
        Daemon::LookedFor(None, _) => "daemon: not looked for, because listen.port is 0".to_owned(),
        Daemon::LookedFor(Some(address), Neighbour::None) => format!("daemon: nothing listens on {address}"),
        Daemon::LookedFor(Some(address), Neighbour::Other(what)) => {
            format!("daemon: something else listens on {address}: {what}")
        }
        Daemon::LookedFor(Some(address), Neighbour::Proxy(reported)) => of_health(address, reported, report.now),
    }
}

fn of_status(control: &str, status: &Status, now: Wall) -> String {
    let state = if status.ready { "healthy" } else { "degraded" };
    let Status { pid, listens, uptime, requests, conditions, .. } = status;
    let (listens, up) = (listens.join(", "), in_words(Duration::from_secs(*uptime)));
    let mut text = format!("daemon: {listens} is {state}, up {up}, {} active", requests.active);
    let _ = write!(text, "\n  asked          process {pid}, at {control}");
    if let Some(upstream) = first_to_end(status) {
        let ends = upstream.token_ends.map(|end| end.wall());
        if let Some(end) = ends.filter(|end| upstream.serves && *end > now) {
            let _ = write!(text, "\n  token          valid for {}", in_words(end.since(now)));
        }
        renewals(&mut text, upstream.last_renewal.map(|at| at.wall()), upstream.next_renewal.map(|at| at.wall()), now);
    }
    for upstream in &status.upstreams {
        if let Some(source) = &upstream.api_credentials {
            let _ = write!(text, "\n  credentials    {}: {source}", upstream.name);
        }
    }
    for condition in conditions {
        let since =
            condition.since.map_or_else(String::new, |since| format!(", for {}", in_words(now.since(since.wall()))));
        let _ = write!(
            text,
            "\n  condition      {} ({}{since}): {}. {}",
            condition.name, condition.subject, condition.reason, condition.remedy
        );
    }
    text
}

fn of_health(address: &str, reported: &Reported, now: Wall) -> String {
    let Reported { status, token_status, token_expires_in, uptime, active_requests, .. } = reported;
    let mut text = format!("daemon: {address} is {status}, token {token_status}");
    if let Some(left) = token_expires_in {
        let _ = write!(text, " for {}", in_words(*left));
    }
    if let Some(uptime) = uptime {
        let _ = write!(text, ", up {}", in_words(*uptime));
    }
    if let Some(active) = active_requests {
        let _ = write!(text, ", {active} active");
    }
    renewals(&mut text, reported.last_renewal, reported.next_renewal, now);
    for condition in &reported.conditions {
        let remedy = keeper::remedy(condition).unwrap_or("See the log of the daemon");
        let _ = write!(text, "\n  condition      {condition}: {remedy}");
    }
    text
}

fn renewals(text: &mut String, last: Option<Wall>, next: Option<Wall>, now: Wall) {
    if let Some(last) = last {
        let _ = write!(text, "\n  last renewal   {} ago", in_words(now.since(last)));
    }
    if let Some(next) = next {
        let _ = write!(text, "\n  next renewal   in {}", in_words(next.since(now)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::status::json;
    use crate::daemon::report::Date;

    fn now() -> Wall {
        Wall::from_unix_seconds(1_800_000_000)
    }

    #[test]
    fn a_login_in_words() {
        let token = |end: Wall| Token { present: Some(true), expires_at: Date::of(Some(end)), expires_in: None };
        let login = Login {
            state: State::SignedIn,
            account: Some("12".to_owned()),
            access_token: token(now().plus(Duration::from_secs(10_680))),
            refresh_token: token(now().minus(Duration::from_secs(60))),
            encrypted: Some(true),
            key_id: Some("0a1b2c3d".to_owned()),
            ..Login::of_nobody()
        };
        let daemon = Daemon::LookedFor(None, Neighbour::None);
        let report = Report { now: now(), logins: vec![login], daemon, key_problem: None };
        let expected = "alibaba: signed in\n  account        12\n  application    app\n  site           CN\n  \
                        scope          /acs/mcp-server\n  access token   ends in 2 h 58 min\n  \
                        refresh token  ended 1 min ago\n  \
                        saved in       /s/logins/x.json (encrypted, key 0a1b2c3d)\n\n\
                        daemon: not looked for, because listen.port is 0";
        assert_eq!(text(&report), expected);
    }

    #[test]
    fn a_daemon_in_words() {
        let condition = crate::daemon::report::Condition {
            name: "login-expiring".to_owned(),
            subject: "alibaba".to_owned(),
            reason: "the login ends in 7 days".to_owned(),
            remedy: "Sign in with: mcp-proxy login".to_owned(),
            since: Date::of(Some(now().minus(Duration::from_secs(3600)))),
        };
        let status = Status { uptime: 7200, conditions: vec![condition], ..json::of_nothing() };
        let expected = "daemon: 127.0.0.1:8088 is healthy, up 2 h, 0 active\n  asked          process 1, at /x\n  \
                        condition      login-expiring (alibaba, for 1 h): the login ends in 7 days. Sign in \
                        with: mcp-proxy login";
        assert_eq!(of_status("/x", &status, now()), expected);
    }
}
