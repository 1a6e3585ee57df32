//! An authority that issues certificates, and the files that they stand in.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::{Duration, SystemTime};

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair, SanType,
};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use sha2::{Digest, Sha256};

const DAY: Duration = Duration::from_secs(86_400);

/// Issues certificates.
pub(crate) struct Authority(CertifiedIssuer<'static, KeyPair>);

/// A certificate with its key, as PEM.
#[derive(Clone)]
pub(crate) struct Issued {
    pub(crate) certificate: String,
    pub(crate) key: String,
}

impl Authority {
    pub(crate) fn new(name: &str) -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, name);
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    pub(crate) fn certificate(&self) -> String {
        self.0.pem()
    }

    /// For a server on loopback, good for so many days; for none, it ended yesterday.
    pub(crate) fn server(&self, days: u32) -> Issued {
        let mut params = CertificateParams::new(["localhost".to_owned()]).unwrap();
        params.subject_alt_names.push(SanType::IpAddress([127, 0, 0, 1].into()));
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        self.issue(params, if days == 0 { SystemTime::now() - DAY } else { SystemTime::now() + DAY * days })
    }

    /// For a client with these names: `dns:`, `uri:`, `email:` or `cn:`.
    pub(crate) fn client(&self, names: &[&str]) -> Issued {
        self.client_until(names, SystemTime::now() + DAY)
    }

    pub(crate) fn client_until(&self, names: &[&str], ends: SystemTime) -> Issued {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        for name in names {
            let name = match name.split_once(':').unwrap() {
                ("dns", name) => SanType::DnsName(name.try_into().unwrap()),
                ("uri", name) => SanType::URI(name.try_into().unwrap()),
                ("email", name) => SanType::Rfc822Name(name.try_into().unwrap()),
                (_, name) => {
                    params.distinguished_name.push(DnType::CommonName, name);
                    continue;
                }
            };
            params.subject_alt_names.push(name);
        }
        self.issue(params, ends)
    }

    fn issue(&self, mut params: CertificateParams, ends: SystemTime) -> Issued {
        params.not_before = (SystemTime::now() - DAY * 400).into();
        params.not_after = ends.into();
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.0).unwrap();
        Issued { certificate: certificate.pem(), key: key.serialize_pem() }
    }
}

impl Issued {
    pub(crate) fn chain(&self) -> Vec<CertificateDer<'static>> {
        CertificateDer::pem_slice_iter(self.certificate.as_bytes()).map(Result::unwrap).collect()
    }

    pub(crate) fn private_key(&self) -> PrivateKeyDer<'static> {
        PrivateKeyDer::from_pem_slice(self.key.as_bytes()).unwrap()
    }

    /// Its SHA-256 digest in hexadecimal digits.
    pub(crate) fn fingerprint(&self) -> String {
        Sha256::digest(&self.chain()[0]).iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// Writes it as `NAME.pem` and `NAME.key`.
    pub(crate) fn write(&self, directory: &Path, name: &str) {
        write(&directory.join(format!("{name}.pem")), &self.certificate);
        write(&directory.join(format!("{name}.key")), &self.key);
    }
}

pub(crate) fn write(path: &Path, text: &str) {
    fs::write(path, text).unwrap();
    fs::set_permissions(path, PermissionsExt::from_mode(0o600)).unwrap();
}
