//! One signed call to the cloud's API, with the few repetitions that make sense.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Method, Request, Response, header};
use serde::de::DeserializeOwned;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc2822;
use url::Url;

pub use crate::alibaba::call_error::CallError;
use crate::alibaba::cloud_error::{self, CallContext, CloudError, Kind};
use crate::alibaba::credentials::ApiCredentials;
use crate::alibaba::request::{self, random};
use crate::alibaba::site::Endpoints;
use crate::model::secret::Secret;
use crate::model::time::{Clock, Wall, in_words};
use crate::net::api_client::{ApiClient, ApiError};

/// How often a call is sent at most when the service is busy or in trouble.
const MOST_TRIES: u32 = 3;

/// The wait after the first busy answer; it doubles with each further one.
const FIRST_WAIT: Duration = Duration::from_millis(500);

/// The longest wait a server may ask for. Somebody is watching a login, so beyond it the error is the better answer.
const LONGEST_WAIT: Duration = Duration::from_secs(20);

/// The farthest that the cloud's clock is followed. A wrong time zone is less; what is more is no clock to sign by.
const MOST_SKEW: Duration = Duration::from_secs(24 * 3600);

/// A difference of clocks below this is no reason for `InvalidTimeStamp.Expired`, so correcting it cannot help.
const LEAST_SKEW: Duration = Duration::from_secs(60);

/// The version of the MCP gateway's control plane.
const GATEWAY_VERSION: &str = "2024-11-30";

/// How requests get out: the daemon's client, or a stand-in for it.
pub type Transport = Arc<dyn Fn(Request<Bytes>) -> Answer + Send + Sync>;

/// An answer on its way.
pub type Answer = Pin<Box<dyn Future<Output = Result<Response<Bytes>, ApiError>> + Send>>;

/// How far the cloud's clock is ahead of ours; nothing until the cloud says otherwise. Clones share it, so that it is
/// learned and said once.
#[derive(Debug, Clone, Default)]
pub struct Skew(Arc<AtomicI64>);

impl Skew {
    /// In milliseconds.
    fn get(&self) -> i64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// The cloud's API, as one identity sees it.
pub struct Api {
    transport: Transport,
    clock: Clock,
    credentials: ApiCredentials,
    endpoints: Endpoints,
    skew: Skew,
}

/// One call: what to do, and with which parameters.
#[derive(Debug, Clone)]
pub(crate) struct Call<'a> {
    pub(super) origin: &'a Url,
    pub(super) method: Method,
    pub(super) path: &'static str,
    pub(super) action: &'static str,
    pub(super) version: &'static str,
    /// The service's name in RAM actions.
    ram_service: &'static str,
    pub(super) query: Vec<(&'static str, String)>,
    pub(super) scheme: Scheme,
    /// True if a good answer holds a secret: none of it may be shown.
    gives_secret: bool,
    /// JSON; empty for none.
    pub(super) body: Bytes,
    /// A secret in the body, which a server may repeat.
    tells: Option<&'a Secret>,
}

/// How a call is signed.
#[derive(Debug, Clone, Copy)]
pub(super) enum Scheme {
    /// `ACS3-HMAC-SHA256`, in headers.
    V3,
    /// `HMAC-SHA1`, in the query.
    Rpc,
    /// Not at all: the call proves itself by what it says.
    None,
}

impl<'a> Call<'a> {
    /// A call by GET with a signature of version 3, and without a body.
    fn signed(
        origin: &'a Url,
        path: &'static str,
        action: &'static str,
        version: &'static str,
        ram_service: &'static str,
        query: Vec<(&'static str, String)>,
    ) -> Self {
        let (method, scheme, body) = (Method::GET, Scheme::V3, Bytes::new());
        Self {
            origin,
            method,
            path,
            action,
            version,
            ram_service,
            query,
            scheme,
            gives_secret: false,
            body,
            tells: None,
        }
    }

    /// The error for an answer that lacks what the call is for.
    pub(crate) fn unreadable(&self, reason: &str) -> CallError {
        let (host, action) = (authority(self.origin), self.action);
        CallError::Unreadable { host, action, reason: reason.to_owned() }
    }
}

impl Api {
    /// The API as seen with `credentials`.
    pub fn new(client: ApiClient, clock: Clock, credentials: ApiCredentials, endpoints: Endpoints) -> Self {
        let transport: Transport = Arc::new(move |request| {
            let client = client.clone();
            Box::pin(async move { client.call(request).await })
        });
        Self::over(transport, clock, credentials, endpoints)
    }

