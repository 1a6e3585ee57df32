//! Requests to the daemon, and the messages in its answers.

use std::time::Duration;

use bytes::{Buf, Bytes};
use http::header::{self, HeaderMap, HeaderValue};
use http::uri::{Authority, PathAndQuery};
use http::{Method, Request, Response, Uri};
use http_body_util::{BodyExt, Full};
use tokio::time::Instant;

use crate::bridge::Target;
use crate::bridge::events::{Event, Events};
use crate::bridge::failure::Failure;
use crate::bridge::message;
use crate::bridge::room::{Held, LONGEST_MESSAGE, Room, Share};
use crate::model::secret::Secret;
use crate::net::direct;
use crate::net::pool::{Incoming, Pool, StreamError};

/// How long one door may take to open.
const DOOR: Duration = Duration::from_secs(5);
/// How long a request waits for a daemon that is not there: a restart takes no longer.
const PATIENCE: Duration = Duration::from_secs(30);
/// The first pause between two tries, and the longest.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);
const AGENT: &str = concat!("mcp-proxy-stdio/", env!("CARGO_PKG_VERSION"));

/// The daemon, as it is reached.
pub(super) struct Wire {
    pool: Pool<Full<Bytes>>,
    authority: Authority,
    key: Option<HeaderValue>,
}

impl Wire {
    /// # Errors
    /// What cannot be in a request, in words.
    pub(super) fn new(target: &Target) -> Result<Self, String> {
        let authority = target.host.parse().map_err(|error| format!("{:?} is no host to ask: {error}", target.host))?;
        let key = target.key.as_ref().map(bearer).transpose()?;
        Ok(Self { pool: direct::through(target.doors.clone(), DOOR), authority, key })
    }

    /// The authority that requests go to.
    pub(super) fn authority(&self) -> &Authority {
        &self.authority
    }

