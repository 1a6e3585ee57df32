//! The configuration: is it correct, and is it the one that is in force?

use std::path::Path;

use crate::cli::doctor::checks::{CONFIGURATION, IN_FORCE};
use crate::cli::doctor::finding::{Finding, Remedy, Said};
use crate::cli::doctor::scene::{Looked, Scene};
use crate::config::problem::{Place, Problem};
use crate::daemon::probe::Stale;
use crate::phrase::doctor;

pub(super) async fn look(scene: &Scene) -> Vec<Finding> {
    let mut found = correct(scene);
    found.extend(in_force(scene).await);
    found
}

fn correct(scene: &Scene) -> Vec<Finding> {
    if let Some(loaded) = scene.loaded() {
        let said = match loaded.files.as_slice() {
            [] => Said::of(doctor::CONFIGURATION_GOOD_WITHOUT_FILES),
            files => Said::of(doctor::CONFIGURATION_GOOD).with("files", listed(files)),
        };
        return vec![Finding::ok(&CONFIGURATION, said)];
    }
    scene.problems.iter().map(of_problem).collect()
}

fn listed(files: &[std::path::PathBuf]) -> String {
    files.iter().map(|file| file.display().to_string()).collect::<Vec<_>>().join(", ")
}

fn of_problem(problem: &Problem) -> Finding {
    let finding = Finding::fault(&CONFIGURATION, Said::of(doctor::CONFIGURATION_WRONG).with("problem", problem));
    match &problem.place {
        Place::File { path, at: Some((line, _)) } => {
            let finding = finding.about(format!("{}:{line}", path.display()));
            let text = std::fs::read_to_string(path).unwrap_or_default();
            let edit = Remedy::command(format!("${{EDITOR:-vi}} +{line} {}", quoted(path)));
            match text.lines().nth(line.saturating_sub(1)).and_then(|text| corrected(text, problem)) {
                Some(right) => finding.mend(replace_line(path, *line, &right)).mend(edit),
                None => finding.mend(edit),
            }
        }
        Place::File { path, at: None } => {
            finding.about(path.display()).mend(Remedy::command(format!("ls -l {}", quoted(path))))
        }
        Place::Variable(name) => finding.about(name).mend(Remedy::command(format!("unset {name}"))),
        Place::Flag(name) => finding.about(name).mend(Remedy::command("mcp-proxy doctor --help")),
        Place::BuiltIn => finding.mend(Remedy::command("mcp-proxy check-config")),
    }
}

/// The line with the nearest known key in place of one that is not known.
fn corrected(line: &str, problem: &Problem) -> Option<String> {
    let known = problem.hint.as_deref()?.strip_prefix("the nearest known key is ")?;
    let (wrong, right) = (problem.key.rsplit('.').next()?, known.rsplit('.').next()?);
    line.contains(wrong).then(|| line.replacen(wrong, right, 1))
}

/// A path as a shell takes it.
pub(super) fn quoted(path: &Path) -> String {
    let text = path.display().to_string();
    shlex::try_quote(&text).map(|quoted| quoted.into_owned()).unwrap_or(text)
}

/// Puts another line in the place of one.
fn replace_line(path: &Path, line: usize, text: &str) -> Remedy {
    // What sed would take for something else (sed(1), `c`).
    let text = text.replace('\\', "\\\\");
    let script = format!("{line}c\\{text}");
    let script = shlex::try_quote(&script).map(|quoted| quoted.into_owned()).unwrap_or(script);
    Remedy::command(format!("sed -i {script} {}", quoted(path)))
}

/// Takes a value away, so that what a lower layer says counts again.
pub(super) fn without(place: &Place) -> Option<Remedy> {
    match place {
        Place::File { path, at: Some((line, _)) } => Some(Remedy::command(format!("sed -i {line}d {}", quoted(path)))),
        Place::Variable(name) => Some(Remedy::command(format!("unset {name}"))),
        _ => None,
    }
}

