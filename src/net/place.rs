//! Where an address is: on this host, among the containers of this host, or elsewhere.

use std::fs;
use std::io;
use std::net::{IpAddr, Ipv4Addr, UdpSocket};
use std::path::Path;

/// The route table of our network namespace (proc_net(5)).
const ROUTES: &str = "/proc/self/net/route";
/// The network interfaces of our network namespace.
const INTERFACES: &str = "/sys/class/net";
const ROUTE_IS_UP: u32 = 1;
const ROUTE_HAS_GATEWAY: u32 = 2;

/// True if this host has the address, as far as can be told; what cannot be told counts as its own.
pub fn is_of_this_host(ip: IpAddr) -> bool {
    if ip.is_loopback() || ip.is_unspecified() {
        return true;
    }
    // Only an address of one's own can be bound. Nothing is sent.
    match UdpSocket::bind((ip, 0)) {
        Err(error) => error.kind() != io::ErrorKind::AddrNotAvailable,
        Ok(_) => true,
    }
}

/// True if `peer` is on a bridge of this host that leads to no cable, and `bound` is an address on such a bridge, the same
/// or another one: Docker gives each set of containers a bridge of its own.
///
/// Where `peer` is, is said by the route to it: who sends from an address that is routed elsewhere gets no answer, and so
/// no connection.
pub fn is_on_own_bridge(bound: IpAddr, peer: IpAddr) -> bool {
    let (IpAddr::V4(bound), IpAddr::V4(peer)) = (bound, peer) else { return false };
    let Ok(routes) = fs::read_to_string(ROUTES) else { return false };
    let is_on_one =
        |ip| neighbours(&routes, ip).is_some_and(|interface| leads_to_no_cable(Path::new(INTERFACES), interface));
    is_on_one(bound) && is_on_one(peer)
}

/// A bridge of this host that leads to no cable: where containers are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bridge {
    /// The name of its interface: `docker0`.
    pub name: String,
    /// The address of this host on it.
    pub address: Ipv4Addr,
}

/// The addresses of this host (proc_net(5)); the routes to them are of the kind `LOCAL`.
const ADDRESSES: &str = "/proc/self/net/fib_trie";

/// The bridges of this host on which containers can be.
pub fn own_bridges() -> Vec<Bridge> {
    let (routes, addresses) = (fs::read_to_string(ROUTES), fs::read_to_string(ADDRESSES));
    let (Ok(routes), Ok(addresses)) = (routes, addresses) else { return Vec::new() };
    let mut own = local_addresses(&addresses);
    own.retain(|address| !address.is_loopback());
    let on_bridge = |address: Ipv4Addr| {
        let name = neighbours(&routes, address)?;
        leads_to_no_cable(Path::new(INTERFACES), name).then(|| Bridge { name: name.to_owned(), address })
    };
    own.into_iter().filter_map(on_bridge).collect()
}

/// The neighbours that this host has heard of (proc_net(5)).
const NEIGHBOURS: &str = "/proc/self/net/arp";

/// True if somebody with one of these addresses has been heard of on the bridge: whoever speaks to its address has asked
/// for it by ARP before, whatever a firewall does to what comes after.
pub fn has_heard_of(bridge: &str, addresses: &[Ipv4Addr]) -> bool {
    let table = fs::read_to_string(NEIGHBOURS).unwrap_or_default();
    is_in_table(&table, bridge, addresses)
}

fn is_in_table(table: &str, bridge: &str, addresses: &[Ipv4Addr]) -> bool {
    table.lines().skip(1).any(|line| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let [address, _, flags, _, _, device] = fields[..] else { return false };
        // An entry without flags is a question that nobody has answered.
        device == bridge && flags != "0x0" && address.parse().is_ok_and(|address| addresses.contains(&address))
    })
}

