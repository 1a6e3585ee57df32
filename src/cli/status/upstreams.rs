//! Each upstream as people read it: who is signed in, until when, and whether it can be reached.

use std::fmt::Display;
use std::time::Duration;

use crate::cli::screen::{Line, Tone};
use crate::cli::status::Asked;
use crate::cli::status::words::Writer;
use crate::daemon::report::login::{Login, State, Token};
use crate::daemon::report::reach::Reached;
use crate::daemon::report::recent::Recent;
use crate::daemon::report::{Condition, Source, Upstream};
use crate::phrase::status as words;

/// How many calls say how long calls take.
const ENOUGH: usize = 3;

/// An upstream of a daemon that was asked. `login` is its login, if that is the source of its tokens.
pub(super) fn of_upstream(
    writer: &Writer,
    lines: &mut Vec<Line>,
    upstream: &Upstream,
    login: Option<&Login>,
    asked: &Asked,
) {
    lines.push(Line::default());
    match login {
        Some(login) => {
            // What is a condition was said with its reason and its remedy.
            let is_said =
                |raised: &Condition| raised.subject == login.name && Some(&raised.reason) == login.problem.as_ref();
            let said = asked.status.conditions.iter().any(is_said);
            of_login(writer, lines, login, !said);
        }
        None => of_source(writer, lines, upstream),
    }
    renewals(writer, lines, upstream);
    if let Some(source) = &upstream.api_credentials {
        writer.detail(lines, words::L_CREDENTIALS, source);
    }
    let mut reached = asked.reach.iter().flat_map(|reach| &reach.upstreams);
    let reached = reached.find(|reached| reached.upstream == upstream.name);
    reach(writer, lines, &upstream.url, reached, usual(asked.recent.as_ref(), &upstream.name));
}

/// A login, with or without a daemon that uses it; with its problem, if that is not said elsewhere.
pub(super) fn of_login(writer: &Writer, lines: &mut Vec<Line>, login: &Login, with_problem: bool) {
    let (state, tone) = match (login.state, left(writer, login)) {
        (State::SignedIn, Some(left)) => {
            (writer.fill(words::SIGNED_IN_FOR, &[("length", &writer.length(left))]), Tone::Good)
        }
        (State::SignedIn, None) => (writer.say(words::SIGNED_IN).to_owned(), Tone::Good),
        (State::SignInNeeded, _) => (writer.say(words::SIGN_IN_NEEDED).to_owned(), Tone::Bad),
        (State::Unusable, _) => (writer.say(words::UNUSABLE).to_owned(), Tone::Bad),
    };
    lines.push(Line::of(Tone::Strong, format!("{}: ", login.name)).and(tone, state));
    if let Some(problem) = login.problem.as_ref().filter(|_| with_problem) {
        writer.named(lines, words::L_PROBLEM, Tone::Warning, problem);
    }
    if let Some(remedy) = login.remedy.as_ref().filter(|_| with_problem) {
        writer.named(lines, words::L_TO_DO, Tone::Strong, words::translated(writer.language, remedy));
    }
    let can_be_read = login.access_token.present == Some(true);
    if can_be_read {
        let account = login.account.as_deref().unwrap_or(writer.say(words::NOT_KNOWN));
        writer.detail(lines, words::L_ACCOUNT, account);
    }
    let application =
        [("application", &login.application as &dyn Display), ("site", &login.site), ("scope", &login.scope)];
    writer.detail(lines, words::L_APPLICATION, &writer.fill(words::APPLICATION, &application));
    if can_be_read {
        writer.named(lines, words::L_ACCESS_TOKEN, Tone::Plain, &until(writer, login.access_token));
        writer.named(lines, words::L_REFRESH_TOKEN, Tone::Plain, &until(writer, login.refresh_token));
    }
    if login.renewal_cut_off {
        writer.named(lines, words::L_LAST_RENEWAL, Tone::Warning, writer.say(words::CUT_OFF));
    }
    let file = login.file.display();
    match (login.encrypted, &login.key_id) {
        (Some(true), Some(key)) => {
            let text = writer.fill(words::ENCRYPTED, &[("file", &file), ("key", key)]);
            writer.detail(lines, words::L_SAVED_IN, &text);
        }
        (Some(_), _) => {
            writer.detail(lines, words::L_SAVED_IN, &writer.fill(words::PLAIN, &[("file", &file)]));
        }
        (None, _) => writer.detail(lines, words::L_PLACE, &file.to_string()),
    }
}

/// How long the login lives: as long as its refresh token, or its access token if there is no other.
fn left(writer: &Writer, login: &Login) -> Option<Duration> {
    let last = if login.refresh_token.present == Some(true) { login.refresh_token } else { login.access_token };
    let left = last.expires_at?.wall().since(writer.now);
    (!left.is_zero()).then_some(left)
}

