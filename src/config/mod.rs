//! Layer 3, from text to settings: the only place that knows TOML, variable names and defaults.
//!
//! A later layer wins: built-in defaults, the main file, `conf.d/*.toml` beside it in the order of their
//! names, the environment (`MCP_PROXY_*`, `__` nests), flags. [`load`] reads all of them and either
//! returns settings that hold only legal values, or *every* problem at once, each with its place.
//!
//! Reading order: `keys` (what can be set), `settings` (what comes out), `layers` (how it is put
//! together), `resolve` (how it is judged).

mod file;
pub mod keys;
mod layer;
mod layers;
mod people;
pub mod problem;
mod raw;
mod resolve;
pub mod settings;
pub mod text;
pub(crate) mod units;
mod values;

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::{OsStr, OsString};
use std::fmt;
use std::path::PathBuf;

use crate::config::problem::{Place, Problem};
use crate::config::settings::Settings;
use crate::config::text::Flags;

/// The main file when nobody names another.
pub const MAIN_FILE: &str = "/etc/mcp-proxy/mcp-proxy.toml";

/// Everything that the configuration depends on; nothing else is looked at but the files.
#[derive(Clone, Default)]
pub struct Inputs {
    /// The command line.
    pub flags: Flags,
    /// The whole environment: our own variables, and those that say where state and home are.
    pub environment: Vec<(OsString, OsString)>,
    /// The main file unless a flag or variable names another: [`MAIN_FILE`]. It need not exist.
    pub main_file: PathBuf,
    /// The effective user id: root keeps its state elsewhere.
    pub uid: u32,
}

impl fmt::Debug for Inputs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The environment may hold secrets: its names are all that may be printed.
        let names: Vec<&OsStr> = self.environment.iter().map(|(name, _)| name.as_os_str()).collect();
        f.debug_struct("Inputs")
            .field("flags", &self.flags)
            .field("environment", &names)
            .field("main_file", &self.main_file)
            .field("uid", &self.uid)
            .finish()
    }
}

impl Inputs {
    /// The main file, whether it is there or not; `conf.d` is beside it.
    pub fn main(&self) -> PathBuf {
        layers::main_file(self).0
    }

    /// The value of a variable, unless it is empty.
    fn variable(&self, name: &str) -> Option<&OsStr> {
        let found = self.environment.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| value.as_os_str()).filter(|value| !value.is_empty())
    }
}

/// What came of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Loaded {
    /// Only legal values.
    pub settings: Settings,
    /// The files that were read, lowest layer first.
    pub files: Vec<PathBuf>,
    /// Where each value that is not a default came from, by dotted path.
    pub places: BTreeMap<String, Place>,
    /// Every value that is set or has a default, by dotted path, in a form that is good for comparing alone.
    values: BTreeMap<String, String>,
}

impl Loaded {
    /// The dotted paths of the keys whose values are others in `newer`.
    pub fn changed(&self, newer: &Self) -> BTreeSet<String> {
        let paths = self.values.keys().chain(newer.values.keys());
        paths.filter(|path| self.values.get(*path) != newer.values.get(*path)).cloned().collect()
    }
}

/// Reads all layers.
///
/// # Errors
/// Every problem there is: first those of the files, in their order; never an empty list.
pub fn load(inputs: &Inputs) -> Result<Loaded, Vec<Problem>> {
    let mut gathered = layers::gather(inputs);
    let mut problems = std::mem::take(&mut gathered.problems);
    let raw = gathered.raw.take();
    let settings = raw.and_then(|raw| resolve::resolve(inputs, &raw, &gathered, &mut problems));
    match settings {
        Some(settings) if problems.is_empty() => {
            Ok(Loaded { settings, files: gathered.files, places: gathered.places, values: gathered.values })
        }
        _ => {
            problems.sort_by_key(|problem| rank(&problem.place, &gathered.files));
            Err(problems)
        }
    }
}

/// The order of problems: layer by layer, within a file from top to bottom.
fn rank(place: &Place, files: &[PathBuf]) -> (usize, Option<(usize, usize)>) {
    match place {
        Place::File { path, at } => (files.iter().position(|file| file == path).unwrap_or(files.len()), *at),
        Place::Variable(_) => (files.len() + 1, None),
        Place::Flag(_) => (files.len() + 2, None),
        Place::BuiltIn => (files.len() + 3, None),
    }
}

#[cfg(test)]
mod tests;
