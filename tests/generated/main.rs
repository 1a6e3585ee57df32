//! The man pages and completions that packages carry, and the reference of the metrics, made from what the program itself
//! knows: the definition of its command line, the tables of its keys and metrics, and the documents. They are committed, so
//! that a package needs no generator.
//!
//! The test fails when a committed file differs. `make generate` writes them anew.

#![expect(clippy::unwrap_used, reason = "a test that fails may panic")]

mod metrics;
mod pages;
mod reference;
mod roff;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use clap_complete::Shell;
use mcp_proxy::cli;

const DIRECTORIES: [&str; 2] = ["packaging/man", "packaging/completions"];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Every generated file, by its path in the tree.
fn generated() -> BTreeMap<PathBuf, String> {
    let [man, completions] = DIRECTORIES.map(PathBuf::from);
    let mut files: BTreeMap<PathBuf, String> =
        pages::all().into_iter().map(|(name, text)| (man.join(name), text)).collect();
    for (shell, name) in [(Shell::Bash, "mcp-proxy.bash"), (Shell::Zsh, "_mcp-proxy"), (Shell::Fish, "mcp-proxy.fish")]
    {
        let mut text = Vec::new();
        clap_complete::generate(shell, &mut cli::definition(), "mcp-proxy", &mut text);
        files.insert(completions.join(name), String::from_utf8(text).unwrap());
    }
    files.insert(PathBuf::from(metrics::DOCUMENT), metrics::document());
    files.insert(PathBuf::from(reference::DOCUMENT), reference::document());
    files
}

/// Every committed file, by its path in the tree.
fn committed() -> BTreeMap<PathBuf, String> {
    let documents = [metrics::DOCUMENT, reference::DOCUMENT];
    let documents =
        documents.map(|path| (PathBuf::from(path), fs::read_to_string(root().join(path)).unwrap_or_default()));
    let entries = DIRECTORIES.iter().flat_map(|directory| fs::read_dir(root().join(directory)).unwrap());
    entries
        .map(|entry| entry.unwrap().path())
        .map(|path| (path.strip_prefix(root()).unwrap().to_owned(), fs::read_to_string(&path).unwrap()))
        .chain(documents)
        .collect()
}

#[test]
fn what_is_committed_is_what_the_program_says() {
    let generated = generated();
    if std::env::var_os("WRITE_GENERATED").is_some() {
        for path in committed().keys().filter(|path| !generated.contains_key(*path)) {
            fs::remove_file(root().join(path)).unwrap();
        }
        for (path, text) in &generated {
            fs::write(root().join(path), text).unwrap();
        }
    }
    let committed = committed();
    let differs = |path: &&PathBuf| committed.get(*path) != generated.get(*path);
    let stale: Vec<_> = generated.keys().chain(committed.keys()).filter(differs).collect();
    assert!(stale.is_empty(), "not what the program says any more: {stale:?}; run: make generate");
}
