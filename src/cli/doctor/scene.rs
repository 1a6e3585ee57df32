//! What all checks begin with: the configuration, the daemon if one runs, what can be seen from where it stands. Each is
//! looked at once, by whoever needs it first.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use http::StatusCode;
use tokio::sync::OnceCell;
use tokio::time::timeout;

use crate::cli::doctor::configuration::quoted;
use crate::cli::doctor::finding::{Remedy, Said};
use crate::cli::doctor::units::{self, Units};
use crate::cli::running::{self, Running};
use crate::config::problem::Problem;
use crate::config::settings::Settings;
use crate::config::{self, Inputs, Loaded};
use crate::daemon::control::client::ClientError;
use crate::daemon::probe::{self, Looking, Probe, Whose};
use crate::daemon::report::Status;
use crate::daemon::{Environment, custody};
use crate::model::time::{Clock, in_words};
use crate::phrase::doctor;

/// How long a daemon that is well takes to say how it stands, at the most.
const ANSWER: Duration = Duration::from_secs(3);

/// What is there.
pub(super) struct Scene {
    pub(super) inputs: Inputs,
    pub(super) environment: Environment,
    pub(super) clock: Clock,
    /// The user who asks.
    pub(super) uid: u32,
    /// What is wrong with the configuration.
    pub(super) problems: Vec<Problem>,
    /// The configuration; where it is wrong, the built-in one, with which a daemon can still be found.
    loaded: Option<Loaded>,
    running: OnceCell<Running>,
    probe: OnceCell<Looked>,
    units: OnceCell<Result<Units, String>>,
}

/// What came of looking.
#[derive(Debug)]
pub(super) enum Looked {
    /// What was seen.
    Seen {
        probe: Box<Probe>,
        /// True if it was the daemon that looked.
        by_daemon: bool,
    },
    /// The daemon is older than this command.
    Older,
    /// Nothing, and why.
    No(Said),
}

impl Scene {
    pub(super) fn new(inputs: Inputs, environment: Environment) -> Self {
        let (loaded, problems) = match config::load(&inputs) {
            Ok(loaded) => (Some(loaded), Vec::new()),
            Err(problems) => (config::load(&built_in(&inputs)).ok(), problems),
        };
        let (clock, uid) = (Clock::system(), inputs.uid);
        let (running, probe, units) = (OnceCell::new(), OnceCell::new(), OnceCell::new());
        Self { inputs, environment, clock, uid, problems, loaded, running, probe, units }
    }

    /// The configuration, if it is correct.
    pub(super) fn loaded(&self) -> Option<&Loaded> {
        self.loaded.as_ref().filter(|_| self.problems.is_empty())
    }

    /// The settings, if the configuration is correct.
    pub(super) fn settings(&self) -> Option<&Settings> {
        self.loaded().map(|loaded| &loaded.settings)
    }

    /// Where a daemon is looked for.
    pub(super) fn sought(&self) -> Vec<PathBuf> {
        self.loaded.as_ref().map(|loaded| loaded.settings.control.sought.clone()).unwrap_or_default()
    }

    pub(super) async fn running(&self) -> &Running {
        let find = || async {
            let Some(loaded) = &self.loaded else { return Running::Nobody };
            match timeout(ANSWER, running::find(loaded)).await {
                Ok(running) => running,
                Err(_) => {
                    let path = self.sought().into_iter().find(|path| path.exists()).unwrap_or_default();
                    Running::Silent(ClientError::Silent {
                        path,
                        reason: format!("nothing within {}", in_words(ANSWER)),
                    })
                }
            }
        };
        self.running.get_or_init(find).await
    }

    /// How the daemon stands, if one runs that may be asked.
    pub(super) async fn status(&self) -> Option<&Status> {
        match self.running().await {
            Running::Daemon(_, status) => Some(status),
            _ => None,
        }
    }

    pub(super) async fn units(&self) -> &Result<Units, String> {
        self.units.get_or_init(|| units::look(self.uid, &self.environment)).await
    }

    /// What can be seen from where the daemon stands; without one, from here.
    pub(super) async fn probe(&self) -> &Looked {
        self.probe.get_or_init(|| self.look()).await
    }

