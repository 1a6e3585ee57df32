//! Runs a foreign command for what it prints: without a shell, in a process group of its own, for a limited time.

use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::io::AsyncReadExt;
use tokio::process::{Child, Command};
use zeroize::Zeroizing;

use crate::model::service_manager;
use crate::model::time::in_words;

/// No token and no key is longer, in bytes.
const LONGEST: u64 = 64 * 1024;

/// Ends the whole process group, children of the command too, when the run is over or given up.
struct Group(Option<Pid>);

impl Drop for Group {
    fn drop(&mut self) {
        if let Some(group) = self.0 {
            // Usually nothing is left of it.
            let _ = kill_process_group(group, Signal::KILL);
        }
    }
}

/// What `line` (the program and its arguments) prints, as far as 64 KiB. `what` names it in errors: `token command`.
///
/// # Errors
/// A sentence, without anything that the command printed, when it cannot be run, fails, or runs longer than `timeout`.
pub async fn output(what: &str, line: &[String], timeout: Duration) -> Result<Zeroizing<String>, String> {
    let program = line.first().map_or("", String::as_str);
    let mut command = Command::new(program);
    for name in service_manager::VARIABLES {
        command.env_remove(name);
    }
    let mut child = command
        .args(line.iter().skip(1))
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        // What it says there may hold secrets; a person who runs it by hand sees it.
        .stderr(Stdio::null())
        .process_group(0)
        .kill_on_drop(true)
        .spawn()
        .map_err(|error| format!("cannot run the {what} {program}: {error}"))?;
    let group = Group(child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw));
    let finished = tokio::time::timeout(timeout, finish(&mut child)).await;
    drop(group);
    let (status, output) = finished
        .map_err(|_| format!("the {what} {program} took longer than {}", in_words(timeout)))?
        .map_err(|error| format!("the {what} {program} failed: {error}"))?;
    if !status.success() {
        return Err(format!("the {what} {program} ended with {status}; run it by hand to see why"));
    }
    Ok(output)
}

async fn finish(child: &mut Child) -> std::io::Result<(ExitStatus, Zeroizing<String>)> {
    let mut output = Zeroizing::new(String::new());
    if let Some(stdout) = child.stdout.take() {
        stdout.take(LONGEST).read_to_string(&mut output).await?;
    }
    Ok((child.wait().await?, output))
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn run(line: &[&str], timeout: Duration) -> Result<String, String> {
        let line: Vec<String> = line.iter().map(|word| (*word).to_owned()).collect();
        output("token command", &line, timeout).await.map(|text| text.trim().to_owned())
    }

    #[tokio::test]
    async fn what_it_prints_is_the_answer() {
        let patience = Duration::from_secs(10);
        assert_eq!(run(&["/bin/echo", "abc"], patience).await, Ok("abc".into()));
        assert_eq!(run(&["/bin/echo", "$HOME"], patience).await, Ok("$HOME".into()), "there is no shell");
        assert!(run(&["/bin/false"], patience).await.unwrap_err().contains("run it by hand"));
        assert!(run(&["/no/such/program"], patience).await.unwrap_err().contains("cannot run"));
    }

    #[tokio::test]
    async fn it_is_ended_with_its_children_when_it_takes_too_long() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("pid");
        let script = format!("sleep 1000 & echo $! > {}; wait", file.display());
        let error = run(&["/bin/sh", "-c", &script], Duration::from_millis(500)).await.unwrap_err();
        assert!(error.contains("took longer"), "{error}");
        let pid: i32 = std::fs::read_to_string(file).unwrap().trim().parse().unwrap();
        let stat = || std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        // A killed child of somebody else's lives until it is scheduled, and may stay for a moment as a zombie.
        let lives = || stat().contains("(sleep)") && !stat().contains(") Z");
        let end = async {
            while lives() {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        assert!(tokio::time::timeout(Duration::from_secs(10), end).await.is_ok(), "{}", stat());
    }
}
