//! A client's certificate, as far as rules speak of it.

use std::fmt;

use crate::model::time::Wall;

/// A certificate that a client has shown, with the names that it is good for (RFC 5280 §4.2.1.6). The common name of
/// the subject is none of them: it says not of what kind it is (RFC 9525 §2).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Certificate {
    /// What tells it from all others.
    pub fingerprint: Fingerprint,
    /// Names of hosts, in lower case.
    pub dns_names: Vec<String>,
    /// URIs, to the letter.
    pub uris: Vec<String>,
    /// Addresses of mail, with the host in lower case.
    pub emails: Vec<String>,
    /// When it ends.
    pub ends: Wall,
}

/// The SHA-256 digest of a certificate.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Fingerprint(pub [u8; 32]);

impl Fingerprint {
    /// Reads 64 hexadecimal digits, in either case, with or without colons between the bytes.
    pub fn parse(text: &str) -> Option<Self> {
        let pairs = text.len() == 95 && text.bytes().skip(2).step_by(3).all(|byte| byte == b':');
        let digits: Vec<u32> = match pairs {
            true => text.split(':').flat_map(str::chars).map(|c| c.to_digit(16)).collect::<Option<_>>()?,
            false => text.chars().map(|c| c.to_digit(16)).collect::<Option<_>>()?,
        };
        let bytes: Vec<u8> = digits
            .chunks(2)
            .map(|pair| u8::try_from(pair.iter().fold(0, |byte, digit| byte << 4 | digit)))
            .collect::<Result<_, _>>()
            .ok()?;
        (digits.len() == 64).then(|| bytes.try_into().ok().map(Self))?
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// An address of mail in the form in which two of them are compared: the case of its host says nothing (RFC 5321 §2.4).
pub fn plain_email(text: &str) -> String {
    match text.rsplit_once('@') {
        Some((person, host)) => format!("{person}@{}", host.to_ascii_lowercase()),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fingerprints_are_read_as_tools_print_them() {
        let plain = "ab".repeat(32);
        let colons = vec!["AB"; 32].join(":");
        for text in [&plain, &plain.to_uppercase(), &colons] {
            assert_eq!(Fingerprint::parse(text), Some(Fingerprint([0xab; 32])), "{text}");
        }
        assert_eq!(Fingerprint([0xab; 32]).to_string(), plain);
        for text in
            ["", "ab", &plain[1..], &format!("{plain}0"), &plain.replacen('a', "g", 1), &colons[1..], &"é".repeat(32)]
        {
            assert_eq!(Fingerprint::parse(text), None, "{text}");
        }
    }

    #[test]
    fn the_case_of_a_host_says_nothing_and_that_of_a_person_does() {
        assert_eq!(plain_email("Ann@Example.COM"), "Ann@example.com");
        assert_eq!(plain_email("\"a@b\"@C"), "\"a@b\"@c");
    }
}
