//! The log: one line per event, to the journal where that is what standard error leads to, else to standard error.
//! Neither can hold up who logs (`queue`).

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tracing::level_filters::{LevelFilter, STATIC_MAX_LEVEL};
use tracing_subscriber::filter::Directive;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Registry, reload};

use crate::observe::outlet;
use crate::observe::queue::{self, Lines, Queue};

/// Libraries whose finest lines may hold headers or bodies; they say no more than this, whatever the level.
const QUIET: [&str; 6] = ["h2=info", "hyper=info", "hyper_util=info", "reqwest=info", "rustls=info", "tower=info"];

/// How long the last lines may take to be written when the program ends.
const LAST_LINES: Duration = Duration::from_secs(1);

/// What the log can be told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// A level (`info`) or directives (`info,mcp_proxy=debug`), in the syntax of `tracing_subscriber`'s `EnvFilter`.
    pub level: String,
    /// How many routine requests have lines in each second ([`routine`](crate::observe::routine)).
    pub routine_per_second: u32,
    /// The file of the audit trail.
    pub audit_file: Option<PathBuf>,
}

/// The log of the program. Dropped last: that is when the lines under way are waited for.
#[derive(Debug)]
pub struct Log {
    level: reload::Handle<EnvFilter, Registry>,
    lines: Arc<Lines>,
}

/// Begins to log. Called once, first.
///
/// # Errors
/// When the level cannot be understood, the log was begun before, or the system gives no thread.
pub fn begin(settings: &Settings) -> Result<Log, String> {
    let (filter, level) = reload::Layer::new(filter(settings)?);
    let lines = Arc::new(Lines::default());
    let (outlet, why_not_the_journal) = outlet::open();
    let queue = Queue::new(lines.clone());
    queue::take_made_lines(&lines, outlet.form());
    lines.clone().write_to(outlet).map_err(|error| format!("cannot log: {error}"))?;
    tracing_subscriber::registry().with(filter).with(queue).try_init().map_err(|error| error.to_string())?;
    if let Some(error) = why_not_the_journal {
        tracing::warn!("the journal cannot be reached, so the log has no fields there: {error}");
    }
    Ok(Log { level, lines })
}

impl Log {
    /// Changes the level from now on.
    ///
    /// # Errors
    /// When it cannot be understood; then it stays as it was.
    pub fn set_level(&self, settings: &Settings) -> Result<(), String> {
        self.level.reload(filter(settings)?).map_err(|error| error.to_string())
    }
}

/// How many lines were lost since the start, because what takes the log was too slow.
pub fn lost() -> u64 {
    queue::lost()
}

impl Drop for Log {
    fn drop(&mut self) {
        self.lines.wait_until_written(LAST_LINES);
    }
}

fn filter(settings: &Settings) -> Result<EnvFilter, String> {
    let level = at_most(STATIC_MAX_LEVEL, &settings.level);
    let filter = EnvFilter::try_new(level).map_err(|error| format!("log.level: {error}"))?;
    let quiet = QUIET.iter().filter_map(|directive| directive.parse::<Directive>().ok());
    Ok(quiet.fold(filter, EnvFilter::add_directive))
}

/// The same directives, none of which asks for more than this build can say: of that, the filter would tell a person in
/// words for programmers, past the log.
fn at_most(most: LevelFilter, directives: &str) -> String {
    let less = |directive: &str| {
        let (target, level) = directive.split_at(directive.rfind('=').map_or(0, |equals| equals + 1));
        match level.parse::<LevelFilter>() {
            Ok(level) if level > most => format!("{target}{most}"),
            _ => directive.to_owned(),
        }
    };
    directives.split(',').map(less).collect::<Vec<_>>().join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_asked_for_that_the_build_cannot_say() {
        let asked = "info,mcp_proxy=trace,hyper::proto=TRACE,h2=debug,trace=off,trace";
        let most = "info,mcp_proxy=debug,hyper::proto=debug,h2=debug,trace=off,debug";
        assert_eq!(at_most(LevelFilter::DEBUG, asked), most);
        assert_eq!(at_most(LevelFilter::TRACE, asked), asked);
    }
}
