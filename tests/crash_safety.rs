//! A10: the process is killed at every step of a save, and the login is there afterwards: the old or the new one,
//! whole.
//!
//! The test runs itself as the process to be killed: the same executable, told by a variable at which step to die.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that fails may panic")]

use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use mcp_proxy::auth::credential::{Binding, Credential, Grant};
use mcp_proxy::auth::store::{SealKey, Store};
use mcp_proxy::model::secret::Secret;
use mcp_proxy::model::time::Wall;
use mcp_proxy::model::upstream::UpstreamName;

const DIRECTORY: &str = "CRASH_SAFETY_DIRECTORY";
const DIE_AT: &str = "CRASH_SAFETY_DIE_AT";
const KEY: &str = "CRASH_SAFETY_KEY";
const NOW: Wall = Wall::from_unix_seconds(1_800_000_000);

fn credential(serial: u64) -> Credential {
    Credential {
        binding: Binding {
            site: "CN".into(),
            token_endpoint: "https://oauth.example/".into(),
            account: None,
            client_id: "1".into(),
            client_name: "app".into(),
            scope: "/acs/mcp-server".into(),
        },
        grant: Grant {
            serial,
            // Long enough for a torn write to matter.
            access_token: Secret::new("a".repeat(5000)),
            refresh_token: Some(Secret::new(format!("refresh-{serial}"))),
            obtained_at: NOW,
            expires_at: None,
            refresh_expires_at: None,
        },
    }
}

fn store(directory: &Path, key: Option<&Secret>) -> Store {
    let key = key.map(|text| Arc::new(SealKey::parse(text).unwrap()));
    Store::new(directory, &UpstreamName::parse("alibaba").unwrap(), "CN", "app").sealed_with(key)
}

/// What the killed process does: a renewal's mark, then the save of its answer.
#[test]
fn child() {
    let (Ok(directory), Ok(die_at)) = (std::env::var(DIRECTORY), std::env::var(DIE_AT)) else { return };
    let (die_at, steps) = (die_at.parse::<usize>().unwrap(), AtomicUsize::new(0));
    let key = std::env::var(KEY).ok().map(Secret::new);
    let store = store(Path::new(&directory), key.as_ref()).observed_by(Arc::new(move |_| {
        if steps.fetch_add(1, Ordering::SeqCst) == die_at {
            let _ = signal_hook::low_level::raise(signal_hook::consts::SIGKILL);
        }
    }));
    store.renewal_begins(1).unwrap();
    store.save(&credential(2), NOW).unwrap();
}

fn killed_at(step: usize, directory: &Path, key: Option<&Secret>) -> bool {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "child"]).env(DIRECTORY, directory).env(DIE_AT, step.to_string());
    if let Some(key) = key {
        command.env(KEY, key.expose());
    }
    let output = command.output().unwrap();
    std::os::unix::process::ExitStatusExt::signal(&output.status) == Some(9)
}

fn killed_at_every_step(key: Option<&Secret>) {
    let (mut step, mut found) = (0, [0, 0]);
    loop {
        let directory = tempfile::tempdir().unwrap();
        let store = store(directory.path(), key);
        store.save(&credential(1), NOW).unwrap();
        let killed = killed_at(step, directory.path(), key);
        let saved = store.load().expect("never a truncated file").expect("never no login");
        assert!(saved == credential(1) || saved == credential(2), "killed at step {step}");
        found[usize::from(saved.grant.serial == 2)] += 1;
        if killed && saved.grant.serial == 1 && step > 6 {
            // The server may have answered already: the loss, if it is one, is known.
            assert_eq!(store.unfinished_renewal(), Some(1), "killed at step {step}");
        }
        store.save(&credential(3), NOW).expect("what is left behind is in nobody's way");
        assert_eq!(store.load().unwrap().unwrap(), credential(3));
        if !killed {
            break;
        }
        step += 1;
    }
    assert!(step >= 14, "two files, seven steps each: killed at {step} steps");
    assert!(found[0] >= 10 && found[1] >= 2, "{found:?}");
}

#[test]
fn a10_killed_at_every_step_of_a_save_the_login_survives() {
    killed_at_every_step(None);
}

#[test]
fn a10_the_same_with_an_encrypted_login() {
    killed_at_every_step(Some(&SealKey::generate().unwrap().1));
}
