//! One new connection: name resolution, TCP, proxy and TLS, all in limited time, and the protocol that was agreed on.

use std::error::Error as StdError;
use std::sync::Arc;
use std::time::Duration;

use http::Uri;
use rustls::pki_types::ServerName;
use tokio_rustls::TlsConnector;

use crate::model::time::in_words;
use crate::net::egress::Egress;
use crate::net::pool::{Protocol, Wire};
use crate::net::settings::Settings;
use crate::net::tls::{self, TlsError};

type BoxError = Box<dyn StdError + Send + Sync>;

/// Makes connections.
pub(super) struct Connector {
    egress: Egress,
    tls: TlsConnector,
    limit: Duration,
}

impl Connector {
    /// # Errors
    /// When no TLS configuration can be made from the settings.
    pub(super) fn new(settings: &Settings) -> Result<Self, TlsError> {
        let mut tls = tls::client_config(settings.extra_ca_file.as_deref())?;
        tls.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        let limit = settings.connect_timeout;
        Ok(Self { egress: Egress::from_env(limit), tls: TlsConnector::from(Arc::new(tls)), limit })
    }

    /// Connects to the host of `target`.
    ///
    /// # Errors
    /// What a person can be told about the failure.
    pub(super) async fn connect(&self, target: Uri) -> Result<Wire, String> {
        match tokio::time::timeout(self.limit, self.unbounded(target)).await {
            Ok(connected) => connected.map_err(|error| innermost(error.as_ref())),
            Err(_) => Err(format!("no connection within {}", in_words(self.limit))),
        }
    }

    async fn unbounded(&self, target: Uri) -> Result<Wire, BoxError> {
        let is_tls = target.scheme_str() == Some("https");
        let host = target.host().unwrap_or_default().trim_matches(['[', ']']).to_owned();
        let tcp = self.egress.connect(target).await?;
        if !is_tls {
            return Ok(Wire { rests: tcp.watch(), io: Box::new(tcp), protocol: Protocol::Http1 });
        }
        let tls = self.tls.connect(ServerName::try_from(host)?, tcp).await?;
        let protocol = match tls.get_ref().1.alpn_protocol() {
            Some(b"h2") => Protocol::Http2,
            // A server without ALPN speaks HTTP/1.1 (RFC 9113 §3.2).
            _ => Protocol::Http1,
        };
        Ok(Wire { rests: tls.get_ref().0.watch(), io: Box::new(tls), protocol })
    }
}

/// The cause that tells a person something.
fn innermost(error: &(dyn StdError + 'static)) -> String {
    let mut cause = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    cause.to_string()
}
