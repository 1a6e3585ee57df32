//! `mcp-proxy check-config`: is the configuration right, and where does each value come from?

use crate::cli::exit::Exit;
use crate::cli::{error_line, say};
use crate::config::Loaded;
use crate::net::identity::Identity;

/// Says what was read. Problems were reported before this is called, apart from those of files that a configuration names
/// and only a listener reads.
pub(super) fn run(loaded: &Loaded) -> Exit {
    if let Some(Err(error)) = loaded.settings.tls.as_ref().map(|tls| Identity::read(&tls.identity)) {
        error_line(&error.to_string());
        return Exit::Config;
    }
    say("The configuration is valid.");
    match loaded.files.as_slice() {
        [] => say("No file was read."),
        files => files.iter().for_each(|file| say(&format!("read {}", file.display()))),
    }
    for (key, place) in &loaded.places {
        say(&format!("{key}: from {place}"));
    }
    Exit::Ok
}
