//! Foreign text becomes text of a page: no markup, no control characters, no marks of direction, no endless lines.

use crate::daemon::control::ui::view::View;
use crate::model::time::Wall;
use crate::phrase::{self, Phrase, ui};

/// The longest text that is shown whole, in characters.
const LONGEST: usize = 1000;
/// The longest name, in characters.
const LONGEST_NAME: usize = 200;

/// `foreign` as the text of an element, or of an attribute in quotes.
pub(super) fn text(foreign: &str) -> String {
    escaped(cut(foreign, LONGEST)) + if cut(foreign, LONGEST).len() < foreign.len() { "…" } else { "" }
}

/// As many characters as are shown.
fn cut(foreign: &str, most: usize) -> &str {
    foreign.char_indices().nth(most).map_or(foreign, |(end, _)| &foreign[..end])
}

/// All of `foreign`, as the text of an attribute in quotes: for what is used and not read.
pub(super) fn escaped(foreign: &str) -> String {
    let mut out = String::with_capacity(foreign.len());
    for c in foreign.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c if c.is_control() || turns_text(c) => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
    out
}

/// True for what changes the direction of the text around it, or is not seen at all (UAX #9 §2, and of UAX #44 what is
/// `Default_Ignorable_Code_Point` in General Punctuation).
fn turns_text(c: char) -> bool {
    matches!(c, '\u{061c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

/// A name from outside, whose direction stays its own.
pub(super) fn name(foreign: &str) -> String {
    let shown = cut(foreign, LONGEST_NAME);
    format!("<bdi>{}{}</bdi>", escaped(shown), if shown.len() < foreign.len() { "…" } else { "" })
}

impl View {
    /// A phrase as it stands.
    pub(super) fn say(&self, phrase: Phrase) -> String {
        text(phrase.text(self.language))
    }

    /// A phrase with its places filled.
    pub(super) fn fill(&self, phrase: Phrase, values: &[(&str, &dyn std::fmt::Display)]) -> String {
        text(&phrase.fill(self.language, values))
    }

    /// A length of time in words.
    pub(super) fn length(&self, length: std::time::Duration) -> String {
        phrase::time::length(self.language, length)
    }

    /// How long ago something was, with the point in time behind it.
    pub(super) fn ago(&self, at: Wall) -> String {
        let length = self.now.since(at);
        let words = match length.as_secs() {
            0 | 1 => self.say(ui::NOW),
            _ => self.fill(ui::AGO, &[("length", &self.length(length))]),
        };
        let moment = moment(at);
        format!("<time datetime=\"{moment}\" title=\"{moment}\">{words}</time>")
    }

    /// The heading of a part.
    pub(super) fn heading(&self, id: &str, phrase: Phrase) -> String {
        format!("<h2 id=\"h-{id}\" tabindex=\"-1\">{}</h2>\n", self.say(phrase))
    }
}

/// A point in time as RFC 3339 has it, in whole seconds; what no calendar has is the beginning of time.
pub(super) fn moment(at: Wall) -> String {
    use time::format_description::well_known::Rfc3339;
    let date = time::OffsetDateTime::from_unix_timestamp(at.unix_seconds()).unwrap_or(time::OffsetDateTime::UNIX_EPOCH);
    date.format(&Rfc3339).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn foreign_text_is_neither_markup_nor_invisible() {
        for (foreign, shown) in [
            ("a<b>&\"c'", "a&lt;b&gt;&amp;&quot;c&#39;"),
            ("a\u{202e}b\u{2066}c\u{200b}d\0e\nf", "a\u{fffd}b\u{fffd}c\u{fffd}d\u{fffd}e\u{fffd}f"),
            ("云服务器", "云服务器"),
        ] {
            assert_eq!(text(foreign), shown);
        }
        assert_eq!(text(&"é".repeat(5000)).chars().count(), LONGEST + 1);
        assert_eq!(name(&"x".repeat(5000)).len(), "<bdi></bdi>".len() + LONGEST_NAME + "…".len());
        assert_eq!(escaped(&"é".repeat(5000)).chars().count(), 5000);
        assert_eq!(name("<"), "<bdi>&lt;</bdi>");
    }

    #[test]
    fn moments_are_dates() {
        assert_eq!(moment(Wall::from_unix_seconds(1_800_000_000)), "2027-01-15T08:00:00Z");
        assert_eq!(moment(Wall::from_unix_seconds(i64::MAX)), "1970-01-01T00:00:00Z");
    }
}
