//! The TLS client configuration: system roots, an extra CA file, one provider.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};
use rustls_native_certs::{load_certs_from_paths, load_native_certs};

/// Where distributions keep all trusted authorities in one file.
const BUNDLES: [&str; 5] = [
    "/etc/ssl/certs/ca-certificates.crt",                // Debian, Ubuntu, Arch, Gentoo
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem", // Fedora, RHEL
    "/etc/pki/tls/certs/ca-bundle.crt",                  // older ones of that family
    "/etc/ssl/ca-bundle.pem",                            // SUSE
    "/etc/ssl/cert.pem",                                 // Alpine
];

/// Why no TLS configuration could be made.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// The extra CA file cannot be read, or is not PEM.
    #[error("cannot use the CA file {}: {reason}. Give a readable PEM file with at least one certificate", path.display())]
    CaFile {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// Neither the system nor the settings name a trusted authority.
    #[error(
        "no trusted certificate authority was found. Install the package ca-certificates, or name a CA file in `network.extra_ca_file`"
    )]
    NoRoots,
    /// The TLS library refused the configuration.
    #[error("the TLS library refused its configuration: {0}")]
    Library(#[from] rustls::Error),
}

/// Makes the client configuration that both HTTP clients use. No ALPN protocol is set.
///
/// # Errors
/// A CA file that cannot be used, or no root at all.
pub fn client_config(extra_ca_file: Option<&Path>) -> Result<ClientConfig, TlsError> {
    let mut roots = RootCertStore::empty();
    // Single unreadable system certificates are common and harmless; having none at all is not.
    roots.add_parsable_certificates(system_roots());
    if let Some(path) = extra_ca_file {
        add_ca_file(&mut roots, path)?;
    }
    if roots.is_empty() {
        return Err(TlsError::NoRoots);
    }
    with_roots(roots)
}

/// A client configuration that trusts nobody, for a client that speaks plain HTTP only.
///
/// # Errors
/// When the TLS library refuses it.
pub fn trusting_nobody() -> Result<ClientConfig, TlsError> {
    with_roots(RootCertStore::empty())
}

fn with_roots(roots: RootCertStore) -> Result<ClientConfig, TlsError> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(config)
}

/// The authorities that this system trusts. Where there is a bundle, and the environment does not say otherwise, it is
/// all that is read: beside it lie hundreds of files that say the same, and to read them is most of what a start costs.
fn system_roots() -> Vec<CertificateDer<'static>> {
    let is_told = ["SSL_CERT_FILE", "SSL_CERT_DIR"].iter().any(|name| std::env::var_os(name).is_some());
    let bundle = BUNDLES.iter().map(Path::new).find(|bundle| bundle.exists()).filter(|_| !is_told);
    let bundled = bundle.map(|bundle| load_certs_from_paths(Some(bundle), None).certs).unwrap_or_default();
    if bundled.is_empty() { load_native_certs().certs } else { bundled }
}

fn add_ca_file(roots: &mut RootCertStore, path: &Path) -> Result<(), TlsError> {
    let failed = |reason: String| TlsError::CaFile { path: path.to_owned(), reason };
    let certificates = CertificateDer::pem_file_iter(path).map_err(|error| failed(error.to_string()))?;
    let mut added = 0;
    for certificate in certificates {
        let certificate = certificate.map_err(|error| failed(error.to_string()))?;
        roots.add(certificate).map_err(|error| failed(error.to_string()))?;
        added += 1;
    }
    if added == 0 { Err(failed("it holds no certificate".to_owned())) } else { Ok(()) }
}
