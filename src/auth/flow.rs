//! The sign-in of a person: authorization code, PKCE S256 and a single-use `state` (RFC 6749 §4.1, RFC 7636,
//! RFC 8252).
//!
//! A [`Desk`] knows the one login that waits. An answer counts only with the `state` of that login; anything
//! else changes nothing. A newer login takes the place of an older one, which is told.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::oneshot;
use url::Url;

use crate::auth::pkce::{self, NoRandomness};
use crate::model::callback::{Callback, CallbackHandler, CallbackOutcome};
use crate::model::secret::Secret;

/// The OAuth client in whose name a person signs in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Client {
    /// The client id.
    pub id: String,
    /// The authorization endpoint.
    pub authorization_endpoint: Url,
    /// Where the browser is sent back to; sent encoded, registered to the letter.
    pub redirect_uri: String,
    /// The scope asked for.
    pub scope: String,
}

/// Where callbacks find the login that waits for them. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Desk(Arc<Mutex<Option<Waiting>>>);

#[derive(Debug)]
struct Waiting {
    state: Secret,
    deliver: oneshot::Sender<Delivery>,
}

/// An answer that reached its login through the browser.
#[derive(Debug)]
pub struct Delivery {
    /// The answer.
    pub callback: Callback,
    /// Where to say what became of it; the browser waits for this.
    pub outcome: oneshot::Sender<CallbackOutcome>,
}

/// A login that has begun and waits for its answer.
pub struct Attempt {
    client: Client,
    authorize_url: Url,
    state: Secret,
    verifier: Secret,
    delivered: oneshot::Receiver<Delivery>,
}

/// A newer login took the place of this one.
#[derive(Debug, thiserror::Error)]
#[error("another login was begun meanwhile; this one has ended")]
pub struct Superseded;

/// Why a pasted text is not the answer.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum PasteError {
    /// Nothing but blanks.
    #[error("nothing was pasted. Paste the code, or the whole address that the browser shows after signing in")]
    Empty,
    /// Neither a code nor a URL with one.
    #[error(
        "this is neither a code nor an address with one. After signing in, the browser shows an address that begins with {redirect_uri}?code=: paste all of it"
    )]
    NotACode {
        /// The redirect URI of this login.
        redirect_uri: String,
    },
    /// The URL is the sign-in page itself.
    #[error(
        "this is the address of the sign-in page. Open it in a browser, sign in, and paste the address that you arrive at"
    )]
    SignInPage,
    /// The URL belongs to another login.
    #[error("this address belongs to another login. Use the one that you arrive at from the address shown above")]
    OtherLogin,
}

impl Desk {
    /// Begins a login; one that waited before ends.
    ///
    /// # Errors
    /// When the system has no randomness to give.
    pub fn begin(&self, client: Client) -> Result<Attempt, NoRandomness> {
        let (state, verifier) = (pkce::unguessable()?, pkce::unguessable()?);
        let mut authorize_url = client.authorization_endpoint.clone();
        authorize_url
            .query_pairs_mut()
            .append_pair("response_type", "code")
            .append_pair("client_id", &client.id)
            .append_pair("redirect_uri", &client.redirect_uri)
            .append_pair("scope", &client.scope)
            .append_pair("state", state.expose())
            .append_pair("code_challenge", &pkce::challenge(&verifier))
            .append_pair("code_challenge_method", "S256");
        let (deliver, delivered) = oneshot::channel();
        *self.waiting() = Some(Waiting { state: state.clone(), deliver });
        Ok(Attempt { client, authorize_url, state, verifier, delivered })
    }

    /// Takes an answer to its login and waits for what becomes of it.
    pub async fn deliver(&self, callback: Callback) -> CallbackOutcome {
        if !callback.is_answer() {
            return CallbackOutcome::NotExpected;
        }
        let waiting = {
            let mut slot = self.waiting();
            let expected = slot
                .as_ref()
                .is_some_and(|waiting| callback.state.as_ref() == Some(&waiting.state) && !waiting.deliver.is_closed());
            if expected { slot.take() } else { None }
        };
        let Some(waiting) = waiting else { return CallbackOutcome::NotExpected };
        let (outcome, outcomes) = oneshot::channel();
        if waiting.deliver.send(Delivery { callback, outcome }).is_err() {
            return CallbackOutcome::NotExpected;
        }
        let ended = CallbackOutcome::Failed { reason: "the login was ended before it was complete".to_owned() };
        outcomes.await.unwrap_or(ended)
    }

    /// This desk as the data path sees it.
    pub fn handler(&self) -> CallbackHandler {
        let desk = self.clone();
        Arc::new(move |callback| {
            let desk = desk.clone();
            Box::pin(async move { desk.deliver(callback).await })
        })
    }

    fn waiting(&self) -> std::sync::MutexGuard<'_, Option<Waiting>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Attempt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The address holds the state, which whoever forges a callback needs.
        f.debug_struct("Attempt").field("client", &self.client).finish_non_exhaustive()
    }
}

impl Attempt {
    /// Where the person signs in.
    pub fn authorize_url(&self) -> &Url {
        &self.authorize_url
    }

    /// The client of this login.
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// The PKCE verifier, for the exchange.
    pub fn verifier(&self) -> &Secret {
        &self.verifier
    }

    /// Waits for the answer that comes through the browser.
    ///
    /// # Errors
    /// When a newer login takes this one's place.
    pub async fn delivered(&mut self) -> Result<Delivery, Superseded> {
        (&mut self.delivered).await.map_err(|_| Superseded)
    }

