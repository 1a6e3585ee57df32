//! How many renewals rejections may cause: an upstream that refuses every token must not cause a storm.

use std::time::Duration;

use crate::model::time::Mono;

/// So many rejections in quick succession are followed at once.
const BURST: u32 = 5;
/// Afterwards one in this time.
const REFILL: Duration = Duration::from_secs(10);

/// A token bucket.
#[derive(Debug)]
pub(super) struct Allowance {
    left: u32,
    since: Mono,
}

impl Allowance {
    pub(super) fn new(now: Mono) -> Self {
        Self { left: BURST, since: now }
    }

    /// Takes one; if there is none, answers when there will be.
    pub(super) fn take(&mut self, now: Mono) -> Result<(), Mono> {
        let refills = u32::try_from(now.since(self.since).as_millis() / REFILL.as_millis()).unwrap_or(BURST);
        if refills > 0 {
            self.left = self.left.saturating_add(refills).min(BURST);
            self.since = now;
        }
        if self.left == 0 {
            return Err(self.since.plus(REFILL));
        }
        self.left -= 1;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_then_one_in_ten_seconds() {
        let at = |seconds| Mono::from_start(Duration::from_secs(seconds));
        let mut allowance = Allowance::new(at(0));
        assert_eq!((0..100).filter(|_| allowance.take(at(1)).is_ok()).count(), 5);
        assert_eq!(allowance.take(at(2)), Err(at(10)));
        assert_eq!((0..100).filter(|_| allowance.take(at(11)).is_ok()).count(), 1);
        assert_eq!((0..100).filter(|_| allowance.take(at(1_000_000)).is_ok()).count(), 5);
    }
}
