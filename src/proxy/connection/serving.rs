//! What runs on a connection, within its patience, until it ends.

use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::task::{Context, Poll};

use hyper_util::server::graceful::GracefulConnection;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::proxy::connection::exchange::{Handover, Rest};
use crate::proxy::connection::standing::{Patience, Phase, Standing};
use crate::proxy::connection::stream::{End, EventStream};

/// What runs on a connection, until it ends with an `End`.
pub(super) trait Serving {
    type End;

    fn poll(&mut self, context: &mut Context<'_>) -> Poll<Self::End>;

    /// It ends after what is under way.
    fn wind_up(&mut self);
}

/// How serving ended.
pub(super) enum Ending<End> {
    Over(End),
    Late(Phase),
}

/// What hyper serves to its end.
pub(super) struct Whole<'a, C>(pub(super) &'a mut C);

impl<C: GracefulConnection<Error = hyper::Error> + Unpin> Serving for Whole<'_, C> {
    type End = hyper::Result<()>;

    fn poll(&mut self, context: &mut Context<'_>) -> Poll<Self::End> {
        Pin::new(&mut *self.0).poll(context)
    }

    fn wind_up(&mut self) {
        Pin::new(&mut *self.0).graceful_shutdown();
    }
}

/// HTTP/1.1 as hyper speaks it, until the connection ends or the rest of an answer is handed over.
pub(super) struct UntilHandover<'a, C> {
    pub(super) serving: C,
    pub(super) handover: &'a Handover,
    pub(super) standing: &'a Standing,
}

impl<C: GracefulConnection<Error = hyper::Error> + Unpin> Serving for UntilHandover<'_, C> {
    type End = hyper::Result<Option<Rest>>;

    fn poll(&mut self, context: &mut Context<'_>) -> Poll<Self::End> {
        if let Poll::Ready(over) = Pin::new(&mut self.serving).poll(context) {
            return Poll::Ready(over.map(|()| None));
        }
        // hyper rests when it has written all it had, or when the socket is full; in that case it is asked again.
        if self.standing.is_write_blocked() {
            return Poll::Pending;
        }
        self.handover.take().map_or(Poll::Pending, |rest| Poll::Ready(Ok(Some(rest))))
    }

    fn wind_up(&mut self) {
        Pin::new(&mut self.serving).graceful_shutdown();
    }
}

impl Serving for EventStream {
    type End = End;

    fn poll(&mut self, context: &mut Context<'_>) -> Poll<End> {
        self.poll(context)
    }

    fn wind_up(&mut self) {
        self.close_afterwards();
    }
}

/// Serves until the end of the connection, or of its patience. Once `drain` is cancelled, it ends after what is under
/// way.
pub(super) async fn guarded<S: Serving>(
    serving: &mut S,
    standing: &Standing,
    patience: Patience,
    drain: &CancellationToken,
) -> Ending<S::End> {
    let mut drain = pin!(drain.cancelled());
    let (mut draining, mut wound_up) = (false, false);
    let mut timer = pin!(tokio::time::sleep_until(Instant::now()));
    let mut set_to = None;
    poll_fn(|context| {
        // First: a request that has come already is taken before a stop or a limit counts.
        if let Poll::Ready(over) = serving.poll(context) {
            return Poll::Ready(Ending::Over(over));
        }
        draining = draining || drain.as_mut().poll(context).is_ready();
        if draining && !wound_up {
            standing.is_closing();
            if let Poll::Ready(over) = serving.poll(context) {
                return Poll::Ready(Ending::Over(over));
            }
            // A request may have come of which nobody was told yet: to close now would lose it.
            if !standing.has_input() {
                wound_up = true;
                serving.wind_up();
                if let Poll::Ready(over) = serving.poll(context) {
                    return Poll::Ready(Ending::Over(over));
                }
            }
        }
        while let Some((deadline, phase)) = standing.deadline(patience) {
            if set_to.is_none_or(|at| at > deadline) {
                timer.as_mut().reset(deadline);
                set_to = Some(deadline);
            }
            if timer.as_mut().poll(context).is_pending() {
                break;
            }
            set_to = None;
            if Instant::now() >= deadline {
                return Poll::Ready(Ending::Late(phase));
            }
        }
        Poll::Pending
    })
    .await
}
