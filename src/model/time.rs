//! Time as an argument: the two clocks, and the only reading of the machine's clocks.
//!
//! *Wall* time says when a token expires. *Monotonic* time says when to try again: it does not jump
//! when somebody sets the clock, but it stands still while the machine sleeps. Code that needs the
//! time takes a [`Now`] or a [`Clock`], so tests decide what time it is.

use std::fmt;
use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant, SystemTime};

/// A point on the wall clock, in milliseconds since the Unix epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Wall(i64);

impl Wall {
    /// A point given in milliseconds since the Unix epoch.
    pub const fn from_unix_millis(millis: i64) -> Self {
        Self(millis)
    }

    /// A point given in seconds since the Unix epoch.
    pub const fn from_unix_seconds(seconds: i64) -> Self {
        Self(seconds.saturating_mul(1000))
    }

    /// Milliseconds since the Unix epoch.
    pub const fn unix_millis(self) -> i64 {
        self.0
    }

    /// Whole seconds since the Unix epoch, rounded down.
    pub const fn unix_seconds(self) -> i64 {
        self.0.div_euclid(1000)
    }

    /// How long it is from `earlier` to `self`; zero if `earlier` is not earlier.
    pub fn since(self, earlier: Wall) -> Duration {
        Duration::from_millis(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }

    /// The point `duration` later.
    pub fn plus(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)))
    }

    /// The point `duration` earlier.
    pub fn minus(self, duration: Duration) -> Self {
        Self(self.0.saturating_sub(i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)))
    }
}

/// A point on the monotonic clock: the time since the process took its first reading.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Mono(Duration);

impl Mono {
    /// A point given as the time since the start.
    pub const fn from_start(elapsed: Duration) -> Self {
        Self(elapsed)
    }

    /// The time since the start.
    pub const fn elapsed(self) -> Duration {
        self.0
    }

    /// How long it is from `earlier` to `self`; zero if `earlier` is not earlier.
    pub const fn since(self, earlier: Mono) -> Duration {
        self.0.saturating_sub(earlier.0)
    }

    /// The point `duration` later.
    pub const fn plus(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(duration))
    }
}

/// One reading of both clocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Now {
    /// The wall clock.
    pub wall: Wall,
    /// The monotonic clock.
    pub mono: Mono,
}

/// The first reading of the machine's monotonic clock.
static START: LazyLock<Instant> = LazyLock::new(monotonic);

/// Where the time comes from.
#[derive(Clone)]
pub struct Clock(Source);

#[derive(Clone)]
enum Source {
    System,
    Function(Arc<dyn Fn() -> Now + Send + Sync>),
}

impl Clock {
    /// The machine's clocks.
    pub fn system() -> Self {
        LazyLock::force(&START);
        Self(Source::System)
    }

    /// A clock that answers what `read` answers; for tests.
    pub fn from_fn(read: impl Fn() -> Now + Send + Sync + 'static) -> Self {
        Self(Source::Function(Arc::new(read)))
    }

    /// Both clocks, now.
    pub fn now(&self) -> Now {
        match &self.0 {
            Source::System => Now { wall: wall(), mono: self.mono() },
            Source::Function(read) => read(),
        }
    }

    /// The monotonic clock alone, now: a request reads it several times, and each reading of a clock counts.
    pub fn mono(&self) -> Mono {
        match &self.0 {
            Source::System => Mono(monotonic().saturating_duration_since(*START)),
            Source::Function(read) => read().mono,
        }
    }
}

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Clock")
    }
}

#[expect(clippy::disallowed_methods, reason = "the one door to the machine's wall clock")]
fn wall() -> Wall {
    let since_epoch = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    Wall(i64::try_from(since_epoch.as_millis()).unwrap_or(i64::MAX))
}

#[expect(clippy::disallowed_methods, reason = "the one door to the machine's monotonic clock")]
fn monotonic() -> Instant {
    Instant::now()
}

/// A length of time as people say it: `2 h 58 min`, `45 s`, `3 d 4 h`.
pub fn in_words(duration: Duration) -> String {
    let seconds = duration.as_secs();
    let (days, hours, minutes) = (seconds / 86_400, seconds / 3_600 % 24, seconds / 60 % 60);
    match (days, hours, minutes) {
        (0, 0, 0) if seconds == 0 && !duration.is_zero() => format!("{} ms", duration.as_millis()),
        (0, 0, 0) => format!("{seconds} s"),
        (0, 0, m) => format!("{m} min"),
        (0, h, 0) => format!("{h} h"),
        (0, h, m) => format!("{h} h {m} min"),
        (d, 0, _) => format!("{d} d"),
        (d, h, _) => format!("{d} d {h} h"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_in_words() {
        for (seconds, words) in [
            (0, "0 s"),
            (59, "59 s"),
            (60, "1 min"),
            (10_680, "2 h 58 min"),
            (7_200, "2 h"),
            (86_400, "1 d"),
            (273_600, "3 d 4 h"),
        ] {
            assert_eq!(in_words(Duration::from_secs(seconds)), words);
        }
        assert_eq!(in_words(Duration::from_millis(500)), "500 ms");
    }

    #[test]
    fn differences_never_go_below_zero_and_never_overflow() {
        let (a, b) = (Wall::from_unix_seconds(10), Wall::from_unix_seconds(20));
        assert_eq!(b.since(a), Duration::from_secs(10));
        assert_eq!(a.since(b), Duration::ZERO);
        assert_eq!(Wall::from_unix_millis(i64::MAX).plus(Duration::MAX).unix_millis(), i64::MAX);
        assert_eq!(Wall::from_unix_millis(i64::MIN).minus(Duration::MAX).unix_millis(), i64::MIN);
    }
}
