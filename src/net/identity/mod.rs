//! What a listener with TLS shows of itself, and whose certificates it takes: read as a whole, and exchanged as a whole
//! while connections go on.

use std::fmt;
use std::fs::{File, Metadata};
use std::io::{self, Read};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, UnixTime};
use rustls::server::danger::ClientCertVerifier;
use rustls::server::{NoServerSessionStorage, WebPkiClientVerifier};
use rustls::{RootCertStore, ServerConfig};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use crate::model::certificate::Certificate;
use crate::model::secret::Secret;
use crate::model::time::Wall;
use crate::net::certificate;
use crate::net::settings::TlsSettings;

/// No file with certificates, and none with a key, is longer than this, in bytes.
const LONGEST_CERTIFICATES: u64 = 4 << 20;
const LONGEST_KEY: u64 = 64 << 10;

/// Why a listener with TLS has nothing to show. Each sentence names the key of the configuration.
#[derive(Debug, thiserror::Error)]
pub enum IdentityError {
    /// The system does not let us read a file, or it does not exist.
    #[error("{key}: cannot read {}: {source}. Make it readable for the user that runs mcp-proxy", path.display())]
    Unreadable {
        /// The key of the configuration.
        key: &'static str,
        /// The file.
        path: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
    /// There is something else in it.
    #[error("{key}: {} is not usable: {reason}. Give a PEM file", path.display())]
    NotUsable {
        /// The key of the configuration.
        key: &'static str,
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// Others can read the private key.
    #[error(
        "tls.key_file: {} can be read by other users (mode {mode:o}). Make it private with: chmod 600 {}, or give it to \
         root with mode 640 and the group of mcp-proxy; if it may have been read, have a new certificate made",
        path.display(), path.display()
    )]
    Exposed {
        /// The file.
        path: PathBuf,
        /// Its permissions.
        mode: u32,
    },
    /// The certificate is not that of the key, or of a kind that is not known.
    #[error("tls.certificate_file and tls.key_file do not fit: {0}. Give the certificate that was made for this key")]
    DoNotFit(rustls::Error),
    /// The TLS library refused something else.
    #[error("the TLS library refused its configuration: {0}")]
    Library(String),
}

/// A certificate with its key, and the authorities of clients.
pub struct Identity {
    config: Arc<ServerConfig>,
    verifier: Option<Arc<dyn ClientCertVerifier>>,
    /// When the certificate ends.
    pub ends: Wall,
}

impl Identity {
    /// Reads the files of the settings.
    ///
    /// # Errors
    /// What is wrong with them.
    pub fn read(settings: &TlsSettings) -> Result<Self, IdentityError> {
        let chain = certificates("tls.certificate_file", &settings.certificate_file)?;
        let unreadable = |reason: String| IdentityError::NotUsable {
            key: "tls.certificate_file",
            path: settings.certificate_file.clone(),
            reason,
        };
        let leaf = chain.first().ok_or_else(|| unreadable("it holds no certificate".to_owned()))?;
        let ends = certificate::read(leaf).map_err(|error| unreadable(error.to_string()))?.ends;
        let key = private_key(settings)?;
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let verifier = match &settings.client_ca_file {
            Some(path) => Some(verifier(path, settings.require_client_certificate, &provider)?),
            None => None,
        };
        let library = |error: rustls::Error| IdentityError::Library(error.to_string());
        let builder = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
        let builder = builder.map_err(library)?;
        let builder = match &verifier {
            Some(verifier) => builder.with_client_cert_verifier(verifier.clone()),
            None => builder.with_no_client_auth(),
        };
        let mut config = builder.with_single_cert(chain, key).map_err(IdentityError::DoNotFit)?;
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        if verifier.is_some() {
            // A session that is taken up again is not looked at again, and its certificate may have ended.
            config.session_storage = Arc::new(NoServerSessionStorage {});
            config.send_tls13_tickets = 0;
        }
        Ok(Self { config: Arc::new(config), verifier, ends })
    }

    /// True if a certificate that was good for another identity is good for this one.
    fn takes(&self, chain: &[CertificateDer<'static>], now: Wall) -> bool {
        let Some((verifier, (leaf, rest))) = self.verifier.as_ref().zip(chain.split_first()) else { return false };
        let now = Duration::from_millis(u64::try_from(now.unix_millis()).unwrap_or_default());
        verifier.verify_client_cert(leaf, rest, UnixTime::since_unix_epoch(now)).is_ok()
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Identity").field("ends", &self.ends).finish_non_exhaustive()
    }
}

/// Begins TLS with clients. Cheap to clone; all clones show the same.
#[derive(Debug, Clone)]
pub struct Acceptor {
    /// Numbered, so that it can be told whether a certificate was held against this one.
    current: watch::Sender<(u64, Arc<Identity>)>,
}

impl Acceptor {
    /// Shows that identity.
    pub fn new(identity: Identity) -> Self {
        Self { current: watch::Sender::new((0, Arc::new(identity))) }
    }

    /// Shows another one to whoever comes from now on.
    pub fn exchange(&self, identity: Identity) {
        self.current.send_modify(|(number, current)| {
            *number += 1;
            *current = Arc::new(identity);
        });
    }

    /// When the certificate ends that is shown now; the receiver sees each exchange.
    pub fn ends(&self) -> (Wall, watch::Receiver<(u64, Arc<Identity>)>) {
        let receiver = self.current.subscribe();
        (self.current.borrow().1.ends, receiver)
    }

