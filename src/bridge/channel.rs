//! HTTP+SSE, the transport of revision 2024-11-05: one stream for all that the server says, whose first event names
//! where messages go. A session lives as long as its stream.

use std::collections::{HashMap, HashSet};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::header::HeaderMap;
use http::uri::PathAndQuery;
use http::{Method, StatusCode};
use tokio::sync::oneshot;

use crate::bridge::Bridge;
use crate::bridge::call::{Asked, RETRY, readable};
use crate::bridge::events::Events;
use crate::bridge::failure::Failure;
use crate::bridge::message::{self, Id, Messages};
use crate::bridge::wire::{Answer, Content, Part};

/// How long the stream may take to name the endpoint, and a session to begin anew.
const PATIENCE: Duration = Duration::from_secs(30);
/// The longest pause between two tries to open it again.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// Who waits for an answer.
struct Waiting {
    tell: oneshot::Sender<Result<(), Failure>>,
    purpose: Purpose,
}

/// What an answer is for.
enum Purpose {
    /// The client.
    Client,
    /// The client, and it begins a session; this is what the client said.
    Begin(Bytes),
    /// Ourselves: a session is begun anew.
    Renew,
    /// Ourselves, whatever it is: something is set again in it.
    Set,
}

#[derive(Default)]
struct State {
    /// Where messages go, while there is a stream.
    endpoint: Option<PathAndQuery>,
    /// Counts the streams.
    number: u64,
    waiting: HashMap<Id, Waiting>,
}

/// The channel.
#[derive(Default)]
pub(super) struct Channel {
    state: Mutex<State>,
    /// One opens it, the others wait for that.
    opening: tokio::sync::Mutex<()>,
}

impl Channel {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait_for(&self, id: Id, purpose: Purpose) -> oneshot::Receiver<Result<(), Failure>> {
        let (tell, told) = oneshot::channel();
        self.lock().waiting.insert(id, Waiting { tell, purpose });
        told
    }

    /// Nobody waits for these any more.
    pub(super) fn forget<'a>(&self, ids: impl IntoIterator<Item = &'a Id>) {
        let mut state = self.lock();
        ids.into_iter().for_each(|id| drop(state.waiting.remove(id)));
    }

    /// The stream number `number` is over: whoever waits hears that.
    fn close(&self, number: u64, why: &Failure) {
        let mut state = self.lock();
        if state.number != number {
            return;
        }
        state.endpoint = None;
        for (_, waiting) in state.waiting.drain() {
            let _ = waiting.tell.send(Err(why.clone()));
        }
    }
}

impl Bridge {
    /// Opens the stream if it is not open; a session that had begun is begun anew.
    ///
    /// # Errors
    /// When there is none, or the session cannot be begun.
    pub(super) async fn open_channel(self: &Arc<Self>) -> Result<PathAndQuery, Failure> {
        let _alone = self.channel.opening.lock().await;
        if let Some(endpoint) = self.channel.lock().endpoint.clone() {
            return Ok(endpoint);
        }
        let response = self.wire.send(Method::GET, &self.path, HeaderMap::new(), Bytes::new()).await?;
        if !response.status().is_success() || Content::of(&response) != Content::Events {
            return Err(Failure::read(response).await);
        }
        let mut answer = Answer::of(response, Events::default(), &self.room)?;
        let late = |_| Failure::Broken("the stream did not say where messages go".to_owned());
        let endpoint = tokio::time::timeout(PATIENCE, self.endpoint(&mut answer)).await.map_err(late)??;
        let number = {
            let mut state = self.channel.lock();
            (state.endpoint, state.number) = (Some(endpoint.clone()), state.number + 1);
            state.number
        };
        self.spawn(self.clone().read_channel(answer, number));
        if let Some(initialize) = self.session.now().initialize {
            let begun = tokio::time::timeout(PATIENCE, self.begin_again(&endpoint, initialize)).await;
            let begun = begun.unwrap_or_else(|_| Err(Failure::SessionLost("the server does not answer".to_owned())));
            if let Err(failure) = begun {
                self.channel.close(number, &failure);
                return Err(failure);
            }
            tracing::info!("the stream had broken; a new session has begun");
        }
        Ok(endpoint)
    }

    /// Reads up to the event that names the endpoint, which has to be one of the daemon.
    async fn endpoint(&self, answer: &mut Answer) -> Result<PathAndQuery, Failure> {
        while let Some(part) = answer.next().await? {
            if part.kind == "endpoint" {
                return self.resolve(&part.held.text);
            }
        }
        Err(Failure::Broken("the stream ended before it said where messages go".to_owned()))
    }

    fn resolve(&self, reference: &[u8]) -> Result<PathAndQuery, Failure> {
        let base = format!("http://{}{}", self.wire.authority(), self.path);
        let base = url::Url::parse(&base).map_err(|error| Failure::Nowhere(error.to_string()))?;
        let wrong = |why: &str| Failure::Broken(format!("the stream names an endpoint that {why}"));
        let reference = std::str::from_utf8(reference).map_err(|_| wrong("is no text"))?;
        let url = base.join(reference.trim()).map_err(|_| wrong("is no address"))?;
        if url.origin() != base.origin() {
            return Err(wrong("is elsewhere"));
        }
        url[url::Position::BeforePath..url::Position::AfterQuery].parse().map_err(|_| wrong("is no path"))
    }

