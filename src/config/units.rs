//! Durations and sizes as people write them.

use std::time::Duration;

use crate::config::problem::Fault;

const DURATION_UNITS: &[(&str, u64)] = &[("ms", 1), ("s", 1_000), ("min", 60_000), ("h", 3_600_000), ("d", 86_400_000)];
const SIZE_UNITS: &[(&str, u64)] = &[("B", 1), ("KiB", 1 << 10), ("MiB", 1 << 20), ("GiB", 1 << 30)];

/// Reads a duration: `500ms`, `10s`, `2min`, `1h 30min`, `1d`; also `0`.
pub(crate) fn duration(text: &str) -> Result<Duration, Fault> {
    if text == "0" {
        return Ok(Duration::ZERO);
    }
    let fault =
        || Fault::new(format!("{text:?} is not a duration")).hint("write a number and ms, s, min, h or d: \"10s\"");
    let mut rest = text.trim();
    if rest.is_empty() {
        return Err(fault());
    }
    let mut millis: u64 = 0;
    while !rest.is_empty() {
        let (part, tail) = quantity(rest, DURATION_UNITS).ok_or_else(fault)?;
        millis = millis.checked_add(part).ok_or_else(fault)?;
        rest = tail;
    }
    Ok(Duration::from_millis(millis))
}

/// Reads a size in bytes: `512B`, `64KiB`, `1MiB`, `2GiB`; a number alone is bytes.
pub(crate) fn size(text: &str) -> Result<usize, Fault> {
    let fault =
        || Fault::new(format!("{text:?} is not a size")).hint("write a number and B, KiB, MiB or GiB: \"1MiB\"");
    let bytes = match text.parse::<u64>() {
        Ok(bytes) => Some(bytes),
        Err(_) => quantity(text, SIZE_UNITS).filter(|(_, rest)| rest.is_empty()).map(|(bytes, _)| bytes),
    };
    bytes.and_then(|bytes| usize::try_from(bytes).ok()).ok_or_else(fault)
}

/// One number with its unit, in the smallest unit, and what follows it.
fn quantity<'a>(text: &'a str, units: &[(&str, u64)]) -> Option<(u64, &'a str)> {
    let (number, rest) = text.split_at(text.find(|c: char| !c.is_ascii_digit())?);
    let rest = rest.trim_start();
    let (unit, rest) = rest.split_at(rest.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(rest.len()));
    let (_, factor) = units.iter().find(|(name, _)| *name == unit)?;
    Some((number.parse::<u64>().ok()?.checked_mul(*factor)?, rest.trim_start()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations() {
        for (text, millis) in [
            ("0", 0),
            ("500ms", 500),
            ("10s", 10_000),
            ("2 min", 120_000),
            ("1h 30min", 5_400_000),
            ("1d", 86_400_000),
            ("1min30s", 90_000),
        ] {
            assert_eq!(duration(text), Ok(Duration::from_millis(millis)), "{text}");
        }
        for text in
            ["", " ", "10", "s", "10m", "-1s", "1.5s", "10s x", "99999999999999999999s", "18446744073709551615d"]
        {
            assert!(duration(text).is_err(), "{text}");
        }
    }

    #[test]
    fn sizes() {
        for (text, bytes) in
            [("0", 0), ("4096", 4096), ("512B", 512), ("64KiB", 65_536), ("1 MiB", 1 << 20), ("2GiB", 2 << 30)]
        {
            assert_eq!(size(text), Ok(bytes), "{text}");
        }
        for text in ["", "1MB", "1mib", "-1", "1.5MiB", "1MiB 1KiB", "99999999999GiB"] {
            assert!(size(text).is_err(), "{text}");
        }
    }
}
