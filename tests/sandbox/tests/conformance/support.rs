//! A client for the stand-in: signing, signing in, asking the gateway.
//!
//! The signer here is written anew, apart from the verifier under test.

use std::collections::BTreeMap;
use std::sync::Once;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use mcp_proxy_sandbox::{Consent, Options, Sandbox};
use reqwest::redirect::Policy;
use reqwest::{Certificate, Client, Method, RequestBuilder, Response};
use serde_json::Value;
use sha1::Sha1;
use sha2::{Digest, Sha256};
use time::OffsetDateTime;
use time::macros::format_description;

/// Waits of tests end here, when something is wrong.
pub(crate) const DEADLINE: Duration = Duration::from_secs(10);

pub(crate) const CALLBACK: &str = "http://127.0.0.1:8088/callback";
pub(crate) const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
pub(crate) const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

/// A stand-in and a client that trusts it.
pub(crate) struct World {
    pub(crate) sandbox: Sandbox,
    pub(crate) http: Client,
}

/// Tokens of a sign-in.
#[derive(Clone, Debug)]
pub(crate) struct Tokens {
    pub(crate) access: String,
    pub(crate) refresh: String,
}

impl World {
    pub(crate) async fn new() -> Self {
        static PROVIDER: Once = Once::new();
        PROVIDER.call_once(|| {
            rustls::crypto::ring::default_provider().install_default().unwrap();
        });
        let options = Options { consent: Consent::Allow, ..Options::default() };
        let sandbox = Sandbox::start(options).await.unwrap();
        let ca = Certificate::from_pem(&std::fs::read(sandbox.ca_file()).unwrap()).unwrap();
        let http = Client::builder().tls_certs_only([ca]).redirect(Policy::none()).no_proxy().build().unwrap();
        Self { sandbox, http }
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("{}{path}", self.sandbox.cloud_url())
    }

    pub(crate) fn authority(&self) -> String {
        self.sandbox.cloud_url().trim_start_matches("https://").to_owned()
    }

    /// An API call by the default key.
    pub(crate) async fn call(&self, action: &str, parameters: &[(&str, &str)]) -> (u16, Value) {
        self.send(self.signed(action, parameters)).await
    }

    /// The same with an RPC signature, everything in the query.
    pub(crate) async fn call_rpc(&self, action: &str, parameters: &[(&str, &str)]) -> (u16, Value) {
        let (version, _, method) = Self::known(action);
        let (key, secret) = self.sandbox.access_key();
        let (date, nonce) = (now(), unique());
        let system = [
            ("AccessKeyId", key.as_str()),
            ("Action", action),
            ("Format", "JSON"),
            ("SignatureMethod", "HMAC-SHA1"),
            ("SignatureNonce", &nonce),
            ("SignatureVersion", "1.0"),
            ("Timestamp", &date),
            ("Version", version),
        ];
        let pairs: BTreeMap<&str, &str> = system.into_iter().chain(parameters.iter().copied()).collect();
        let query: Vec<String> = pairs.iter().map(|(name, value)| format!("{}={}", enc(name), enc(value))).collect();
        let query = query.join("&");
        let mut mac = Hmac::<Sha1>::new_from_slice(format!("{secret}&").as_bytes()).unwrap();
        mac.update(format!("{method}&%2F&{}", enc(&query)).as_bytes());
        let signature = STANDARD.encode(mac.finalize().into_bytes());
        let url = self.url(&format!("/?{query}&Signature={}", enc(&signature)));
        let response = self.http.request(method, url).send().await.unwrap();
        (response.status().as_u16(), response.json().await.unwrap())
    }

    /// Version, path and method of an action.
    fn known(action: &str) -> (&'static str, &'static str, Method) {
        match action {
            "GetCallerIdentity" | "AssumeRole" => ("2015-04-01", "/", Method::POST),
            "ListApiMcpServers" => ("2024-11-30", "/apimcpservers", Method::GET),
            "GenerateAccessToken" => ("2026-04-21", "/", Method::POST),
            _ => ("2019-08-15", "/", Method::POST),
        }
    }

