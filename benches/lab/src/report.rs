//! The table: printed, and as a document.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::{self, Display, Write};
use std::fs;
use std::process::Command;

use crate::candidate::Kind;
use crate::figures::{Figures, Line, median};
use crate::plan::Which;

/// What a run found.
#[derive(Debug)]
pub struct Report {
    figures: Figures,
    versions: Vec<(Kind, String)>,
    rounds: usize,
    crowd: usize,
}

const NOTES: &str = "\
How it was measured: each candidate is a process of its own on one CPU; load and upstream (TLS 1.3, HTTP/1.1 and
HTTP/2, ECDSA P-256, 128 streams for each HTTP/2 connection) share another one. The candidates take turns round by
round. A cell is the median of the rounds; in brackets the median of the ratios to nginx in the same round, with the
least and the greatest one. CPU is the time that all threads of all processes of a candidate were on a CPU (the
scheduler's clock), the writing of logs included; times of answers include load and upstream, and depend on what else
the machine does.

- nginx: one worker, kept connections, resumed TLS sessions, no buffering of requests and answers, access log
  (`combined`, each line as it comes).
- haproxy: one thread, connections always reused, HTTP log to a file; once with HTTP/1.1 and once with HTTP/2 to the
  upstream.
- naive hyper: a relay of 80 lines, with no credential, rule, log, limit or timer: what hyper, tokio and rustls cost.
- mcp-proxy: the release build with its shipped defaults: policy, audit and metrics are on. The token comes from a
  systemd credential, so that no cloud is needed. Outside systemd the log goes to standard error, here a file, as the
  others' do; to the journal it costs more.
- mcp-proxy, open: the same build with `access.others = \"anyone\"`, which asks nobody who calls. mcp-proxy, rules: the same
  with a `[[client]]` known by its user, a limit and `blocked_tools`, for which each body is read. The three beside each
  other show what rules cost. (Connections are kept, so who calls is asked once for each of them.)
- Calls are POSTs of 150 bytes that are answered with 200. Events come one each millisecond, on streams one each second.
  \"Afterwards\" is three seconds after the clients left; kept connections to an upstream over HTTP/2 are sockets too.
- Changes: every 250 ms a new token and a reload, under 500 calls per second. Restart: one in four seconds of such calls;
  the socket stays open, as with socket activation, and who connects meanwhile waits in it.
";

impl Report {
    pub(crate) fn new(figures: Figures, versions: Vec<(Kind, String)>, rounds: usize, crowd: usize) -> Self {
        Self { figures, versions, rounds, crowd }
    }

    /// The whole document: what was measured on what, the table, and how to read it.
    pub fn document(&self) -> String {
        format!(
            "# Benchmarks\n\nWritten by `make bench`; what was done about these figures is told in \
             [PERFORMANCE.md](PERFORMANCE.md).\n\n{self}\n{NOTES}"
        )
    }

    /// The names of what has failed at mcp-proxy, if anything.
    pub fn failures(&self) -> Vec<String> {
        let failed = self.figures.lines().filter(|(_, line, _)| matches!(line, Line::Failed | Line::StreamsLeft));
        let ours = failed.filter_map(|(which, _, values)| {
            let count: f64 = values.get(&Kind::McpProxy)?.iter().sum();
            (count > 0.0).then(|| format!("{which:?}: {count}"))
        });
        ours.collect()
    }

    fn title(&self, which: Which) -> String {
        let title = match which {
            Which::One => "one connection, small POST",
            Which::Many => "64 connections, small POST",
            Which::Large => "64 KiB both ways, 16 connections",
            Which::Events => "answers of 20 events, 64 connections",
            Which::Idle => "1,000 streams",
            // A limit of open files may allow no more.
            Which::Crowd => return format!("{} streams", self.crowd),
            Which::Mixed => "300 streams and 500 calls/s",
            Which::Start => "start",
            Which::Change => "new tokens and reloads",
            Which::Restart => "a restart",
        };
        title.to_owned()
    }

    /// How many lines the table has.
    pub fn lines(&self) -> usize {
        self.figures.lines().count()
    }
}

impl Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}\n", machine())?;
        for (kind, version) in self.versions.iter().filter(|(_, version)| !version.is_empty()) {
            writeln!(f, "- {}: {version}", kind.title())?;
        }
        writeln!(f, "- rounds: {}\n", self.rounds)?;
        let kinds: BTreeSet<Kind> = self.figures.lines().flat_map(|(_, _, values)| values.keys().copied()).collect();
        let mut header = String::from("| Scenario | Figure |");
        let mut rule = String::from("|---|---|");
        for kind in &kinds {
            write!(header, " {} |", kind.title())?;
            rule.push_str("--:|");
        }
        writeln!(f, "{header}\n{rule}")?;
        let mut last = None;
        for (which, line, values) in self.figures.lines() {
            if matches!(line, Line::Failed | Line::StreamsLeft) && values.values().flatten().all(|count| *count == 0.0)
            {
                continue;
            }
            let scenario = if last == Some(which) { String::new() } else { self.title(which) };
            last = Some(which);
            write!(f, "| {scenario} | {} |", line.title())?;
            for kind in &kinds {
                write!(f, " {} |", cell(*kind, values))?;
            }
            writeln!(f)?;
        }
        Ok(())
    }
}

fn cell(kind: Kind, values: &BTreeMap<Kind, Vec<f64>>) -> String {
    let Some(own) = values.get(&kind) else { return String::new() };
    let shown = number(median(own));
    let Some(nginx) = values.get(&Kind::Nginx).filter(|_| kind != Kind::Nginx) else { return shown };
    let ratios: Vec<f64> = own.iter().zip(nginx).filter(|(_, nginx)| **nginx > 0.0).map(|(own, of)| own / of).collect();
    let (least, most) = (ratios.iter().copied().fold(f64::MAX, f64::min), ratios.iter().copied().fold(0.0, f64::max));
    match ratios.len() {
        0 => shown,
        1 => format!("{shown} ({least:.2})"),
        _ => format!("{shown} ({:.2}; {least:.2}–{most:.2})", median(&ratios)),
    }
}

fn number(value: f64) -> String {
    match value {
        value if value >= 1000.0 => format!("{value:.0}"),
        value if value >= 100.0 => format!("{value:.0}"),
        value => format!("{value:.1}"),
    }
}

/// What it ran on, and when.
fn machine() -> String {
    let cpuinfo = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpuinfo.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let kernel = kernel.split('-').next().unwrap_or_default().trim().to_owned();
    let date = Command::new("date").arg("+%Y-%m-%d").output().map(|output| output.stdout).unwrap_or_default();
    let cpus = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let cpus = cpuinfo.lines().filter(|line| line.starts_with("processor")).count().max(cpus);
    format!(
        "{}, {} with {cpus} CPUs, Linux {kernel}.",
        String::from_utf8_lossy(&date).trim(),
        model.map_or("a machine", |(_, model)| model),
    )
}
