//! One signed call to the cloud's API, with the few repetitions that make sense.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Request, Response, header};
use serde::de::DeserializeOwned;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc2822;
use url::Url;

use crate::alibaba::cloud_error::{self, CallContext, CloudError, Kind};
use crate::alibaba::credentials::ApiCredentials;
use crate::alibaba::sign;
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

/// A difference of clocks below this is no reason for `InvalidTimeStamp.Expired`, so correcting it cannot help.
const LEAST_SKEW: Duration = Duration::from_secs(60);

/// How requests get out: the daemon's client, or a stand-in for it.
pub type Transport = Arc<dyn Fn(Request<Bytes>) -> Answer + Send + Sync>;

/// An answer on its way.
pub type Answer = Pin<Box<dyn Future<Output = Result<Response<Bytes>, ApiError>> + Send>>;

/// The cloud's API, as one identity sees it.
pub struct Api {
    transport: Transport,
    clock: Clock,
    credentials: ApiCredentials,
    endpoints: Endpoints,
    /// Milliseconds to add to our clock to get the cloud's; zero until the cloud says otherwise.
    skew: AtomicI64,
}

/// One call: what to do, and with which parameters.
#[derive(Debug, Clone)]
pub(crate) struct Call<'a> {
    origin: &'a Url,
    method: Method,
    path: &'static str,
    action: &'static str,
    version: &'static str,
    /// The service's name in RAM actions.
    ram_service: &'static str,
    query: Vec<(&'static str, String)>,
}

/// Why a call has no result.
#[derive(Debug, thiserror::Error)]
pub enum CallError {
    /// No answer came.
    #[error("{0}. Check the network, the endpoint's host, and HTTPS_PROXY and NO_PROXY if a proxy is needed")]
    Unanswered(#[from] ApiError),
    /// The API refused.
    #[error(transparent)]
    Refused(Box<CloudError>),
    /// The answer is a success, but not what the call returns.
    #[error(
        "the answer of {host} to {action} cannot be read ({reason}). Check the endpoint's host, and any HTTP proxy in between"
    )]
    Unreadable {
        /// Host, and port if it is not the scheme's own.
        host: String,
        /// The call.
        action: &'static str,
        /// What is wrong with the answer.
        reason: String,
    },
    /// The request cannot be made at all.
    #[error("cannot make the request {action}: {reason}")]
    Unsendable {
        /// The call.
        action: &'static str,
        /// What is in the way.
        reason: String,
    },
}

impl CallError {
    /// What kind of refusal this is, if the API refused.
    pub fn kind(&self) -> Option<Kind> {
        match self {
            Self::Refused(error) => Some(error.kind()),
            _ => None,
        }
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
        Self { transport, clock, credentials, endpoints, skew: AtomicI64::new(0) }
    }

    /// Where the services are.
    pub fn endpoints(&self) -> &Endpoints {
        &self.endpoints
    }

