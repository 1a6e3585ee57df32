//! The units of systemd, and the journal.

use std::io;
use std::os::unix::net::UnixDatagram;
use std::path::Path;

use crate::cli::doctor::checks::{JOURNAL, UNIT, UNIT_CHANGES, UNIT_SOCKETS};
use crate::cli::doctor::finding::{Finding, Remedy, Said};
use crate::cli::doctor::scene::Scene;
use crate::cli::doctor::units::{CONTROL, DIAG, SERVICE, SOCKET, Unit, Units};
use crate::phrase::{Phrase, doctor};

/// Is there where systemd is the service manager of the machine (sd_booted(3)).
const BOOTED: &str = "/run/systemd/system";
const JOURNAL_SOCKET: &str = "/run/systemd/journal/socket";

pub(super) async fn look(scene: &Scene) -> Vec<Finding> {
    let mut found = match scene.units().await {
        Err(reason) => vec![Finding::not_looked(&UNIT, Said::of(doctor::NO_SYSTEMD).with("reason", reason))],
        Ok(units) => {
            let pid = scene.status().await.map(|status| status.pid);
            let judge = Judge { units, pid, systemctl: scene.systemctl("").await, written: written(units) };
            judge.all()
        }
    };
    found.push(journal(scene.is_service().await));
    found
}

/// Judges units; `systemctl` is the command that changes them, with a blank at its end.
struct Judge<'a> {
    units: &'a Units,
    /// The daemon that answers.
    pid: Option<u32>,
    systemctl: String,
    /// Drop-ins on disk, by unit.
    written: Vec<(String, String)>,
}

/// The drop-ins of the administrator that are on disk. systemd itself does not say that it has not read one in a directory
/// that is new.
fn written(units: &Units) -> Vec<(String, String)> {
    let of = |id: &str| {
        let entries = std::fs::read_dir(format!("/etc/systemd/system/{id}.d"));
        let paths = entries.into_iter().flatten().flatten().map(|entry| entry.path());
        let files = paths.filter(|path| path.extension().is_some_and(|extension| extension == "conf"));
        files.map(|path| (id.to_owned(), path.display().to_string())).collect::<Vec<_>>()
    };
    match units.of_user {
        true => Vec::new(),
        false => units.loaded().flat_map(|(id, _)| of(id)).collect(),
    }
}

