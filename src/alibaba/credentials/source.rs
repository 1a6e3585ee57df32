//! The kinds of sources that API credentials come from, with everything that each needs.
//!
//! Two equal values lead to the same identity: a source that changed is asked anew.

use std::path::PathBuf;

use http::HeaderName;
use url::Url;

use crate::alibaba::site::{Site, parse_origin};
use crate::model::secret::Secret;
use crate::model::time::Wall;

/// The session's name where nobody gives one; it stands in the cloud's audit log.
pub const SESSION_NAME: &str = "mcp-proxy";

/// An access key, long-lived or temporary.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccessKey {
    /// Id of the access key.
    pub id: String,
    /// Its secret.
    pub secret: Secret,
    /// The token of a temporary key.
    pub security_token: Option<Secret>,
}

impl AccessKey {
    /// What stands for a key where a bearer is sent.
    pub(super) fn none() -> Self {
        Self { id: String::new(), secret: Secret::new(""), security_token: None }
    }
}

/// A token that is sent in the place of a signature. It proves itself to APIs that take such tokens, and to no other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bearer {
    /// The token.
    pub token: Secret,
    /// The header that it is sent in.
    pub header: HeaderName,
}

impl Bearer {
    /// The header of such tokens where no other is named.
    pub const HEADER: HeaderName = HeaderName::from_static("x-acs-bearer-token");

    /// A token for the header `name`, or for the usual one.
    ///
    /// # Errors
    /// What is wrong with the name.
    pub fn new(token: Secret, name: Option<&str>) -> Result<Self, String> {
        let own = |header: &HeaderName| {
            let taken =
                ["host", "accept", "user-agent", "content-length", "content-type", "transfer-encoding", "connection"];
            let of_the_call = header.as_str().starts_with("x-acs-") && *header != Self::HEADER;
            !taken.contains(&header.as_str()) && !of_the_call
        };
        let header = match name {
            None => Self::HEADER,
            Some(name) => HeaderName::from_bytes(name.as_bytes())
                .ok()
                .filter(own)
                .ok_or_else(|| format!("{name:?} is no header that a token can be sent in; leave it empty"))?,
        };
        Ok(Self { token, header })
    }
}

/// A RAM role to assume.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Role {
    /// Its name in full: `acs:ram::ACCOUNT:role/NAME`.
    pub arn: String,
    /// What the session is called.
    pub session_name: String,
    /// How long its keys are to live, in seconds. `None`: as the service says.
    pub seconds: Option<u64>,
    /// What a role of another account may ask for.
    pub external_id: Option<String>,
    /// A RAM policy that narrows the role.
    pub policy: Option<String>,
    /// The service that gives the keys.
    pub sts: Url,
}

/// Where API credentials come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// A key that is there already.
    AccessKey(AccessKey),
    /// A token instead of a key.
    Bearer(Bearer),
    /// A temporary key that was written down with its end; after it, the other source.
    Stored {
        /// The key.
        key: AccessKey,
        /// The end of its life.
        ends: Wall,
        /// What gives the next one.
        then: Box<Source>,
    },
    /// A role, assumed with the credentials of another source (STS AssumeRole).
    Role {
        /// The other source.
        by: Box<Source>,
        /// The role.
        role: Role,
    },
    /// A role, assumed with the token of an identity provider (STS AssumeRoleWithOIDC).
    Oidc {
        /// The provider's name in full.
        provider_arn: String,
        /// The file that something else keeps up to date.
        token_file: PathBuf,
        /// The role.
        role: Role,
    },
    /// The role of the virtual machine.
    Machine {
        /// Its name; `None`: the machine says.
        role: Option<String>,
        /// Whether the older way without a token may be used where the newer one fails.
        without_token: bool,
    },
    /// An address that answers with a temporary key. It may hold a secret.
    Uri(Secret),
    /// A command that prints a key.
    Command(Vec<String>),
    /// An access configuration of CloudSSO, with the token of a person who signed in.
    CloudSso {
        /// The origin of the sign-in page.
        portal: Url,
        /// The account.
        account: String,
        /// The access configuration.
        configuration: String,
        /// The person's token, and its end.
        token: PersonsToken,
    },
    /// A person who signed in with the aliyun CLI.
    OAuth {
        /// Which cloud.
        site: Site,
        /// The person's token, and its end.
        token: PersonsToken,
    },
}

/// A token that somebody got by signing in with the aliyun CLI, and that only the CLI renews.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PersonsToken {
    /// The token.
    pub token: Secret,
    /// The end of its life, if it was written down.
    pub ends: Option<Wall>,
    /// The profile, for the way out.
    pub profile: String,
}

impl Source {
    /// What is done with what is written down, for people; empty if it is used as it stands.
    pub fn manner(&self) -> String {
        match self {
            Self::AccessKey(_) => String::new(),
            Self::Bearer(_) => ", a bearer token".to_owned(),
            Self::Stored { then, .. } => then.manner(),
            Self::Role { role, .. } | Self::Oidc { role, .. } => format!(", which assumes {}", role.arn),
            Self::Machine { .. } => ", with the role of this machine".to_owned(),
            Self::Uri(_) => ", from its credentials URI".to_owned(),
            Self::Command(_) => ", by its command".to_owned(),
            Self::CloudSso { .. } => ", signed in through CloudSSO".to_owned(),
            Self::OAuth { .. } => ", signed in through OAuth".to_owned(),
        }
    }
}

/// The origin of STS: the `endpoint` that is named, else that of the `region`, on the public network or inside the
/// vendor's own (`vpc`), else the central one.
///
/// # Errors
/// What is wrong with the endpoint or the region.
pub fn sts(endpoint: Option<&str>, region: Option<&str>, vpc: bool) -> Result<Url, String> {
    match (endpoint, region) {
        (Some(endpoint), _) => parse_origin(endpoint),
        (None, Some(region)) if !region.chars().all(|c| c.is_ascii_alphanumeric() || c == '-') => {
            Err(format!("{region:?} is no region; write for example cn-hangzhou"))
        }
        (None, Some(region)) => parse_origin(&format!("sts{}.{region}.aliyuncs.com", if vpc { "-vpc" } else { "" })),
        (None, None) => parse_origin("sts.aliyuncs.com"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_host_of_sts() {
        for (endpoint, region, vpc, host) in [
            (None, None, false, "sts.aliyuncs.com"),
            (None, None, true, "sts.aliyuncs.com"),
            (None, Some("cn-beijing"), false, "sts.cn-beijing.aliyuncs.com"),
            (None, Some("cn-beijing"), true, "sts-vpc.cn-beijing.aliyuncs.com"),
            (Some("sts.example"), Some("cn-beijing"), true, "sts.example"),
        ] {
            assert_eq!(sts(endpoint, region, vpc).unwrap().host_str(), Some(host));
        }
        assert!(sts(None, Some("evil.example/"), false).unwrap_err().contains("no region"));
        assert!(sts(Some("http://sts.example"), None, false).unwrap_err().contains("unencrypted"));
    }
}
