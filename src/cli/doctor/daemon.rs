//! The running daemon: is there one, may it be asked, is it of the same version, and what does it say is wrong?

use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::Path;
use std::time::Duration;

use tokio::net::UnixStream;
use tokio::time::timeout;

use crate::cli::doctor::checks::{CONDITIONS, CONTROL_SOCKET, DAEMON, VERSION};
use crate::cli::doctor::finding::{Finding, Remedy, Said};
use crate::cli::doctor::scene::{Looked, Scene, restart_by_hand};
use crate::cli::running::Running;
use crate::daemon::control::client::ClientError;
use crate::daemon::neighbour::{self, Neighbour};
use crate::daemon::report::{Condition, Status};
use crate::model::time::in_words;
use crate::phrase::doctor;

/// Conditions under which everything works.
const MILD: [&str; 3] = ["login-expiring", "open-to-anyone", "restart-needed"];

pub(super) async fn look(scene: &Scene) -> Vec<Finding> {
    let mut found = vec![running(scene).await, control(scene).await, version(scene).await];
    found.extend(conditions(scene).await);
    found
}

async fn running(scene: &Scene) -> Finding {
    match scene.running().await {
        Running::Daemon(_, status) => {
            let Status { program, pid, uptime, .. } = status.as_ref();
            let uptime = in_words(Duration::from_secs(*uptime));
            let said = Said::of(doctor::DAEMON_RUNS).with("program", program).with("pid", pid).with("uptime", uptime);
            Finding::ok(&DAEMON, said)
        }
        Running::Nobody => Finding::note(&DAEMON, Said::of(doctor::NO_DAEMON)),
        Running::Denied(_) => Finding::not_looked(&DAEMON, Said::of(doctor::NEEDS_ACCESS)),
        Running::Silent(error) => {
            let finding = Finding::fault(&DAEMON, Said::of(doctor::DAEMON_SILENT).with("error", error));
            let pid = match error {
                ClientError::Silent { path, .. } => listener(path).await,
                ClientError::Refused { .. } => None,
            };
            match (scene.is_service().await, pid) {
                (true, _) => finding.mend(Remedy::Command(scene.systemctl("restart mcp-proxy.service").await)),
                // One that says nothing hears nothing either.
                (false, Some(pid)) => finding.mend(Remedy::Command(restart_by_hand(pid, "KILL"))),
                (false, None) => finding.mend(Remedy::command("journalctl -u mcp-proxy -n 20")),
            }
        }
    }
}

/// The process that listens on a Unix socket, as the kernel says (unix(7), `SO_PEERCRED`).
async fn listener(path: &Path) -> Option<u32> {
    let stream = timeout(Duration::from_secs(1), UnixStream::connect(path)).await.ok()?.ok()?;
    stream.peer_cred().ok()?.pid()?.try_into().ok()
}

async fn control(scene: &Scene) -> Finding {
    let sought = scene.sought();
    let paths = sought.iter().map(|path| path.display().to_string()).collect::<Vec<_>>().join(", ");
    match scene.running().await {
        Running::Daemon(client, _) => {
            Finding::ok(&CONTROL_SOCKET, Said::of(doctor::CONTROL_REACHED).with("path", client.path().display()))
        }
        Running::Silent(_) => Finding::ok(&CONTROL_SOCKET, Said::of(doctor::CONTROL_REACHED).with("path", paths)),
        Running::Denied(path) => {
            let said = Said::of(doctor::CONTROL_DENIED).with("uid", scene.uid).with("path", path.display());
            Finding::not_looked(&CONTROL_SOCKET, said)
                .mend(Remedy::command("sudo mcp-proxy doctor"))
                .mend(join_group(path, scene.uid))
        }
        Running::Nobody if sought.is_empty() => Finding::ok(&CONTROL_SOCKET, Said::of(doctor::CONTROL_OFF)),
        Running::Nobody => absent(scene, &paths).await,
    }
}

