//! Network namespaces of others: containers of this host, and a connection as they would make it.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::os::fd::AsFd;
use std::os::unix::fs::MetadataExt;
use std::thread;
use std::time::Duration;

use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

use crate::net::place;

/// How many processes are looked at, and how many namespaces are answered.
const MOST_PROCESSES: usize = 20_000;
const MOST: usize = 8;

/// A network namespace that is not ours.
#[derive(Debug)]
pub struct Namespace {
    file: File,
    /// The number of a process in it.
    pub pid: u32,
    /// The gateway of its default route.
    pub gateway: Ipv4Addr,
    /// Its addresses.
    pub addresses: Vec<Ipv4Addr>,
}

/// What was found of the network namespaces of this host.
#[derive(Debug, Default)]
pub struct Namespaces {
    /// Those that we can enter, at most eight.
    pub open: Vec<Namespace>,
    /// True if there may be more, in processes that we may not look at.
    pub hidden: bool,
}

/// The network namespaces of other processes that have a way out.
pub fn others() -> Namespaces {
    let mut found: BTreeMap<u64, Namespace> = BTreeMap::new();
    let mut hidden = false;
    let Ok(own) = fs::metadata("/proc/self/ns/net").map(|own| own.ino()) else { return Namespaces::default() };
    for entry in fs::read_dir("/proc").into_iter().flatten().flatten().take(MOST_PROCESSES) {
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse::<u32>().ok()) else { continue };
        match fs::metadata(format!("/proc/{pid}/ns/net")) {
            Ok(seen) if seen.ino() == own || found.contains_key(&seen.ino()) => {}
            // Without a way out it is no container that asks for anything here.
            Ok(seen) if found.len() < MOST => {
                if let Ok(file) = File::open(format!("/proc/{pid}/ns/net")) {
                    let routes = fs::read_to_string(format!("/proc/{pid}/net/route")).unwrap_or_default();
                    let trie = fs::read_to_string(format!("/proc/{pid}/net/fib_trie")).unwrap_or_default();
                    let addresses = place::local_addresses(&trie);
                    if let Some(gateway) = default_gateway(&routes) {
                        found.insert(seen.ino(), Namespace { file, pid, gateway, addresses });
                    }
                }
            }
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => hidden = true,
            // It has ended.
            Err(_) => {}
        }
    }
    Namespaces { open: found.into_values().collect(), hidden }
}

/// The gateway of the default route, in the route table of proc_net(5).
fn default_gateway(routes: &str) -> Option<Ipv4Addr> {
    routes.lines().skip(1).find_map(|line| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let [_, "00000000", gateway, ..] = fields[..] else { return None };
        let gateway = u32::from_str_radix(gateway, 16).ok().filter(|gateway| *gateway != 0)?;
        // The addresses stand there as they are in memory.
        Some(Ipv4Addr::from(gateway.to_ne_bytes()))
    })
}

impl Namespace {
    /// Connects from there. The connection stays in that namespace, wherever it is used.
    ///
    /// # Errors
    /// When the namespace may not be entered, or nobody answers.
    pub fn connect(&self, to: SocketAddr, patience: Duration) -> io::Result<TcpStream> {
        thread::scope(|scope| {
            // A thread of its own: it never comes back from there.
            let connecting = scope.spawn(|| {
                move_into_link_name_space(self.file.as_fd(), Some(LinkNameSpaceType::Network))?;
                TcpStream::connect_timeout(&to, patience)
            });
            connecting.join().unwrap_or_else(|_| Err(io::Error::other("the thread that connects ended")))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_route_says_the_gateway() {
        let table = |gateway: &str| {
            format!(
                "Iface\tDestination\tGateway\tFlags\neth0\t000011AC\t00000000\t0001\neth0\t00000000\t{gateway}\t0003\n"
            )
        };
        let of = |ip: Ipv4Addr| format!("{:08X}", u32::from_ne_bytes(ip.octets()));
        let bridge = Ipv4Addr::new(172, 17, 0, 1);
        assert_eq!(default_gateway(&table(&of(bridge))), Some(bridge));
        assert_eq!(default_gateway(&table("00000000")), None);
        assert_eq!(default_gateway(""), None);
        assert_eq!(default_gateway("Iface\nx\t00000000\tzz\n"), None);
    }
}