    async fn look(&self) -> Looked {
        if let Running::Daemon(client, _) = self.running().await {
            return match client.probe().await {
                Ok(probe) => Looked::Seen { probe: Box::new(probe), by_daemon: true },
                Err(ClientError::Refused { status: StatusCode::NOT_FOUND, .. }) => Looked::Older,
                Err(error) => Looked::No(Said::of(doctor::DAEMON_DOES_NOT_SAY).with("reason", error)),
            };
        }
        let Some(settings) = self.settings() else { return Looked::No(Said::of(doctor::NEEDS_CONFIGURATION)) };
        let key = custody::key(settings, &self.environment).ok().flatten();
        let kept = custody::kept(settings, key);
        let looking = Looking {
            upstreams: &settings.upstreams,
            net: &settings.net,
            state_dir: &settings.state_dir,
            max_connections: settings.proxy.max_connections,
            clock: self.clock.clone(),
            whose: Whose::Command {
                environment: &self.environment,
                kept: &kept,
                redirect_uri: probe::redirect_uri(settings),
            },
        };
        Looked::Seen { probe: Box::new(probe::look(looking).await), by_daemon: false }
    }

    /// A file of the configuration that is made for a remedy.
    pub(super) fn conf_d(&self, name: &str) -> PathBuf {
        self.inputs.main().parent().unwrap_or(&PathBuf::new()).join("conf.d").join(format!("{name}.toml"))
    }

    /// A command for root, as whoever asks would type it.
    pub(super) fn as_root(&self, command: &str) -> String {
        if self.uid == 0 { command.to_owned() } else { format!("sudo {command}") }
    }

    /// True if the daemon that runs, or would run, is that of the unit.
    pub(super) async fn is_service(&self) -> bool {
        let Ok(units) = self.units().await else { return false };
        match self.status().await {
            Some(status) => units.main_pid() == Some(status.pid),
            None => units.service().is_some_and(|unit| unit.is_loaded()) && units.any_is_started(),
        }
    }

    /// Has the daemon take the configuration anew; `None` if none runs.
    pub(super) async fn reload(&self) -> Option<String> {
        if self.is_service().await {
            return Some(self.systemctl("reload mcp-proxy.service").await);
        }
        self.status().await.map(|status| format!("kill -HUP {}", status.pid))
    }

    /// Starts the daemon anew; `None` if none runs.
    pub(super) async fn restart(&self) -> Option<String> {
        if self.is_service().await {
            return Some(self.systemctl("restart mcp-proxy.service").await);
        }
        Some(restart_by_hand(self.status().await?.pid, "TERM"))
    }

    /// A command for the manager that has the units.
    pub(super) async fn systemctl(&self, what: &str) -> String {
        match self.units().await {
            Ok(units) if units.of_user => format!("systemctl --user {what}"),
            _ => self.as_root(&format!("systemctl {what}")),
        }
    }

    /// Lines for a drop-in of a unit.
    pub(super) async fn drop_in(&self, unit: &str, name: &str, text: &str, then: &str) -> Remedy {
        let (user, reload) = match self.units().await {
            Ok(units) => (units.of_user, self.systemctl("daemon-reload").await),
            Err(_) => (false, self.as_root("systemctl daemon-reload")),
        };
        let home = || self.environment.get("HOME").cloned().unwrap_or_default();
        let base = if user { format!("{}/.config/systemd/user", home()) } else { "/etc/systemd/system".to_owned() };
        let then = self.systemctl(then).await;
        Remedy::write(format!("{base}/{unit}.d/{name}.conf"), text, Some(format!("{reload} && {then}")))
    }

    /// `mcp-proxy login`, as it has to be typed here.
    pub(super) async fn login(&self) -> Remedy {
        Remedy::Command(self.ours("login").await)
    }

    /// A command of this program, as it has to be typed here.
    pub(super) async fn ours(&self, what: &str) -> String {
        let system = self.is_service().await && self.units().await.as_ref().is_ok_and(|units| !units.of_user);
        let mut command = format!("mcp-proxy {what}");
        if let Some(config) = &self.inputs.flags.config {
            command.push_str(&format!(" --config {}", quoted(config)));
        }
        if system { self.as_root(&command) } else { command }
    }
}

/// Ends a process by a signal, and starts it again as it was started, as soon as its port is free.
pub(super) fn restart_by_hand(pid: u32, signal: &str) -> String {
    let line = std::fs::read_to_string(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    let again = shlex::try_join(line.split_terminator('\0')).ok().filter(|line| !line.is_empty());
    let kill = format!("kill -{signal} {pid}");
    match again {
        Some(line) => format!("{kill}; while kill -0 {pid}; do sleep 0.1; done; {line}"),
        None => kill,
    }
}

/// The same without everything that may be wrong.
fn built_in(inputs: &Inputs) -> Inputs {
    let ours = |name: &std::ffi::OsStr| name.to_string_lossy().starts_with("MCP_PROXY_");
    Inputs {
        flags: config::text::Flags::default(),
        environment: inputs.environment.iter().filter(|(name, _)| !ours(name)).cloned().collect(),
        main_file: PathBuf::from("/nonexistent/mcp-proxy.toml"),
        uid: inputs.uid,
    }
}

/// A scene that many look at.
pub(super) type Shared = Arc<Scene>;
