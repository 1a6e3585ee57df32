//! `mcp-proxy doctor`: looks at everything between a client and the cloud, and says how to mend what is wrong. Changes
//! nothing, and shows no secret.
//!
//! `checks` is the list; each family of checks has a file, and they look at the same time. What is said comes in the order
//! of the list, whoever was done first. `scene` is what they share.

mod checks;
mod cloud;
mod configuration;
mod daemon;
mod files;
mod finding;
mod json;
mod login;
mod machine;
mod network;
mod port;
mod scene;
mod service;
mod units;
mod words;

use std::io::IsTerminal;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::timeout;

use self::checks::Family;
use self::finding::{Finding, Said, Verdict};
use self::scene::{Scene, Shared};
use self::words::Look;
use crate::cli::exit::Exit;
use crate::cli::say;
use crate::config::Inputs;
use crate::daemon::Environment;
use crate::model::language::Language;
use crate::model::time::{Clock, in_words};
use crate::phrase::doctor;

/// How long one family of checks may take.
const LIMIT: Duration = Duration::from_secs(9);

/// Looks, and says what was found.
pub(super) async fn run(inputs: Inputs, environment: &Environment, as_json: bool) -> Exit {
    let get = |name: &str| environment.get(name).map(String::as_str);
    let is_set = |name: &str| get(name).is_some_and(|value| !value.is_empty());
    let terminal = std::io::stdout().is_terminal() && get("TERM") != Some("dumb");
    let look =
        Look { language: Language::of_environment(get), marks: terminal, colours: terminal && !is_set("NO_COLOR") };
    let scene = Arc::new(Scene::new(inputs, environment.clone()));
    let mut findings = Vec::new();
    let mut families = Families::begin(&scene);
    while let Some((family, found)) = families.next().await {
        if !as_json {
            say(words::family(family, &found, look).trim_end());
        }
        findings.extend(found);
    }
    let exit = exit(&findings);
    match as_json {
        true => say(&json::text(&findings, exit, Clock::system().now().wall)),
        false => say(&format!("\n{}", words::summary(&findings, look.language))),
    }
    exit
}

/// That of the first fault: it may be the cause of the others.
fn exit(findings: &[Finding]) -> Exit {
    let first = findings.iter().find(|finding| finding.verdict == Verdict::Fault);
    first.map_or(Exit::Ok, |fault| fault.check.exit)
}

/// Families of checks under way.
struct Families {
    tasks: JoinSet<(usize, Vec<Finding>)>,
    done: Vec<Option<Vec<Finding>>>,
    next: usize,
}

impl Families {
    fn begin(scene: &Shared) -> Self {
        let mut tasks = JoinSet::new();
        for (at, family) in Family::ALL.into_iter().enumerate() {
            let scene = scene.clone();
            tasks.spawn(async move { (at, of_family(family, &scene).await) });
        }
        Self { tasks, done: Family::ALL.iter().map(|_| None).collect(), next: 0 }
    }

    /// The next one in their order, as soon as it is there.
    async fn next(&mut self) -> Option<(Family, Vec<Finding>)> {
        let family = *Family::ALL.get(self.next)?;
        loop {
            if let Some(found) = self.done.get_mut(self.next).and_then(Option::take) {
                self.next += 1;
                return Some((family, found));
            }
            match self.tasks.join_next().await {
                Some(Ok((at, found))) => {
                    if let Some(place) = self.done.get_mut(at) {
                        *place = Some(found);
                    }
                }
                // One that has ended without an answer: what is left is said not to have been looked at.
                Some(Err(_)) => {}
                None => {
                    self.next += 1;
                    return Some((family, complete(family, Vec::new())));
                }
            }
        }
    }
}

async fn of_family(family: Family, scene: &Scene) -> Vec<Finding> {
    let looking = async {
        match family {
            Family::Configuration => configuration::look(scene).await,
            Family::Service => service::look(scene).await,
            Family::Daemon => daemon::look(scene).await,
            Family::Port => port::look(scene).await,
            Family::Network => network::look(scene).await,
            Family::Cloud => cloud::look(scene).await,
            Family::Login => login::look(scene).await,
            Family::Files => files::look(scene).await,
            Family::Machine => machine::look(scene).await,
        }
    };
    match timeout(LIMIT, looking).await {
        Ok(found) => complete(family, found),
        Err(_) => {
            let said = || Said::of(doctor::TOO_LONG).with("limit", in_words(LIMIT));
            family.checks().map(|check| Finding::not_looked(check, said())).collect()
        }
    }
}

/// The findings in the order of the list, with a word about each check that found nothing to look at.
fn complete(family: Family, found: Vec<Finding>) -> Vec<Finding> {
    let mut ordered = Vec::with_capacity(found.len());
    for check in family.checks() {
        let before = ordered.len();
        ordered.extend(found.iter().filter(|finding| finding.check.id == check.id).cloned());
        if ordered.len() == before {
            ordered.push(Finding::not_looked(check, Said::of(doctor::NOTHING_HERE)));
        }
    }
    ordered
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::doctor::checks::{CLOCK, DNS, REACH};

    #[test]
    fn the_first_fault_decides_how_it_ends() {
        let said = || Said::of(doctor::NOTHING_HERE);
        let fault = |check| Finding::fault(check, said());
        assert_eq!(exit(&[]), Exit::Ok);
        assert_eq!(exit(&[Finding::note(&DNS, said()), Finding::not_looked(&REACH, said())]), Exit::Ok);
        assert_eq!(exit(&[Finding::ok(&DNS, said()), fault(&CLOCK), fault(&DNS)]), Exit::TempFail);
    }

    #[test]
    fn no_check_is_passed_over_in_silence() {
        let found = complete(Family::Network, vec![Finding::ok(&REACH, Said::of(doctor::NOTHING_HERE))]);
        let ids: Vec<&str> = found.iter().map(|finding| finding.check.id).collect();
        assert_eq!(ids, ["proxy-environment", "dns", "reach", "certificate", "clock"]);
        assert_eq!((found[1].verdict, found[2].verdict), (Verdict::NotLooked, Verdict::Ok));
    }
}
