//! An installation by hand: the sandbox as the cloud, a person who has signed in, perhaps a daemon; what doctor says of
//! it, and the remedies, performed.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::{Duration, Instant};

use mcp_proxy_sandbox::Sandbox;
use serde_json::Value;
use tempfile::TempDir;

use crate::support::person::{authorize_url, follow};
use crate::support::program::{Finished, Program, bare, finish};
use crate::support::{PATIENCE, config_text, environment, sandbox, state_dir};

/// Where the tests' own program is.
const PROGRAM: &str = env!("CARGO_BIN_EXE_mcp-proxy");

/// No run may take longer, in words of the document; a busy machine gets some more.
const LONGEST: Duration = Duration::from_secs(30);

pub(crate) struct Patient {
    pub(crate) sandbox: Sandbox,
    pub(crate) directory: Arc<TempDir>,
    pub(crate) port: u16,
    pub(crate) environment: BTreeMap<String, String>,
    pub(crate) daemon: Option<Program>,
    /// The check that is to find the fault.
    pub(crate) check: &'static str,
    /// What stands before the program: `setpriv`, `bash -c`.
    pub(crate) before: Vec<String>,
    /// The program that the daemon runs.
    pub(crate) program: PathBuf,
}

/// What doctor says.
#[derive(Debug)]
pub(crate) struct Report {
    pub(crate) code: i32,
    findings: Vec<Value>,
}

impl Report {
    pub(crate) fn of(finished: &Finished) -> Self {
        let value: Value = serde_json::from_str(&finished.stdout)
            .unwrap_or_else(|error| panic!("{error}: {}\n{}", finished.stdout, finished.stderr));
        assert_eq!(value["version"], 1);
        assert_eq!(value["exit_code"], finished.code);
        Self { code: finished.code, findings: value["findings"].as_array().unwrap().clone() }
    }

    fn of_check(&self, check: &str) -> impl Iterator<Item = &Value> {
        let found: Vec<&Value> = self.findings.iter().filter(|finding| finding["check"] == check).collect();
        assert!(!found.is_empty(), "there is no check {check}");
        found.into_iter()
    }

    /// The worst verdict of a check.
    pub(crate) fn worst(&self, check: &str) -> &'static str {
        let is = |verdict: &str| self.of_check(check).any(|finding| finding["verdict"] == verdict);
        ["fault", "note", "not-looked"].into_iter().find(|verdict| is(verdict)).unwrap_or("ok")
    }

    /// The remedies of the worst finding of a check.
    pub(crate) fn remedies(&self, check: &str) -> Vec<Value> {
        let worst = self.worst(check);
        let finding = self.of_check(check).find(|finding| finding["verdict"] == worst).unwrap();
        finding["remedies"].as_array().unwrap().clone()
    }

    pub(crate) fn seen(&self, check: &str) -> String {
        let worst = self.worst(check);
        let finding = self.of_check(check).find(|finding| finding["verdict"] == worst).unwrap();
        finding["seen"].as_str().unwrap().to_owned()
    }

    pub(crate) fn text(&self) -> String {
        serde_json::to_string_pretty(&self.findings).unwrap()
    }
}

/// A port that nobody has, and that the system gives to nobody by itself.
pub(crate) fn free_port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    // Another run of these tests has others.
    let first = u16::try_from(std::process::id().wrapping_mul(64) % 10_000).unwrap();
    loop {
        let port = 20_000 + (first + NEXT.fetch_add(1, Ordering::Relaxed)) % 10_000;
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}

impl Patient {
    /// Signed in, and nothing is wrong.
    pub(crate) async fn healthy(check: &'static str) -> Self {
        let (sandbox, directory, port) = (sandbox().await, state_dir(), free_port());
        let main = directory.path().join("mcp-proxy.toml");
        fs::write(&main, config_text(&sandbox, directory.path(), "")).unwrap();
        let mut environment = environment(&sandbox);
        environment.insert("PATH".to_owned(), std::env::var("PATH").unwrap_or_default());
        let patient = Self {
            environment,
            sandbox,
            directory,
            port,
            daemon: None,
            check,
            before: Vec::new(),
            program: PROGRAM.into(),
        };
        let socket = patient.file("control.sock");
        patient.conf_d("00-place", &format!("[control]\nsocket = {socket:?}\n[listen]\nport = {port}\n"));
        patient.sign_in().await;
        patient
    }

    /// The same with a running daemon.
    pub(crate) async fn with_daemon(check: &'static str) -> Self {
        let mut patient = Self::healthy(check).await;
        patient.start();
        patient
    }

    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// Writes a file of the configuration.
    pub(crate) fn conf_d(&self, name: &str, text: &str) -> PathBuf {
        let directory = self.file("conf.d");
        fs::create_dir_all(&directory).unwrap();
        let path = directory.join(format!("{name}.toml"));
        fs::write(&path, text).unwrap();
        path
    }

    fn main(&self) -> String {
        self.file("mcp-proxy.toml").display().to_string()
    }

    /// A command of the program, in the environment of this installation.
    pub(crate) fn command(&self, args: &[&str]) -> Command {
        let mut own = bare(args);
        own.arg("--config").arg(self.main());
        let mut command = match self.before.as_slice() {
            [] => own,
            [outer, more @ ..] => {
                let mut command = Command::new(outer);
                command.args(more).arg(own.get_program()).args(own.get_args()).env_clear().stdin(Stdio::null());
                command
            }
        };
        command.envs(&self.environment);
        command
    }