    /// A call to the API that manages OAuth applications (IMS 2019-08-15, RPC style).
    pub(crate) fn ims(&self, method: Method, action: &'static str, query: Vec<(&'static str, String)>) -> Call<'_> {
        let (origin, version, ram_service) = (&self.endpoints.ims, "2019-08-15", "ram");
        Call { origin, method, path: "/", action, version, ram_service, query }
    }

    /// A call to the MCP gateway's control plane (OpenAPIExplorer 2024-11-30, ROA style).
    pub(crate) fn gateway(
        &self,
        path: &'static str,
        action: &'static str,
        query: Vec<(&'static str, String)>,
    ) -> Call<'_> {
        let (origin, version, ram_service) = (&self.endpoints.gateway, "2024-11-30", "openapiexplorer");
        Call { origin, method: Method::GET, path, action, version, ram_service, query }
    }

    /// Performs a call and reads its result.
    ///
    /// A wrong clock and a used nonce are corrected once; a busy service is asked up to three times.
    pub(crate) async fn perform<T: DeserializeOwned>(&self, call: &Call<'_>) -> Result<T, CallError> {
        let host = authority(call.origin);
        let (mut tries, mut clock_corrected, mut nonce_renewed) = (1, false, false);
        loop {
            let answer = (self.transport)(self.signed(call, &host)?).await?;
            if answer.status().is_success() {
                return read(&answer, call, host);
            }
            let error = self.refusal(&answer, call, &host);
            match error.kind() {
                Kind::ClockSkew if !clock_corrected && self.learn_skew(answer.headers()) => clock_corrected = true,
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

    fn signed(&self, call: &Call<'_>, host: &str) -> Result<Request<Bytes>, CallError> {
        let unsendable = |reason: String| CallError::Unsendable { action: call.action, reason };
        let key = &self.credentials;
        let nonce = sign::hex(&random::<16>(call.action)?);
        let date = sign::timestamp(self.cloud_time());
        let payload = sign::hash(b"");
        let mut headers = vec![
            ("host", host),
            ("x-acs-action", call.action),
            ("x-acs-version", call.version),
            ("x-acs-date", &date),
            ("x-acs-signature-nonce", &nonce),
            ("x-acs-content-sha256", &payload),
        ];
        if let Some(token) = &key.security_token {
            headers.push(("x-acs-accesskey-id", &key.access_key_id));
            headers.push(("x-acs-security-token", token.expose()));
        }
        let query = sign::canonical_query(&call.query);
        let canonical = sign::canonical_request(call.method.as_str(), call.path, &query, &headers, &payload);
        let authorization = sign::authorization(&key.access_key_id, &key.access_key_secret, &canonical);
        headers.push(("authorization", &authorization));
        headers.push(("accept", "application/json"));
        headers.push(("user-agent", concat!("mcp-proxy/", env!("CARGO_PKG_VERSION"))));
        if call.method == Method::POST {
            // The HTTP library says nothing of an empty body; some load balancers then answer 411.
            headers.push(("content-length", "0"));
        }

        let separator = if query.is_empty() { "" } else { "?" };
        let url = format!("{}://{host}{}{separator}{query}", call.origin.scheme(), call.path);
        let mut request = Request::builder().method(call.method.clone()).uri(url);
        for (name, value) in headers {
            // The library's words would quote the value, which may be a secret.
            let mut value = HeaderValue::from_str(value)
                .map_err(|_| unsendable(format!("the header {name} would hold an illegal character")))?;
            value.set_sensitive(matches!(name, "authorization" | "x-acs-security-token"));
            request = request.header(name, value);
        }
        request.body(Bytes::new()).map_err(|error| unsendable(error.to_string()))
    }

    fn refusal(&self, answer: &Response<Bytes>, call: &Call<'_>, host: &str) -> CloudError {
        let context = CallContext {
            host,
            action: call.action,
            ram_action: &format!("{}:{}", call.ram_service, call.action),
            credentials: &self.credentials.source,
            hide: self.credentials.security_token.as_ref().map(Secret::expose),
        };
        CloudError::read(answer, context)
    }

    fn cloud_time(&self) -> Wall {
        let ours = self.clock.now().wall.unix_millis();
        Wall::from_unix_millis(ours.saturating_add(self.skew.load(Ordering::Relaxed)))
    }

    /// Takes the cloud's time from the `Date` of an answer. False if that leaves the date as it was.
    fn learn_skew(&self, headers: &HeaderMap) -> bool {
        let date = headers.get(header::DATE).and_then(|value| value.to_str().ok());
        let Some(theirs) = date.and_then(|text| OffsetDateTime::parse(text, &Rfc2822).ok()) else { return false };
        let theirs = Wall::from_unix_seconds(theirs.unix_timestamp());
        let assumed = self.cloud_time();
        if theirs.since(assumed).max(assumed.since(theirs)) < LEAST_SKEW {
            return false;
        }
        let ours = self.clock.now().wall;
        self.skew.store(theirs.unix_millis().saturating_sub(ours.unix_millis()), Ordering::Relaxed);
        tracing::warn!(
            difference = in_words(theirs.since(ours).max(ours.since(theirs))),
            "the clock of this machine is wrong; signing with the cloud's time. Set the clock"
        );
        true
    }
}

fn read<T: DeserializeOwned>(answer: &Response<Bytes>, call: &Call<'_>, host: String) -> Result<T, CallError> {
    serde_json::from_slice(answer.body()).map_err(|error| {
        let reason = match error.classify() {
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
    let asked_for = headers.get("x-acs-retry-after").and_then(|value| value.to_str().ok()?.trim().parse().ok());
    // Half fixed, half random, so that those who were refused together do not come back together.
    let full = FIRST_WAIT.saturating_mul(1 << tries.min(8));
    let ours = full / 2 + full.mul_f64(f64::from(u16::from_be_bytes(random)) / f64::from(u16::MAX)) / 2;
    let wait = asked_for.map_or(Duration::ZERO, Duration::from_millis).max(ours);
    (wait <= LONGEST_WAIT).then_some(wait)
}

fn random<const N: usize>(action: &'static str) -> Result<[u8; N], CallError> {
    let mut bytes = [0; N];
    match getrandom::fill(&mut bytes) {
        Ok(()) => Ok(bytes),
        Err(error) => Err(CallError::Unsendable { action, reason: format!("the system has no random bytes: {error}") }),
    }
}

/// Host, and port if it is not the scheme's own: the value of the `Host` header.
fn authority(origin: &Url) -> String {
    let host = origin.host_str().unwrap_or_default();
    origin.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
}

#[cfg(test)]
mod tests {
    use super::*;
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
