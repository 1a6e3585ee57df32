//! Getting a key from its source.

use std::pin::Pin;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderValue, Method, Request, StatusCode, header};
use serde::Deserialize;
use url::Url;

use crate::alibaba::call::{Api, CallError, Skew, authority};
use crate::alibaba::credentials::CredentialsError;
use crate::alibaba::credentials::source::{PersonsToken, Role, Source};
use crate::alibaba::credentials::temporary::{Given, Obtained, Proof};
use crate::alibaba::settings::Settings;
use crate::alibaba::site::{EndpointOverrides, Endpoints, Site};
use crate::alibaba::{metadata, sts};
use crate::model::secret::Secret;
use crate::model::time::Clock;
use crate::net::api_client::{ApiClient, ApiError};
use crate::process;

/// Gives keys for the token of somebody who signed in with the aliyun CLI.
const EXCHANGE: &str = "/v1/exchange";
/// How long a command may take; as long as the vendor's own tools let one.
const COMMAND_TIMEOUT: Duration = Duration::from_secs(60);
/// How long a service beside this machine may take.
const NEARBY_TIMEOUT: Duration = Duration::from_secs(1);
/// How long an address that the settings name may take, if it is not asked through the usual client.
const URI_TIMEOUT: Duration = Duration::from_secs(5);

/// What getting a key takes.
#[derive(Clone, Copy)]
pub(super) struct Obtaining<'a> {
    pub(super) settings: &'a Settings,
    pub(super) client: &'a ApiClient,
    pub(super) clock: &'a Clock,
    pub(super) skew: &'a Skew,
    /// What the source is called.
    pub(super) origin: &'a str,
}

type Found<'f> = Pin<Box<dyn Future<Output = Result<Obtained, CredentialsError>> + Send + 'f>>;

