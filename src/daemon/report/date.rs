//! Points in time as programs read them.

use serde::{Deserialize, Deserializer, Serialize, Serializer, de, ser};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::model::time::Wall;

/// A point in time: RFC 3339, in whole seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Date(Wall);

impl Date {
    /// That point; `None` if there is none, or no calendar has it.
    pub fn of(at: Option<Wall>) -> Option<Self> {
        let seconds = at?.unix_seconds();
        OffsetDateTime::from_unix_timestamp(seconds).ok().map(|_| Self(Wall::from_unix_seconds(seconds)))
    }

    /// On the wall clock.
    pub fn wall(self) -> Wall {
        self.0
    }
}

impl Serialize for Date {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let date = OffsetDateTime::from_unix_timestamp(self.0.unix_seconds()).map_err(ser::Error::custom)?;
        serializer.serialize_str(&date.format(&Rfc3339).map_err(ser::Error::custom)?)
    }
}

impl<'de> Deserialize<'de> for Date {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let date = OffsetDateTime::parse(&text, &Rfc3339).map_err(de::Error::custom)?;
        Ok(Self(Wall::from_unix_seconds(date.unix_timestamp())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_date_is_read_as_it_was_written() {
        let date = Date::of(Some(Wall::from_unix_millis(1_800_000_000_999))).unwrap();
        let text = serde_json::to_string(&date).unwrap();
        assert_eq!(text, r#""2027-01-15T08:00:00Z""#);
        assert_eq!(serde_json::from_str::<Date>(&text).unwrap(), date);
        assert_eq!((Date::of(None), Date::of(Some(Wall::from_unix_seconds(i64::MAX)))), (None, None));
        assert!(serde_json::from_str::<Date>(r#""soon""#).is_err());
    }
}
