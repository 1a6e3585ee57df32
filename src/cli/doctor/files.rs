//! Modes and owners: of the configuration, the state, the saved logins, the key, and of every directory above them.
//! Whoever can write to a directory can replace what is in it, whatever the mode of that is.

use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use crate::auth::settings::TokenSource;
use crate::auth::store::KeyError;
use crate::cli::doctor::checks::{CONFIGURATION_FILES, Check, KEY_FILE, LOGIN_FILES, PRIVATE_FILES, STATE_DIRECTORY};
use crate::cli::doctor::configuration::quoted;
use crate::cli::doctor::finding::{Finding, Remedy, Said, Verdict};
use crate::cli::doctor::scene::{Looked, Scene};
use crate::config::settings::{Auth, Settings};
use crate::daemon::custody::{self, GivenKeyError};
use crate::phrase::doctor;

/// Where systemd keeps the credentials of running services.
const PASSED: &str = "/run/credentials";
/// Any permission for others or the group.
const ANY: u32 = 0o077;
/// In such a directory everybody replaces what is their own (inode(7)).
const STICKY: u32 = 0o1000;

pub(super) async fn look(scene: &Scene) -> Vec<Finding> {
    let daemon = match scene.probe().await {
        Looked::Seen { probe, by_daemon: true } => Some((probe.uid, probe.gid)),
        _ => None,
    };
    let state = match (scene.status().await, scene.settings()) {
        (Some(status), _) => Some(status.state_dir.clone()),
        (None, Some(settings)) => Some(settings.state_dir.clone()),
        (None, None) => None,
    };
    let encrypted = scene.status().await.is_some_and(|status| {
        status.upstreams.iter().filter_map(|one| one.login.as_ref()).any(|login| login.encrypted == Some(true))
    });
    let judge = Judge { scene, daemon };
    let mut found = judge.configuration();
    found.extend(state.iter().flat_map(|state| judge.state(state)));
    if let Some(settings) = scene.settings() {
        found.extend(judge.key(settings, encrypted));
        found.extend(judge.private(settings));
    }
    found
}

struct Judge<'a> {
    scene: &'a Scene,
    /// User and group of the daemon, if one runs that may be asked.
    daemon: Option<(u32, u32)>,
}

/// What is seen of a file without opening it.
#[derive(Debug, Clone, Copy)]
struct Seen {
    uid: u32,
    gid: u32,
    mode: u32,
}

impl Seen {
    fn of(path: &Path) -> io::Result<Self> {
        let found = std::fs::metadata(path)?;
        Ok(Self { uid: found.uid(), gid: found.gid(), mode: found.mode() & 0o7777 })
    }

    /// True if somebody else can write to it. A group of the owner's own, by its number, is nobody else, nor is root's.
    fn others_can_write(self) -> bool {
        let by_group = self.mode & 0o020 != 0 && self.gid != 0 && self.gid != self.uid;
        (by_group || self.mode & 0o002 != 0) && self.mode & STICKY == 0
    }
}

