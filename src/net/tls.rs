//! The TLS client configuration: system roots, an extra CA file, one provider.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};

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
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if let Some(path) = extra_ca_file {
        add_ca_file(&mut roots, path)?;
    }
    if roots.is_empty() {
        return Err(TlsError::NoRoots);
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(config)
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
