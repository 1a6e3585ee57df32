//! How much of a client is under way, and how fast it came: its limits on requests at once and per minute.
//!
//! Counts belong to a client's name, so a reload changes limits without forgetting what has been.

use std::collections::HashMap;
use std::num::NonZeroU32;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::model::client::ClientName;
use crate::model::time::Clock;
use crate::policy::client::Client;
use crate::policy::rate::Pace;

/// The counts of all clients that have limits.
#[derive(Debug, Default)]
pub(super) struct Quotas(Mutex<HashMap<ClientName, Arc<Mutex<Usage>>>>);

#[derive(Debug, Default)]
struct Usage {
    under_way: u32,
    pace: Pace,
}

/// A request that counts as under way until this is dropped.
#[derive(Debug)]
pub(super) struct Slot(Arc<Mutex<Usage>>);

/// A request that is one too many.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Busy {
    /// So many are under way.
    Concurrent(NonZeroU32),
    /// More than so many a minute; the next one may come after that time.
    Fast(NonZeroU32, Duration),
}

impl Quotas {
    /// Counts a request; `None` for a client without limits.
    ///
    /// # Errors
    /// When it is one too many. Then it was not counted.
    pub(super) fn enter(&self, client: &Client, clock: &Clock) -> Result<Option<Slot>, Busy> {
        let grant = &client.grant;
        if grant.concurrent_requests.is_none() && grant.requests_per_minute.is_none() {
            return Ok(None);
        }
        let usage = lock(&self.0).entry(client.name.clone()).or_default().clone();
        let mut counted = lock(&usage);
        if let Some(most) = grant.concurrent_requests.filter(|most| counted.under_way >= most.get()) {
            return Err(Busy::Concurrent(most));
        }
        if let Some(limit) = grant.requests_per_minute {
            counted.pace.admit(limit.get(), clock.mono()).map_err(|wait| Busy::Fast(limit, wait))?;
        }
        counted.under_way += 1;
        drop(counted);
        Ok(Some(Slot(usage)))
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        lock(&self.0).under_way -= 1;
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::time::{Mono, Now, Wall};
    use crate::policy::client::Criteria;
    use crate::policy::grant::Grant;

    fn at(seconds: u64) -> Clock {
        let mono = Mono::from_start(Duration::from_secs(seconds));
        Clock::from_fn(move || Now { wall: Wall::from_unix_seconds(0), mono })
    }

    fn client(name: &str, at_once: u32, per_minute: u32) -> Client {
        let (concurrent_requests, requests_per_minute) = (NonZeroU32::new(at_once), NonZeroU32::new(per_minute));
        let grant = Grant { concurrent_requests, requests_per_minute, ..Grant::default() };
        Client { name: ClientName::parse(name).unwrap(), criteria: Criteria::default(), grant }
    }

    #[test]
    fn requests_at_once_are_counted_until_they_end_and_by_client() {
        let (quotas, now) = (Quotas::default(), &at(0));
        let two = client("a", 2, 0);
        let slots = [quotas.enter(&two, now).unwrap(), quotas.enter(&two, now).unwrap()];
        assert_eq!(quotas.enter(&two, now).unwrap_err(), Busy::Concurrent(NonZeroU32::new(2).unwrap()));
        assert!(quotas.enter(&client("b", 2, 0), now).is_ok());
        let after_a_reload = quotas.enter(&client("a", 3, 0), now).unwrap();
        assert!(quotas.enter(&client("a", 3, 0), now).is_err());
        drop((slots, after_a_reload));
        assert!(quotas.enter(&client("a", 1, 0), now).unwrap().is_some());
        assert!(quotas.enter(&client("a", 0, 0), now).unwrap().is_none(), "without limits nothing is counted");
    }

    #[test]
    fn requests_that_come_too_fast_are_told_when_and_take_no_place() {
        let quotas = Quotas::default();
        let one = client("a", 1, 1);
        drop(quotas.enter(&one, &at(0)).unwrap());
        let busy = Busy::Fast(NonZeroU32::new(1).unwrap(), Duration::from_secs(50));
        assert_eq!(quotas.enter(&one, &at(10)).unwrap_err(), busy);
        assert!(quotas.enter(&one, &at(60)).is_ok());
    }
}
