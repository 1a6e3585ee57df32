//! Who listens on a port: the process, by way of the kernel's socket table. And the name of a process.

use std::fmt;
use std::net::SocketAddr;

use procfs::net::{TcpNetEntry, TcpState};
use procfs::process::{FDTarget, Process};

/// A process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Holder {
    /// Its number.
    pub pid: i32,
    /// What the kernel calls it.
    pub name: String,
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (process {})", self.name, self.pid)
    }
}

/// Describes the process that listens on `address`; `None` if the system does not let us see it.
pub(super) fn find(address: SocketAddr) -> Option<String> {
    of(address).map(|holder| holder.to_string())
}

/// The process that listens on `address`; `None` if there is none, or the system does not let us see it.
pub fn of(address: SocketAddr) -> Option<Holder> {
    let inode = listening_socket(address)?;
    procfs::process::all_processes().ok()?.flatten().find_map(|process| holds(&process, inode))
}

fn listening_socket(address: SocketAddr) -> Option<u64> {
    let entries = procfs::net::tcp().into_iter().flatten().chain(procfs::net::tcp6().into_iter().flatten());
    let overlaps = |entry: &TcpNetEntry| {
        let local = entry.local_address;
        let same = local.ip().to_canonical() == address.ip().to_canonical();
        let port = local.port() == address.port();
        port && (same || local.ip().is_unspecified() || address.ip().is_unspecified())
    };
    entries.filter(|entry| entry.state == TcpState::Listen).find(overlaps).map(|entry| entry.inode)
}

fn holds(process: &Process, inode: u64) -> Option<Holder> {
    let mut descriptors = process.fd().ok()?.flatten();
    descriptors.find(|descriptor| matches!(descriptor.target, FDTarget::Socket(socket) if socket == inode))?;
    Some(describe(process))
}

/// Describes a process; `None` if there is none that we can see.
pub(super) fn name(pid: i32) -> Option<String> {
    Process::new(pid).ok().map(|process| describe(&process).to_string())
}

fn describe(process: &Process) -> Holder {
    let name = process.stat().map(|stat| stat.comm).unwrap_or_else(|_| "unknown".to_owned());
    Holder { pid: process.pid, name }
}
