//! What the daemon takes from itself: writing anywhere but where it keeps something (landlock(7)).
//!
//! Only writing: what it has to read (trust, name services, credentials, files that a reload names) is not known
//! beforehand. Only under a service manager, and only if it runs no programs: these would inherit it, and a token command
//! may keep a cache of its own. A daemon that somebody starts by hand opens browsers, and looks up who holds a port,
//! which the same restriction would keep it from.

use std::path::{Path, PathBuf};

use landlock::{
    ABI, AccessFs, PathBeneath, PathFd, Ruleset, RulesetAttr, RulesetCreatedAttr, RulesetError, RulesetStatus,
};

use crate::auth::settings::TokenSource;
use crate::config::settings::{Auth, Settings};
use crate::daemon::Environment;

/// What the aliyun CLI's file calls a program that prints credentials.
const PROGRAM: &str = "process_command";
/// The systemd credential with that file.
const CREDENTIAL: &str = "aliyun-config";
/// What is written to beside what is configured: `/dev/null` is what a program's output goes to.
const DEVICES: &str = "/dev";

/// What became of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Confinement {
    /// Files can be written below these directories only.
    To(Vec<PathBuf>),
    /// It is left out, for this reason.
    LeftOut(&'static str),
    /// The kernel does not do it.
    NotHere(String),
}

/// Takes it from the calling thread, and from every thread and program that it starts afterwards.
pub fn confine(settings: &Settings, environment: &Environment) -> Confinement {
    if !environment.contains_key("NOTIFY_SOCKET") {
        return Confinement::LeftOut("no service manager started it");
    }
    if runs_programs(settings, environment) {
        return Confinement::LeftOut("it runs a command for a token or for credentials, which may write elsewhere");
    }
    let places = places(settings);
    match restrict(&places) {
        Ok(RulesetStatus::NotEnforced) => Confinement::NotHere("the kernel has no Landlock".to_owned()),
        Ok(_) => Confinement::To(places),
        Err(error) => Confinement::NotHere(error.to_string()),
    }
}

fn runs_programs(settings: &Settings, environment: &Environment) -> bool {
    let credential = environment.get("CREDENTIALS_DIRECTORY").map(|directory| Path::new(directory).join(CREDENTIAL));
    let names_one = |file: &Path| {
        let text = std::fs::read(file).unwrap_or_default();
        text.windows(PROGRAM.len()).any(|window| window == PROGRAM.as_bytes())
    };
    settings.upstreams.iter().any(|upstream| match &upstream.auth {
        Auth::Source(TokenSource::Command { .. }) => true,
        Auth::Source(TokenSource::File(_)) => false,
        Auth::AlibabaOauth(alibaba) | Auth::AccessKey { alibaba, .. } => {
            alibaba.aliyun_config_file.iter().chain(&credential).any(|file| names_one(file))
        }
    })
}

/// Where something is kept. Of the state directory the one above it: it may be away for a moment, and come back as
/// another directory.
fn places(settings: &Settings) -> Vec<PathBuf> {
    let above = |path: &Path| path.parent().filter(|above| above.parent().is_some()).unwrap_or(path).to_owned();
    let mut places = vec![above(&settings.state_dir), PathBuf::from(DEVICES)];
    let sockets = settings.control.socket.iter().chain(&settings.listen.unix);
    places.extend(sockets.chain(&settings.log.audit_file).map(|file| above(file)));
    let mut places: Vec<PathBuf> = places.into_iter().filter_map(existing).collect();
    places.sort();
    places.dedup();
    places
}

/// The path, or the nearest directory above it that is there.
fn existing(path: PathBuf) -> Option<PathBuf> {
    path.ancestors().find(|above| above.is_dir()).map(Path::to_owned)
}

