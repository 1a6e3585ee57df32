//! One thing that was looked at: what was seen, the verdict, and the remedy.

use std::path::PathBuf;

use crate::cli::doctor::checks::Check;
use crate::model::language::Language;
use crate::phrase::Phrase;

/// What is thought of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// As it should be.
    Ok,
    /// Worth knowing; nothing has to be done.
    Note,
    /// It keeps something from working, or somebody could do harm by it.
    Fault,
    /// It could not be looked at.
    NotLooked,
}

impl Verdict {
    /// As programs read it.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Note => "note",
            Self::Fault => "fault",
            Self::NotLooked => "not-looked",
        }
    }
}

/// A sentence, in whatever language it will be read.
#[derive(Debug, Clone)]
pub(super) struct Said {
    phrase: Phrase,
    values: Vec<(&'static str, Value)>,
}

#[derive(Debug, Clone)]
enum Value {
    Text(String),
    Phrase(Phrase),
}

impl Said {
    pub(super) fn of(phrase: Phrase) -> Self {
        Self { phrase, values: Vec::new() }
    }

    /// With a place filled.
    pub(super) fn with(mut self, name: &'static str, value: impl ToString) -> Self {
        self.values.push((name, Value::Text(value.to_string())));
        self
    }

    /// With a place filled by another phrase.
    pub(super) fn with_phrase(mut self, name: &'static str, phrase: Phrase) -> Self {
        self.values.push((name, Value::Phrase(phrase)));
        self
    }

    pub(super) fn text(&self, language: Language) -> String {
        let text = |value: &Value| match value {
            Value::Text(text) => text.clone(),
            Value::Phrase(phrase) => phrase.text(language).to_owned(),
        };
        let values: Vec<(&str, String)> = self.values.iter().map(|(name, value)| (*name, text(value))).collect();
        let values: Vec<(&str, &dyn std::fmt::Display)> =
            values.iter().map(|(name, value)| (*name, value as &dyn std::fmt::Display)).collect();
        self.phrase.fill(language, &values)
    }
}

/// What mends it. It is shown, and never done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Remedy {
    /// A command for a shell.
    Command(String),
    /// Lines for a file, and the command that puts them in force.
    Write {
        /// The file; it is made if it is not there.
        file: PathBuf,
        /// What to write.
        text: String,
        /// What to do afterwards.
        then: Option<String>,
    },
}

impl Remedy {
    pub(super) fn command(line: impl Into<String>) -> Self {
        Self::Command(line.into())
    }

    pub(super) fn write(file: impl Into<PathBuf>, text: impl Into<String>, then: Option<String>) -> Self {
        Self::Write { file: file.into(), text: text.into(), then }
    }
}

/// One thing that was looked at.
#[derive(Debug, Clone)]
pub(super) struct Finding {
    pub(super) check: &'static Check,
    /// Which of several things of that kind: an upstream, a unit, a file.
    pub(super) subject: Option<String>,
    pub(super) verdict: Verdict,
    pub(super) said: Said,
    /// The best one first.
    pub(super) remedies: Vec<Remedy>,
}

impl Finding {
    fn new(check: &'static Check, verdict: Verdict, said: Said) -> Self {
        Self { check, subject: None, verdict, said, remedies: Vec::new() }
    }

    pub(super) fn ok(check: &'static Check, said: Said) -> Self {
        Self::new(check, Verdict::Ok, said)
    }

    pub(super) fn note(check: &'static Check, said: Said) -> Self {
        Self::new(check, Verdict::Note, said)
    }

    pub(super) fn fault(check: &'static Check, said: Said) -> Self {
        Self::new(check, Verdict::Fault, said)
    }

    pub(super) fn not_looked(check: &'static Check, said: Said) -> Self {
        Self::new(check, Verdict::NotLooked, said)
    }

    pub(super) fn about(mut self, subject: impl ToString) -> Self {
        self.subject = Some(subject.to_string());
        self
    }

    /// With a remedy; further ones are alternatives.
    pub(super) fn mend(mut self, remedy: Remedy) -> Self {
        self.remedies.push(remedy);
        self
    }
}
