//! A11 on real file systems: full, and read-only. Each test mounts a small one of its own, which takes root.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that fails may panic")]

mod support;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use http::StatusCode;
use mcp_proxy::model::time::Clock;
use mcp_proxy_sandbox::Sandbox;
use support::person::{authorize_url, follow};
use support::prerequisites::{Need, lacks};
use support::program::{Program, command, finish};
use support::{PATIENCE, Proxy, sandbox};
use tempfile::TempDir;

/// A small file system in memory, mounted over the place where a proxy keeps its logins.
struct Disk(PathBuf);

impl Disk {
    fn mounted(state: &Path) -> Self {
        let logins = state.join("logins");
        std::fs::create_dir_all(&logins).unwrap();
        run("mount", &["-t", "tmpfs", "-o", "size=64k,mode=700", "tmpfs", logins.to_str().unwrap()]);
        Self(logins)
    }

    fn remount(&self, option: &str) {
        run("mount", &["-o", &format!("remount,{option}"), self.0.to_str().unwrap()]);
    }

    /// Fills it to the last byte.
    fn fill(&self) {
        let filler = vec![0; 256 * 1024];
        assert!(std::fs::write(self.0.join("filler"), filler).is_err(), "it is larger than it should be");
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        // Lazily: what the daemon still has open must not keep the directory from being removed.
        let _ = Command::new("umount").args(["-l", self.0.to_str().unwrap()]).status();
    }
}

fn run(program: &str, args: &[&str]) {
    let output = Command::new(program).args(args).output().unwrap();
    assert!(output.status.success(), "{program} {args:?}: {}", String::from_utf8_lossy(&output.stderr));
}

async fn served(proxy: &Proxy) -> bool {
    proxy.post("/lab/echo", "{}").await.0 == StatusCode::OK
}

fn not_durable(proxy: &Proxy) -> Option<String> {
    let conditions = proxy.daemon.health.conditions();
    conditions.into_iter().find(|known| known.name == "token-not-durable").map(|known| known.reason)
}

/// A signed-in proxy whose logins are on a file system of their own.
async fn on_a_disk(sandbox: &Sandbox) -> (Proxy, Disk, Arc<TempDir>) {
    let state = support::state_dir();
    let disk = Disk::mounted(state.path());
    let proxy = Proxy::start_with(sandbox, "", Clock::system(), state.clone()).await;
    proxy.sign_in(sandbox).await;
    (proxy, disk, state)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_keeps_nobody_from_anything_and_the_audit_trail_goes_on_when_there_is_room() {
    const TEST: &str = "a_full_disk_keeps_nobody_from_anything_and_the_audit_trail_goes_on_when_there_is_room";
    if lacks(TEST, Need::Mount) {
        return;
    }
    let sandbox = sandbox().await;
    let (state, trail) = (support::state_dir(), support::state_dir());
    let disk = Disk::mounted(trail.path());
    let file = disk.0.join("audit.jsonl");
    let more = format!("[log]\naudit_file = {file:?}\n");
    let proxy = Proxy::start_with(&sandbox, &more, Clock::system(), state).await;
    proxy.sign_in(&sandbox).await;
    assert!(served(&proxy).await);
    let health = proxy.daemon.health.clone();
    let raised = || health.conditions().into_iter().find(|known| known.name == "audit-not-written");
    let mut changes = health.changes();
    disk.fill();
    // A block may have room left: then some more records fit.
    let requests = async {
        let mut served_meanwhile = 1;
        while raised().is_none() {
            assert!(served(&proxy).await, "requests go on");
            served_meanwhile += 1;
        }
        served_meanwhile
    };
    let count = tokio::time::timeout(PATIENCE, requests).await.expect("a condition is raised");
    let reason = raised().unwrap().reason;
    assert!(reason.contains("No space left") && reason.contains("audit.jsonl"), "{reason}");
    assert!(served(&proxy).await);
    std::fs::remove_file(disk.0.join("filler")).unwrap();
    let over = changes.wait_for(|_| raised().is_none());
    tokio::time::timeout(PATIENCE, over).await.expect("it is tried again").unwrap();
    proxy.stop().await;
    let text = std::fs::read_to_string(&file).unwrap();
    let paths = text.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).expect(line)["path"].clone());
    assert_eq!(paths.filter(|path| path == "/lab/echo").count(), count + 1, "nothing is lost, and every line is whole");
}

