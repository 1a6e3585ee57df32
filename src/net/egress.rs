//! How a connection leaves this machine: directly, or through the proxy that the environment names
//! (`HTTPS_PROXY`, `HTTP_PROXY`, `ALL_PROXY`, `NO_PROXY`; HTTP CONNECT and SOCKS5).

use std::error::Error as StdError;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use http::Uri;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::connect::proxy::{SocksV5, Tunnel};
use hyper_util::client::proxy::matcher::{Intercept, Matcher};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tower_service::Service;

use crate::net::patient::Patient;

/// How often an idle connection is probed by the kernel, so that a dead peer is noticed on streams that say
/// nothing for hours.
const KEEP_ALIVE: Duration = Duration::from_secs(60);

type BoxError = Box<dyn StdError + Send + Sync>;

/// Connects to where a URI says, by way of the environment's proxy if there is one.
#[derive(Debug, Clone)]
pub(super) struct Egress {
    direct: HttpConnector,
    proxies: Arc<Matcher>,
}

impl Egress {
    /// `connect_timeout` is for name resolution and TCP to one host.
    pub(super) fn new(connect_timeout: Duration) -> Self {
        let mut direct = HttpConnector::new();
        direct.enforce_http(false);
        direct.set_nodelay(true);
        direct.set_keepalive(Some(KEEP_ALIVE));
        direct.set_keepalive_interval(Some(KEEP_ALIVE / 4));
        direct.set_connect_timeout(Some(connect_timeout));
        Self { direct, proxies: Arc::new(Matcher::from_env()) }
    }
}

impl Service<Uri> for Egress {
    type Response = TokioIo<Patient>;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, BoxError>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.direct.poll_ready(context).map_err(Into::into)
    }

    fn call(&mut self, target: Uri) -> Self::Future {
        let mut direct = self.direct.clone();
        match self.proxies.intercept(&target) {
            None => Box::pin(async move { Ok(patient(direct.call(target).await?)) }),
            Some(proxy) => Box::pin(async move { Ok(patient(through(proxy, direct, target).await?)) }),
        }
    }
}

fn patient(stream: TokioIo<TcpStream>) -> TokioIo<Patient> {
    TokioIo::new(Patient::new(stream.into_inner()))
}

async fn through(proxy: Intercept, direct: HttpConnector, target: Uri) -> Result<TokioIo<TcpStream>, BoxError> {
    match proxy.uri().scheme_str() {
        Some("socks5" | "socks5h") => {
            let mut socks =
                SocksV5::new(proxy.uri().clone(), direct).local_dns(proxy.uri().scheme_str() == Some("socks5"));
            if let Some((user, password)) = proxy.raw_auth() {
                socks = socks.with_auth(user.to_owned(), password.to_owned());
            }
            Ok(socks.call(target).await?)
        }
        Some("http") => {
            let mut tunnel = Tunnel::new(proxy.uri().clone(), direct);
            if let Some(authorization) = proxy.basic_auth() {
                tunnel = tunnel.with_auth(authorization.clone());
            }
            Ok(tunnel.call(with_port(target)?).await?)
        }
        other => Err(format!("the proxy scheme {:?} is not supported; use http, socks5 or socks5h", other).into()),
    }
}

/// CONNECT needs a port even where the scheme has one of its own.
fn with_port(target: Uri) -> Result<Uri, BoxError> {
    if target.port().is_some() {
        return Ok(target);
    }
    let port = if target.scheme_str() == Some("http") { 80 } else { 443 };
    let host = target.host().unwrap_or_default();
    let mut parts = target.clone().into_parts();
    parts.authority = Some(format!("{host}:{port}").parse()?);
    Ok(Uri::from_parts(parts)?)
}
