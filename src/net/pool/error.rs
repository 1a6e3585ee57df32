//! Why a request has no answer, told so that it is known what may be sent again (RFC 9110 §9.2.2).

use std::error::Error as StdError;

use http::{Request, Uri};

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum StreamError {
    /// No connection was made: the request was surely not processed.
    #[error("cannot connect: {0}")]
    Connect(String),
    /// The upstream surely did not process the request: it refused the stream, or went away before (RFC 9113 §8.7).
    /// Whatever its method, it may be sent again.
    #[error("the request was not processed: {0}")]
    NotProcessed(String),
    /// The same, on a connection that had been used before and was about to be closed. It takes no further request, so
    /// that sending again comes to an end however often it meets such a one.
    #[error("the request was not processed: {0}")]
    WentAway(String),
    /// A connection that had been used before broke before the head of an answer came. The upstream may have closed
    /// it for being idle; whether it saw the request is not known. A safe request may be sent again.
    #[error("a kept connection broke before an answer came: {0}")]
    Stale(String),
    /// The connection broke before the head of an answer came.
    #[error("the connection broke before an answer came: {0}")]
    Broken(String),
    /// The request's own body failed: the client went away.
    #[error("the request was broken off: {0}")]
    RequestBody(String),
}

impl StreamError {
    /// The break of a connection.
    pub(super) fn broken(reused: bool, why: String) -> Self {
        if reused { Self::Stale(why) } else { Self::Broken(why) }
    }
}

/// Why a connection gave no answer.
pub(super) enum Failure<B> {
    /// Nothing was written, and the body was not touched: here is the request again.
    NotSent(Box<Request<B>>, String),
    /// The request is gone.
    Lost(StreamError),
}

impl<B> Failure<B> {
    /// The same, the request for `target` again.
    pub(super) fn of(mut self, target: Uri) -> Self {
        if let Self::NotSent(request, _) = &mut self {
            *request.uri_mut() = target;
        }
        self
    }
}

/// The cause that tells a person something.
pub(super) fn innermost(error: &(dyn StdError + 'static)) -> String {
    let mut cause = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    cause.to_string()
}
