//! What people read, in English and in Chinese: one catalogue, a file for each place where it is read.
//!
//! A phrase without one of the languages does not compile; the tests hold the rest of what can be missing.

use std::fmt::{Display, Write};

use crate::model::language::Language;

/// A text in every language, with places to fill: `{name}`.
#[derive(Debug, Clone, Copy)]
pub struct Phrase {
    en: &'static str,
    zh: &'static str,
}

impl Phrase {
    /// The text as it stands.
    pub const fn text(&self, language: Language) -> &'static str {
        match language {
            Language::English => self.en,
            Language::Chinese => self.zh,
        }
    }

    /// The text with its places filled. What is filled in is not looked at again, so it may hold braces. A place for
    /// which there is no value stays as it is.
    pub fn fill(&self, language: Language, values: &[(&str, &dyn Display)]) -> String {
        let mut rest = self.text(language);
        let mut filled = String::with_capacity(rest.len() + 16 * values.len());
        while let Some((before, place, after)) = next_place(rest) {
            filled.push_str(before);
            match values.iter().find(|(name, _)| *name == place) {
                // Writing to a string does not fail.
                Some((_, value)) => drop(write!(filled, "{value}")),
                None => drop(write!(filled, "{{{place}}}")),
            }
            rest = after;
        }
        filled.push_str(rest);
        filled
    }
}

/// The text before the next place, its name, and what follows.
fn next_place(text: &str) -> Option<(&str, &str, &str)> {
    let (before, rest) = text.split_once('{')?;
    let (place, after) = rest.split_once('}')?;
    Some((before, place, after))
}

/// Defines phrases: `NAME: "English", "Chinese";`. `ALL` has every one with its name, for the tests.
macro_rules! phrases {
    ($($(#[$meta:meta])* $name:ident: $en:literal, $zh:literal;)+) => {
        $($(#[$meta])* #[doc = "A phrase of the catalogue."] pub const $name: $crate::phrase::Phrase = $crate::phrase::Phrase { en: $en, zh: $zh };)+
        #[cfg(test)]
        pub(super) const ALL: &[(&str, $crate::phrase::Phrase)] = &[$((stringify!($name), $name)),+];
    };
}

pub mod advice;
pub mod client_config;
pub mod commands;
pub mod conditions;
pub mod doctor;
pub mod pages;
pub mod sign_in;
pub mod status;
pub mod time;
pub mod ui;

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    /// Every file of the catalogue.
    const FILES: &[&[(&str, Phrase)]] = &[
        advice::ALL,
        client_config::ALL,
        commands::ALL,
        conditions::ALL,
        doctor::ALL,
        pages::ALL,
        sign_in::ALL,
        status::ALL,
        time::ALL,
        ui::ALL,
    ];

    fn places(text: &str) -> BTreeSet<&str> {
        let mut found = BTreeSet::new();
        let mut rest = text;
        while let Some((_, place, after)) = next_place(rest) {
            found.insert(place);
            rest = after;
        }
        found
    }

    #[test]
    fn both_languages_have_the_same_places_and_are_not_the_same() {
        for (name, phrase) in FILES.iter().copied().flatten() {
            assert_eq!(places(phrase.en), places(phrase.zh), "{name}");
            assert!(!phrase.en.trim().is_empty() && phrase.en != phrase.zh, "{name}");
            assert!(phrase.zh.chars().any(|c| ('\u{4e00}'..='\u{9fff}').contains(&c)), "{name}: {}", phrase.zh);
        }
    }

    #[test]
    fn no_file_of_the_catalogue_is_left_out() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/src/phrase");
        let own = include_str!("mod.rs");
        for entry in std::fs::read_dir(folder).unwrap() {
            let name = entry.unwrap().file_name().into_string().unwrap();
            let module = name.strip_suffix(".rs").unwrap();
            assert!(module == "mod" || own.contains(&format!("{module}::ALL")), "{name} is not in FILES");
        }
    }

    #[test]
    fn what_is_filled_in_is_text() {
        let phrase = Phrase { en: "{a} and {b}, {c}", zh: "{a}和{b}，{c}" };
        let values: [(&str, &dyn Display); 2] = [("a", &"{b}"), ("b", &7)];
        assert_eq!(phrase.fill(Language::English, &values), "{b} and 7, {c}");
        assert_eq!(phrase.fill(Language::Chinese, &values), "{b}和7，{c}");
    }
}
