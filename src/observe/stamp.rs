//! Points in time as lines have them: RFC 3339 with three digits of a second, in UTC. As texts, they sort as they follow
//! each other.

use time::OffsetDateTime;
use time::format_description::BorrowedFormatItem;
use time::macros::format_description;

use crate::model::time::Wall;

const SECOND: &[BorrowedFormatItem<'_>] = format_description!("[year]-[month]-[day]T[hour]:[minute]:[second]");

/// Writes one point after another; most are in the same second as the one before.
#[derive(Debug, Default)]
pub(super) struct Stamp {
    second: Option<i64>,
    text: String,
}

impl Stamp {
    /// Appends `at` to `line`.
    pub(super) fn put(&mut self, at: Wall, line: &mut Vec<u8>) {
        let second = at.unix_seconds();
        if self.second.replace(second) != Some(second) {
            let date = OffsetDateTime::from_unix_timestamp(second).unwrap_or(OffsetDateTime::UNIX_EPOCH);
            self.text = date.format(SECOND).unwrap_or_default();
        }
        let digit = |unit: i64| b'0' + u8::try_from(at.unix_millis().rem_euclid(1000) / unit % 10).unwrap_or_default();
        line.extend_from_slice(self.text.as_bytes());
        line.extend_from_slice(&[b'.', digit(100), digit(10), digit(1), b'Z']);
    }
}

/// A point in time as lines have it.
pub fn in_utc(at: Wall) -> String {
    let mut text = Vec::new();
    Stamp::default().put(at, &mut text);
    String::from_utf8(text).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn points_are_written_alike_whatever_was_written_before() {
        let mut stamp = Stamp::default();
        for (millis, text) in [
            (1_782_432_000_007, "2026-06-26T00:00:00.007Z"),
            (1_782_432_000_999, "2026-06-26T00:00:00.999Z"),
            (1_782_431_999_120, "2026-06-25T23:59:59.120Z"),
            (0, "1970-01-01T00:00:00.000Z"),
            (-1, "1969-12-31T23:59:59.999Z"),
        ] {
            let mut line = b"at ".to_vec();
            stamp.put(Wall::from_unix_millis(millis), &mut line);
            assert_eq!(String::from_utf8(line).unwrap(), format!("at {text}"));
            assert_eq!(in_utc(Wall::from_unix_millis(millis)), text);
        }
    }
}
