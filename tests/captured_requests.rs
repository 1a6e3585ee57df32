//! Every request of the vendor adapter and of a sign-in, compared with the one that an official client sent for the same
//! purpose: same method and path, same parameters, same headers and body. What differs is written down, with its reason.
//!
//! The signatures themselves are held by vectors, and by the sandbox, which verifies them as the cloud does.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that fails may panic")]

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use mcp_proxy::alibaba::credentials::Credentials;
use mcp_proxy::alibaba::settings::{AccessTokenSettings, DEFAULT_SCOPE, Safety, Settings};
use mcp_proxy::alibaba::site::{EndpointOverrides, Endpoints, Site};
use mcp_proxy::alibaba::{access_token, catalog, oauth_app};
use mcp_proxy::auth::endpoint::{CodeExchange, TokenEndpoint};
use mcp_proxy::model::secret::Secret;
use mcp_proxy::model::time::{Clock, Mono, Now, Wall};
use mcp_proxy::net::api_client::ApiClient;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// 2026-09-30T12:00:00Z, when the vendor's Python SDK sent its requests.
const NOW: Wall = Wall::from_unix_seconds(1_790_769_600);
const PATIENCE: Duration = Duration::from_secs(20);
const ROLE: &str = "acs:ram::1234567890123456:role/mcp-role";

/// A request as far as a server acts on it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
struct Request {
    method: String,
    path: String,
    /// Of query and form together; those that differ each time are only known to be there.
    parameters: BTreeMap<String, String>,
    /// Without those of the connection and of the client's name.
    headers: BTreeMap<String, String>,
    /// JSON; `null` for none.
    body: Value,
}

/// Whether a text has the form of what stands there.
type Shape = fn(&str) -> bool;

/// Names of what is another each time, or depends on the machine, and the form that it has.
const VARIABLE: [(&str, Shape); 7] = [
    ("x-acs-signature-nonce", |value| value.len() == 32),
    ("SignatureNonce", |value| value.len() == 32),
    ("x-acs-date", |value| value.len() == 20 && value.ends_with('Z')),
    ("Timestamp", |value| value.len() == 20 && value.ends_with('Z')),
    ("date", |value| value.ends_with(" GMT")),
    ("Signature", |value| value.len() == 28 && value.ends_with('=')),
    ("authorization", |value| value.starts_with("ACS3-HMAC-SHA256 Credential=")),
];

/// Headers that belong to the connection or tell the client's name.
const OF_THE_CLIENT: [&str; 6] =
    ["host", "user-agent", "accept-encoding", "connection", "content-length", "x-acs-credentials-provider"];

impl Request {
    fn parse(text: &str) -> Self {
        let (head, body) = text.split_once("\r\n\r\n").expect("a whole head");
        let mut lines = head.split("\r\n");
        let mut first = lines.next().unwrap().split(' ');
        let (method, target) = (first.next().unwrap().to_owned(), first.next().unwrap());
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let lines: Vec<(String, String)> = lines
            .map(|line| line.split_once(": ").unwrap())
            .map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
            .collect();
        let headers: BTreeMap<String, String> = lines.iter().cloned().collect();
        assert_eq!(headers.len(), lines.len(), "a header is there twice: {lines:?}");
        let is_form = headers.get("content-type").is_some_and(|kind| kind == "application/x-www-form-urlencoded");
        let form = if is_form { body } else { "" };
        let decoded = |text: &str| url::form_urlencoded::parse(text.as_bytes()).into_owned().collect::<Vec<_>>();
        let parameters = decoded(query).into_iter().chain(decoded(form));
        let settled = |(name, value): (String, String)| {
            let shape = VARIABLE.iter().find(|(variable, _)| *variable == name);
            match shape {
                Some((_, fits)) if fits(&value) => (name, "*".to_owned()),
                // The documents write both.
                _ if name == "Format" => (name, value.to_ascii_lowercase()),
                _ => (name, value),
            }
        };
        let body = if is_form || body.is_empty() { Value::Null } else { serde_json::from_str(body).unwrap() };
        Self {
            method,
            path: path.to_owned(),
            parameters: parameters.map(settled).collect(),
            headers: headers.into_iter().filter(|(name, _)| !OF_THE_CLIENT.contains(&&**name)).map(settled).collect(),
            body,
        }
    }

