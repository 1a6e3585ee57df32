//! How many requests a client may send in a time: the generic cell rate algorithm (ITU-T I.371, annex A), which is a
//! token bucket in one number. A whole minute's requests may come at once; from then on they come evenly.

use std::time::Duration;

use crate::model::time::Mono;

const MINUTE: Duration = Duration::from_secs(60);

/// When the next request would be on time, if all came evenly. The limit is given with each request, so a reload
/// changes it without forgetting what has been.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Pace {
    due: Option<Mono>,
}

impl Pace {
    /// Counts a request, if it may come now; `per_minute` is 1 or more.
    ///
    /// # Errors
    /// How long it has to wait. Then it was not counted.
    pub fn admit(&mut self, per_minute: u32, now: Mono) -> Result<(), Duration> {
        let interval = MINUTE / per_minute.max(1);
        let due = self.due.map_or(now, |due| due.max(now));
        let early = due.since(now);
        let tolerated = interval * (per_minute.max(1) - 1);
        if early > tolerated {
            return Err(early - tolerated);
        }
        self.due = Some(due.plus(interval));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(millis: u64) -> Mono {
        Mono::from_start(Duration::from_millis(millis))
    }

    #[test]
    fn a_minutes_requests_may_come_at_once_and_then_evenly() {
        let mut pace = Pace::default();
        for _ in 0..6 {
            assert_eq!(pace.admit(6, at(1000)), Ok(()));
        }
        assert_eq!(pace.admit(6, at(1000)), Err(Duration::from_secs(10)));
        assert_eq!(pace.admit(6, at(10_999)), Err(Duration::from_millis(1)));
        assert_eq!(pace.admit(6, at(11_000)), Ok(()));
        assert_eq!(pace.admit(6, at(11_000)), Err(Duration::from_secs(10)));
    }

    #[test]
    fn another_limit_holds_at_once() {
        let mut pace = Pace::default();
        assert_eq!(pace.admit(1, at(0)), Ok(()));
        assert_eq!(pace.admit(1, at(0)), Err(Duration::from_secs(60)));
        assert_eq!(pace.admit(600, at(600)), Ok(()), "a higher limit does not wait for the lower one's minute");
        assert!(pace.admit(1, at(700)).is_err());
    }

    proptest! {
        /// Against a bucket of tokens that is filled continuously, in whole units: a minute has 60,000 of them for each
        /// request.
        #[test]
        fn it_is_a_token_bucket(limit in 1_u32..20, steps in prop::collection::vec(0_u64..20_000, 1..200)) {
            let full = u64::from(limit) * 60_000;
            let (mut pace, mut tokens, mut now) = (Pace::default(), full, 0);
            // An interval that is no whole number of nanoseconds is rounded; what is nearer than that is not compared.
            for step in steps {
                now += step;
                tokens = full.min(tokens + step * u64::from(limit));
                let admitted = pace.admit(limit, at(now)).is_ok();
                if tokens.abs_diff(60_000) > 1 {
                    prop_assert_eq!(admitted, tokens >= 60_000, "{} at {}", tokens, now);
                }
                if admitted {
                    tokens = tokens.saturating_sub(60_000);
                }
            }
        }
    }
}