impl Judge<'_> {
    fn is_trusted(&self, uid: u32) -> bool {
        uid == 0 || uid == self.scene.uid || self.daemon.is_some_and(|(daemon, _)| daemon == uid)
    }

    fn chmod(&self, seen: Seen, what: &str, path: &Path) -> Remedy {
        self.by_owner(seen, &format!("chmod {what} {}", quoted(path)))
    }

    /// A command that the owner may give, and root.
    fn by_owner(&self, seen: Seen, command: &str) -> Remedy {
        Remedy::Command(if seen.uid == self.scene.uid { command.to_owned() } else { self.scene.as_root(command) })
    }

    /// Whether a file or directory, and every directory above it, can be written to by those alone who may.
    fn guarded(&self, check: &'static Check, path: &Path) -> Vec<Finding> {
        let path = path.canonicalize().unwrap_or_else(|_| path.to_owned());
        path.ancestors().filter_map(|path| self.guards(check, path)).collect()
    }

    fn guards(&self, check: &'static Check, path: &Path) -> Option<Finding> {
        let named = |phrase| Said::of(phrase).with("path", path.display());
        let seen = match Seen::of(path) {
            Ok(seen) => seen,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return None,
            Err(error) => {
                let said = named(doctor::FILE_HIDDEN).with("reason", error);
                return Some(Finding::not_looked(check, said).about(path.display()));
            }
        };
        if seen.others_can_write() {
            let said = named(doctor::OTHERS_CAN_WRITE).with("mode", format!("{:o}", seen.mode));
            let finding = Finding::fault(check, said).about(path.display());
            return Some(finding.mend(self.chmod(seen, "go-w", path)));
        }
        if !self.is_trusted(seen.uid) && !self.is_shared_owner(seen) {
            let said = named(doctor::OWNER_WRONG).with("uid", seen.uid);
            let chown = self.scene.as_root(&format!("chown root {}", quoted(path)));
            return Some(Finding::fault(check, said).about(path.display()).mend(Remedy::Command(chown)));
        }
        None
    }

    /// Who asks may be another user than the one whose files these are, where no daemon says who that is.
    fn is_shared_owner(&self, seen: Seen) -> bool {
        self.daemon.is_none() && self.scene.uid == 0 && seen.uid != 0
    }

    fn configuration(&self) -> Vec<Finding> {
        let main = self.scene.inputs.main();
        let mut files: Vec<PathBuf> = vec![main.clone()];
        let beside = main.parent().map(|directory| directory.join("conf.d")).unwrap_or_default();
        let entries = std::fs::read_dir(&beside).into_iter().flatten().flatten().map(|entry| entry.path());
        files.extend(entries.filter(|path| path.extension().is_some_and(|extension| extension == "toml")));
        files.retain(|path| path.exists());
        let mut found: Vec<Finding> = Vec::new();
        for path in &files {
            for finding in self.guarded(&CONFIGURATION_FILES, path) {
                if !found.iter().any(|known| known.subject == finding.subject) {
                    found.push(finding);
                }
            }
        }
        if found.is_empty() && !files.is_empty() {
            found
                .push(Finding::ok(&CONFIGURATION_FILES, Said::of(doctor::FILES_PRIVATE).with("files", joined(&files))));
        }
        found
    }

    fn state(&self, state: &Path) -> Vec<Finding> {
        if matches!(state.symlink_metadata(), Err(error) if error.kind() == io::ErrorKind::NotFound) {
            return Vec::new();
        }
        let mut found = self.guarded(&STATE_DIRECTORY, state);
        let logins = state.join("logins");
        found.extend(self.guards(&STATE_DIRECTORY, &logins));
        if let Some((uid, gid)) = self.daemon {
            for path in [state, &logins] {
                found.extend(self.owned(&STATE_DIRECTORY, path, uid, gid));
            }
        }
        if found.is_empty() {
            let said = Said::of(doctor::FILES_PRIVATE).with("files", state.display());
            found.push(Finding::ok(&STATE_DIRECTORY, said));
        }
        found.extend(self.login_files(state, &logins));
        found
    }

    /// A fault if the daemon's user does not own it.
    fn owned(&self, check: &'static Check, path: &Path, uid: u32, gid: u32) -> Option<Finding> {
        let seen = Seen::of(path).ok().filter(|seen| seen.uid != uid)?;
        let said =
            Said::of(doctor::OWNER_NOT_DAEMON).with("path", path.display()).with("uid", seen.uid).with("daemon", uid);
        let chown = self.scene.as_root(&format!("chown {uid}:{gid} {}", quoted(path)));
        Some(Finding::fault(check, said).about(path.display()).mend(Remedy::Command(chown)))
    }

    fn login_files(&self, state: &Path, logins: &Path) -> Vec<Finding> {
        let owner = self.daemon.or_else(|| Seen::of(state).ok().map(|seen| (seen.uid, seen.gid)));
        let entries = match std::fs::read_dir(logins) {
            Ok(entries) => entries.flatten().map(|entry| entry.path()).collect(),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
            Err(error) => {
                let said = Said::of(doctor::FILE_HIDDEN).with("path", logins.display()).with("reason", error);
                return vec![Finding::not_looked(&LOGIN_FILES, said)];
            }
        };
        let is_login = |path: &PathBuf| path.to_string_lossy().contains(".json");
        let mut files: Vec<PathBuf> = entries.into_iter().filter(is_login).collect();
        files.push(state.join("access.json"));
        files.retain(|path| path.is_file());
        files.sort();
        let mut found = Vec::new();
        for path in &files {
            found.extend(self.unread(&LOGIN_FILES, path));
            found.extend(owner.and_then(|(uid, gid)| self.owned(&LOGIN_FILES, path, uid, gid)));
        }
        if found.is_empty() && !files.is_empty() {
            let said = Said::of(doctor::FILES_READABLE_BY_OWNER).with("files", joined(&files));
            found.push(Finding::ok(&LOGIN_FILES, said));
        }
        found
    }

    /// A fault if others can read it.
    fn unread(&self, check: &'static Check, path: &Path) -> Option<Finding> {
        let seen = Seen::of(path).ok().filter(|seen| seen.mode & ANY != 0)?;
        let said =
            Said::of(doctor::OTHERS_CAN_READ).with("path", path.display()).with("mode", format!("{:o}", seen.mode));
        Some(Finding::fault(check, said).about(path.display()).mend(self.chmod(seen, "600", path)))
    }

    fn key(&self, settings: &Settings, encrypted: bool) -> Vec<Finding> {
        let error = match custody::key(settings, &self.scene.environment) {
            Ok(key) => {
                let guarded = settings.key_file.as_deref().map(|path| self.guarded(&KEY_FILE, path));
                let found = guarded.unwrap_or_default();
                let said = Said::of(if key.is_some() || encrypted { doctor::KEY_GOOD } else { doctor::KEY_NONE });
                return if found.is_empty() { vec![Finding::ok(&KEY_FILE, said)] } else { found };
            }
            Err(error) => error,
        };
        let said = Said::of(doctor::KEY_WRONG).with("error", &error);
        let key = match &error {
            GivenKeyError::File(key) | GivenKeyError::Credential(key) => key,
            GivenKeyError::Two { .. } => {
                let place = self.scene.loaded().and_then(|loaded| loaded.places.get("login.key_file"));
                let finding = Finding::fault(&KEY_FILE, said);
                let remedy = place.and_then(crate::cli::doctor::configuration::without);
                return vec![remedy.into_iter().fold(finding, Finding::mend)];
            }
        };
        vec![self.of_key_error(key, said)]
    }

    fn of_key_error(&self, error: &KeyError, said: Said) -> Finding {
        let finding = Finding::fault(&KEY_FILE, said.clone());
        match error {
            KeyError::Exposed { path, .. } => match Seen::of(path) {
                Ok(seen) => finding.mend(self.chmod(seen, "600", path)),
                Err(_) => finding,
            },
            KeyError::Unreadable { path, source } if source.kind() == io::ErrorKind::NotFound => {
                finding.mend(Remedy::Command(format!("mcp-proxy key generate {}", quoted(path))))
            }
            KeyError::Unreadable { path, .. } => {
                let (uid, gid) = self.daemon.unwrap_or_else(|| (self.scene.uid, rustix::process::getegid().as_raw()));
                let path = quoted(path);
                let chown = self.scene.as_root(&format!("chown {uid}:{gid} {path}"));
                let chmod = self.scene.as_root(&format!("chmod 600 {path}"));
                let finding = finding.mend(Remedy::Command(format!("{chown} && {chmod}")));
                // The daemon may well read what we may not.
                match self.daemon.is_some_and(|(daemon, _)| daemon != self.scene.uid) {
                    true => Finding { verdict: Verdict::NotLooked, ..finding },
                    false => finding,
                }
            }
            KeyError::NotAFile { path }
            | KeyError::NotUsable { path, .. }
            | KeyError::Exists { path }
            | KeyError::NotMade { path, .. } => {
                let kept = quoted(&path.with_extension("kept"));
                let path = quoted(path);
                finding.mend(Remedy::Command(format!("mv {path} {kept} && mcp-proxy key generate {path}")))
            }
            KeyError::Randomness(_) => finding,
        }
    }

    fn private(&self, settings: &Settings) -> Vec<Finding> {
        let mut files: Vec<PathBuf> = Vec::new();
        for upstream in &settings.upstreams {
            match &upstream.auth {
                Auth::AlibabaOauth(alibaba) | Auth::AccessKey { alibaba, .. } => {
                    files.extend(alibaba.aliyun_config_file.clone());
                }
                Auth::Source(TokenSource::File(path)) => files.push(path.clone()),
                Auth::Source(TokenSource::Command { .. }) => {}
            }
        }
        files.sort();
        files.dedup();
        // What systemd passes has permissions of its own: an access list, which shows as a mode that seems too wide.
        files.retain(|path| path.is_file() && !path.starts_with(PASSED));
        let mut found: Vec<Finding> = files.iter().filter_map(|path| self.unread(&PRIVATE_FILES, path)).collect();
        if found.is_empty() && !files.is_empty() {
            let said = Said::of(doctor::FILES_READABLE_BY_OWNER).with("files", joined(&files));
            found.push(Finding::ok(&PRIVATE_FILES, said));
        }
        found
    }
}

fn joined(files: &[PathBuf]) -> String {
    files.iter().map(|file| file.display().to_string()).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_can_write_is_told_from_mode_and_owner() {
        for (uid, gid, mode, expected) in [
            (0, 0, 0o755, false),
            (0, 0, 0o775, false),
            (0, 50, 0o775, true),
            (1000, 1000, 0o775, false),
            (1000, 100, 0o770, true),
            (1000, 1000, 0o777, true),
            (0, 0, 0o1777, false),
            (0, 0, 0o666, true),
        ] {
            assert_eq!(Seen { uid, gid, mode }.others_can_write(), expected, "{uid}:{gid} {mode:o}");
        }
    }
}
