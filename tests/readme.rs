//! What the documents say is so: flags, commands, exit codes, examples and links.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test that fails may panic")]

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use mcp_proxy::config::{Inputs, keys, load};

fn read(path: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).expect(path)
}

/// Every document, by its path in the tree.
fn documents() -> Vec<String> {
    let docs = fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs")).unwrap();
    let docs = docs.map(|entry| format!("docs/{}", entry.unwrap().file_name().into_string().unwrap()));
    let found: Vec<String> = ["README.md", "CONTRIBUTING.md"].map(str::to_owned).into_iter().chain(docs).collect();
    assert!(found.len() > 20, "{found:?}");
    found
}

fn run(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_mcp-proxy")).args(args).env_clear().output().unwrap()
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

/// Every line of the shell examples, without `sudo` and without the remark behind it.
fn lines(document: &str) -> Vec<String> {
    let blocks = blocks(document, "sh");
    let lines = blocks.iter().flat_map(|block| block.lines());
    let bare = lines.map(|line| line.split(" #").next().unwrap_or_default().trim().trim_start_matches("sudo "));
    bare.filter(|line| !line.is_empty()).map(str::to_owned).collect()
}

/// Those of them that begin with `program`.
fn commands(document: &str, program: &str) -> Vec<String> {
    lines(document).into_iter().filter(|line| line.split_whitespace().next() == Some(program)).collect()
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
fn each_command_line_is_understood() {
    let mut count = 0;
    for document in &documents() {
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

/// All that is run by a test: what stands in `tests`, in what CI runs, and in the Makefile.
fn run_by_tests(directory: &Path, into: &mut String) {
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if path.is_dir() && name != "node_modules" {
            run_by_tests(&path, into);
        } else if path.is_file() && name != "readme.rs" {
            into.push_str(&String::from_utf8_lossy(&fs::read(&path).unwrap()));
            into.push('\n');
        }
    }
}

/// Command lines of the documents that no test runs as they stand, and why.
const NOT_RUN: &[(&str, &str)] = &[
    ("cargo install --locked --path .", "the tests build the same tree, with the same lock file"),
    ("apt install ./mcp-proxy_*.deb", "tests/systemd/cases/documents.sh reads it from README.md"),
    ("curl http://127.0.0.1:8088/", "tests/systemd/cases/documents.sh reads it from README.md"),
    ("cargo build --profile profiling", "for measuring by hand"),
    (
        "target/release/mcp-proxy-lab run --only many --candidates nginx,mcp-proxy --binary target/profiling/mcp-proxy",
        "for measuring by hand; tests/lab.rs plays the same scenarios, small",
    ),
    (
        "claude mcp add --transport http NAME http://127.0.0.1:8088/accounts/1234/custom/NAME/id/ID/mcp",
        "the application is not here; the line is what client-config prints, which a test holds",
    ),
    (
        "npx @modelcontextprotocol/inspector --cli --config mcp.json --server NAME --method tools/list",
        "tests/client_config.rs runs the same program, installed by its lock file",
    ),
    ("ssh -L 8089:/run/mcp-proxy/control.sock server.example", "tests/ui.rs makes such a tunnel without ssh"),
    (
        "jq -c 'select(.verdict == \"refused\") | [.time, .address, .client_name, .rule]' /var/log/mcp-proxy/audit.jsonl",
        "jq is needed by nothing else; the fields are tested",
    ),
    (
        "jq -r 'select(.event == \"request\") | .calls[]? | .name' /var/log/mcp-proxy/audit.jsonl | sort | uniq -c",
        "jq is needed by nothing else; the fields are tested",
    ),
    (
        "journalctl -u mcp-proxy VERDICT=refused -o json --output-fields=CLIENT,CLIENT_NAME,RULE,PATH",
        "a longer form of the line of docs/TEAM.md; the fields are tested",
    ),
    ("systemctl status mcp-proxy", "tests/systemd/cases/documents.sh reads it from README.md"),
];

/// `mcp-proxy` and `make` are looked at above and below; everything else must be run somewhere.
#[test]
fn every_other_command_line_is_run_by_a_test() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut run = read("Makefile") + &read(".ci/run");
    run_by_tests(&root.join("tests"), &mut run);
    let mut unknown = Vec::new();
    let mut left_out: BTreeSet<&str> = NOT_RUN.iter().map(|(line, _)| *line).collect();
    for document in &documents() {
        for line in lines(document) {
            let first = line.split_whitespace().next().unwrap();
            let listed = left_out.remove(line.as_str()) || NOT_RUN.iter().any(|(known, _)| *known == line);
            if !["mcp-proxy", "make"].contains(&first) && !listed && !run.contains(&line) {
                unknown.push(format!("{document}: {line}"));
            }
        }
    }
    assert!(unknown.is_empty(), "no test runs these:\n{}", unknown.join("\n"));
    assert!(left_out.is_empty(), "no document has these: {left_out:?}");
}

#[test]
fn each_make_target_exists() {
    let makefile = read("Makefile");
    for document in &documents() {
        for line in commands(document, "make") {
            let target = line.split_whitespace().nth(1).unwrap_or("help").to_owned();
            assert!(makefile.lines().any(|line| line.starts_with(&format!("{target}:"))), "{document}: {line}");
        }
    }
    assert!(!commands("README.md", "make").is_empty());
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
    for document in &documents() {
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
    let examples: Vec<(String, String)> = documents()
        .into_iter()
        .flat_map(|document| blocks(&document, "toml").into_iter().map(move |text| (document.clone(), text)))
        .collect();
    assert!(examples.len() > 10, "{examples:?}");
    for (document, text) in examples {
        let directory = tempfile::tempdir().unwrap();
        let main_file = directory.path().join("mcp-proxy.toml");
        fs::write(&main_file, &text).unwrap();
        let environment = vec![("HOME".into(), "/home/a".into())];
        let loaded = load(&Inputs { main_file, environment, uid: 0, ..Inputs::default() });
        assert!(loaded.is_ok(), "{document}: {text}: {:?}", loaded.err());
    }
}

#[test]
fn examples_in_json_are_json() {
    for document in &documents() {
        for text in blocks(document, "json") {
            let parsed: Result<serde_json::Value, _> = serde_json::from_str(&text);
            assert!(parsed.is_ok(), "{document}: {text}: {parsed:?}");
        }
    }
}
