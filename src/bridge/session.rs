//! The session at the server, up to revision 2025-11-25: what its requests carry, and how it is begun anew when the
//! server has ended it (MCP, Streamable HTTP, "Session Management").

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::header::{HeaderMap, HeaderName, HeaderValue};
use http::{Method, StatusCode};
use tokio::sync::watch;

use crate::bridge::Bridge;
use crate::bridge::events::Events;
use crate::bridge::failure::Failure;
use crate::bridge::message::{self, Message, Messages};
use crate::bridge::wire::Answer;

pub(super) const SESSION_ID: HeaderName = HeaderName::from_static("mcp-session-id");
/// How many subscriptions are made again in a new session.
const MOST_SET: usize = 256;
/// How long each of them may take.
const PATIENCE: Duration = Duration::from_secs(10);
const VERSION: HeaderName = HeaderName::from_static("mcp-protocol-version");

/// A session as it is at one moment.
#[derive(Debug, Clone, Default)]
pub(super) struct Session {
    /// Counts the sessions; 0 before the first.
    pub(super) number: u64,
    /// The server's name for it; `None` if it has no sessions.
    pub(super) id: Option<HeaderValue>,
    /// The revision that was agreed on.
    pub(super) version: Option<String>,
    /// What the client began it with.
    pub(super) initialize: Option<Bytes>,
    /// What the client said when it had begun.
    pub(super) initialized: Option<Bytes>,
    /// What the client has set in it since then, by what it is about: a new one has to be told again.
    pub(super) set: Vec<(String, Bytes)>,
}

/// The session in force.
#[derive(Debug)]
pub(super) struct Current {
    session: Mutex<Session>,
    number: watch::Sender<u64>,
    /// One begins it anew, the others wait for that.
    renewing: tokio::sync::Mutex<()>,
}

impl Session {
    /// Adds what every request of the session carries.
    pub(super) fn mark(&self, headers: &mut HeaderMap) {
        if let Some(id) = &self.id {
            headers.insert(SESSION_ID, id.clone());
        }
        if let Some(version) = self.version.as_ref().and_then(|version| HeaderValue::from_str(version).ok()) {
            headers.insert(VERSION, version);
        }
    }
}

impl Current {
    pub(super) fn new() -> Self {
        Self { session: Mutex::default(), number: watch::Sender::new(0), renewing: tokio::sync::Mutex::new(()) }
    }

    fn lock(&self) -> MutexGuard<'_, Session> {
        self.session.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The session as it is now.
    pub(super) fn now(&self) -> Session {
        self.lock().clone()
    }

    /// Tells when another session takes its place.
    pub(super) fn changes(&self) -> watch::Receiver<u64> {
        self.number.subscribe()
    }

    /// The client has begun a session.
    pub(super) fn begin(&self, id: Option<HeaderValue>, version: String, initialize: Bytes) {
        let mut session = self.lock();
        let number = session.number + 1;
        *session = Session { number, id, version: Some(version), initialize: Some(initialize), ..Session::default() };
        self.number.send_replace(number);
    }

    /// The client has said that it knows of it.
    pub(super) fn confirm(&self, initialized: Bytes) {
        self.lock().initialized = Some(initialized);
    }

    /// The server has taken a message; some of them hold for as long as the session.
    pub(super) fn note(&self, message: &Message, text: &Bytes) {
        let about = match message.method.as_str() {
            "logging/setLevel" => String::new(),
            "resources/subscribe" | "resources/unsubscribe" => message.name.clone().unwrap_or_default(),
            _ => return,
        };
        let mut session = self.lock();
        session.set.retain(|(what, _)| *what != about);
        if message.method != "resources/unsubscribe" && session.set.len() < MOST_SET {
            session.set.push((about, text.clone()));
        }
    }

    /// Another session of the server, and all else as it was.
    fn replace(&self, id: Option<HeaderValue>) {
        let mut session = self.lock();
        (session.number, session.id) = (session.number + 1, id);
        self.number.send_replace(session.number);
    }
}

