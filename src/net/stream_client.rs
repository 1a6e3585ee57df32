//! The client for the data path: no limit on the length of an exchange, and bodies that are never collected.
//!
//! Connections are HTTP/1.1, one exchange at a time, so that no stream can hold up another; idle ones are
//! kept for reuse. A request that surely did not reach the server is sent again on a new connection; no other
//! request is (RFC 9110 §9.2.2).

use std::error::Error as StdError;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use hyper::body::Incoming;
use hyper_rustls::HttpsConnectorBuilder;
use hyper_util::client::legacy::Client;
use hyper_util::rt::{TokioExecutor, TokioTimer};

use crate::net::connector::Bounded;
use crate::net::egress::Egress;
use crate::net::settings::Settings;
use crate::net::tls::{self, TlsError};

/// Idle connections are closed after this; many servers close theirs after 60 s, and being first avoids the race.
const IDLE: Duration = Duration::from_secs(50);

/// A streaming HTTP client with request bodies of type `B`. Cheap to clone.
#[derive(Debug)]
pub struct StreamClient<B> {
    http: Client<Bounded, B>,
}

// By hand, for the derived one would ask `B` to be `Clone`.
impl<B> Clone for StreamClient<B> {
    fn clone(&self) -> Self {
        Self { http: self.http.clone() }
    }
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum StreamError {
    /// No connection was made: the request was surely not processed.
    #[error("cannot connect: {0}")]
    Connect(String),
    /// The connection broke before the head of an answer came.
    #[error("the connection broke before an answer came: {0}")]
    Broken(String),
    /// The request's own body failed: the client went away.
    #[error("the request was broken off: {0}")]
    RequestBody(String),
}

impl<B> StreamClient<B>
where
    B: Body<Data = Bytes> + Send + Unpin + 'static,
    B::Error: Into<Box<dyn StdError + Send + Sync>>,
{
    /// Makes a client.
    ///
    /// # Errors
    /// When no TLS configuration can be made from the settings.
    pub fn new(settings: &Settings) -> Result<Self, TlsError> {
        let tls = tls::client_config(settings.extra_ca_file.as_deref())?;
        let connector = HttpsConnectorBuilder::new()
            .with_tls_config(tls)
            .https_or_http()
            .enable_http1()
            .wrap_connector(Egress::new(settings.connect_timeout));
        let http = Client::builder(TokioExecutor::new())
            .pool_idle_timeout(IDLE)
            .pool_timer(TokioTimer::new())
            .timer(TokioTimer::new())
            .set_host(false)
            .build(Bounded::new(connector, settings.connect_timeout));
        Ok(Self { http })
    }

    /// Sends a request and answers once the head of the response is there. The URI is absolute; the `Host`
    /// header is the caller's.
    ///
    /// # Errors
    /// When no head of a response came.
    pub async fn send(&self, request: Request<B>) -> Result<Response<Incoming>, StreamError> {
        self.http.request(request).await.map_err(|error| {
            let reason = innermost(&error);
            if error.is_connect() {
                StreamError::Connect(reason)
            } else if is_request_body(&error) {
                StreamError::RequestBody(reason)
            } else {
                StreamError::Broken(reason)
            }
        })
    }
}

fn innermost(error: &(dyn StdError + 'static)) -> String {
    let mut cause = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    cause.to_string()
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