    /// What the client said at first, said once more on a new stream. The answer is ours.
    async fn begin_again(&self, endpoint: &PathAndQuery, initialize: Bytes) -> Result<(), Failure> {
        let lost = |why: &str| Failure::SessionLost(why.to_owned());
        let asked = Messages::read(&initialize).ok().and_then(|messages| messages.requests().pop());
        let asked = asked.ok_or_else(|| lost("its beginning is not known"))?;
        let told = self.channel.wait_for(asked, Purpose::Renew);
        self.post(endpoint, initialize).await?;
        told.await.unwrap_or_else(|_| Err(lost("the stream broke again")))?;
        let session = self.session.now();
        if let Some(initialized) = session.initialized {
            self.post(endpoint, initialized).await?;
        }
        for (_, text) in session.set {
            let asked = Messages::read(&text).ok().and_then(|messages| messages.requests().pop());
            let Some(asked) = asked else { continue };
            let told = self.channel.wait_for(asked, Purpose::Set);
            self.post(endpoint, text).await?;
            told.await.unwrap_or_else(|_| Err(lost("the stream broke again")))?;
        }
        Ok(())
    }

    async fn post(&self, endpoint: &PathAndQuery, text: Bytes) -> Result<(), Failure> {
        let response = self.wire.send(Method::POST, endpoint, HeaderMap::new(), text).await?;
        match response.status().is_success() {
            // What it says is said on the stream.
            true => Ok(()),
            false => Err(Failure::read(response).await),
        }
    }

    /// Passes on what the stream says, to its end. Not an `async fn`, because the stream that takes its place is opened here.
    fn read_channel(self: Arc<Self>, mut answer: Answer, number: u64) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        Box::pin(async move {
            let why = loop {
                match answer.next().await {
                    Ok(Some(part)) => self.pass_channel_part_on(part).await,
                    Ok(None) => break Failure::Broken("the stream ended".to_owned()),
                    Err(failure) => break failure,
                }
            };
            self.channel.close(number, &why);
            let mut pause = RETRY;
            // Without a session there is nothing to hear.
            while self.session.now().initialized.is_some() {
                tokio::time::sleep(pause).await;
                if self.open_channel().await.is_ok() {
                    return;
                }
                pause = (pause * 2).min(LONGEST_PAUSE);
            }
        })
    }

    async fn pass_channel_part_on(&self, part: Part) {
        let Some(messages) = readable(&part) else { return };
        let (mut for_client, mut told) = (true, Vec::new());
        for id in messages.answers() {
            let Some(Waiting { tell, purpose }) = self.channel.lock().waiting.remove(id) else { continue };
            let agreed = message::agreed_version(&part.held.text);
            let verdict = match (purpose, agreed) {
                (Purpose::Begin(initialize), Some(version)) => {
                    self.session.begin(None, version, initialize);
                    Ok(())
                }
                (Purpose::Renew, agreed) => {
                    for_client = false;
                    agreed.map(drop).ok_or_else(|| Failure::SessionLost("the server refuses it".to_owned()))
                }
                (Purpose::Set, _) => {
                    for_client = false;
                    Ok(())
                }
                (Purpose::Client | Purpose::Begin(_), _) => Ok(()),
            };
            told.push((tell, verdict));
        }
        if for_client {
            self.pass_on(part.held).await;
        }
        for (tell, verdict) in told {
            // The call may have ended without it.
            let _ = tell.send(verdict);
        }
    }

    /// Has a line with requests answered.
    pub(super) async fn ask_over_channel(
        self: &Arc<Self>,
        asked: &Asked,
        wanted: &mut HashSet<Id>,
    ) -> Result<(), Failure> {
        let purpose = || match asked.begins() {
            true => Purpose::Begin(asked.text.clone()),
            false => Purpose::Client,
        };
        let mut told = Vec::new();
        let ready =
            || told = wanted.iter().map(|id| (id.clone(), self.channel.wait_for(id.clone(), purpose()))).collect();
        self.deliver(asked, ready).await.inspect_err(|_| self.channel.forget(&*wanted))?;
        for (id, told) in told {
            told.await.unwrap_or(Err(Failure::NoAnswer))?;
            wanted.remove(&id);
        }
        self.note(asked);
        Ok(())
    }

    /// Delivers a line without requests.
    ///
    /// # Errors
    /// When the server did not take it.
    pub(super) async fn tell_over_channel(self: &Arc<Self>, asked: &Asked) -> Result<(), Failure> {
        self.deliver(asked, || {}).await
    }

    /// Posts a line, on a new stream if the old one is gone. `before` is called ahead of each try.
    async fn deliver(self: &Arc<Self>, asked: &Asked, mut before: impl FnMut()) -> Result<(), Failure> {
        let mut again = false;
        loop {
            let endpoint = self.open_channel().await?;
            let number = self.channel.lock().number;
            before();
            match self.post(&endpoint, asked.text.clone()).await {
                Err(Failure::Refused { status: StatusCode::NOT_FOUND | StatusCode::GONE, .. }) if !again => {
                    again = true;
                    self.channel.close(number, &Failure::Broken("the server has ended the stream".to_owned()));
                }
                done => return done,
            }
        }
    }
}
