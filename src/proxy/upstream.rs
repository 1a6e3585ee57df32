//! One exchange with an upstream: send, and after a 401 renew once and send once more.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{self, HeaderValue};
use http::request::Parts;
use http::uri::{self, InvalidUri, PathAndQuery};
use http::{HeaderMap, Response, StatusCode, Uri, Version};
use http_body::Body;
use tokio::sync::{Notify, watch};
use url::{Position, Url};

use crate::model::client::ClientName;
use crate::model::server::McpServer;
use crate::net::pool::{Incoming, Pool, StreamError, Tally};
use crate::net::stream_client::StreamClient;
use crate::observe::access::Record;
use crate::observe::usage::Usage;
use crate::policy::grant::Grant;
use crate::policy::servers::Denied;
use crate::proxy::channels::Channels;
use crate::proxy::endpoint::Registry;
use crate::proxy::error::Trouble;
use crate::proxy::expect::Asked;
use crate::proxy::headers;
use crate::proxy::refused::Refused;
use crate::proxy::replay::Kept;
use crate::proxy::settings::{Settings, UpstreamSettings};
use crate::proxy::tools::Known;
use crate::proxy::wait::Wait;
use crate::token::{Bearer, Reader, Unavailable};

/// A refusal's body is read up to this many bytes and for this long.
const LONGEST_USED_UP: usize = 16 * 1024;
const LONGEST_USING_UP: Duration = Duration::from_secs(1);
/// How often a request is sent that no upstream processed.
const TRIES: usize = 3;
/// How many redirects of one request are followed.
const REDIRECTS: usize = 3;

/// An upstream with all that is needed to speak with it.
#[derive(Debug)]
pub(super) struct Upstream {
    pub(super) settings: UpstreamSettings,
    tokens: Reader,
    catalogue: watch::Receiver<Arc<[McpServer]>>,
    /// Told when the catalogue does not have the server of a request.
    unknown: Arc<Notify>,
    pool: Pool<Asked>,
    pub(super) counters: Counters,
    refused: Refused,
    /// The message endpoints of its event streams that have a path of our own.
    pub(super) endpoints: Arc<Registry>,
    /// Its event streams of HTTP+SSE whose clients have rules.
    pub(super) channels: Arc<Channels>,
    /// What it says of its tools.
    pub(super) known: Arc<Known>,
}

/// What is counted of an upstream, over reloads too.
#[derive(Debug, Clone)]
pub(super) struct Counters {
    /// Requests to it.
    pub(super) usage: Arc<Usage>,
    /// Connections to it.
    pub(super) tally: Arc<Tally>,
}

/// A refusal by server lists, and whose they are.
#[derive(Debug)]
pub(super) enum Barred {
    /// Those of the upstream, which hold for everybody.
    ForAll(Denied),
    /// Those of the client.
    ForClient(Denied),
}

impl Barred {
    /// The rule, as the audit trail names it; `client` is who asks, if that is known.
    pub(super) fn rule(&self, client: Option<&ClientName>) -> String {
        match (self, client) {
            (Self::ForClient(denied), Some(name)) => format!("[[client]] {name}: {}", denied.rule()),
            (Self::ForAll(denied) | Self::ForClient(denied), _) => denied.rule(),
        }
    }
}

/// Put on an answer that came from elsewhere than was asked: where a redirect led.
#[derive(Debug, Clone)]
pub(super) struct Redirected(pub(super) Uri);

/// A request as it goes to the upstream, ready to be sent more than once.
struct Outgoing<'a> {
    head: &'a Parts,
    target: Uri,
    bearer: Bearer,
    body: &'a Kept,
    grant: &'a Grant,
    wait: &'a Wait<'a>,
}

impl Outgoing<'_> {
    /// Made anew for each sending: nearly every request is sent once.
    fn headers(&self) -> HeaderMap {
        headers::for_upstream(&self.head.headers, self.bearer.authorization().clone())
    }
}

impl Upstream {
    pub(super) fn new(
        settings: UpstreamSettings,
        tokens: Reader,
        (catalogue, unknown): (watch::Receiver<Arc<[McpServer]>>, Arc<Notify>),
        client: &StreamClient,
        counters: Counters,
    ) -> Self {
        let pool = client.at(&settings.origin, counters.tally.clone());
        let (refused, endpoints, channels, known) =
            (Refused::default(), Arc::default(), Arc::default(), Arc::default());
        Self { settings, tokens, catalogue, unknown, pool, counters, refused, endpoints, channels, known }
    }

