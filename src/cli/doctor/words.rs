//! The findings as people read them. On a terminal there are marks and colours beside the words, never instead of them.

use std::fmt::Write;

use crate::cli::doctor::checks::Family;
use crate::cli::doctor::finding::{Finding, Remedy, Verdict};
use crate::model::language::Language;
use crate::phrase::{Phrase, doctor};

/// How the text looks.
#[derive(Debug, Clone, Copy)]
pub(super) struct Look {
    pub(super) language: Language,
    /// Marks before the words.
    pub(super) marks: bool,
    /// Colours (`NO_COLOR` of <https://no-color.org> takes them away).
    pub(super) colours: bool,
}

fn word(verdict: Verdict) -> Phrase {
    match verdict {
        Verdict::Ok => doctor::OK,
        Verdict::Note => doctor::NOTE,
        Verdict::Fault => doctor::FAULT,
        Verdict::NotLooked => doctor::NOT_LOOKED,
    }
}

fn mark(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Ok => "✓ ",
        Verdict::Note => "! ",
        Verdict::Fault => "✗ ",
        Verdict::NotLooked => "– ",
    }
}

/// ANSI colours (ECMA-48 §8.3.117, SGR).
fn colour(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Ok => "\x1b[32m",
        Verdict::Note => "\x1b[33m",
        Verdict::Fault => "\x1b[1;31m",
        Verdict::NotLooked => "\x1b[2m",
    }
}

const END: &str = "\x1b[0m";
const BOLD: &str = "\x1b[1m";

/// One family of checks, with a line break at its end.
pub(super) fn family(family: Family, findings: &[Finding], look: Look) -> String {
    let mut text = String::new();
    let title = family.title().text(look.language);
    let _ = match look.colours {
        true => writeln!(text, "{BOLD}{title}{END}"),
        false => writeln!(text, "{title}"),
    };
    for finding in findings {
        one(&mut text, finding, look);
    }
    text
}

fn one(text: &mut String, finding: &Finding, look: Look) {
    let Finding { check, subject, verdict, said, remedies } = finding;
    let name = match subject {
        Some(subject) => format!("{} ({subject})", check.id),
        None => check.id.to_owned(),
    };
    let word = word(*verdict).text(look.language);
    // A Chinese character takes the place of two letters.
    let width: usize = word.chars().map(|c| if c.is_ascii() { 1 } else { 2 }).sum();
    let padding = " ".repeat(6_usize.saturating_sub(width));
    let mark = if look.marks { mark(*verdict) } else { "" };
    let (begin, end) = if look.colours { (colour(*verdict), END) } else { ("", "") };
    let said = said.text(look.language).replace('\n', " ");
    let _ = writeln!(text, "  {begin}{mark}{word}{end}{padding} {name}: {said}");
    for (at, remedy) in remedies.iter().enumerate() {
        self::remedy(text, remedy, at, look.language);
    }
}

fn remedy(text: &mut String, remedy: &Remedy, at: usize, language: Language) {
    const INDENT: &str = "           ";
    let lead = if at == 0 { "" } else { doctor::OR.text(language) };
    let lead = if lead.is_empty() { String::new() } else { format!("{lead} ") };
    match remedy {
        Remedy::Command(command) => {
            let _ = writeln!(text, "{INDENT}{lead}{} {command}", doctor::DO.text(language));
        }
        Remedy::Write { file, text: lines, then } => {
            let write = doctor::WRITE.fill(language, &[("file", &file.display())]);
            let _ = writeln!(text, "{INDENT}{lead}{write}");
            for line in lines.lines() {
                let _ = writeln!(text, "{INDENT}    {line}");
            }
            if let Some(then) = then {
                let _ = writeln!(text, "{INDENT}{} {then}", doctor::THEN.text(language));
            }
        }
    }
}

/// The last lines.
pub(super) fn summary(findings: &[Finding], language: Language) -> String {
    let count = |verdict: Verdict| findings.iter().filter(|finding| finding.verdict == verdict).count();
    let mut ids: Vec<&str> = findings.iter().map(|finding| finding.check.id).collect();
    ids.dedup();
    let (faults, notes, unseen) = (count(Verdict::Fault), count(Verdict::Note), count(Verdict::NotLooked));
    let counted = doctor::SUMMARY
        .fill(language, &[("checks", &ids.len()), ("faults", &faults), ("notes", &notes), ("unseen", &unseen)]);
    let last = match faults {
        0 => doctor::ALL_WELL,
        _ => doctor::FIRST,
    };
    format!("{counted}\n{}", last.text(language))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::doctor::checks::{DNS, PORT};
    use crate::cli::doctor::finding::Said;

    fn findings() -> Vec<Finding> {
        let fault =
            Finding::fault(&DNS, Said::of(doctor::NAME_NOT_FOUND).with("host", "gw.invalid").with("reason", "no"));
        let fault = fault.about("alibaba").mend(Remedy::command("getent ahosts gw.invalid"));
        let fault = fault.mend(Remedy::write("/etc/x.toml", "[listen]\nport = 1\n", Some("kill -HUP 1".to_owned())));
        vec![fault, Finding::ok(&PORT, Said::of(doctor::PORT_FREE).with("address", "127.0.0.1:1"))]
    }

    #[test]
    fn every_finding_says_what_was_seen_and_what_to_do() {
        let look = Look { language: Language::English, marks: false, colours: false };
        let text = family(Family::Network, &findings(), look);
        let expected = "Network\n  fault  dns (alibaba): the name gw.invalid leads to no address: no\n           \
                        do: getent ahosts gw.invalid\n           or: write to /etc/x.toml:\n               \
                        [listen]\n               port = 1\n           then: kill -HUP 1\n  ok     port: \
                        127.0.0.1:1 is free\n";
        assert_eq!(text, expected);
        let look = Look { language: Language::Chinese, marks: true, colours: true };
        let text = family(Family::Network, &findings(), look);
        assert!(text.contains("\x1b[1;31m✗ 故障\x1b[0m   dns (alibaba): 域名 gw.invalid 无法解析：no"), "{text}");
        assert!(text.contains("执行： getent ahosts gw.invalid"), "{text}");
    }

    #[test]
    fn colours_are_never_all_there_is() {
        let of = |colours: bool| {
            family(Family::Network, &findings(), Look { language: Language::English, marks: true, colours })
        };
        let mut plain = of(true);
        for code in [END, BOLD, "\x1b[32m", "\x1b[33m", "\x1b[1;31m", "\x1b[2m"] {
            plain = plain.replace(code, "");
        }
        assert_eq!(plain, of(false));
    }

    #[test]
    fn the_last_line_counts() {
        let text = summary(&findings(), Language::English);
        assert_eq!(
            text,
            "Checks: 2. Faults: 1, notes: 0, not looked at: 0.\nMend what stands first; what follows may depend on it."
        );
    }
}