async fn in_force(scene: &Scene) -> Vec<Finding> {
    let (stale, program) = match scene.probe().await {
        Looked::Seen { probe, by_daemon: true } => match &probe.stale {
            Some(stale) => (stale, probe.pid),
            None => return vec![Finding::not_looked(&IN_FORCE, Said::of(doctor::NEEDS_DAEMON))],
        },
        Looked::No(why) => return vec![Finding::not_looked(&IN_FORCE, why.clone())],
        _ => return vec![Finding::not_looked(&IN_FORCE, Said::of(doctor::NEEDS_DAEMON))],
    };
    let (reload, restart) = (scene.reload().await, scene.restart().await);
    judge(stale, reload.unwrap_or_else(|| format!("kill -HUP {program}")), restart.unwrap_or_default())
}

fn judge(stale: &Stale, reload: String, restart: String) -> Vec<Finding> {
    let Stale { problems, for_a_reload, for_a_restart } = stale;
    let mut found: Vec<Finding> = problems
        .iter()
        .map(|problem| Said::of(doctor::DAEMON_COULD_NOT_RELOAD).with("problem", problem))
        .map(|said| Finding::fault(&IN_FORCE, said).mend(Remedy::command("mcp-proxy check-config")))
        .collect();
    // A restart takes everything.
    if !for_a_restart.is_empty() {
        let keys: Vec<&str> = for_a_restart.iter().chain(for_a_reload).map(String::as_str).collect();
        let said = Said::of(doctor::WAITS_FOR_RESTART).with("keys", keys.join(", "));
        found.push(Finding::fault(&IN_FORCE, said).mend(Remedy::Command(restart)));
    } else if !for_a_reload.is_empty() {
        let said = Said::of(doctor::WAITS_FOR_RELOAD).with("keys", for_a_reload.join(", "));
        found.push(Finding::fault(&IN_FORCE, said).mend(Remedy::Command(reload)));
    }
    if found.is_empty() {
        found.push(Finding::ok(&IN_FORCE, Said::of(doctor::IN_FORCE)));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::doctor::finding::Verdict;

    #[test]
    fn a_slip_in_a_name_comes_with_the_right_line() {
        let problem = |hint: &str| Problem {
            place: Place::File { path: "/etc/x.toml".into(), at: Some((3, 1)) },
            key: "listen.prot".to_owned(),
            what: "unknown key".to_owned(),
            hint: Some(hint.to_owned()),
        };
        let near = problem("the nearest known key is listen.port");
        assert_eq!(corrected("prot = 8090  # ours", &near).as_deref(), Some("port = 8090  # ours"));
        assert_eq!(corrected("something else", &near), None);
        assert_eq!(corrected("prot = 1", &problem("no known key is like it")), None);
        let remedy = replace_line(Path::new("/etc/x.toml"), 3, "port = \"it's\"");
        assert_eq!(remedy, Remedy::command(r#"sed -i "3c\\port = \"it's\"" /etc/x.toml"#));
    }

    #[test]
    fn a_restart_is_named_once_for_everything() {
        let stale = |reload: &[&str], restart: &[&str]| Stale {
            problems: Vec::new(),
            for_a_reload: reload.iter().map(|key| (*key).to_owned()).collect(),
            for_a_restart: restart.iter().map(|key| (*key).to_owned()).collect(),
        };
        let verdict = |stale: &Stale| {
            let found = judge(stale, "reload".to_owned(), "restart".to_owned());
            assert_eq!(found.len(), 1);
            (found[0].verdict, found[0].remedies.first().cloned())
        };
        assert_eq!(verdict(&stale(&[], &[])), (Verdict::Ok, None));
        assert_eq!(verdict(&stale(&["log.level"], &[])), (Verdict::Fault, Some(Remedy::command("reload"))));
        assert_eq!(
            verdict(&stale(&["log.level"], &["listen.port"])),
            (Verdict::Fault, Some(Remedy::command("restart")))
        );
    }
}
