//! Patterns for the names of methods and tools: `*` stands for any number of characters, everything else for itself.

use std::fmt;

/// A pattern.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pattern(String);

/// Two lists of patterns. Blocked wins; an empty allow list allows all.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Patterns {
    /// Only these, if there are any.
    pub allowed: Vec<Pattern>,
    /// Not these.
    pub blocked: Vec<Pattern>,
}

/// Which of two lists refuses a name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unlisted {
    /// This entry of the block list fits.
    Blocked(Pattern),
    /// No entry of the allow list fits.
    NotAllowed,
}

impl Pattern {
    /// Reads a pattern.
    ///
    /// # Errors
    /// A sentence that says what is wrong with it.
    pub fn parse(text: &str) -> Result<Self, String> {
        if text.is_empty() || text.trim() != text || text.chars().any(char::is_control) {
            return Err(format!("{text:?} is no name; \"*\" in one stands for any characters"));
        }
        Ok(Self(text.to_owned()))
    }

    /// True if `name` is what the pattern describes.
    pub fn fits(&self, name: &str) -> bool {
        fits(&self.0, name)
    }

    /// True if `name` is what the pattern describes, whatever the case of either: a server may not look at it.
    pub fn fits_in_any_case(&self, name: &str) -> bool {
        self.fits(name) || fits(&self.0.to_lowercase(), &name.to_lowercase())
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Patterns {
    /// True if there is nothing to decide.
    pub fn are_empty(&self) -> bool {
        self.allowed.is_empty() && self.blocked.is_empty()
    }

    /// Decides about a name. What is blocked is so in upper and lower case; what is allowed is so as it is written.
    ///
    /// # Errors
    /// The list that refuses it.
    pub fn decide(&self, name: &str) -> Result<(), Unlisted> {
        if let Some(pattern) = self.blocked.iter().find(|pattern| pattern.fits_in_any_case(name)) {
            return Err(Unlisted::Blocked(pattern.clone()));
        }
        match self.allowed.is_empty() || self.allowed.iter().any(|pattern| pattern.fits(name)) {
            true => Ok(()),
            false => Err(Unlisted::NotAllowed),
        }
    }
}

/// Piece by piece from the left, each as early as it can be: that finds a fit if there is one, and never goes back
/// further than to the last `*`, so that no pattern takes long.
fn fits(pattern: &str, name: &str) -> bool {
    let Some((first, rest)) = pattern.split_once('*') else { return pattern == name };
    let Some(mut left) = name.strip_prefix(first) else { return false };
    let mut pieces: Vec<&str> = rest.split('*').collect();
    let last = pieces.pop().unwrap_or_default();
    for piece in pieces {
        match left.find(piece) {
            Some(at) => left = &left[at + piece.len()..],
            None => return false,
        }
    }
    left.ends_with(last)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn list(texts: &[&str]) -> Vec<Pattern> {
        texts.iter().map(|text| Pattern::parse(text).unwrap()).collect()
    }

    #[test]
    fn a_star_stands_for_anything_and_the_rest_for_itself() {
        for (pattern, name, expected) in [
            ("tools/*", "tools/call", true),
            ("tools/*", "tools/", true),
            ("tools/*", "tools", false),
            ("*", "", true),
            ("Describe*", "DescribeInstances", true),
            ("Describe*", "describeInstances", false),
            ("*Instances", "DescribeInstances", true),
            ("D*I*s", "DescribeInstances", true),
            ("a*a", "a", false),
            ("a*a", "aa", true),
            ("*ab*ab*", "abab", true),
            ("*ab*ab*", "aab", false),
            ("a**b", "ab", true),
            ("a.b", "axb", false),
            ("é*", "école", true),
        ] {
            assert_eq!(Pattern::parse(pattern).unwrap().fits(name), expected, "{pattern} {name}");
        }
    }

    #[test]
    fn blocked_wins_and_is_so_in_every_case() {
        let lists = Patterns { allowed: list(&["list-*", "get-*"]), blocked: list(&["get-Secret*"]) };
        assert_eq!(lists.decide("list-x"), Ok(()));
        assert_eq!(lists.decide("LIST-x"), Err(Unlisted::NotAllowed), "an allowed name is allowed as it is written");
        assert_eq!(lists.decide("delete-x"), Err(Unlisted::NotAllowed));
        for name in ["get-Secret", "get-secrets", "GET-SECRET"] {
            assert_eq!(lists.decide(name), Err(Unlisted::Blocked(Pattern("get-Secret*".into()))), "{name}");
        }
        assert_eq!(Patterns::default().decide("anything"), Ok(()));
    }

    #[test]
    fn entries_that_mean_nothing_are_named() {
        for text in ["", " a", "a ", "a\nb", "\u{0}"] {
            assert!(Pattern::parse(text).is_err(), "{text:?}");
        }
    }

    /// By the definition: character by character, with every way to read a star.
    fn fits_slowly(pattern: &[char], name: &[char]) -> bool {
        match pattern.split_first() {
            None => name.is_empty(),
            Some(('*', rest)) => (0..=name.len()).any(|skipped| fits_slowly(rest, &name[skipped..])),
            Some((one, rest)) => name.first() == Some(one) && fits_slowly(rest, &name[1..]),
        }
    }

    proptest! {
        #[test]
        fn patterns_fit_as_they_are_defined(pattern in "[ab*é]{0,8}", name in "[abé]{0,8}") {
            let slow = fits_slowly(&pattern.chars().collect::<Vec<_>>(), &name.chars().collect::<Vec<_>>());
            prop_assert_eq!(fits(&pattern, &name), slow);
        }
    }
}
