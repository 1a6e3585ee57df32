//! The network, as it is where the daemon stands: proxies, names, services, certificates, clocks.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::cli::doctor::checks::{CERTIFICATE, CLOCK, Check, DNS, PROXY_ENVIRONMENT, REACH};
use crate::cli::doctor::configuration;
use crate::cli::doctor::finding::{Finding, Remedy, Said};
use crate::cli::doctor::scene::{Looked, Scene};
use crate::config::problem::Place;
use crate::daemon::probe::{Answer, Failure, Names, Probe, Proxy, Role, Service};
use crate::model::time::in_words;
use crate::net::way_out;
use crate::phrase::doctor;

/// A difference of clocks that is worth a word, and one that breaks signatures and lifetimes (the cloud allows 15
/// minutes), in seconds.
const NOTABLE: u64 = 60;
const FAULTY: u64 = 300;

const CHECKS: [&Check; 5] = [&PROXY_ENVIRONMENT, &DNS, &REACH, &CERTIFICATE, &CLOCK];

pub(super) async fn look(scene: &Scene) -> Vec<Finding> {
    let (probe, by_daemon) = match scene.probe().await {
        Looked::Seen { probe, by_daemon } => (probe, *by_daemon),
        Looked::Older => {
            let why = Said::of(doctor::VERSION_OLDER);
            return CHECKS.iter().map(|check| Finding::not_looked(check, why.clone())).collect();
        }
        Looked::No(why) => return CHECKS.iter().map(|check| Finding::not_looked(check, why.clone())).collect(),
    };
    let services: Vec<(&str, &Service)> = services(probe);
    let mut found = proxies(scene, probe, by_daemon, &services).await;
    found.extend(names(scene, &services));
    found.extend(reach(scene, &services));
    found.extend(certificates(scene, probe, &services).await);
    found.push(clock(&services, scene));
    found
}

/// Every place once, with the name of an upstream that needs it.
fn services(probe: &Probe) -> Vec<(&str, &Service)> {
    let mut services: Vec<(&str, &Service)> = Vec::new();
    for upstream in &probe.upstreams {
        for service in &upstream.services {
            if !services.iter().any(|(_, known)| known.origin == service.origin) {
                services.push((upstream.name.as_str(), service));
            }
        }
    }
    services
}

fn joined<'a>(words: impl Iterator<Item = &'a str>) -> String {
    let mut words: Vec<&str> = words.collect();
    words.dedup();
    words.join(", ")
}

async fn proxies(scene: &Scene, probe: &Probe, by_daemon: bool, services: &[(&str, &Service)]) -> Vec<Finding> {
    let mut found = Vec::new();
    for (name, value) in &probe.proxies {
        let lists_hosts = name.eq_ignore_ascii_case("no_proxy");
        if !lists_hosts && !value.is_empty() && !way_out::is_proxy(value) {
            let said = Said::of(doctor::PROXY_ILLEGAL).with("name", name).with("value", value);
            found.push(Finding::fault(&PROXY_ENVIRONMENT, said).about(name).mend(drop_variable(scene, name).await));
        }
    }
    let mut reached: Vec<&str> = Vec::new();
    // By proxy: the reason, and the hosts behind it.
    let mut dead: BTreeMap<&str, (&str, Vec<&str>)> = BTreeMap::new();
    for (upstream, service) in services {
        match &service.proxy {
            Some(Proxy { shown, trouble: None }) => reached.push(shown.as_str()),
            Some(Proxy { shown, trouble: Some(reason) }) => {
                dead.entry(shown).or_insert((reason, Vec::new())).1.push(&service.host);
            }
            None => found.extend(only_here(scene, by_daemon, upstream, service).await),
        }
    }
    for (proxy, (reason, hosts)) in dead {
        found.push(of_dead(scene, probe, proxy, reason, hosts).await);
    }
    if found.is_empty() {
        let said = match reached.is_empty() {
            true => Said::of(doctor::NO_PROXY),
            false => Said::of(doctor::PROXIES_REACHED).with("proxies", joined(reached.into_iter())),
        };
        found.push(Finding::ok(&PROXY_ENVIRONMENT, said));
    }
    found
}

