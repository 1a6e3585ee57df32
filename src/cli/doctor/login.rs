//! Who is signed in, with which token, and whether the upstream takes it.

use std::time::Duration;

use tokio::task::JoinSet;

use crate::cli::doctor::checks::{Check, LOGIN, TOKEN, UPSTREAM_CALL};
use crate::cli::doctor::finding::{Finding, Remedy, Said, Verdict};
use crate::cli::doctor::scene::{Looked, Scene};
use crate::cli::running::Running;
use crate::config::settings::Auth;
use crate::daemon::control::client::Client;
use crate::daemon::custody;
use crate::daemon::probe::Called;
use crate::daemon::probe::call;
use crate::daemon::report::login::{Login, State};
use crate::daemon::report::servers::{self, Catalogued};
use crate::daemon::report::{Date, Source, Status, Upstream};
use crate::model::time::{Wall, in_words};
use crate::net::api_client::ApiClient;
use crate::phrase::doctor;

/// How long a call through the port may take.
const CALL: Duration = Duration::from_secs(6);

/// A rule refused the caller (JSON-RPC errors of mcp-proxy's own).
const NOT_LET_IN: i64 = -31_403;
const SIGN_IN_NEEDED: i64 = -31_401;

const CHECKS: [&Check; 3] = [&LOGIN, &TOKEN, &UPSTREAM_CALL];

pub(super) async fn look(scene: &Scene) -> Vec<Finding> {
    let now = scene.clock.now().wall;
    match scene.running().await {
        Running::Daemon(client, status) => with_daemon(scene, client, status, now).await,
        Running::Nobody | Running::Silent(_) => alone(scene, now).await,
        Running::Denied(_) => {
            let why = || Said::of(doctor::NEEDS_ACCESS);
            CHECKS.iter().map(|check| Finding::not_looked(check, why())).collect()
        }
    }
}

async fn with_daemon(scene: &Scene, client: &Client, status: &Status, now: Wall) -> Vec<Finding> {
    let mut found = Vec::new();
    for login in status.upstreams.iter().filter_map(|upstream| upstream.login.as_ref()) {
        found.push(of_login(scene, login).await);
    }
    if found.is_empty() {
        found.push(Finding::ok(&LOGIN, Said::of(doctor::NO_LOGINS)));
    }
    for upstream in &status.upstreams {
        found.push(token_in_use(scene, upstream, status, now).await);
    }
    found.extend(through_the_port(scene, client, status).await);
    found
}

async fn of_login(scene: &Scene, login: &Login) -> Finding {
    let problem = || Said::of(doctor::LOGIN_WRONG).with("problem", login.problem.as_deref().unwrap_or_default());
    match (login.state, &login.problem) {
        (State::SignedIn, None) => {
            let said = Said::of(doctor::SIGNED_IN);
            let said = match &login.account {
                Some(account) => said.with("account", account),
                None => said.with_phrase("account", doctor::NO_ACCOUNT),
            };
            Finding::ok(&LOGIN, said)
        }
        (State::SignedIn, Some(_)) => Finding::note(&LOGIN, problem()).mend(scene.login().await),
        (State::SignInNeeded | State::Unusable, _) => Finding::fault(&LOGIN, problem()).mend(scene.login().await),
    }
    .about(&login.name)
}

async fn token_in_use(scene: &Scene, upstream: &Upstream, status: &Status, now: Wall) -> Finding {
    let finding = if upstream.serves {
        Finding::ok(&TOKEN, good(upstream.token_ends, now))
    } else {
        let condition = status.conditions.iter().find(|condition| condition.subject == upstream.name);
        let reason = condition.map_or("?", |condition| condition.reason.as_str());
        let said = Said::of(doctor::TOKEN_NONE).with("reason", reason);
        let login = upstream.login.as_ref().map(|login| login.state);
        let finding = match login {
            // The login is the fault.
            Some(State::SignInNeeded | State::Unusable) => Finding::not_looked(&TOKEN, said),
            _ => Finding::fault(&TOKEN, said),
        };
        match upstream.source {
            Source::Login if finding.verdict == Verdict::NotLooked => finding,
            Source::Login => finding.mend(scene.login().await),
            Source::File => finding.mend(token_file(scene, &upstream.name)),
            Source::AccessKey | Source::Command => finding.mend(Remedy::command("journalctl -u mcp-proxy -n 20")),
        }
    };
    finding.about(&upstream.name)
}

