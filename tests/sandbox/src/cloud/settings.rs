//! What can be set about a running stand-in that is not a fault.

use serde::{Deserialize, Serialize};

/// What the sign-in page does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Consent {
    /// Shows a page with Allow and Deny.
    #[default]
    Ask,
    /// Answers at once, as if the person had allowed.
    Allow,
    /// Answers at once, as if the person had denied.
    Deny,
}

/// Who signs in at the page.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SignedInAs {
    /// A RAM user.
    #[default]
    User,
    /// An assumed role, which gets no refresh token.
    Role,
}

/// How `expires_in` stands in a token answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ExpiresIn {
    /// A number.
    #[default]
    Number,
    /// A decimal string.
    String,
    /// Not at all.
    Absent,
    /// The number 0.
    Zero,
    /// The number -1.
    Negative,
}

#[derive(Clone, Debug)]
pub(crate) struct Settings {
    pub(crate) consent: Consent,
    pub(crate) signed_in_as: SignedInAs,
    pub(crate) expires_in: ExpiresIn,
    /// Whether the answer to a refresh carries a new refresh token.
    pub(crate) rotate: bool,
    /// Whether a second use of a dead refresh token revokes the whole grant.
    pub(crate) reuse_revokes: bool,
    /// Overrides the application's lifetime.
    pub(crate) access_token_life: Option<i64>,
    /// Overrides the application's lifetime.
    pub(crate) refresh_token_life: Option<i64>,
    pub(crate) page_size: usize,
    /// Where the URLs in the server list point; empty until the port is known.
    pub(crate) public_base: String,
    /// Where its URLs for the vendor's own network point.
    pub(crate) vpc_base: String,
    pub(crate) cloud_url: String,
    pub(crate) page_url: String,
    /// Whether the `endpoint` event of the old transport carries a whole URL.
    pub(crate) absolute_endpoint: bool,
    /// Whether servers have streams to listen on.
    pub(crate) listening: bool,
    /// Whether the metadata service insists on its token.
    pub(crate) metadata_hardened: bool,
    /// Whether the metadata service knows no tokens.
    pub(crate) metadata_old: bool,
    /// Whether RamOAuth accepts V3 signatures.
    pub(crate) ramoauth_v3: bool,
    /// Whether the exchange of the aliyun CLI's tokens answers with names that begin in upper case.
    pub(crate) exchange_upper_case: bool,
}

impl Settings {
    pub(crate) fn new(consent: Consent) -> Self {
        Self {
            consent,
            signed_in_as: SignedInAs::User,
            expires_in: ExpiresIn::Number,
            rotate: true,
            reuse_revokes: false,
            access_token_life: None,
            refresh_token_life: None,
            page_size: 30,
            public_base: String::new(),
            vpc_base: "https://openapi-mcp-cn.vpc-proxy.aliyuncs.com".to_owned(),
            cloud_url: String::new(),
            page_url: String::new(),
            absolute_endpoint: false,
            listening: true,
            metadata_hardened: false,
            metadata_old: false,
            ramoauth_v3: false,
            exchange_upper_case: false,
        }
    }
}