    fn without(mut self, names: &[&str]) -> Self {
        self.parameters.retain(|name, _| !names.contains(&name.as_str()));
        self.headers.retain(|name, _| !names.contains(&name.as_str()));
        self
    }
}

fn captured(name: &str) -> Request {
    let text = include_str!("testdata/alibaba/captured_requests.json");
    let file: Value = serde_json::from_str(text).unwrap();
    let found = file["requests"].as_array().unwrap().iter().find(|request| request["name"] == name);
    Request::parse(found.unwrap_or_else(|| panic!("{name} was captured"))["request"].as_str().unwrap())
}

/// A server that keeps what it is asked and answers everything that anybody may want to read.
struct Listener {
    origin: String,
    asked: Arc<Mutex<Vec<Request>>>,
    home: TempDir,
}

impl Listener {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let origin = format!("http://{}", listener.local_addr().unwrap());
        let asked: Arc<Mutex<Vec<Request>>> = Arc::default();
        let kept = asked.clone();
        #[expect(clippy::disallowed_methods, reason = "it ends with the runtime of the test")]
        tokio::spawn(async move {
            while let Ok((connection, _)) = listener.accept().await {
                serve(connection, &kept).await;
            }
        });
        Self { origin, asked, home: tempfile::tempdir().unwrap() }
    }

    fn settings(&self) -> Settings {
        let here = Some(self.origin.clone());
        let overrides = EndpointOverrides {
            oauth: here.clone(),
            ims: here.clone(),
            ramoauth: here.clone(),
            gateway: here.clone(),
            sts: here.clone(),
            metadata: here,
            ..EndpointOverrides::default()
        };
        Settings {
            site: Site::Cn,
            endpoints: Endpoints::resolve(Site::Cn, &overrides).unwrap(),
            oauth_app_name: None,
            scope: DEFAULT_SCOPE.to_owned(),
            profile: None,
            aliyun_config_file: Some(self.home.path().join("config.json")),
        }
    }

    /// The credentials of a profile.
    fn credentials(&self, profile: Value) -> Credentials {
        let mut one = json!({ "name": "default", "access_key_id": "LTAI5tFakeAccessKeyId001",
            "access_key_secret": "FakeSecretForTestsOnly0123456789" });
        one.as_object_mut().unwrap().extend(profile.as_object().unwrap().clone());
        let text = json!({ "current": "default", "profiles": [one] }).to_string();
        std::fs::write(self.home.path().join("config.json"), text).unwrap();
        let clock = Clock::from_fn(|| Now { wall: NOW, mono: Mono::from_start(Duration::ZERO) });
        Credentials::new(self.settings(), Arc::new(|_| None), self.client(), clock)
    }

    fn client(&self) -> ApiClient {
        ApiClient::direct(PATIENCE).unwrap()
    }

    fn asked(&self) -> Vec<Request> {
        std::mem::take(&mut *self.asked.lock().unwrap())
    }
}

