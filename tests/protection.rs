//! What the program takes from others and from itself, seen from outside: nobody looks into its memory, it leaves no core
//! file, makes no file that others can read, and writes only where it keeps something.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that fails may panic")]
#![allow(clippy::disallowed_methods, reason = "a test has a clock of its own")]

mod support;

use std::os::unix::fs::{FileTypeExt, PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::Command;

use support::person::sign_in;
use support::prerequisites::{Need, lacks};
use support::program::{Program, bare, command, finish};
use support::systemd::Manager;
use support::{sandbox, state_dir};

const STRANGER: u32 = 54_321;

/// A field of `/proc/PID/status`.
fn status(pid: u32, field: &str) -> String {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix(&format!("{field}:"))).unwrap_or_default();
    line.trim().to_owned()
}

/// As a user that is not root, in no group but its own.
fn as_user(uid: u32, command: &Command) -> Command {
    let mut setpriv = Command::new("setpriv");
    setpriv.args(["--clear-groups", &format!("--reuid={uid}"), &format!("--regid={uid}")]);
    setpriv.arg(command.get_program()).args(command.get_args()).env_clear();
    setpriv.env("PATH", std::env::var_os("PATH").unwrap_or_default());
    setpriv.envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
    setpriv
}

/// What its owner sees of a process: each of these tells what its memory holds, or leads there.
fn looked_into(uid: u32, pid: u32) -> Vec<(String, bool)> {
    let mut looks: Vec<(String, bool)> = Vec::new();
    for file in ["environ", "maps", "mem", "auxv", "fd/0"] {
        let mut dd = Command::new("dd");
        dd.arg(format!("if=/proc/{pid}/{file}")).args(["of=/dev/null", "bs=1", "count=1", "skip=0"]);
        // The first page of memory is nobody's: what counts is whether the file may be opened.
        let output = as_user(uid, &dd).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        looks.push((file.to_owned(), !said.contains("Permission denied")));
    }
    looks
}

