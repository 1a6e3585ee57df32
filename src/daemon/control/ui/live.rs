//! `GET /ui/events`: the parts of the page that have changed, as server-sent events (HTML Living Standard §9.2).

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::{Stream, stream};
use http_body::Frame;
use serde_json::json;
use tokio::sync::{OwnedSemaphorePermit, watch};
use tokio::time::sleep;

use crate::daemon::control::Context;
use crate::daemon::control::rights::Caller;
use crate::daemon::control::ui::parts;
use crate::daemon::control::ui::view::View;
use crate::model::language::Language;

/// How long what was said may grow old: what is told by the clock, and what nobody announces.
const TICK: Duration = Duration::from_secs(5);
/// How long to gather changes before they are sent: a busy daemon has many a second.
const GATHER: Duration = Duration::from_millis(500);

/// One browser that looks on.
struct Onlooker {
    context: Arc<Context>,
    caller: Caller,
    language: Language,
    /// What it knows: the version of each part.
    known: BTreeMap<&'static str, String>,
    health: watch::Receiver<u64>,
    ended: watch::Receiver<u64>,
    done: watch::Receiver<u64>,
    is_new: bool,
    /// Its place.
    _permit: OwnedSemaphorePermit,
}

/// The events, until the daemon stops or the browser leaves.
pub(super) fn events(
    context: Arc<Context>,
    caller: Caller,
    language: Language,
    permit: OwnedSemaphorePermit,
) -> impl Stream<Item = Result<Frame<Bytes>, Infallible>> + Send + 'static {
    let onlooker = Onlooker {
        health: context.health.changes(),
        ended: context.traffic.ended(),
        done: context.ui.changes(),
        context,
        caller,
        language,
        known: BTreeMap::new(),
        is_new: true,
        _permit: permit,
    };
    stream::unfold(onlooker, |mut onlooker| async move {
        let text = onlooker.next().await?;
        Some((Ok(Frame::data(Bytes::from(text))), onlooker))
    })
}

impl Onlooker {
    /// What there is to say next; `None` once the daemon stops.
    async fn next(&mut self) -> Option<String> {
        let stop = self.context.stop.clone();
        if self.is_new {
            self.is_new = false;
        } else {
            tokio::select! {
                () = stop.cancelled() => return None,
                () = changed(&mut self.health) => {}
                () = changed(&mut self.ended) => {}
                () = changed(&mut self.done) => {}
                () = sleep(TICK) => {}
            }
            tokio::select! {
                () = stop.cancelled() => return None,
                () = sleep(GATHER) => {}
            }
        }
        // What changes from now on is for the next time.
        self.health.mark_unchanged();
        self.ended.mark_unchanged();
        self.done.mark_unchanged();
        Some(self.changes())
    }

    fn changes(&mut self) -> String {
        let view = View::of(&self.context, &self.caller, self.language);
        let mut text = String::new();
        for part in parts::all(&view) {
            let version = part.version();
            if self.known.get(part.id) != Some(&version) {
                let data = json!({"id": part.id, "version": version, "html": part.html});
                text += &format!("event: part\ndata: {data}\n\n");
                self.known.insert(part.id, version);
            }
        }
        // Said all the same, so that a browser that is gone is found out.
        if text.is_empty() { ":\n\n".to_owned() } else { text }
    }
}

/// Waits for a new value; for ever if there will be none.
async fn changed(receiver: &mut watch::Receiver<u64>) {
    if receiver.changed().await.is_err() {
        std::future::pending().await
    }
}
