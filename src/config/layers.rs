//! Puts the layers on top of each other: defaults, main file, `conf.d`, environment, flags.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};

use figment::Figment;

use crate::config::Inputs;
use crate::config::file;
use crate::config::keys::{Fallback, KEYS};
use crate::config::layer::{Layer, upstream_of};
use crate::config::problem::{Fault, Place, Problem};
use crate::config::raw::Raw;
use crate::config::text::{self, DEFAULT_UPSTREAM};

/// Names the main file, unless `--config` does.
const CONFIG_VARIABLE: &str = "MCP_PROXY_CONFIG";

/// All layers as one, and what was found wrong on the way.
#[derive(Debug)]
pub(crate) struct Gathered {
    /// Right types; absent only if the layers could not be put together.
    pub(crate) raw: Option<Raw>,
    /// Where each value that somebody set came from, by path.
    pub(crate) places: BTreeMap<String, Place>,
    /// Every value, defaults too, by path.
    pub(crate) values: BTreeMap<String, String>,
    /// The names of the clients, in the order in which they are tried: that of their first mention.
    pub(crate) clients: Vec<String>,
    /// The files that were read, lowest first.
    pub(crate) files: Vec<PathBuf>,
    /// In the order of the layers.
    pub(crate) problems: Vec<Problem>,
    /// Whether something could not be read at all, so that nothing must be called missing.
    pub(crate) incomplete: bool,
}

/// The main file, and what has named it, if anything has.
pub(crate) fn main_file(inputs: &Inputs) -> (PathBuf, Option<&'static str>) {
    let by_flag = inputs.flags.config.clone().map(|path| (path, Some("--config")));
    let by_variable = || inputs.variable(CONFIG_VARIABLE).map(|path| (path.into(), Some(CONFIG_VARIABLE)));
    by_flag.or_else(by_variable).unwrap_or_else(|| (inputs.main_file.clone(), None))
}

/// Reads and merges every layer.
pub(crate) fn gather(inputs: &Inputs) -> Gathered {
    let mut stack = Stack::default();
    stack.push(defaults());
    stack.files(inputs);
    let named_in_files = stack.layers.iter().any(|layer| !layer.upstreams().is_empty());
    if !named_in_files {
        stack.push(default_upstream());
    }
    let (variables, problems) = text::variables(&inputs.environment);
    stack.problems.extend(problems);
    stack.push(variables);
    let (flags, problems) = text::flags(&inputs.flags);
    stack.problems.extend(problems);
    stack.push_flags(flags);
    stack.gathered()
}

#[derive(Default)]
struct Stack {
    layers: Vec<Layer>,
    files: Vec<PathBuf>,
    problems: Vec<Problem>,
    incomplete: bool,
}

impl Stack {
    fn push(&mut self, layer: Layer) {
        self.layers.push(layer);
    }

    /// Flags change the upstream that the aliyun CLI knows; they do not make one.
    fn push_flags(&mut self, flags: Layer) {
        let known = self.layers.iter().any(|layer| layer.upstreams().contains_key(DEFAULT_UPSTREAM));
        if !known && !self.incomplete {
            for (path, place) in
                flags.places().filter(|(path, place)| upstream_of(path).is_some() && **place != Place::BuiltIn)
            {
                let fault = Fault::new(format!("no upstream is named {DEFAULT_UPSTREAM}"));
                let hint = "this flag applies to that one only; set the key in the file's [[upstream]]";
                self.problems.push(Problem::new(place.clone(), path, fault.hint(hint)));
            }
            return self.layers.push(flags.without_upstreams());
        }
        self.layers.push(flags);
    }

    /// The main file, then `conf.d/*.toml` beside it in the order of their names.
    fn files(&mut self, inputs: &Inputs) {
        let (main, named_by) = main_file(inputs);
        match read(&main) {
            Err(error) if error.kind() == io::ErrorKind::NotFound && named_by.is_none() => {}
            result => self.file(&main, result, named_by),
        }
        let directory = main.parent().unwrap_or(Path::new("")).join("conf.d");
        match files_in(&directory) {
            Ok(paths) => paths.iter().for_each(|path| self.file(path, read(path), None)),
            Err(error) => self.unreadable(&directory, &error, None),
        }
    }

    fn file(&mut self, path: &Path, text: io::Result<String>, named_by: Option<&str>) {
        match text {
            Ok(text) => {
                let read = file::read(path, &text);
                self.files.push(path.to_owned());
                self.problems.extend(read.problems);
                self.incomplete |= read.incomplete;
                self.layers.push(read.layer);
            }
            Err(error) => self.unreadable(path, &error, named_by),
        }
    }

    fn unreadable(&mut self, path: &Path, error: &io::Error, named_by: Option<&str>) {
        self.incomplete = true;
        let what = match error.kind() {
            io::ErrorKind::InvalidData => "the file is not UTF-8 text".to_owned(),
            _ => format!("cannot be read: {error}"),
        };
        let fault = Fault { what, hint: named_by.map(|by| format!("this file is named by {by}")) };
        self.problems.push(Problem::new(Place::File { path: path.to_owned(), at: None }, "", fault));
    }

    fn gathered(mut self) -> Gathered {
        let mut figment = Figment::new();
        let (mut places, mut values) = (BTreeMap::new(), BTreeMap::new());
        let mut clients: Vec<String> = Vec::new();
        for layer in self.layers {
            clients.extend(layer.clients().iter().cloned());
            let set = layer.places().filter(|(_, place)| **place != Place::BuiltIn);
            places.extend(set.map(|(path, place)| (path.to_owned(), place.clone())));
            values.extend(layer.values().map(|(path, value)| (path.to_owned(), value)));
            figment = figment.merge(layer);
        }
        let raw =
            figment.extract::<Raw>().map_err(|errors| {
                // Each layer was held against the table of keys, so this says that the table lacks something.
                self.problems.extend(errors.into_iter().map(|error| {
                    Problem::new(Place::BuiltIn, error.path.join("."), Fault::new(error.kind.to_string()))
                }));
            });
        let mut seen = BTreeSet::new();
        clients.retain(|name| seen.insert(name.clone()));
        let Self { files, problems, incomplete, .. } = self;
        Gathered { raw: raw.ok(), places, values, clients, files, problems, incomplete }
    }
}

fn read(path: &Path) -> io::Result<String> {
    std::fs::read_to_string(path)
}

fn files_in(directory: &Path) -> io::Result<Vec<PathBuf>> {
    let entries = match std::fs::read_dir(directory) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries?,
    };
    let mut paths = Vec::new();
    for entry in entries {
        let name = entry?.file_name();
        // Editors and package managers leave hidden and suffixed files behind.
        if name.to_str().is_some_and(|name| name.ends_with(".toml") && !name.starts_with('.')) {
            paths.push(directory.join(name));
        }
    }
    paths.sort();
    Ok(paths)
}

/// The values of the table of keys.
fn defaults() -> Layer {
    let lines = KEYS.iter().filter_map(|key| match key.default {
        Fallback::Value(value) => Some(format!("{} = {value}\n", key.path)),
        Fallback::Words(_) => None,
    });
    file::read(Path::new("built-in defaults"), &lines.collect::<String>()).layer.built_in()
}

/// The upstream that there is as long as no file lists any.
fn default_upstream() -> Layer {
    let mut layer = Layer::new("default upstream");
    layer.set(format!("upstream.{DEFAULT_UPSTREAM}.name"), DEFAULT_UPSTREAM, Place::BuiltIn);
    layer
}
