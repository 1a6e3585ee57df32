//! Why a request has no answer, and the error that the client gets instead.

use std::time::Duration;

use bytes::Bytes;
use http::{Response, StatusCode};
use http_body_util::{BodyExt, Limited};

use crate::bridge::message::{self, Id};
use crate::bridge::room::{LONGEST_MESSAGE, NoRoom};
use crate::net::pool::Incoming;

/// Codes of JSON-RPC 2.0 §5.1.
pub(super) const PARSE_ERROR: i32 = -32_700;
pub(super) const INVALID_REQUEST: i32 = -32_600;
const METHOD_NOT_FOUND: i32 = -32_601;
/// Codes of our own, outside of the range that is reserved there: this, less the status that says the same.
const OURS: i32 = -31_000;

/// How much of a refusal is read, in bytes, how long that may take, and how many characters of it a person is shown.
const LONGEST_REFUSAL: usize = 256 * 1024;
const PATIENCE: Duration = Duration::from_secs(10);
const MOST_SHOWN: usize = 500;

/// Why there is no answer.
#[derive(Debug, Clone, thiserror::Error)]
pub(super) enum Failure {
    /// Nobody is there.
    #[error(
        "no mcp-proxy answers ({0}). Start it with: systemctl start mcp-proxy.socket (or, in a terminal, mcp-proxy), and \
         see: mcp-proxy status"
    )]
    NoConnection(String),
    /// It went away in the middle.
    #[error("the connection to mcp-proxy broke before the answer came ({0}); whether the server acted is not known")]
    Broken(String),
    /// It, or the server behind it, says no.
    #[error("{}", words(*status, body))]
    Refused {
        /// The status.
        status: StatusCode,
        /// What it says.
        body: Bytes,
    },
    /// The answer is longer than any may be.
    #[error("the answer is longer than {} MiB, the most that mcp-proxy stdio takes", LONGEST_MESSAGE >> 20)]
    TooLong,
    /// There is no memory left for it.
    #[error("too much is under way at once for mcp-proxy stdio; try again when other calls have ended")]
    NoRoom,
    /// The answer ended without one.
    #[error("the server ended its answer before it had answered; whether it acted is not known")]
    NoAnswer,
    /// The answer is of no kind that there is.
    #[error("the server answered with {0}, which is neither JSON nor an event stream")]
    Foreign(String),
    /// The session is gone.
    #[error("the server has ended the session, and a new one could not be begun: {0}. Restart the connection")]
    SessionLost(String),
    /// What cannot be reached at all, and why.
    #[error("{0}")]
    Nowhere(String),
}

impl From<NoRoom> for Failure {
    fn from(NoRoom: NoRoom) -> Self {
        Self::NoRoom
    }
}

impl Failure {
    /// Reads what a response of another status than success says.
    pub(super) async fn read(response: Response<Incoming>) -> Self {
        let (head, body) = response.into_parts();
        let body = tokio::time::timeout(PATIENCE, Limited::new(body, LONGEST_REFUSAL).collect()).await;
        let body = body.ok().and_then(Result::ok).map(|body| body.to_bytes()).unwrap_or_default();
        Self::Refused { status: head.status, body }
    }

    /// True if these are a server's words about a message, not about the way it was sent.
    pub(super) fn is_an_answer(&self) -> bool {
        matches!(self, Self::Refused { body, .. } if message::error_of(body, &nobody()).is_some())
    }

    /// The error for a request with that method.
    pub(super) fn answer(&self, id: &Id, method: &str) -> Vec<u8> {
        let code = match self {
            Self::Refused { status, body } => match message::error_of(body, id) {
                Some((error, _)) => return message::error_by(id, error),
                // A server that is older than the method. Over stdio this is how clients are told (2026-07-28,
                // versioning), and they begin with `initialize`.
                None if method == "server/discover" && does_not_know(*status) => METHOD_NOT_FOUND,
                None => OURS - i32::from(status.as_u16()),
            },
            Self::NoRoom => OURS - 503,
            _ => OURS - 502,
        };
        message::error(Some(id), code, &self.to_string())
    }
}

/// Statuses that say of a way to ask that the server does not have it.
fn does_not_know(status: StatusCode) -> bool {
    matches!(status.as_u16(), 400 | 404 | 405 | 406 | 415 | 422 | 501)
}

fn nobody() -> Id {
    Id::null()
}

fn words(status: StatusCode, body: &[u8]) -> String {
    let said = match message::error_of(body, &nobody()) {
        Some((error, _)) => message::words_of(error),
        None => Some(String::from_utf8_lossy(body).into_owned()),
    };
    let said = said.unwrap_or_default();
    let shown = said.split_whitespace().collect::<Vec<_>>().join(" ");
    let cut = shown.char_indices().nth(MOST_SHOWN).map_or(shown.len(), |(at, _)| at);
    match shown.is_empty() {
        true => format!("the server answered {status}"),
        false => format!("the server answered {status}: {}", &shown[..cut]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bridge::message::Messages;

    fn answer(status: u16, body: &'static str, method: &str) -> String {
        let request = Messages::read(br#"{"id":"a","method":"x"}"#).unwrap();
        let failure = Failure::Refused { status: StatusCode::from_u16(status).unwrap(), body: body.into() };
        String::from_utf8(failure.answer(&request.requests()[0], method)).unwrap()
    }

    #[test]
    fn refusals_keep_the_words_of_whoever_refuses() {
        let refused = r#"{"jsonrpc":"2.0","id":null,"error":{"code":-31403,"message":"Access denied"}}"#;
        let expected = r#"{"jsonrpc":"2.0","id":"a","error":{"code":-31403,"message":"Access denied"}}"#;
        assert_eq!(answer(403, refused, "tools/list"), expected);
        let plain = answer(503, "come\nback  later", "tools/list");
        assert!(plain.contains("-31503") && plain.contains("503 Service Unavailable: come back later"), "{plain}");
        assert!(answer(500, "", "x").contains("the server answered 500 Internal Server Error\""));
    }

    #[test]
    fn an_older_server_does_not_know_how_to_discover() {
        assert!(answer(400, "Bad Request: no session", "server/discover").contains("-32601"));
        assert!(answer(404, "", "server/discover").contains("-32601"));
        assert!(answer(503, "", "server/discover").contains("-31503"));
        assert!(answer(400, "", "tools/list").contains("-31400"));
        let own = r#"{"error":{"code":-32022,"message":"version","data":{"supported":["2026-07-28"]}}}"#;
        assert!(answer(400, own, "server/discover").contains("supported"));
    }

    #[test]
    fn long_words_are_cut_between_characters() {
        let body: &'static str = "é".repeat(5000).leak();
        assert!(answer(500, body, "x").chars().count() < 700);
    }
}
