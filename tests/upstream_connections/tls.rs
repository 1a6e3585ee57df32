//! A certificate authority of the test's own, and a daemon that trusts it.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use mcp_proxy::model::time::Clock;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::ServerConfig;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use tempfile::TempDir;
use tokio_rustls::TlsAcceptor;

use crate::support::{Proxy, state_dir};

/// Certificate and key of a server, on disk and ready for use.
pub(crate) struct Identity {
    directory: Arc<TempDir>,
    config: ServerConfig,
}

impl Identity {
    /// For `localhost`, `127.0.0.1` and `upstream.example`.
    pub(crate) fn new() -> Self {
        let mut ca = CertificateParams::new(Vec::new()).unwrap();
        ca.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        let ca = CertifiedIssuer::self_signed(ca, KeyPair::generate().unwrap()).unwrap();
        let names = ["localhost", "127.0.0.1", "upstream.example"].map(String::from);
        let key = KeyPair::generate().unwrap();
        let certificate = CertificateParams::new(names.to_vec()).unwrap().signed_by(&key, &ca).unwrap();
        let directory = state_dir();
        for (name, text) in [("ca.pem", ca.pem()), ("server.pem", certificate.pem()), ("key.pem", key.serialize_pem())]
        {
            std::fs::write(directory.path().join(name), text).unwrap();
        }
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certificate.der().clone()], key)
            .unwrap();
        Self { directory, config }
    }

    pub(crate) fn acceptor(&self, protocols: &[&str]) -> TlsAcceptor {
        let mut config = self.config.clone();
        config.alpn_protocols = protocols.iter().map(|protocol| protocol.as_bytes().to_vec()).collect();
        TlsAcceptor::from(Arc::new(config))
    }

    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }
}

/// The configuration of a daemon whose one upstream is `url`, with a token from a file in `directory`.
pub(crate) fn config_to(url: &str, ca: &Path, directory: &Path) -> String {
    let token = directory.join("token");
    std::fs::write(&token, "a-token").unwrap();
    format!(
        "state_dir = {directory:?}\n[listen]\nport = 0\n[network]\nextra_ca_file = {ca:?}\n[[upstream]]\n\
         name = \"gateway\"\nmount = \"/\"\nurl = \"{url}\"\nauth = \"token-file\"\ntoken_file = {token:?}\n"
    )
}

/// A daemon whose one upstream is `url`.
pub(crate) async fn proxy_to(url: &str, identity: &Identity) -> Proxy {
    let directory = state_dir();
    let text = config_to(url, &identity.file("ca.pem"), directory.path());
    Proxy::configured(&text, Default::default(), Clock::system(), directory).await
}
