//! The listener for clients that begin with TLS.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use crate::config::problem::Fault;
use crate::config::raw::Raw;
use crate::config::resolve::{Judge, Surroundings};
use crate::config::settings::Tls;
use crate::config::values;
use crate::net::settings::TlsSettings;

impl Judge<'_> {
    /// The outer `None`: there is a problem; the inner one: there is no such listener.
    pub(super) fn tls(&mut self, raw: &Raw, surroundings: &Surroundings<'_>) -> Option<Option<Tls>> {
        let wants_certificates = raw.client.values().filter(|client| client.certificates.is_some());
        let tls = &raw.tls;
        if tls.client_ca_file.is_none() {
            for client in wants_certificates {
                let fault = Fault::new("fits nobody as long as no authority of clients is known");
                let hint = "set tls.client_ca_file, or leave it out";
                self.report(&format!("client.{}.certificates", client.name), fault.hint(hint));
            }
            if tls.require_client_certificate {
                let fault = Fault::new("lets nobody in as long as no authority of clients is known");
                self.report("tls.require_client_certificate", fault.hint("set tls.client_ca_file"));
            }
        }
        let file = |text: &str| {
            let credentials = surroundings.inputs.variable("CREDENTIALS_DIRECTORY").map(Path::new);
            values::credential_or_path(text, credentials, surroundings.home.as_deref())
        };
        let listen = self.take("tls.listen", addresses(&tls.listen));
        let certificate = self.take_some("tls.certificate_file", tls.certificate_file.as_deref(), file);
        let key = self.take_some("tls.key_file", tls.key_file.as_deref(), file);
        let client_ca_file = self.take_some("tls.client_ca_file", tls.client_ca_file.as_deref(), file);
        let is_set = !tls.listen.is_empty()
            || [&tls.certificate_file, &tls.key_file, &tls.client_ca_file].into_iter().any(Option::is_some);
        if !is_set {
            return Some(None);
        }
        let mut needed = |file: Option<Option<PathBuf>>, key: &str, example: &str| match file? {
            Some(file) => Some(file),
            None => self.missing(key, example),
        };
        let example = "for example certificate_file = \"/etc/mcp-proxy/tls.pem\"";
        let certificate_file = needed(certificate, "tls.certificate_file", example);
        let key_file = needed(key, "tls.key_file", "for example key_file = \"/etc/mcp-proxy/tls.key\"");
        let identity = TlsSettings {
            certificate_file: certificate_file?,
            key_file: key_file?,
            key_is_credential: tls.key_file.as_ref().is_some_and(|text| !text.contains('/')),
            client_ca_file: client_ca_file?,
            require_client_certificate: tls.require_client_certificate,
        };
        Some(Some(Tls { listen: listen?, identity }))
    }
}

fn addresses(texts: &[String]) -> Result<Vec<SocketAddr>, Fault> {
    let address = |text: &String| {
        text.trim().parse::<SocketAddr>().map_err(|_| {
            let fault = Fault::new(format!("{text:?} is no address with a port"));
            fault.hint("for example \"10.1.0.5:8443\", \"0.0.0.0:8443\", \"[::]:8443\"")
        })
    };
    texts.iter().map(address).collect()
}
