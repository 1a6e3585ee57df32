//! The stand-in's own time: the wall clock plus an offset that a test may set.
//!
//! Every lifetime and every signature date is judged by this clock, so an hour can pass in
//! no time, and the cloud can be ahead of or behind the machine.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use time::OffsetDateTime;
use time::format_description::well_known::Rfc2822;
use time::macros::format_description;

/// A clock that can be shifted.
#[derive(Debug, Default)]
pub(crate) struct Clock {
    offset: AtomicI64,
}

impl Clock {
    /// Seconds since 1970, shifted.
    #[expect(clippy::disallowed_methods, reason = "the stand-in's one door to the wall clock")]
    pub(crate) fn now(&self) -> i64 {
        let real = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .map_or(0, |since| i64::try_from(since.as_secs()).unwrap_or(i64::MAX));
        real.saturating_add(self.offset.load(Ordering::SeqCst))
    }

    pub(crate) fn offset(&self) -> i64 {
        self.offset.load(Ordering::SeqCst)
    }

    pub(crate) fn set_offset(&self, seconds: i64) {
        self.offset.store(seconds, Ordering::SeqCst);
    }

    pub(crate) fn advance(&self, seconds: i64) {
        self.offset.fetch_add(seconds, Ordering::SeqCst);
    }
}

/// `2026-09-30T12:00:00Z`, the only form the cloud writes and reads.
pub(crate) fn iso8601(seconds: i64) -> String {
    let form = format_description!("[year]-[month]-[day]T[hour]:[minute]:[second]Z");
    OffsetDateTime::from_unix_timestamp(seconds)
        .ok()
        .and_then(|at| at.format(form).ok())
        .unwrap_or_else(|| "1970-01-01T00:00:00Z".to_owned())
}

/// The reverse of [`iso8601`].
pub(crate) fn parse_iso8601(text: &str) -> Option<i64> {
    let form = format_description!("[year]-[month]-[day]T[hour]:[minute]:[second]Z");
    let at = time::PrimitiveDateTime::parse(text, form).ok()?;
    Some(at.assume_utc().unix_timestamp())
}

/// `Wed, 30 Sep 2026 12:00:00 GMT`, the form of the HTTP `Date` header.
pub(crate) fn http_date(seconds: i64) -> String {
    let form =
        format_description!("[weekday repr:short], [day] [month repr:short] [year] [hour]:[minute]:[second] GMT");
    OffsetDateTime::from_unix_timestamp(seconds)
        .ok()
        .and_then(|at| at.format(form).ok())
        .unwrap_or_else(|| "Thu, 01 Jan 1970 00:00:00 GMT".to_owned())
}

/// The reverse of [`http_date`].
pub(crate) fn parse_http_date(text: &str) -> Option<i64> {
    Some(OffsetDateTime::parse(text, &Rfc2822).ok()?.unix_timestamp())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_survive_the_round_trip() {
        assert_eq!(iso8601(1_790_769_600), "2026-09-30T12:00:00Z");
        assert_eq!(parse_iso8601("2026-09-30T12:00:00Z"), Some(1_790_769_600));
        assert_eq!(http_date(1_790_769_600), "Wed, 30 Sep 2026 12:00:00 GMT");
        assert_eq!(parse_http_date("Wed, 30 Sep 2026 12:00:00 GMT"), Some(1_790_769_600));
    }

    #[test]
    fn other_spellings_are_refused() {
        for text in ["2026-09-30 12:00:00", "2026-09-30T12:00:00+00:00", "", "2026-13-30T12:00:00Z"] {
            assert_eq!(parse_iso8601(text), None, "{text}");
        }
    }
}
