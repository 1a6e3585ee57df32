//! For the tests of this layer: a scripted stand-in for the cloud, and what the official client sent.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http::{Request, Response};
use serde::Deserialize;

use crate::alibaba::call::{Api, Transport};
use crate::alibaba::credentials::ApiCredentials;
use crate::alibaba::settings::{DEFAULT_SCOPE, Settings};
use crate::alibaba::sign;
use crate::alibaba::site::{EndpointOverrides, Endpoints, Site};
use crate::model::secret::Secret;
use crate::model::time::{Clock, Mono, Now, Wall};
use crate::net::api_client::ApiError;

/// 2026-09-30T12:00:00Z.
pub(crate) const NOW: Wall = Wall::from_unix_seconds(1_790_769_600);

/// A request of the official client: its signed headers, and `accept`.
#[derive(Deserialize)]
pub(crate) struct OfficialRequest {
    pub(crate) name: String,
    pub(crate) method: String,
    pub(crate) target: String,
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) authorization: String,
    pub(crate) key_id: String,
    pub(crate) secret: String,
}

pub(crate) fn official_requests() -> Vec<OfficialRequest> {
    #[derive(Deserialize)]
    struct File {
        requests: Vec<OfficialRequest>,
    }
    let text = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/testdata/alibaba/official_requests.json"));
    serde_json::from_str::<File>(text).unwrap().requests
}

pub(crate) fn official_request(name: &str) -> OfficialRequest {
    official_requests().into_iter().find(|request| request.name == name).unwrap()
}

pub(crate) fn settings() -> Settings {
    Settings {
        site: Site::Cn,
        endpoints: Endpoints::resolve(Site::Cn, &EndpointOverrides::default()).unwrap(),
        oauth_app_name: None,
        scope: DEFAULT_SCOPE.to_owned(),
        profile: None,
        aliyun_config_file: None,
    }
}

pub(crate) fn credentials() -> ApiCredentials {
    ApiCredentials {
        access_key_id: "LTAI5tFakeAccessKeyId001".to_owned(),
        access_key_secret: Secret::new("FakeSecretForTestsOnly0123456789"),
        security_token: None,
        bearer: None,
        source: "profile default in /h/config.json".to_owned(),
    }
}

/// A prepared answer.
type Scripted = Result<Response<Bytes>, ApiError>;

/// A cloud that gives prepared answers in order and keeps what it was asked.
#[derive(Clone, Default)]
pub(crate) struct Cloud {
    answers: Arc<Mutex<VecDeque<Scripted>>>,
    asked: Arc<Mutex<Vec<Request<Bytes>>>>,
}

impl Cloud {
    pub(crate) fn answering(self, status: u16, body: &str) -> Self {
        self.answering_with(status, &[], body)
    }

    pub(crate) fn answering_with(self, status: u16, headers: &[(&str, &str)], body: &str) -> Self {
        let builder = headers.iter().fold(Response::builder().status(status), |b, (n, v)| b.header(*n, *v));
        let answer = builder.body(Bytes::copy_from_slice(body.as_bytes())).unwrap();
        self.answers.lock().unwrap().push_back(Ok(answer));
        self
    }

    pub(crate) fn failing(self, error: ApiError) -> Self {
        self.answers.lock().unwrap().push_back(Err(error));
        self
    }

    pub(crate) fn api(&self) -> Api {
        self.api_with(&settings(), credentials(), NOW)
    }

    pub(crate) fn api_with(&self, settings: &Settings, credentials: ApiCredentials, at: Wall) -> Api {
        let cloud = self.clone();
        let transport: Transport = Arc::new(move |request| {
            cloud.asked.lock().unwrap().push(request);
            let answer = cloud.answers.lock().unwrap().pop_front().expect("one answer for each request");
            Box::pin(std::future::ready(answer))
        });
        let clock = Clock::from_fn(move || Now { wall: at, mono: Mono::from_start(std::time::Duration::ZERO) });
        Api::over(transport, clock, credentials, settings.endpoints.clone())
    }

    /// Every request so far as `METHOD target action`.
    pub(crate) fn asked(&self) -> Vec<String> {
        let line = |r: &Request<Bytes>| {
            format!("{} {} {}", r.method(), target(r), r.headers()["x-acs-action"].to_str().unwrap())
        };
        self.asked.lock().unwrap().iter().map(line).collect()
    }

    /// The headers of one name of every request so far.
    pub(crate) fn headers(&self, name: &str) -> Vec<String> {
        let value = |r: &Request<Bytes>| r.headers()[name].to_str().unwrap().to_owned();
        self.asked.lock().unwrap().iter().map(value).collect()
    }

    /// Every request so far.
    pub(crate) fn requests(&self) -> Vec<Request<Bytes>> {
        self.asked.lock().unwrap().clone()
    }

    pub(crate) fn last_request(&self) -> Request<Bytes> {
        self.asked.lock().unwrap().last().unwrap().clone()
    }

    /// True once every prepared answer was given.
    pub(crate) fn is_done(&self) -> bool {
        self.answers.lock().unwrap().is_empty()
    }
}

fn target(request: &Request<Bytes>) -> String {
    request.uri().path_and_query().unwrap().to_string()
}

/// Asserts that a request says what the official one says, and that its signature covers all of it.
///
/// The nonce is our own, `x-acs-credentials-provider` is left out on purpose, and `added_parameter` is cut from our target.
pub(crate) fn assert_official(request: &Request<Bytes>, official: &OfficialRequest, added_parameter: &str) {
    let name = &official.name;
    assert_eq!(request.method().as_str(), official.method, "{name}");
    assert_eq!(target(request).replace(added_parameter, ""), official.target, "{name}");
    let ours = |header: &str| request.headers().get(header).map(|value| value.to_str().unwrap());
    let mut signed = Vec::new();
    for (header, value) in &official.headers {
        match header.as_str() {
            "x-acs-credentials-provider" => assert_eq!(ours(header), None, "{name}"),
            "x-acs-signature-nonce" => assert_eq!(ours(header).unwrap().len(), value.len(), "{name}"),
            _ => assert_eq!(ours(header), Some(value.as_str()), "{name}: {header}"),
        }
        if let (Some(value), false) = (ours(header), header == "accept") {
            signed.push((header.as_str(), value));
        }
    }
    let (path, query) = (request.uri().path(), request.uri().query().unwrap_or_default());
    let canonical =
        sign::canonical_request(request.method().as_str(), path, query, &signed, &sign::hash(request.body()));
    let authorization = sign::authorization(&official.key_id, &Secret::new(official.secret.as_str()), &canonical);
    assert_eq!(ours("authorization"), Some(authorization.as_str()), "{name}");
    // Nothing but what is signed and these may be there: the server wants every x-acs- header signed.
    let unsigned = ["accept", "authorization", "content-length", "user-agent"];
    let others = request.headers().keys().filter(|name| !unsigned.contains(&name.as_str())).count();
    assert_eq!(others, signed.len(), "{name}: {:?}", request.headers());
}
