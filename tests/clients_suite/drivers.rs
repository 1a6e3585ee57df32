//! The scripts of `tests/clients` as child processes.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use tokio::process::Command;

/// A whole flow takes less than half of this on a busy machine.
const PATIENCE: Duration = Duration::from_secs(180);

/// Somebody's client, as it is configured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Client {
    TypeScriptV1,
    TypeScriptV2Legacy,
    TypeScriptV2Auto,
    PythonV1,
    PythonV2Legacy,
    PythonV2Auto,
    FastMcpLegacy,
    FastMcpAuto,
    LangChain,
    Inspector,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Transport {
    Streamable,
    Sse,
    Stdio,
}

/// What a driver said.
#[derive(Debug)]
pub(crate) struct Report {
    pub(crate) passed: Vec<String>,
    pub(crate) skipped: Vec<String>,
    pub(crate) text: String,
}

impl Client {
    /// The revisions that it must arrive at: with a handshake, or from 2026-07-28 on.
    pub(crate) fn era(self) -> &'static str {
        match self {
            Self::TypeScriptV2Auto | Self::PythonV2Auto | Self::FastMcpAuto => "modern",
            _ => "legacy",
        }
    }

    /// The name of what it needs in `missing.txt`, and the file that shows that it is there.
    fn need(self) -> (&'static str, PathBuf) {
        match self {
            Self::TypeScriptV1 | Self::TypeScriptV2Legacy | Self::TypeScriptV2Auto => {
                ("typescript", root().join("tests/clients/typescript/node_modules/@modelcontextprotocol"))
            }
            Self::PythonV1 | Self::LangChain => ("py1", root().join("target/test-clients/py1/bin/python")),
            Self::PythonV2Legacy | Self::PythonV2Auto => ("py2", root().join("target/test-clients/py2/bin/python")),
            Self::FastMcpLegacy | Self::FastMcpAuto => {
                ("fastmcp", root().join("target/test-clients/fastmcp/bin/python"))
            }
            Self::Inspector => ("inspector", root().join("tests/clients/inspector/node_modules/@modelcontextprotocol")),
        }
    }

    fn command(self) -> Command {
        let (name, file) = self.need();
        let mut command = match name {
            "typescript" | "inspector" => Command::new("node"),
            _ => Command::new(file),
        };
        command.arg(root().join("tests/clients").join(match self {
            Self::TypeScriptV1 | Self::TypeScriptV2Legacy | Self::TypeScriptV2Auto => "typescript/flow.mjs",
            Self::PythonV1 | Self::PythonV2Legacy | Self::PythonV2Auto | Self::FastMcpLegacy | Self::FastMcpAuto => {
                "python/flow.py"
            }
            Self::LangChain => "python/langchain_flow.py",
            Self::Inspector => "inspector/flow.mjs",
        }));
        match self {
            Self::TypeScriptV1 | Self::PythonV1 => command.args(["--sdk", "v1"]),
            Self::TypeScriptV2Legacy | Self::PythonV2Legacy => command.args(["--sdk", "v2", "--mode", "legacy"]),
            Self::TypeScriptV2Auto | Self::PythonV2Auto => command.args(["--sdk", "v2", "--mode", "auto"]),
            Self::FastMcpLegacy => command.args(["--sdk", "fastmcp", "--mode", "legacy"]),
            Self::FastMcpAuto => command.args(["--sdk", "fastmcp", "--mode", "auto"]),
            Self::LangChain | Self::Inspector => return command,
        };
        command.args(["--expect-era", self.era()]);
        command
    }
}

/// Runs the driver; panics when a case fails. `None`, after saying so, when the machine cannot run this client.
#[expect(clippy::print_stdout, reason = "whoever runs the tests must see what was not tested")]
pub(crate) async fn run(client: Client, transport: Transport, url: &str, more: &[&str]) -> Option<Report> {
    let (name, file) = client.need();
    if !file.exists() {
        let why = reported_missing(name).unwrap_or_else(|| panic!("{} is missing: run tests/prepare", file.display()));
        println!("SKIPPED {}: {why}", std::thread::current().name().unwrap_or("a test"));
        return None;
    }
    let mut command = client.command();
    command.args(["--url", url]).args(more);
    match transport {
        Transport::Streamable => {}
        Transport::Sse => drop(command.args(["--transport", "sse"])),
        Transport::Stdio => drop(command.args(["--transport", "stdio"])),
    }
    command.env("NO_PROXY", "127.0.0.1").env("no_proxy", "127.0.0.1");
    let output = command.stdin(Stdio::null()).kill_on_drop(true).output();
    let output = tokio::time::timeout(PATIENCE, output).await.expect("the driver ends in time").unwrap();
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    let text = format!("{out}{err}");
    assert!(output.status.success(), "{client:?} over {transport:?}: {}\n{text}", output.status);
    let named = |verdict: &str| {
        let lines = out.lines().filter_map(|line| line.strip_prefix(verdict));
        lines.filter_map(|rest| rest.split_whitespace().next()).map(str::to_owned).collect()
    };
    Some(Report { passed: named("ok "), skipped: named("skip "), text })
}

/// Why `tests/prepare` could not install it.
fn reported_missing(name: &str) -> Option<String> {
    let reported = std::fs::read_to_string(root().join("target/test-clients/missing.txt")).unwrap_or_default();
    let prefix = format!("{name}: ");
    reported.lines().find_map(|line| line.strip_prefix(&prefix)).map(str::to_owned)
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}
