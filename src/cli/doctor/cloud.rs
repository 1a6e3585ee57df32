//! The cloud account: API credentials, what they may do, the OAuth application.

use crate::cli::doctor::checks::{API_CREDENTIALS, Check, OAUTH_APPLICATION, RAM_PERMISSION, REDIRECT_URI};
use crate::cli::doctor::configuration;
use crate::cli::doctor::finding::{Finding, Remedy, Said};
use crate::cli::doctor::scene::{Looked, Scene};
use crate::cli::running::Running;
use crate::config::settings::Auth;
use crate::daemon::probe::{Application, Hindrance, Kind, Vendor};
use crate::phrase::doctor;

const CHECKS: [&Check; 4] = [&API_CREDENTIALS, &RAM_PERMISSION, &OAUTH_APPLICATION, &REDIRECT_URI];

pub(super) async fn look(scene: &Scene) -> Vec<Finding> {
    let not_looked = |why: &Said| CHECKS.iter().map(|check| Finding::not_looked(check, why.clone())).collect();
    // Another user's credentials say nothing of the daemon's.
    if matches!(scene.running().await, Running::Denied(_)) {
        return not_looked(&Said::of(doctor::NEEDS_ACCESS));
    }
    let probe = match scene.probe().await {
        Looked::Seen { probe, .. } => probe,
        Looked::Older => return not_looked(&Said::of(doctor::VERSION_OLDER)),
        Looked::No(why) => return not_looked(why),
    };
    let mut found = Vec::new();
    for upstream in &probe.upstreams {
        if let Some(vendor) = &upstream.vendor {
            found.extend(of_vendor(scene, &upstream.name, vendor).await);
        }
    }
    found
}

async fn of_vendor(scene: &Scene, upstream: &str, vendor: &Vendor) -> Vec<Finding> {
    let mut found = vec![credentials(scene, upstream, vendor).await];
    let asked = vendor.credentials.is_none();
    if !asked {
        let why = || Said::of(doctor::NEEDS_CREDENTIALS);
        found.extend(CHECKS.iter().skip(1).map(|check| Finding::not_looked(check, why()).about(upstream)));
        return found;
    }
    found.extend(permissions(upstream, vendor));
    if let Some(known) = &vendor.application {
        found.extend(application(scene, upstream, known));
    }
    found
}

/// Everything that the cloud said no to.
fn hindrances(vendor: &Vendor) -> impl Iterator<Item = &Hindrance> {
    let application = vendor.application.iter().filter_map(|application| match application {
        Application::Not(hindrance) => Some(hindrance),
        _ => None,
    });
    vendor.credentials.iter().chain(application).chain(&vendor.servers)
}

async fn credentials(scene: &Scene, upstream: &str, vendor: &Vendor) -> Finding {
    let refused = hindrances(vendor).find(|one| matches!(one.kind, Kind::Key));
    if let Some(Hindrance { text, .. }) = refused {
        let said = Said::of(doctor::CREDENTIALS_REFUSED).with("error", text);
        let finding = Finding::fault(&API_CREDENTIALS, said).about(upstream);
        return finding.mend(give_credentials(scene).await);
    }
    match &vendor.credentials {
        None => {
            let source = vendor.source.as_deref().unwrap_or("?");
            Finding::ok(&API_CREDENTIALS, Said::of(doctor::CREDENTIALS_FROM).with("source", source)).about(upstream)
        }
        Some(Hindrance { kind: Kind::Absent, text, .. }) => {
            let said = Said::of(doctor::CREDENTIALS_ABSENT).with("error", text);
            // Whoever is signed in goes on without them; servers are then not listed by name.
            let finding = match is_signed_in(scene, upstream).await {
                true => Finding::note(&API_CREDENTIALS, said),
                false => Finding::fault(&API_CREDENTIALS, said),
            };
            finding.about(upstream).mend(give_credentials(scene).await)
        }
        Some(hindrance) => {
            let said = Said::of(doctor::NEEDS_CLOUD).with("reason", &hindrance.text);
            Finding::not_looked(&API_CREDENTIALS, said).about(upstream)
        }
    }
}

async fn is_signed_in(scene: &Scene, upstream: &str) -> bool {
    let by_daemon = scene.status().await.and_then(|status| status.upstreams.iter().find(|one| one.name == upstream));
    match by_daemon {
        Some(known) => known.serves,
        None => crate::cli::doctor::login::is_saved(scene, upstream),
    }
}

async fn give_credentials(scene: &Scene) -> Remedy {
    if scene.is_service().await {
        let directory = scene.as_root("mkdir -p /etc/credstore.encrypted");
        let encrypt = scene.as_root(
            "systemd-creds encrypt --name=aliyun-config ~/.aliyun/config.json \
             /etc/credstore.encrypted/mcp-proxy.aliyun-config",
        );
        let restart = scene.systemctl("restart mcp-proxy.service").await;
        return Remedy::Command(format!("{directory} && {encrypt} && {restart}"));
    }
    Remedy::Command("export ALIBABA_CLOUD_ACCESS_KEY_ID=... ALIBABA_CLOUD_ACCESS_KEY_SECRET=...".to_owned())
}