/// A proxy that is not reached, once for all that would go through it.
async fn of_dead(scene: &Scene, probe: &Probe, proxy: &str, reason: &str, mut hosts: Vec<&str>) -> Finding {
    hosts.sort_unstable();
    hosts.dedup();
    let said = Said::of(doctor::PROXY_DEAD).with("host", hosts.join(", ")).with("proxy", proxy).with("reason", reason);
    let finding = Finding::fault(&PROXY_ENVIRONMENT, said).about(proxy);
    // What goes past proxies already still does.
    let known = ["no_proxy", "NO_PROXY"].into_iter().find_map(|name| value_of(probe, name));
    let past: Vec<&str> = known.into_iter().chain(hosts).collect();
    let direct = set_variable(scene, "NO_PROXY", &past.join(",")).await;
    match in_the_way(probe) {
        Some(name) => finding.mend(drop_variable(scene, name).await).mend(direct),
        None => finding.mend(direct),
    }
}

fn value_of<'a>(probe: &'a Probe, wanted: &str) -> Option<&'a str> {
    let set = probe.proxies.iter().find(|(name, value)| name == wanted && !value.is_empty());
    set.map(|(_, value)| value.as_str())
}

/// The variable that sends HTTPS through a proxy.
fn in_the_way(probe: &Probe) -> Option<&'static str> {
    let names = ["https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"];
    names.into_iter().find(|name| value_of(probe, name).is_some())
}

/// A proxy that the shell knows and the daemon does not, where the daemon reaches nothing.
async fn only_here(scene: &Scene, by_daemon: bool, upstream: &str, service: &Service) -> Option<Finding> {
    let unanswered = matches!(service.answer, Answer::Nothing { failure: Failure::Connection | Failure::Late, .. });
    let own = url::Url::parse(&service.origin).ok().filter(|_| by_daemon && unanswered);
    let proxy = way_out::proxy_to(&own?)?;
    let said = Said::of(doctor::PROXY_ONLY_HERE).with("proxy", &proxy.shown).with("host", &service.host);
    let remedy = set_variable(scene, "HTTPS_PROXY", &proxy.shown).await;
    Some(Finding::fault(&PROXY_ENVIRONMENT, said).about(upstream).mend(remedy))
}

async fn drop_variable(scene: &Scene, name: &str) -> Remedy {
    match scene.is_service().await {
        true => {
            let text = format!("[Service]\nUnsetEnvironment={name}\n");
            scene.drop_in("mcp-proxy.service", "proxy", &text, "restart mcp-proxy.service").await
        }
        false => Remedy::Command(again(scene, &format!("unset {name}")).await),
    }
}

async fn set_variable(scene: &Scene, name: &str, value: &str) -> Remedy {
    match scene.is_service().await {
        true => {
            let text = format!("[Service]\nEnvironment={name}={value}\n");
            scene.drop_in("mcp-proxy.service", "proxy", &text, "restart mcp-proxy.service").await
        }
        false => Remedy::Command(again(scene, &format!("export {name}={value}")).await),
    }
}

/// A change of the shell's environment, which a daemon gets when it is started anew.
async fn again(scene: &Scene, change: &str) -> String {
    match scene.restart().await {
        Some(restart) => format!("{change}; {restart}"),
        None => change.to_owned(),
    }
}

/// Where a host that does not work was configured, if somebody has.
fn configured<'a>(scene: &'a Scene, upstream: &str, role: Role) -> Option<&'a Place> {
    let places = &scene.loaded()?.places;
    let keys = match role {
        Role::Upstream => vec![format!("upstream.{upstream}.url"), "alibaba.endpoints.gateway".to_owned()],
        Role::Token => vec!["alibaba.endpoints.oauth".to_owned()],
        Role::Applications => vec!["alibaba.endpoints.ims".to_owned()],
        Role::Exchange => vec!["alibaba.endpoints.ramoauth".to_owned()],
    };
    keys.iter().find_map(|key| places.get(key))
}

/// What mends a host that does not work: another one, if it was configured; else a look at the network.
fn other_host(scene: &Scene, upstream: &str, role: Role, look: String) -> Remedy {
    configured(scene, upstream, role).and_then(configuration::without).unwrap_or(Remedy::Command(look))
}

