//! What the sign-in page sends back through the browser, and what became of it.
//!
//! The data path receives `/callback`, the login waits for it; neither knows the other. They meet in
//! these values (RFC 6749 §4.1.2).

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use crate::model::secret::Secret;

/// The authorization response: the query of the redirect URI.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Callback {
    /// The authorization code.
    pub code: Option<Secret>,
    /// The value that binds this answer to the login that asked.
    pub state: Option<Secret>,
    /// The error code of a refusal, such as `access_denied`.
    pub error: Option<String>,
    /// What the server says about the refusal.
    pub error_description: Option<String>,
}

impl Callback {
    /// Reads the query of a redirect. Unknown parameters are passed over; of a repeated one the first counts.
    pub fn from_query(query: &str) -> Self {
        let mut callback = Self::default();
        for (name, value) in url::form_urlencoded::parse(query.as_bytes()) {
            match name.as_ref() {
                "code" => keep_first(&mut callback.code, Secret::new(value)),
                "state" => keep_first(&mut callback.state, Secret::new(value)),
                "error" => keep_first(&mut callback.error, value.into_owned()),
                "error_description" => keep_first(&mut callback.error_description, value.into_owned()),
                _ => {}
            }
        }
        callback
    }

    /// True if it says how the sign-in ended: RFC 6749 knows a code (§4.1.2) and an error (§4.1.2.1).
    pub fn is_answer(&self) -> bool {
        self.code.is_some() || self.error.is_some()
    }
}

fn keep_first<T>(slot: &mut Option<T>, value: T) {
    slot.get_or_insert(value);
}

/// What became of a callback; the page shown in the browser says it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CallbackOutcome {
    /// The code was exchanged and the login is saved.
    SignedIn,
    /// No login waits for this answer: none was begun, it ended, or `state` is not its own.
    NotExpected,
    /// The person or the server refused.
    Denied {
        /// The error code, such as `access_denied`.
        error: String,
        /// The server's words, if any.
        description: Option<String>,
    },
    /// The answer was the awaited one, but the login failed after it.
    Failed {
        /// What happened and what to do, for the person; no secret.
        reason: String,
    },
}

/// Takes a callback to the login that waits for it, if one does.
pub type CallbackHandler = Arc<dyn Fn(Callback) -> Pin<Box<dyn Future<Output = CallbackOutcome> + Send>> + Send + Sync>;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_success_and_refusal() {
        let ok = Callback::from_query("code=a%2Bb&state=s&session=1");
        assert_eq!(ok.code, Some(Secret::new("a+b")));
        assert_eq!(ok.state, Some(Secret::new("s")));
        let refused = Callback::from_query("error=access_denied&error_description=no+thanks&state=s");
        assert_eq!(refused.error.as_deref(), Some("access_denied"));
        assert_eq!(refused.error_description.as_deref(), Some("no thanks"));
    }

    #[test]
    fn of_a_repeated_parameter_the_first_counts() {
        assert_eq!(Callback::from_query("code=1&code=2").code, Some(Secret::new("1")));
    }
}