/// The addresses that are followed by a line for a host of the kind `LOCAL`, each once.
pub(super) fn local_addresses(trie: &str) -> Vec<Ipv4Addr> {
    let mut found = Vec::new();
    let mut last = None;
    for line in trie.lines() {
        if let Some(address) = line.trim_start().strip_prefix("|-- ") {
            last = address.trim().parse::<Ipv4Addr>().ok();
        } else if let Some(address) = last.filter(|_| line.trim() == "/32 host LOCAL")
            && !found.contains(&address)
        {
            found.push(address);
        }
    }
    found
}

/// The interface on which an address is a direct neighbour; `None` if the way to it leads over a gateway, or there is none.
fn neighbours(routes: &str, ip: Ipv4Addr) -> Option<&str> {
    let fitting = routes.lines().skip(1).filter_map(|line| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let [interface, destination, gateway, flags, _, _, metric, mask, ..] = fields[..] else { return None };
        let number = |text: &str| u32::from_str_radix(text, 16).ok();
        // The addresses stand there as they are in memory.
        let (destination, mask, flags) = (number(destination)?, number(mask)?, number(flags)?);
        let fits = flags & ROUTE_IS_UP != 0 && u32::from_ne_bytes(ip.octets()) & mask == destination;
        let is_direct = flags & ROUTE_HAS_GATEWAY == 0 && number(gateway)? == 0 && mask != 0;
        let metric: u32 = metric.parse().ok()?;
        fits.then_some((mask.count_ones(), std::cmp::Reverse(metric), is_direct, interface))
    });
    let (_, _, is_direct, interface) = fitting.max_by_key(|(length, metric, ..)| (*length, *metric))?;
    is_direct.then_some(interface)
}

/// True for a bridge all of whose ports are ends of virtual cables (veth): no network card, no interface above one (VLAN,
/// bond), no tunnel. What cannot be read is no such bridge.
fn leads_to_no_cable(interfaces: &Path, bridge: &str) -> bool {
    let directory = interfaces.join(bridge);
    let Ok(ports) = fs::read_dir(directory.join("brif")) else { return false };
    directory.join("bridge").is_dir()
        && ports.into_iter().all(|port| port.is_ok_and(|port| is_virtual_cable(&interfaces.join(port.file_name()))))
}

