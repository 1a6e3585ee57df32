//! The end of a login, announced ahead: 30, 14, 7 days and 1 day before the refresh token ends, once each.

use std::time::Duration;

use crate::model::time::{Wall, in_words};

/// So many days before the end a person is told; the longest first.
const DAYS: [u64; 4] = [30, 14, 7, 1];

/// Knows what was said already.
#[derive(Debug, Default)]
pub(super) struct Reminder {
    /// The end that was announced, and the shortest of the [`DAYS`] that has begun.
    announced: Option<(Wall, u64)>,
}

/// What is to be said.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Reminded {
    /// The end comes closer.
    Ending(String),
    /// A new login has come, or there is none any more.
    Over,
}

impl Reminder {
    /// Judges the end of the refresh token, as far as it is known; answers what is to be said now.
    pub(super) fn look(&mut self, ends: Option<Wall>, now: Wall) -> Option<Reminded> {
        let Some((ends, days)) = ends.and_then(|ends| Some((ends, threshold(ends.since(now))?))) else {
            return self.announced.take().map(|_| Reminded::Over);
        };
        if self.announced.is_some_and(|(known, said)| known == ends && said <= days) {
            return None;
        }
        self.announced = Some((ends, days));
        let left = ends.since(now);
        Some(Reminded::Ending(match left.is_zero() {
            true => "the login has ended, and its access token cannot be renewed any more".to_owned(),
            false => format!("the login ends in {}, and no renewal moves that", in_words(left)),
        }))
    }
}

/// The shortest of the [`DAYS`] that has begun with so much time left.
fn threshold(left: Duration) -> Option<u64> {
    DAYS.into_iter().rev().find(|days| left <= Duration::from_secs(days * 86_400))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_threshold_begins_on_its_day() {
        for (hours, days) in [
            (0, Some(1)),
            (24, Some(1)),
            (25, Some(7)),
            (7 * 24, Some(7)),
            (7 * 24 + 1, Some(14)),
            (14 * 24, Some(14)),
            (14 * 24 + 1, Some(30)),
            (30 * 24, Some(30)),
            (30 * 24 + 1, None),
            (365 * 24, None),
        ] {
            assert_eq!(threshold(Duration::from_secs(hours * 3600)), days, "{hours} h");
        }
    }

    #[test]
    fn each_is_said_once_and_a_new_login_ends_it() {
        let day = |day: i64| Wall::from_unix_seconds(1_800_000_000 + day * 86_400);
        let (mut reminder, ends) = (Reminder::default(), Some(day(365)));
        let mut said = Vec::new();
        for hour in 0..366 * 24 {
            let now = Wall::from_unix_seconds(day(0).unix_seconds() + hour * 3600);
            if let Some(reminded) = reminder.look(ends, now) {
                said.push((365 - hour / 24, reminded));
            }
        }
        let days: Vec<_> = said.iter().map(|(left, _)| *left).collect();
        assert_eq!(days, [30, 14, 7, 1]);
        assert_eq!(said[1].1, Reminded::Ending("the login ends in 14 d, and no renewal moves that".to_owned()));
        assert_eq!(reminder.look(Some(day(730)), day(366)), Some(Reminded::Over));
        assert_eq!(reminder.look(Some(day(730)), day(366)), None);
        assert_eq!(reminder.look(None, day(366)), None);
    }

    #[test]
    fn a_clock_that_goes_back_says_nothing_twice_and_a_late_start_only_the_last() {
        let at = |days: u64| Wall::from_unix_seconds(0).plus(Duration::from_secs(days * 86_400));
        let mut reminder = Reminder::default();
        assert!(matches!(reminder.look(Some(at(100)), at(95)), Some(Reminded::Ending(_))));
        assert_eq!(reminder.look(Some(at(100)), at(80)), None);
        assert_eq!(reminder.look(Some(at(100)), at(96)), None);
        assert!(
            matches!(reminder.look(Some(at(100)), at(101)), Some(Reminded::Ending(text)) if text.contains("has ended"))
        );
    }
}
