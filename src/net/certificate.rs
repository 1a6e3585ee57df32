//! What stands in a certificate: its end, and for whom it is good.

use rustls::pki_types::CertificateDer;
use sha2::{Digest, Sha256};
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::FromDer;

use crate::model::certificate::{Certificate, Fingerprint, plain_email};
use crate::model::time::Wall;

/// A certificate cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("the certificate cannot be read")]
pub struct Unreadable;

/// Reads a certificate. Whether it is good is decided elsewhere.
///
/// # Errors
/// When it is none, or says something twice.
pub fn read(der: &CertificateDer<'_>) -> Result<Certificate, Unreadable> {
    let (rest, parsed) = X509Certificate::from_der(der).map_err(|_| Unreadable)?;
    if !rest.is_empty() {
        return Err(Unreadable);
    }
    let mut certificate = Certificate {
        fingerprint: Fingerprint(Sha256::digest(der).into()),
        dns_names: Vec::new(),
        uris: Vec::new(),
        emails: Vec::new(),
        ends: Wall::from_unix_seconds(parsed.validity().not_after.timestamp()),
    };
    let names = parsed.subject_alternative_name().map_err(|_| Unreadable)?;
    for name in names.iter().flat_map(|names| &names.value.general_names) {
        match name {
            GeneralName::DNSName(name) if is_plain(name) => certificate.dns_names.push(name.to_ascii_lowercase()),
            GeneralName::URI(name) if is_plain(name) => certificate.uris.push((*name).to_owned()),
            GeneralName::RFC822Name(name) if is_plain(name) => certificate.emails.push(plain_email(name)),
            _ => {}
        }
    }
    Ok(certificate)
}

/// Nothing that could be shown as something else than it is.
fn is_plain(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_graphic())
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, KeyPair, SanType};

    use super::*;

    #[test]
    fn names_are_those_of_the_certificate_each_of_its_kind_and_none_is_its_common_name() {
        let mut params = CertificateParams::new(["Agent.Example.COM".to_owned()]).unwrap();
        params.subject_alt_names.push(SanType::URI("spiffe://example.org/Dify".try_into().unwrap()));
        params.subject_alt_names.push(SanType::Rfc822Name("Ann@Example.com".try_into().unwrap()));
        params.subject_alt_names.push(SanType::DnsName("two words".try_into().unwrap()));
        params.distinguished_name.push(rcgen::DnType::CommonName, "root.example.com");
        params.not_after = rcgen::date_time_ymd(2031, 2, 3);
        let made = params.self_signed(&KeyPair::generate().unwrap()).unwrap();
        let found = read(made.der()).unwrap();
        assert_eq!(found.dns_names, ["agent.example.com"]);
        assert_eq!(found.uris, ["spiffe://example.org/Dify"]);
        assert_eq!(found.emails, ["Ann@example.com"]);
        assert_eq!(found.ends.unix_seconds(), 1_927_843_200);
        assert_eq!(found.fingerprint.to_string().len(), 64);
        let longer = CertificateDer::from([made.der().as_ref(), b"x"].concat());
        for bad in [longer, CertificateDer::from(b"".to_vec()), CertificateDer::from(b"hello".to_vec())] {
            assert!(read(&bad).is_err());
        }
    }
}
