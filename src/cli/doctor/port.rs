//! The port: who has it, who may use it, and from where it can be reached.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use tokio::net::{TcpStream, lookup_host};
use tokio::time::timeout;

use crate::cli::doctor::checks::{ACCESS, CONTAINER_REACH, CONTAINERS, PORT};
use crate::cli::doctor::finding::{Finding, Remedy, Said};
use crate::cli::doctor::scene::Scene;
use crate::cli::running::Running;
use crate::daemon::neighbour::{self, Door, Neighbour};
use crate::daemon::port_holder;
use crate::net::namespace::{self, Namespace};
use crate::net::place::{self, Bridge};
use crate::phrase::doctor;

/// How long a connection on this host may take.
const NEAR: Duration = Duration::from_secs(2);

/// Containers may use it.
const LET_IN: &str = "[access]\ncontainers = true\n";

pub(super) async fn look(scene: &Scene) -> Vec<Finding> {
    let listens = listens(scene).await;
    let bridges = tokio::task::spawn_blocking(place::own_bridges).await.unwrap_or_default();
    let (port, access, reach) =
        tokio::join!(port(scene), access(scene, &listens), container_reach(scene, &listens, &bridges));
    let mut found = vec![port, access];
    found.extend(containers(scene, &listens, &bridges).await);
    found.extend(reach);
    found
}

/// The TCP addresses where mcp-proxy listens: as the daemon says, else where it was found.
async fn listens(scene: &Scene) -> Vec<SocketAddr> {
    if let Some(status) = scene.status().await {
        return status.listens.iter().filter_map(|address| address.parse().ok()).collect();
    }
    let Some(settings) = scene.settings() else { return Vec::new() };
    let configured = lookup_host((settings.listen.host.to_string(), settings.listen.port));
    match timeout(NEAR, configured).await {
        Ok(Ok(addresses)) if settings.listen.port != 0 => addresses.take(1).collect(),
        _ => Vec::new(),
    }
}

/// As it is reached from this host.
fn from_here(address: SocketAddr) -> SocketAddr {
    crate::daemon::listener::from_here(address)
}

