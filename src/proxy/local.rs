//! What the listener answers itself.

use http::request::Parts;
use http::{Method, header};

use crate::model::callback::{Callback, CallbackOutcome};
use crate::model::language::Language;
use crate::observe::health::Standing;
use crate::proxy::context::Context;
use crate::proxy::health_answer;
use crate::proxy::reply::{self, Reply};
use crate::proxy::route::Local;

/// Answers.
pub(super) async fn answer(local: Local, head: &Parts, context: &Context) -> Reply {
    match local {
        Local::Absent => reply::absent(),
        Local::NoOauthHere => reply::no_oauth_here(),
        Local::Health => health(context),
        Local::Callback => callback(head, context).await,
    }
}

fn health(context: &Context) -> Reply {
    let standings: Vec<Standing> = context.health.standings().into_values().collect();
    let conditions = context.health.conditions().iter().map(|condition| condition.name).collect();
    let (counts, now) = (context.traffic.counts(), context.clock.now());
    let (status, answer) = health_answer::answer(&standings, &conditions, counts, context.started, now);
    reply::json(status, answer.to_string().into_bytes())
}

/// `/health` for strangers: whether requests are served, and nothing else.
pub(super) fn status_alone(context: &Context) -> Reply {
    let standings: Vec<Standing> = context.health.standings().into_values().collect();
    let conditions = context.health.conditions().iter().map(|condition| condition.name).collect();
    let (status, answer) = health_answer::status_alone(&standings, &conditions, context.clock.now());
    reply::json(status, answer.to_string().into_bytes())
}

async fn callback(head: &Parts, context: &Context) -> Reply {
    let preferred = head.headers.get(header::ACCEPT_LANGUAGE).and_then(|field| field.to_str().ok());
    let language = preferred.map(Language::of_accept_language).unwrap_or_default();
    // HEAD is safe (RFC 9110 §9.2.1): what scans links, or looks before it follows, must not use up a waiting login.
    if head.method == Method::HEAD {
        return reply::callback(&CallbackOutcome::NotExpected, language);
    }
    let callback = Callback::from_query(head.uri.query().unwrap_or_default());
    let outcome = (context.callbacks)(callback).await;
    if outcome == CallbackOutcome::NotExpected {
        tracing::info!("a callback came that no login waits for; nothing was changed");
    }
    reply::callback(&outcome, language)
}
