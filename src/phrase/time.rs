//! How long something takes or took.

use std::time::Duration;

use crate::model::language::Language;

phrases! {
    MILLISECONDS: "{n} ms", "{n} 毫秒";
    SECONDS: "{n} s", "{n} 秒";
    MINUTES: "{n} min", "{n} 分钟";
    HOURS: "{n} h", "{n} 小时";
    DAYS: "{n} d", "{n} 天";
}

/// A length of time by its two largest parts, the smallest part being minutes once there are some: `3 d 4 h`, `59 s`.
pub fn length(language: Language, duration: Duration) -> String {
    let seconds = duration.as_secs();
    let (days, hours, minutes) = (seconds / 86_400, seconds / 3_600 % 24, seconds / 60 % 60);
    let part = |phrase: crate::phrase::Phrase, n: u128| phrase.fill(language, &[("n", &n)]);
    let parts = match (days, hours, minutes) {
        (0, 0, 0) if seconds == 0 && !duration.is_zero() => [(MILLISECONDS, duration.as_millis()), (SECONDS, 0)],
        (0, 0, 0) => return part(SECONDS, seconds.into()),
        (0, h, m) => [(HOURS, h.into()), (MINUTES, m.into())],
        (d, h, _) => [(DAYS, d.into()), (HOURS, h.into())],
    };
    let said: Vec<String> = parts.into_iter().filter(|(_, n)| *n > 0).map(|(phrase, n)| part(phrase, n)).collect();
    said.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn english_is_said_as_in_the_log_and_chinese_with_the_same_parts() {
        for (millis, chinese) in [
            (0, "0 秒"),
            (500, "500 毫秒"),
            (59_000, "59 秒"),
            (60_000, "1 分钟"),
            (7_200_000, "2 小时"),
            (10_680_000, "2 小时 58 分钟"),
            (86_400_000, "1 天"),
            (273_600_000, "3 天 4 小时"),
        ] {
            let duration = Duration::from_millis(millis);
            assert_eq!(length(Language::English, duration), crate::model::time::in_words(duration));
            assert_eq!(length(Language::Chinese, duration), chinese);
        }
    }
}
