//! How a connection leaves this machine: directly, or through the proxy that the environment names
//! (`HTTPS_PROXY`, `HTTP_PROXY`, `ALL_PROXY`, `NO_PROXY`; HTTP CONNECT and SOCKS5).

use std::error::Error as StdError;
use std::future::poll_fn;
use std::time::Duration;

use http::Uri;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::connect::dns::GaiResolver;
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

/// Connects to where a URI says, by way of the environment's proxy if there is one. Names are resolved anew for each
/// connection, and of several addresses the one that answers first is taken (RFC 8305).
pub(super) struct Egress {
    direct: HttpConnector,
    proxies: Matcher,
}

impl Egress {
    /// With the proxies that the environment names. `connect_timeout` is for name resolution and TCP to one host.
    pub(super) fn from_env(connect_timeout: Duration) -> Self {
        Self::new(Matcher::from_env(), connect_timeout)
    }

    fn new(proxies: Matcher, connect_timeout: Duration) -> Self {
        Self { direct: direct(GaiResolver::new(), connect_timeout), proxies }
    }

    /// Connects to the host and port of `target`, or of its scheme.
    ///
    /// # Errors
    /// Whatever stands between here and there.
    pub(super) async fn connect(&self, target: Uri) -> Result<Patient, BoxError> {
        let mut direct = self.direct.clone();
        poll_fn(|context| direct.poll_ready(context)).await?;
        let stream = match self.proxies.intercept(&target) {
            None => direct.call(target).await?,
            Some(proxy) => through(proxy, direct, target).await?,
        };
        Ok(Patient::new(stream.into_inner()))
    }
}

fn direct<R>(names: R, connect_timeout: Duration) -> HttpConnector<R> {
    let mut direct = HttpConnector::new_with_resolver(names);
    direct.enforce_http(false);
    direct.set_nodelay(true);
    direct.set_keepalive(Some(KEEP_ALIVE));
    direct.set_keepalive_interval(Some(KEEP_ALIVE / 4));
    direct.set_connect_timeout(Some(connect_timeout));
    direct
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

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;
    use std::convert::Infallible;
    use std::future::{Ready, ready};
    use std::net::{Ipv6Addr, SocketAddr};
    use std::sync::{Arc, Mutex};
    use std::task::{Context, Poll};

    use hyper_util::client::legacy::connect::dns::Name;
    use tokio::net::{TcpListener, TcpSocket};
    use tokio::time::Instant;

    use super::*;

    /// Answers each question with the next list of addresses.
    #[derive(Clone)]
    struct Names(Arc<Mutex<VecDeque<Vec<SocketAddr>>>>);

    impl Names {
        fn new(answers: impl IntoIterator<Item = Vec<SocketAddr>>) -> Self {
            Self(Arc::new(Mutex::new(answers.into_iter().collect())))
        }
    }

    impl Service<Name> for Names {
        type Response = std::vec::IntoIter<SocketAddr>;
        type Error = Infallible;
        type Future = Ready<Result<Self::Response, Infallible>>;

        fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
            Poll::Ready(Ok(()))
        }

        fn call(&mut self, _: Name) -> Self::Future {
            ready(Ok(self.0.lock().unwrap().pop_front().unwrap().into_iter()))
        }
    }

    async fn connect(connector: &mut HttpConnector<Names>) -> SocketAddr {
        let connected = connector.call(Uri::from_static("https://gw.example/")).await.unwrap();
        connected.inner().peer_addr().unwrap()
    }

    #[tokio::test]
    async fn e9_each_connection_goes_where_the_name_leads_now() {
        let (one, two) =
            (TcpListener::bind("127.0.0.1:0").await.unwrap(), TcpListener::bind("127.0.0.1:0").await.unwrap());
        let addresses = [one.local_addr().unwrap(), two.local_addr().unwrap()];
        let mut connector = direct(Names::new(addresses.map(|address| vec![address])), Duration::from_secs(10));
        assert_eq!([connect(&mut connector).await, connect(&mut connector).await], addresses);
    }

    /// An address that does not answer: the queue of its listener is full.
    async fn dead() -> (SocketAddr, impl Sized) {
        let socket = TcpSocket::new_v6().unwrap();
        socket.bind((Ipv6Addr::LOCALHOST, 0).into()).unwrap();
        let listener = socket.listen(1).unwrap();
        let address = listener.local_addr().unwrap();
        let mut queued = Vec::new();
        let patience = Duration::from_millis(200);
        while let Ok(connected) = tokio::time::timeout(patience, tokio::net::TcpStream::connect(address)).await {
            queued.push(connected.unwrap());
        }
        (address, (listener, queued))
    }

    #[tokio::test]
    async fn e9_a_dead_ipv6_address_holds_up_no_connection_over_ipv4() {
        if TcpListener::bind((Ipv6Addr::LOCALHOST, 0)).await.is_err() {
            return; // This machine has no IPv6, and so no dead address of it.
        }
        let (dead, _full) = dead().await;
        let alive = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = alive.local_addr().unwrap();
        let limit = Duration::from_secs(10);
        let mut connector = direct(Names::new([vec![dead, address]]), limit);
        let began = Instant::now();
        assert_eq!(connect(&mut connector).await, address);
        assert!(began.elapsed() < limit / 4, "{:?}", began.elapsed());
    }
}