async fn serve(mut connection: TcpStream, kept: &Mutex<Vec<Request>>) {
    let mut text = Vec::new();
    while !text.ends_with(b"\r\n\r\n") {
        let Ok(byte) = connection.read_u8().await else { return };
        text.push(byte);
    }
    let head = String::from_utf8(text.clone()).unwrap().to_ascii_lowercase();
    let length =
        head.split("content-length: ").nth(1).map_or(0, |rest| rest.split("\r\n").next().unwrap().parse().unwrap());
    let mut body = vec![0; length];
    connection.read_exact(&mut body).await.unwrap();
    text.extend(body);
    let request = Request::parse(std::str::from_utf8(&text).unwrap());
    let keys = json!({ "AccessKeyId": "STS.1", "AccessKeySecret": "s", "SecurityToken": "t",
        "Expiration": "2026-09-30T13:00:00Z" });
    let mut everything = json!({
        "Code": "Success", "Credentials": keys, "CloudCredential": keys, "Data": { "AccessToken": "a" },
        "Applications": {}, "access_token": "a", "token_type": "Bearer", "expires_in": 1,
    });
    everything.as_object_mut().unwrap().extend(keys.as_object().unwrap().clone());
    if request.path == "/apimcpservers" && !request.parameters.contains_key("nextToken") {
        everything["nextToken"] = json!("AAAAfake+/==");
    }
    let answer = match request.path.as_str() {
        "/latest/api/token" => "AQAAFakeMetadataToken==".to_owned(),
        "/latest/meta-data/ram/security-credentials/" => "FakeEcsRole".to_owned(),
        _ => everything.to_string(),
    };
    kept.lock().unwrap().push(request);
    let head = format!("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: {}\r\n\r\n", answer.len());
    connection.write_all(format!("{head}{answer}").as_bytes()).await.unwrap();
}

/// Asserts that one request is the captured one. `adds`: what ours has beside it; `lacks`: what it does without.
#[track_caller]
fn assert_same(ours: &Request, name: &str, adds: &[&str], lacks: &[&str]) {
    let theirs = captured(name);
    for added in adds {
        assert!(
            ours.headers.contains_key(*added) || ours.parameters.contains_key(*added),
            "{name}: no {added} is added"
        );
    }
    for lacking in lacks {
        assert!(theirs.headers.contains_key(*lacking) || theirs.parameters.contains_key(*lacking), "{name}: {lacking}");
    }
    assert_eq!(ours.clone().without(adds), theirs.without(lacks), "{name}");
}

/// Ours always says what it can read; some official clients do not.
const ACCEPT: &[&str] = &["accept"];

#[tokio::test]
async fn keys_are_asked_for_as_official_clients_ask() {
    let here = Listener::start().await;
    let one = |mut asked: Vec<Request>| {
        assert_eq!(asked.len(), 1, "{asked:?}");
        asked.remove(0)
    };
    let role = json!({ "ram_role_arn": ROLE, "ram_session_name": "mcp-proxy-session", "expired_seconds": 3600 });
    let with = |base: &Value, more: Value| {
        let mut all = base.clone();
        all.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        all
    };
    let policy = r#"{"Version":"1","Statement":[]}"#;
    let assumes = with(&role, json!({ "mode": "RamRoleArn", "external_id": "ext-1", "policy": policy }));
    here.credentials(assumes).get().await.unwrap();
    assert_same(&one(here.asked()), "AssumeRole", &[], &[]);

    let token = here.home.path().join("token");
    std::fs::write(&token, "eyJhbGciOiJSUzI1NiJ9.fake.oidc\n").unwrap();
    let oidc = json!({ "mode": "OIDC", "oidc_provider_arn": "acs:ram::1234567890123456:oidc-provider/idp",
        "oidc_token_file": token });
    here.credentials(with(&role, oidc)).get().await.unwrap();
    assert_same(&one(here.asked()), "AssumeRoleWithOIDC", ACCEPT, &[]);

    let portal = format!("{}/start/login", here.origin);
    let sso = json!({ "mode": "CloudSSO", "cloud_sso_sign_in_url": portal, "cloud_sso_account_id": "1234567890123456",
        "cloud_sso_access_config": "ac-00fake00", "access_token": "FakeCloudSsoAccessToken" });
    here.credentials(sso).get().await.unwrap();
    assert_same(&one(here.asked()), "CloudSSO", &[], &[]);

    let oauth = json!({ "mode": "OAuth", "oauth_site_type": "CN", "oauth_access_token": "FakeAccessToken04" });
    here.credentials(oauth).get().await.unwrap();
    assert_same(&one(here.asked()), "OAuth exchange", ACCEPT, &[]);

    let uri = format!("{}/credentials-uri", here.origin);
    here.credentials(json!({ "mode": "CredentialsURI", "credentials_uri": uri })).get().await.unwrap();
    assert_same(&one(here.asked()), "credentials URI", ACCEPT, &[]);

    here.credentials(json!({ "mode": "EcsRamRole" })).get().await.unwrap();
    let asked = here.asked();
    assert_eq!(asked.len(), 3, "{asked:?}");
    for (ours, name) in asked.iter().zip(["metadata token", "metadata role", "metadata keys"]) {
        assert_same(ours, name, ACCEPT, &[]);
    }
}

