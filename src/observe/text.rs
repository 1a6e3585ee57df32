//! Foreign text made fit to be shown: no control characters, no secrets, no endless lines.

use crate::model::secret::Secret;

/// The longest text that is shown, in characters.
const LONGEST: usize = 300;

/// `text` on one line, control characters replaced by blanks, cut at 300 characters, and without any of
/// `secrets`: servers sometimes repeat in an error what they were sent.
pub fn shown(text: &str, secrets: &[&Secret]) -> String {
    if secrets.is_empty() && is_fit(text) {
        return text.to_owned();
    }
    let mut text = text.to_owned();
    for secret in secrets {
        if !secret.is_empty() {
            text = text.replace(secret.expose(), "(redacted)");
        }
    }
    let one_line: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    let words = one_line.split_whitespace().collect::<Vec<_>>().join(" ");
    match words.char_indices().nth(LONGEST) {
        Some((cut, _)) => format!("{}…", &words[..cut]),
        None => words,
    }
}

/// True if nothing would have to be done to it: nearly every text that is shown for each request is so.
fn is_fit(text: &str) -> bool {
    text.len() <= LONGEST && text.bytes().all(|byte| byte.is_ascii_graphic())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_and_control_characters_go() {
        let secret = Secret::new("rt-1");
        assert_eq!(shown("bad\ttoken rt-1\n\u{1b}[31m!", &[&secret]), "bad token (redacted) [31m!");
    }

    #[test]
    fn long_texts_are_cut_between_characters() {
        assert_eq!(shown(&"é".repeat(1000), &[]).chars().count(), LONGEST + 1);
    }
}
