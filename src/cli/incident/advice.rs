//! What is left for a person to do, at the vendor and on this machine: the five steps of the vendor's manual for a token
//! that got out, with what is done of them.

use crate::daemon::control::protocol::{Ended, Outcome};
use crate::model::language::Language;
use crate::model::time::Wall;
use crate::observe::stamp::in_utc;
use crate::phrase::advice;

/// The steps. `others` are the upstreams without a login: their tokens come from elsewhere.
pub(super) fn text(logins: &[Ended], others: &[&str], since: Wall, language: Language) -> String {
    let ended = logins.iter().all(|login| login.outcome != Outcome::Kept);
    let done = match ended {
        _ if logins.is_empty() => advice::NONE,
        true => advice::DONE,
        false => advice::NOT_DONE,
    };
    let done: &dyn std::fmt::Display = &done.text(language);
    let mut lines = vec![
        advice::HEAD.text(language).to_owned(),
        advice::STEP_1.text(language).to_owned(),
        advice::STEP_2.fill(language, &[("done", done)]),
        advice::STEP_3.fill(language, &[("done", done)]),
    ];
    for Ended { console, application, .. } in logins {
        let application = format!("{application:?}");
        lines.push(advice::SEE.fill(language, &[("console", console), ("application", &application)]));
    }
    if !logins.is_empty() {
        lines.push(advice::MAY_BE_GOOD.text(language).to_owned());
    }
    if !others.is_empty() {
        lines.push(advice::OTHERS.fill(language, &[("others", &others.join(", "))]));
    }
    lines.push(advice::STEP_4.fill(language, &[("since", &in_utc(since))]));
    lines.push(advice::API_CREDENTIALS.text(language).to_owned());
    lines.push(advice::STEP_5.text(language).to_owned());
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_not_done_is_said_loudly() {
        let ended = |outcome| Ended {
            upstream: "alibaba".to_owned(),
            outcome,
            file: "/x".into(),
            application: "app".to_owned(),
            console: "https://ram.example".to_owned(),
            problem: None,
            set_aside: Vec::new(),
        };
        let since = Wall::from_unix_seconds(1_800_000_000);
        let good = text(&[ended(Outcome::Removed)], &[], since, Language::English);
        assert!(good.contains("authorization: done") && good.contains("https://ram.example"), "{good}");
        assert!(good.contains("since 2027-01-15T08:00:00.000Z") && !good.contains("NOT done"), "{good}");
        assert_eq!(text(&[ended(Outcome::Kept)], &[], since, Language::English).matches("NOT done").count(), 2);
        let elsewhere = text(&[], &["github", "other"], since, Language::English);
        assert!(elsewhere.contains("NOT done for github, other"), "{elsewhere}");
        assert!(elsewhere.contains("login: there is none") && !elsewhere.contains(": done.\n  3"), "{elsewhere}");
    }

    #[test]
    fn what_was_not_done_is_said_in_chinese_too() {
        let text = text(&[], &["github"], Wall::from_unix_seconds(1_800_000_000), Language::Chinese);
        assert!(
            text.contains("github 的令牌") && text.contains("2027-01-15T08:00:00.000Z") && !text.contains('{'),
            "{text}"
        );
    }
}
