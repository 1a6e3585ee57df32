//! What this layer can be told.

use std::path::PathBuf;
use std::time::Duration;

/// A source of tokens that needs no person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TokenSource {
    /// Read this file, and again when it changes.
    File(PathBuf),
    /// Run this program with these arguments, without a shell.
    Command {
        /// The program and its arguments; at least the program.
        line: Vec<String>,
        /// How long it may take.
        timeout: Duration,
    },
}
