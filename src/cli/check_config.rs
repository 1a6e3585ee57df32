//! `mcp-proxy check-config`: is the configuration right, and where does each value come from?

use crate::cli::exit::Exit;
use crate::cli::say;
use crate::config::Loaded;

/// Says what was read. Problems were reported before this is called.
pub(super) fn run(loaded: &Loaded) -> Exit {
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