    /// The same upstream after a reload: streams that are open go on, and with them the paths of their endpoints; its
    /// tools are what they were.
    pub(super) fn with_memory_of(mut self, before: &[Arc<Self>]) -> Self {
        let here = (&self.settings.origin, &self.settings.mount);
        if let Some(same) = before.iter().find(|other| (&other.settings.origin, &other.settings.mount) == here) {
            self.endpoints = same.endpoints.clone();
            self.channels = same.channels.clone();
            self.known = same.known.clone();
        }
        self
    }

    /// Whether the server lists, everybody's and the client's own, let a request for `path` pass. Where that is not
    /// known, more is asked for.
    pub(super) fn decide(&self, path: &str, grant: &Grant) -> Result<(), Barred> {
        let catalogue = self.catalogue.borrow();
        let of_all = self.settings.rules.decide(path, &catalogue).map_err(Barred::ForAll);
        let decided = of_all.and_then(|()| grant.servers.decide(path, &catalogue).map_err(Barred::ForClient));
        if let Err(Barred::ForAll(Denied::Undecided(_)) | Barred::ForClient(Denied::Undecided(_))) = decided {
            self.unknown.notify_one();
        }
        decided
    }

    /// Puts down in `record` to which server a request for `path` goes, if the catalogue has it.
    pub(super) fn name_server(&self, path: &str, record: &mut Record) {
        if let Some(server) = McpServer::at(path, &self.catalogue.borrow()) {
            record.server(&server.name, &server.id);
        }
    }

    /// Sends a request and answers what the upstream answered, as soon as its head is there. How long that was waited for
    /// is added to `wait`.
    pub(super) async fn exchange(
        &self,
        head: &Parts,
        body: &Kept,
        grant: &Grant,
        limits: &Settings,
        wait: &Wait<'_>,
    ) -> Result<Response<Incoming>, Trouble> {
        let bearer = self.bearer(limits.token_wait).await?;
        let generation = bearer.generation();
        let target = self.target(&head.uri)?;
        let mut outgoing = Outgoing { head, target, bearer, body, grant, wait };
        let path = head.uri.path();
        let response = self.send_following(&mut outgoing, limits).await?;
        if response.status() != StatusCode::UNAUTHORIZED {
            self.refused.accepted(path);
            return Ok(response);
        }
        // A 401 was not processed, so repeating is safe, once the token really is another one.
        if self.refused.knows(path, wait.now()) {
            return Err(Trouble::RefusedTwice);
        }
        self.tokens.reject(generation);
        let newer = self.tokens.newer_than(generation, limits.token_wait);
        let (newer, ()) = tokio::join!(newer, use_up(response.into_body()));
        let newer = newer.map_err(|why| match why {
            Unavailable::SignInNeeded => Trouble::SignInNeeded,
            Unavailable::Renewing | Unavailable::NotSoon => Trouble::RefusedAndNotRenewed,
        })?;
        let generation = newer.generation();
        outgoing.bearer = newer;
        let response = self.send_following(&mut outgoing, limits).await?;
        if response.status() == StatusCode::UNAUTHORIZED {
            self.refused.refused(path, generation, wait.now());
            return Err(Trouble::RefusedTwice);
        }
        self.refused.accepted(path);
        Ok(response)
    }

    async fn bearer(&self, limit: Duration) -> Result<Bearer, Trouble> {
        self.tokens.usable(limit).await.map_err(|why| match why {
            Unavailable::SignInNeeded => Trouble::SignInNeeded,
            Unavailable::Renewing => Trouble::Renewing,
            Unavailable::NotSoon => Trouble::NotSoon,
        })
    }

    /// Sends, and follows redirects that keep method and body and stay at the upstream (RFC 9110 §15.4.8, §15.4.9).
    async fn send_following(
        &self,
        outgoing: &mut Outgoing<'_>,
        limits: &Settings,
    ) -> Result<Response<Incoming>, Trouble> {
        for followed in 0..=REDIRECTS {
            let mut response = self.send(outgoing, limits).await?;
            let Some(location) = redirect(&response) else {
                if followed > 0 {
                    response.extensions_mut().insert(Redirected(outgoing.target.clone()));
                }
                return Ok(response);
            };
            let keeps_method =
                matches!(response.status(), StatusCode::TEMPORARY_REDIRECT | StatusCode::PERMANENT_REDIRECT);
            let next = resolve(&outgoing.target, location);
            let next = next.ok_or_else(|| Trouble::Redirect("an address that is none".to_owned()))?;
            // The upstream may have let the client choose the target, so the server lists hold for it too.
            let stays = self.settings.origin.is_same_origin(&next) && self.decide(next.path(), outgoing.grant).is_ok();
            if !stays || !keeps_method {
                return Err(Trouble::Redirect(bare(next)));
            }
            outgoing.target = self.at(&next[Position::BeforePath..Position::AfterQuery])?;
        }
        Err(Trouble::Redirect("one address after another".to_owned()))
    }

