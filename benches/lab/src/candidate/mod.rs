//! The candidates, each configured as those who know it would for this traffic, and started fresh.

mod haproxy;
mod nginx;
mod own;

use std::fs::File;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use rustix::net::listen;

use crate::cpus::Cpus;
use crate::load::Target;
use crate::process::Process;

pub(crate) use self::own::write_token;

/// How long a candidate may take to listen.
const START: Duration = Duration::from_secs(10);
/// How often it is asked whether it does.
const LOOK: Duration = Duration::from_micros(200);
/// What stands in the token file at first.
pub(crate) const TOKEN: &str = "lab-token-0";

/// Who stands between the load and the upstream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, clap::ValueEnum)]
pub enum Kind {
    /// nginx, with its access log as Debian sets it up.
    Nginx,
    /// haproxy, with HTTP/1.1 to the upstream.
    Haproxy,
    /// haproxy, with HTTP/2 to the upstream.
    HaproxyH2,
    /// hyper on both sides, and nothing between: no log, no rules, no limits.
    Naive,
    /// mcp-proxy.
    McpProxy,
    /// The same build, that lets everybody do everything.
    McpProxyOpen,
    /// The same build, with a client that has rules about tools.
    McpProxyRules,
    /// Nobody: straight to the upstream.
    Direct,
}

impl Kind {
    /// All that can be measured.
    pub const ALL: [Self; 8] = [
        Self::Nginx,
        Self::Haproxy,
        Self::HaproxyH2,
        Self::Naive,
        Self::McpProxy,
        Self::McpProxyOpen,
        Self::McpProxyRules,
        Self::Direct,
    ];

    /// Those that are mcp-proxy with other rules: what these cost is seen in small calls.
    pub(crate) fn is_for_small_calls(self) -> bool {
        matches!(self, Self::McpProxyOpen | Self::McpProxyRules)
    }

    /// What the table calls it.
    pub(crate) fn title(self) -> &'static str {
        match self {
            Self::Nginx => "nginx",
            Self::Haproxy => "haproxy",
            Self::HaproxyH2 => "haproxy, h2",
            Self::Naive => "naive hyper",
            Self::McpProxy => "mcp-proxy",
            Self::McpProxyOpen => "mcp-proxy, open",
            Self::McpProxyRules => "mcp-proxy, rules",
            Self::Direct => "direct",
        }
    }
}

/// Where candidates find each other.
pub(crate) struct Place {
    /// A directory that lasts as long as the run.
    pub(crate) directory: PathBuf,
    pub(crate) upstream: SocketAddr,
    pub(crate) authority: PathBuf,
    /// The release build of mcp-proxy.
    pub(crate) binary: PathBuf,
    /// This program, which is the naive relay too.
    pub(crate) relay: PathBuf,
    pub(crate) cpus: Cpus,
    /// How many streams the limit of open files allows.
    pub(crate) most_streams: usize,
}

/// A candidate that runs.
pub(crate) struct Candidate {
    pub(crate) kind: Kind,
    pub(crate) process: Process,
    pub(crate) target: Target,
    /// Where its files are.
    pub(crate) directory: PathBuf,
    /// How long it took to listen.
    pub(crate) began: Instant,
}

impl Candidate {
    /// Starts it and waits until it listens.
    pub(crate) fn start(kind: Kind, place: &Place) -> anyhow::Result<Self> {
        let (directory, address) = (own_directory(kind, place)?, free_address()?);
        let mut command = match kind {
            Kind::Nginx => nginx::command(&directory, address, place)?,
            Kind::Haproxy => haproxy::command(&directory, address, place, "http/1.1")?,
            Kind::HaproxyH2 => haproxy::command(&directory, address, place, "h2")?,
            Kind::Naive => {
                let mut command = Command::new(&place.relay);
                command.arg("relay").arg(address.to_string()).arg(place.upstream.to_string()).arg(&place.authority);
                command
            }
            Kind::McpProxy => own::command(&directory, address, place, "")?,
            Kind::McpProxyOpen => own::command(&directory, address, place, own::NO_RULES)?,
            Kind::McpProxyRules => own::command(&directory, address, place, &own::rules(&directory)?)?,
            Kind::Direct => bail!("nothing is started for it"),
        };
        command.stdin(Stdio::null());
        Self::run(kind, command, directory, address, place)
    }