#[tokio::test(flavor = "multi_thread")]
async fn no_other_process_of_its_user_looks_into_its_memory() {
    if lacks("no_other_process_of_its_user_looks_into_its_memory", Need::OtherUsers) {
        return;
    }
    let (sandbox, directory) = (sandbox().await, state_dir());
    let program = directory.path().join("mcp-proxy");
    std::fs::copy(bare(&[]).get_program(), &program).unwrap();
    let serve = command(&sandbox, directory.path(), "", &["serve"]);
    chown(directory.path(), Some(STRANGER), Some(STRANGER)).unwrap();
    let readable = |path: &Path| std::fs::set_permissions(path, PermissionsExt::from_mode(0o644)).unwrap();
    readable(&directory.path().join("mcp-proxy.toml"));
    let ca = directory.path().join("ca.pem");
    std::fs::copy(sandbox.ca_file(), &ca).unwrap();
    readable(&ca);
    let mut own = Command::new(program);
    own.args(serve.get_args()).env("MCP_PROXY_NETWORK__EXTRA_CA_FILE", ca);
    let mut daemon = Program::start(as_user(STRANGER, &own));
    daemon.line("Listen: ");
    assert_eq!(status(daemon.id(), "Uid"), format!("{STRANGER}\t{STRANGER}\t{STRANGER}\t{STRANGER}"));
    let mut sleep = Command::new("sleep");
    sleep.arg("60");
    let mut other = as_user(STRANGER, &sleep).spawn().unwrap();
    // Until it is the other user's.
    while status(other.id(), "Name") != "sleep" {
        std::thread::yield_now();
    }
    let open = |looks: Vec<(String, bool)>| -> Vec<String> {
        looks.into_iter().filter(|(_, open)| *open).map(|(file, _)| file).collect()
    };
    let usual = open(looked_into(STRANGER, other.id()));
    other.kill().unwrap();
    other.wait().unwrap();
    assert!(usual.contains(&"mem".to_owned()) && usual.contains(&"environ".to_owned()), "as usual: {usual:?}");
    assert_eq!(open(looked_into(STRANGER, daemon.id())), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crash_leaves_no_core_file() {
    let (sandbox, directory) = (sandbox().await, state_dir());
    let mut serve = command(&sandbox, directory.path(), "", &["serve"]);
    serve.current_dir(directory.path());
    let mut daemon = Program::start(serve);
    daemon.line("Listen: ");
    let limits = std::fs::read_to_string(format!("/proc/{}/limits", daemon.id())).unwrap();
    let core: Vec<&str> =
        limits.lines().find(|line| line.starts_with("Max core")).unwrap().split_whitespace().collect();
    assert_eq!(core[4..6], ["0", "0"]);
    daemon.signal("ABRT");
    use std::os::unix::process::ExitStatusExt;
    let ended = daemon.wait();
    assert_eq!((ended.signal(), ended.core_dumped()), (Some(6), false));
    let cores = std::fs::read_dir(directory.path()).unwrap().flatten();
    let cores: Vec<_> = cores.filter(|entry| entry.file_name().to_string_lossy().starts_with("core")).collect();
    assert!(cores.is_empty(), "{cores:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_file_is_its_own_whatever_the_umask_and_sockets_have_their_mode() {
    let (sandbox, directory) = (sandbox().await, state_dir());
    sign_in(&sandbox, directory.path(), &[]).await;
    let serve = command(&sandbox, directory.path(), "", &["serve"]);
    // With the most careless umask there is.
    let mut careless = Command::new("/bin/sh");
    careless
        .args(["-c", "umask 000 && exec \"$0\" \"$@\""])
        .arg(serve.get_program())
        .args(serve.get_args())
        .env_clear();
    careless.envs(serve.get_envs().filter_map(|(name, value)| Some((name, value?))));
    let at = |name: &str| directory.path().join(name);
    careless.env("MCP_PROXY_CONTROL__SOCKET", at("control.sock")).env("MCP_PROXY_LOG__AUDIT_FILE", at("audit.jsonl"));
    careless.env("MCP_PROXY_LISTEN__UNIX", at("open.sock")).env("MCP_PROXY_LISTEN__UNIX_MODE", "0666");
    let mut daemon = Program::start(careless);
    daemon.line("Listen: ");
    daemon.line("Available Servers");
    assert_eq!(status(daemon.id(), "Umask"), "0077");
    let mode = |name: &str| std::fs::metadata(at(name)).unwrap().permissions().mode() & 0o777;
    assert_eq!([mode("control.sock"), mode("open.sock"), mode("audit.jsonl")], [0o660, 0o666, 0o600]);
    let mut incident = command(&sandbox, directory.path(), "", &["incident"]);
    incident.env("MCP_PROXY_CONTROL__SOCKET", at("control.sock"));
    assert_eq!(finish(incident).code, 0);
    let mut directories: Vec<PathBuf> = vec![at("logins"), at("catalogue")];
    while let Some(directory) = directories.pop() {
        for entry in std::fs::read_dir(directory).into_iter().flatten().flatten() {
            let found = entry.metadata().unwrap();
            assert!(!found.file_type().is_socket() && found.permissions().mode() & 0o077 == 0, "{entry:?}");
            if found.is_dir() {
                directories.push(entry.path());
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_writes_only_where_it_keeps_something_and_works_as_before() {
    let (sandbox, directory) = (sandbox().await, state_dir());
    sign_in(&sandbox, directory.path(), &[]).await;
    let (manager, elsewhere) = (Manager::new(), tempfile::tempdir().unwrap());
    let mut serve = command(&sandbox, directory.path(), "", &["serve"]);
    manager.listens_to(&mut serve);
    serve.env("MCP_PROXY_LOG__LEVEL", "info,mcp_proxy=debug");
    let mut daemon = Program::start(serve);
    let line = daemon.line("files are written: ");
    if line.contains("NotHere") {
        println!("SKIPPED a_service_writes_only_where_it_keeps_something_and_works_as_before: {line}");
        return;
    }
    assert!(line.contains("To([") && line.contains(directory.path().parent().unwrap().to_str().unwrap()), "{line}");
    assert!(!line.contains("\"/\""), "{line}");
    manager.wait_for("READY=1");
    assert_eq!(status(daemon.id(), "NoNewPrivs"), "1");
    // A reload may name files that nobody knew of.
    let file = directory.path().join("mcp-proxy.toml");
    let ca = elsewhere.path().join("new-ca.pem");
    std::fs::copy(sandbox.ca_file(), &ca).unwrap();
    let text =
        std::fs::read_to_string(&file).unwrap().replace(sandbox.ca_file().to_str().unwrap(), ca.to_str().unwrap());
    std::fs::write(&file, text).unwrap();
    daemon.signal("HUP");
    daemon.line("in force: network.extra_ca_file");
    daemon.signal("TERM");
    assert_eq!(daemon.end().0, 0);
}
