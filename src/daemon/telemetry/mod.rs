//! Sends spans to an OpenTelemetry collector (OTLP over HTTP, as JSON), many at once and beside the requests: nobody waits
//! for it. What the collector does not take in a few tries is lost, counted, and said once.

mod encode;

use std::time::Duration;

use bytes::Bytes;
use http::{Request, StatusCode, header};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use url::Url;

use crate::net::api_client::ApiClient;
use crate::observe::trace::{Span, Tracer};

/// How many spans are sent at once.
const AT_ONCE: usize = 512;
/// How long spans are gathered before they are sent.
const GATHERING: Duration = Duration::from_secs(1);
/// How long the collector may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// How often it is asked to take the same spans, and how long is waited before the second time; each further wait is twice
/// as long.
const TRIES: u32 = 3;
const BREATHER: Duration = Duration::from_secs(1);
/// How long the last spans may take once all requests have ended.
const LAST_SPANS: Duration = Duration::from_secs(2);

/// Sends the spans of a tracer.
pub(super) struct Telemetry {
    endpoint: Url,
    api: ApiClient,
    tracer: Tracer,
    spans: mpsc::Receiver<Span>,
    host: Option<String>,
    /// The last spans were lost, which was said.
    failing: bool,
}

/// Why spans were not taken.
enum Refused {
    /// It may take them later.
    Later(String),
    /// It will not take these.
    Never(String),
}

impl Telemetry {
    /// A tracer, and what sends its spans to `endpoint`.
    pub(super) fn new(endpoint: Url, api: ApiClient) -> (Tracer, Self) {
        let (tracer, spans) = Tracer::new();
        let host = rustix::system::uname().nodename().to_str().ok().map(str::to_owned);
        let telemetry = Self { endpoint, api, tracer: tracer.clone(), spans, host, failing: false };
        (tracer, telemetry)
    }

    /// Sends until `stop`, then the last ones.
    pub(super) async fn run(mut self, stop: CancellationToken) {
        let mut batch = Vec::new();
        while self.gather(&mut batch, &stop).await {
            let sending = self.deliver(&batch);
            tokio::select! {
                // Dropped in the middle, nobody knows whether they were taken; they are sent once more below.
                () = stop.cancelled() => break,
                () = sending => batch.clear(),
            }
        }
        while batch.len() < AT_ONCE
            && let Ok(span) = self.spans.try_recv()
        {
            batch.push(span);
        }
        let left = batch.len() as u64 + self.spans.len() as u64;
        if !batch.is_empty() && tokio::time::timeout(LAST_SPANS, self.deliver(&batch)).await.is_err() {
            tracing::info!("{left} traces were not sent before the end");
        }
    }

    /// Waits for spans, and a little longer for more of them. False if it is time to stop.
    async fn gather(&mut self, batch: &mut Vec<Span>, stop: &CancellationToken) -> bool {
        tokio::select! {
            () = stop.cancelled() => return false,
            _ = self.spans.recv_many(batch, AT_ONCE) => {}
        }
        let more = async {
            while batch.len() < AT_ONCE {
                let room = AT_ONCE - batch.len();
                self.spans.recv_many(batch, room).await;
            }
        };
        tokio::select! {
            () = stop.cancelled() => false,
            _ = tokio::time::timeout(GATHERING, more) => true,
        }
    }

    /// Sends them, or loses them.
    async fn deliver(&mut self, batch: &[Span]) {
        let count = batch.len() as u64;
        let body = Bytes::from(encode::body(batch, self.host.as_deref()));
        let mut wait = BREATHER;
        let mut tries = 1;
        let why = loop {
            match self.send(body.clone()).await {
                Ok(rejected) => {
                    let rejected = rejected.min(count);
                    self.tracer.sent(count - rejected);
                    self.tracer.lost(rejected);
                    if std::mem::take(&mut self.failing) {
                        tracing::info!("the collector of traces takes them again");
                    }
                    return;
                }
                Err(Refused::Later(_)) if tries < TRIES => {
                    tries += 1;
                    tokio::time::sleep(wait).await;
                    wait *= 2;
                }
                Err(Refused::Later(why) | Refused::Never(why)) => break why,
            }
        };
        self.tracer.lost(count);
        if !std::mem::replace(&mut self.failing, true) {
            tracing::warn!("traces are lost (telemetry.otlp_endpoint): {why}");
        }
    }

    /// Sends them once; answers how many of them were not taken.
    async fn send(&self, body: Bytes) -> Result<u64, Refused> {
        let request = Request::post(self.endpoint.as_str()).header(header::CONTENT_TYPE, "application/json").body(body);
        let request = request.map_err(|error| Refused::Never(error.to_string()))?;
        let calling = tokio::time::timeout(PATIENCE, self.api.call(request)).await;
        let answer = match calling {
            Ok(Ok(answer)) => answer,
            Ok(Err(error)) => return Err(Refused::Later(error.to_string())),
            Err(_) => return Err(Refused::Later("the collector did not answer in time".to_owned())),
        };
        // OTLP/HTTP, "Failures": these four are worth another try.
        match answer.status() {
            status if status.is_success() => Ok(encode::rejected(answer.body())),
            status @ (StatusCode::TOO_MANY_REQUESTS
            | StatusCode::BAD_GATEWAY
            | StatusCode::SERVICE_UNAVAILABLE
            | StatusCode::GATEWAY_TIMEOUT) => Err(Refused::Later(format!("the collector answers {status}"))),
            status => Err(Refused::Never(format!("the collector answers {status}"))),
        }
    }
}