    /// Sends a request. What was surely not processed is sent again until somebody is there, for a while.
    ///
    /// # Errors
    /// When there is no head of an answer.
    pub(super) async fn send(
        &self,
        method: Method,
        path: &PathAndQuery,
        headers: HeaderMap,
        body: Bytes,
    ) -> Result<Response<Incoming>, Failure> {
        let end = Instant::now() + PATIENCE;
        let mut pause = FIRST_PAUSE;
        loop {
            let request = self.request(&method, path, headers.clone(), body.clone())?;
            let why = match self.pool.send(request).await {
                Ok(response) => return Ok(response),
                Err(StreamError::Connect(why) | StreamError::NotProcessed(why) | StreamError::WentAway(why)) => why,
                // Nothing is done by asking for a stream, or for the end of a session, once more.
                Err(StreamError::Stale(why)) if method != Method::POST => why,
                Err(StreamError::Stale(why) | StreamError::Broken(why) | StreamError::RequestBody(why)) => {
                    return Err(Failure::Broken(why));
                }
            };
            if Instant::now() + pause > end {
                return Err(Failure::NoConnection(why));
            }
            if pause == FIRST_PAUSE {
                tracing::info!("mcp-proxy does not answer, it is tried again: {why}");
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    fn request(
        &self,
        method: &Method,
        path: &PathAndQuery,
        headers: HeaderMap,
        body: Bytes,
    ) -> Result<Request<Full<Bytes>>, Failure> {
        let uri = Uri::builder().scheme("http").authority(self.authority.clone()).path_and_query(path.clone());
        let uri = uri.build().map_err(|error| Failure::Nowhere(error.to_string()))?;
        let mut request = Request::new(Full::new(body));
        (*request.method_mut(), *request.uri_mut()) = (method.clone(), uri);
        *request.headers_mut() = headers;
        let host = HeaderValue::from_str(self.authority.as_str());
        let host = host.map_err(|error| Failure::Nowhere(error.to_string()))?;
        let headers = request.headers_mut();
        headers.insert(header::HOST, host);
        headers.insert(header::USER_AGENT, HeaderValue::from_static(AGENT));
        if let Some(key) = &self.key {
            headers.insert(header::AUTHORIZATION, key.clone());
        }
        let accept = match *method {
            Method::POST => "application/json, text/event-stream",
            _ => "text/event-stream",
        };
        headers.insert(header::ACCEPT, HeaderValue::from_static(accept));
        if *method == Method::POST {
            headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        }
        Ok(request)
    }
}

fn bearer(key: &Secret) -> Result<HeaderValue, String> {
    let mut value = HeaderValue::from_str(&format!("Bearer {}", key.expose()))
        .map_err(|_| "the client key has characters that no key has".to_owned())?;
    value.set_sensitive(true);
    Ok(value)
}

/// What a response is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Content {
    Json,
    Events,
    /// Something else, or nothing.
    Else,
}

impl Content {
    pub(super) fn of(response: &Response<Incoming>) -> Self {
        let kind = response.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
        let kind = kind.unwrap_or_default().split(';').next().unwrap_or_default().trim();
        match kind {
            kind if kind.eq_ignore_ascii_case("application/json") => Self::Json,
            kind if kind.eq_ignore_ascii_case("text/event-stream") => Self::Events,
            _ => Self::Else,
        }
    }
}

/// The messages in a response.
pub(super) struct Answer {
    body: Incoming,
    content: Content,
    events: Events,
    /// Read, and not taken apart yet.
    piece: Bytes,
    room: Room,
    share: Share,
}

/// A part of an answer: a message, or another event of a stream.
#[derive(Debug)]
pub(super) struct Part {
    /// `message`, or the type of the event.
    pub(super) kind: String,
    pub(super) held: Held,
}

impl Answer {
    /// The messages of a response; `events` is how its stream began, if it goes on with one.
    ///
    /// # Errors
    /// When it is of another kind.
    pub(super) fn of(response: Response<Incoming>, events: Events, room: &Room) -> Result<Self, Failure> {
        let content = Content::of(&response);
        if content == Content::Else {
            let kind = response.headers().get(header::CONTENT_TYPE).map(|value| format!("{value:?}"));
            return Err(kind.map_or(Failure::NoAnswer, Failure::Foreign));
        }
        let (body, piece) = (response.into_body(), Bytes::new());
        Ok(Self { body, content, events, piece, room: room.clone(), share: room.share() })
    }

    /// What the stream said of itself.
    pub(super) fn events(&self) -> &Events {
        &self.events
    }

    /// The next part; `None` at a clean end. Nothing is lost if this is not waited for to its end.
    ///
    /// # Errors
    /// When the answer breaks off or is too long.
    pub(super) async fn next(&mut self) -> Result<Option<Part>, Failure> {
        match self.content {
            Content::Events => self.next_event().await,
            Content::Json | Content::Else => self.whole().await,
        }
    }

    async fn next_event(&mut self) -> Result<Option<Part>, Failure> {
        loop {
            let mut rest = &self.piece[..];
            let event = self.events.next(&mut rest, LONGEST_MESSAGE).map_err(|_| Failure::TooLong)?;
            let taken = self.piece.len() - rest.len();
            self.piece.advance(taken);
            if let Some(Event { kind, data }) = event {
                let mut share = std::mem::replace(&mut self.share, self.room.share());
                share.grow_to(data.len())?;
                return Ok(Some(Part { kind, held: Held::new(message::on_one_line(data), share) }));
            }
            self.share.grow_to(self.events.held())?;
            match self.more().await? {
                Some(piece) => self.piece = piece,
                None => return Ok(None),
            }
        }
    }

    /// An answer that is one JSON text.
    async fn whole(&mut self) -> Result<Option<Part>, Failure> {
        let mut text = Vec::new();
        while let Some(piece) = self.more().await? {
            if text.len() + piece.len() > LONGEST_MESSAGE {
                return Err(Failure::TooLong);
            }
            self.share.grow_to(text.len() + piece.len())?;
            text.extend_from_slice(&piece);
        }
        if text.trim_ascii().is_empty() {
            return Ok(None);
        }
        let share = std::mem::replace(&mut self.share, self.room.share());
        Ok(Some(Part { kind: "message".to_owned(), held: Held::new(message::on_one_line(text), share) }))
    }

    async fn more(&mut self) -> Result<Option<Bytes>, Failure> {
        loop {
            match self.body.frame().await {
                None => return Ok(None),
                Some(Err(error)) => return Err(Failure::Broken(error.to_string())),
                Some(Ok(frame)) => {
                    if let Ok(piece) = frame.into_data()
                        && !piece.is_empty()
                    {
                        return Ok(Some(piece));
                    }
                }
            }
        }
    }
}
