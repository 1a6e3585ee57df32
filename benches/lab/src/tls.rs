//! A certificate authority that lasts as long as the run, and the two ends that use it.

use std::path::Path;
use std::sync::Arc;

use anyhow::Context;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, KeyUsagePurpose};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use tokio_rustls::{TlsAcceptor, TlsConnector};

/// The name that the upstream's certificate is for.
pub(crate) const NAME: &str = "localhost";

/// Makes authority and certificate; the authority is written to `authority`.
pub(crate) fn server(authority: &Path) -> anyhow::Result<TlsAcceptor> {
    let mut ca = CertificateParams::new(Vec::new())?;
    // OpenSSL takes a certificate for self-signed whose issuer has the same name.
    ca.distinguished_name.push(DnType::CommonName, "the lab's authority");
    ca.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    ca.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    let ca = CertifiedIssuer::self_signed(ca, KeyPair::generate()?)?;
    std::fs::write(authority, ca.pem()).with_context(|| format!("cannot write {}", authority.display()))?;
    let key = KeyPair::generate()?;
    let mut own = CertificateParams::new(vec![NAME.to_owned()])?;
    own.distinguished_name.push(DnType::CommonName, NAME);
    let certificate = own.signed_by(&key, &ca)?;
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let mut config = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], key)?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(TlsAcceptor::from(Arc::new(config)))
}

/// Trusts that authority, and speaks HTTP/1.1.
pub(crate) fn client(authority: &Path) -> anyhow::Result<TlsConnector> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(authority).context("the authority cannot be read")?)?;
    let mut config = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(TlsConnector::from(Arc::new(config)))
}
