//! One line of the client on its way to the server, and what comes back: requests, notifications and answers.

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::header::{HeaderMap, HeaderName, HeaderValue};
use http::{Method, Response, StatusCode};

use crate::bridge::Bridge;
use crate::bridge::events::Events;
use crate::bridge::failure::Failure;
use crate::bridge::message::{self, Id, Messages};
use crate::bridge::session::{SESSION_ID, Session};
use crate::bridge::wire::{Answer, Content, Part};
use crate::net::pool::Incoming;

const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");
/// How long to wait before a stream is asked for again, where the server does not say; the least and the most.
pub(super) const RETRY: Duration = Duration::from_secs(1);
pub(super) const SHORTEST_RETRY: Duration = Duration::from_millis(50);
pub(super) const LONGEST_RETRY: Duration = Duration::from_secs(60);
/// How often a stream is asked for again in vain.
const MOST_RESUMES: u32 = 8;
/// How long the rest of an answer may take in which everything was answered: its connection can then be used again.
const REST: Duration = Duration::from_secs(1);

/// A line and what is in it.
pub(super) struct Asked {
    pub(super) text: Bytes,
    pub(super) messages: Messages,
    /// The client wants no answer any more.
    pub(super) cancelled: Arc<AtomicBool>,
}

impl Asked {
    /// The method, if it is one message.
    pub(super) fn method(&self) -> &str {
        self.messages.only().map_or("", |message| &message.method)
    }

    /// True for the request that begins a session.
    pub(super) fn begins(&self) -> bool {
        self.messages.is("initialize") && !self.messages.requests().is_empty()
    }
}

impl Bridge {
    /// Has a line with requests answered. Whatever happens, each of them is.
    pub(super) async fn call(self: Arc<Self>, asked: Asked) {
        let mut wanted: HashSet<Id> = asked.messages.requests().into_iter().collect();
        if let Err(failure) = self.ask(&asked, &mut wanted).await {
            // A server that was told so need not answer (MCP 2025-11-25, cancellation).
            if asked.cancelled.load(Ordering::SeqCst) {
                tracing::debug!("{}, which was cancelled: {failure}", asked.method());
                return;
            }
            tracing::warn!("{}: {failure}", asked.method());
            for id in &wanted {
                self.say(failure.answer(id, asked.method())).await;
            }
        }
    }

    async fn ask(self: &Arc<Self>, asked: &Asked, wanted: &mut HashSet<Id>) -> Result<(), Failure> {
        if self.over_channel.load(Ordering::SeqCst) {
            return self.ask_over_channel(asked, wanted).await;
        }
        let begins = asked.begins();
        let mut renewed = false;
        loop {
            let session = if begins { Session::default() } else { self.session.now() };
            let headers = self.headers(asked, &session);
            let response = self.wire.send(Method::POST, &self.path, headers, asked.text.clone()).await?;
            let status = response.status();
            if status.is_success() {
                return self.pass_answer_on(response, asked, &session, wanted).await;
            }
            let is_lost = status == StatusCode::NOT_FOUND && session.id.is_some();
            if is_lost && asked.messages.stateless().is_none() && !renewed {
                renewed = true;
                self.renew(session.number).await?;
                continue;
            }
            let refused = Failure::read(response).await;
            // A server that is older than Streamable HTTP (MCP 2025-11-25, transports, "Backwards Compatibility").
            if begins && matches!(status.as_u16(), 400 | 404 | 405) && !refused.is_an_answer() {
                if let Err(failure) = self.open_channel().await {
                    tracing::debug!("there is no HTTP+SSE either: {failure}");
                    return Err(refused);
                }
                self.over_channel.store(true, Ordering::SeqCst);
                return self.ask_over_channel(asked, wanted).await;
            }
            return Err(refused);
        }
    }

    /// The headers of a message: those of its revision, or those of the session.
    fn headers(&self, asked: &Asked, session: &Session) -> HeaderMap {
        let mut headers = HeaderMap::new();
        match (asked.messages.only(), self.revision_of(asked)) {
            (Some(message), Some(version)) => self.marks.repeat(&mut headers, &version, message, &asked.text),
            _ => session.mark(&mut headers),
        }
        headers
    }

    /// The revision without sessions that a message is of. What does not say it itself goes with the requests before it,
    /// unless there is a session.
    fn revision_of(&self, asked: &Asked) -> Option<String> {
        let mut last = self.stateless.lock().unwrap_or_else(PoisonError::into_inner);
        match asked.messages.stateless() {
            Some(version) => {
                *last = Some(version.to_owned());
                last.clone()
            }
            None if asked.messages.requests().is_empty() && self.session.now().number == 0 => last.clone(),
            None => None,
        }
    }