    /// Performs the handshake. It takes as long as the client lets it take.
    ///
    /// # Errors
    /// What went wrong, which the client has been told; with the connection, to be closed.
    pub(super) async fn handshake(
        &self,
        stream: TcpStream,
    ) -> Result<(TlsStream<TcpStream>, Option<Presented>), (io::Error, TcpStream)> {
        let (number, identity) = self.current.borrow().clone();
        let stream = TlsAcceptor::from(identity.config.clone()).accept(stream).into_fallible().await?;
        let chain = stream.get_ref().1.peer_certificates().map(|chain| {
            let chain: Vec<_> = chain.iter().map(|der| der.clone().into_owned()).collect();
            chain
        });
        let presented = chain.and_then(|chain| Presented::new(self.clone(), number, chain));
        Ok((stream, presented))
    }
}

/// A certificate that a client has shown, and that was found good then.
#[derive(Debug)]
pub struct Presented {
    certificate: Certificate,
    chain: Vec<CertificateDer<'static>>,
    acceptor: Acceptor,
    /// The number of the identity for which it was found good last.
    good_for: AtomicU64,
}

impl Presented {
    /// One that cannot be read is as good as none.
    fn new(acceptor: Acceptor, number: u64, chain: Vec<CertificateDer<'static>>) -> Option<Self> {
        let certificate = certificate::read(chain.first()?).ok()?;
        Some(Self { certificate, chain, acceptor, good_for: AtomicU64::new(number) })
    }

    /// The certificate, as long as it has not ended and its authority is one that counts.
    pub fn while_good(&self, now: Wall) -> Option<&Certificate> {
        // To the end of its last second, as it counts in a handshake (RFC 5280 §4.1.2.5).
        if self.certificate.ends.unix_seconds() < now.unix_seconds() {
            return None;
        }
        let (number, identity) = self.acceptor.current.borrow().clone();
        if self.good_for.load(Ordering::Relaxed) != number {
            if !identity.takes(&self.chain, now) {
                return None;
            }
            self.good_for.store(number, Ordering::Relaxed);
        }
        Some(&self.certificate)
    }
}

fn verifier(
    path: &Path,
    required: bool,
    provider: &Arc<rustls::crypto::CryptoProvider>,
) -> Result<Arc<dyn ClientCertVerifier>, IdentityError> {
    const KEY: &str = "tls.client_ca_file";
    let failed = |reason: String| IdentityError::NotUsable { key: KEY, path: path.to_owned(), reason };
    let mut roots = RootCertStore::empty();
    for certificate in certificates(KEY, path)? {
        roots.add(certificate).map_err(|error| failed(error.to_string()))?;
    }
    if roots.is_empty() {
        return Err(failed("it holds no certificate".to_owned()));
    }
    let builder = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider.clone());
    let builder = if required { builder } else { builder.allow_unauthenticated() };
    builder.build().map_err(|error| failed(error.to_string()))
}

fn certificates(key: &'static str, path: &Path) -> Result<Vec<CertificateDer<'static>>, IdentityError> {
    let (text, _) = text_of(key, path, LONGEST_CERTIFICATES)?;
    let not_usable = |reason: String| IdentityError::NotUsable { key, path: path.to_owned(), reason };
    CertificateDer::pem_slice_iter(text.expose().as_bytes())
        .collect::<Result<_, _>>()
        .map_err(|error| not_usable(error.to_string()))
}

fn private_key(settings: &TlsSettings) -> Result<PrivateKeyDer<'static>, IdentityError> {
    const KEY: &str = "tls.key_file";
    let path = &settings.key_file;
    let (text, found) = text_of(KEY, path, LONGEST_KEY)?;
    let mode = found.permissions().mode() & 0o777;
    // What belongs to root, a group may read: that of the service, which has no other way to it.
    let forbidden = if found.uid() == 0 { 0o037 } else { 0o077 };
    if !settings.key_is_credential && mode & forbidden != 0 {
        return Err(IdentityError::Exposed { path: path.clone(), mode });
    }
    PrivateKeyDer::from_pem_slice(text.expose().as_bytes()).map_err(|_| IdentityError::NotUsable {
        key: KEY,
        path: path.clone(),
        reason: "it holds no private key that is not encrypted".to_owned(),
    })
}

fn text_of(key: &'static str, path: &Path, longest: u64) -> Result<(Secret, Metadata), IdentityError> {
    let unreadable = |source| IdentityError::Unreadable { key, path: path.to_owned(), source };
    let not_usable = |reason: &str| IdentityError::NotUsable { key, path: path.to_owned(), reason: reason.to_owned() };
    // Asked before it is opened: opening a pipe would wait for ever.
    if !std::fs::metadata(path).map_err(unreadable)?.is_file() {
        return Err(not_usable("it is not a regular file"));
    }
    let file = File::open(path).map_err(unreadable)?;
    let found = file.metadata().map_err(unreadable)?;
    if found.len() > longest {
        return Err(not_usable("it is too long"));
    }
    // Room from the start, so that no part of a key is left behind where the text was before it grew.
    let mut text = String::with_capacity(usize::try_from(found.len() + 1).unwrap_or_default());
    let read = file.take(longest).read_to_string(&mut text);
    let text = Secret::new(text);
    match read {
        Ok(_) => Ok((text, found)),
        Err(error) if error.kind() == io::ErrorKind::InvalidData => Err(not_usable("it is no text")),
        Err(error) => Err(unreadable(error)),
    }
}

#[cfg(test)]
mod tests;
