//! What is wrong with a configuration, where it stands, and what to do about it.

use std::fmt;
use std::path::PathBuf;

/// Where a value came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// A file.
    File {
        /// The path as it was opened.
        path: PathBuf,
        /// Line and column, both counted from 1, the column in characters; if known.
        at: Option<(usize, usize)>,
    },
    /// An environment variable, by name.
    Variable(String),
    /// A command line flag, with its dashes.
    Flag(&'static str),
    /// No place: the built-in value, or what should have been set.
    BuiltIn,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File { path, at: Some((line, column)) } => write!(f, "{}:{line}:{column}", path.display()),
            Self::File { path, at: None } => write!(f, "{}", path.display()),
            Self::Variable(name) => write!(f, "environment variable {name}"),
            Self::Flag(name) => f.write_str(name),
            Self::BuiltIn => f.write_str("configuration"),
        }
    }
}

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Where it stands.
    pub place: Place,
    /// The key's dotted path; empty when it concerns a file as a whole.
    pub key: String,
    /// What is wrong. No secret.
    pub what: String,
    /// What to do about it.
    pub hint: Option<String>,
}

impl Problem {
    pub(crate) fn new(place: Place, key: impl Into<String>, fault: Fault) -> Self {
        Self { place, key: key.into(), what: fault.what, hint: fault.hint }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.place)?;
        // A flag is its own name for the key.
        if !self.key.is_empty() && !matches!(self.place, Place::Flag(_)) {
            write!(f, "{}: ", self.key)?;
        }
        f.write_str(&self.what)?;
        match &self.hint {
            Some(hint) => write!(f, "; {hint}"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for Problem {}

/// What is wrong with a value, before it is known where the value stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Fault {
    pub(crate) what: String,
    pub(crate) hint: Option<String>,
}

impl Fault {
    pub(crate) fn new(what: impl Into<String>) -> Self {
        Self { what: what.into(), hint: None }
    }

    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_says_where_what_and_what_to_do() {
        let file = Place::File { path: "/etc/x.toml".into(), at: Some((3, 1)) };
        let fault = || Fault::new("unknown key").hint("the nearest known key is listen.port");
        assert_eq!(
            Problem::new(file, "listen.prot", fault()).to_string(),
            "/etc/x.toml:3:1: listen.prot: unknown key; the nearest known key is listen.port"
        );
        let variable = Place::Variable("MCP_PROXY_X".to_owned());
        assert_eq!(
            Problem::new(variable, "x", Fault::new("unknown key")).to_string(),
            "environment variable MCP_PROXY_X: x: unknown key"
        );
        assert_eq!(Problem::new(Place::Flag("--port"), "listen.port", Fault::new("bad")).to_string(), "--port: bad");
    }
}