    /// Reads what a person pasted: the code, or the whole address; blanks and line breaks do not matter.
    ///
    /// # Errors
    /// When it is not an answer to this login; the login goes on waiting.
    pub fn pasted(&self, text: &str) -> Result<Callback, PasteError> {
        let text: String = text.chars().filter(|c| !c.is_whitespace() && !c.is_control()).collect();
        let not_a_code = || PasteError::NotACode { redirect_uri: self.client.redirect_uri.clone() };
        if text.is_empty() {
            return Err(PasteError::Empty);
        }
        let is_url = text.contains("://") || text.contains("code=") || text.contains("error=");
        if !is_url {
            let a_code = |c: char| c.is_ascii_alphanumeric() || "-._~+/=".contains(c);
            let plausible = text.len() >= 6 && text.len() <= 4096 && text.chars().all(a_code);
            return match plausible {
                true => Ok(Callback { code: Some(Secret::new(text)), ..Callback::default() }),
                false => Err(not_a_code()),
            };
        }
        let query = text.split_once('?').map_or(text.as_str(), |(_, query)| query);
        let query = query.split('#').next().unwrap_or_default();
        let callback = Callback::from_query(query);
        if !callback.is_answer() {
            return Err(if text.contains("code_challenge=") { PasteError::SignInPage } else { not_a_code() });
        }
        match &callback.state {
            Some(state) if *state != self.state => Err(PasteError::OtherLogin),
            _ => Ok(callback),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client() -> Client {
        Client {
            id: "40".into(),
            authorization_endpoint: Url::parse("https://signin.example/oauth2/v1/auth").unwrap(),
            redirect_uri: "http://127.0.0.1:8088/callback".into(),
            scope: "/acs/mcp-server".into(),
        }
    }

    fn answer(state: &str) -> Callback {
        Callback::from_query(&format!("code=abc123xyz&state={state}"))
    }

    #[test]
    fn b6_the_authorization_request_is_complete_and_encoded() {
        let attempt = Desk::default().begin(client()).unwrap();
        let url = attempt.authorize_url().as_str();
        assert!(url.contains("redirect_uri=http%3A%2F%2F127.0.0.1%3A8088%2Fcallback"), "{url}");
        assert!(url.contains("code_challenge_method=S256") && url.contains("&state="), "{url}");
        assert!(!url.contains(attempt.verifier().expose()));
    }

    #[tokio::test]
    async fn b1_only_the_awaited_state_is_taken_and_only_once() {
        let desk = Desk::default();
        let mut attempt = desk.begin(client()).unwrap();
        for stray in [answer("wrong"), Callback::from_query("code=abc123xyz"), Callback::default()] {
            assert_eq!(desk.deliver(stray).await, CallbackOutcome::NotExpected);
        }
        let right = answer(attempt.state.expose());
        let login = async {
            let delivery = attempt.delivered().await.unwrap();
            delivery.outcome.send(CallbackOutcome::SignedIn).unwrap();
            delivery.callback
        };
        let (outcome, callback) = tokio::join!(desk.deliver(right.clone()), login);
        assert_eq!((outcome, callback), (CallbackOutcome::SignedIn, right.clone()));
        assert_eq!(desk.deliver(right).await, CallbackOutcome::NotExpected);
    }

    #[tokio::test]
    async fn b2_without_a_login_no_callback_is_expected() {
        assert_eq!(Desk::default().deliver(answer("any")).await, CallbackOutcome::NotExpected);
    }

    #[tokio::test]
    async fn b7_the_newer_login_wins_and_the_older_is_told() {
        let desk = Desk::default();
        let mut older = desk.begin(client()).unwrap();
        let newer = desk.begin(client()).unwrap();
        assert!(older.delivered().await.is_err());
        assert_eq!(desk.deliver(answer(older.state.expose())).await, CallbackOutcome::NotExpected);
        drop(newer);
    }

    #[tokio::test]
    async fn a_login_that_was_given_up_expects_nothing() {
        let desk = Desk::default();
        let attempt = desk.begin(client()).unwrap();
        let late = answer(attempt.state.expose());
        drop(attempt);
        assert_eq!(desk.deliver(late).await, CallbackOutcome::NotExpected);
    }

    #[test]
    fn b5_code_or_address_with_blanks_and_line_breaks() {
        let attempt = Desk::default().begin(client()).unwrap();
        let state = attempt.state.expose();
        let address = format!("http://127.0.0.1:8088/callback?code=abc123xyz&state={state}");
        let wrapped = format!("  {}\r\n {}\n", &address[..40], &address[40..]);
        for text in ["abc123xyz", " abc123xyz \n", &address, &wrapped, &format!("{address}#top")] {
            assert_eq!(attempt.pasted(text).unwrap().code, Some(Secret::new("abc123xyz")), "{text:?}");
        }
        let denied = attempt.pasted("http://127.0.0.1:8088/callback?error=access_denied").unwrap();
        assert_eq!(denied.error.as_deref(), Some("access_denied"));
    }

    #[test]
    fn pasted_garbage_is_named() {
        let attempt = Desk::default().begin(client()).unwrap();
        assert_eq!(attempt.pasted(" \n").unwrap_err(), PasteError::Empty);
        assert_eq!(attempt.pasted(attempt.authorize_url().as_str()).unwrap_err(), PasteError::SignInPage);
        let other = "http://127.0.0.1:8088/callback?code=abc123xyz&state=other";
        assert_eq!(attempt.pasted(other).unwrap_err(), PasteError::OtherLogin);
        for garbage in ["yes", "https://example.com/", "what is this?", "ls -la; rm"] {
            assert!(matches!(attempt.pasted(garbage), Err(PasteError::NotACode { .. })), "{garbage}");
        }
    }
}
