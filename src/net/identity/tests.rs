//! Files that make an identity, and files that make none.

use std::fs::{self, Permissions};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair};

use super::*;

struct Files {
    directory: tempfile::TempDir,
    ca: CertifiedIssuer<'static, KeyPair>,
}

impl Files {
    fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, "ca");
        let ca = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let files = Self { directory: tempfile::tempdir().unwrap(), ca };
        files.write("ca.pem", &files.ca.pem());
        files.issue("tls", &["localhost"], (2040, 1, 1));
        files
    }

    fn write(&self, name: &str, text: &str) {
        let path = self.directory.path().join(name);
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
    }

    /// Writes a certificate of the authority, and its key.
    fn issue(&self, name: &str, names: &[&str], (year, month, day): (i32, u8, u8)) -> CertificateDer<'static> {
        let mut params =
            CertificateParams::new(names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>()).unwrap();
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        params.not_after = rcgen::date_time_ymd(year, month, day);
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.ca).unwrap();
        self.write(&format!("{name}.pem"), &certificate.pem());
        self.write(&format!("{name}.key"), &key.serialize_pem());
        certificate.der().clone()
    }

    fn settings(&self) -> TlsSettings {
        let file = |name: &str| self.directory.path().join(name);
        TlsSettings {
            certificate_file: file("tls.pem"),
            key_file: file("tls.key"),
            key_is_credential: false,
            client_ca_file: Some(file("ca.pem")),
            require_client_certificate: false,
        }
    }

    fn fails(&self, change: impl FnOnce(&mut TlsSettings)) -> String {
        let mut settings = self.settings();
        change(&mut settings);
        Identity::read(&settings).unwrap_err().to_string()
    }
}

#[test]
fn an_identity_is_whole_or_says_what_is_wrong_and_where() {
    let files = Files::new();
    let identity = Identity::read(&files.settings()).unwrap();
    assert_eq!(identity.ends.unix_seconds(), 2_208_988_800);
    assert_eq!(identity.config.send_tls13_tickets, 0, "no session is taken up without a look at the certificate");
    assert!(!format!("{identity:?}").contains("config"));
    let alone = TlsSettings { client_ca_file: None, ..files.settings() };
    assert!(Identity::read(&alone).unwrap().verifier.is_none());

    files.issue("other", &["other"], (2040, 1, 1));
    files.write("nothing", "");
    files.write("broken.pem", "-----BEGIN CERTIFICATE-----\n!!\n-----END CERTIFICATE-----\n");
    let file = |name: &str| files.directory.path().join(name);
    for (error, says) in [
        (files.fails(|settings| settings.certificate_file = file("gone")), "tls.certificate_file: cannot read"),
        (files.fails(|settings| settings.certificate_file = file("nothing")), "it holds no certificate"),
        (files.fails(|settings| settings.certificate_file = file("broken.pem")), "tls.certificate_file"),
        (files.fails(|settings| settings.certificate_file = file("other.pem")), "do not fit"),
        (files.fails(|settings| settings.certificate_file = file("")), "not a regular file"),
        (files.fails(|settings| settings.key_file = file("tls.pem")), "tls.key_file"),
        (files.fails(|settings| settings.key_file = file("nothing")), "no private key"),
        (files.fails(|settings| settings.client_ca_file = Some(file("nothing"))), "tls.client_ca_file"),
        (files.fails(|settings| settings.client_ca_file = Some(file("gone"))), "tls.client_ca_file: cannot read"),
    ] {
        assert!(error.contains(says) && !error.contains("PRIVATE"), "{says}: {error}");
    }
}

#[test]
fn d6_a_private_key_that_others_can_read_is_refused() {
    let files = Files::new();
    let path = files.directory.path().join("tls.key");
    for mode in [0o604, 0o644, 0o620] {
        fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
        let error = files.fails(|_| ());
        assert!(error.contains(&format!("mode {mode:o}")) && error.contains("chmod 600"), "{error}");
        let credential = TlsSettings { key_is_credential: true, ..files.settings() };
        assert!(Identity::read(&credential).is_ok(), "systemd's permissions are its own");
    }
    fs::set_permissions(&path, Permissions::from_mode(0o640)).unwrap();
    let of_root = fs::metadata(&path).unwrap().uid() == 0;
    assert_eq!(Identity::read(&files.settings()).is_ok(), of_root, "the group may read what is root's");
}

#[test]
fn a_certificate_counts_as_long_as_it_has_not_ended_and_its_authority_is_one_that_counts() {
    let (files, others) = (Files::new(), Files::new());
    let chain = || vec![files.issue("client", &["agent"], (2035, 1, 1))];
    let acceptor = Acceptor::new(Identity::read(&files.settings()).unwrap());
    let presented = Presented::new(acceptor.clone(), 0, chain()).unwrap();
    let (before, after) = (Wall::from_unix_seconds(2_000_000_000), Wall::from_unix_seconds(2_051_222_401));
    assert_eq!(presented.while_good(before).unwrap().dns_names, ["agent"]);
    assert_eq!(presented.while_good(after), None);
    // Another certificate of the listener, and the same authority.
    acceptor.exchange(Identity::read(&files.settings()).unwrap());
    assert!(presented.while_good(before).is_some());
    acceptor.exchange(Identity::read(&others.settings()).unwrap());
    assert_eq!(presented.while_good(before), None);
    acceptor.exchange(Identity::read(&TlsSettings { client_ca_file: None, ..files.settings() }).unwrap());
    assert_eq!(presented.while_good(before), None);
    acceptor.exchange(Identity::read(&files.settings()).unwrap());
    assert!(presented.while_good(before).is_some());
    assert!(Presented::new(acceptor, 0, Vec::new()).is_none());
}