fn good(ends: Option<Date>, now: Wall) -> Said {
    match ends {
        Some(end) => Said::of(doctor::TOKEN_GOOD).with("left", in_words(end.wall().since(now))),
        None => Said::of(doctor::TOKEN_GOOD_FOR_EVER),
    }
}

/// Writes a new token, which comes on standard input, so that it is in no list of processes.
fn token_file(scene: &Scene, upstream: &str) -> Remedy {
    use crate::auth::settings::TokenSource;
    let of = |one: &crate::config::settings::Upstream| match &one.auth {
        Auth::Source(TokenSource::File(path)) if one.proxy.name.as_str() == upstream => Some(path.clone()),
        _ => None,
    };
    let path = scene.settings().and_then(|settings| settings.upstreams.iter().find_map(of));
    let path = path.map_or_else(|| "TOKEN_FILE".to_owned(), |path| crate::cli::doctor::configuration::quoted(&path));
    Remedy::Command(format!("install -m 600 /dev/stdin {path}"))
}

/// A call of each upstream, as a client of this user makes it.
async fn through_the_port(scene: &Scene, client: &Client, status: &Status) -> Vec<Finding> {
    let unseen = |said| vec![Finding::not_looked(&UPSTREAM_CALL, said)];
    let address = status.listens.iter().find_map(|text| text.parse().ok());
    let Some(address) = address.map(crate::daemon::listener::from_here) else {
        return unseen(Said::of(doctor::NOBODY_LISTENS));
    };
    let api = match ApiClient::direct(CALL) {
        Ok(api) => api,
        Err(error) => return unseen(Said::of(doctor::NO_AUTHORITIES).with("error", error)),
    };
    let servers = client.servers().await.map(|servers| servers.upstreams).unwrap_or_default();
    let mut calls = JoinSet::new();
    for (at, upstream) in status.upstreams.iter().enumerate() {
        let path = path_of(upstream, &servers);
        let (api, clock) = (api.clone(), scene.clock.clone());
        calls.spawn(async move {
            match path {
                Some(path) => (at, call::initialize(&api, &format!("http://{address}{path}"), None, &clock).await),
                None => (at, Called::NoPath),
            }
        });
    }
    let mut called: Vec<(usize, Called)> = Vec::new();
    while let Some(done) = calls.join_next().await {
        called.extend(done.ok());
    }
    called.sort_by_key(|(at, _)| *at);
    let mut found = Vec::new();
    for (upstream, (_, called)) in status.upstreams.iter().zip(&called) {
        found.push(judge(scene, upstream.source == Source::Login, called).await.about(&upstream.name));
    }
    found
}

/// The path of a server that may be called. An upstream whose servers nobody lists is an MCP server itself.
fn path_of(upstream: &Upstream, servers: &[Catalogued]) -> Option<String> {
    let known = servers.iter().filter(|known| known.name == upstream.name).flat_map(|known| &known.servers);
    let mut allowed = known.filter(|server| server.verdict == servers::Verdict::Allowed);
    let listed = allowed.find_map(|server| server.mcp.as_ref()).map(|endpoint| endpoint.path.clone());
    listed.or_else(|| matches!(upstream.source, Source::File | Source::Command).then(|| upstream.mount.clone()))
}

async fn judge(scene: &Scene, signs_in: bool, called: &Called) -> Finding {
    let said = |phrase, says: &str| Said::of(phrase).with("says", says);
    match called {
        Called::Answered { code: Some(NOT_LET_IN), says, .. } => {
            let says = says.as_deref().unwrap_or_default();
            Finding::not_looked(&UPSTREAM_CALL, said(doctor::CALL_NOT_LET_IN, says))
        }
        Called::Answered { status: 401, code: None, .. } => {
            let finding = Finding::fault(&UPSTREAM_CALL, Said::of(doctor::CALL_REFUSED));
            if signs_in { finding.mend(scene.login().await) } else { finding }
        }
        Called::Answered { status: 401, says, .. } => {
            // A client key is needed.
            Finding::not_looked(&UPSTREAM_CALL, said(doctor::CALL_NOT_LET_IN, says.as_deref().unwrap_or_default()))
        }
        Called::Answered { status: 403, says, .. } => {
            Finding::fault(&UPSTREAM_CALL, said(doctor::CALL_FORBIDDEN, says.as_deref().unwrap_or("403")))
        }
        Called::Answered { status, code, says, .. } if *status >= 500 || is_ours(*code) => {
            let text = says.clone().unwrap_or_else(|| status.to_string());
            let finding = Finding::fault(&UPSTREAM_CALL, said(doctor::CALL_FAILED, &text));
            match code {
                Some(SIGN_IN_NEEDED) => finding.mend(scene.login().await),
                _ => finding.mend(Remedy::Command(scene.ours("status").await)),
            }
        }
        Called::Answered { path, status, millis, .. } => {
            let time = in_words(Duration::from_millis(*millis));
            let said = Said::of(doctor::CALL_GOOD).with("path", path).with("status", status).with("time", time);
            Finding::ok(&UPSTREAM_CALL, said)
        }
        Called::Failed(reason) => Finding::fault(&UPSTREAM_CALL, said(doctor::CALL_FAILED, reason))
            .mend(Remedy::Command(scene.ours("status").await)),
        Called::NoToken(reason) => {
            Finding::not_looked(&UPSTREAM_CALL, Said::of(doctor::TOKEN_NONE).with("reason", reason))
        }
        Called::NoPath => Finding::not_looked(&UPSTREAM_CALL, Said::of(doctor::CALL_NO_PATH)),
        Called::DaemonOnly => Finding::not_looked(&UPSTREAM_CALL, Said::of(doctor::NEEDS_DAEMON)),
    }
}

