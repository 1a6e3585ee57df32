//! What the listener answers itself.

use http::Uri;

use crate::model::callback::{Callback, CallbackOutcome};
use crate::observe::health::Standing;
use crate::proxy::context::Context;
use crate::proxy::health_answer;
use crate::proxy::reply::{self, Reply};
use crate::proxy::route::Local;

/// Answers.
pub(super) async fn answer(local: Local, uri: &Uri, context: &Context) -> Reply {
    match local {
        Local::Absent => reply::absent(),
        Local::NoOauthHere => reply::no_oauth_here(),
        Local::Health => health(context),
        Local::Callback => callback(uri, context).await,
    }
}

fn health(context: &Context) -> Reply {
    let standings: Vec<Standing> = context.health.standings().into_values().collect();
    let conditions = context.health.conditions().iter().map(|condition| condition.name).collect();
    let (counts, now) = (context.traffic.counts(), context.clock.now());
    let (status, answer) = health_answer::answer(&standings, &conditions, counts, context.started, now);
    reply::json(status, answer.to_string().into_bytes())
}

async fn callback(uri: &Uri, context: &Context) -> Reply {
    let callback = Callback::from_query(uri.query().unwrap_or_default());
    let outcome = (context.callbacks)(callback).await;
    if outcome == CallbackOutcome::NotExpected {
        tracing::info!("a callback came that no login waits for; nothing was changed");
    }
    reply::callback(&outcome)
}