    /// Sends, and sends again what was surely not processed, and what may be repeated (RFC 9110 §9.2.2).
    async fn send(&self, outgoing: &Outgoing<'_>, limits: &Settings) -> Result<Response<Incoming>, Trouble> {
        let mut tries = TRIES;
        loop {
            let error = match self.send_once(outgoing, limits).await? {
                Ok(response) => return Ok(response),
                Err(error) => error,
            };
            let (whole, safe) = (outgoing.body.is_whole(), outgoing.head.method.is_safe());
            match error {
                StreamError::WentAway(_) if whole => {}
                StreamError::NotProcessed(_) if whole && tries > 1 => tries -= 1,
                StreamError::Stale(_) if whole && safe && tries > 1 => tries -= 1,
                StreamError::Connect(why) => return Err(Trouble::Connect(why)),
                StreamError::NotProcessed(why) | StreamError::WentAway(why) => return Err(Trouble::NotTaken(why)),
                StreamError::Broken(why) | StreamError::Stale(why) => return Err(Trouble::Broken(why)),
                StreamError::RequestBody(why) => return Err(Trouble::ClientBroke(why)),
            }
        }
    }

    async fn send_once(
        &self,
        outgoing: &Outgoing<'_>,
        limits: &Settings,
    ) -> Result<Result<Response<Incoming>, StreamError>, Trouble> {
        let body = outgoing.body.send().ok_or(Trouble::NotRepeatable)?;
        let mut request = Asked::request(body, outgoing.headers());
        *request.method_mut() = outgoing.head.method.clone();
        *request.uri_mut() = outgoing.target.clone();
        *request.version_mut() = Version::HTTP_11;
        let began = outgoing.wait.now();
        let sending = self.pool.send(request);
        let sent = match limits.first_byte_timeout {
            None => Ok(sending.await),
            // A long upload is no silence of the upstream: the limit counts from where the upload rests.
            Some(limit) => tokio::select! {
                answer = sending => Ok(answer),
                () = outgoing.body.rests_for(limit) => Err(Trouble::NoAnswer(limit)),
            },
        };
        outgoing.wait.end(began);
        sent
    }

    /// Where a request for `asked` goes: its own path and query, at the upstream.
    pub(super) fn target(&self, asked: &Uri) -> Result<Uri, Trouble> {
        self.with(asked.path_and_query().cloned().unwrap_or(PathAndQuery::from_static("/")))
    }

    fn at(&self, path_and_query: &str) -> Result<Uri, Trouble> {
        self.with(path_and_query.parse().map_err(|error: InvalidUri| Trouble::Connect(error.to_string()))?)
    }

    fn with(&self, path_and_query: PathAndQuery) -> Result<Uri, Trouble> {
        let mut parts = uri::Parts::default();
        parts.scheme = Some(self.settings.origin.scheme());
        parts.authority = Some(self.settings.authority().clone());
        parts.path_and_query = Some(path_and_query);
        Uri::from_parts(parts).map_err(|error| Trouble::Connect(error.to_string()))
    }
}

/// Where a redirect leads.
fn resolve(from: &Uri, location: &HeaderValue) -> Option<Url> {
    Url::parse(&from.to_string()).ok()?.join(location.to_str().ok()?).ok()
}

/// A URL with nothing in it that may be secret.
fn bare(mut url: Url) -> String {
    url.set_query(None);
    url.set_fragment(None);
    // URLs that cannot have a user have none to remove.
    let _ = url.set_username("").and_then(|()| url.set_password(None));
    url.into()
}

/// Reads a body that nobody needs, so that its connection can be used again; one that is long or slow is not worth it.
async fn use_up(mut body: Incoming) {
    let reading = async {
        let mut left = LONGEST_USED_UP;
        while let Some(Ok(frame)) = poll_fn(|context| Pin::new(&mut body).poll_frame(context)).await {
            left = left.saturating_sub(frame.data_ref().map_or(0, Bytes::len));
            if left == 0 {
                return;
            }
        }
    };
    // Past the limit the connection is closed with the body, which is all that happens without this.
    let _ = tokio::time::timeout(LONGEST_USING_UP, reading).await;
}

/// The target of a redirect, if the answer is one.
fn redirect(response: &Response<Incoming>) -> Option<&HeaderValue> {
    let redirects = matches!(response.status().as_u16(), 301 | 302 | 303 | 307 | 308);
    redirects.then(|| response.headers().get(header::LOCATION)).flatten()
}