fn names(scene: &Scene, services: &[(&str, &Service)]) -> Vec<Finding> {
    let mut found = Vec::new();
    for (upstream, service) in services {
        let Names::Failed(reason) = &service.names else { continue };
        let said = Said::of(doctor::NAME_NOT_FOUND).with("host", &service.host).with("reason", reason);
        let look = format!("getent ahosts {}", service.host);
        let remedy = other_host(scene, upstream, service.role, look);
        found.push(Finding::fault(&DNS, said).about(upstream).mend(remedy));
    }
    if found.is_empty() {
        let asked = services.iter().filter(|(_, service)| matches!(service.names, Names::Found(_)));
        let hosts = joined(asked.map(|(_, service)| service.host.as_str()));
        found.push(Finding::ok(
            &DNS,
            match hosts.is_empty() {
                true => Said::of(doctor::NAMES_NOT_ASKED),
                false => Said::of(doctor::NAMES_FOUND).with("hosts", hosts),
            },
        ));
    }
    found
}

fn reach(scene: &Scene, services: &[(&str, &Service)]) -> Vec<Finding> {
    let mut found = Vec::new();
    for (upstream, service) in services {
        match &service.answer {
            Answer::Heard { millis, .. } => {
                let said = Said::of(doctor::REACHED)
                    .with("host", &service.host)
                    .with("time", in_words(Duration::from_millis(*millis)));
                found.push(Finding::ok(&REACH, said).about(upstream));
            }
            // Other checks say what is in the way.
            Answer::Nothing { failure: Failure::Certificate, .. } => {}
            Answer::Nothing { reason, .. } => {
                let said = Said::of(doctor::NOT_REACHED).with("origin", &service.origin).with("reason", reason);
                let said_elsewhere = matches!(service.names, Names::Failed(_))
                    || service.proxy.as_ref().is_some_and(|proxy| proxy.trouble.is_some());
                let look = format!("curl -sv --max-time 10 -o /dev/null {}", service.origin);
                found.push(match said_elsewhere {
                    true => Finding::not_looked(&REACH, said).about(upstream),
                    false => Finding::fault(&REACH, said).about(upstream).mend(other_host(
                        scene,
                        upstream,
                        service.role,
                        look,
                    )),
                });
            }
        }
    }
    found
}

async fn certificates(scene: &Scene, probe: &Probe, services: &[(&str, &Service)]) -> Vec<Finding> {
    if let Some(error) = &probe.authorities {
        let place = scene.loaded().and_then(|loaded| loaded.places.get("network.extra_ca_file"));
        let remedy = match place.and_then(configuration::without) {
            Some(remedy) => remedy,
            None => Remedy::Command(scene.as_root("apt install ca-certificates")),
        };
        let said = Said::of(doctor::NO_AUTHORITIES).with("error", error);
        return vec![Finding::fault(&CERTIFICATE, said).mend(remedy)];
    }
    let mut found = Vec::new();
    for (upstream, service) in services {
        let Answer::Nothing { failure: Failure::Certificate, reason } = &service.answer else { continue };
        let said = Said::of(doctor::CERTIFICATE_WRONG).with("origin", &service.origin).with("reason", reason);
        let finding = Finding::fault(&CERTIFICATE, said).about(upstream);
        // A bad signature: an authority of that name is trusted, and it is another one.
        let stranger = ["UnknownIssuer", "BadSignature"].iter().any(|name| reason.contains(name));
        found.push(if stranger {
            let text = "[network]\nextra_ca_file = \"/etc/mcp-proxy/ca.pem\"\n";
            let authority = service.origin.trim_start_matches("https://");
            let look = format!(
                "openssl s_client -showcerts -connect {}{} </dev/null",
                authority,
                if authority.contains(':') { "" } else { ":443" }
            );
            finding
                .mend(Remedy::write(scene.conf_d("certificate"), text, scene.reload().await))
                .mend(Remedy::Command(look))
        } else if ["xpired", "NotValidYet", "not valid yet"].iter().any(|name| reason.contains(name)) {
            finding.mend(Remedy::Command(scene.as_root("timedatectl set-ntp true")))
        } else {
            let look = format!("curl -sv --max-time 10 -o /dev/null {}", service.origin);
            finding.mend(other_host(scene, upstream, service.role, look))
        });
    }
    if found.is_empty() {
        let is_trusted = |service: &Service| {
            service.origin.starts_with("https://") && matches!(service.answer, Answer::Heard { .. })
        };
        let hosts = joined(services.iter().filter(|(_, one)| is_trusted(one)).map(|(_, one)| one.host.as_str()));
        found.push(match hosts.is_empty() {
            true => Finding::not_looked(&CERTIFICATE, Said::of(doctor::CERTIFICATES_NOT_ASKED)),
            false => Finding::ok(&CERTIFICATE, Said::of(doctor::CERTIFICATES_GOOD).with("hosts", hosts)),
        });
    }
    found
}

