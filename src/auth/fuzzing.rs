//! Doors for the fuzz targets in `fuzz/`, built with `--cfg fuzzing` alone: what reads texts that servers, files and
//! commands give.

use bytes::Bytes;
use http::Response;

use crate::auth::credential::TokenAnswer;
use crate::auth::endpoint::{self, TokenError};
use crate::auth::source::text;
use crate::model::secret::Secret;
use crate::model::time::Now;

/// Reads an answer of the token endpoint at `host`, which was sent `secrets`.
///
/// # Errors
/// Why it gives no tokens.
pub fn token_answer(host: &str, response: &Response<Bytes>, secrets: &[&Secret]) -> Result<TokenAnswer, TokenError> {
    endpoint::read(host, response, secrets)
}

/// Reads what a file or a command gives as a token.
///
/// # Errors
/// A part of a sentence: what is wrong with it.
pub fn token_text(text: &str, now: Now) -> Result<TokenAnswer, String> {
    text::parse(text, now)
}
