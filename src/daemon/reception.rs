//! How connections are received on the sockets beside the port: so many at once, each in a task that ends with the
//! daemon.

use std::future::poll_fn;
use std::io;
use std::task::Poll;
use std::time::Duration;

use std::sync::Arc;

use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::model::peer::Peer;
use crate::net::listener::{Address, Listener, Stream};

/// How long answers under way may take once the daemon stops.
const LAST_ANSWERS: Duration = Duration::from_secs(1);
/// How long to wait when the system cannot give us a connection, so that a lack of descriptors is no busy loop.
const BREATHER: Duration = Duration::from_millis(100);

/// A connection that was accepted.
pub(super) struct Visit {
    pub(super) stream: Stream,
    pub(super) peer: Peer,
    /// Where it came in, if that is known.
    pub(super) at: Option<Address>,
}

/// Serves each connection with `serve` until `stop`; then `closed` is called, and answers under way may end. More than
/// `most` at once wait in the kernel's queue.
pub(super) async fn receive<F>(
    listeners: Vec<Listener>,
    most: usize,
    stop: CancellationToken,
    closed: impl FnOnce(),
    serve: impl Fn(Visit) -> F,
) where
    F: Future<Output = ()> + Send + 'static,
{
    let permits = Arc::new(Semaphore::new(most));
    let mut connections = JoinSet::new();
    loop {
        let permit = tokio::select! {
            () = stop.cancelled() => break,
            Ok(permit) = permits.clone().acquire_owned() => permit,
        };
        let accepted = tokio::select! {
            () = stop.cancelled() => break,
            Some(_) = connections.join_next() => continue,
            accepted = next(&listeners) => accepted,
        };
        match accepted {
            Ok(visit) => {
                let serving = serve(visit);
                connections.spawn(async move {
                    serving.await;
                    drop(permit);
                });
            }
            Err(error) => {
                tracing::warn!("cannot accept a connection beside the port for clients: {error}");
                tokio::time::sleep(BREATHER).await;
            }
        }
    }
    drop(listeners);
    closed();
    let all = async { while connections.join_next().await.is_some() {} };
    if tokio::time::timeout(LAST_ANSWERS, all).await.is_err() {
        connections.shutdown().await;
    }
}

/// The next connection on any of them. Without listeners there is none, ever.
async fn next(listeners: &[Listener]) -> io::Result<Visit> {
    poll_fn(|context| {
        for listener in listeners {
            if let Poll::Ready(accepted) = listener.poll_accept(context) {
                let at = listener.address().ok();
                return Poll::Ready(accepted.map(|(arrival, peer)| Visit { stream: arrival.as_it_comes(), peer, at }));
            }
        }
        Poll::Pending
    })
    .await
}