/// An error of mcp-proxy's own.
fn is_ours(code: Option<i64>) -> bool {
    code.is_some_and(|code| (-31_999..=-31_000).contains(&code))
}

/// True if a login is saved that may be used.
pub(super) fn is_saved(scene: &Scene, upstream: &str) -> bool {
    let now = scene.clock.now().wall;
    saved(scene, now)
        .is_ok_and(|logins| logins.iter().any(|login| login.name == upstream && login.state == State::SignedIn))
}

/// The saved logins, looked at and left as they are.
fn saved(scene: &Scene, now: Wall) -> Result<Vec<Login>, Said> {
    let settings = scene.settings().ok_or_else(|| Said::of(doctor::NEEDS_CONFIGURATION))?;
    let key = custody::key(settings, &scene.environment).map_err(|_| Said::of(doctor::LOGIN_KEY))?;
    let look = |mut kept: custody::Kept| {
        kept.store = kept.store.looking_only();
        Login::look(&kept, now)
    };
    Ok(custody::kept(settings, key).into_iter().map(look).collect())
}

async fn alone(scene: &Scene, now: Wall) -> Vec<Finding> {
    let mut found = Vec::new();
    match saved(scene, now) {
        Err(why) => return CHECKS.iter().map(|check| Finding::not_looked(check, why.clone())).collect(),
        Ok(logins) => {
            for login in &logins {
                found.push(of_login(scene, login).await);
                found.push(token_of(login, now));
            }
            if logins.is_empty() {
                found.push(Finding::ok(&LOGIN, Said::of(doctor::NO_LOGINS)));
            }
        }
    }
    let Looked::Seen { probe, .. } = scene.probe().await else { return found };
    for (upstream, seen) in scene.settings().into_iter().flat_map(|settings| &settings.upstreams).zip(&probe.upstreams)
    {
        let signs_in = matches!(upstream.auth, Auth::AlibabaOauth(_));
        if let Some(called) = &seen.call {
            found.push(judge(scene, signs_in, called).await.about(&seen.name));
        }
        if !signs_in {
            found.push(token_without_login(scene, seen.call.as_ref(), &seen.name));
        }
    }
    found
}

fn token_of(login: &Login, now: Wall) -> Finding {
    let ended = login.access_token.expires_at.is_some_and(|end| end.wall() <= now);
    match (login.state, ended) {
        (State::SignedIn, true) => Finding::ok(&TOKEN, Said::of(doctor::TOKEN_RENEWED_AT_START)),
        (State::SignedIn, false) => Finding::ok(&TOKEN, good(login.access_token.expires_at, now)),
        _ => {
            // The login is the fault.
            let reason = login.problem.as_deref().unwrap_or_default();
            Finding::not_looked(&TOKEN, Said::of(doctor::TOKEN_NONE).with("reason", reason))
        }
    }
    .about(&login.name)
}

fn token_without_login(scene: &Scene, called: Option<&Called>, upstream: &str) -> Finding {
    match called {
        Some(Called::NoToken(reason)) => Finding::fault(&TOKEN, Said::of(doctor::TOKEN_NONE).with("reason", reason))
            .mend(token_file(scene, upstream)),
        Some(Called::DaemonOnly) | None => Finding::not_looked(&TOKEN, Said::of(doctor::NEEDS_DAEMON)),
        Some(_) => Finding::ok(&TOKEN, Said::of(doctor::TOKEN_GOOD_FOR_EVER)),
    }
    .about(upstream)
}