fn is_virtual_cable(interface: &Path) -> bool {
    let text = |name: &str| fs::read_to_string(interface.join(name)).ok();
    let number = |name: &str| text(name)?.trim().parse::<u32>().ok();
    let Ok(entries) = fs::read_dir(interface) else { return false };
    let is_alone = entries.into_iter().all(|entry| {
        entry.is_ok_and(|entry| {
            let name = entry.file_name().to_string_lossy().into_owned();
            name != "device" && name != "tun_flags" && !name.starts_with("lower_")
        })
    });
    // The other end of a veth has another number; what is no pair has its own, or none.
    let is_pair =
        matches!((number("ifindex"), number("iflink")), (Some(own), Some(other)) if other != own && other != 0);
    let is_plain = text("uevent").is_some_and(|text| !text.contains("DEVTYPE="));
    is_alone && is_pair && is_plain
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: &str = "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT\n\
        eth0\t00000000\t0101A8C0\t0003\t0\t0\t0\t00000000\t0\t0\t0\n\
        docker0\t000011AC\t00000000\t0001\t0\t0\t0\t0000FFFF\t0\t0\t0\n\
        eth0\t0001A8C0\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0\n\
        far\t00000A0A\t0101A8C0\t0003\t0\t0\t0\t0000FFFF\t0\t0\t0\n\
        eth0\t070011AC\t0101A8C0\t0007\t0\t0\t0\tFFFFFFFF\t0\t0\t0\n\
        down\t0000140A\t00000000\t0000\t0\t0\t0\t0000FFFF\t0\t0\t0\n\
        one\t0000150A\t00000000\t0001\t0\t0\t9\t0000FFFF\t0\t0\t0\n\
        two\t0000150A\t00000000\t0001\t0\t0\t5\t0000FFFF\t0\t0\t0\n\
        broken\n";

    #[test]
    fn who_was_heard_of_on_a_bridge_is_told_from_who_was_asked_for() {
        let table = "IP address HW type Flags HW address Mask Device\n\
                     172.17.0.2 0x1 0x2 02:42:ac:11:00:02 * docker0\n\
                     172.17.0.3 0x1 0x0 00:00:00:00:00:00 * docker0\n";
        let of = |last: u8| [Ipv4Addr::LOCALHOST, Ipv4Addr::new(172, 17, 0, last)];
        assert!(is_in_table(table, "docker0", &of(2)));
        assert!(!is_in_table(table, "docker0", &of(3)) && !is_in_table(table, "br0", &of(2)));
    }

    #[test]
    fn own_addresses_stand_before_a_local_route() {
        let trie = "Main:\n  +-- 0.0.0.0/0 3 0 5\n     |-- 127.0.0.0\n        /8 host LOCAL\n     +-- 172.17.0.0/16 2 0 2\n        \
                    |-- 172.17.0.0\n           /16 link UNICAST\n        |-- 172.17.0.1\n           /32 host LOCAL\n        \
                    |-- 172.17.255.255\n           /32 link BROADCAST\nLocal:\n        |-- 172.17.0.1\n           \
                    /32 host LOCAL\n";
        assert_eq!(local_addresses(trie), [Ipv4Addr::new(172, 17, 0, 1)]);
        assert!(local_addresses("|-- x\n /32 host LOCAL\n").is_empty());
    }

    #[test]
    fn only_direct_neighbours_are_on_an_interface() {
        for (ip, interface) in [
            ("172.17.0.5", Some("docker0")),
            ("192.168.1.9", Some("eth0")),
            ("172.17.0.7", None), // a closer route leads elsewhere
            ("10.10.0.2", None),
            ("8.8.8.8", None),
            ("10.20.0.1", None),
            ("10.21.0.1", Some("two")), // the smaller metric counts
        ] {
            assert_eq!(neighbours(TABLE, ip.parse().unwrap()), interface, "{ip}");
        }
    }

    #[test]
    fn a_bridge_with_anything_but_virtual_cables_is_none_of_ours() {
        let directory = tempfile::tempdir().unwrap();
        let put = |path: &str, text: &str| {
            let path = directory.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        };
        let is_ours = || leads_to_no_cable(directory.path(), "br0");
        assert!(!is_ours(), "there is none");
        put("br0/bridge/x", "");
        assert!(!is_ours(), "nothing is known of its ports");
        fs::create_dir_all(directory.path().join("br0/brif")).unwrap();
        assert!(is_ours());
        for (name, file, text) in [
            ("card", "device/x", ""),
            ("tap", "tun_flags", "0x1002"),
            ("vlan", "lower_eth0/x", ""),
            ("vxlan", "uevent", "DEVTYPE=vxlan\n"),
            ("dummy", "iflink", "7\n"),
            ("tunnel", "iflink", "0\n"),
        ] {
            for (file, text) in [("ifindex", "7\n"), ("iflink", "3\n"), ("uevent", "INTERFACE=x\n"), (file, text)] {
                put(&format!("{name}/{file}"), text);
            }
            put(&format!("br0/brif/{name}"), "");
            assert!(!is_ours(), "{name}");
            fs::remove_file(directory.path().join("br0/brif").join(name)).unwrap();
        }
        for (file, text) in [("ifindex", "7\n"), ("iflink", "3\n"), ("uevent", "INTERFACE=x\n")] {
            put(&format!("veth/{file}"), text);
        }
        put("br0/brif/veth", "");
        assert!(is_ours());
    }

    #[test]
    fn addresses_of_this_host_are_told_from_others() {
        for own in ["127.0.0.1", "127.9.9.9", "::1"] {
            assert!(is_of_this_host(own.parse().unwrap()), "{own}");
        }
        assert!(!is_of_this_host("192.0.2.7".parse().unwrap()));
    }
}
