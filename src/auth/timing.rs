//! When a token is renewed and how long to wait after a failure.

use std::time::Duration;

/// The longest time before the end of a token's life at which it is renewed.
const LONGEST_LEAD: Duration = Duration::from_secs(6 * 3600);
/// The first wait after a failed renewal.
const FIRST_WAIT: Duration = Duration::from_secs(1);
/// The longest wait between two tries: after an outage ends, the token is good again within this time.
pub const LONGEST_WAIT: Duration = Duration::from_secs(60);
/// A token of unknown life is taken to live this long; most servers give an hour or more.
const UNKNOWN_LIFE: Duration = Duration::from_secs(3600);

/// A source of spread, so that many machines do not renew in step. A fixed seed gives a fixed sequence.
#[derive(Debug, Clone)]
pub struct Jitter(u64);

impl Jitter {
    /// Starts a sequence.
    pub fn new(seed: u64) -> Self {
        Self(seed | 1)
    }

    /// The next value, at least 0 and below 1 (xorshift64*).
    pub fn next_fraction(&mut self) -> f64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        let bits = self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 40;
        // 24 bits fit exactly into the mantissa.
        f64::from(u32::try_from(bits).unwrap_or(0)) / f64::from(1_u32 << 24)
    }
}

/// How long after it was obtained a token that lives `life` is renewed: after four fifths of its life, moved
/// earlier by up to 5 % of it, and never more than `LONGEST_LEAD` before the end.
pub fn renew_after(life: Option<Duration>, jitter: &mut Jitter) -> Duration {
    let life = life.unwrap_or(UNKNOWN_LIFE);
    let lead = (life / 5).min(LONGEST_LEAD);
    let spread = (life / 20).min(LONGEST_LEAD / 4).mul_f64(jitter.next_fraction());
    life.saturating_sub(lead).saturating_sub(spread)
}

/// How long to wait after the `failures`-th failure in a row (counted from 1): doubling up to
/// [`LONGEST_WAIT`], each taken between one half and all of it.
pub fn wait_after(failures: u32, jitter: &mut Jitter) -> Duration {
    let doublings = failures.saturating_sub(1).min(16);
    let whole = FIRST_WAIT.saturating_mul(1 << doublings).min(LONGEST_WAIT);
    whole.mul_f64(0.5 + jitter.next_fraction() / 2.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a6_short_and_long_lives_are_renewed_once_near_their_end() {
        let mut jitter = Jitter::new(7);
        for seconds in [1, 60, 300, 3_600, 10_800, 259_199, 31_536_000] {
            let life = Duration::from_secs(seconds);
            for _ in 0..1000 {
                let after = renew_after(Some(life), &mut jitter);
                assert!(after >= life.mul_f64(0.74), "{seconds} s: renewed after {after:?}");
                assert!(after < life, "{seconds} s: renewed after {after:?}");
                assert!(life - after <= LONGEST_LEAD.mul_f64(1.26), "{seconds} s: renewed after {after:?}");
            }
        }
    }

    #[test]
    fn waits_grow_to_the_cap_and_stay_there() {
        let mut jitter = Jitter::new(1);
        for (failures, whole) in [(1, 1.0), (2, 2.0), (3, 4.0), (6, 32.0), (7, 60.0), (1000, 60.0), (u32::MAX, 60.0)] {
            for _ in 0..100 {
                let wait = wait_after(failures, &mut jitter).as_secs_f64();
                assert!((whole / 2.0..=whole).contains(&wait), "after {failures}: {wait}");
            }
        }
    }

    #[test]
    fn the_spread_covers_its_range() {
        let mut jitter = Jitter::new(42);
        let values: Vec<f64> = (0..1000).map(|_| jitter.next_fraction()).collect();
        assert!(values.iter().all(|v| (0.0..1.0).contains(v)));
        assert!(values.iter().any(|v| *v < 0.05) && values.iter().any(|v| *v > 0.95));
    }
}
