//! The keys of a virtual machine's role, from the metadata service beside it: plain HTTP, past every HTTP proxy.

use bytes::Bytes;
use http::{HeaderValue, Method, Request, StatusCode};
use url::Url;

use crate::alibaba::call::authority;
use crate::alibaba::credentials::temporary::Given;
use crate::net::api_client::ApiClient;

const TOKEN: &str = "x-aliyun-ecs-metadata-token";
const TOKEN_LIFE: &str = "x-aliyun-ecs-metadata-token-ttl-seconds";
/// The longest life of a token that the service gives, in seconds.
const LONGEST_LIFE: &str = "21600";
const ROLES: &str = "/latest/meta-data/ram/security-credentials/";

/// The keys of `role`, or of the machine's one role. `without_token`: where no token is given, ask the older way.
///
/// # Errors
/// A sentence that says what failed, and what to do.
pub(crate) async fn keys(
    client: &ApiClient,
    origin: &Url,
    role: Option<&str>,
    without_token: bool,
) -> Result<Given, String> {
    let service = Service { client, origin };
    let token = match service.token().await {
        Ok(token) => Some(token),
        Err(_) if without_token => None,
        Err(reason) => {
            return Err(format!("{reason}; and ALIBABA_CLOUD_IMDSV1_DISABLED forbids to ask without its token"));
        }
    };
    let role = match role {
        Some(role) => role.to_owned(),
        None => String::from_utf8_lossy(&service.read(ROLES, token.as_ref()).await?).trim().to_owned(),
    };
    // The name becomes a part of an address.
    let legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
    if role.is_empty() || !role.chars().all(legal) {
        return Err("the metadata service names no role. Attach a RAM role to this machine".to_owned());
    }
    let answer = service.read(&format!("{ROLES}{role}"), token.as_ref()).await?;
    Given::parse(&answer).map_err(|why| format!("the answer of the metadata service for the role {role} {why}"))
}

struct Service<'a> {
    client: &'a ApiClient,
    origin: &'a Url,
}

impl Service<'_> {
    async fn token(&self) -> Result<HeaderValue, String> {
        let life = HeaderValue::from_static(LONGEST_LIFE);
        let token = self.ask(Method::PUT, "/latest/api/token", (TOKEN_LIFE, &life)).await?;
        let mut token = HeaderValue::from_bytes(token.trim_ascii())
            .map_err(|_| "the metadata service gives a token that no header can carry".to_owned())?;
        token.set_sensitive(true);
        Ok(token)
    }

    async fn read(&self, path: &str, token: Option<&HeaderValue>) -> Result<Bytes, String> {
        match token {
            Some(token) => self.ask(Method::GET, path, (TOKEN, token)).await,
            None => self.ask(Method::GET, path, ("accept", &HeaderValue::from_static("*/*"))).await,
        }
    }

    async fn ask(&self, method: Method, path: &str, (name, value): (&str, &HeaderValue)) -> Result<Bytes, String> {
        let host = authority(self.origin);
        let request = Request::builder()
            .method(method)
            .uri(format!("{}://{host}{path}", self.origin.scheme()))
            .header(name, value)
            .body(Bytes::new())
            .map_err(|error| format!("cannot make the request to the metadata service: {error}"))?;
        let answer = self.client.call(request).await.map_err(|error| format!("the metadata service: {error}"))?;
        match answer.status() {
            StatusCode::OK => Ok(answer.into_body()),
            StatusCode::NOT_FOUND => Err(format!(
                "the metadata service {host} knows no such role (HTTP 404). Attach the RAM role to this machine, or \
                 correct its name"
            )),
            status => Err(format!("the metadata service {host} answers {path} with HTTP {}", status.as_u16())),
        }
    }
}