fn until(writer: &Writer, token: Token) -> String {
    let length = |phrase, length: Duration| writer.fill(phrase, &[("length", &writer.length(length))]);
    match (token.present, token.expires_at) {
        (Some(true), Some(end)) if end.wall() > writer.now => length(words::ENDS_IN, end.wall().since(writer.now)),
        (Some(true), Some(end)) => length(words::ENDED, writer.now.since(end.wall())),
        (Some(true), None) => writer.say(words::END_NOT_KNOWN).to_owned(),
        _ => writer.say(words::NONE).to_owned(),
    }
}

/// An upstream whose token nobody signs in for.
fn of_source(writer: &Writer, lines: &mut Vec<Line>, upstream: &Upstream) {
    let (state, tone) = match upstream.serves {
        true => (words::SERVES, Tone::Good),
        false => (words::SERVES_NOT, Tone::Bad),
    };
    lines.push(Line::of(Tone::Strong, format!("{}: ", upstream.name)).and(tone, writer.say(state)));
    let source = match upstream.source {
        Source::Login => None,
        Source::AccessKey => Some(words::SOURCE_ACCESS_KEY),
        Source::File => Some(words::SOURCE_FILE),
        Source::Command => Some(words::SOURCE_COMMAND),
    };
    if let Some(source) = source {
        writer.named(lines, words::L_FROM, Tone::Plain, writer.say(source));
    }
    if upstream.token_ends.is_some() {
        let token = Token { present: Some(true), expires_at: upstream.token_ends, expires_in: None };
        writer.named(lines, words::L_TOKEN, Tone::Plain, &until(writer, token));
    }
}

/// How the token was and will be renewed.
fn renewals(writer: &Writer, lines: &mut Vec<Line>, upstream: &Upstream) {
    let mut parts = Vec::new();
    if let Some(last) = upstream.last_renewal {
        parts.push(writer.ago(last.wall()));
    }
    if let Some(next) = upstream.next_renewal.map(|next| next.wall().since(writer.now)) {
        parts.push(writer.fill(words::NEXT, &[("length", &writer.length(next))]));
    }
    if upstream.renewals + upstream.renewal_failures > 0 {
        let counts = [("good", &upstream.renewals as &dyn Display), ("bad", &upstream.renewal_failures)];
        parts.push(writer.fill(words::RENEWED, &counts));
    }
    if !parts.is_empty() {
        let tone = if upstream.renewal_failures > 0 { Tone::Warning } else { Tone::Plain };
        writer.named(lines, words::L_RENEWALS, tone, &writer.joined(&parts));
    }
}

/// Whether it can be reached, how soon it answers, and how long calls take there.
fn reach(writer: &Writer, lines: &mut Vec<Line>, url: &str, reached: Option<&Reached>, usual: Option<(u64, usize)>) {
    let url: (&str, &dyn Display) = ("url", &url);
    let of = |reached: &Reached| {
        let length = writer.length(rounded(reached.duration_us.unwrap_or_default()));
        let length: (&str, &dyn Display) = ("length", &length);
        match (reached.status, &reached.problem) {
            (Some(_), _) if reached.is_well() => (Tone::Good, writer.fill(words::ANSWERED, &[url, length])),
            (Some(status), _) => {
                (Tone::Warning, writer.fill(words::ANSWERED_BADLY, &[url, length, ("status", &status)]))
            }
            (None, problem) => {
                let problem = problem.as_deref().unwrap_or(writer.say(words::NOT_KNOWN));
                (Tone::Bad, writer.fill(words::OUT_OF_REACH, &[url, ("problem", &problem)]))
            }
        }
    };
    let (tone, text) = reached.map_or_else(|| (Tone::Plain, url.1.to_string()), of);
    let mut parts = vec![text];
    if let Some((micros, many)) = usual {
        let length = writer.length(rounded(micros));
        parts.push(writer.fill(words::CALLS_TAKE, &[("length", &length), ("many", &many)]));
    }
    writer.named(lines, words::L_UPSTREAM, tone, &writer.joined(&parts));
}

/// In whole milliseconds, and never none: what took less is said to have taken one.
pub(super) fn rounded(micros: u64) -> Duration {
    Duration::from_millis(micros.div_ceil(1000).max(1))
}

/// How long a call of this upstream takes, in microseconds, and of how many that is the median. Streams that a client
/// only listens to (GET) last for as long as it likes.
fn usual(recent: Option<&Recent>, upstream: &str) -> Option<(u64, usize)> {
    let calls = recent?.calls.iter().filter(|call| {
        call.upstream.as_deref() == Some(upstream)
            && call.http_method == "POST"
            && call.refused_by.is_none()
            && call.ending == "complete"
            && call.status.is_some_and(|status| status < 400)
    });
    let mut lengths: Vec<u64> = calls.map(|call| call.duration_us).collect();
    lengths.sort_unstable();
    (lengths.len() >= ENOUGH).then(|| (lengths[lengths.len() / 2], lengths.len()))
}
