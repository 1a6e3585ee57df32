//! The languages that people are spoken to in.

/// A language that every phrase of the catalogue has.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Language {
    /// English, where nothing else is asked for.
    #[default]
    English,
    /// Chinese in simplified characters.
    Chinese,
}

impl Language {
    /// The language of a process, by its environment: `LANGUAGE`, then `LC_ALL`, `LC_MESSAGES`, `LANG`; the first that is
    /// set and not empty decides (POSIX.1-2024 §8.2; `LANGUAGE` as GNU gettext has it, which a `C` locale switches off).
    pub fn of_environment<'a>(get: impl Fn(&str) -> Option<&'a str>) -> Self {
        let set = |name: &str| get(name).filter(|value| !value.is_empty());
        let locale = set("LC_ALL").or_else(|| set("LC_MESSAGES")).or_else(|| set("LANG")).unwrap_or("C");
        if locale == "C" || locale == "POSIX" {
            return Self::English;
        }
        let first = |list: &'a str| list.split(':').find_map(Self::of_tag);
        set("LANGUAGE").and_then(first).or_else(|| Self::of_tag(locale)).unwrap_or_default()
    }

    /// The language that a browser prefers, by its `Accept-Language` field (RFC 9110 §12.5.4). What cannot be read, or is
    /// not spoken here, does not count.
    pub fn of_accept_language(field: &str) -> Self {
        let mut best = (0.0, Self::English);
        for range in field.split(',') {
            let mut parts = range.split(';').map(str::trim);
            let Some(language) = parts.next().and_then(Self::of_tag) else { continue };
            let weight = parts.find_map(|part| part.strip_prefix("q=")).map_or(Ok(1.0), str::parse::<f32>);
            if let Ok(weight) = weight
                && weight > best.0
            {
                best = (weight, language);
            }
        }
        best.1
    }

    /// As it stands in HTML's `lang` (RFC 5646).
    pub const fn tag(self) -> &'static str {
        match self {
            Self::English => "en",
            Self::Chinese => "zh-CN",
        }
    }

    /// By the first part of a locale or language tag: `zh_CN.UTF-8`, `zh-Hans`, `en`.
    fn of_tag(tag: &str) -> Option<Self> {
        let primary = tag.split(['_', '-', '.', '@']).next().unwrap_or_default();
        [("en", Self::English), ("zh", Self::Chinese)]
            .into_iter()
            .find_map(|(name, language)| primary.eq_ignore_ascii_case(name).then_some(language))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_environment_decides_as_for_other_programs() {
        for (environment, expected) in [
            (&[][..], Language::English),
            (&[("LANG", "zh_CN.UTF-8")], Language::Chinese),
            (&[("LANG", "zh_CN.UTF-8"), ("LC_ALL", "en_US.UTF-8")], Language::English),
            (&[("LANG", "zh_CN.UTF-8"), ("LC_ALL", "")], Language::Chinese),
            (&[("LANG", "en_US.UTF-8"), ("LC_MESSAGES", "zh_TW")], Language::Chinese),
            (&[("LANG", "de_DE.UTF-8"), ("LANGUAGE", "de:zh_CN:en")], Language::Chinese),
            (&[("LANG", "C"), ("LANGUAGE", "zh")], Language::English),
            (&[("LANG", "C.UTF-8")], Language::English),
            (&[("LANG", "zhuyin")], Language::English),
        ] {
            let get = |name: &str| environment.iter().find(|(key, _)| *key == name).map(|(_, value)| *value);
            assert_eq!(Language::of_environment(get), expected, "{environment:?}");
        }
    }

    #[test]
    fn a_browser_gets_what_it_prefers() {
        for (field, expected) in [
            ("", Language::English),
            ("zh-CN,zh;q=0.9,en;q=0.8", Language::Chinese),
            ("en-US,en;q=0.9,zh;q=0.8", Language::English),
            ("de, zh;q=0.3", Language::Chinese),
            ("zh;q=0, en;q=0.1", Language::English),
            ("zh;q=x", Language::English),
            ("*", Language::English),
        ] {
            assert_eq!(Language::of_accept_language(field), expected, "{field:?}");
        }
    }
}
