//! What the kernel says of the process, under the names that all programs use for it. What it does not say is left out.

use procfs::process::Process;
use rustix::process::{Resource, getrlimit};

use crate::daemon::metrics::{families, seconds};
use crate::model::time::Wall;
use crate::observe::exposition::Page;

/// Writes it; `began` is when the process started.
pub(super) fn write(page: &mut Page, began: Wall) {
    let process = Process::myself().ok();
    let stat = process.as_ref().and_then(|process| process.stat().ok());
    page.family(&families::PROCESS_START).sample(&[], seconds(began));
    let mut samples = page.family(&families::PROCESS_CPU);
    if let Some(stat) = &stat {
        let ticks = stat.utime.saturating_add(stat.stime);
        samples.sample(&[], ticks as f64 / procfs::ticks_per_second() as f64);
    }
    let mut samples = page.family(&families::PROCESS_RESIDENT);
    if let Some(stat) = &stat {
        samples.sample(&[], stat.rss.saturating_mul(procfs::page_size()));
    }
    let mut samples = page.family(&families::PROCESS_VIRTUAL);
    if let Some(stat) = &stat {
        samples.sample(&[], stat.vsize);
    }
    let mut samples = page.family(&families::PROCESS_OPEN_FDS);
    if let Some(count) = process.as_ref().and_then(|process| process.fd_count().ok()) {
        samples.sample(&[], count);
    }
    let mut samples = page.family(&families::PROCESS_MAX_FDS);
    if let Some(most) = getrlimit(Resource::Nofile).current {
        samples.sample(&[], most);
    }
    let mut samples = page.family(&families::PROCESS_THREADS);
    if let Some(stat) = &stat {
        samples.sample(&[], stat.num_threads);
    }
}
