//! What stands between the program and a person: their language, and what their terminal can show. Looked at once.

use std::collections::BTreeMap;
use std::io::IsTerminal;

use rustix::termios;

use crate::model::language::Language;

/// The terminal of a command, or that there is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Terminal {
    /// The language of the person.
    pub(super) language: Language,
    /// Standard output is a terminal.
    pub(super) out: bool,
    /// Standard error is a terminal.
    pub(super) err: bool,
    /// It understands sequences that move the cursor: it says so by `TERM`.
    pub(super) moves: bool,
    /// Colours are wanted there: `NO_COLOR` is not set (no-color.org).
    pub(super) colours: bool,
    /// It shows more than ASCII.
    pub(super) utf8: bool,
}

/// Columns and rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Size {
    pub(super) columns: usize,
    pub(super) rows: usize,
}

impl Terminal {
    /// The terminal of this process.
    pub(super) fn of_process(environment: &BTreeMap<String, String>) -> Self {
        let get = |name: &str| environment.get(name).map(String::as_str);
        Self::of(get, std::io::stdout().is_terminal(), std::io::stderr().is_terminal())
    }

    fn of<'a>(get: impl Fn(&str) -> Option<&'a str>, out: bool, err: bool) -> Self {
        let set = |name: &str| get(name).filter(|value| !value.is_empty());
        let locale = set("LC_ALL").or_else(|| set("LC_CTYPE")).or_else(|| set("LANG")).unwrap_or("C");
        let encoding = locale.split_once('.').map(|(_, encoding)| encoding.split('@').next().unwrap_or_default());
        let utf8 = encoding.is_some_and(|name| ["utf-8", "utf8"].iter().any(|utf8| name.eq_ignore_ascii_case(utf8)));
        // Whoever has another encoding cannot read Chinese in ours. A locale that names none leaves it open.
        let language = match encoding {
            Some(_) if !utf8 => Language::English,
            _ => Language::of_environment(&get),
        };
        let moves = set("TERM").is_some_and(|term| term != "dumb");
        Self { language, out, err, moves, colours: out && moves && set("NO_COLOR").is_none(), utf8 }
    }

    /// The same for what is not read at a terminal alone: the print-out of a daemon is English, as its log is.
    pub(super) fn of_daemon(self) -> Self {
        if self.out { self } else { Self { language: Language::English, ..self } }
    }

    /// How large standard output is now; `None` if it is no terminal, or one that does not say.
    pub(super) fn size(&self) -> Option<Size> {
        let size = self.out.then(|| termios::tcgetwinsize(std::io::stdout()))?.ok()?;
        let (columns, rows) = (usize::from(size.ws_col), usize::from(size.ws_row));
        (columns > 0 && rows > 0).then_some(Size { columns, rows })
    }
}

#[cfg(test)]
impl Terminal {
    /// Not a terminal, or one that can do everything.
    pub(super) fn for_tests(language: Language, can: bool) -> Self {
        Self { language, out: can, err: can, moves: can, colours: can, utf8: can }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_environment_says_what_it_can() {
        let of = |environment: &[(&str, &'static str)]| {
            let get = |name: &str| environment.iter().find(|(key, _)| *key == name).map(|(_, value)| *value);
            let Terminal { language, moves, colours, utf8, .. } = Terminal::of(get, true, true);
            (language, moves, colours, utf8)
        };
        use Language::{Chinese, English};
        for (environment, expected) in [
            (&[][..], (English, false, false, false)),
            (&[("LANG", "en_US.UTF-8"), ("TERM", "xterm-256color")], (English, true, true, true)),
            (&[("LANG", "zh_CN.utf8"), ("TERM", "xterm"), ("NO_COLOR", "1")], (Chinese, true, false, true)),
            (&[("LANG", "zh_CN.UTF-8"), ("TERM", "dumb")], (Chinese, false, false, true)),
            (&[("LANG", "zh_CN.GBK"), ("TERM", "xterm")], (English, true, true, false)),
            (&[("LANG", "zh_CN"), ("TERM", "xterm")], (Chinese, true, true, false)),
            (
                &[("LANG", "en_US.UTF-8"), ("LC_ALL", "C"), ("TERM", "xterm"), ("NO_COLOR", "")],
                (English, true, true, false),
            ),
            (&[("LANG", "C.UTF-8"), ("TERM", "linux")], (English, true, true, true)),
        ] {
            assert_eq!(of(environment), expected, "{environment:?}");
        }
        let piped = Terminal::of(|name| (name == "TERM").then_some("xterm"), false, false);
        assert!(!piped.colours && piped.size().is_none());
    }

    #[test]
    fn what_a_daemon_prints_into_a_log_is_english() {
        let terminal = Terminal::for_tests(Language::Chinese, true);
        assert_eq!(terminal.of_daemon().language, Language::Chinese);
        assert_eq!(Terminal { out: false, ..terminal }.of_daemon().language, Language::English);
    }
}
