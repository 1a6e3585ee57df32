//! Which CPU does what: the candidate has one to itself, load and upstream share another.

use anyhow::Context;
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

/// The two CPUs.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Cpus {
    candidate: usize,
    load: usize,
}

impl Cpus {
    /// The first two that this process may use; where there is one, all share it, and times say little.
    pub(crate) fn choose() -> anyhow::Result<Self> {
        let allowed = sched_getaffinity(None).context("cannot ask for the CPUs of this process")?;
        let mut usable = (0..CpuSet::MAX_CPU).filter(|cpu| allowed.is_set(*cpu));
        match (usable.next(), usable.next()) {
            (Some(candidate), Some(load)) => Ok(Self { candidate, load }),
            (Some(only), None) => {
                eprintln!("there is one CPU, for the candidate and for load and upstream");
                Ok(Self { candidate: only, load: only })
            }
            _ => anyhow::bail!("the system names no CPU that this process may use"),
        }
    }

    /// This thread makes load from now on.
    pub(crate) fn load(self) -> anyhow::Result<()> {
        pin(self.load)
    }

    /// What `start` starts runs on the candidate's CPU: a child inherits the CPUs of the thread that made it.
    pub(crate) fn as_candidate<T>(self, start: impl FnOnce() -> anyhow::Result<T>) -> anyhow::Result<T> {
        pin(self.candidate)?;
        let started = start();
        pin(self.load)?;
        started
    }
}

fn pin(cpu: usize) -> anyhow::Result<()> {
    let mut set = CpuSet::new();
    set.set(cpu);
    sched_setaffinity(None, &set).with_context(|| format!("cannot run on CPU {cpu} alone"))
}
