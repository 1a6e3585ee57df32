//! Runs a bridge: hands out the lines of the client, keeps their order where it matters, and ends in order.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use tokio::io::AsyncWrite;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::bridge::call::Asked;
use crate::bridge::failure::{Failure, INVALID_REQUEST, PARSE_ERROR};
use crate::bridge::lines::{Line, Lines};
use crate::bridge::message::{self, Fault, Id, Messages};
use crate::bridge::room::{Held, LONGEST_MESSAGE};
use crate::bridge::{Bridge, Target, outlet};

/// The most requests at once.
const MOST_CALLS: usize = 512;
/// Notifications and answers that may wait to be delivered.
const MOST_NOTES: usize = 64;
/// How long calls under way may take once the client has said all.
const LAST_CALLS: Duration = Duration::from_secs(60);
/// How long the end of the session may take to be told, and the last messages to be read.
const FAREWELL: Duration = Duration::from_secs(2);
/// How long a call goes on that the client has cancelled: the server may still say something.
const CANCELLED: Duration = Duration::from_secs(30);

/// A line without requests, on its way.
struct Note {
    asked: Asked,
    _held: Held,
    done: Option<oneshot::Sender<()>>,
}

/// A request that is under way.
struct UnderWay {
    serial: u64,
    stop: CancellationToken,
    stateless: bool,
    /// The client has cancelled it.
    cancelled: Arc<AtomicBool>,
    /// It goes on until it is cancelled, and nobody waits for its answer.
    endless: bool,
}

/// What the client said, and whom it goes to.
struct Steward {
    bridge: Arc<Bridge>,
    calls: JoinSet<Vec<(Id, u64)>>,
    under_way: HashMap<Id, UnderWay>,
    serial: u64,
    notes: mpsc::Sender<Note>,
    /// Told when all notes are delivered.
    delivered: Option<oneshot::Receiver<()>>,
    listens: bool,
}

/// Bridges until the client has said all, reads no longer, or `stop`. `pieces` is what the client says. If there is no
/// target, every request is answered with the reason. Answers whether there was one.
pub async fn run(
    target: Result<Target, String>,
    pieces: mpsc::Receiver<Bytes>,
    output: impl AsyncWrite + Unpin + Send + 'static,
    stop: CancellationToken,
) -> bool {
    let (out, messages) = mpsc::channel(outlet::WAITING);
    let gone = CancellationToken::new();
    let mut writer = JoinSet::new();
    let unread = gone.clone();
    writer.spawn(async move {
        outlet::write(output, messages).await;
        unread.cancel();
    });
    let lines = Lines::new(pieces, LONGEST_MESSAGE);
    let ended = async {
        tokio::select! {
            () = gone.cancelled() => {}
            () = stop.cancelled() => {}
        }
    };
    let bridge = target.and_then(|target| Bridge::new(&target, out.clone()).map(Arc::new));
    let found = match bridge {
        Ok(bridge) => {
            drop(out);
            serve(bridge, lines, ended).await;
            true
        }
        Err(why) => {
            tracing::error!("{why}");
            let failure = Failure::Nowhere(why);
            tokio::select! {
                () = refuse_all(lines, out, &failure) => {}
                () = ended => {}
            }
            false
        }
    };
    let _ = tokio::time::timeout(FAREWELL, writer.join_next()).await;
    found
}

/// Answers every request with the reason why nothing can be asked.
async fn refuse_all(mut lines: Lines, out: mpsc::Sender<Held>, why: &Failure) {
    while let Some(line) = lines.next().await {
        let Line::Text(text) = line else { continue };
        let Ok(messages) = Messages::read(&text) else { continue };
        for id in messages.requests() {
            if out.send(Held::small(why.answer(&id, ""))).await.is_err() {
                return;
            }
        }
    }
}

async fn serve(bridge: Arc<Bridge>, mut lines: Lines, ended: impl Future<Output = ()>) {
    let (notes, waiting) = mpsc::channel(MOST_NOTES);
    let (done, delivered) = oneshot::channel();
    let deliverer = bridge.clone();
    bridge.spawn(async move {
        deliver(deliverer, waiting).await;
        let _ = done.send(());
    });
    let mut steward = Steward {
        bridge: bridge.clone(),
        calls: JoinSet::new(),
        under_way: HashMap::new(),
        serial: 0,
        notes,
        delivered: Some(delivered),
        listens: false,
    };
    tokio::pin!(ended);
    let said_all = tokio::select! {
        () = steward.take_all(&mut lines) => true,
        () = &mut ended => false,
    };
    if said_all {
        tokio::select! {
            done = tokio::time::timeout(LAST_CALLS, steward.finish()) => {
                if done.is_err() {
                    tracing::warn!("the client has said all, and {} calls have no answer yet; they are given up", steward.calls.len());
                }
            }
            () = &mut ended => {}
        }
    }
    let Steward { mut calls, .. } = steward;
    calls.shutdown().await;
    if tokio::time::timeout(FAREWELL, bridge.end_session()).await.is_err() {
        tracing::debug!("the end of the session was not told in time");
    }
    let mut tasks = std::mem::take(&mut *bridge.tasks.lock().unwrap_or_else(PoisonError::into_inner));
    tasks.shutdown().await;
}