    pub(crate) fn start(&mut self) {
        let mut command = Command::new(&self.program);
        command.args(["serve", "--config", &self.main()]).env_clear().envs(&self.environment).stdin(Stdio::null());
        let mut daemon = Program::start(command);
        daemon.line("Listen: ");
        self.daemon = Some(daemon);
    }

    /// `mcp-proxy login`, through the browser; beside a running daemon it is the daemon that signs in.
    pub(crate) async fn sign_in(&self) {
        let mut login = Program::start(self.command(&["login", "--no-browser"]));
        let callback = self.sandbox.approve(&authorize_url(&mut login)).unwrap();
        let (status, _, page) = follow(&callback).await;
        assert_eq!(status.as_u16(), 200, "{page}");
        let (code, printed) = login.end();
        assert_eq!(code, 0, "{printed}");
    }

    pub(crate) fn report(&self) -> Report {
        let began = Instant::now();
        let report = Report::of(&finish(self.command(&["doctor", "--json"])));
        assert!(began.elapsed() < LONGEST, "it took {:?}", began.elapsed());
        report
    }

    /// The fault is found under its name, and its remedy mends it.
    pub(crate) async fn is_cured_of(&mut self, verdict: &str) {
        self.is_cured_with(verdict, str::to_owned).await;
    }

    /// The same, where a person has something to fill in.
    pub(crate) async fn is_cured_with(&mut self, verdict: &str, fill: impl Fn(&str) -> String) {
        let sick = self.report();
        assert_eq!(sick.worst(self.check), verdict, "{}", sick.text());
        assert_eq!(sick.code == 0, verdict != "fault");
        let remedy = sick.remedies(self.check).first().cloned().unwrap_or_else(|| panic!("a remedy: {}", sick.text()));
        self.perform(&remedy, fill).await;
        self.is_content().await;
    }

    /// Waits until nothing is wrong: what a remedy does may take a moment.
    pub(crate) async fn is_content(&self) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let report = self.report();
            if !["fault", "note"].contains(&report.worst(self.check)) && report.code == 0 {
                return;
            }
            assert!(Instant::now() < deadline, "it is not mended: {}", report.text());
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    /// Does what a remedy says.
    pub(crate) async fn perform(&mut self, remedy: &Value, fill: impl Fn(&str) -> String) {
        if let Some(file) = remedy["write"]["file"].as_str() {
            let text = fill(remedy["write"]["text"].as_str().unwrap());
            fs::create_dir_all(Path::new(file).parent().unwrap()).unwrap();
            fs::write(file, text).unwrap();
            if let Some(then) = remedy["then"].as_str() {
                self.run(then).await;
            }
            return;
        }
        let command = fill(remedy["command"].as_str().unwrap());
        self.run(&command).await;
    }

    /// Runs a command as a person would, with what is elsewhere in the world stood in for.
    async fn run(&mut self, command: &str) {
        let words = shlex::split(command).unwrap_or_default();
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        match words.as_slice() {
            ["unset", name] => drop(self.environment.remove(*name)),
            ["export", settings @ ..] => {
                let pairs = settings.iter().filter_map(|setting| setting.split_once('='));
                self.environment.extend(pairs.map(|(name, value)| (name.to_owned(), value.to_owned())));
            }
            // The clock of this machine stays; that of the cloud comes to it instead.
            ["timedatectl", "set-ntp", "true"] => self.sandbox.cloud().set_clock_offset(0),
            ["aliyun", "ims", "UpdateApplication", parameters @ ..] => {
                let pairs: Vec<(&str, &str)> =
                    parameters.chunks(2).map(|pair| (pair[0].trim_start_matches("--"), pair[1])).collect();
                assert!(self.sandbox.cloud().update_application(&pairs), "the cloud refuses {command}");
            }
            ["aliyun", "ram", "CreatePolicy", ..] => {
                let at = words.iter().position(|word| *word == "--PolicyDocument").unwrap();
                let policy: Value = serde_json::from_str(words[at + 1]).unwrap();
                let action = policy["Statement"][0]["Action"].as_str().unwrap();
                self.sandbox.cloud().set_permission(&self.sandbox.access_key().0, action, true);
            }
            ["mcp-proxy", "login", ..] => self.sign_in().await,
            // A daemon is started anew: what comes last goes on running.
            ["kill", ..] if command.contains("serve") => {
                let mut old = self.daemon.take().expect("a daemon runs");
                let mut new = Program::start(self.shell(command));
                old.wait();
                new.line("Listen: ");
                self.daemon = Some(new);
            }
            _ => {
                let output = self.shell(command).output().unwrap();
                assert!(output.status.success(), "{command}: {}", String::from_utf8_lossy(&output.stderr));
            }
        }
    }

    /// A command in a shell that knows the program.
    pub(crate) fn shell(&self, command: &str) -> Command {
        let own = Path::new(PROGRAM).parent().unwrap().display().to_string();
        let mut shell = Command::new("/bin/bash");
        shell.args(["-c", command]).env_clear().envs(&self.environment).stdin(Stdio::null());
        shell.env("PATH", format!("{own}:{}", self.environment.get("PATH").cloned().unwrap_or_default()));
        shell
    }

    /// The one saved login.
    pub(crate) fn login_file(&self) -> PathBuf {
        let entries = fs::read_dir(self.file("logins")).unwrap().map(|entry| entry.unwrap().path());
        entries.into_iter().find(|path| path.extension().is_some_and(|extension| extension == "json")).unwrap()
    }
}

/// Runs a command with a text on its standard input.
pub(crate) fn with_input(mut command: Command, text: &str) {
    let mut child = command.stdin(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    assert!(child.wait().unwrap().success());
}
