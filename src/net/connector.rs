//! A time limit on everything that a new connection takes: name resolution, TCP, proxy and TLS together.

use std::error::Error as StdError;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use http::Uri;
use hyper_rustls::{HttpsConnector, MaybeHttpsStream};
use hyper_util::rt::TokioIo;
use tower_service::Service;

use crate::model::time::in_words;
use crate::net::egress::Egress;
use crate::net::patient::Patient;

type BoxError = Box<dyn StdError + Send + Sync>;

/// A TLS connector that gives up in time.
#[derive(Debug, Clone)]
pub(super) struct Bounded {
    connector: HttpsConnector<Egress>,
    limit: Duration,
}

impl Bounded {
    pub(super) fn new(connector: HttpsConnector<Egress>, limit: Duration) -> Self {
        Self { connector, limit }
    }
}

impl Service<Uri> for Bounded {
    type Response = MaybeHttpsStream<TokioIo<Patient>>;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, BoxError>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.connector.poll_ready(context)
    }

    fn call(&mut self, target: Uri) -> Self::Future {
        let (connecting, limit) = (self.connector.call(target), self.limit);
        Box::pin(async move {
            tokio::time::timeout(limit, connecting)
                .await
                .unwrap_or_else(|_| Err(format!("no connection within {}", in_words(limit)).into()))
        })
    }
}