    /// A signed call that a test may still spoil.
    pub(crate) fn signed(&self, action: &str, parameters: &[(&str, &str)]) -> Signed {
        let (key, secret) = self.sandbox.access_key();
        let (version, path, method) = Self::known(action);
        let headers = [
            ("host", self.authority()),
            ("x-acs-action", action.to_owned()),
            ("x-acs-version", version.to_owned()),
            ("x-acs-date", now()),
            ("x-acs-signature-nonce", unique()),
            ("x-acs-content-sha256", hex(&Sha256::digest(b""))),
        ];
        Signed {
            method,
            path: path.to_owned(),
            query: parameters.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect(),
            headers: headers.into_iter().map(|(k, v)| (k.to_owned(), v)).collect(),
            unsigned: vec![("accept".to_owned(), "application/json".to_owned())],
            body: Vec::new(),
            key,
            secret,
        }
    }

    pub(crate) async fn send(&self, signed: Signed) -> (u16, Value) {
        let response = self.request(&signed).send().await.unwrap();
        let status = response.status().as_u16();
        (status, response.json().await.unwrap())
    }

    pub(crate) fn request(&self, signed: &Signed) -> RequestBuilder {
        let query = signed.canonical_query();
        let query = if query.is_empty() { query } else { format!("?{query}") };
        let url = self.url(&format!("{}{query}", signed.path));
        let mut request = self.http.request(signed.method.clone(), url);
        for (name, value) in signed.headers.iter().chain(signed.unsigned.iter().map(|(name, value)| (name, value))) {
            request = request.header(name, value);
        }
        request.header("Authorization", signed.authorization()).body(signed.body.clone())
    }

    /// A native application as mcp-proxy creates it; its id.
    pub(crate) async fn application(&self) -> String {
        let name = format!("app-{}", unique());
        let (status, answer) = self
            .call(
                "CreateApplication",
                &[
                    ("AppName", &name),
                    ("DisplayName", "Sandbox test"),
                    ("AppType", "NativeApp"),
                    ("PredefinedScopes", "/acs/mcp-server;openid"),
                    ("RedirectUris", CALLBACK),
                    ("AccessTokenValidity", "10800"),
                    ("RefreshTokenValidity", "31536000"),
                    ("ProtocolVersion", "2.1"),
                    ("IsMultiTenant", "false"),
                ],
            )
            .await;
        assert_eq!(status, 200, "{answer}");
        answer["Application"]["AppId"].as_str().unwrap().to_owned()
    }

    pub(crate) fn authorize_url(&self, client_id: &str) -> String {
        let mut url = url::Url::parse(&self.sandbox.page_url()).unwrap().join("/oauth2/v1/auth").unwrap();
        url.query_pairs_mut()
            .append_pair("client_id", client_id)
            .append_pair("response_type", "code")
            .append_pair("redirect_uri", CALLBACK)
            .append_pair("scope", "/acs/mcp-server")
            .append_pair("state", "st ate")
            .append_pair("code_challenge", CHALLENGE)
            .append_pair("code_challenge_method", "S256");
        url.into()
    }

    pub(crate) fn code(&self, client_id: &str) -> String {
        let callback = self.sandbox.approve(&self.authorize_url(client_id)).unwrap();
        parameter(&callback, "code").unwrap()
    }

    pub(crate) async fn token(&self, form: &[(&str, &str)]) -> (u16, Value) {
        let response = self.http.post(self.url("/v1/token")).form(form).send().await.unwrap();
        let status = response.status().as_u16();
        (status, response.json().await.unwrap())
    }

    pub(crate) async fn exchange(&self, client_id: &str, code: &str) -> (u16, Value) {
        self.token(&[
            ("grant_type", "authorization_code"),
            ("client_id", client_id),
            ("code", code),
            ("redirect_uri", CALLBACK),
            ("code_verifier", VERIFIER),
        ])
        .await
    }

    pub(crate) async fn refresh(&self, client_id: &str, token: &str) -> (u16, Value) {
        self.token(&[("grant_type", "refresh_token"), ("client_id", client_id), ("refresh_token", token)]).await
    }

