//! The stream on which a server speaks by itself, up to revision 2025-11-25 (MCP, Streamable HTTP, "Listening for
//! Messages from the Server").

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Method, StatusCode};
use tokio::time::Instant;

use crate::bridge::Bridge;
use crate::bridge::call::{LONGEST_RETRY, RETRY, SHORTEST_RETRY, readable, resuming};
use crate::bridge::events::Events;
use crate::bridge::session::Session;
use crate::bridge::wire::{Answer, Content};

/// A stream that lived for so long was a good one, and the next is asked for as soon as the server wants.
const GOOD: Duration = Duration::from_secs(10);
/// The longest pause between two tries of our own.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// How a stream went.
enum Went {
    /// The server has none, or nobody wants it.
    Never,
    /// It ended, or broke; this long it lived.
    Ended(Duration),
    /// Another session has taken the place of its own.
    Replaced,
    /// It may come another time.
    NotNow,
}

impl Bridge {
    /// Listens for as long as the server lets us.
    pub(super) async fn listen(self: Arc<Self>) {
        let mut events = Events::default();
        let mut pause = RETRY;
        loop {
            let session = self.session.now();
            let went = self.listen_once(&session, &mut events).await;
            let asked_for = events.retry().map(|retry| retry.clamp(SHORTEST_RETRY, LONGEST_RETRY));
            let least = asked_for.unwrap_or(RETRY);
            match went {
                Went::Never => return,
                Went::Replaced => {
                    (events, pause) = (Events::default(), RETRY);
                    continue;
                }
                Went::Ended(lived) if lived >= GOOD => pause = least,
                Went::Ended(_) | Went::NotNow => pause = (pause * 2).min(LONGEST_PAUSE),
            }
            tokio::time::sleep(if matches!(went, Went::Ended(_)) { asked_for.unwrap_or(pause) } else { pause }).await;
        }
    }

    async fn listen_once(self: &Arc<Self>, session: &Session, events: &mut Events) -> Went {
        let mut changes = self.session.changes();
        if *changes.borrow_and_update() != session.number {
            return Went::Replaced;
        }
        let headers = resuming(session, events.last_id());
        let response = match self.wire.send(Method::GET, &self.path, headers, Bytes::new()).await {
            Ok(response) => response,
            Err(_) => return Went::NotNow,
        };
        let status = response.status();
        if status == StatusCode::NOT_FOUND && session.id.is_some() {
            return match self.renew(session.number).await {
                Ok(()) => Went::Replaced,
                Err(_) => Went::NotNow,
            };
        }
        if status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS {
            return Went::NotNow;
        }
        if !status.is_success() || Content::of(&response) != Content::Events {
            tracing::debug!("the server has no stream of its own: {status}");
            return Went::Never;
        }
        let began = Instant::now();
        let known = Events::resumed(events.last_id().map(<[u8]>::to_vec), events.retry());
        let Ok(mut answer) = Answer::of(response, known, &self.room) else { return Went::Never };
        let went = loop {
            let part = tokio::select! {
                part = answer.next() => part,
                _ = changes.changed() => break Went::Replaced,
            };
            match part {
                Ok(Some(part)) if readable(&part).is_some() => self.pass_on(part.held).await,
                Ok(Some(_)) => {}
                Ok(None) | Err(_) => break Went::Ended(began.elapsed()),
            }
        };
        *events = Events::resumed(answer.events().last_id().map(<[u8]>::to_vec), answer.events().retry());
        went
    }
}