    /// The API behind some other transport.
    pub fn over(transport: Transport, clock: Clock, credentials: ApiCredentials, endpoints: Endpoints) -> Self {
        Self { transport, clock, credentials, endpoints, skew: Skew::default() }
    }

    /// The same, with what is known of the cloud's clock.
    #[must_use]
    pub fn knowing(self, skew: &Skew) -> Self {
        Self { skew: skew.clone(), ..self }
    }

    /// Where the services are.
    pub fn endpoints(&self) -> &Endpoints {
        &self.endpoints
    }

    /// A call to the API that manages OAuth applications (IMS 2019-08-15, RPC style).
    pub(crate) fn ims(&self, method: Method, action: &'static str, query: Vec<(&'static str, String)>) -> Call<'_> {
        let (origin, version, ram_service) = (&self.endpoints.ims, "2019-08-15", "ram");
        Call { method, ..Call::signed(origin, "/", action, version, ram_service, query) }
    }

    /// A call to the API that gives tokens for API credentials (RamOAuth 2026-04-21, RPC style). Nobody has shown that
    /// it takes version 3 of the signature.
    pub(crate) fn ramoauth(&self, action: &'static str, query: Vec<(&'static str, String)>) -> Call<'_> {
        let (origin, version, ram_service) = (&self.endpoints.ramoauth, "2026-04-21", "ram");
        let call = Call::signed(origin, "/", action, version, ram_service, query);
        Call { method: Method::POST, scheme: Scheme::Rpc, gives_secret: true, ..call }
    }

    /// A call to the MCP gateway's control plane (OpenAPIExplorer 2024-11-30, ROA style).
    pub(crate) fn gateway(
        &self,
        path: &'static str,
        action: &'static str,
        query: Vec<(&'static str, String)>,
    ) -> Call<'_> {
        Call::signed(&self.endpoints.gateway, path, action, GATEWAY_VERSION, "openapiexplorer", query)
    }

    /// A call to the MCP gateway that is not signed: its body, JSON, holds the token that it is about.
    pub(crate) fn gateway_unsigned<'a>(
        &'a self,
        path: &'static str,
        action: &'static str,
        body: Bytes,
        token: &'a Secret,
    ) -> Call<'a> {
        let call = self.gateway(path, action, Vec::new());
        Call { method: Method::POST, scheme: Scheme::None, body, tells: Some(token), ..call }
    }

    /// A call to the service for temporary keys (STS 2015-04-01, RPC style), which is at `origin`.
    pub(crate) fn sts<'a>(
        &self,
        origin: &'a Url,
        action: &'static str,
        query: Vec<(&'static str, String)>,
    ) -> Call<'a> {
        let call = Call::signed(origin, "/", action, "2015-04-01", "sts", query);
        Call { method: Method::POST, gives_secret: true, ..call }
    }

    /// Performs a call and reads its result.
    ///
    /// A wrong clock and a used nonce are corrected once; a busy service is asked up to three times.
    pub(crate) async fn perform<T: DeserializeOwned>(&self, call: &Call<'_>) -> Result<T, CallError> {
        let answer = self.answer(call).await?;
        read(&answer, call, authority(call.origin))
    }

    /// The same, where a good answer says no more than that it is good.
    pub(crate) async fn order(&self, call: &Call<'_>) -> Result<(), CallError> {
        self.answer(call).await.map(drop)
    }

    async fn answer(&self, call: &Call<'_>) -> Result<Response<Bytes>, CallError> {
        let host = authority(call.origin);
        let (mut tries, mut clock_corrected, mut nonce_renewed) = (1, false, false);
        loop {
            let skew = self.skew.get();
            let at = self.time_with(skew);
            let answer = (self.transport)(request::build(call, &host, &self.credentials, at)?).await?;
            if answer.status().is_success() {
                return Ok(answer);
            }
            let error = self.refusal(&answer, call, &host);
            match error.kind() {
                // Another call may have learned it meanwhile.
                Kind::ClockSkew
                    if !clock_corrected && (self.skew.get() != skew || self.learn_skew(answer.headers())) =>
                {
                    clock_corrected = true;
                }
                Kind::NonceUsed if !nonce_renewed => nonce_renewed = true,
                Kind::Throttled | Kind::ServerTrouble if tries < MOST_TRIES => {
                    let Some(wait) = wait_after(tries, answer.headers(), random(call.action)?) else {
                        return Err(CallError::Refused(Box::new(error)));
                    };
                    tracing::debug!(host, action = call.action, code = error.code, ?wait, "busy; trying again");
                    tokio::time::sleep(wait).await;
                    tries += 1;
                }
                _ => return Err(CallError::Refused(Box::new(error))),
            }
        }
    }

    fn refusal(&self, answer: &Response<Bytes>, call: &Call<'_>, host: &str) -> CloudError {
        let context = CallContext {
            host,
            action: call.action,
            ram_action: &format!("{}:{}", call.ram_service, call.action),
            credentials: &self.credentials.source,
            hide: call.tells.or_else(|| self.credentials.token_sent()).map(Secret::expose),
        };
        let mut error = CloudError::read(answer, context);
        if error.kind() == Kind::ClockSkew {
            error.clock = date_of(answer.headers()).and_then(|theirs| far(self.clock.now().wall, theirs));
        }
        error
    }

    /// The cloud's time, if its clock is so many milliseconds ahead of ours.
    fn time_with(&self, skew: i64) -> Wall {
        Wall::from_unix_millis(self.clock.now().wall.unix_millis().saturating_add(skew))
    }

    /// Takes the cloud's time from the `Date` of an answer. False if that leaves the date as it was.
    fn learn_skew(&self, headers: &HeaderMap) -> bool {
        let Some(theirs) = date_of(headers) else { return false };
        let (assumed, ours) = (self.time_with(self.skew.get()), self.clock.now().wall);
        if apart(theirs, assumed) < LEAST_SKEW || apart(theirs, ours) > MOST_SKEW {
            return false;
        }
        self.skew.0.store(theirs.unix_millis().saturating_sub(ours.unix_millis()), Ordering::Relaxed);
        match far(ours, theirs) {
            Some(far) => tracing::warn!(
                "the clock of this machine is {far}; requests are signed with the cloud's time. Set the clock"
            ),
            None => tracing::info!("the clock of this machine agrees with the cloud's again"),
        }
        true
    }
}

