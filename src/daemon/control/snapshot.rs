//! How the daemon stands now, from what its parts say of themselves.

use crate::auth::settings::TokenSource;
use crate::config::settings::{self, Auth};
use crate::daemon::control::Context;
use crate::daemon::report::login::Login;
use crate::daemon::report::{Condition, Date, Requests, SignInDoor, Source, Status, Upstream, VERSION};
use crate::daemon::sign_in::SignIn;
use crate::model::time::Wall;
use crate::observe::health;

/// The whole report. Looks at the saved logins.
pub(super) fn status(context: &Context) -> Status {
    let now = context.clock.now();
    let (conditions, counts) = (context.health.conditions(), context.traffic.counts());
    let upstreams: Vec<Upstream> =
        context.upstreams.iter().map(|upstream| of_upstream(context, upstream, &conditions, now.wall)).collect();
    Status {
        version: VERSION,
        time: Date::of(Some(now.wall)),
        program: env!("CARGO_PKG_VERSION").to_owned(),
        pid: std::process::id(),
        uptime: now.mono.since(context.started.mono).as_secs(),
        ready: is_ready(context),
        listens: context.listening.iter().map(ToString::to_string).collect(),
        state_dir: context.state_dir.clone(),
        requests: Requests {
            total: counts.total,
            active: counts.active,
            success: counts.success,
            error: counts.error,
            bytes: context.traffic.bytes(),
        },
        upstreams,
        conditions: conditions.iter().map(of_condition).collect(),
    }
}

/// True if requests to every upstream can be served.
pub(super) fn is_ready(context: &Context) -> bool {
    let (standings, now) = (context.health.standings(), context.clock.now().wall);
    let serves = |upstream: &settings::Upstream| {
        standings.get(upstream.proxy.name.as_str()).is_some_and(|standing| standing.serves(now))
    };
    !context.stop.is_cancelled() && !context.incident.lasts() && context.upstreams.iter().all(serves)
}

fn of_upstream(
    context: &Context,
    upstream: &settings::Upstream,
    conditions: &[health::Condition],
    now: Wall,
) -> Upstream {
    let name = &upstream.proxy.name;
    let standing = context.health.standings().remove(name.as_str()).unwrap_or_default();
    let kept = context.kept.iter().find(|kept| kept.upstream == *name);
    let sign_in = context.sign_ins.iter().find(|sign_in| sign_in.upstream() == name);
    let credentials = context.credentials.iter().find(|(upstream, _)| upstream == name);
    Upstream {
        name: name.to_string(),
        mount: upstream.proxy.mount.clone(),
        url: upstream.proxy.origin.to_string(),
        source: match &upstream.auth {
            Auth::AlibabaOauth(_) => Source::Login,
            Auth::AccessKey { .. } => Source::AccessKey,
            Auth::Source(TokenSource::File(_)) => Source::File,
            Auth::Source(TokenSource::Command { .. }) => Source::Command,
        },
        api_credentials: credentials.and_then(|(_, credentials)| credentials.source()),
        serves: standing.serves(now),
        token_ends: Date::of(standing.expires_at),
        renewals: standing.renewals,
        renewal_failures: standing.renewal_failures,
        last_renewal: Date::of(standing.last_renewal),
        next_renewal: Date::of(standing.next_renewal),
        login: kept.map(|kept| Login::look(kept, now).in_use(&standing, conditions, now)),
        sign_in: sign_in.map(door),
    }
}

fn door(sign_in: &SignIn) -> SignInDoor {
    let SignIn { alibaba, credentials, redirect_uri, .. } = sign_in;
    SignInDoor {
        redirect_uri: redirect_uri.clone(),
        application: alibaba.app_name().to_owned(),
        site: alibaba.site.to_string(),
        scope: alibaba.scope.clone(),
        api_credentials: credentials.source(),
    }
}

fn of_condition(condition: &health::Condition) -> Condition {
    let health::Condition { name, subject, reason, remedy, since } = condition;
    Condition {
        name: (*name).to_owned(),
        subject: subject.clone(),
        reason: reason.clone(),
        remedy: remedy.clone(),
        since: Date::of(Some(*since)),
    }
}