    async fn pass_answer_on(
        self: &Arc<Self>,
        response: Response<Incoming>,
        asked: &Asked,
        session: &Session,
        wanted: &mut HashSet<Id>,
    ) -> Result<(), Failure> {
        let new_id = response.headers().get(SESSION_ID).cloned();
        let mut answer = Answer::of(response, Events::default(), &self.room)?;
        loop {
            let ended = self.pass_parts_on(&mut answer, asked, new_id.as_ref(), wanted).await;
            if wanted.is_empty() {
                return Ok(());
            }
            match ended {
                Ok(()) | Err(Failure::Broken(_)) => {}
                Err(failure) => return Err(failure),
            }
            let events = answer.events();
            let can_resume = events.last_id().is_some() && asked.messages.stateless().is_none();
            if !can_resume {
                return Err(ended.err().unwrap_or(Failure::NoAnswer));
            }
            let session =
                if asked.begins() { Session { id: new_id.clone(), ..Session::default() } } else { session.clone() };
            answer = self.resume(events, &session).await?;
        }
    }

    /// Asks for the rest of a stream (MCP 2025-11-25, transports, "Resumability and Redelivery").
    async fn resume(&self, events: &Events, session: &Session) -> Result<Answer, Failure> {
        let (last_id, retry) = (events.last_id().map(<[u8]>::to_vec), events.retry());
        let mut pause = retry.unwrap_or(RETRY).clamp(SHORTEST_RETRY, LONGEST_RETRY);
        for _ in 0..MOST_RESUMES {
            tokio::time::sleep(pause).await;
            let headers = resuming(session, last_id.as_deref());
            let response = self.wire.send(Method::GET, &self.path, headers, Bytes::new()).await?;
            let status = response.status();
            if status.is_success() && Content::of(&response) == Content::Events {
                return Answer::of(response, Events::resumed(last_id, retry), &self.room);
            }
            if !status.is_server_error() && status != StatusCode::TOO_MANY_REQUESTS {
                return Err(Failure::Broken(format!("its stream cannot be resumed: {status}")));
            }
            pause = (pause * 2).min(LONGEST_RETRY);
        }
        Err(Failure::Broken("its stream could not be resumed".to_owned()))
    }

    async fn pass_parts_on(
        &self,
        answer: &mut Answer,
        asked: &Asked,
        session_id: Option<&HeaderValue>,
        wanted: &mut HashSet<Id>,
    ) -> Result<(), Failure> {
        while !wanted.is_empty() {
            let Some(part) = answer.next().await? else { return Ok(()) };
            self.pass_part_on(part, asked, session_id, wanted).await;
        }
        let rest = async {
            while let Ok(Some(part)) = answer.next().await {
                self.pass_part_on(part, asked, session_id, wanted).await;
            }
        };
        // What goes on longer is not waited for.
        let _ = tokio::time::timeout(REST, rest).await;
        Ok(())
    }

    async fn pass_part_on(
        &self,
        part: Part,
        asked: &Asked,
        session_id: Option<&HeaderValue>,
        wanted: &mut HashSet<Id>,
    ) {
        let Some(messages) = readable(&part) else { return };
        for id in messages.answers() {
            if !wanted.remove(id) {
                continue;
            }
            match asked.method() {
                "initialize" => {
                    if let Some(version) = message::agreed_version(&part.held.text) {
                        self.session.begin(session_id.cloned(), version, asked.text.clone());
                    }
                }
                "logging/setLevel" | "resources/subscribe" | "resources/unsubscribe" => self.note(asked),
                "tools/list" if asked.messages.stateless().is_some() => self.marks.learn(&part.held.text),
                _ => {}
            }
        }
        self.pass_on(part.held).await;
    }

    /// Remembers what holds for as long as the session.
    pub(super) fn note(&self, asked: &Asked) {
        if let Some(message) = asked.messages.only().filter(|message| message.stateless.is_none()) {
            self.session.note(message, &asked.text);
        }
    }

    /// Delivers a line without requests.
    ///
    /// # Errors
    /// When the server did not take it.
    pub(super) async fn tell(self: &Arc<Self>, asked: &Asked) -> Result<(), Failure> {
        if self.over_channel.load(Ordering::SeqCst) {
            return self.tell_over_channel(asked).await;
        }
        let mut renewed = false;
        loop {
            let session = self.session.now();
            let headers = self.headers(asked, &session);
            let response = self.wire.send(Method::POST, &self.path, headers, asked.text.clone()).await?;
            let status = response.status();
            if status.is_success() {
                return Ok(());
            }
            // An answer belongs to a question of the session that is gone.
            let is_answer = asked.messages.answers().next().is_some();
            if status == StatusCode::NOT_FOUND && session.id.is_some() && !renewed && !is_answer {
                renewed = true;
                self.renew(session.number).await?;
                continue;
            }
            return Err(Failure::read(response).await);
        }
    }
}

/// The headers of a request for a stream, or for the rest of one.
pub(super) fn resuming(session: &Session, last_id: Option<&[u8]>) -> HeaderMap {
    let mut headers = HeaderMap::new();
    session.mark(&mut headers);
    if let Some(id) = last_id.and_then(|id| HeaderValue::from_bytes(id).ok()) {
        headers.insert(LAST_EVENT_ID, id);
    }
    headers
}

/// The messages of a part, if it has any. Nothing else may come to standard output.
pub(super) fn readable(part: &Part) -> Option<Messages> {
    if part.kind != "message" {
        return None;
    }
    let messages = Messages::read(&part.held.text);
    if let Err(fault) = &messages {
        tracing::warn!("the server sent what is no message ({fault:?}); it is left out");
    }
    messages.ok()
}
