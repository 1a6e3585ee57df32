//! What others vouch with: tokens of an identity provider, and of people who signed in to CloudSSO.

use std::collections::HashMap;

use crate::cloud::Cloud;
use crate::cloud::accounts::{ACCOUNT, KEY};
use crate::cloud::grants::AccessToken;
use crate::random;

/// The identity provider that the default account trusts.
pub(crate) const PROVIDER: &str = "oidc-provider/sandbox-idp";
/// The access configuration that people of CloudSSO may use.
pub(crate) const CONFIGURATION: &str = "ac-00sandbox00";

/// Live proofs, each with the second at which it ends.
#[derive(Default)]
pub(crate) struct Proofs {
    pub(crate) oidc: HashMap<String, i64>,
    pub(crate) cloud_sso: HashMap<String, i64>,
    pub(crate) bearers: HashMap<String, i64>,
}

impl Cloud {
    /// A token of the identity provider `acs:ram::ACCOUNT:oidc-provider/sandbox-idp`, good for so many seconds.
    pub fn issue_oidc_token(&self, seconds: i64) -> String {
        let token = format!("eyJhbGciOiJSUzI1NiJ9.{}.{}", random::token(80), random::token(80));
        self.issued(&token);
        self.state.proofs.lock().oidc.insert(token.clone(), self.now() + seconds);
        token
    }

    /// The token of a person who signed in to CloudSSO and may use the access configuration `ac-00sandbox00`.
    pub fn issue_cloud_sso_token(&self, seconds: i64) -> String {
        let token = random::token(120);
        self.issued(&token);
        self.state.proofs.lock().cloud_sso.insert(token.clone(), self.now() + seconds);
        token
    }

    /// A bearer that the API takes in the place of a signature, as the default account, good for so many seconds.
    pub fn issue_api_bearer(&self, seconds: i64) -> String {
        let token = random::token(100);
        self.issued(&token);
        self.state.proofs.lock().bearers.insert(token.clone(), self.now() + seconds);
        token
    }

    /// The access token of a person who signed in with the aliyun CLI: it can be exchanged for keys, and opens no gateway.
    pub fn issue_cli_token(&self, seconds: i64) -> String {
        let token = random::token(160);
        self.issued(&token);
        let account = self.state.accounts.lock().get(KEY).map_or_else(|| ACCOUNT.to_owned(), |key| key.account.clone());
        self.state.grants.lock().add_access(AccessToken {
            token: token.clone(),
            grant: None,
            account,
            for_mcp: false,
            expires_at: self.now() + seconds,
            revoked: false,
            boundary: None,
            safety: None,
        });
        token
    }
}
