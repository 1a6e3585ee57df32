//! A certificate: whatever stands in it, its names are what they look like, and each is known as what it is.

#![no_main]

use libfuzzer_sys::fuzz_target;
use mcp_proxy::net::certificate::read;
use mcp_proxy::policy::certificate::CertificatePattern;

/// True if the bytes of `name` stand in the certificate, in whatever case.
fn stands_in(der: &[u8], name: &str) -> bool {
    der.windows(name.len()).any(|bytes| bytes.eq_ignore_ascii_case(name.as_bytes()))
}

fuzz_target!(|der: &[u8]| {
    let Ok(certificate) = read(der) else { return };
    let kinds = [("dns", &certificate.dns_names), ("uri", &certificate.uris), ("email", &certificate.emails)];
    for (kind, names) in kinds {
        for name in names {
            assert!(!name.is_empty() && name.bytes().all(|byte| byte.is_ascii_graphic()), "{name:?}");
            assert!(stands_in(der, name), "{name:?} comes from nowhere");
            for (other, theirs) in kinds {
                let entry = CertificatePattern::parse(&format!("{other}:{name}")).expect("a name makes an entry");
                if other == kind {
                    assert!(entry.fits(&certificate), "{other}:{name} fits the certificate that has it");
                } else if theirs.is_empty() {
                    assert!(!entry.fits(&certificate), "{other}:{name} fits a name of another kind");
                }
            }
        }
    }
    let exactly = CertificatePattern::parse(&format!("sha256:{}", certificate.fingerprint)).expect("it is a digest");
    assert!(exactly.fits(&certificate));
});