impl Bridge {
    /// Begins the session number `lost` anew, unless somebody else has. The client hears nothing of it: what it agreed on
    /// with the server holds again.
    ///
    /// # Errors
    /// When the server does not begin one, or not one like it.
    pub(super) async fn renew(self: &Arc<Self>, lost: u64) -> Result<(), Failure> {
        let _alone = self.session.renewing.lock().await;
        let session = self.session.now();
        if session.number != lost {
            return Ok(());
        }
        let failed = |why: &dyn std::fmt::Display| Failure::SessionLost(why.to_string());
        let Some(initialize) = session.initialize.clone() else { return Err(failed(&"none had begun")) };
        let (id, agreed) = self.initialize(initialize).await?;
        if Some(&agreed) != session.version.as_ref() {
            return Err(failed(&format!("the server now speaks the revision {agreed}")));
        }
        if let Some(initialized) = session.initialized.clone() {
            let mut headers = HeaderMap::new();
            Session { id: id.clone(), ..session.clone() }.mark(&mut headers);
            let response = self.wire.send(Method::POST, &self.path, headers, initialized).await?;
            if !response.status().is_success() {
                return Err(failed(&Failure::read(response).await));
            }
        }
        for (_, text) in &session.set {
            let mut headers = HeaderMap::new();
            Session { id: id.clone(), ..session.clone() }.mark(&mut headers);
            if tokio::time::timeout(PATIENCE, self.ask_for_ourselves(headers, text.clone())).await.is_err() {
                tracing::debug!("what the client had set is not set again in time");
            }
        }
        self.session.replace(id);
        tracing::info!("the server had ended the session; a new one has begun");
        Ok(())
    }

    /// Sends a request whose answer nobody waits for but us.
    async fn ask_for_ourselves(&self, headers: HeaderMap, text: Bytes) {
        let Ok(response) = self.wire.send(Method::POST, &self.path, headers, text).await else { return };
        let Ok(mut answer) = Answer::of(response, Events::default(), &self.room) else { return };
        while let Ok(Some(_)) = answer.next().await {}
    }

    /// Asks for a session with what the client said; answers its id and revision.
    async fn initialize(&self, text: Bytes) -> Result<(Option<HeaderValue>, String), Failure> {
        let failed = |why: &dyn std::fmt::Display| Failure::SessionLost(why.to_string());
        let asked = Messages::read(&text).ok().and_then(|messages| messages.requests().pop());
        let Some(asked) = asked else { return Err(failed(&"its beginning is not known")) };
        let response = self.wire.send(Method::POST, &self.path, HeaderMap::new(), text).await?;
        if response.status() != StatusCode::OK {
            return Err(failed(&Failure::read(response).await));
        }
        let id = response.headers().get(SESSION_ID).cloned();
        let mut answer = Answer::of(response, Events::default(), &self.room)?;
        while let Some(part) = answer.next().await? {
            let is_it = |messages: Messages| messages.answers().any(|id| *id == asked);
            if Messages::read(&part.held.text).is_ok_and(is_it) {
                let agreed = message::agreed_version(&part.held.text);
                return agreed.map(|version| (id, version)).ok_or_else(|| failed(&"the server refuses it"));
            }
        }
        Err(Failure::NoAnswer)
    }

    /// Tells the server that the session is over, if there is one.
    pub(super) async fn end_session(&self) {
        let session = self.session.now();
        if session.id.is_none() {
            return;
        }
        let mut headers = HeaderMap::new();
        session.mark(&mut headers);
        // 405 says that clients cannot end sessions at this server.
        match self.wire.send(Method::DELETE, &self.path, headers, Bytes::new()).await {
            Ok(response) => tracing::debug!("the end of the session is answered {}", response.status()),
            Err(failure) => tracing::debug!("the end of the session was not told: {failure}"),
        }
    }
}