fn permissions(upstream: &str, vendor: &Vendor) -> Vec<Finding> {
    let mut found: Vec<Finding> = Vec::new();
    for hindrance in hindrances(vendor).filter(|one| one.kind == Kind::Permission) {
        let (action, policy) = hindrance.permission.clone().unwrap_or_default();
        let said = Said::of(doctor::NOT_PERMITTED).with("action", &action).with("error", &hindrance.text);
        let finding = Finding::fault(&RAM_PERMISSION, said).about(upstream);
        found.push(match policy.is_empty() {
            true => finding,
            false => finding.mend(Remedy::Command(grant(&action, &policy))),
        });
    }
    if found.is_empty() {
        let unreached = hindrances(vendor).find(|one| matches!(one.kind, Kind::Unreachable | Kind::Clock | Kind::Key));
        found.push(match unreached {
            Some(why) => {
                let said = Said::of(doctor::NEEDS_CLOUD).with("reason", &why.text);
                Finding::not_looked(&RAM_PERMISSION, said).about(upstream)
            }
            None => Finding::ok(&RAM_PERMISSION, Said::of(doctor::PERMITTED)).about(upstream),
        });
    }
    found
}

/// A policy of its own, so that nothing of what is there changes.
fn grant(action: &str, policy: &str) -> String {
    let name = format!("mcp-proxy-{}", action.replace(|c: char| !c.is_ascii_alphanumeric(), "-"));
    format!(
        "aliyun ram CreatePolicy --PolicyName {name} --PolicyDocument '{policy}' && \
         aliyun ram AttachPolicyToUser --PolicyType Custom --PolicyName {name} --UserName RAM_USER"
    )
}

fn application(scene: &Scene, upstream: &str, known: &Application) -> Vec<Finding> {
    let ok = |check, said: Said| Finding::ok(check, said).about(upstream);
    match known {
        Application::Fits { name, with_redirect_uri } => vec![
            ok(&OAUTH_APPLICATION, Said::of(doctor::APPLICATION_FITS).with("name", name)),
            match with_redirect_uri {
                true => ok(&REDIRECT_URI, Said::of(doctor::REDIRECT_URI_KNOWN)),
                false => Finding::not_looked(&REDIRECT_URI, Said::of(doctor::REDIRECT_URI_OPEN)).about(upstream),
            },
        ],
        Application::Missing { name } => {
            let said = Said::of(doctor::APPLICATION_TO_COME).with("name", name);
            vec![ok(&OAUTH_APPLICATION, said.clone()), ok(&REDIRECT_URI, said)]
        }
        Application::Not(hindrance) => wrong(scene, upstream, hindrance),
    }
}

fn wrong(scene: &Scene, upstream: &str, hindrance: &Hindrance) -> Vec<Finding> {
    let said = Said::of(doctor::APPLICATION_WRONG).with("error", &hindrance.text);
    let unseen = |check, said: Said| Finding::not_looked(check, said).about(upstream);
    let by_command = |finding: Finding| match &hindrance.command {
        Some(command) => finding.mend(Remedy::Command(command.clone())),
        None => finding,
    };
    match hindrance.kind {
        Kind::RedirectUri => {
            let name = Said::of(doctor::APPLICATION_FITS).with("name", app_name(scene, upstream));
            let finding = by_command(Finding::fault(&REDIRECT_URI, said).about(upstream));
            vec![Finding::ok(&OAUTH_APPLICATION, name).about(upstream), finding]
        }
        Kind::Scope => {
            let finding = by_command(Finding::fault(&OAUTH_APPLICATION, said.clone()).about(upstream));
            vec![finding, unseen(&REDIRECT_URI, said)]
        }
        Kind::NoApplication | Kind::Type | Kind::Other => {
            let finding = Finding::fault(&OAUTH_APPLICATION, said.clone()).about(upstream);
            let places = scene.loaded().map(|loaded| &loaded.places);
            let place = places.and_then(|places| places.get("alibaba.oauth_app_name"));
            let finding = match place.and_then(configuration::without) {
                // Then one is made that fits.
                Some(remedy) => finding.mend(remedy),
                None => finding.mend(Remedy::Command("mcp-proxy login --oauth-app-name NAME".to_owned())),
            };
            vec![finding, unseen(&REDIRECT_URI, said)]
        }
        Kind::Absent | Kind::Key | Kind::Clock | Kind::Permission | Kind::Unreachable => {
            let said = Said::of(doctor::NEEDS_CLOUD).with("reason", &hindrance.text);
            vec![unseen(&OAUTH_APPLICATION, said.clone()), unseen(&REDIRECT_URI, said)]
        }
    }
}

fn app_name(scene: &Scene, upstream: &str) -> String {
    let of = |one: &crate::config::settings::Upstream| match &one.auth {
        Auth::AlibabaOauth(alibaba) if one.proxy.name.as_str() == upstream => Some(alibaba.app_name().to_owned()),
        _ => None,
    };
    scene.settings().and_then(|settings| settings.upstreams.iter().find_map(of)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::doctor::finding::Verdict;

    #[test]
    fn a_missing_permission_comes_with_the_policy_that_grants_it() {
        let hindrance = Hindrance {
            kind: Kind::Permission,
            text: "no".to_owned(),
            permission: Some(("ram:ListApplications".to_owned(), r#"{"Version":"1"}"#.to_owned())),
            command: None,
        };
        let vendor = Vendor {
            source: Some("here".to_owned()),
            credentials: None,
            application: Some(Application::Not(hindrance)),
            servers: None,
        };
        let found = permissions("alibaba", &vendor).remove(0);
        assert_eq!(found.verdict, Verdict::Fault);
        let Remedy::Command(command) = &found.remedies[0] else { panic!("a command") };
        assert!(command.contains(r#"--PolicyName mcp-proxy-ram-ListApplications --PolicyDocument '{"Version":"1"}'"#));
    }
}
