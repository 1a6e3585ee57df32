//! What stands in a certificate: its end, and for whom it is good.

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

/// Reads a certificate (DER, RFC 5280 §4.1). Whether it is good is decided elsewhere.
///
/// # Errors
/// When it is none, or says something twice.
pub fn read(der: &[u8]) -> Result<Certificate, Unreadable> {
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
    fn what_is_broken_anywhere_is_none_or_has_plain_names() {
        let made = CertificateParams::new(["agent.example.com".to_owned()]).unwrap();
        let made = made.self_signed(&KeyPair::generate().unwrap()).unwrap();
        for at in 0..made.der().len() {
            for bits in [0x01, 0x20, 0x80, 0xff] {
                let mut der = made.der().to_vec();
                der[at] ^= bits;
                let Ok(found) = read(&der) else { continue };
                let names = [found.dns_names, found.uris, found.emails].concat();
                assert!(names.iter().all(|name| is_plain(name)), "{at} {bits:x}: {names:?}");
            }
            assert!(read(&made.der()[..at]).is_err(), "{at} bytes of it");
        }
    }

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
        let longer = [made.der().as_ref(), b"x"].concat();
        for bad in [&longer[..], b"", b"hello"] {
            assert!(read(bad).is_err());
        }
    }
}