    /// An application and the tokens of a sign-in to it.
    pub(crate) async fn signed_in(&self) -> (String, Tokens) {
        let client_id = self.application().await;
        let (status, answer) = self.exchange(&client_id, &self.code(&client_id)).await;
        assert_eq!(status, 200, "{answer}");
        (client_id, tokens(&answer))
    }

    pub(crate) fn get(&self, path: &str, token: &str) -> RequestBuilder {
        self.http.get(self.url(path)).bearer_auth(token)
    }

    pub(crate) async fn status(&self, path: &str, token: &str) -> u16 {
        self.get(path, token).send().await.unwrap().status().as_u16()
    }

    pub(crate) fn mcp_path(&self, name: &str) -> String {
        let servers = self.sandbox.servers();
        servers.iter().find(|server| server.name == name).unwrap().mcp_path.clone()
    }
}

pub(crate) fn tokens(answer: &Value) -> Tokens {
    Tokens {
        access: answer["access_token"].as_str().unwrap().to_owned(),
        refresh: answer["refresh_token"].as_str().unwrap_or_default().to_owned(),
    }
}

/// A query parameter of a URL.
pub(crate) fn parameter(url: &str, name: &str) -> Option<String> {
    let url = url::Url::parse(url).unwrap();
    url.query_pairs().find(|(own, _)| own == name).map(|(_, value)| value.into_owned())
}

/// The target of a redirect.
pub(crate) fn location(response: &Response) -> String {
    assert_eq!(response.status().as_u16(), 302);
    response.headers()["location"].to_str().unwrap().to_owned()
}

/// A V3 request before it is sent.
#[derive(Clone)]
pub(crate) struct Signed {
    pub(crate) method: Method,
    pub(crate) path: String,
    pub(crate) query: BTreeMap<String, String>,
    pub(crate) headers: BTreeMap<String, String>,
    /// Sent, but not signed.
    pub(crate) unsigned: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
    pub(crate) key: String,
    pub(crate) secret: String,
}

impl Signed {
    pub(crate) fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.insert(name.to_owned(), value.to_owned());
        self
    }

    fn canonical_query(&self) -> String {
        let pairs = self.query.iter().map(|(name, value)| format!("{}={}", enc(name), enc(value)));
        pairs.collect::<Vec<_>>().join("&")
    }

    fn authorization(&self) -> String {
        let names: Vec<&str> = self.headers.keys().map(String::as_str).collect();
        let headers: String = self.headers.iter().map(|(name, value)| format!("{name}:{value}\n")).collect();
        let canonical = format!(
            "{}\n{}\n{}\n{headers}\n{}\n{}",
            self.method,
            self.path,
            self.canonical_query(),
            names.join(";"),
            self.headers["x-acs-content-sha256"],
        );
        let string = format!("ACS3-HMAC-SHA256\n{}", hex(&Sha256::digest(canonical.as_bytes())));
        let mut mac = Hmac::<Sha256>::new_from_slice(self.secret.as_bytes()).unwrap();
        mac.update(string.as_bytes());
        format!(
            "ACS3-HMAC-SHA256 Credential={},SignedHeaders={},Signature={}",
            self.key,
            names.join(";"),
            hex(&mac.finalize().into_bytes()),
        )
    }
}

fn enc(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte);
    text.bytes().map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") }).collect()
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The date of the API, so many seconds from now.
#[expect(clippy::disallowed_methods, reason = "a signature is judged by the real time")]
pub(crate) fn date(offset: i64) -> String {
    let form = format_description!("[year]-[month]-[day]T[hour]:[minute]:[second]Z");
    let seconds = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let at = i64::try_from(seconds).unwrap() + offset;
    OffsetDateTime::from_unix_timestamp(at).unwrap().format(form).unwrap()
}

/// The `Date` header of now.
pub(crate) fn http_date() -> String {
    OffsetDateTime::now_utc().format(&time::format_description::well_known::Rfc2822).unwrap()
}

fn now() -> String {
    date(0)
}

pub(crate) fn unique() -> String {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).unwrap();
    hex(&bytes)
}
