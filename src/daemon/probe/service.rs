//! One service that an upstream depends on: its name, the way to it, its certificate, its clock.

use std::time::Duration;

use bytes::Bytes;
use http::{Request, header};
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc2822;
use tokio::net::{TcpStream, lookup_host};
use tokio::task::JoinSet;
use tokio::time::timeout;
use url::{Host, Url};

use crate::config::settings::{Auth, Upstream};
use crate::daemon::probe::CONNECT;
use crate::model::time::Clock;
use crate::net::api_client::{ApiClient, ApiError};
use crate::net::way_out;

/// A service.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Service {
    /// What it is for.
    pub role: Role,
    /// Where it is.
    pub origin: String,
    /// Its host.
    pub host: String,
    /// The proxy on the way to it.
    pub proxy: Option<Proxy>,
    /// What its name leads to.
    pub names: Names,
    /// What it said.
    pub answer: Answer,
}

/// What a service is for. Of several at one place the first counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// MCP requests go there.
    Upstream,
    /// Tokens are renewed there.
    Token,
    /// OAuth applications are looked up there.
    Applications,
    /// API credentials are exchanged for tokens there.
    Exchange,
}

/// A proxy that the environment names.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Proxy {
    /// Without user name and password.
    pub shown: String,
    /// Why nothing can be reached there.
    pub trouble: Option<String>,
}

/// What a name leads to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Names {
    /// It is an address itself, or the proxy asks for it.
    NotAsked,
    /// Addresses.
    Found(Vec<String>),
    /// None, and why.
    Failed(String),
}

/// What a service said to a question that needs no credential.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Answer {
    /// Something, whatever it was.
    Heard {
        /// The status.
        status: u16,
        /// How long it took, in milliseconds.
        millis: u64,
        /// How far its clock is ahead of ours, in seconds; `None` if it has said no time.
        ahead: Option<i64>,
    },
    /// Nothing.
    Nothing {
        /// What kind of trouble it is.
        failure: Failure,
        /// In words.
        reason: String,
    },
}

/// Why nothing was said.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Failure {
    /// Its certificate is not trusted.
    Certificate,
    /// There was no connection, or it broke.
    Connection,
    /// It took too long.
    Late,
}

/// Everything that serving `upstream` takes, each place once.
pub(super) async fn of(upstream: &Upstream, api: &ApiClient, clock: &Clock) -> Vec<Service> {
    let mut places: Vec<(Role, Url)> = Vec::new();
    let origin = Url::parse(&upstream.proxy.origin.to_string()).ok();
    let vendor = match &upstream.auth {
        Auth::AlibabaOauth(alibaba) => {
            vec![(Role::Token, alibaba.endpoints.oauth.clone()), (Role::Applications, alibaba.endpoints.ims.clone())]
        }
        Auth::AccessKey { alibaba, .. } => vec![(Role::Exchange, alibaba.endpoints.ramoauth.clone())],
        Auth::Source(_) => Vec::new(),
    };
    for (role, place) in origin.map(|origin| (Role::Upstream, origin)).into_iter().chain(vendor) {
        if !places.iter().any(|(_, known)| known.origin() == place.origin()) {
            places.push((role, place));
        }
    }
    let mut tasks = JoinSet::new();
    for (index, (role, place)) in places.into_iter().enumerate() {
        let (api, clock) = (api.clone(), clock.clone());
        tasks.spawn(async move { (index, look(role, place, &api, &clock).await) });
    }
    let mut seen = Vec::new();
    while let Some(done) = tasks.join_next().await {
        seen.extend(done.ok());
    }
    seen.sort_by_key(|(index, _)| *index);
    seen.into_iter().map(|(_, service)| service).collect()
}

async fn look(role: Role, place: Url, api: &ApiClient, clock: &Clock) -> Service {
    let proxy = way_out::proxy_to(&place);
    let (names, answer, proxy) = tokio::join!(names(&place, proxy.is_some()), ask(&place, api, clock), reached(proxy));
    Service {
        role,
        origin: place.origin().ascii_serialization(),
        host: place.host_str().unwrap_or_default().to_owned(),
        proxy,
        names,
        answer,
    }
}

async fn reached(proxy: Option<way_out::Proxy>) -> Option<Proxy> {
    let way_out::Proxy { shown, host, port } = proxy?;
    let trouble = match timeout(CONNECT, TcpStream::connect((host.as_str(), port))).await {
        Ok(Ok(_)) => None,
        Ok(Err(error)) => Some(error.to_string()),
        Err(_) => Some(late(CONNECT)),
    };
    Some(Proxy { shown, trouble })
}

async fn names(place: &Url, by_proxy: bool) -> Names {
    let Some(Host::Domain(host)) = place.host().filter(|_| !by_proxy) else { return Names::NotAsked };
    match timeout(CONNECT, lookup_host((host, place.port_or_known_default().unwrap_or(443)))).await {
        Ok(Ok(found)) => {
            let mut addresses: Vec<String> = found.map(|address| address.ip().to_string()).collect();
            addresses.dedup();
            Names::Found(addresses)
        }
        Ok(Err(error)) => Names::Failed(error.to_string()),
        Err(_) => Names::Failed(late(CONNECT)),
    }
}

fn late(limit: Duration) -> String {
    format!("no answer within {}", crate::model::time::in_words(limit))
}

async fn ask(place: &Url, api: &ApiClient, clock: &Clock) -> Answer {
    let Ok(request) = Request::head(place.as_str()).body(Bytes::new()) else {
        return Answer::Nothing { failure: Failure::Connection, reason: "it is no address".to_owned() };
    };
    let began = clock.now();
    match api.call(request).await {
        Ok(answer) => {
            let ended = clock.now();
            let date = answer.headers().get(header::DATE).and_then(|date| date.to_str().ok());
            let theirs = date.and_then(|date| OffsetDateTime::parse(date, &Rfc2822).ok());
            Answer::Heard {
                status: answer.status().as_u16(),
                millis: ended.mono.since(began.mono).as_millis().try_into().unwrap_or(u64::MAX),
                ahead: theirs.map(|theirs| theirs.unix_timestamp().saturating_sub(ended.wall.unix_seconds())),
            }
        }
        Err(error) => Answer::Nothing { failure: failure(&error), reason: error.to_string() },
    }
}

fn failure(error: &ApiError) -> Failure {
    match error {
        ApiError::Timeout { .. } => Failure::Late,
        ApiError::Connect { reason, .. } | ApiError::Broken { reason, .. } if reason.contains("certificate") => {
            Failure::Certificate
        }
        ApiError::Connect { reason, .. } if reason.contains("timed out") => Failure::Late,
        _ => Failure::Connection,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_certificate_is_told_from_a_connection() {
        let connect = |reason: &str| ApiError::Connect { host: "h".to_owned(), reason: reason.to_owned() };
        assert_eq!(failure(&connect("invalid peer certificate: UnknownIssuer")), Failure::Certificate);
        assert_eq!(failure(&connect("Connection refused (os error 111)")), Failure::Connection);
        assert_eq!(failure(&connect("operation timed out")), Failure::Late);
        let late = ApiError::Timeout { host: "h".to_owned(), after: CONNECT };
        assert_eq!(failure(&late), Failure::Late);
    }
}