impl Judge<'_> {
    fn all(&self) -> Vec<Finding> {
        let mut found = vec![self.unit()];
        found.extend(self.changes());
        found.extend(self.sockets());
        found
    }

    fn command(&self, what: &str) -> Remedy {
        Remedy::Command(format!("{}{what}", self.systemctl))
    }

    fn unit(&self) -> Finding {
        let Some(unit) = self.units.service().filter(|unit| unit.get("LoadState") != "not-found") else {
            return Finding::note(&UNIT, Said::of(doctor::NOT_A_SERVICE));
        };
        let enabled = unit.get("UnitFileState");
        let named = |phrase: Phrase| Said::of(phrase).with("unit", SERVICE);
        if let Some((id, _)) = self.masked() {
            let said = Said::of(doctor::UNIT_MASKED).with("unit", id);
            return Finding::fault(&UNIT, said).mend(self.command(&format!("unmask {id}")));
        }
        let see = || Remedy::command(format!("journalctl -u {SERVICE} -n 20"));
        let failed = [SERVICE, SOCKET].into_iter().find(|id| self.is(id, "ActiveState", "failed"));
        if let Some(id) = failed {
            let result = self.units.get(id).map_or("", |unit| unit.get("Result"));
            let said = Said::of(doctor::UNIT_FAILED).with("unit", id).with("result", result);
            return Finding::fault(&UNIT, said).mend(self.command(&format!("restart {id}"))).mend(see());
        }
        if unit.get("SubState") == "auto-restart" {
            let said = named(doctor::UNIT_LOOPS).with("restarts", unit.get("NRestarts"));
            return Finding::fault(&UNIT, said).mend(see());
        }
        let other = self.pid.is_some() && self.units.main_pid() != self.pid;
        if unit.is_active() {
            if enabled == "disabled" && !self.is(SOCKET, "UnitFileState", "enabled") {
                let remedy = self.command("enable mcp-proxy.socket");
                return Finding::note(&UNIT, Said::of(doctor::UNIT_NOT_AT_BOOT)).mend(remedy);
            }
            let state = unit.get("ActiveState");
            return Finding::ok(&UNIT, Said::of(doctor::UNIT_ACTIVE).with("state", state).with("enabled", enabled));
        }
        match (self.is(SOCKET, "ActiveState", "active"), other) {
            (true, _) => Finding::ok(&UNIT, Said::of(doctor::UNIT_READY)),
            (false, true) => Finding::note(&UNIT, Said::of(doctor::UNIT_OTHER_DAEMON)),
            (false, false) => Finding::fault(&UNIT, Said::of(doctor::UNIT_INACTIVE))
                .mend(self.command("enable --now mcp-proxy.socket"))
                .mend(self.command("enable --now mcp-proxy.service")),
        }
    }

    fn masked(&self) -> Option<(&str, &Unit)> {
        let masked = |id: &&str| self.is(id, "LoadState", "masked");
        [SERVICE, SOCKET].into_iter().find(masked).and_then(|id| Some((id, self.units.get(id)?)))
    }

    fn is(&self, id: &str, property: &str, value: &str) -> bool {
        self.units.get(id).is_some_and(|unit| unit.get(property) == value)
    }

    fn changes(&self) -> Vec<Finding> {
        let mut found = Vec::new();
        for (id, unit) in self.units.loaded() {
            let is_read = |path: &str| unit.get("DropInPaths").split(' ').any(|known| known == path);
            let unread = self.written.iter().any(|(of, path)| of == id && !is_read(path));
            if unread || unit.get("NeedDaemonReload") == "yes" {
                let said = Said::of(doctor::UNIT_OUTDATED).with("unit", id);
                found.push(Finding::fault(&UNIT_CHANGES, said).about(id).mend(self.command("daemon-reload")));
            }
            let fragment = unit.get("FragmentPath");
            if fragment.starts_with("/etc/") {
                let said = Said::of(doctor::UNIT_REPLACED).with("file", fragment);
                found.push(Finding::note(&UNIT_CHANGES, said).about(id).mend(self.command(&format!("revert {id}"))));
            }
            let files = unit.get("DropInPaths");
            if !files.is_empty() {
                let said = Said::of(doctor::UNIT_CHANGED).with("files", files.replace(' ', ", "));
                found.push(Finding::ok(&UNIT_CHANGES, said).about(id));
            }
        }
        if found.is_empty() && self.units.loaded().next().is_some() {
            found.push(Finding::ok(&UNIT_CHANGES, Said::of(doctor::UNIT_AS_PACKAGED)));
        }
        found
    }

    fn sockets(&self) -> Vec<Finding> {
        let Some(service) = self.units.service().filter(|unit| unit.is_loaded()) else { return Vec::new() };
        let port_is_held = self.units.get(SOCKET).is_some_and(Unit::is_active);
        // Without a port that systemd holds, the daemon has sockets of its own.
        if !service.is_active() && !port_is_held {
            return Vec::new();
        }
        let (mut found, mut active) = (Vec::new(), Vec::new());
        for (id, lack) in [(SOCKET, doctor::LACK_PORT), (CONTROL, doctor::LACK_CONTROL), (DIAG, doctor::LACK_DIAG)] {
            let Some(unit) = self.units.get(id).filter(|unit| unit.is_loaded() || unit.get("LoadState") == "masked")
            else {
                continue;
            };
            if unit.is_active() {
                active.push(id);
                continue;
            }
            // The service brings that one with it.
            if id == DIAG && !service.is_active() {
                continue;
            }
            let state = unit.get("ActiveState");
            let said =
                Said::of(doctor::SOCKET_INACTIVE).with("unit", id).with("state", state).with_phrase("lack", lack);
            let base = &self.systemctl;
            // A socket is not started for a service that runs already.
            let start = format!("{base}stop {SERVICE} && {base}start {id} && {base}start {SERVICE}");
            let start = match unit.get("LoadState") {
                "masked" => format!("{base}unmask {id} && {start}"),
                _ => start,
            };
            let finding = match id {
                SOCKET => Finding::note(&UNIT_SOCKETS, said),
                _ => Finding::fault(&UNIT_SOCKETS, said),
            };
            found.push(finding.about(id).mend(Remedy::Command(start)));
        }
        if !active.is_empty() {
            found.push(Finding::ok(&UNIT_SOCKETS, Said::of(doctor::SOCKETS_ACTIVE).with("units", active.join(", "))));
        }
        found
    }
}