fn joined(addresses: &[SocketAddr]) -> String {
    addresses.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

async fn port(scene: &Scene) -> Finding {
    if let Some(status) = scene.status().await {
        return Finding::ok(&PORT, Said::of(doctor::PORT_OURS).with("addresses", status.listens.join(", ")));
    }
    let Some(settings) = scene.settings() else {
        return Finding::not_looked(&PORT, Said::of(doctor::NEEDS_CONFIGURATION));
    };
    let Some(address) = neighbour::address(&settings.listen) else {
        return Finding::ok(&PORT, Said::of(doctor::PORT_ANY));
    };
    let Some(at) = listens(scene).await.first().copied() else {
        let said = Said::of(doctor::NO_ADDRESS).with("address", &address);
        return Finding::fault(&PORT, said).mend(elsewhere(scene, "127.0.0.1", settings.listen.port));
    };
    let held = tokio::task::spawn_blocking(move || port_holder::of(at)).await.ok().flatten();
    match neighbour::ask(&address).await {
        Neighbour::Proxy(_) => Finding::ok(&PORT, Said::of(doctor::PORT_OURS).with("addresses", address)),
        // A daemon that says nothing to us is one all the same.
        Neighbour::Other(_) if matches!(scene.running().await, Running::Denied(_)) => {
            Finding::ok(&PORT, Said::of(doctor::PORT_OURS).with("addresses", address))
        }
        Neighbour::None if held.is_none() => match place::is_of_this_host(at.ip()) {
            true => Finding::ok(&PORT, Said::of(doctor::PORT_FREE).with("address", address)),
            false => {
                let said = Said::of(doctor::NO_ADDRESS).with("address", at.ip());
                Finding::fault(&PORT, said).mend(elsewhere(scene, "127.0.0.1", settings.listen.port))
            }
        },
        Neighbour::None | Neighbour::Other(_) => {
            let said = Said::of(doctor::PORT_TAKEN).with("address", &address);
            let said = match &held {
                Some(holder) => said.with("holder", holder),
                None => said.with_phrase("holder", doctor::SOMEBODY),
            };
            let finding = Finding::fault(&PORT, said);
            let finding = match held.filter(|holder| holder.pid > 1) {
                Some(holder) => finding.mend(Remedy::Command(format!("kill {}", holder.pid))),
                None => finding,
            };
            finding.mend(elsewhere(scene, &settings.listen.host.to_string(), settings.listen.port.wrapping_add(1)))
        }
    }
}

fn elsewhere(scene: &Scene, host: &str, port: u16) -> Remedy {
    let text = format!("[listen]\nhost = \"{}\"\nport = {port}\n", host.trim_matches(['[', ']']));
    Remedy::write(scene.conf_d("listen"), text, None)
}

async fn access(scene: &Scene, listens: &[SocketAddr]) -> Finding {
    let Some(address) = listens.first().copied().map(from_here) else {
        return Finding::not_looked(&ACCESS, Said::of(doctor::NOBODY_LISTENS));
    };
    let stream = match timeout(NEAR, TcpStream::connect(address)).await {
        Ok(Ok(stream)) => stream,
        _ => return Finding::not_looked(&ACCESS, Said::of(doctor::NOBODY_LISTENS)),
    };
    let named = |phrase| Said::of(phrase).with("uid", scene.uid).with("address", address);
    match neighbour::door(stream, &address.to_string()).await {
        Door::Open => Finding::ok(&ACCESS, named(doctor::LETS_YOU_IN)),
        Door::Shut => {
            let text = format!("[[client]]\nname = \"user-{0}\"\nusers = [\"{0}\"]\n", scene.uid);
            let reload = match scene.reload().await {
                Some(reload) => reload,
                None => scene.as_root("systemctl reload mcp-proxy.service"),
            };
            let remedy = Remedy::write(scene.conf_d(&format!("user-{}", scene.uid)), text, Some(reload));
            Finding::note(&ACCESS, named(doctor::LETS_YOU_NOT_IN)).mend(remedy)
        }
        Door::Unknown(reason) => Finding::not_looked(&ACCESS, named(doctor::DOOR_UNKNOWN).with("reason", reason)),
    }
}

/// True if a listener at `address` can be reached by way of `ip`.
fn covers(address: SocketAddr, ip: IpAddr) -> bool {
    address.ip().to_canonical() == ip || address.ip().is_unspecified()
}

/// The first listener that can be reached at the address of the bridge.
fn at_bridge(listens: &[SocketAddr], bridge: &Bridge) -> Option<SocketAddr> {
    let ip = IpAddr::V4(bridge.address);
    listens.iter().find(|address| covers(**address, ip)).map(|address| SocketAddr::new(ip, address.port()))
}

async fn containers(scene: &Scene, listens: &[SocketAddr], bridges: &[Bridge]) -> Vec<Finding> {
    if bridges.is_empty() {
        return vec![Finding::ok(&CONTAINERS, Said::of(doctor::NO_BRIDGE))];
    }
    if listens.is_empty() {
        return vec![Finding::not_looked(&CONTAINERS, Said::of(doctor::NOBODY_LISTENS))];
    }
    let (covered, bare): (Vec<&Bridge>, Vec<&Bridge>) =
        bridges.iter().partition(|bridge| at_bridge(listens, bridge).is_some());
    let mut found = Vec::new();
    if !covered.is_empty() {
        let names = covered.iter().map(|bridge| bridge.name.as_str()).collect::<Vec<_>>().join(", ");
        let said = Said::of(doctor::BRIDGE_COVERED).with("bridges", names).with("addresses", joined(listens));
        found.push(Finding::ok(&CONTAINERS, said));
    }
    let port = listens.first().map_or(8088, SocketAddr::port);
    for bridge in bare {
        let said = Said::of(doctor::BRIDGE_NOT_COVERED)
            .with("addresses", joined(listens))
            .with("bridge", &bridge.name)
            .with("address", bridge.address);
        let remedy = listen_there(scene, bridge, port).await;
        // Containers that need it are known to their owner alone.
        found.push(Finding::note(&CONTAINERS, said).about(&bridge.name).mend(remedy));
    }
    found
}

async fn listen_there(scene: &Scene, bridge: &Bridge, port: u16) -> Remedy {
    if !scene.is_service().await {
        let text = format!("[listen]\nhost = \"{}\"\n", bridge.address);
        return Remedy::write(scene.conf_d("containers"), text, scene.restart().await);
    }
    let text = format!("[Socket]\nListenStream={}:{port}\nFreeBind=yes\n", bridge.address);
    // A socket is not opened for a service that runs already.
    let (stop, socket) =
        (scene.systemctl("stop mcp-proxy.service").await, scene.systemctl("restart mcp-proxy.socket").await);
    let again = scene.systemctl("start mcp-proxy.service").await;
    match scene.drop_in("mcp-proxy.socket", "containers", &text, "status mcp-proxy.socket").await {
        Remedy::Write { file, text, then } => {
            let reload = then.and_then(|then| then.split(" && ").next().map(str::to_owned)).unwrap_or_default();
            Remedy::write(file, text, Some(format!("{reload} && {stop} && {socket} && {again}")))
        }
        other => other,
    }
}

async fn container_reach(scene: &Scene, listens: &[SocketAddr], bridges: &[Bridge]) -> Vec<Finding> {
    let targets: Vec<(Bridge, SocketAddr)> =
        bridges.iter().filter_map(|bridge| Some((bridge.clone(), at_bridge(listens, bridge)?))).collect();
    if targets.is_empty() {
        return vec![Finding::ok(&CONTAINER_REACH, Said::of(doctor::NO_CONTAINERS))];
    }
    let found = tokio::task::spawn_blocking(namespace::others).await.unwrap_or_default();
    let hidden = found.hidden;
    let mut tasks = tokio::task::JoinSet::new();
    for inside in found.open {
        let Some((bridge, address)) = targets.iter().find(|(bridge, _)| inside.gateway == bridge.address).cloned()
        else {
            continue;
        };
        let let_in = Remedy::write(scene.conf_d("containers-access"), LET_IN, scene.reload().await);
        tasks.spawn(async move { from_inside(inside, bridge, address, let_in).await });
    }
    let mut findings = Vec::new();
    while let Some(done) = tasks.join_next().await {
        findings.extend(done.ok().flatten());
    }
    findings.sort_by(|one: &Finding, other| one.subject.cmp(&other.subject));
    match findings.is_empty() {
        true if hidden && scene.uid != 0 => {
            let said = Said::of(doctor::NEEDS_ROOT);
            vec![Finding::not_looked(&CONTAINER_REACH, said).mend(Remedy::command("sudo mcp-proxy doctor"))]
        }
        true => vec![Finding::ok(&CONTAINER_REACH, Said::of(doctor::NO_CONTAINERS))],
        false => findings,
    }
}

/// What a process in that namespace would meet.
///
/// `None` if it is behind another bridge of the same address: that of containers within a container.
async fn from_inside(inside: Namespace, bridge: Bridge, address: SocketAddr, let_in: Remedy) -> Option<Finding> {
    let (pid, own) = (inside.pid, inside.addresses.clone());
    let named = |phrase| Said::of(phrase).with("pid", pid).with("address", address);
    let connecting = tokio::task::spawn_blocking(move || {
        let stream = inside.connect(address, NEAR)?;
        stream.set_nonblocking(true)?;
        Ok::<_, std::io::Error>(stream)
    });
    let stream = match connecting.await {
        Ok(Ok(stream)) => stream,
        Ok(Err(error)) if error.kind() == std::io::ErrorKind::PermissionDenied => {
            let said = Said::of(doctor::NEEDS_ROOT);
            let finding = Finding::not_looked(&CONTAINER_REACH, said);
            return Some(finding.mend(Remedy::command("sudo mcp-proxy doctor")));
        }
        Ok(Err(_)) if !place::has_heard_of(&bridge.name, &own) => return None,
        Ok(Err(error)) => {
            let said = named(doctor::CONTAINER_BLOCKED).with("reason", error);
            let rule = format!("iptables -I INPUT -i {} -p tcp --dport {} -j ACCEPT", bridge.name, address.port());
            let finding = Finding::fault(&CONTAINER_REACH, said).about(bridge.name);
            return Some(finding.mend(Remedy::Command(rule)));
        }
        Err(error) => {
            return Some(Finding::not_looked(&CONTAINER_REACH, named(doctor::CONTAINER_BLOCKED).with("reason", error)));
        }
    };
    let door = match TcpStream::from_std(stream) {
        Ok(stream) => neighbour::door(stream, &address.to_string()).await,
        Err(error) => Door::Unknown(error.to_string()),
    };
    let finding = match door {
        Door::Open => Finding::ok(&CONTAINER_REACH, named(doctor::CONTAINER_REACHES)),
        Door::Shut => Finding::note(&CONTAINER_REACH, named(doctor::CONTAINER_REFUSED)).mend(let_in),
        Door::Unknown(reason) => {
            Finding::fault(&CONTAINER_REACH, named(doctor::CONTAINER_BLOCKED).with("reason", reason))
        }
    };
    Some(finding.about(bridge.name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_listener_on_all_addresses_is_on_every_bridge() {
        let bridge = Bridge { name: "docker0".to_owned(), address: "172.17.0.1".parse().unwrap() };
        for (listens, expected) in [
            (&["127.0.0.1:8088"][..], None),
            (&["127.0.0.1:8088", "172.17.0.1:9000"], Some("172.17.0.1:9000")),
            (&["0.0.0.0:8088"], Some("172.17.0.1:8088")),
            (&["[::]:8088"], Some("172.17.0.1:8088")),
            (&["[::1]:8088", "172.18.0.1:8088"], None),
            (&[], None),
        ] {
            let listens: Vec<SocketAddr> = listens.iter().map(|text| text.parse().unwrap()).collect();
            let expected = expected.map(|text| text.parse().unwrap());
            assert_eq!(at_bridge(&listens, &bridge), expected, "{listens:?}");
        }
    }
}
