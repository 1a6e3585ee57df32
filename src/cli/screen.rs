//! Lines for a terminal: coloured where that is wanted, aligned by columns, and no wider than there is room. Chinese
//! characters are two columns wide (UAX #11).

use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// What a piece of text is about. Colour is never all that says it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tone {
    Plain,
    Good,
    Warning,
    Bad,
    /// Of less weight than the rest.
    Soft,
    /// A heading.
    Strong,
}

impl Tone {
    /// Parameters of SGR (ECMA-48 §8.3.117): the eight colours that every theme makes readable.
    const fn parameters(self) -> &'static str {
        match self {
            Self::Plain => "",
            Self::Good => "32",
            Self::Warning => "33",
            Self::Bad => "31",
            Self::Soft => "2",
            Self::Strong => "1",
        }
    }
}

/// One line, as pieces.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Line(Vec<(Tone, String)>);

impl Line {
    /// A line of one piece.
    pub(super) fn of(tone: Tone, text: impl AsRef<str>) -> Self {
        Self::default().and(tone, text)
    }

    /// The same with one more piece. Much of it was said by others: what would steer the terminal is taken out.
    pub(super) fn and(mut self, tone: Tone, text: impl AsRef<str>) -> Self {
        self.0.push((tone, text.as_ref().chars().map(harmless).collect()));
        self
    }

    /// How many columns it takes.
    #[cfg(test)]
    pub(super) fn columns(&self) -> usize {
        self.0.iter().map(|(_, text)| columns(text)).sum()
    }

    /// As it goes to the terminal: cut to `width` columns, if there is a limit, with a sign that it was.
    pub(super) fn render(&self, colours: bool, width: Option<usize>) -> String {
        let mut left = width.unwrap_or(usize::MAX);
        let mut out = String::new();
        for (tone, text) in &self.0 {
            let shown = fit(text, left);
            left -= columns(&shown).min(left);
            match tone.parameters() {
                parameters if colours && !parameters.is_empty() && !shown.is_empty() => {
                    out.push_str(&format!("\x1b[{parameters}m{shown}\x1b[0m"));
                }
                _ => out.push_str(&shown),
            }
            if left == 0 {
                break;
            }
        }
        // Blanks that only held a column are nobody's.
        if out.ends_with(' ') { out.trim_end().to_owned() } else { out }
    }
}

/// Takes away what steers terminals or turns the order of characters around.
fn harmless(c: char) -> char {
    match c {
        '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{200e}' | '\u{200f}' | '\u{61c}' => ' ',
        c if c.is_control() => ' ',
        c => c,
    }
}

/// How many columns a text takes.
pub(super) fn columns(text: &str) -> usize {
    text.width()
}

/// `text` with blanks up to `width` columns.
pub(super) fn padded(text: &str, width: usize) -> String {
    let mut padded = text.to_owned();
    padded.extend(std::iter::repeat_n(' ', width.saturating_sub(columns(text))));
    padded
}

/// As much of `text` as `width` columns hold; what is cut ends with a mark.
pub(super) fn fit(text: &str, width: usize) -> String {
    if columns(text) <= width {
        return text.to_owned();
    }
    let mut left = width.saturating_sub(1);
    let mut shown = String::new();
    for c in text.chars() {
        let wide = c.width().unwrap_or(0);
        if wide > left {
            break;
        }
        left -= wide;
        shown.push(c);
    }
    if width > 0 {
        shown.push('…');
    }
    shown
}

/// `text` in lines of at most `width` columns, if there is a limit: broken at blanks, beside wide characters, and where
/// nothing else helps.
pub(super) fn wrapped(text: &str, width: Option<usize>) -> Vec<String> {
    text.lines().flat_map(|line| wrapped_line(line, width.unwrap_or(usize::MAX).max(2))).collect()
}

fn wrapped_line(line: &str, width: usize) -> Vec<String> {
    let (mut lines, mut rest) = (Vec::new(), line);
    loop {
        let (mut used, mut whole, mut at_best) = (0, true, None);
        let mut hard = rest.len();
        let mut before: Option<char> = None;
        for (at, c) in rest.char_indices() {
            let wide = c.width().unwrap_or(0);
            let may_break =
                c == ' ' || (before.is_some_and(is_wide) && !is_closing(c)) || (is_wide(c) && at > 0 && !is_closing(c));
            if may_break && used <= width && at > 0 {
                at_best = Some(at);
            }
            if used + wide > width && c != ' ' {
                (whole, hard) = (false, at);
                break;
            }
            used += wide;
            before = Some(c);
        }
        if whole {
            lines.push(rest.trim_end().to_owned());
            return lines;
        }
        let (line, next) = rest.split_at(at_best.unwrap_or(hard));
        lines.push(line.trim_end().to_owned());
        rest = next.trim_start();
    }
}

fn is_wide(c: char) -> bool {
    c.width() == Some(2)
}

/// Punctuation that begins no line.
fn is_closing(c: char) -> bool {
    "，。、；：！？）】》”’,.;:!?)".contains(c)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wide_characters_take_two_columns() {
        assert_eq!((columns("登录"), columns("ok"), columns("é")), (4, 2, 1));
        assert_eq!((padded("登录", 6), padded("toolong", 3)), ("登录  ".to_owned(), "toolong".to_owned()));
        for (text, width, expected) in
            [("abcdef", 6, "abcdef"), ("abcdef", 4, "abc…"), ("登录成功", 5, "登录…"), ("登录", 1, "…"), ("x", 0, "")]
        {
            assert_eq!(fit(text, width), expected);
            assert!(columns(&fit(text, width)) <= width);
        }
    }

    #[test]
    fn a_line_is_cut_and_coloured_and_steers_nothing() {
        let line = Line::of(Tone::Good, "signed in").and(Tone::Plain, " as 12\u{1b}[31m\n");
        assert_eq!(line.render(false, None), "signed in as 12 [31m");
        assert_eq!(line.render(true, Some(9)), "\x1b[32msigned in\x1b[0m");
        assert_eq!(line.render(true, Some(7)), "\x1b[32msigned…\x1b[0m");
        assert_eq!(Line::of(Tone::Plain, "a  ").render(true, None), "a");
        assert_eq!(line.columns(), 21);
    }

    #[test]
    fn long_texts_are_broken_where_that_can_be_read() {
        for (text, width, expected) in [
            ("one two three", Some(8), &["one two", "three"][..]),
            ("one two", None, &["one two"]),
            ("a\nb", Some(80), &["a", "b"]),
            ("abcdefgh", Some(3), &["abc", "def", "gh"]),
            ("请运行登录命令。", Some(8), &["请运行登", "录命令。"]),
            ("请运行登录。好", Some(10), &["请运行登", "录。好"]),
            ("请运行：mcp-proxy login", Some(16), &["请运行：", "mcp-proxy login"]),
        ] {
            assert_eq!(wrapped(text, width), expected, "{text}");
        }
    }
}