/// When an answer was given, by the server's clock.
fn date_of(headers: &HeaderMap) -> Option<Wall> {
    let date = OffsetDateTime::parse(headers.get(header::DATE)?.to_str().ok()?, &Rfc2822).ok()?;
    Some(Wall::from_unix_seconds(date.unix_timestamp()))
}

fn apart(one: Wall, other: Wall) -> Duration {
    one.since(other).max(other.since(one))
}

/// How our clock stands to theirs, in words, if that is worth a word.
fn far(ours: Wall, theirs: Wall) -> Option<String> {
    let side = if ours < theirs { "behind" } else { "ahead" };
    let apart = apart(ours, theirs);
    (apart >= LEAST_SKEW).then(|| format!("{} {side}", in_words(apart)))
}

fn read<T: DeserializeOwned>(answer: &Response<Bytes>, call: &Call<'_>, host: String) -> Result<T, CallError> {
    serde_json::from_slice(answer.body()).map_err(|error| {
        let reason = match error.classify() {
            _ if call.gives_secret => "it is not the JSON of such an answer".to_owned(),
            serde_json::error::Category::Data => format!("its JSON has another form: {error}"),
            _ => {
                let text = String::from_utf8_lossy(answer.body());
                format!("it is not JSON: {:?}", cloud_error::without_tags(&text))
            }
        };
        CallError::Unreadable { host, action: call.action, reason: cloud_error::one_line(&reason) }
    })
}