    /// Starts mcp-proxy with a socket that listens already.
    pub(crate) fn start_with(socket: &Socket, place: &Place) -> anyhow::Result<Self> {
        let (kind, address) = (Kind::McpProxy, socket.0.local_addr()?);
        let directory = own_directory(kind, place)?;
        let command = own::with_socket(&own::command(&directory, address, place, "")?, &socket.0)?;
        Self::run(kind, command, directory, address, place)
    }

    fn run(
        kind: Kind,
        mut command: Command,
        directory: PathBuf,
        address: SocketAddr,
        place: &Place,
    ) -> anyhow::Result<Self> {
        let (out, err) = (log(&directory, "out.log")?, log(&directory, "err.log")?);
        command.stdout(out).stderr(err);
        let program = command.get_program().to_string_lossy().into_owned();
        let began = Instant::now();
        let child = place.cpus.as_candidate(|| command.spawn().with_context(|| missing(&program)))?;
        let mut process = Process::new(child);
        while TcpStream::connect(address).is_err() {
            if let Some(status) = process.ended()? {
                bail!("{} ended with {status}: {}", kind.title(), said(&directory));
            }
            if began.elapsed() > START {
                bail!("{} does not listen: {}", kind.title(), said(&directory));
            }
            std::thread::sleep(LOOK);
        }
        Ok(Self { kind, process, target: Target { address, tls: None }, directory, began })
    }
}

/// A socket that outlives the candidates that serve it.
pub(crate) struct Socket(TcpListener);

impl Socket {
    pub(crate) fn open() -> anyhow::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        // As many may wait in it as in a socket of systemd.
        listen(&listener, 4096)?;
        Ok(Self(listener))
    }
}

fn own_directory(kind: Kind, place: &Place) -> anyhow::Result<PathBuf> {
    let directory = place.directory.join(format!("{kind:?}").to_lowercase());
    std::fs::create_dir_all(&directory)?;
    Ok(directory)
}

fn missing(program: &str) -> String {
    format!("cannot run {program}. Install it (apt-get install nginx-light haproxy), or leave it out (--candidates)")
}

/// What it has said so far.
fn said(directory: &Path) -> String {
    let logs = ["err.log", "out.log"].map(|name| std::fs::read_to_string(directory.join(name)).unwrap_or_default());
    logs.concat()
}

fn log(directory: &Path, name: &str) -> anyhow::Result<File> {
    Ok(File::options().create(true).append(true).open(directory.join(name))?)
}

/// An address that nobody listens on; the kernel gives no number twice in a short time.
fn free_address() -> anyhow::Result<SocketAddr> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?)
}

/// What the programs say of their own version.
pub(crate) fn version(kind: Kind, place: &Place) -> String {
    let (program, argument) = match kind {
        Kind::Nginx => ("nginx".into(), "-v"),
        Kind::Haproxy | Kind::HaproxyH2 => ("haproxy".into(), "-v"),
        Kind::McpProxy => (place.binary.clone(), "--version"),
        Kind::Naive | Kind::McpProxyOpen | Kind::McpProxyRules | Kind::Direct => return String::new(),
    };
    let said = Command::new(program).arg(argument).output().map(|output| [output.stdout, output.stderr].concat());
    let said = said.map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default();
    let line = said.lines().next().unwrap_or("unknown").trim_start_matches("nginx version: ");
    line.split(" - ").next().unwrap_or(line).to_owned()
}
