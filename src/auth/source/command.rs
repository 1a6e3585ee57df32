//! A command that prints a token. It is run without a shell, in a process group of its own, for a limited time.

use std::process::Stdio;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::io::AsyncReadExt;
use tokio::process::{Child, Command};
use zeroize::Zeroizing;

use crate::auth::credential::TokenAnswer;
use crate::auth::source::text;
use crate::model::time::{Now, in_words};

/// No token is longer.
const LONGEST: u64 = 64 * 1024;

/// The command.
#[derive(Debug)]
pub struct TokenCommand {
    pub(super) line: Vec<String>,
    pub(super) timeout: Duration,
}

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

impl TokenCommand {
    pub(super) fn program(&self) -> &str {
        self.line.first().map_or("", String::as_str)
    }

    pub(super) async fn run(&self, now: Now) -> Result<TokenAnswer, String> {
        let program = self.program();
        let mut child = Command::new(program)
            .args(self.line.iter().skip(1))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            // What it says there may hold secrets; a person who runs it by hand sees it.
            .stderr(Stdio::null())
            .process_group(0)
            .kill_on_drop(true)
            .spawn()
            .map_err(|error| format!("cannot run the token command {program}: {error}"))?;
        let group = Group(child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw));
        let finished = tokio::time::timeout(self.timeout, finish(&mut child)).await;
        drop(group);
        let (status, output) = finished
            .map_err(|_| format!("the token command {program} took longer than {}", in_words(self.timeout)))?
            .map_err(|error| format!("the token command {program} failed: {error}"))?;
        if !status.success() {
            return Err(format!("the token command {program} ended with {status}; run it by hand to see why"));
        }
        text::parse(&output, now).map_err(|why| format!("what the token command {program} prints {why}"))
    }
}

async fn finish(child: &mut Child) -> std::io::Result<(std::process::ExitStatus, Zeroizing<String>)> {
    let mut output = Zeroizing::new(String::new());
    if let Some(stdout) = child.stdout.take() {
        stdout.take(LONGEST).read_to_string(&mut output).await?;
    }
    Ok((child.wait().await?, output))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::time::{Mono, Wall};

    async fn run(line: &[&str], timeout: Duration) -> Result<String, String> {
        let now = Now { wall: Wall::from_unix_seconds(0), mono: Mono::from_start(Duration::ZERO) };
        let command = TokenCommand { line: line.iter().map(|word| (*word).to_owned()).collect(), timeout };
        command.run(now).await.map(|answer| answer.access_token.expose().to_owned())
    }

    #[tokio::test]
    async fn what_it_prints_is_the_token() {
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
        // Nobody tells us of the end of a child's child, and a killed one may stay for a moment as a zombie.
        let runs = || {
            let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
            stat.contains("(sleep)") && !stat.contains(") Z")
        };
        for _ in 0..1000 {
            if !runs() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        panic!("process {pid} goes on");
    }
}
