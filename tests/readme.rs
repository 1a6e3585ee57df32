//! What the documents say is so: flags, commands, exit codes, examples and links.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test that fails may panic")]

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use mcp_proxy::config::{Inputs, keys, load};

const DOCUMENTS: [&str; 14] = [
    "README.md",
    "docs/ARCHITECTURE.md",
    "docs/CLIENTS.md",
    "docs/CLIENT_RULES.md",
    "docs/CLIENT_GRANTS.md",
    "docs/CONTROL.md",
    "docs/DOCTOR.md",
    "docs/METRICS.md",
    "docs/OPERATING.md",
    "docs/STATUS.md",
    "docs/SYSTEMD.md",
    "docs/TRANSPARENCY.md",
    "docs/UI.md",
    "CONTRIBUTING.md",
];

fn read(path: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).expect(path)
}

fn run(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_mcp-proxy")).args(args).env_clear().output().unwrap()
}

fn help() -> String {
    String::from_utf8(run(&["--help"]).stdout).unwrap()
}

/// The fenced blocks of one language.
fn blocks(document: &str, language: &str) -> Vec<String> {
    let (mut found, mut inside) = (Vec::new(), None::<String>);
    for line in read(document).lines() {
        match (&mut inside, line.strip_prefix("```")) {
            (None, Some(name)) if name == language => inside = Some(String::new()),
            (Some(_), Some(_)) => found.extend(inside.take()),
            (Some(block), None) => {
                block.push_str(line);
                block.push('\n');
            }
            (None, _) => {}
        }
    }
    found
}

/// Every command line of the shell examples that begins with `program`.
fn commands(document: &str, program: &str) -> Vec<String> {
    let lines: Vec<String> =
        blocks(document, "sh").iter().flat_map(|block| block.lines().map(str::to_owned).collect::<Vec<_>>()).collect();
    lines.into_iter().filter(|line| line.split_whitespace().next() == Some(program)).collect()
}

/// The first cells of the table under the heading that begin with a backquoted `prefix`, up to the first blank.
fn first_cells(document: &str, heading: &str, prefix: &str) -> BTreeSet<String> {
    let text = read(document);
    let section = text.split(&format!("\n## {heading}\n")).nth(1).expect(heading).split("\n## ").next().unwrap();
    let cells = section.lines().filter_map(|line| line.strip_prefix("| "));
    let words = cells.filter_map(|rest| rest.trim_start_matches('`').split([' ', '`']).next());
    words.filter(|word| word.starts_with(prefix)).map(str::to_owned).collect()
}

#[test]
fn the_table_has_every_flag_and_no_other() {
    let help = help();
    let known: BTreeSet<String> = help
        .split_whitespace()
        .filter(|word| word.starts_with("--"))
        .map(str::to_owned)
        .filter(|flag| !["--help", "--version"].contains(&flag.as_str()))
        .collect();
    assert_eq!(first_cells("README.md", "Commands and flags", "--"), known);
}

#[test]
fn the_table_has_every_command_and_no_other() {
    let help = help();
    let section = help.split("Commands:\n").nth(1).unwrap().split("\n\n").next().unwrap();
    let known: BTreeSet<String> = section
        .lines()
        // Two blanks before a name; what goes on from the line above stands further in.
        .filter_map(|line| line.strip_prefix("  ")?.split(' ').next())
        .filter(|name| !name.is_empty() && *name != "help")
        .map(str::to_owned)
        .collect();
    let mut named = first_cells("README.md", "Commands and flags", "");
    named.retain(|word| !word.starts_with("--") && word.chars().next().is_some_and(char::is_lowercase));
    assert_eq!(named, known);
}

#[test]
fn each_command_line_is_understood() {
    let mut count = 0;
    for document in DOCUMENTS {
        for line in commands(document, "mcp-proxy") {
            let mut args: Vec<&str> = line.split_whitespace().skip(1).collect();
            if args.contains(&"generate") || args.contains(&"doctor") {
                // The one reads no configuration and would make the file; the other goes on without a configuration.
                args.push("--help");
                assert!(run(&args).status.success(), "{document}: {line}");
            } else {
                // Nothing happens without the configuration, which is read when the line was understood.
                args.extend(["--config", "/no/such/file"]);
                let said = String::from_utf8(run(&args).stderr).unwrap();
                assert!(said.starts_with("mcp-proxy: /no/such/file: "), "{document}: {line}: {said}");
                assert_eq!(said.lines().count(), 1, "{document}: {line}: {said}");
            }
            count += 1;
        }
    }
    assert!(count >= 10, "only {count} examples were found");
}

