//! One exchange with an upstream: send, and after a 401 renew once and send once more.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{self, HeaderValue};
use http::request::Parts;
use http::{HeaderMap, Method, Request, Response, StatusCode, Uri, Version};
use http_body::Body;
use hyper::body::Incoming;
use tokio::sync::watch;
use url::{Position, Url};

use crate::model::server::McpServer;
use crate::net::stream_client::{StreamClient, StreamError};
use crate::proxy::error::Trouble;
use crate::proxy::headers;
use crate::proxy::policy::Denied;
use crate::proxy::refused::Refused;
use crate::proxy::replay::{Kept, Sending};
use crate::proxy::settings::{Settings, UpstreamSettings};
use crate::token::{Bearer, Reader, Unavailable};

/// A refusal's body is read up to this many bytes and for this long.
const LONGEST_USED_UP: usize = 16 * 1024;
const LONGEST_USING_UP: Duration = Duration::from_secs(1);
/// How many redirects of one request are followed.
const REDIRECTS: usize = 3;

/// An upstream with all that is needed to speak with it.
#[derive(Debug)]
pub(super) struct Upstream {
    pub(super) settings: UpstreamSettings,
    tokens: Reader,
    catalogue: watch::Receiver<Arc<[McpServer]>>,
    client: StreamClient<Sending>,
    host: HeaderValue,
    refused: Refused,
}

/// A request as it goes to the upstream, ready to be sent more than once.
struct Outgoing<'a> {
    method: &'a Method,
    target: Uri,
    headers: HeaderMap,
    body: &'a Kept,
}

impl Upstream {
    pub(super) fn new(
        settings: UpstreamSettings,
        tokens: Reader,
        catalogue: watch::Receiver<Arc<[McpServer]>>,
        client: StreamClient<Sending>,
    ) -> Result<Self, header::InvalidHeaderValue> {
        let host = HeaderValue::from_str(settings.authority().as_str())?;
        Ok(Self { settings, tokens, catalogue, client, host, refused: Refused::default() })
    }

    /// Whether the server lists let a request for `path` pass.
    pub(super) fn decide(&self, path: &str) -> Result<(), Denied> {
        self.settings.rules.decide(path, &self.catalogue.borrow())
    }

    /// Sends a request and answers what the upstream answered, as soon as its head is there.
    pub(super) async fn exchange(
        &self,
        head: &Parts,
        body: &Kept,
        limits: &Settings,
    ) -> Result<Response<Incoming>, Trouble> {
        let bearer = self.bearer(limits.token_wait).await?;
        let mut headers = head.headers.clone();
        headers::for_upstream(&mut headers, self.host.clone(), bearer.authorization().clone());
        let target = self.target(head.uri.path_and_query().map_or("/", |target| target.as_str()))?;
        let mut outgoing = Outgoing { method: &head.method, target, headers, body };
        let response = self.send_following(&mut outgoing, limits).await?;
        if response.status() != StatusCode::UNAUTHORIZED {
            return Ok(response);
        }
        // A 401 was not processed, so repeating is safe, once the token really is another one.
        let path = head.uri.path();
        if self.refused.knows(path, bearer.generation()) {
            return Err(Trouble::RefusedTwice);
        }
        self.tokens.reject(bearer.generation());
        let newer = self.tokens.newer_than(bearer.generation(), limits.token_wait);
        let (newer, ()) = tokio::join!(newer, use_up(response.into_body()));
        let newer = newer.map_err(|why| match why {
            Unavailable::SignInNeeded => Trouble::SignInNeeded,
            Unavailable::Renewing => Trouble::RefusedAndNotRenewed,
        })?;
        outgoing.headers.insert(header::AUTHORIZATION, newer.authorization().clone());
        let response = self.send_following(&mut outgoing, limits).await?;
        match response.status() {
            StatusCode::UNAUTHORIZED => {
                self.refused.remember(path, newer.generation());
                Err(Trouble::RefusedTwice)
            }
            _ => Ok(response),
        }
    }

    async fn bearer(&self, limit: Duration) -> Result<Bearer, Trouble> {
        self.tokens.usable(limit).await.map_err(|why| match why {
            Unavailable::SignInNeeded => Trouble::SignInNeeded,
            Unavailable::Renewing => Trouble::Renewing,
        })
    }

    /// Sends, and follows redirects that keep method and body and stay at the upstream (RFC 9110 §15.4.8, §15.4.9).
    async fn send_following(
        &self,
        outgoing: &mut Outgoing<'_>,
        limits: &Settings,
    ) -> Result<Response<Incoming>, Trouble> {
        for _ in 0..=REDIRECTS {
            let response = self.send(outgoing, limits).await?;
            let Some(location) = redirect(&response) else { return Ok(response) };
            let keeps_method =
                matches!(response.status(), StatusCode::TEMPORARY_REDIRECT | StatusCode::PERMANENT_REDIRECT);
            let next = resolve(&outgoing.target, location);
            let next = next.ok_or_else(|| Trouble::Redirect("an address that is none".to_owned()))?;
            // The upstream may have let the client choose the target, so the server lists hold for it too.
            let stays = self.settings.origin.is_same_origin(&next) && self.decide(next.path()).is_ok();
            if !stays || !keeps_method {
                return Err(Trouble::Redirect(bare(next)));
            }
            outgoing.target = self.target(&next[Position::BeforePath..Position::AfterQuery])?;
        }
        Err(Trouble::Redirect("one address after another".to_owned()))
    }

    async fn send(&self, outgoing: &Outgoing<'_>, limits: &Settings) -> Result<Response<Incoming>, Trouble> {
        let body = outgoing.body.send().ok_or(Trouble::NotRepeatable)?;
        let mut request = Request::new(body);
        *request.method_mut() = outgoing.method.clone();
        *request.uri_mut() = outgoing.target.clone();
        *request.version_mut() = Version::HTTP_11;
        *request.headers_mut() = outgoing.headers.clone();
        let sending = self.client.send(request);
        let answer = match limits.first_byte_timeout {
            None => sending.await,
            // A long upload is no silence of the upstream: the limit counts from where the upload rests.
            Some(limit) => tokio::select! {
                answer = sending => answer,
                () = outgoing.body.rests_for(limit) => return Err(Trouble::NoAnswer(limit)),
            },
        };
        answer.map_err(|error| match error {
            StreamError::Connect(why) => Trouble::Connect(why),
            StreamError::Broken(why) => Trouble::Broken(why),
            StreamError::RequestBody(why) => Trouble::ClientBroke(why),
        })
    }

    fn target(&self, path_and_query: &str) -> Result<Uri, Trouble> {
        let built = Uri::builder()
            .scheme(self.settings.origin.scheme())
            .authority(self.settings.authority().clone())
            .path_and_query(path_and_query)
            .build();
        built.map_err(|error| Trouble::Connect(error.to_string()))
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