#[tokio::test]
async fn tokens_and_lists_are_asked_for_as_official_clients_ask() {
    let here = Listener::start().await;
    let settings = AccessTokenSettings::of(Site::Cn);
    let key = here.credentials(json!({ "mode": "AK" })).api().await.unwrap();
    access_token::generate(&key, &settings).await.unwrap();
    let policy = r#"{"Version":"1","Statement":[{"Effect":"Deny","Action":"ram:*","Resource":"*"}]}"#;
    let temporary = json!({ "mode": "StsToken", "access_key_id": "STS.FakeStsAccessKeyId0001",
        "sts_token": "CAISFakeSecurityToken+/=~ForTests" });
    let api = here.credentials(temporary).api().await.unwrap();
    let bounded = AccessTokenSettings { boundary: Some(policy.to_owned()), ..settings };
    access_token::generate(&api, &bounded).await.unwrap();
    let asked = here.asked();
    assert_same(&asked[0], "GenerateAccessToken", ACCEPT, &[]);
    assert_same(&asked[1], "GenerateAccessToken with a policy and a temporary key", ACCEPT, &[]);

    let safety = Safety { rules: None, tools: vec!["a".to_owned(), "b".to_owned()] };
    access_token::restrict(&key, &Secret::new("eyJhbGciOiJSUzI1NiJ9.fake.ims"), &safety).await.unwrap();
    assert_same(&here.asked()[0], "UpdateBearerTokenSafetyPolicy", &[], &[]);

    catalog::list_servers(&key).await.unwrap();
    let asked = here.asked();
    // The size of a page and the kind of server are left to the cloud: all are wanted.
    assert_same(&asked[1], "ListApiMcpServers, the next page", &[], &["maxResults", "sourceType"]);
    assert_same(&asked[2], "ListApiMcpServerCores", &[], &[]);
    assert_eq!(asked.len(), 3);
}

#[tokio::test]
async fn a_bearer_is_sent_as_official_clients_send_it() {
    let here = Listener::start().await;
    let profile = json!({ "mode": "BearerToken", "bearer_token": "FakeBearerToken" });
    let api = here.credentials(profile).api().await.unwrap();
    // The answer names no application, and what is made of that is tested elsewhere.
    let _ = oauth_app::find_or_create(&api, &here.settings(), "http://127.0.0.1:8088/callback").await;
    assert_same(&here.asked()[0], "ListApplications with a bearer", &[], &[]);
    catalog::list_servers(&api).await.unwrap();
    assert_same(&here.asked()[0], "ListApiMcpServers with a bearer", &[], &[]);
}

#[tokio::test]
async fn a_sign_in_is_exchanged_and_renewed_as_official_clients_do() {
    let here = Listener::start().await;
    let endpoint = TokenEndpoint::new(here.client(), &here.settings().endpoints.oauth);
    let (code, verifier) = (Secret::new("FakeAuthCode123"), Secret::new("_lfzy3GzF9SIgioTMKkIyuDAOlkPw1cv948N2IoUqUA"));
    let exchange = CodeExchange {
        client_id: "4567890123456789012",
        redirect_uri: "http://127.0.0.1:8088/callback",
        code: &code,
        verifier: &verifier,
    };
    endpoint.exchange(exchange).await.unwrap();
    endpoint.refresh("4567890123456789012", &Secret::new("FakeRefreshToken02")).await.unwrap();
    let asked = here.asked();
    assert_same(&asked[0], "code", ACCEPT, &[]);
    assert_same(&asked[1], "refresh", ACCEPT, &[]);
}
