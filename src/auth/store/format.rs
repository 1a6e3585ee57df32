//! The file format of a saved login: JSON, versioned, our own.
//!
//! Only this file turns secrets into text and back.

use serde::{Deserialize, Serialize};
use zeroize::{Zeroize, Zeroizing};

use crate::auth::credential::{Binding, Credential, Grant};
use crate::auth::store::seal::{CannotOpen, SealKey, Sealed};
use crate::model::secret::Secret;
use crate::model::time::Wall;

/// What every file begins with.
const FORMAT: &str = "mcp-proxy login";
/// The version this program writes, and the newest it reads.
const VERSION: u32 = 1;

/// Why a text is not a saved login.
#[derive(Debug, thiserror::Error)]
pub enum NotReadable {
    /// It is not JSON, or a field is missing. The text itself is not shown.
    #[error("it is damaged at line {line}, column {column}")]
    Damaged {
        /// The line, from 1.
        line: usize,
        /// The column, from 1.
        column: usize,
    },
    /// It is another kind of file.
    #[error("it is not a saved login of mcp-proxy")]
    OtherFormat,
    /// A newer program wrote it.
    #[error(
        "it was written by a newer mcp-proxy (format version {0}, this program knows {VERSION}). Upgrade, or sign in again"
    )]
    Newer(u32),
    /// It is encrypted and cannot be opened.
    #[error(transparent)]
    Closed(#[from] CannotOpen),
}

#[derive(Deserialize)]
struct Head {
    format: String,
    version: u32,
    sealed: Option<Sealed>,
}

/// What a sealed login looks like from outside.
#[derive(Serialize)]
struct Envelope {
    format: &'static str,
    version: u32,
    sealed: Sealed,
}

#[derive(Serialize, Deserialize)]
struct Saved {
    format: String,
    version: u32,
    site: String,
    token_endpoint: String,
    account: Option<String>,
    client_id: String,
    client_name: String,
    scope: String,
    serial: u64,
    access_token: String,
    refresh_token: Option<String>,
    obtained_at_ms: i64,
    expires_at_ms: Option<i64>,
    refresh_expires_at_ms: Option<i64>,
}

impl Drop for Saved {
    fn drop(&mut self) {
        self.access_token.zeroize();
        self.refresh_token.zeroize();
    }
}

/// The text of a login, sealed for the place `name` if there is a key.
pub(super) fn write(
    credential: &Credential,
    key: Option<&SealKey>,
    name: &str,
) -> Result<Zeroizing<Vec<u8>>, getrandom::Error> {
    let plain = write_plain(credential);
    let Some(key) = key else { return Ok(plain) };
    let envelope = Envelope { format: FORMAT, version: VERSION, sealed: key.seal(&plain, &context(name))? };
    Ok(Zeroizing::new(serde_json::to_vec_pretty(&envelope).unwrap_or_default()))
}

/// What a sealed login is bound to.
fn context(name: &str) -> String {
    format!("{FORMAT}\0{VERSION}\0{name}")
}

/// True if the text is a sealed login.
pub(super) fn is_sealed(text: &[u8]) -> bool {
    serde_json::from_slice::<Head>(text).is_ok_and(|head| head.sealed.is_some())
}

fn write_plain(credential: &Credential) -> Zeroizing<Vec<u8>> {
    let Credential { binding, grant } = credential;
    let saved = Saved {
        format: FORMAT.to_owned(),
        version: VERSION,
        site: binding.site.clone(),
        token_endpoint: binding.token_endpoint.clone(),
        account: binding.account.clone(),
        client_id: binding.client_id.clone(),
        client_name: binding.client_name.clone(),
        scope: binding.scope.clone(),
        serial: grant.serial,
        access_token: grant.access_token.expose().to_owned(),
        refresh_token: grant.refresh_token.as_ref().map(|token| token.expose().to_owned()),
        obtained_at_ms: grant.obtained_at.unix_millis(),
        expires_at_ms: grant.expires_at.map(Wall::unix_millis),
        refresh_expires_at_ms: grant.refresh_expires_at.map(Wall::unix_millis),
    };
    // Room for everything at once: a buffer that grows would leave copies of the secrets behind.
    let mut text = Vec::with_capacity(16 * 1024);
    // Strings and numbers always serialize, and a vector takes every byte.
    let _ = serde_json::to_writer_pretty(&mut text, &saved);
    text.push(b'\n');
    Zeroizing::new(text)
}

/// Reads the text of the login at the place `name`.
///
/// # Errors
/// When it is none that this program knows, or cannot be opened.
pub(super) fn parse(text: &[u8], key: Option<&SealKey>, name: &str) -> Result<Credential, NotReadable> {
    let head: Head = serde_json::from_slice(text).map_err(|error| match error.classify() {
        serde_json::error::Category::Data => NotReadable::OtherFormat,
        _ => damaged(error),
    })?;
    if head.format != FORMAT {
        return Err(NotReadable::OtherFormat);
    }
    if head.version > VERSION {
        return Err(NotReadable::Newer(head.version));
    }
    if let Some(sealed) = head.sealed {
        return parse_plain(&sealed.open(key, &context(name))?);
    }
    parse_plain(text)
}

fn damaged(error: serde_json::Error) -> NotReadable {
    NotReadable::Damaged { line: error.line(), column: error.column() }
}

fn parse_plain(text: &[u8]) -> Result<Credential, NotReadable> {
    let mut saved: Saved = serde_json::from_slice(text).map_err(damaged)?;
    Ok(Credential {
        binding: Binding {
            site: std::mem::take(&mut saved.site),
            token_endpoint: std::mem::take(&mut saved.token_endpoint),
            account: saved.account.take(),
            client_id: std::mem::take(&mut saved.client_id),
            client_name: std::mem::take(&mut saved.client_name),
            scope: std::mem::take(&mut saved.scope),
        },
        grant: Grant {
            serial: saved.serial,
            access_token: Secret::new(std::mem::take(&mut saved.access_token)),
            refresh_token: saved.refresh_token.take().map(Secret::new),
            obtained_at: Wall::from_unix_millis(saved.obtained_at_ms),
            expires_at: saved.expires_at_ms.map(Wall::from_unix_millis),
            refresh_expires_at: saved.refresh_expires_at_ms.map(Wall::from_unix_millis),
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_texts_are_told_apart_and_never_shown() {
        for (text, says) in [
            ("", "damaged at line 1"),
            ("{\"format\":\"mcp-proxy login\",\"version\":1,\"access_token\":\"hunter2\"}", "damaged"),
            ("{\"hello\":1}", "not a saved login"),
            ("{\"format\":\"x\",\"version\":1}", "not a saved login"),
            ("{\"format\":\"mcp-proxy login\",\"version\":9}", "newer mcp-proxy (format version 9"),
        ] {
            let error = parse(text.as_bytes(), None, "x").unwrap_err().to_string();
            assert!(error.contains(says), "{text}: {error}");
            assert!(!error.contains("hunter2"));
        }
    }
}
