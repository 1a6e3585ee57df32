//! The naive relay: what hyper alone costs. No credential, no rule, no log, no limit; kept connections in a heap.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Context;
use http::{HeaderValue, Request, Response, header};
use hyper::body::Incoming;
use hyper::client::conn::http1::SendRequest;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_rustls::TlsConnector;

use crate::tls;

struct Relay {
    upstream: SocketAddr,
    tls: TlsConnector,
    kept: Mutex<Vec<SendRequest<Incoming>>>,
    drivers: Mutex<JoinSet<()>>,
}

/// Relays until it is ended.
///
/// # Errors
/// When it cannot listen, or the authority cannot be read.
pub fn relay(listen: SocketAddr, upstream: SocketAddr, authority: &Path) -> anyhow::Result<()> {
    let tls = tls::client(authority)?;
    let relay = Arc::new(Relay { upstream, tls, kept: Mutex::default(), drivers: Mutex::default() });
    tokio::runtime::Builder::new_multi_thread().enable_all().build()?.block_on(async {
        let listener = TcpListener::bind(listen).await.context("cannot listen")?;
        let mut connections = JoinSet::new();
        loop {
            let (client, _) = tokio::select! {
                accepted = listener.accept() => accepted?,
                Some(_) = connections.join_next() => continue,
            };
            client.set_nodelay(true)?;
            let relay = relay.clone();
            let service = service_fn(move |request| exchange(relay.clone(), request));
            let serving = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(client), service);
            connections.spawn(async move { drop(serving.await) });
        }
    })
}

async fn exchange(relay: Arc<Relay>, mut request: Request<Incoming>) -> anyhow::Result<Response<Incoming>> {
    let mut sender = match relay.free() {
        Some(sender) => sender,
        None => relay.connect().await?,
    };
    request.headers_mut().insert(header::HOST, HeaderValue::from_static(tls::NAME));
    let response = sender.send_request(request).await?;
    relay.kept.lock().unwrap_or_else(PoisonError::into_inner).push(sender);
    Ok(response)
}

impl Relay {
    /// A connection whose answer has been read; those that closed are forgotten.
    fn free(&self) -> Option<SendRequest<Incoming>> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.retain(|sender| !sender.is_closed());
        let at = kept.iter().rposition(SendRequest::is_ready)?;
        Some(kept.swap_remove(at))
    }

    async fn connect(&self) -> anyhow::Result<SendRequest<Incoming>> {
        let tcp = TcpStream::connect(self.upstream).await?;
        tcp.set_nodelay(true)?;
        let tls = self.tls.connect(ServerName::try_from(tls::NAME)?, tcp).await?;
        let (mut sender, driver) = hyper::client::conn::http1::handshake(TokioIo::new(tls)).await?;
        self.drivers.lock().unwrap_or_else(PoisonError::into_inner).spawn(async move { drop(driver.await) });
        sender.ready().await?;
        Ok(sender)
    }
}
