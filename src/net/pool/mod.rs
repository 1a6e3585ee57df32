//! The connections to one upstream, kept and shared. HTTP/1.1 or HTTP/2, as each connection agreed on (ALPN).
//!
//! `origin` decides who gets which connection, `spread` over how many of HTTP/2; `h1` and `h2` speak on it; `answer` is
//! the response's body, which holds its place on the connection until it ends. What is sent again here was surely not
//! written; everything else is told by [`StreamError`], and whoever has the request's body decides.

mod answer;
mod error;
mod h1;
mod h2;
mod interim;
mod origin;
mod spread;
mod tally;
#[cfg(test)]
mod tests;
mod upload;

use std::error::Error as StdError;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use bytes::Bytes;
use http::header::{self, HeaderMap, HeaderValue};
use http::{Request, Response, Uri, Version};
use http_body::Body;
use tokio::io::{AsyncRead, AsyncWrite};

pub use self::answer::{BodyError, Incoming};
use self::error::Failure;
pub use self::error::StreamError;
pub use self::interim::OnInterim;
use self::origin::{Link, Origin};
pub use self::tally::{Reading, Tally};
use crate::net::watched::Rests;

/// How many new connections one request may use up that could not take it.
const TRIES: usize = 3;

/// The protocol of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Protocol {
    Http1,
    Http2,
}

/// What bytes go over.
pub(super) trait Io: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Io for T {}

/// A new connection.
pub(super) struct Wire {
    pub(super) io: Box<dyn Io>,
    pub(super) rests: Rests,
    pub(super) protocol: Protocol,
}

/// Makes a new connection, or says why there is none.
pub(super) type Dial = Box<dyn Fn() -> Pin<Box<dyn Future<Output = Result<Wire, String>> + Send>> + Send + Sync>;

/// The connections to one upstream, for requests with bodies of type `B`.
pub struct Pool<B> {
    origin: Arc<Origin<B>>,
}

impl<B> std::fmt::Debug for Pool<B> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Pool").finish_non_exhaustive()
    }
}

impl<B> Pool<B> {
    /// Connections that `dial` makes, counted in `tally`.
    pub(super) fn new(dial: Dial, tally: Arc<Tally>) -> Self {
        Self { origin: Origin::new(dial, tally) }
    }
}

impl<B> Pool<B>
where
    B: Body<Data = Bytes> + Send + Unpin + 'static,
    B::Error: Into<Box<dyn StdError + Send + Sync>>,
{
    /// Sends a request and answers once the head of the response is there. The URI is absolute, and says the
    /// host, whatever the headers say. Dropping the future, or the body of the response, ends the exchange at the
    /// upstream.
    ///
    /// # Errors
    /// When no head of a response came.
    pub async fn send(&self, mut request: Request<B>) -> Result<Response<Incoming>, StreamError> {
        let mut tries = 0;
        loop {
            let link = self.origin.checkout().await.map_err(StreamError::Connect)?;
            tries += usize::from(!link.is_reused());
            let sent = match link {
                Link::Http1(connection) => {
                    let target = request.uri().clone();
                    *request.uri_mut() = origin_form(&target);
                    say_host(request.headers_mut(), &target);
                    connection.exchange(request).await.map_err(|failure| failure.of(target))
                }
                Link::Http2(lease) => lease.exchange(request, &self.origin).await,
            };
            match sent {
                Ok(mut response) => {
                    // The version is the connection's, and ends here.
                    *response.version_mut() = Version::HTTP_11;
                    return Ok(response);
                }
                // Kept connections that turn out to be closed are used up one by one.
                Err(Failure::NotSent(unsent, _)) if tries < TRIES => request = *unsent,
                Err(Failure::NotSent(_, why)) => return Err(StreamError::NotProcessed(why)),
                Err(Failure::Lost(error)) => return Err(error),
            }
        }
    }
}

/// Says whom the request is addressed to, which with HTTP/2 the target does (RFC 9112 §3.2).
fn say_host(headers: &mut HeaderMap, target: &Uri) {
    let authority = target.authority().and_then(|authority| HeaderValue::from_str(authority.as_str()).ok());
    if let Some(host) = authority {
        headers.insert(header::HOST, host);
    }
}

/// The target as it stands in a request line (RFC 9112 §3.2.1).
fn origin_form(target: &Uri) -> Uri {
    target.path_and_query().cloned().map_or_else(Uri::default, Uri::from)
}