/// How long to wait after the `tries`th busy answer; `None` if the server wants a longer wait than anyone has.
fn wait_after(tries: u32, headers: &HeaderMap, random: [u8; 2]) -> Option<Duration> {
    let asked_for = cloud_error::retry_after(headers);
    // Half fixed, half random, so that those who were refused together do not come back together.
    let full = FIRST_WAIT.saturating_mul(1 << tries.min(8));
    let ours = full / 2 + full.mul_f64(f64::from(u16::from_be_bytes(random)) / f64::from(u16::MAX)) / 2;
    let wait = asked_for.unwrap_or_default().max(ours);
    (wait <= LONGEST_WAIT).then_some(wait)
}

/// Host, and port if it is not the scheme's own: the value of the `Host` header.
pub(crate) fn authority(origin: &Url) -> String {
    let host = origin.host_str().unwrap_or_default();
    origin.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alibaba::sign;
    use crate::alibaba::testing::{Cloud, NOW, credentials, settings};

    const THROTTLED: &str = r#"{"Code":"Throttling.User","Message":"slow down"}"#;
    const EXPIRED: &str =
        r#"{"Code":"InvalidTimeStamp.Expired","Message":"Specified time stamp or date value is expired."}"#;
    const NONCE: &str = r#"{"Code":"SignatureNonceUsed","Message":"used"}"#;

    async fn ask(api: &Api) -> Result<serde_json::Value, CallError> {
        api.perform(&api.ims(Method::POST, "ListApplications", Vec::new())).await
    }

    #[tokio::test(start_paused = true)]
    async fn a_busy_service_is_asked_three_times_with_growing_waits() {
        let cloud = Cloud::default().answering(400, THROTTLED).answering(503, "<h1>busy</h1>").answering(200, "{}");
        let start = tokio::time::Instant::now();
        assert!(ask(&cloud.api()).await.is_ok());
        let waited = start.elapsed();
        assert!(waited >= Duration::from_millis(1_500) && waited <= Duration::from_millis(3_001), "{waited:?}");

        let cloud = Cloud::default().answering(400, THROTTLED).answering(500, "").answering(429, "");
        let error = ask(&cloud.api()).await.unwrap_err();
        assert_eq!(error.kind(), Some(Kind::Throttled));
        assert!(cloud.is_done() && cloud.asked().len() == 3);
    }

    #[tokio::test(start_paused = true)]
    async fn the_wait_a_server_asks_for_is_kept_or_not_waited_at_all() {
        let after = |millis| Cloud::default().answering_with(400, &[("x-acs-retry-after", millis)], THROTTLED);
        let start = tokio::time::Instant::now();
        assert!(ask(&after("7000").answering(200, "{}").api()).await.is_ok());
        assert!(start.elapsed() >= Duration::from_secs(7), "{:?}", start.elapsed());
        let start = tokio::time::Instant::now();
        assert!(ask(&after("3600000").api()).await.is_err());
        assert_eq!(start.elapsed(), Duration::ZERO);
        assert!(ask(&after("-1").answering(200, "{}").api()).await.is_ok());
    }

    #[test]
    fn waits_grow_and_differ() {
        let wait = |tries, random| wait_after(tries, &HeaderMap::new(), random).unwrap().as_millis();
        assert_eq!((wait(1, [0, 0]), wait(1, [255, 255])), (500, 1_000));
        assert_eq!((wait(2, [0, 0]), wait(2, [255, 255])), (1_000, 2_000));
    }

    #[tokio::test]
    async fn a_wrong_clock_is_corrected_once_and_stays_corrected() {
        let date = ("date", "Wed, 30 Sep 2026 20:00:00 GMT");
        let cloud = Cloud::default().answering_with(400, &[date], EXPIRED).answering(200, "{}").answering(200, "{}");
        let api = cloud.api();
        assert!(ask(&api).await.is_ok() && ask(&api).await.is_ok());
        let corrected = "2026-09-30T20:00:00Z";
        assert_eq!(cloud.headers("x-acs-date"), ["2026-09-30T12:00:00Z", corrected, corrected]);

        let cloud = Cloud::default().answering_with(400, &[date], EXPIRED).answering_with(400, &[date], EXPIRED);
        let error = ask(&cloud.api()).await.unwrap_err();
        assert_eq!(error.kind(), Some(Kind::ClockSkew));
        assert!(error.to_string().contains("the clock of this machine is 8 h behind"), "{error}");
    }

    #[tokio::test]
    async fn calls_beside_each_other_learn_the_clock_together() {
        let (both, count) = (Arc::new(tokio::sync::Barrier::new(2)), Arc::new(AtomicI64::new(0)));
        let transport: Transport = Arc::new(move |_| {
            let (both, is_early) = (both.clone(), count.fetch_add(1, Ordering::SeqCst) < 2);
            Box::pin(async move {
                let answer = Response::builder().header("date", "Wed, 30 Sep 2026 20:00:00 GMT");
                Ok(match is_early {
                    true => {
                        // Both are on their way before either is answered.
                        both.wait().await;
                        answer.status(400).body(Bytes::from(EXPIRED)).unwrap()
                    }
                    false => answer.body(Bytes::from("{}")).unwrap(),
                })
            })
        });
        let mono = crate::model::time::Mono::from_start(Duration::ZERO);
        let clock = Clock::from_fn(move || crate::model::time::Now { wall: NOW, mono });
        let api = Api::over(transport, clock, credentials(), settings().endpoints);
        let (one, other) = tokio::join!(ask(&api), ask(&api));
        assert!(one.is_ok() && other.is_ok(), "{one:?} {other:?}");
    }

    #[tokio::test]
    async fn a_clock_that_is_days_off_is_said_and_not_followed() {
        for (date, far) in
            [("Fri, 02 Oct 2026 12:00:00 GMT", "2 d behind"), ("Mon, 28 Sep 2026 12:00:00 GMT", "2 d ahead")]
        {
            let cloud = Cloud::default().answering_with(400, &[("date", date)], EXPIRED);
            let error = ask(&cloud.api()).await.unwrap_err().to_string();
            assert!(error.contains(far) && error.contains("timedatectl") && cloud.is_done(), "{error}");
        }
    }

    #[tokio::test]
    async fn without_a_usable_date_the_wrong_clock_is_reported() {
        for headers in [&[][..], &[("date", "soon")], &[("date", "Wed, 30 Sep 2026 12:00:30 GMT")]] {
            let cloud = Cloud::default().answering_with(400, headers, EXPIRED);
            let error = ask(&cloud.api()).await.unwrap_err().to_string();
            assert!(error.contains("timedatectl") && cloud.is_done(), "{error}");
        }
    }

    #[tokio::test]
    async fn a_used_nonce_is_replaced_once() {
        let cloud = Cloud::default().answering(400, NONCE).answering(200, "{}");
        assert!(ask(&cloud.api()).await.is_ok());
        let nonces = cloud.headers("x-acs-signature-nonce");
        assert_ne!(nonces[0], nonces[1]);
        let cloud = Cloud::default().answering(400, NONCE).answering(400, NONCE);
        assert_eq!(ask(&cloud.api()).await.unwrap_err().kind(), Some(Kind::NonceUsed));
    }

    #[tokio::test]
    async fn what_cannot_get_better_is_not_repeated() {
        for code in ["InvalidAccessKeyId.NotFound", "SignatureDoesNotMatch", "NoPermission", "MissingParameter"] {
            let cloud = Cloud::default().answering(400, &format!(r#"{{"Code":"{code}"}}"#));
            assert!(matches!(ask(&cloud.api()).await, Err(CallError::Refused(_))), "{code}");
        }
        let error = ApiError::Connect { host: "ims.example".to_owned(), reason: "refused".to_owned() };
        let says = ask(&Cloud::default().failing(error).api()).await.unwrap_err().to_string();
        assert!(says.contains("cannot connect to ims.example") && says.contains("HTTPS_PROXY"), "{says}");
    }

    #[tokio::test]
    async fn a_success_that_is_not_the_api_s_is_told_apart() {
        for (body, part) in [("<html>Welcome to the hotel</html>", "Welcome to the hotel"), ("", "it is not JSON")] {
            let error = ask(&Cloud::default().answering(200, body).api()).await.unwrap_err();
            assert!(matches!(error, CallError::Unreadable { .. }), "{error}");
            assert!(error.to_string().contains(part), "{error}");
        }
        let cloud = Cloud::default().answering(200, "[1]");
        let api = cloud.api();
        let call = api.ims(Method::POST, "ListApplications", Vec::new());
        let error = api.perform::<String>(&call).await.unwrap_err().to_string();
        assert!(error.starts_with("the answer of ims.aliyuncs.com to ListApplications cannot be read"), "{error}");
    }

    #[tokio::test]
    async fn the_port_of_an_endpoint_is_part_of_the_signed_host() {
        let mut settings = settings();
        settings.endpoints.ims = Url::parse("http://127.0.0.1:4001").unwrap();
        let cloud = Cloud::default().answering(200, "{}");
        assert!(ask(&cloud.api_with(&settings, credentials(), NOW)).await.is_ok());
        assert_eq!(cloud.headers("host"), ["127.0.0.1:4001"]);
        assert_eq!(cloud.last_request().uri(), "http://127.0.0.1:4001/");
    }

    #[tokio::test]
    async fn secrets_are_marked_in_the_request() {
        let credentials = ApiCredentials { security_token: Some(Secret::new("CAIS+/=")), ..credentials() };
        let cloud = Cloud::default().answering(200, "{}");
        assert!(ask(&cloud.api_with(&settings(), credentials, NOW)).await.is_ok());
        let shown = format!("{:?}", cloud.last_request());
        assert!(!shown.contains("CAIS") && !shown.contains("Signature="), "{shown}");
    }

    /// What the daemon's own client makes of a request, byte for byte as a server reads it.
    #[tokio::test]
    async fn the_signed_request_reaches_the_wire_as_it_was_signed() {
        use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let host = listener.local_addr().unwrap().to_string();
        let mut endpoints = settings().endpoints;
        endpoints.ims = Url::parse(&format!("http://{host}")).unwrap();
        let client = ApiClient::new(&crate::net::Settings::default()).unwrap();
        let api = Api::new(client, Clock::system(), credentials(), endpoints);
        let call =
            api.ims(Method::POST, "CreateApplication", vec![("B", "a b*~+/:é".to_owned()), ("A", String::new())]);
        let serve = async {
            let (mut connection, _) = listener.accept().await.unwrap();
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                head.push(connection.read_u8().await.unwrap());
            }
            connection.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}").await.unwrap();
            String::from_utf8(head).unwrap()
        };
        let (answer, head) = tokio::join!(api.perform::<serde_json::Value>(&call), serve);
        assert_eq!(answer.unwrap(), serde_json::json!({}));

        let mut lines = head.trim_end().split("\r\n");
        assert_eq!(lines.next(), Some("POST /?A=&B=a%20b%2A~%2B%2F%3A%C3%A9 HTTP/1.1"));
        let headers: Vec<(String, &str)> = lines
            .map(|line| line.split_once(": ").unwrap())
            .map(|(name, value)| (name.to_ascii_lowercase(), value))
            .collect();
        let one = |name: &str| {
            let values: Vec<&str> = headers.iter().filter(|(n, _)| n == name).map(|(_, v)| *v).collect();
            assert_eq!(values.len(), 1, "{name} in {head}");
            values[0]
        };
        assert_eq!((one("host"), one("accept"), one("content-length")), (host.as_str(), "application/json", "0"));
        let signed: Vec<(&str, &str)> = headers
            .iter()
            .filter(|(name, _)| name == "host" || name.starts_with("x-acs-"))
            .map(|(name, value)| (name.as_str(), *value))
            .collect();
        let query = "A=&B=a%20b%2A~%2B%2F%3A%C3%A9";
        let canonical = sign::canonical_request("POST", "/", query, &signed, &sign::hash(b""));
        let key = credentials();
        assert_eq!(one("authorization"), sign::authorization(&key.access_key_id, &key.access_key_secret, &canonical));
    }

    #[test]
    fn calls_can_be_made_by_any_task() {
        fn is_send(_: &impl Send) {}
        let api = Cloud::default().api();
        let settings = settings();
        is_send(&crate::alibaba::oauth_app::find_or_create(&api, &settings, "http://127.0.0.1:8088/callback"));
        is_send(&crate::alibaba::catalog::list_servers(&api));
    }
}
