//! The watchdog of the service manager (`WatchdogSec=`): it is told that all is well only while all is well.
//!
//! Three times in each interval every part is asked for a sign of life: the loop that accepts connections, each keeper,
//! and the runtime, which has to run a new task. The word goes out when all have answered the question before, and its
//! way out leads through the threads that disk and sockets are waited on with. Who does not answer is named in the log,
//! and if it lasts, the service manager ends the daemon and starts it anew.

use std::time::Duration;

use tokio::task::JoinSet;

use crate::daemon::Environment;
use crate::daemon::notify::{Word, tell};
use crate::observe::pulse::Pulse;

/// The parts of a debug build can be made to stand still, to see what comes of it: this variable names the part. A
/// release does not know it.
const FAULT: &str = "TEST_STANDS_STILL";

/// What all parts answer to.
pub(super) fn pulse(environment: &Environment) -> Pulse {
    let fault = environment.get(FAULT).filter(|_| cfg!(debug_assertions));
    Pulse::with_fault(fault.cloned())
}

/// The interval in which the service manager wants a word; `None` if it wants none.
pub(super) fn interval() -> Option<Duration> {
    sd_notify::watchdog_enabled().filter(|interval| !interval.is_zero())
}

/// Watches for as long as it is polled.
pub(super) async fn watch(pulse: Pulse, interval: Duration) {
    let mut known = Vec::new();
    loop {
        let mut runtime = JoinSet::new();
        pulse.ask();
        runtime.spawn(async {});
        tokio::time::sleep(interval / 3).await;
        let mut silent = pulse.silent();
        if runtime.try_join_next().is_none() {
            silent.push("runtime".to_owned());
        }
        if silent.is_empty() {
            tell(vec![Word::Alive]).await;
        } else if silent != known {
            tracing::error!("no sign of life: {}; if it lasts, the watchdog ends the daemon", silent.join(", "));
        }
        known = silent;
    }
}
