//! The machine: room for logins, and the limit of open files.

use crate::cli::doctor::checks::{DISK, OPEN_FILES};
use crate::cli::doctor::configuration::quoted;
use crate::cli::doctor::finding::{Finding, Remedy, Said};
use crate::cli::doctor::scene::{Looked, Scene};
use crate::cli::running::Running;
use crate::daemon::probe::{Disk, Probe};
use crate::phrase::doctor;

const KIB: u64 = 1024;
/// Less than this, and a login may not fit.
const FULL: u64 = 64 * KIB;
/// Less than this will not last long.
const SHORT: u64 = 16 * 1024 * KIB;
/// Files that the daemon has open beside connections: the log, sockets, its libraries.
const OTHER_FILES: u64 = 64;

pub(super) async fn look(scene: &Scene) -> Vec<Finding> {
    // What holds for this user says nothing of the daemon's.
    if matches!(scene.running().await, Running::Denied(_)) {
        let why = Said::of(doctor::NEEDS_ACCESS);
        return vec![Finding::not_looked(&DISK, why.clone()), Finding::not_looked(&OPEN_FILES, why)];
    }
    let probe = match scene.probe().await {
        Looked::Seen { probe, .. } => probe,
        Looked::Older => {
            let why = Said::of(doctor::VERSION_OLDER);
            return vec![Finding::not_looked(&DISK, why.clone()), Finding::not_looked(&OPEN_FILES, why)];
        }
        Looked::No(why) => {
            return vec![Finding::not_looked(&DISK, why.clone()), Finding::not_looked(&OPEN_FILES, why.clone())];
        }
    };
    vec![disk(scene, &probe.disk, probe.uid, probe.gid), open_files(scene, probe).await]
}

fn disk(scene: &Scene, disk: &Disk, uid: u32, gid: u32) -> Finding {
    let directory = disk.directory.display().to_string();
    let path = quoted(&disk.directory);
    let named = |phrase| Said::of(phrase).with("directory", &directory);
    if disk.read_only {
        let remount = format!("mount -o remount,rw \"$(findmnt -n -o TARGET -T {path})\"");
        return Finding::fault(&DISK, named(doctor::DISK_READ_ONLY)).mend(Remedy::Command(scene.as_root(&remount)));
    }
    if let Some(reason) = &disk.trouble {
        let said = named(doctor::DISK_REFUSED).with("uid", uid).with("reason", reason);
        let chown = scene.as_root(&format!("chown {uid}:{gid} {path}"));
        let chmod = scene.as_root(&format!("chmod u+rwx {path}"));
        return Finding::fault(&DISK, said).mend(Remedy::Command(format!("{chown} && {chmod}")));
    }
    let largest = format!("du -xa \"$(findmnt -n -o TARGET -T {path})\" | sort -n | tail");
    match disk.free {
        Some(free) if free < FULL || disk.files == Some(0) => {
            Finding::fault(&DISK, named(doctor::DISK_FULL)).mend(Remedy::Command(scene.as_root(&largest)))
        }
        Some(free) if free < SHORT => {
            let said = named(doctor::DISK_SHORT).with("free", free / KIB);
            Finding::note(&DISK, said).mend(Remedy::Command(scene.as_root(&largest)))
        }
        Some(free) => Finding::ok(&DISK, named(doctor::DISK_GOOD).with("free", free / KIB / KIB)),
        None => Finding::not_looked(&DISK, Said::of(doctor::NOTHING_HERE)),
    }
}

async fn open_files(scene: &Scene, probe: &Probe) -> Finding {
    let needed = probe.max_connections.saturating_mul(2).saturating_add(OTHER_FILES);
    let connections = |phrase| Said::of(phrase).with("connections", probe.max_connections);
    let limit = match probe.open_files {
        None => {
            let said = connections(doctor::OPEN_FILES_GOOD).with_phrase("limit", doctor::UNLIMITED);
            return Finding::ok(&OPEN_FILES, said);
        }
        Some(limit) if limit >= needed => {
            return Finding::ok(&OPEN_FILES, connections(doctor::OPEN_FILES_GOOD).with("limit", limit));
        }
        Some(limit) => limit,
    };
    let said = connections(doctor::OPEN_FILES_SHORT).with("limit", limit).with("needed", needed);
    let fewer = limit.saturating_sub(OTHER_FILES) / 2;
    let text = format!("[limits]\nmax_connections = {}\n", fewer.max(1));
    let fewer = Remedy::write(scene.conf_d("open-files"), text, scene.restart().await);
    // Not every connection has a stream; where not even those without one fit, some will be refused.
    let too_few = limit < probe.max_connections.saturating_add(OTHER_FILES);
    let finding = if too_few { Finding::fault(&OPEN_FILES, said) } else { Finding::note(&OPEN_FILES, said) };
    match scene.is_service().await {
        true => {
            let text = format!("[Service]\nLimitNOFILE={needed}\n");
            let more = scene.drop_in("mcp-proxy.service", "open-files", &text, "restart mcp-proxy.service").await;
            finding.mend(more).mend(fewer)
        }
        false => finding.mend(fewer),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::cli::doctor::finding::Verdict;
    use crate::config::Inputs;

    #[test]
    fn room_is_judged_by_what_a_login_needs() {
        let scene = Scene::new(Inputs { uid: 1, ..Inputs::default() }, Arc::default());
        let whole = Disk { directory: "/s".into(), free: Some(SHORT), files: None, read_only: false, trouble: None };
        for (seen, verdict, says) in [
            (whole.clone(), Verdict::Ok, ""),
            (Disk { free: Some(SHORT - 1), ..whole.clone() }, Verdict::Note, "du -xa"),
            (Disk { free: Some(0), ..whole.clone() }, Verdict::Fault, "du -xa"),
            (Disk { files: Some(0), ..whole.clone() }, Verdict::Fault, "du -xa"),
            (Disk { read_only: true, ..whole.clone() }, Verdict::Fault, "sudo mount -o remount,rw"),
            (Disk { trouble: Some("no".to_owned()), ..whole.clone() }, Verdict::Fault, "sudo chown 7:8 /s"),
            (Disk { free: None, ..whole }, Verdict::NotLooked, ""),
        ] {
            let found = disk(&scene, &seen, 7, 8);
            assert_eq!(found.verdict, verdict, "{seen:?}");
            let command = match found.remedies.first() {
                Some(Remedy::Command(command)) => command.as_str(),
                _ => "",
            };
            assert!(command.starts_with(says) || command.contains(says), "{command}");
        }
    }
}