fn journal(is_service: bool) -> Finding {
    let reach = || -> io::Result<()> { UnixDatagram::unbound()?.connect(JOURNAL_SOCKET) };
    match (reach(), is_service) {
        (Ok(()), _) => Finding::ok(&JOURNAL, Said::of(doctor::JOURNAL_REACHED).with("path", JOURNAL_SOCKET)),
        (Err(reason), true) if Path::new(BOOTED).exists() => {
            let said = Said::of(doctor::JOURNAL_NOT_REACHED).with("path", JOURNAL_SOCKET).with("reason", reason);
            let start = "systemctl restart systemd-journald.socket systemd-journald.service";
            Finding::fault(&JOURNAL, said).mend(Remedy::command(start))
        }
        (Err(_), _) => Finding::ok(&JOURNAL, Said::of(doctor::JOURNAL_NOT_USED)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::doctor::finding::Verdict;

    fn units(service: &str, socket: &str) -> Units {
        let block = |id: &str, text: &str| format!("Id={id}\n{}\n\n", text.replace(' ', "\n"));
        Units::of(&format!("{}{}", block(SERVICE, service), block(SOCKET, socket)))
    }

    fn judged(units: &Units, pid: Option<u32>) -> Vec<Finding> {
        Judge { units, pid, systemctl: "systemctl ".to_owned(), written: Vec::new() }.all()
    }

    #[test]
    fn the_state_of_the_unit_decides() {
        const UP: &str = "LoadState=loaded ActiveState=active SubState=running UnitFileState=enabled MainPID=7";
        const DOWN: &str = "LoadState=loaded ActiveState=inactive UnitFileState=disabled MainPID=0";
        for (service, socket, pid, verdict, remedy) in [
            (UP, "LoadState=loaded ActiveState=active", Some(7), Verdict::Ok, None),
            (DOWN, "LoadState=loaded ActiveState=active", None, Verdict::Ok, None),
            (DOWN, DOWN, None, Verdict::Fault, Some("systemctl enable --now mcp-proxy.socket")),
            (DOWN, DOWN, Some(9), Verdict::Note, None),
            ("LoadState=not-found", "LoadState=not-found", None, Verdict::Note, None),
            ("LoadState=masked", DOWN, None, Verdict::Fault, Some("systemctl unmask mcp-proxy.service")),
            (
                "LoadState=loaded ActiveState=failed Result=exit-code",
                DOWN,
                None,
                Verdict::Fault,
                Some("systemctl restart mcp-proxy.service"),
            ),
            (
                DOWN,
                "LoadState=loaded ActiveState=failed Result=resources",
                None,
                Verdict::Fault,
                Some("systemctl restart mcp-proxy.socket"),
            ),
            (
                "LoadState=loaded ActiveState=activating SubState=auto-restart NRestarts=9",
                DOWN,
                None,
                Verdict::Fault,
                Some("journalctl -u mcp-proxy.service -n 20"),
            ),
            (
                "LoadState=loaded ActiveState=active UnitFileState=disabled MainPID=7",
                "LoadState=loaded ActiveState=active UnitFileState=disabled",
                Some(7),
                Verdict::Note,
                Some("systemctl enable mcp-proxy.socket"),
            ),
        ] {
            let found = judged(&units(service, socket), pid).remove(0);
            assert_eq!(found.verdict, verdict, "{service} / {socket}");
            assert_eq!(found.remedies.first(), remedy.map(Remedy::command).as_ref(), "{service} / {socket}");
        }
    }

    #[test]
    fn changes_are_told_from_what_was_installed() {
        let of = |more: &str| {
            let service = format!("LoadState=loaded ActiveState=active {more}");
            let mut found = judged(&units(&service, "LoadState=not-found"), None);
            found.retain(|finding| finding.check.id == "unit-changes");
            found.remove(0)
        };
        assert_eq!(of("FragmentPath=/usr/lib/systemd/system/x").verdict, Verdict::Ok);
        assert_eq!(of("DropInPaths=/etc/systemd/system/x.d/a.conf").verdict, Verdict::Ok);
        assert_eq!(of("FragmentPath=/etc/systemd/system/mcp-proxy.service").verdict, Verdict::Note);
        assert_eq!(of("NeedDaemonReload=yes").remedies, [Remedy::command("systemctl daemon-reload")]);
        let (known, new) = ("/etc/a.d/1.conf", "/etc/a.d/2.conf");
        let units = units(&format!("LoadState=loaded ActiveState=active DropInPaths={known}"), "LoadState=not-found");
        for (path, verdict) in [(known, Verdict::Ok), (new, Verdict::Fault)] {
            let written = vec![(SERVICE.to_owned(), path.to_owned())];
            let judge = Judge { units: &units, pid: None, systemctl: String::new(), written };
            assert_eq!(judge.changes()[0].verdict, verdict, "{path}");
        }
    }

    #[test]
    fn a_control_socket_that_is_down_is_a_fault_while_the_service_runs() {
        let text = format!(
            "Id={SERVICE}\nLoadState=loaded\nActiveState=active\n\nId={SOCKET}\nLoadState=loaded\nActiveState=active\n\n\
             Id={CONTROL}\nLoadState=loaded\nActiveState=inactive\n\n"
        );
        let mut found = judged(&Units::of(&text), None);
        found.retain(|finding| finding.check.id == "unit-sockets");
        assert_eq!((found[0].verdict, found[0].subject.as_deref()), (Verdict::Fault, Some(CONTROL)));
        let Remedy::Command(command) = &found[0].remedies[0] else { panic!("a command") };
        assert!(command.contains("systemctl start mcp-proxy-control.socket"), "{command}");
        assert_eq!(found[1].verdict, Verdict::Ok);
    }
}