/// What lets a user open the socket for good.
fn join_group(socket: &Path, uid: u32) -> Remedy {
    let gid = std::fs::metadata(socket).map_or(0, |found| found.gid());
    let group = if gid == 0 { "mcp-proxy".to_owned() } else { format!("\"$(getent group {gid} | cut -d: -f1)\"") };
    Remedy::Command(format!("sudo usermod -aG {group} \"$(id -nu {uid})\""))
}

/// Nobody listens at the control socket. Is something in its place, or is there a daemon all the same?
async fn absent(scene: &Scene, paths: &str) -> Finding {
    let is_other =
        |path: &&std::path::PathBuf| std::fs::symlink_metadata(path).is_ok_and(|found| !found.file_type().is_socket());
    if let Some(path) = scene.sought().iter().find(is_other) {
        let said = Said::of(doctor::CONTROL_NO_SOCKET).with("path", path.display());
        let remove = Remedy::Command(format!("rm {}", crate::cli::doctor::configuration::quoted(path)));
        return Finding::fault(&CONTROL_SOCKET, said).mend(remove);
    }
    let address = scene.settings().and_then(|settings| neighbour::address(&settings.listen));
    if let Some(address) = address
        && matches!(neighbour::ask(&address).await, Neighbour::Proxy(_))
    {
        let said = Said::of(doctor::CONTROL_MISSING).with("address", address).with("paths", paths);
        return Finding::note(&CONTROL_SOCKET, said);
    }
    Finding::not_looked(&CONTROL_SOCKET, Said::of(doctor::CONTROL_NONE).with("paths", paths))
}

async fn version(scene: &Scene) -> Finding {
    let own = env!("CARGO_PKG_VERSION");
    let Some(status) = scene.status().await else {
        return Finding::not_looked(&VERSION, Said::of(doctor::NEEDS_DAEMON));
    };
    let restart = Remedy::Command(scene.restart().await.unwrap_or_default());
    if status.program != own {
        let said = Said::of(doctor::VERSION_DIFFERS).with("theirs", &status.program).with("own", own);
        return Finding::fault(&VERSION, said).mend(restart);
    }
    match scene.probe().await {
        Looked::Older => Finding::fault(&VERSION, Said::of(doctor::VERSION_OLDER)).mend(restart),
        Looked::Seen { probe, by_daemon: true } if probe.replaced => {
            Finding::fault(&VERSION, Said::of(doctor::VERSION_REPLACED)).mend(restart)
        }
        _ => Finding::ok(&VERSION, Said::of(doctor::VERSION_SAME).with("version", own)),
    }
}

async fn conditions(scene: &Scene) -> Vec<Finding> {
    let Some(status) = scene.status().await else {
        return vec![Finding::not_looked(&CONDITIONS, Said::of(doctor::NEEDS_DAEMON))];
    };
    if status.conditions.is_empty() {
        return vec![Finding::ok(&CONDITIONS, Said::of(doctor::NO_CONDITIONS))];
    }
    let mut found = Vec::new();
    for condition in &status.conditions {
        let Condition { name, subject, reason, .. } = condition;
        let said = Said::of(doctor::CONDITION).with("name", name).with("reason", reason);
        let finding = match MILD.contains(&name.as_str()) {
            true => Finding::note(&CONDITIONS, said),
            false => Finding::fault(&CONDITIONS, said),
        };
        let remedy = match name.as_str() {
            "login-required" | "login-expiring" => scene.login().await,
            "restart-needed" => Remedy::Command(scene.restart().await.unwrap_or_default()),
            "incident" => Remedy::Command(scene.ours("resume").await),
            "reload-failed" => Remedy::Command(scene.ours("check-config").await),
            "open-to-anyone" => {
                Remedy::write(scene.conf_d("access"), "[access]\nothers = \"owner\"\n", scene.reload().await)
            }
            // The daemon's own words name it; where more can be said, another check says it.
            _ => Remedy::Command(format!("{}  # {}", scene.ours("status").await, condition.remedy)),
        };
        found.push(finding.about(subject).mend(remedy));
    }
    found
}
