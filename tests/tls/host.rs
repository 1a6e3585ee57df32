//! A daemon with a listener for TLS, the authority of its certificate, and the server behind it.

use std::fs;
use std::net::SocketAddr;
use std::process::Command;

use tempfile::TempDir;

use crate::authority::{Authority, write};
use crate::client::Begins;
use crate::server::Server;
use crate::support::program::{Finished, Program, bare, finish};

pub(crate) const PING: &str = r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#;

pub(crate) struct Host {
    pub(crate) authority: Authority,
    /// Of the clients.
    pub(crate) clients: Authority,
    pub(crate) directory: TempDir,
    pub(crate) server: Server,
    pub(crate) daemon: Program,
    pub(crate) plain: SocketAddr,
    pub(crate) tls: SocketAddr,
}

/// Lines of `[tls]` that ask for certificates.
pub(crate) const CLIENT_CA: &str = "client_ca_file = \"{place}/clients.pem\"\n";

impl Host {
    /// `tls`: more lines of `[tls]`; `rules`: the rest of the configuration. `{place}` in them is the directory.
    pub(crate) async fn start(tls: &str, rules: &str) -> Self {
        let (authority, clients) = (Authority::new("servers"), Authority::new("clients"));
        let (directory, server) = (tempfile::tempdir().unwrap(), Server::start().await);
        authority.server(60).write(directory.path(), "tls");
        write(&directory.path().join("ca.pem"), &authority.certificate());
        write(&directory.path().join("clients.pem"), &clients.certificate());
        fs::write(directory.path().join("token"), "a-token").unwrap();
        configure(&directory, &server, tls, rules);
        let mut daemon = Program::start(command(&directory, &["serve"]));
        let mut address = |of: &str| daemon.line(of).replace("Listen: ", "").replace(" (TLS)", "").parse().unwrap();
        let (plain, tls) = (address("Listen: "), address(" (TLS)"));
        Self { authority, clients, directory, server, daemon, plain, tls }
    }

    pub(crate) fn begins(&self) -> Begins<'_> {
        Begins::trusting(&self.authority)
    }

    /// Changes the configuration and has it read.
    pub(crate) fn reload(&mut self, tls: &str, rules: &str) {
        configure(&self.directory, &self.server, tls, rules);
        self.daemon.signal("HUP");
        self.daemon.line("the configuration was read anew");
    }

    pub(crate) fn run(&self, args: &[&str]) -> Finished {
        finish(command(&self.directory, args))
    }

    /// Status and body of a request by curl.
    pub(crate) fn curl(&self, before: &[&str], more: &[&str]) -> (u16, String) {
        let url = format!("https://localhost:{}/mcp", self.tls.port());
        let ca = self.directory.path().join("ca.pem").display().to_string();
        let mut line = before.to_vec();
        line.extend(["curl", "--silent", "--show-error", "--max-time", "20", "--noproxy", "*", "--cacert", &ca]);
        line.extend(["--write-out", "\n%{http_code}", "--json", PING]);
        line.extend(more);
        line.push(&url);
        let output = Command::new(line[0]).args(&line[1..]).output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let (body, status) = text.rsplit_once('\n').unwrap_or(("", "0"));
        (status.parse().unwrap_or_default(), format!("{body}{}", String::from_utf8_lossy(&output.stderr)))
    }

    /// How many requests have reached the server since the last look.
    pub(crate) fn reached(&self) -> usize {
        self.server.take_seen().len()
    }
}

pub(crate) fn command(directory: &TempDir, args: &[&str]) -> Command {
    let mut command = bare(args);
    command.arg("--config").arg(directory.path().join("main.toml"));
    command
}

pub(crate) fn configure(directory: &TempDir, server: &Server, tls: &str, rules: &str) {
    let text = format!(
        r#"
state_dir = "{{place}}/state"
[listen]
port = 0
unix = ["{{place}}/clients.sock"]
unix_mode = "0666"
[control]
socket = "{{place}}/control.sock"
[log]
audit_file = "{{place}}/audit.jsonl"
[[upstream]]
name = "lab"
mount = "/"
url = "{}"
auth = "token-file"
token_file = "{{place}}/token"
[tls]
listen = ["127.0.0.1:0"]
certificate_file = "{{place}}/tls.pem"
key_file = "{{place}}/tls.key"
{tls}
{rules}
"#,
        server.url
    );
    let text = text.replace("{place}", &directory.path().display().to_string());
    fs::write(directory.path().join("main.toml"), text).unwrap();
}
