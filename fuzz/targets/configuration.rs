//! The configuration: a TOML text becomes legal settings, or problems that a person can find.

#![no_main]

use std::fs;
use std::path::PathBuf;
use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use mcp_proxy::config::problem::Place;
use mcp_proxy::config::{Inputs, load};

/// What stands where a secret might; no problem may repeat it.
const SECRET: &str = "hunter2hunter2";

/// A directory of this process.
static MAIN_FILE: LazyLock<PathBuf> = LazyLock::new(|| {
    let directory = std::env::temp_dir().join(format!("mcp-proxy-fuzz-configuration-{}", std::process::id()));
    fs::create_dir_all(&directory).expect("a directory can be made");
    directory.join("mcp-proxy.toml")
});

fuzz_target!(|text: &str| {
    // The one place of the secret is the value of a key that looks like one.
    if text.contains(SECRET) {
        return;
    }
    let text = text.replace("password = \"\"", &format!("password = \"{SECRET}\""));
    fs::write(&*MAIN_FILE, &text).expect("it can be written");
    let environment = vec![("HOME".into(), "/home/a".into())];
    let inputs = Inputs { environment, main_file: MAIN_FILE.clone(), uid: 1000, ..Inputs::default() };
    match load(&inputs) {
        Ok(loaded) => {
            assert!(!text.contains(SECRET), "a secret was taken");
            let mut mounts: Vec<&str> = loaded.settings.upstreams.iter().map(|one| one.proxy.mount.as_str()).collect();
            assert!(mounts.iter().all(|mount| mount.starts_with('/')), "{mounts:?}");
            mounts.sort_unstable();
            mounts.dedup();
            assert_eq!(mounts.len(), loaded.settings.upstreams.len(), "a mount is there twice");
            assert!(loaded.settings.proxy.max_connections > 0);
            assert_eq!(load(&inputs).as_ref(), Ok(&loaded), "twice is not once");
        }
        Err(problems) => {
            assert!(!problems.is_empty());
            for problem in problems {
                let said = problem.to_string();
                assert!(!said.contains(SECRET), "{said}");
                assert!(!said.contains(char::is_control), "{said:?}");
                if let Place::File { at: Some((line, column)), .. } = problem.place {
                    let lines: Vec<&str> = text.split('\n').collect();
                    let in_line = line.checked_sub(1).and_then(|line| lines.get(line));
                    let length = in_line.unwrap_or_else(|| panic!("no line {line}: {said}")).chars().count();
                    assert!((1..=length + 1).contains(&column), "no column {column}: {said}");
                }
            }
        }
    }
});
