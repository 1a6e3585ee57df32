//! The status as people read it.

use std::fmt::Write;

use crate::auth::keeper;
use crate::auth::store::Protection;
use crate::cli::status::Report;
use crate::cli::status::login::{Login, State, Tokens};
use crate::daemon::neighbour::{Neighbour, Reported};
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
    let _ = writeln!(text, "{}: {state}", login.upstream);
    let mut line = |name: &str, value: &str| {
        let _ = writeln!(text, "  {name:<15}{value}");
    };
    if let Some(problem) = &login.problem {
        line("problem", &problem.reason);
        line("what to do", &problem.remedy);
    }
    if login.tokens.is_some() {
        line("account", login.account.as_deref().unwrap_or("not known"));
    }
    line("application", &login.application);
    line("site", &login.site);
    line("scope", &login.scope);
    if let Some(Tokens { access_ends, has_refresh_token, refresh_ends }) = login.tokens {
        line("access token", &until(access_ends, now));
        let refresh = if has_refresh_token { until(refresh_ends, now) } else { "none".to_owned() };
        line("refresh token", &refresh);
    }
    if login.renewal_cut_off {
        line("last renewal", "was cut off; if the server had answered, the login is lost and will be refused");
    }
    let saved_in = login.saved_in.display();
    match &login.protection {
        Some(Protection::Plain) => line("saved in", &format!("{saved_in} (private, not encrypted)")),
        Some(Protection::Sealed { key_id }) => line("saved in", &format!("{saved_in} (encrypted, key {key_id})")),
        None => line("place", &saved_in.to_string()),
    }
}

fn until(end: Option<Wall>, now: Wall) -> String {
    match end {
        Some(end) if end > now => format!("ends in {}", in_words(end.since(now))),
        Some(end) => format!("ended {} ago", in_words(now.since(end))),
        None => "when it ends is not known".to_owned(),
    }
}

fn of_daemon(report: &Report) -> String {
    let Some(address) = &report.address else {
        return "daemon: not looked for, because listen.port is 0".to_owned();
    };
    match &report.daemon {
        Neighbour::None => format!("daemon: nothing listens on {address}"),
        Neighbour::Other(what) => format!("daemon: something else listens on {address}: {what}"),
        Neighbour::Proxy(reported) => {
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
            if let Some(last) = reported.last_renewal {
                let _ = write!(text, "\n  last renewal   {} ago", in_words(report.now.since(last)));
            }
            if let Some(next) = reported.next_renewal {
                let _ = write!(text, "\n  next renewal   in {}", in_words(next.since(report.now)));
            }
            for condition in &reported.conditions {
                let remedy = keeper::remedy(condition).unwrap_or("See the log of the daemon");
                let _ = write!(text, "\n  condition      {condition}: {remedy}");
            }
            text
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::cli::status::login;

    #[test]
    fn a_login_in_words() {
        let now = Wall::from_unix_seconds(1_800_000_000);
        let tokens = Tokens {
            access_ends: Some(now.plus(Duration::from_secs(10_680))),
            has_refresh_token: true,
            refresh_ends: Some(now.minus(Duration::from_secs(60))),
        };
        let protection = Some(Protection::Sealed { key_id: "0a1b2c3d".to_owned() });
        let login = Login {
            state: State::SignedIn,
            account: Some("12".to_owned()),
            tokens: Some(tokens),
            protection,
            ..login::nobody()
        };
        let report = Report { now, logins: vec![login], address: None, daemon: Neighbour::None, key_problem: None };
        let expected = "alibaba: signed in\n  account        12\n  application    app\n  site           CN\n  \
                        scope          /acs/mcp-server\n  access token   ends in 2 h 58 min\n  \
                        refresh token  ended 1 min ago\n  \
                        saved in       /s/logins/x.json (encrypted, key 0a1b2c3d)\n\n\
                        daemon: not looked for, because listen.port is 0";
        assert_eq!(text(&report), expected);
    }
}
