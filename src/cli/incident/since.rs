//! The beginning of what is shown: a point in time, or how long ago.

use time::macros::format_description;
use time::{Date, PrimitiveDateTime, Time};
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

use crate::config::units::duration;
use crate::model::time::Wall;

/// Reads `2h`, `2026-07-01`, `2026-07-01 12:30`, `2026-07-01 12:30:00` (all in UTC) or RFC 3339.
///
/// # Errors
/// A sentence that says what may stand there.
pub(super) fn parse(text: &str, now: Wall) -> Result<Wall, String> {
    if let Ok(ago) = duration(text) {
        return Ok(now.minus(ago));
    }
    let minutes = format_description!("[year]-[month]-[day] [hour]:[minute]");
    let seconds = format_description!("[year]-[month]-[day] [hour]:[minute]:[second]");
    let day = || Some(Date::parse(text, format_description!("[year]-[month]-[day]")).ok()?.with_time(Time::MIDNIGHT));
    let at = |date: OffsetDateTime| Wall::from_unix_seconds(date.unix_timestamp());
    let in_utc = PrimitiveDateTime::parse(text, minutes)
        .or_else(|_| PrimitiveDateTime::parse(text, seconds))
        .ok()
        .or_else(day)
        .map(PrimitiveDateTime::assume_utc);
    in_utc.or_else(|| OffsetDateTime::parse(text, &Rfc3339).ok()).map(at).ok_or_else(|| {
        format!("{text:?} is no time; write how long ago (\"2h\"), or a date and time in UTC (\"2026-07-01 12:30\")")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_read_as_people_write_it() {
        let now = Wall::from_unix_seconds(1_800_000_000);
        for (text, seconds) in [
            ("0", 1_800_000_000),
            ("2h", 1_799_992_800),
            ("2027-01-15", 1_799_971_200),
            ("2027-01-15 08:00", 1_800_000_000),
            ("2027-01-15 08:00:01", 1_800_000_001),
            ("2027-01-15T10:00:00+02:00", 1_800_000_000),
        ] {
            assert_eq!(parse(text, now), Ok(Wall::from_unix_seconds(seconds)), "{text}");
        }
        for text in ["", "yesterday", "2027-13-01", "12:30"] {
            assert!(parse(text, now).unwrap_err().contains("how long ago"), "{text}");
        }
    }
}