impl<'a> Obtaining<'a> {
    /// A key of `source`.
    pub(super) fn from<'f>(self, source: &'f Source) -> Found<'f>
    where
        'a: 'f,
    {
        // Boxed, because a role may be assumed by a role.
        Box::pin(async move {
            let given = match source {
                Source::AccessKey(key) => return Ok(Obtained { proof: Proof::Key(key.clone()), ends: None }),
                Source::Bearer(bearer) => return Ok(Obtained { proof: Proof::Bearer(bearer.clone()), ends: None }),
                Source::Stored { key, ends, .. } if *ends > self.clock.now().wall => {
                    return Ok(Obtained { proof: Proof::Key(key.clone()), ends: Some(*ends) });
                }
                Source::Stored { then, .. } => return self.from(then).await,
                Source::Role { by, role } => self.role(by, role).await?,
                Source::Oidc { provider_arn, token_file, role } => {
                    let token = std::fs::read_to_string(token_file)
                        .map_err(|error| self.wrong(format!("cannot read {}: {error}", token_file.display())))?;
                    let whole = Secret::new(token);
                    let (token, now) = (Secret::new(whole.expose().trim()), self.clock.now().wall);
                    sts::assume_role_with_oidc(
                        self.client,
                        self.sts(role),
                        role,
                        provider_arn,
                        &token,
                        now,
                        self.origin,
                    )
                    .await
                    .map_err(|error| self.call(error))?
                }
                Source::Machine { role, without_token } => {
                    let (client, origin) = (self.direct(NEARBY_TIMEOUT)?, &self.settings.endpoints.metadata);
                    metadata::keys(&client, origin, role.as_deref(), *without_token)
                        .await
                        .map_err(|reason| self.failed(reason))?
                }
                Source::Uri(uri) => self.uri(uri).await?,
                Source::Command(line) => {
                    let output = process::output("command", line, COMMAND_TIMEOUT).await;
                    let output = output.map_err(|reason| self.failed(reason))?;
                    let given = Given::parse(output.as_bytes()).and_then(|given| given.into_key(false));
                    return given.map_err(|why| self.failed(format!("what the command prints {why}")));
                }
                Source::CloudSso { portal, account, configuration, token } => {
                    self.cloud_sso(portal, account, configuration, token).await?
                }
                Source::OAuth { site, token } => self.oauth(*site, token).await?,
            };
            given.into_key(true).map_err(|why| self.failed(format!("the answer {why}")))
        })
    }

    async fn role(&self, by: &Source, role: &Role) -> Result<Given, CredentialsError> {
        let by = self.from(by).await?.checked(self.origin)?;
        let api = Api::new(self.client.clone(), self.clock.clone(), by, self.settings.endpoints.clone());
        let api = api.knowing(self.skew);
        sts::assume_role(&api, self.sts(role), role).await.map_err(|error| self.call(error))
    }

    fn sts<'s>(&self, role: &'s Role) -> &'s Url
    where
        'a: 's,
    {
        self.settings.endpoints.sts.as_ref().unwrap_or(&role.sts)
    }

    async fn uri(&self, uri: &Secret) -> Result<Given, CredentialsError> {
        let request = Request::get(uri.expose()).header(header::ACCEPT, "application/json").body(Bytes::new());
        let request = request.map_err(|_| self.wrong("its credentials URI cannot be called".to_owned()))?;
        // What is asked without encryption is nearby, and nothing that an HTTP proxy should see.
        let plain = request.uri().scheme_str() == Some("http");
        let client = if plain { self.direct(URI_TIMEOUT)? } else { self.client.clone() };
        self.answer(&client, request).await
    }

    async fn cloud_sso(
        &self,
        portal: &Url,
        account: &str,
        configuration: &str,
        token: &PersonsToken,
    ) -> Result<Given, CredentialsError> {
        #[derive(Deserialize)]
        struct Answer {
            #[serde(rename = "CloudCredential")]
            credential: Given,
        }
        let body = serde_json::json!({ "AccountId": account, "AccessConfigurationId": configuration });
        let request = self.with_token(portal, "/cloud-credentials", token, body.to_string())?;
        let body = self.body(self.client, request).await?;
        let answer: Answer = serde_json::from_slice(&body)
            .map_err(|_| self.failed("the answer of CloudSSO is not the JSON of a temporary key".to_owned()))?;
        Ok(answer.credential)
    }

    async fn oauth(&self, site: Site, token: &PersonsToken) -> Result<Given, CredentialsError> {
        let endpoint = match site == self.settings.site {
            true => self.settings.endpoints.oauth.clone(),
            false => match Endpoints::resolve(site, &EndpointOverrides::default()) {
                Ok(endpoints) => endpoints.oauth,
                Err(_) => return Err(self.wrong(format!("nothing is known of the site {site}"))),
            },
        };
        let request = self.with_token(&endpoint, EXCHANGE, token, String::new())?;
        self.answer(self.client, request).await
    }

    /// A POST with a person's token, as long as that lives. Only the aliyun CLI renews it: whoever did so beside it
    /// would end the CLI's own login.
    fn with_token(
        &self,
        origin: &Url,
        path: &str,
        token: &PersonsToken,
        body: String,
    ) -> Result<Request<Bytes>, CredentialsError> {
        let PersonsToken { token, ends, profile } = token;
        if ends.is_some_and(|ends| ends <= self.clock.now().wall) {
            let by_the_cli = match path {
                EXCHANGE => format!(" The aliyun CLI may renew it: aliyun sts GetCallerIdentity --profile {profile}."),
                _ => String::new(),
            };
            let again = format!("Sign in again: aliyun configure --profile {profile}");
            return Err(self.wrong(format!("the sign-in has ended.{by_the_cli} {again}")));
        }
        let mut bearer = HeaderValue::from_str(&format!("Bearer {}", token.expose()))
            .map_err(|_| self.wrong("its access token holds characters that cannot be part of it".to_owned()))?;
        bearer.set_sensitive(true);
        Request::builder()
            .method(Method::POST)
            .uri(format!("{}://{}{path}", origin.scheme(), authority(origin)))
            .header(header::ACCEPT, "application/json")
            .header(header::CONTENT_TYPE, "application/json")
            // The HTTP library says nothing of an empty body; some load balancers then answer 411.
            .header(header::CONTENT_LENGTH, body.len())
            .header(header::AUTHORIZATION, bearer)
            .body(Bytes::from(body))
            .map_err(|error| self.failed(error.to_string()))
    }

    async fn answer(&self, client: &ApiClient, request: Request<Bytes>) -> Result<Given, CredentialsError> {
        let host = request.uri().authority().map(ToString::to_string).unwrap_or_default();
        let body = self.body(client, request).await?;
        Given::parse(&body).map_err(|why| self.failed(format!("the answer of {host} {why}")))
    }

    async fn body(&self, client: &ApiClient, request: Request<Bytes>) -> Result<Bytes, CredentialsError> {
        // Without what may stand before an `@`.
        let host = request.uri().host().unwrap_or_default().to_owned();
        let answer = client.call(request).await.map_err(|error: ApiError| self.call(error.into()))?;
        match answer.status() {
            StatusCode::OK => Ok(answer.into_body()),
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => Err(self.wrong(format!(
                "{host} refuses with HTTP {}. Sign in again with `aliyun configure`, or renew what the profile holds",
                answer.status().as_u16()
            ))),
            status => Err(self.failed(format!(
                "{host} answers with HTTP {}. Check its address, and that the service is well",
                status.as_u16()
            ))),
        }
    }

    fn direct(&self, timeout: Duration) -> Result<ApiClient, CredentialsError> {
        ApiClient::direct(timeout).map_err(|error| self.failed(error.to_string()))
    }

    /// What may be better at the next try.
    fn failed(&self, reason: String) -> CredentialsError {
        CredentialsError::Failed { origin: self.origin.to_owned(), reason, lasts: false }
    }

    /// What only a person can mend.
    fn wrong(&self, reason: String) -> CredentialsError {
        CredentialsError::Failed { origin: self.origin.to_owned(), reason, lasts: true }
    }

    fn call(&self, error: CallError) -> CredentialsError {
        CredentialsError::Call { origin: self.origin.to_owned(), error: Box::new(error) }
    }
}
