//! Which certificates a client is known by: names that stand in them, or the certificates themselves.
//!
//! Only names of the subject's alternative names count, each of its own kind: a `dns:` entry is held against DNS names
//! and nothing else (RFC 9525 §6). `*` stands for any text in what the configuration says; in a certificate it is a
//! character like others.

use crate::model::certificate::{Certificate, Fingerprint, plain_email};
use crate::policy::pattern::Pattern;

/// Certificates that a client may have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CertificatePattern {
    /// Every one that the listener takes.
    Any,
    /// This one.
    Exactly(Fingerprint),
    /// Those with such a DNS name.
    Dns(Pattern),
    /// Those with such a URI.
    Uri(Pattern),
    /// Those with such an address of mail.
    Email(Pattern),
}

impl CertificatePattern {
    /// Reads an entry of the configuration.
    ///
    /// # Errors
    /// A sentence that says what is wrong with it.
    pub fn parse(text: &str) -> Result<Self, String> {
        if text == "*" {
            return Ok(Self::Any);
        }
        let (kind, name) = text.split_once(':').unwrap_or((text, ""));
        let plain = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_graphic());
        match kind {
            "sha256" => Fingerprint::parse(name)
                .map(Self::Exactly)
                .ok_or_else(|| format!("{text:?} has no SHA-256 digest: 64 hexadecimal digits, as openssl x509 -fingerprint -sha256 shows them")),
            "dns" | "uri" | "email" if !plain => Err(format!("{text:?} has no name that could stand in a certificate")),
            "dns" => Pattern::parse(&name.to_ascii_lowercase()).map(Self::Dns),
            "uri" => Pattern::parse(name).map(Self::Uri),
            "email" => Pattern::parse(&plain_email(name)).map(Self::Email),
            _ => Err(format!("{text:?} does not say which name of a certificate is meant")),
        }
    }

    /// True if a certificate is one of those.
    pub fn fits(&self, certificate: &Certificate) -> bool {
        let has = |pattern: &Pattern, names: &[String]| names.iter().any(|name| pattern.fits(name));
        match self {
            Self::Any => true,
            Self::Exactly(fingerprint) => *fingerprint == certificate.fingerprint,
            Self::Dns(pattern) => has(pattern, &certificate.dns_names),
            Self::Uri(pattern) => has(pattern, &certificate.uris),
            Self::Email(pattern) => has(pattern, &certificate.emails),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::time::Wall;

    fn certificate() -> Certificate {
        let list = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        Certificate {
            fingerprint: Fingerprint([0xab; 32]),
            dns_names: list(&["agent.example.com", "*.wild.example"]),
            uris: list(&["spiffe://example.org/agents/dify"]),
            emails: list(&["Ann@example.com"]),
            ends: Wall::from_unix_seconds(1),
        }
    }

    #[test]
    fn each_entry_is_held_against_names_of_its_own_kind() {
        let digest = "AB".repeat(32);
        for (entry, fits) in [
            ("*", true),
            (&format!("sha256:{digest}"), true),
            (&format!("sha256:{}", digest.replacen("AB", "AC", 1)), false),
            ("dns:agent.example.com", true),
            ("dns:AGENT.Example.com", true),
            ("dns:*.example.com", true),
            ("dns:example.com", false),
            ("dns:agent.example.com.evil.example", false),
            ("dns:a.wild.example", false),
            ("dns:\\*.wild.example", false),
            ("uri:agent.example.com", false),
            ("email:agent.example.com", false),
            ("uri:spiffe://example.org/agents/dify", true),
            ("uri:spiffe://example.org/agents/*", true),
            ("uri:spiffe://EXAMPLE.org/agents/dify", false),
            ("uri:spiffe://example.org/agents", false),
            ("dns:spiffe://example.org/agents/dify", false),
            ("email:Ann@EXAMPLE.com", true),
            ("email:ann@example.com", false),
            ("email:*@example.com", true),
        ] {
            assert_eq!(CertificatePattern::parse(entry).unwrap().fits(&certificate()), fits, "{entry}");
        }
    }

    #[test]
    fn what_is_no_entry_is_named() {
        for entry in
            ["", "agent.example.com", "cn:dify", "dns:", "uri: ", "dns:a b", "sha256:", "sha256:ab", "DNS:a", "dns:é"]
        {
            assert!(CertificatePattern::parse(entry).unwrap_err().contains(&format!("{entry:?}")), "{entry:?}");
        }
    }
}