#[test]
fn each_make_target_exists() {
    let makefile = read("Makefile");
    for document in DOCUMENTS {
        for line in commands(document, "make") {
            let target = line.split_whitespace().nth(1).unwrap_or("help").to_owned();
            assert!(makefile.lines().any(|line| line.starts_with(&format!("{target}:"))), "{document}: {line}");
        }
    }
    assert!(!commands("README.md", "make").is_empty());
}

#[test]
fn the_exit_codes_are_those_of_the_program() {
    let source = read("src/cli/exit.rs");
    let codes = source.lines().filter_map(|line| line.split_once(" = ")?.1.strip_suffix(','));
    let known: BTreeSet<String> = codes.filter(|code| code.parse::<u8>().is_ok()).map(str::to_owned).collect();
    assert!(known.len() > 5, "{known:?}");
    let mut named = first_cells("README.md", "Exit codes", "");
    named.retain(|word| word.parse::<u8>().is_ok());
    assert_eq!(named, known);
}

/// The texts in quotes that look like names of conditions, in the code of every file that raises one.
fn raised(directory: &Path) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(raised(&path));
            continue;
        }
        let text = fs::read_to_string(&path).unwrap();
        let code = text.split("#[cfg(test)]").next().unwrap();
        if !["health.raise(", "health.remind("].iter().any(|call| code.contains(call)) {
            continue;
        }
        let quoted = code.lines().flat_map(|line| line.split('"').skip(1).step_by(2));
        let is_name = |text: &&str| text.contains('-') && text.chars().all(|c| c.is_ascii_lowercase() || c == '-');
        found.extend(quoted.filter(is_name).map(str::to_owned));
    }
    found
}

#[test]
fn every_condition_is_documented_and_no_other() {
    let raised = raised(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"));
    assert!(raised.len() >= 4, "{raised:?}");
    let mut named = first_cells("docs/OPERATING.md", "Conditions", "");
    named.retain(|word| word.contains('-') && word.chars().any(char::is_alphabetic));
    assert_eq!(named, raised);
}

#[test]
fn every_key_that_a_reload_puts_in_force_is_documented_and_no_other() {
    let mut named = first_cells("docs/OPERATING.md", "Under systemd", "");
    named.retain(|word| keys::KEYS.iter().any(|key| key.path == word));
    assert_eq!(named, keys::LIVE.iter().map(|path| (*path).to_owned()).collect());
}

#[test]
fn links_lead_to_files_that_are_there() {
    for document in DOCUMENTS {
        let text = read(document);
        for target in text.split("](").skip(1).filter_map(|rest| rest.split([')', '#']).next()) {
            if !target.is_empty() && !target.contains("://") {
                let root = Path::new(env!("CARGO_MANIFEST_DIR"));
                let path = root.join(document).parent().unwrap().join(target);
                assert!(path.exists(), "{document} links to {target}");
            }
        }
    }
}

#[test]
fn examples_of_configuration_are_correct() {
    let examples = blocks("README.md", "toml");
    assert!(!examples.is_empty());
    for text in examples {
        let directory = tempfile::tempdir().unwrap();
        let main_file = directory.path().join("mcp-proxy.toml");
        fs::write(&main_file, &text).unwrap();
        let environment = vec![("HOME".into(), "/home/a".into())];
        let loaded = load(&Inputs { main_file, environment, uid: 0, ..Inputs::default() });
        assert!(loaded.is_ok(), "{text}: {:?}", loaded.err());
    }
}

#[test]
fn examples_in_json_are_json() {
    for document in DOCUMENTS {
        for text in blocks(document, "json") {
            let parsed: Result<serde_json::Value, _> = serde_json::from_str(&text);
            assert!(parsed.is_ok(), "{document}: {text}: {parsed:?}");
        }
    }
}
