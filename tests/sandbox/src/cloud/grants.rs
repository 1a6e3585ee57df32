//! Authorizations, and the codes and tokens that come from them.
//!
//! A grant is one decision of a person. Its code is single-use; its refresh tokens replace
//! each other; all of them end with it.

use crate::cloud::safety::Safety;
use crate::cloud::settings::SignedInAs;

/// What was agreed on at the sign-in page.
#[derive(Clone, Debug)]
pub(crate) struct Grant {
    pub(crate) id: u64,
    pub(crate) client_id: String,
    pub(crate) account: String,
    pub(crate) scopes: Vec<String>,
    pub(crate) signed_in_as: SignedInAs,
    /// Refresh tokens count from here, however often they are replaced.
    pub(crate) authorized_at: i64,
    pub(crate) offline: bool,
    pub(crate) revoked: bool,
}

impl Grant {
    /// Whether its access tokens open the MCP gateway.
    pub(crate) fn is_for_mcp(&self) -> bool {
        self.scopes.iter().any(|scope| scope == "/acs/mcp-server")
    }
}

/// How a code is bound to the one who asked for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Challenge {
    /// Base64url of the SHA-256 of the verifier.
    S256(String),
    /// The verifier itself.
    Plain(String),
    /// A client that proves itself with its secret.
    None,
}

/// An authorization code.
#[derive(Clone, Debug)]
pub(crate) struct Code {
    pub(crate) code: String,
    pub(crate) grant: u64,
    pub(crate) redirect_uri: String,
    pub(crate) challenge: Challenge,
    pub(crate) expires_at: i64,
    pub(crate) used: bool,
}

/// An access token.
#[derive(Clone, Debug)]
pub(crate) struct AccessToken {
    pub(crate) token: String,
    /// `None` for tokens made from an access key, without a person.
    pub(crate) grant: Option<u64>,
    pub(crate) account: String,
    pub(crate) for_mcp: bool,
    /// The policy that takes permissions away from it.
    pub(crate) boundary: Option<String>,
    /// What the gateway refuses to whoever has it.
    pub(crate) safety: Option<Safety>,
    pub(crate) expires_at: i64,
    pub(crate) revoked: bool,
}

/// A refresh token.
#[derive(Clone, Debug)]
pub(crate) struct RefreshToken {
    pub(crate) token: String,
    pub(crate) grant: u64,
    pub(crate) expires_at: i64,
    pub(crate) dead: bool,
}

/// Why a bearer token does not open the gateway.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unacceptable {
    Unknown,
    Expired,
    WrongKind,
}

/// All of them.
#[derive(Debug, Default)]
pub(crate) struct Grants {
    grants: Vec<Grant>,
    codes: Vec<Code>,
    access: Vec<AccessToken>,
    refresh: Vec<RefreshToken>,
}

impl Grants {
    pub(crate) fn add(&mut self, mut grant: Grant) -> u64 {
        grant.id = self.grants.len() as u64 + 1;
        let id = grant.id;
        self.grants.push(grant);
        id
    }

    pub(crate) fn grant(&self, id: u64) -> Option<&Grant> {
        self.grants.iter().find(|grant| grant.id == id)
    }

    pub(crate) fn add_code(&mut self, code: Code) {
        self.codes.push(code);
    }

    pub(crate) fn code_mut(&mut self, code: &str) -> Option<&mut Code> {
        self.codes.iter_mut().find(|own| own.code == code)
    }

    pub(crate) fn add_access(&mut self, token: AccessToken) {
        self.access.push(token);
    }

    pub(crate) fn add_refresh(&mut self, token: RefreshToken) {
        self.refresh.push(token);
    }

    pub(crate) fn refresh_mut(&mut self, token: &str) -> Option<&mut RefreshToken> {
        self.refresh.iter_mut().find(|own| own.token == token)
    }

    /// The live token of this text, to be restricted.
    pub(crate) fn restrictable(&mut self, token: &str, now: i64) -> Option<&mut AccessToken> {
        self.valid_for_mcp(token, now).ok()?;
        self.access.iter_mut().find(|own| own.token == token)
    }

    /// The rules that the newest access token is under.
    pub(crate) fn last_rules(&self) -> Option<String> {
        Some(self.access.last()?.safety.as_ref()?.text.clone())
    }

    /// The boundary of the newest access token.
    pub(crate) fn last_boundary(&self) -> Option<String> {
        self.access.last()?.boundary.clone()
    }

    pub(crate) fn access_token(&self, token: &str) -> Option<&AccessToken> {
        self.access.iter().find(|own| own.token == token)
    }

    /// The live access token of this text.
    pub(crate) fn valid(&self, token: &str, now: i64) -> Result<&AccessToken, Unacceptable> {
        let found = self.access_token(token).ok_or(Unacceptable::Unknown)?;
        let revoked = found.grant.and_then(|id| self.grant(id)).is_some_and(|grant| grant.revoked);
        if found.revoked || revoked || found.expires_at <= now {
            return Err(Unacceptable::Expired);
        }
        Ok(found)
    }

    /// The same, when it is of the kind that opens the gateway.
    pub(crate) fn valid_for_mcp(&self, token: &str, now: i64) -> Result<&AccessToken, Unacceptable> {
        let found = self.valid(token, now)?;
        if found.for_mcp { Ok(found) } else { Err(Unacceptable::WrongKind) }
    }

    pub(crate) fn revoke_access(&mut self, token: &str) {
        for own in self.access.iter_mut().filter(|own| own.token == token) {
            own.revoked = true;
        }
    }

    pub(crate) fn revoke_all_access(&mut self) -> usize {
        let live = self.access.iter_mut().filter(|own| !own.revoked);
        live.map(|own| own.revoked = true).count()
    }

    /// Ends a grant with everything that came from it.
    pub(crate) fn revoke_grant(&mut self, id: u64) {
        for grant in self.grants.iter_mut().filter(|grant| grant.id == id) {
            grant.revoked = true;
        }
        for token in self.refresh.iter_mut().filter(|token| token.grant == id) {
            token.dead = true;
        }
        for token in self.access.iter_mut().filter(|token| token.grant == Some(id)) {
            token.revoked = true;
        }
    }

    pub(crate) fn revoke_all(&mut self) -> usize {
        let ids: Vec<u64> = self.grants.iter().filter(|grant| !grant.revoked).map(|grant| grant.id).collect();
        for id in &ids {
            self.revoke_grant(*id);
        }
        ids.len()
    }
}
