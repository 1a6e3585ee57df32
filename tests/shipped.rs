//! What we ship is what we test: the example configuration is complete, correct and says the true defaults.

#![expect(clippy::unwrap_used, reason = "a test that fails may panic")]

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use mcp_proxy::config::keys::{Fallback, KEYS};
use mcp_proxy::config::settings::Settings;
use mcp_proxy::config::{Inputs, load};
use mcp_proxy::proxy::settings::Settings as ProxySettings;

fn example() -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("packaging/mcp-proxy.toml");
    fs::read_to_string(path).unwrap()
}

#[track_caller]
fn parse(text: &str) -> Settings {
    let directory = tempfile::tempdir().unwrap();
    let main_file = directory.path().join("mcp-proxy.toml");
    fs::write(&main_file, text).unwrap();
    let environment = vec![("HOME".into(), "/home/a".into())];
    match load(&Inputs { main_file, environment, uid: 0, ..Inputs::default() }) {
        Ok(loaded) => loaded.settings,
        Err(problems) => panic!("{problems:#?}\n{text}"),
    }
}

/// The line with its key in force, if it is a commented key: `#port = 8088`, but not `# The port`.
fn uncommented(line: &str) -> Option<&str> {
    line.strip_prefix('#').filter(|rest| rest.starts_with(|c: char| c.is_ascii_lowercase() || c == '['))
}

/// Dotted path and value of every example, by the section it stands in.
fn examples(text: &str) -> BTreeMap<String, String> {
    let (mut section, mut found) = (String::new(), BTreeMap::new());
    for line in text.lines() {
        let line = uncommented(line).unwrap_or(line);
        if line.starts_with('[') {
            section = format!("{}.", line.trim_matches(['[', ']']));
        } else if let Some((key, value)) = line.split_once(" = ").filter(|_| !line.starts_with('#')) {
            let twice = found.insert(format!("{section}{key}"), value.to_owned());
            assert_eq!(twice, None, "{section}{key} stands twice");
        }
    }
    found
}

#[test]
fn as_it_stands_the_example_changes_nothing() {
    assert_eq!(parse(&example()), parse(""));
}

#[test]
fn with_every_example_in_force_it_is_correct() {
    let text: String = example().lines().map(|line| format!("{}\n", uncommented(line).unwrap_or(line))).collect();
    let settings = parse(&text);
    assert_eq!(settings.listen, parse("").listen);
    let ProxySettings { allowed_hosts, allowed_origins, .. } = settings.proxy.clone();
    assert_eq!(settings.proxy, ProxySettings { allowed_hosts, allowed_origins, ..parse("").proxy });
    assert_eq!(settings.net.connect_timeout, parse("").net.connect_timeout);
}

#[test]
fn each_example_can_be_put_in_force_alone() {
    let text = example();
    let (before_upstream, _) = text.split_once("#[[upstream]]").unwrap();
    let count = before_upstream.lines().filter(|line| uncommented(line).is_some()).count();
    for chosen in 0..count {
        let mut index = 0;
        let one = before_upstream.lines().map(|line| match uncommented(line) {
            Some(key) => {
                index += 1;
                if index == chosen + 1 { format!("{key}\n") } else { format!("{line}\n") }
            }
            None => format!("{line}\n"),
        });
        parse(&one.collect::<String>());
    }
}

#[test]
fn it_names_every_key_and_no_other() {
    let named: Vec<_> = examples(&example()).into_keys().collect();
    let mut known: Vec<_> = KEYS.iter().map(|key| key.path.to_owned()).collect();
    known.sort_unstable();
    assert_eq!(named, known);
}

#[test]
fn it_says_the_true_defaults() {
    let examples = examples(&example());
    for key in KEYS {
        if let Fallback::Value(value) = key.default {
            assert_eq!(examples[key.path], value, "{}", key.path);
        }
    }
}

#[test]
fn each_key_is_explained_above_it() {
    let text = example();
    let lines: Vec<&str> = text.lines().collect();
    for pair in lines.windows(2).filter(|pair| uncommented(pair[1]).is_some_and(|line| !line.starts_with('['))) {
        assert!(pair[0].starts_with("# "), "nothing above {}", pair[1]);
    }
}
