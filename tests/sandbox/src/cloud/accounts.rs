//! Accounts, access keys, permissions and the nonces already seen.

use std::collections::{BTreeSet, HashMap, HashSet};

use crate::api::error::ApiError;
use crate::clock::iso8601;
use crate::random;
use crate::sign::claim::{Claim, Malformed};

/// Signatures older or newer than this are refused.
const ALLOWED_SKEW: i64 = 15 * 60;

/// The default account.
pub(crate) const ACCOUNT: &str = "1234567890123456";
/// The access key of the default account.
pub(crate) const KEY: &str = "LTAI5tSandboxAccessKey01";
/// Its temporary key.
pub(crate) const TEMPORARY_KEY: &str = "STS.SandboxTemporaryKey01";
/// The key of the other account.
pub(crate) const OTHER_KEY: &str = "LTAI5tSandboxOtherAccount";
/// Another customer of the cloud, whose keys must not open the first account.
pub(crate) const OTHER_ACCOUNT: &str = "6543210987654321";

/// An access key of an account.
#[derive(Clone, Debug)]
pub(crate) struct AccessKey {
    pub(crate) id: String,
    pub(crate) secret: String,
    pub(crate) account: String,
    pub(crate) active: bool,
    /// Temporary keys carry a token and an end.
    pub(crate) session: Option<Session>,
    pub(crate) denied: BTreeSet<String>,
}

/// What makes a key temporary.
#[derive(Clone, Debug)]
pub(crate) struct Session {
    pub(crate) token: String,
    pub(crate) expires_at: i64,
    /// `role/session` of an assumed role.
    pub(crate) role: String,
}

/// Who made a request.
#[derive(Clone, Debug)]
pub(crate) struct Caller {
    pub(crate) key: AccessKey,
}

/// All keys, and the nonces each has used.
pub(crate) struct Accounts {
    keys: HashMap<String, AccessKey>,
    nonces: HashSet<(String, String)>,
}

impl Accounts {
    /// One key and one temporary key of the default account, and one key of another account.
    pub(crate) fn with_defaults() -> Self {
        let plain = |id: &str, account: &str| AccessKey {
            id: id.to_owned(),
            secret: random::token(30),
            account: account.to_owned(),
            active: true,
            session: None,
            denied: BTreeSet::new(),
        };
        let mut temporary = plain(TEMPORARY_KEY, ACCOUNT);
        temporary.session = Some(Session {
            token: format!("CAIS{}", random::token(60)),
            expires_at: i64::MAX,
            role: "sandbox-role/mcp-proxy".to_owned(),
        });
        let keys = [plain(KEY, ACCOUNT), plain(OTHER_KEY, OTHER_ACCOUNT), temporary];
        Self { keys: keys.into_iter().map(|key| (key.id.clone(), key)).collect(), nonces: HashSet::new() }
    }

    pub(crate) fn secrets(&self) -> BTreeSet<String> {
        let tokens = self.keys.values().filter_map(|key| key.session.as_ref());
        let secrets = self.keys.values().map(|key| key.secret.clone());
        secrets.chain(tokens.map(|session| session.token.clone())).collect()
    }

    pub(crate) fn add(&mut self, key: AccessKey) {
        self.keys.insert(key.id.clone(), key);
    }

    pub(crate) fn remove(&mut self, id: &str) {
        self.keys.remove(id);
    }

    pub(crate) fn get(&self, id: &str) -> Option<&AccessKey> {
        self.keys.get(id)
    }

    pub(crate) fn get_mut(&mut self, id: &str) -> Option<&mut AccessKey> {
        self.keys.get_mut(id)
    }

    /// Moves every key of the default account to another uid.
    pub(crate) fn rename_default_account(&mut self, uid: &str) {
        for key in self.keys.values_mut().filter(|key| key.account == ACCOUNT) {
            key.account = uid.to_owned();
        }
    }

    /// Judges a claim: key known, date near, nonce new, signature right, token right.
    ///
    /// A nonce is burnt only by a request whose signature is right: otherwise anybody could
    /// burn the nonces of others.
    pub(crate) fn authenticate(&mut self, claim: &Claim, now: i64) -> Result<Caller, ApiError> {
        let key = self
            .keys
            .get(&claim.access_key_id)
            .ok_or_else(|| ApiError::new(404, "InvalidAccessKeyId.NotFound", "Specified access key is not found."))?;
        if !key.active {
            let text = "Specified access key is disabled.";
            return Err(ApiError::new(403, "InvalidAccessKeyId.Inactive", text));
        }
        if (claim.signed_at - now).abs() > ALLOWED_SKEW {
            let text = format!("Specified time stamp or date value is expired. Server time is {}.", iso8601(now));
            return Err(ApiError::new(400, "InvalidTimeStamp.Expired", text));
        }
        let nonce = (claim.access_key_id.clone(), claim.nonce.clone());
        if claim.nonce.is_empty() {
            return Err(Malformed::Incomplete("nonce".to_owned()).into());
        }
        if self.nonces.contains(&nonce) {
            let text = "Specified signature nonce was used already.";
            return Err(ApiError::new(400, "SignatureNonceUsed", text));
        }
        if !claim.is_signed_with(&key.secret) {
            let mut text = format!(
                "Specified signature is not matched with our calculation. server string to sign is:{}",
                claim.string_to_sign
            );
            if let Some(canonical) = &claim.canonical {
                text.push_str(&format!(" server canonicalString is:{canonical}"));
            }
            return Err(ApiError::new(400, "SignatureDoesNotMatch", text));
        }
        check_session(key, claim, now)?;
        let caller = Caller { key: key.clone() };
        self.nonces.insert(nonce);
        Ok(caller)
    }
}

fn check_session(key: &AccessKey, claim: &Claim, now: i64) -> Result<(), ApiError> {
    match (&key.session, &claim.security_token) {
        (None, None) => Ok(()),
        (None, Some(_)) => Err(ApiError::new(
            400,
            "InvalidSecurityToken.MismatchWithAccessKey",
            "Specified SecurityToken mismatch with the AccessKey.",
        )),
        (Some(_), None) => {
            Err(ApiError::new(400, "MissingSecurityToken", "SecurityToken is mandatory for this action."))
        }
        (Some(session), Some(token)) if session.token != *token => {
            Err(ApiError::new(403, "InvalidSecurityToken.Malformed", "Specified SecurityToken is malformed."))
        }
        (Some(session), Some(_)) if session.expires_at <= now => {
            Err(ApiError::new(403, "InvalidSecurityToken.Expired", "Specified SecurityToken is expired."))
        }
        (Some(_), Some(_)) => Ok(()),
    }
}

impl Caller {
    /// Refuses what the key may not do, naming the action as the cloud does.
    pub(crate) fn require(&self, action: &str) -> Result<(), ApiError> {
        if self.key.denied.contains(action) || self.key.denied.contains("*") {
            return Err(ApiError::no_permission(action, &self.key.account));
        }
        Ok(())
    }
}