/// Delivers what waits for no answer, in its order.
async fn deliver(bridge: Arc<Bridge>, mut notes: mpsc::Receiver<Note>) {
    while let Some(Note { asked, _held, done }) = notes.recv().await {
        if let Err(failure) = bridge.tell(&asked).await {
            tracing::warn!(
                "{} was not delivered: {failure}",
                if asked.method().is_empty() { "an answer" } else { asked.method() }
            );
        }
        if let Some(done) = done {
            let _ = done.send(());
        }
    }
}

impl Steward {
    async fn take_all(&mut self, lines: &mut Lines) {
        while let Some(line) = lines.next().await {
            match line {
                Line::Text(text) => self.take(text).await,
                Line::TooLong => {
                    let why = format!("the message is longer than {} MiB", LONGEST_MESSAGE >> 20);
                    self.bridge.say(message::error(None, INVALID_REQUEST, &why)).await;
                }
            }
        }
    }

    async fn take(&mut self, text: Bytes) {
        self.tidy();
        let messages = match Messages::read(&text) {
            Ok(messages) => messages,
            Err(fault) => {
                let (code, why) = match fault {
                    Fault::Parse => (PARSE_ERROR, "Parse error: the line is no JSON"),
                    Fault::Invalid => (INVALID_REQUEST, "Invalid Request: the line is no JSON-RPC message"),
                };
                return self.bridge.say(message::error(None, code, why)).await;
            }
        };
        let asked = Asked { text: text.clone(), messages, cancelled: Arc::default() };
        let requests = asked.messages.requests();
        let held = match self.bridge.room.hold(text).await {
            Ok(held) if requests.is_empty() || self.calls.len() < MOST_CALLS => held,
            _ => return self.refuse(&asked, &requests).await,
        };
        match requests.is_empty() {
            true => self.note(asked, held).await,
            false => self.call(asked, held, requests).await,
        }
    }

    async fn refuse(&self, asked: &Asked, requests: &[Id]) {
        for id in requests {
            self.bridge.say(Failure::NoRoom.answer(id, asked.method())).await;
        }
    }

    /// Forgets the calls that have ended.
    fn tidy(&mut self) {
        while let Some(ended) = self.calls.try_join_next() {
            for (id, serial) in ended.unwrap_or_default() {
                if self.under_way.get(&id).is_some_and(|call| call.serial == serial) {
                    self.under_way.remove(&id);
                }
            }
        }
    }

    async fn call(&mut self, asked: Asked, held: Held, requests: Vec<Id>) {
        let stop = CancellationToken::new();
        let mut ids = Vec::new();
        for id in requests {
            self.serial += 1;
            let call = UnderWay {
                serial: self.serial,
                stop: stop.clone(),
                stateless: asked.messages.stateless().is_some(),
                cancelled: asked.cancelled.clone(),
                endless: asked.method() == "subscriptions/listen",
            };
            self.under_way.insert(id.clone(), call);
            ids.push((id, self.serial));
        }
        let (bridge, begins) = (self.bridge.clone(), asked.begins());
        let answered = async move {
            let _held = held;
            tokio::select! {
                () = bridge.clone().call(asked) => {}
                () = stop.cancelled() => bridge.channel.forget(ids.iter().map(|(id, _)| id)),
            }
            ids
        };
        // What comes behind belongs to the session that this begins.
        match begins {
            true => {
                answered.await;
            }
            false => {
                self.calls.spawn(answered);
            }
        }
    }

    async fn note(&mut self, asked: Asked, held: Held) {
        if let Some(id) = asked.messages.only().and_then(|message| message.cancels.clone())
            && let Some(call) = self.under_way.get(&id)
        {
            // Without sessions, the end of the response is what tells the server (MCP 2026-07-28, cancellation).
            if call.stateless {
                return call.stop.cancel();
            }
            call.cancelled.store(true, Ordering::SeqCst);
            let stop = call.stop.clone();
            self.bridge.spawn(async move {
                tokio::time::sleep(CANCELLED).await;
                stop.cancel();
            });
        }
        let confirms = asked.messages.is("notifications/initialized") && asked.messages.stateless().is_none();
        if !confirms {
            let _ = self.notes.send(Note { asked, _held: held, done: None }).await;
            return;
        }
        self.bridge.session.confirm(asked.text.clone());
        let (done, told) = oneshot::channel();
        // Requests behind it are for a server that knows of it.
        if self.notes.send(Note { asked, _held: held, done: Some(done) }).await.is_ok() {
            let _ = told.await;
        }
        let is_over_channel = self.bridge.over_channel.load(Ordering::SeqCst);
        if !is_over_channel && !std::mem::replace(&mut self.listens, true) {
            self.bridge.spawn(self.bridge.clone().listen());
        }
    }

    /// Waits until everything that was said is delivered, and answered where there will be an answer.
    async fn finish(&mut self) {
        let has_no_answer = |call: &&UnderWay| call.endless || call.cancelled.load(Ordering::SeqCst);
        for call in self.under_way.values().filter(has_no_answer) {
            call.stop.cancel();
        }
        while self.calls.join_next().await.is_some() {}
        // What waits for no answer is delivered by a task that ends when it has nothing more to wait for.
        let (nobody, _) = mpsc::channel(1);
        drop(std::mem::replace(&mut self.notes, nobody));
        if let Some(delivered) = self.delivered.take() {
            let _ = delivered.await;
        }
    }
}
