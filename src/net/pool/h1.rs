//! An HTTP/1.1 connection: one exchange at a time, and kept for the next one when both messages are complete.

use std::error::Error as StdError;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use tokio::time::Instant;

use crate::net::pool::answer::{Connection as Held, Incoming};
use crate::net::pool::error::{Failure, StreamError, innermost};
use crate::net::pool::interim::OnInterim;
use crate::net::pool::origin::Origin;
use crate::net::pool::tally::{Counted, Tally};
use crate::net::pool::{Io, Protocol};
use crate::net::watched::Rests;

/// The most header lines of an answer; hyper alone would take 100.
const MOST_HEADERS: usize = 256;

/// How long the rest of an upload may take after the whole answer came. A connection that has to go on longer is not
/// worth it.
const REST_OF_UPLOAD: Duration = Duration::from_secs(1);

/// The connection. Whoever holds it may speak; dropped, it is closed.
pub(super) struct Connection<B> {
    sender: SendRequest<B>,
    rests: Rests,
    /// Where it goes afterwards; the pool lasts as long as it is in use.
    origin: Option<Arc<Origin<B>>>,
    /// Counts the exchange while there is one.
    exchange: Option<Counted>,
    _open: Counted,
    /// True once an answer came on it.
    pub(super) reused: bool,
    /// Since when nobody uses it.
    pub(super) idle_since: Instant,
}

/// Begins to speak HTTP/1.1; the second value drives the connection until it is closed.
pub(super) async fn open<B>(
    io: Box<dyn Io>,
    rests: Rests,
    tally: &Arc<Tally>,
) -> Result<(Box<Connection<B>>, impl Future<Output = ()> + Send + use<B>), String>
where
    B: Body<Data = Bytes> + Send + Unpin + 'static,
    B::Error: Into<Box<dyn StdError + Send + Sync>>,
{
    let shaking = http1::Builder::new().max_headers(MOST_HEADERS).handshake(TokioIo::new(io)).await;
    let (sender, driver) = shaking.map_err(|error| innermost(&error))?;
    let open = tally.opened(Protocol::Http1);
    let connection = Connection {
        sender,
        rests,
        origin: None,
        exchange: None,
        _open: open,
        reused: false,
        idle_since: Instant::now(),
    };
    // How it ends is told to whoever waits for an answer.
    Ok((Box::new(connection), async move { drop(driver.await) }))
}

impl<B> Connection<B> {
    /// True if it can take a request: the other side has neither closed it nor said what nobody asked for, which some do
    /// before they close (408).
    pub(super) fn rests(&self) -> bool {
        !self.sender.is_closed() && (self.rests)()
    }

    /// Marks it as used by a request.
    pub(super) fn begin(&mut self, origin: Arc<Origin<B>>) {
        self.exchange = Some(origin.tally.begun(Protocol::Http1));
        self.origin = Some(origin);
    }

    /// Marks it as used by nobody.
    pub(super) fn rest(&mut self) {
        self.origin = None;
        self.exchange = None;
        self.idle_since = Instant::now();
    }
}

impl<B> Connection<B>
where
    B: Body<Data = Bytes> + Send + Unpin + 'static,
    B::Error: Into<Box<dyn StdError + Send + Sync>>,
{
    /// One request and the head of its answer.
    pub(super) async fn exchange(
        mut self: Box<Self>,
        mut request: Request<B>,
    ) -> Result<Response<Incoming>, Failure<B>> {
        OnInterim::by_hyper(&mut request);
        match self.sender.try_send_request(request).await {
            Ok(response) => {
                self.reused = true;
                Ok(response.map(|body| Incoming::http1(body, self)))
            }
            Err(mut refused) => {
                let message = refused.take_message();
                let error = refused.into_error();
                let why = innermost(&error);
                Err(match message {
                    Some(request) => Failure::NotSent(Box::new(request), why),
                    None if is_request_body(&error) => Failure::Lost(StreamError::RequestBody(why)),
                    None => Failure::Lost(StreamError::broken(self.reused, why)),
                })
            }
        }
    }
}

impl<B> Held for Connection<B>
where
    B: Body<Data = Bytes> + Send + Unpin + 'static,
    B::Error: Into<Box<dyn StdError + Send + Sync>>,
{
    fn finished(mut self: Box<Self>) {
        let Some(origin) = self.origin.take() else { return };
        if self.sender.is_ready() {
            origin.give_back(self);
        } else if !self.sender.is_closed() {
            let keeper = origin.clone();
            origin.spawn(async move {
                if let Ok(Ok(())) = tokio::time::timeout(REST_OF_UPLOAD, self.sender.ready()).await {
                    keeper.give_back(self);
                }
            });
        }
    }
}

fn is_request_body(error: &(dyn StdError + 'static)) -> bool {
    let mut cause = Some(error);
    while let Some(current) = cause {
        if current.downcast_ref::<hyper::Error>().is_some_and(hyper::Error::is_user) {
            return true;
        }
        cause = current.source();
    }
    false
}
