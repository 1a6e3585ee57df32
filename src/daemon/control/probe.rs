//! `GET /probe`: what can be seen of the daemon's surroundings from where it stands. One at a time looks.

use crate::daemon::control::Context;
use crate::daemon::probe::{self, Looking, Probe, Whose};

pub(super) async fn look(context: &Context) -> Probe {
    let _alone = context.looking.lock().await;
    let in_force = context.in_force.clone();
    // Files may be on a disk that takes its time.
    let stale = async { tokio::task::spawn_blocking(move || Some(in_force?.stale())).await.ok().flatten() };
    let looking = Looking {
        upstreams: &context.upstreams,
        net: &context.net,
        state_dir: &context.state_dir,
        max_connections: context.max_connections,
        clock: context.clock.clone(),
        whose: Whose::Daemon {
            credentials: &context.credentials,
            redirect_uri: context.redirect_uri.clone(),
            stale: stale.await,
        },
    };
    probe::look(looking).await
}
