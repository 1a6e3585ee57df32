//! `POST /login`: the course of a sign-in, told line by line to the one who asked; and what a person pastes meanwhile.

use std::sync::{Arc, Mutex, PoisonError};

use futures_util::{Stream, stream};
use tokio::sync::{mpsc, oneshot};

use crate::alibaba::oauth_app::OauthApp;
use crate::auth::flow::PasteError;
use crate::auth::keeper::Stopping;
use crate::daemon::control::Context;
use crate::daemon::control::protocol::LoginEvent;
use crate::daemon::obstacle::Obstacle;
use crate::daemon::sign_in::{Begun, SignIn, SignInError, SignedIn};
use crate::model::secret::Secret;

/// The login that waits, as those see it who bring what a person pasted. Only one does: a newer one takes its place, as
/// at the [`Desk`](crate::auth::flow::Desk).
#[derive(Default)]
pub(in crate::daemon) struct Waiting(Mutex<(u64, Option<mpsc::Sender<Pasted>>)>);

struct Pasted {
    text: Secret,
    verdict: oneshot::Sender<Result<(), PasteError>>,
}

/// Why a pasted text is not taken.
#[derive(Debug, thiserror::Error)]
pub(super) enum NotTaken {
    /// There is nobody to take it.
    #[error("no such login is waiting: it has ended, or a newer one took its place")]
    NotWaiting,
    /// It is no answer to the login, which goes on waiting.
    #[error(transparent)]
    NoAnswer(#[from] PasteError),
}

impl Waiting {
    fn begin(&self) -> (u64, mpsc::Receiver<Pasted>) {
        let (sender, receiver) = mpsc::channel(1);
        let mut waiting = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *waiting = (waiting.0 + 1, Some(sender));
        (waiting.0, receiver)
    }

    /// The login that waits, if one does.
    pub(super) fn current(&self) -> Option<u64> {
        let waiting = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.1.as_ref().filter(|sender| !sender.is_closed()).map(|_| waiting.0)
    }

    /// Hands a pasted text to the login `id`.
    pub(super) async fn paste(&self, id: u64, text: Secret) -> Result<(), NotTaken> {
        let sender = {
            let waiting = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            waiting.1.clone().filter(|_| waiting.0 == id).ok_or(NotTaken::NotWaiting)?
        };
        let (verdict, verdicts) = oneshot::channel();
        sender.send(Pasted { text, verdict }).await.map_err(|_| NotTaken::NotWaiting)?;
        Ok(verdicts.await.map_err(|_| NotTaken::NotWaiting)??)
    }
}

/// What `course` sends, until it has ended. Polling the one drives the other.
pub(super) fn driven(
    course: impl Future<Output = ()> + Send + 'static,
    mut events: mpsc::Receiver<LoginEvent>,
) -> impl Stream<Item = LoginEvent> + Send + 'static {
    let mut course = Some(Box::pin(course));
    stream::poll_fn(move |context| {
        if let Some(running) = &mut course
            && running.as_mut().poll(context).is_ready()
        {
            course = None;
        }
        events.poll_recv(context)
    })
}

/// Signs in and tells `events` how it goes. Dropping it ends the login.
pub(super) async fn course(
    context: Arc<Context>,
    sign_in: SignIn,
    app: Option<OauthApp>,
    user: Option<u32>,
    events: mpsc::Sender<LoginEvent>,
) {
    let last = match signed_in(&context, &sign_in, app, &events).await {
        Ok(SignedIn { upstream, application, account, token_ends, not_saved }) => {
            tracing::info!(%upstream, application, user, "signed in");
            let person = upstream.clone();
            if let Err(error) = context.registrar.change(move |ledger| ledger.signed_in(&person, user)).await {
                tracing::warn!("who signed in is not noted, so only root and the daemon's user may use it: {error}");
            }
            let now = context.clock.now().wall;
            let valid_for = token_ends.map(|end| end.since(now).as_secs());
            LoginEvent::Done { upstream: upstream.to_string(), application, account, valid_for, not_saved }
        }
        Err(error) => {
            tracing::warn!(upstream = %sign_in.upstream(), "the sign-in did not work: {error}");
            LoginEvent::Failed { reason: error.to_string(), obstacle: Obstacle::from(&error) }
        }
    };
    // Nobody may be listening any more.
    let _ = events.send(last).await;
}

async fn signed_in(
    context: &Context,
    sign_in: &SignIn,
    app: Option<OauthApp>,
    events: &mpsc::Sender<LoginEvent>,
) -> Result<SignedIn, SignInError> {
    let begun = match app {
        Some(app) => sign_in.begin_with(app)?,
        None => tokio::select! {
            begun = sign_in.begin() => begun?,
            () = context.stop.cancelled() => return Err(Stopping.into()),
        },
    };
    let (id, pasted) = context.waiting.begin();
    let waiting = LoginEvent::Waiting {
        id,
        upstream: sign_in.upstream().to_string(),
        url: begun.authorize_url().to_owned(),
        redirect_uri: begun.redirect_uri().to_owned(),
    };
    let _ = events.send(waiting).await;
    answered(context, begun, pasted).await
}

/// Waits for the answer, through the browser or pasted, whichever comes first.
async fn answered(
    context: &Context,
    mut begun: Begun,
    mut pasted: mpsc::Receiver<Pasted>,
) -> Result<SignedIn, SignInError> {
    loop {
        tokio::select! {
            () = context.stop.cancelled() => return Err(Stopping.into()),
            delivery = begun.delivered() => return begun.finish_delivered(delivery?).await,
            Some(Pasted { text, verdict }) = pasted.recv() => match begun.pasted(text.expose()) {
                Ok(callback) => {
                    let _ = verdict.send(Ok(()));
                    return begun.finish(callback).await;
                }
                Err(error) => {
                    let _ = verdict.send(Err(error));
                }
            },
        }
    }
}
