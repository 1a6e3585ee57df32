//! A candidate's processes, as the kernel sees them (proc(5)).

use std::fs;
use std::path::Path;
use std::process::Child;
use std::time::Duration;

use anyhow::Context;
use rustix::process::{Pid, Signal, kill_process};

/// A process of ours and all that it started. Ends when it is dropped.
#[derive(Debug)]
pub(crate) struct Process {
    child: Child,
}

impl Process {
    pub(crate) fn new(child: Child) -> Self {
        Self { child }
    }

    /// Tells its first process something.
    pub(crate) fn signal(&self, signal: Signal) -> anyhow::Result<()> {
        let pid = Pid::from_child(&self.child);
        kill_process(pid, signal).context("the candidate has ended")
    }

    /// Whether its first process has ended, and how.
    pub(crate) fn ended(&mut self) -> anyhow::Result<Option<std::process::ExitStatus>> {
        Ok(self.child.try_wait()?)
    }

    /// It and its children.
    fn pids(&self) -> Vec<u32> {
        let mut pids = vec![self.child.id()];
        let mut at = 0;
        while let Some(pid) = pids.get(at) {
            let children = threads(*pid).filter_map(|thread| fs::read_to_string(thread.join("children")).ok());
            let children: Vec<u32> =
                children.flat_map(|list| list.split_whitespace().flat_map(str::parse).collect::<Vec<_>>()).collect();
            pids.extend(children);
            at += 1;
        }
        pids
    }

    /// The time that all its threads were on a CPU.
    pub(crate) fn cpu(&self) -> Duration {
        let threads = self.pids().into_iter().flat_map(threads);
        let spent = threads.filter_map(|thread| {
            let clock = fs::read_to_string(thread.join("schedstat")).ok()?;
            clock.split_whitespace().next()?.parse::<u64>().ok()
        });
        Duration::from_nanos(spent.sum())
    }

    /// Its memory in bytes, what is shared with others counted in parts (PSS).
    pub(crate) fn memory(&self) -> u64 {
        let kib = self.pids().into_iter().filter_map(|pid| {
            let rollup = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).ok()?;
            let line = rollup.lines().find_map(|line| line.strip_prefix("Pss:"))?.trim().strip_suffix(" kB")?;
            line.trim().parse::<u64>().ok()
        });
        kib.sum::<u64>() * 1024
    }

    /// How many sockets it has open.
    pub(crate) fn sockets(&self) -> usize {
        let open = self.pids().into_iter().filter_map(|pid| fs::read_dir(format!("/proc/{pid}/fd")).ok()).flatten();
        let links = open.filter_map(|entry| fs::read_link(entry.ok()?.path()).ok());
        links.filter(|link| link.to_string_lossy().starts_with("socket:")).count()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // A service manager would ask first; nothing here is worth the wait. Children notice that their parent is gone.
        let others: Vec<u32> = self.pids().into_iter().skip(1).collect();
        let _ = self.child.kill();
        let _ = self.child.wait();
        for pid in others.into_iter().filter_map(|pid| Pid::from_raw(i32::try_from(pid).ok()?)) {
            let _ = kill_process(pid, Signal::KILL);
        }
    }
}

fn threads(pid: u32) -> impl Iterator<Item = std::path::PathBuf> {
    let tasks = fs::read_dir(Path::new("/proc").join(pid.to_string()).join("task"));
    tasks.into_iter().flatten().filter_map(|entry| Some(entry.ok()?.path()))
}
