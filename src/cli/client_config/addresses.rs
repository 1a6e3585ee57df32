//! The address of this mcp-proxy as an application reaches it: on this host, or from a container of it.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use crate::cli::choice::Chosen;
use crate::cli::running::Running;
use crate::config::settings::Settings;
use crate::daemon::{listener, neighbour};
use crate::net::place;

/// Where Docker puts its bridge, if nobody told it otherwise.
const DOCKER: IpAddr = IpAddr::V4(Ipv4Addr::new(172, 17, 0, 1));

/// An address and what is to be known of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Reached {
    /// Host and port.
    pub(super) address: String,
    /// Where it listens instead, if containers cannot reach that.
    pub(super) not_for_containers: Option<String>,
}

impl Reached {
    /// For an application that needs no address.
    pub(super) fn nowhere() -> Self {
        Self { address: "127.0.0.1:8088".to_owned(), not_for_containers: None }
    }

    /// The URL of a server.
    pub(super) fn url(&self, server: &Chosen) -> String {
        format!("http://{}{}", self.address, server.path)
    }

    pub(super) fn host(&self) -> &str {
        self.address.rsplit_once(':').map_or(&self.address, |(host, _)| host)
    }

    pub(super) fn port(&self) -> &str {
        self.address.rsplit_once(':').map_or("8088", |(_, port)| port)
    }
}

/// Where this mcp-proxy is reached; `None` if it has no port.
pub(super) fn reached(settings: &Settings, running: &Running, from_a_container: bool) -> Option<Reached> {
    let listens: Vec<SocketAddr> = match running {
        Running::Daemon(_, status) => status.listens.iter().filter_map(|text| text.parse().ok()).collect(),
        _ => Vec::new(),
    };
    if listens.is_empty() && matches!(running, Running::Daemon(..)) {
        return None;
    }
    let configured = neighbour::address(&settings.listen);
    match from_a_container {
        false => here(&listens).or(configured).map(|address| Reached { address, not_for_containers: None }),
        true => {
            let listens = match (listens.is_empty(), configured.as_ref().and_then(|text| text.parse().ok())) {
                (true, Some(address)) => vec![of_configuration(settings, address)],
                _ => listens,
            };
            for_containers(&listens, bridge().unwrap_or(DOCKER))
        }
    }
}

/// An address that stands for all of them is all of them, also where the configuration says so.
fn of_configuration(settings: &Settings, address: SocketAddr) -> SocketAddr {
    match &settings.listen.host {
        url::Host::Ipv4(ip) => (*ip, address.port()).into(),
        url::Host::Ipv6(ip) => (*ip, address.port()).into(),
        url::Host::Domain(_) => address,
    }
}

fn here(listens: &[SocketAddr]) -> Option<String> {
    let near = listens.iter().copied().map(listener::from_here);
    near.min_by_key(|address| !address.ip().is_loopback()).map(|address| address.to_string())
}

fn for_containers(listens: &[SocketAddr], bridge: IpAddr) -> Option<Reached> {
    let good = |address: &&SocketAddr| !address.ip().to_canonical().is_loopback();
    let at = |ip: IpAddr, port: u16| SocketAddr::new(ip, port).to_string();
    // The bridge's own address, then all addresses, then any that is no loopback.
    let order = |address: &&SocketAddr| (address.ip() != bridge, !address.ip().to_canonical().is_unspecified());
    if let Some(found) = listens.iter().filter(good).min_by_key(order) {
        let ip = if found.ip().to_canonical().is_unspecified() { bridge } else { found.ip() };
        return Some(Reached { address: at(ip, found.port()), not_for_containers: None });
    }
    let wrong = listens.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    let first = listens.first()?;
    Some(Reached { address: at(bridge, first.port()), not_for_containers: Some(wrong) })
}

/// The address of Docker's bridge on this host, or of another one on which containers can be.
fn bridge() -> Option<IpAddr> {
    let found = place::own_bridges().into_iter().min_by_key(|bridge| bridge.name != "docker0");
    found.map(|bridge| IpAddr::V4(bridge.address))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn containers_get_an_address_that_they_reach() {
        let bridge: IpAddr = "172.18.0.1".parse().unwrap();
        for (listens, address, wrong) in [
            (&["127.0.0.1:8088", "172.18.0.1:8088"][..], "172.18.0.1:8088", None),
            (&["10.0.0.5:9", "0.0.0.0:8088"], "172.18.0.1:8088", None),
            (&["[::]:8088"], "172.18.0.1:8088", None),
            (&["172.17.0.1:1"], "172.17.0.1:1", None),
            (&["127.0.0.1:8088", "[::1]:8088"], "172.18.0.1:8088", Some("127.0.0.1:8088, [::1]:8088")),
        ] {
            let listens: Vec<SocketAddr> = listens.iter().map(|text| text.parse().unwrap()).collect();
            let expected = Reached { address: address.to_owned(), not_for_containers: wrong.map(str::to_owned) };
            assert_eq!(for_containers(&listens, bridge), Some(expected), "{listens:?}");
        }
        assert_eq!(for_containers(&[], bridge), None);
    }

    #[test]
    fn on_this_host_the_loopback_address_is_the_best() {
        let here = |listens: &[&str]| here(&listens.iter().map(|text| text.parse().unwrap()).collect::<Vec<_>>());
        assert_eq!(here(&["172.17.0.1:8088", "127.0.0.1:8088"]).as_deref(), Some("127.0.0.1:8088"));
        assert_eq!(here(&["0.0.0.0:8088"]).as_deref(), Some("127.0.0.1:8088"));
        assert_eq!(here(&["172.17.0.1:8088"]).as_deref(), Some("172.17.0.1:8088"));
        assert_eq!(here(&[]), None);
    }
}