/// Renews while nothing can be saved, lets saving work again with `mend`, and starts anew from what is on disk.
async fn goes_on_and_recovers(sandbox: &Sandbox, proxy: Proxy, says: &str, mend: impl FnOnce()) {
    let cloud = sandbox.cloud();
    cloud.revoke_access_tokens();
    assert!(served(&proxy).await, "requests go on with the token that could not be saved");
    let reason = not_durable(&proxy).expect("a condition is raised");
    assert!(reason.contains(says) && reason.contains("logins"), "{reason}");
    let mut changes = proxy.daemon.health.changes();
    mend();
    let saved = async {
        while not_durable(&proxy).is_some() {
            changes.changed().await.unwrap();
        }
    };
    tokio::time::timeout(PATIENCE, saved).await.expect("saving is tried again");
    let state = proxy.stop().await;
    let again = Proxy::start_with(sandbox, "", Clock::system(), state).await;
    assert!(served(&again).await);
    assert_eq!(cloud.counts().refreshes, 1, "the renewed token is the one on disk");
    again.stop().await;
}

#[tokio::test]
async fn a11_a_full_disk_costs_no_request_and_no_login() {
    if lacks("a11_a_full_disk_costs_no_request_and_no_login", Need::Mount) {
        return;
    }
    let sandbox = sandbox().await;
    let (proxy, disk, _state) = on_a_disk(&sandbox).await;
    disk.fill();
    goes_on_and_recovers(&sandbox, proxy, "No space left", || disk.remount("size=1m")).await;
}

#[tokio::test]
async fn a11_a_read_only_disk_costs_no_request_and_no_login() {
    if lacks("a11_a_read_only_disk_costs_no_request_and_no_login", Need::Mount) {
        return;
    }
    let sandbox = sandbox().await;
    let (proxy, disk, _state) = on_a_disk(&sandbox).await;
    disk.remount("ro");
    goes_on_and_recovers(&sandbox, proxy, "Read-only file system", || disk.remount("rw")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a11_a_sign_out_ends_the_login_that_could_not_be_saved_too() {
    if lacks("a11_a_sign_out_ends_the_login_that_could_not_be_saved_too", Need::Mount) {
        return;
    }
    let (sandbox, state) = (sandbox().await, support::state_dir());
    let disk = Disk::mounted(state.path());
    let with_control = |args: &[&str]| {
        let mut command = command(&sandbox, state.path(), "", args);
        command.env("MCP_PROXY_CONTROL__SOCKET", state.path().join("control.sock"));
        command
    };
    let mut daemon = Program::start(with_control(&["serve"]));
    let address = daemon.line("Listen: ").replace("Listen: ", "");
    let mut login = Program::start(with_control(&["login", "--no-browser"]));
    follow(&sandbox.approve(&authorize_url(&mut login)).unwrap()).await;
    assert_eq!(login.end().0, 0);
    disk.fill();
    let cloud = sandbox.cloud();
    cloud.revoke_access_tokens();
    assert_eq!(follow(&format!("http://{address}/lab/echo")).await.0, StatusCode::OK);
    daemon.line("token-not-durable");

    let out = finish(with_control(&["logout", "--revoke"]));
    assert_eq!((out.code, cloud.counts().revocations), (0, 1), "{}{}", out.stdout, out.stderr);
    assert_eq!(cloud.revoke_grants(), 0, "the grant is ended");
    let status = finish(with_control(&["status"]));
    assert_eq!(status.code, 77, "{}", status.stdout);
    assert!(status.stdout.contains("login-required") && !status.stdout.contains("not-durable"), "{}", status.stdout);
    daemon.signal("TERM");
    assert_eq!(daemon.end().0, 0);
}
