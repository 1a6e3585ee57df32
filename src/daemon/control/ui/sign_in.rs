//! `POST /ui/login` and `/ui/paste`: signing in from the page. The daemon itself goes through with it, for the browser
//! leaves the page meanwhile; how it ended is said on the page.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt;
use http::StatusCode;
use subtle::ConstantTimeEq;
use tokio::sync::{mpsc, oneshot};

use crate::daemon::control::Context;
use crate::daemon::control::answer::{Refusal, prepared};
use crate::daemon::control::login;
use crate::daemon::control::protocol::{LoginEvent, LoginRequest};
use crate::daemon::control::rights::Caller;
use crate::daemon::control::ui::language_of;
use crate::daemon::control::ui::view::Said;
use crate::model::language::Language;
use crate::model::secret::Secret;
use crate::phrase::ui;

/// How long a person may take to sign in.
pub(super) const LONGEST: Duration = Duration::from_secs(15 * 60);

/// What a form of the page holds.
pub(super) struct Form(Vec<(String, Secret)>);

impl Form {
    /// Reads a form (WHATWG URL Standard §5.1).
    pub(super) fn read(body: &Bytes) -> Self {
        let fields = url::form_urlencoded::parse(body);
        Self(fields.map(|(name, value)| (name.into_owned(), Secret::new(value))).collect())
    }

    /// A field that is there and not empty.
    fn get(&self, name: &str) -> Option<&str> {
        let found = self.0.iter().find(|(own, _)| own == name);
        found.map(|(_, value)| value.expose()).filter(|value| !value.is_empty())
    }

    /// The language of the page that it came from.
    pub(super) fn language(&self) -> Option<Language> {
        language_of(self.get("lang")?)
    }

    /// True if the page that it came from was made by this daemon, for somebody who may sign in.
    pub(super) fn is_ours(&self, context: &Context) -> bool {
        let (Some(own), Some(key)) = (context.ui.form_key(), self.get("key")) else { return false };
        own.expose().as_bytes().ct_eq(key.as_bytes()).into()
    }

    fn request(&self) -> Result<LoginRequest, Refusal> {
        let bad = |what: &str| Refusal::new(StatusCode::BAD_REQUEST, format!("the form's {what} is not understood"));
        let application = self.get("application").map(serde_json::from_str).transpose();
        let user = self.get("user").map(str::parse).transpose();
        Ok(LoginRequest {
            upstream: self.get("upstream").map(str::to_owned),
            application: application.map_err(|_| bad("application"))?,
            user: user.map_err(|_| bad("user"))?,
        })
    }
}

/// Begins a login and answers where the person signs in; or why it could not begin, which the page says too.
pub(super) async fn begin(context: Arc<Context>, caller: &Caller, form: &Form) -> Result<Option<String>, Refusal> {
    let (sign_in, app, user) = prepared(&context, caller, form.request()?)?;
    let (events, received) = mpsc::channel(4);
    let course = login::course(context.clone(), sign_in, app, user, events);
    let (begun, beginning) = oneshot::channel();
    let follower = context.clone();
    context.ui.go_through_with(async move {
        let events = login::driven(course, received);
        if tokio::time::timeout(LONGEST, follow(&follower, Box::pin(events), begun)).await.is_err() {
            follower.ui.say(Said::TooLate, follower.clock.now().wall);
        }
    });
    Ok(beginning.await.ok())
}

/// Hears how a login goes, to its end.
async fn follow(
    context: &Context,
    mut events: impl futures_util::Stream<Item = LoginEvent> + Unpin,
    begun: oneshot::Sender<String>,
) {
    let mut begun = Some(begun);
    while let Some(event) = events.next().await {
        let said = match event {
            LoginEvent::Waiting { url, .. } => {
                context.ui.touch();
                // The browser may have gone away.
                let _ = begun.take().map(|begun| begun.send(url));
                continue;
            }
            LoginEvent::Done { upstream, not_saved, .. } => Said::SignedIn { upstream, not_saved },
            LoginEvent::Failed { reason, .. } => Said::Failed { reason },
            LoginEvent::Other => continue,
        };
        context.ui.say(said, context.clock.now().wall);
    }
}

/// Hands over what a person pasted. What is wrong with it is said on the page.
pub(super) async fn paste(context: &Context, form: &Form) {
    let id = form.get("id").and_then(|id| id.parse().ok()).unwrap_or_default();
    let text = Secret::new(form.get("text").unwrap_or_default());
    if let Err(error) = context.waiting.paste(id, text).await {
        context.ui.say(Said::NotTaken { reason: error.to_string() }, context.clock.now().wall);
    }
}

/// A form that is not ours.
pub(super) fn stale(language: Language) -> Refusal {
    Refusal::new(StatusCode::FORBIDDEN, ui::STALE_FORM.text(language))
}
