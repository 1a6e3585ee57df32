//! Opens the person's browser, where there is one.

use std::process::Stdio;

use tokio::process::{Child, Command};

use crate::daemon::{Environment, limits};
use crate::model::language::Language;
use crate::model::service_manager;
use crate::phrase::sign_in;

/// Why no browser was opened.
#[derive(Debug)]
pub(super) enum NoBrowser {
    /// There is no graphical session.
    NoSession,
    /// The opener cannot be run.
    NotRunnable {
        /// The program.
        program: String,
        /// The system's answer.
        source: std::io::Error,
    },
}

impl NoBrowser {
    /// Why, for a person.
    pub(super) fn in_words(&self, language: Language) -> String {
        match self {
            Self::NoSession => sign_in::NO_GRAPHICAL_SESSION.text(language).to_owned(),
            Self::NotRunnable { program, source } => {
                sign_in::OPENER_NOT_RUNNABLE.fill(language, &[("program", program), ("why", source)])
            }
        }
    }
}

/// Asks the desktop to open `url`. The child ends by itself once the browser has it.
pub(super) fn open(url: &str, environment: &Environment) -> Result<Child, NoBrowser> {
    let set = |name: &str| environment.get(name).filter(|value| !value.is_empty());
    let program = match set("BROWSER") {
        // The variable may list several, separated by colons; the first is the person's first choice.
        Some(browsers) => browsers.split(':').next().unwrap_or("xdg-open").to_owned(),
        None if set("DISPLAY").is_some() || set("WAYLAND_DISPLAY").is_some() => "xdg-open".to_owned(),
        None => return Err(NoBrowser::NoSession),
    };
    let mut command = Command::new(&program);
    for name in service_manager::VARIABLES {
        command.env_remove(name);
    }
    command.arg(url).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    limits::with_given_umask(|| command.spawn()).map_err(|source| NoBrowser::NotRunnable { program, source })
}