fn restrict(places: &[PathBuf]) -> Result<RulesetStatus, RulesetError> {
    // Version 3 knows every way to change a file; what newer ones add is not about files.
    let writing = AccessFs::from_write(ABI::V3);
    let mut rules = Ruleset::default().handle_access(writing)?.create()?;
    for place in places {
        // What has just gone away needs no rule.
        if let Ok(directory) = PathFd::new(place) {
            rules = rules.add_rule(PathBeneath::new(directory, writing))?;
        }
    }
    Ok(rules.restrict_self()?.ruleset)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::sync::Arc;

    use super::*;
    use crate::config::{self, Inputs};

    fn settings(directory: &Path, more: &str) -> Settings {
        let main_file = directory.join("mcp-proxy.toml");
        let text = format!(
            "state_dir = \"{0}/state\"\n[alibaba]\naliyun_config_file = \"{0}/aliyun.json\"\n{more}",
            directory.display()
        );
        std::fs::write(&main_file, text).unwrap();
        config::load(&Inputs { main_file, uid: 1000, ..Inputs::default() }).unwrap().settings
    }

    fn served() -> Environment {
        Arc::new(BTreeMap::from([("NOTIFY_SOCKET".to_owned(), "/run/notify".to_owned())]))
    }

    #[test]
    fn nothing_is_written_elsewhere_and_everything_is_read() {
        let directory = tempfile::tempdir().unwrap();
        let (inside, outside) = (directory.path().join("a"), directory.path().join("b"));
        std::fs::create_dir_all(&inside).unwrap();
        std::fs::create_dir_all(&outside).unwrap();
        std::fs::write(outside.join("old"), "old").unwrap();
        let settings = settings(&inside, "");
        // It holds for the thread and what comes of it: the other tests go on as they are.
        let thread = std::thread::spawn(move || {
            let Confinement::To(places) = confine(&settings, &served()) else { return false };
            assert!(places.contains(&inside), "{places:?}");
            std::fs::create_dir(inside.join("state")).unwrap();
            std::fs::write(inside.join("state/new"), "x").unwrap();
            std::fs::rename(inside.join("state/new"), inside.join("state/renamed")).unwrap();
            std::fs::remove_dir_all(inside.join("state")).unwrap();
            std::fs::create_dir(inside.join("state")).unwrap();
            std::fs::write(inside.join("state/again"), "x").unwrap();
            std::fs::write("/dev/null", "x").unwrap();
            assert_eq!(std::fs::read_to_string(outside.join("old")).unwrap(), "old");
            for refused in [
                std::fs::write(outside.join("new"), "x"),
                std::fs::write(outside.join("old"), "x"),
                std::fs::remove_file(outside.join("old")),
                std::fs::rename(outside.join("old"), inside.join("old")),
                std::os::unix::fs::symlink("/", outside.join("link")),
                std::fs::create_dir(outside.join("new")),
            ] {
                let kind = refused.unwrap_err().kind();
                assert!(
                    matches!(kind, std::io::ErrorKind::PermissionDenied | std::io::ErrorKind::CrossesDevices),
                    "{kind}"
                );
            }
            true
        });
        if !thread.join().unwrap() {
            println!("SKIPPED nothing_is_written_elsewhere_and_everything_is_read: the kernel has no Landlock");
        }
    }

    #[test]
    fn it_is_left_out_where_it_would_be_in_the_way() {
        let directory = tempfile::tempdir().unwrap();
        let here = directory.path();
        let by_hand = confine(&settings(here, ""), &Environment::default());
        assert!(matches!(by_hand, Confinement::LeftOut(_)), "{by_hand:?}");
        let command = "[[upstream]]\nname = \"x\"\nmount = \"/x\"\nurl = \"https://x.example\"\nauth = \"token-command\"\n\
                       token_command = [\"/bin/x\"]\n";
        assert!(matches!(confine(&settings(here, command), &served()), Confinement::LeftOut(_)));
        let profile = r#"{"profiles":[{"mode":"External","process_command":"x"}]}"#;
        std::fs::write(here.join("aliyun.json"), profile).unwrap();
        assert!(matches!(confine(&settings(here, ""), &served()), Confinement::LeftOut(_)));
    }

    #[test]
    fn the_root_is_never_a_place() {
        let directory = tempfile::tempdir().unwrap();
        let mut settings = settings(directory.path(), "");
        settings.state_dir = PathBuf::from("/srv");
        assert!(!places(&settings).contains(&PathBuf::from("/")));
    }
}