fn clock(services: &[(&str, &Service)], scene: &Scene) -> Finding {
    let said = services.iter().filter_map(|(_, service)| match service.answer {
        Answer::Heard { ahead: Some(ahead), .. } => Some((service.host.as_str(), ahead)),
        _ => None,
    });
    // Of several that differ, the one that agrees best is more likely right than our clock is wrong.
    let Some((host, ahead)) = said.min_by_key(|(_, ahead)| ahead.unsigned_abs()) else {
        return Finding::not_looked(&CLOCK, Said::of(doctor::CLOCK_UNKNOWN));
    };
    let by = ahead.unsigned_abs();
    if by < NOTABLE {
        return Finding::ok(&CLOCK, Said::of(doctor::CLOCK_GOOD).with("seconds", by.saturating_add(1)));
    }
    let direction = if ahead > 0 { doctor::BEHIND } else { doctor::AHEAD };
    let said = Said::of(doctor::CLOCK_WRONG)
        .with("far", in_words(Duration::from_secs(by)))
        .with_phrase("direction", direction)
        .with("host", host);
    let finding = if by < FAULTY { Finding::note(&CLOCK, said) } else { Finding::fault(&CLOCK, said) };
    finding.mend(Remedy::Command(scene.as_root("timedatectl set-ntp true")))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::cli::doctor::finding::Verdict;
    use crate::config::Inputs;
    use crate::model::language::Language;

    fn service(ahead: Option<i64>) -> Service {
        Service {
            role: Role::Upstream,
            origin: "https://gw.example".to_owned(),
            host: "gw.example".to_owned(),
            proxy: None,
            names: Names::Found(vec!["192.0.2.1".to_owned()]),
            answer: Answer::Heard { status: 404, millis: 20, ahead },
        }
    }

    fn scene() -> Scene {
        let directory = tempfile::tempdir().unwrap();
        let main_file = directory.path().join("main.toml");
        std::fs::write(&main_file, format!("state_dir = {:?}\n", directory.path())).unwrap();
        Scene::new(Inputs { main_file, uid: 0, ..Inputs::default() }, Arc::default())
    }

    #[test]
    fn the_clock_is_judged_by_who_agrees_best() {
        for (ahead, verdict, says) in [
            (&[Some(0)][..], Verdict::Ok, "right to 1 s"),
            (&[Some(-59)], Verdict::Ok, "right to 60 s"),
            (&[Some(61)], Verdict::Note, "1 min behind that of gw.example"),
            (&[Some(-300)], Verdict::Fault, "5 min ahead of that of gw.example"),
            (&[Some(-9_000), Some(2)], Verdict::Ok, "right to"),
            (&[None], Verdict::NotLooked, "what time it is"),
        ] {
            let services: Vec<Service> = ahead.iter().map(|ahead| service(*ahead)).collect();
            let named: Vec<(&str, &Service)> = services.iter().map(|service| ("a", service)).collect();
            let found = clock(&named, &scene());
            assert_eq!(found.verdict, verdict, "{ahead:?}");
            assert!(found.said.text(Language::English).contains(says), "{}", found.said.text(Language::English));
        }
    }

    #[test]
    fn what_is_said_elsewhere_is_no_second_fault() {
        let mut dead = service(None);
        dead.names = Names::Failed("no such name".to_owned());
        dead.answer = Answer::Nothing { failure: Failure::Connection, reason: "dns".to_owned() };
        let named = [("a", &dead)];
        assert_eq!(names(&scene(), &named)[0].verdict, Verdict::Fault);
        assert_eq!(reach(&scene(), &named)[0].verdict, Verdict::NotLooked);
    }
}
