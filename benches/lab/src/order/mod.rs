//! Which functions the daemon uses, as a linker script that puts them next to each other: of a page that is used, the
//! kernel maps the fifteen around it too, and three quarters of the program are for others than the daemon.

mod symbol;
mod tree;

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, ensure};

use crate::candidate::Kind;
use crate::order::tree::Tree;
use crate::plan::{Plan, Which};

/// What a daemon does in its life. It is watched closely, and so it does it some fifty times slower.
const LIFE: [Which; 7] =
    [Which::One, Which::Many, Which::Large, Which::Events, Which::Start, Which::Change, Which::Restart];

/// What was used is written down after so many steps of the processor's, as the candidate is killed in the end.
const STEPS: u32 = 5_000_000;

/// Plays the scenarios with the mcp-proxy at `binary` below valgrind, and answers with the linker script.
///
/// # Errors
///
/// If `binary` has no symbols, or is built with those of another kind than `make order` asks for, if valgrind or nm are
/// not there, or if a scenario does not work.
pub fn order(binary: &Path) -> anyhow::Result<String> {
    let binary = binary.canonicalize().with_context(|| format!("{} is not there: make order", binary.display()))?;
    let sizes = sizes(&binary)?;
    let directory = tempfile::tempdir()?;
    let watched = directory.path().join("mcp-proxy");
    let script = format!(
        "#!/bin/sh\nexec valgrind --quiet --tool=callgrind --demangle=no --dump-every-bb={STEPS} \
         --callgrind-out-file={}/%p.used {} \"$@\"\n",
        directory.path().display(),
        binary.display(),
    );
    fs::write(&watched, script)?;
    fs::set_permissions(&watched, Permissions::from_mode(0o755))?;
    let mut plan = Plan::full(watched, 1);
    plan.choose(&LIFE, &[Kind::McpProxy]);
    crate::run(&plan)?;
    let used = used(directory.path())?;
    let mut tree = Tree::default();
    for (name, size) in &sizes {
        tree.add(&symbol::pieces(name), *size, used.contains(name.as_str()));
    }
    ensure!(tree.used() > 0, "valgrind saw no function of {}: is valgrind installed?", binary.display());
    Ok(written(&tree))
}

/// The functions of a program, and how many bytes they have.
fn sizes(binary: &Path) -> anyhow::Result<BTreeMap<String, u64>> {
    let said = Command::new("nm").arg("--print-size").arg(binary).output().context("cannot run nm (binutils)")?;
    let said = String::from_utf8(said.stdout)?;
    let function = |line: &str| {
        let mut words = line.split(' ');
        let (_, size, kind, name) = (words.next()?, words.next()?, words.next()?, words.next()?);
        matches!(kind, "t" | "T" | "w" | "W").then_some(())?;
        Some((name.to_owned(), u64::from_str_radix(size, 16).ok()?))
    };
    let sizes: BTreeMap<_, _> = said.lines().filter_map(function).collect();
    let ours = sizes.keys().any(|name| name.starts_with("_R") && name.contains("9mcp_proxy"));
    ensure!(ours, "{} has no symbols that say which types they are for: make order", binary.display());
    Ok(sizes)
}

/// The names in callgrind's files: `fn=(id) name` where it is mentioned first, with a number after it where it called
/// itself.
fn used(directory: &Path) -> anyhow::Result<BTreeSet<String>> {
    let mut used = BTreeSet::new();
    for file in fs::read_dir(directory)? {
        let path = file?.path();
        if !path.to_string_lossy().contains(".used") {
            continue;
        }
        for line in String::from_utf8_lossy(&fs::read(&path)?).lines() {
            let Some((_, name)) =
                line.strip_prefix('c').unwrap_or(line).strip_prefix("fn=(").and_then(|rest| rest.split_once(") "))
            else {
                continue;
            };
            used.insert(name.split('\'').next().unwrap_or(name).to_owned());
        }
    }
    Ok(used)
}

fn written(tree: &Tree) -> String {
    let mut out = String::from(
        "/* Generated: make order. Functions that the daemon uses, next to each other; what else the program has follows\n   \
         them. `*` stands for what differs from compiler to compiler. A name that is missing, or is no more, costs a\n   \
         page of memory and nothing else. */\n\nSECTIONS\n{\n  .text.used :\n  {\n",
    );
    for pattern in tree.patterns() {
        out.push_str(&format!("    *(.text*.{pattern})\n"));
    }
    out + "  }\n}\nINSERT BEFORE .text;\n"
}
