//! Whoever sends a request may be told of interim answers (1xx, RFC 9110 §15.2), whatever the protocol.

use std::sync::Arc;

use http::{Request, StatusCode};

/// An extension of a request: what to do when an interim answer to it comes.
#[derive(Clone)]
pub struct OnInterim(Arc<dyn Fn(StatusCode) + Send + Sync>);

impl OnInterim {
    /// `tell` is called with the status of each interim answer, and must not take long.
    pub fn new(tell: impl Fn(StatusCode) + Send + Sync + 'static) -> Self {
        Self(Arc::new(tell))
    }

    pub(super) fn tell(&self, status: StatusCode) {
        (self.0)(status);
    }

    /// Lets hyper tell.
    pub(super) fn by_hyper<B>(request: &mut Request<B>) {
        if let Some(asked) = request.extensions().get::<Self>().cloned() {
            hyper::ext::on_informational(request, move |answer| asked.tell(answer.status()));
        }
    }
}
