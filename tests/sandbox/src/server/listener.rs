//! The accept loops. A connection is a task of its own, so that a fault can drop it at any
//! moment, and a listener can be closed for real, so that clients are refused by the kernel.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::Context;
use axum::body::Body;
use axum::response::{IntoResponse, Response};
use http::header::DATE;
use http::{HeaderValue, Request, StatusCode};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use rustls::ServerConfig;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

use crate::clock::http_date;
use crate::cloud::Cloud;
use crate::server::route::Services;
use crate::wire::connection::{Busy, Connection};
use crate::wire::request::Tallied;
use crate::wire::tap::{Heads, Tap};

/// What a listener carries.
#[derive(Clone)]
pub(crate) enum Kind {
    /// The cloud, behind TLS.
    Cloud(Arc<ServerConfig>),
    /// The sign-in page and the admin interface.
    Page,
    /// The metadata service of a virtual machine.
    Metadata,
}

/// Whether a listener is to be closed just now.
pub(crate) type Gate = watch::Receiver<bool>;

pub(crate) async fn bind(address: SocketAddr) -> anyhow::Result<TcpListener> {
    TcpListener::bind(address).await.with_context(|| format!("cannot listen on {address}"))
}

/// Serves until dropped; connections end with it.
pub(crate) async fn serve(
    listener: TcpListener,
    address: SocketAddr,
    kind: Kind,
    cloud: Cloud,
    services: Services,
    mut gate: Gate,
) {
    let mut connections = JoinSet::new();
    let mut open = Some(listener);
    loop {
        let Some(listener) = &open else {
            if gate.wait_for(|refuse| !*refuse).await.is_err() {
                return;
            }
            match bind(address).await {
                Ok(listener) => open = Some(listener),
                Err(error) => {
                    tracing::error!(%error, "the listener cannot be opened again");
                    return;
                }
            }
            continue;
        };
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    let (kind, cloud, services) = (kind.clone(), cloud.clone(), services.clone());
                    connections.spawn(connection(stream, kind, cloud, services));
                }
                Err(error) => tracing::warn!(%error, "accept failed"),
            },
            refuse = gate.wait_for(|refuse| *refuse) => {
                if refuse.is_err() {
                    return;
                }
                open = None;
            }
            Some(_) = connections.join_next() => {}
        }
    }
}

/// One connection, from accept to close, whoever closes it.
async fn connection(stream: TcpStream, kind: Kind, cloud: Cloud, services: Services) {
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "no TCP_NODELAY");
    }
    match kind {
        Kind::Page | Kind::Metadata => {
            let is_page = matches!(kind, Kind::Page);
            let service = service_fn(move |request: Request<Incoming>| {
                let (services, request) = (services.clone(), request.map(Body::new));
                async move {
                    let answer = if is_page { services.page(request).await } else { services.metadata(request).await };
                    Ok::<_, Infallible>(answer)
                }
            });
            let served = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
            if let Err(error) = served {
                tracing::debug!(%error, "a connection of the page ended badly");
            }
        }
        Kind::Cloud(config) => {
            let open = Open::new(cloud);
            tokio::select! {
                () = cloud_connection(stream, config, &open, services) => {}
                () = open.connection.until_cut() => {}
            }
        }
    }
}

/// Keeps the account of an open connection.
struct Open {
    cloud: Cloud,
    connection: Arc<Connection>,
}

impl Open {
    fn new(cloud: Cloud) -> Self {
        let connection = cloud.state.connections.open();
        cloud.count(|counts| {
            counts.connections += 1;
            counts.open_connections += 1;
        });
        Self { cloud, connection }
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.cloud.state.connections.close(self.connection.id);
        self.cloud.count(|counts| counts.open_connections -= 1);
    }
}

async fn cloud_connection(stream: TcpStream, config: Arc<ServerConfig>, open: &Open, services: Services) {
    match TlsAcceptor::from(config).accept(stream).await {
        Ok(stream) => http(stream, open, services).await,
        Err(error) => tracing::debug!(%error, "TLS handshake failed"),
    }
}

async fn http<S>(stream: S, open: &Open, services: Services)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (tap, heads) = Tap::new(stream);
    let (cloud, connection) = (open.cloud.clone(), Arc::clone(&open.connection));
    let service = service_fn(move |request: Request<Incoming>| {
        let (cloud, services) = (cloud.clone(), services.clone());
        let (connection, heads) = (Arc::clone(&connection), Arc::clone(&heads));
        async move { Ok::<_, Infallible>(respond(&cloud, &services, &connection, &heads, request).await) }
    });
    let served = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(None)
        .serve_connection(TokioIo::new(tap), service)
        .await;
    if let Err(error) = served {
        tracing::debug!(%error, "a connection ended badly");
    }
}

async fn respond(
    cloud: &Cloud,
    services: &Services,
    connection: &Arc<Connection>,
    heads: &Heads,
    request: Request<Incoming>,
) -> Response {
    let Some(head) = heads.lock().pop_front() else {
        tracing::error!("a request without a recorded head");
        return StatusCode::INTERNAL_SERVER_ERROR.into_response();
    };
    tracing::debug!(method = head.method, path = head.path(), "request");
    let _busy = Busy::new(connection);
    let number = cloud.record(connection.id, &head);
    let recorder = cloud.clone();
    let report = Box::new(move |length, sha256| recorder.record_body(number, length, sha256));
    let request = request.map(|body| Body::new(Tallied::new(body, report)));
    let mut response = services.cloud(&head, connection, request).await;
    // Clients take the cloud's time from here when theirs is refused; hyper's would be ours.
    if let Ok(date) = HeaderValue::from_str(&http_date(cloud.now())) {
        response.headers_mut().insert(DATE, date);
    }
    response
}
