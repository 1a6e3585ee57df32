//! A client of rustls, and of HTTP over it.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use http::{Request, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore, SupportedProtocolVersion};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::authority::{Authority, Issued};
use crate::support::PATIENCE;

/// One version of TLS, and no other.
pub(crate) static TLS_1_2: &[&SupportedProtocolVersion] = &[&rustls::version::TLS12];
pub(crate) static TLS_1_3: &[&SupportedProtocolVersion] = &[&rustls::version::TLS13];

/// How a client begins.
#[derive(Clone)]
pub(crate) struct Begins<'a> {
    pub(crate) trusts: &'a Authority,
    pub(crate) shows: Option<&'a Issued>,
    pub(crate) alpn: &'a [&'a str],
    pub(crate) versions: &'static [&'static SupportedProtocolVersion],
}

impl<'a> Begins<'a> {
    pub(crate) fn trusting(trusts: &'a Authority) -> Self {
        Self { trusts, shows: None, alpn: &["http/1.1"], versions: rustls::ALL_VERSIONS }
    }

    pub(crate) fn showing(self, shows: &'a Issued) -> Self {
        Self { shows: Some(shows), ..self }
    }

    fn config(&self) -> ClientConfig {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(self.trusts.certificate().as_bytes()).unwrap()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ClientConfig::builder_with_provider(provider).with_protocol_versions(self.versions).unwrap();
        let builder = builder.with_root_certificates(roots);
        let mut config = match self.shows {
            None => builder.with_no_client_auth(),
            Some(issued) => builder.with_client_auth_cert(issued.chain(), issued.private_key()).unwrap(),
        };
        config.alpn_protocols = self.alpn.iter().map(|name| name.as_bytes().to_vec()).collect();
        config
    }

    pub(crate) async fn connect(&self, address: SocketAddr) -> io::Result<TlsStream<TcpStream>> {
        let stream = TcpStream::connect(address).await?;
        let connector = TlsConnector::from(Arc::new(self.config()));
        let name = ServerName::try_from("localhost").unwrap();
        tokio::time::timeout(PATIENCE, connector.connect(name, stream)).await.expect("a handshake in time")
    }

    /// A connection of HTTP/1.1.
    pub(crate) async fn http_1(&self, address: SocketAddr) -> io::Result<Kept> {
        let (sender, connection) = http1::handshake(TokioIo::new(self.connect(address).await?)).await.unwrap();
        // It ends by itself when the sender is dropped.
        Ok(Kept { sender, driving: tokio::spawn(connection) })
    }

    /// One request on a connection of its own: the status and the body, or how the connection ended.
    pub(crate) async fn post(&self, address: SocketAddr, body: &str) -> Result<(StatusCode, String), String> {
        let mut kept = self.http_1(address).await.map_err(|error| error.to_string())?;
        kept.post(body).await
    }

    /// One request over HTTP/2.
    pub(crate) async fn post_http_2(&self, address: SocketAddr, body: &str) -> (StatusCode, String) {
        let stream = TokioIo::new(self.connect(address).await.unwrap());
        let (mut sender, connection) =
            hyper::client::conn::http2::handshake(TokioExecutor::new(), stream).await.unwrap();
        let driving = tokio::spawn(connection);
        let request = Request::post("https://localhost/mcp").header("content-type", "application/json");
        let request = request.body(Full::new(Bytes::copy_from_slice(body.as_bytes()))).unwrap();
        let answered = whole(sender.send_request(request).await.unwrap()).await.unwrap();
        drop(sender);
        driving.await.unwrap().unwrap();
        answered
    }
}

/// A connection of HTTP/1.1 that is kept.
pub(crate) struct Kept {
    pub(crate) sender: http1::SendRequest<Full<Bytes>>,
    driving: JoinHandle<hyper::Result<()>>,
}

impl Kept {
    pub(crate) async fn post(&mut self, body: &str) -> Result<(StatusCode, String), String> {
        let request = Request::post("/mcp").header("host", "localhost").header("content-type", "application/json");
        self.send(request.body(Full::new(Bytes::copy_from_slice(body.as_bytes()))).unwrap()).await
    }

    pub(crate) async fn send(&mut self, request: Request<Full<Bytes>>) -> Result<(StatusCode, String), String> {
        let answering = async {
            self.sender.ready().await.map_err(|error| format!("{error:?}"))?;
            let response = self.sender.send_request(request).await.map_err(|error| format!("{error:?}"))?;
            whole(response).await
        };
        let answered = tokio::time::timeout(PATIENCE, answering).await.expect("an answer in time");
        match answered {
            Ok(answered) => Ok(answered),
            // Why is known to the connection.
            Err(error) => match (&mut self.driving).await.unwrap() {
                Ok(()) => Err(error),
                Err(error) => Err(format!("{error:?}")),
            },
        }
    }
}

async fn whole(response: http::Response<Incoming>) -> Result<(StatusCode, String), String> {
    let (head, body) = response.into_parts();
    let bytes = body.collect().await.map_err(|error| format!("{error:?}"))?.to_bytes();
    Ok((head.status, String::from_utf8_lossy(&bytes).into_owned()))
}
