//! Entries of the journal in its native protocol (systemd, "Journal Native Protocol"), put together where they arise. For
//! lines of which there are many: `tracing_journald` looks at each field of an event anew, which costs several times as
//! much.

use std::fmt::Display;
use std::io::{self, Write};
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};

/// Where the journal listens.
const JOURNAL: &str = "/run/systemd/journal/socket";
/// Nearly all entries have room in so many bytes.
const USUAL: usize = 1024;

/// One entry: a line at the level `INFO`, with fields.
#[derive(Debug)]
pub(super) struct Entry(Vec<u8>);

impl Entry {
    /// An entry that says `message`.
    pub(super) fn new(target: &str, message: &str) -> Self {
        let mut entry = Self(Vec::with_capacity(USUAL));
        entry.add("PRIORITY", "6");
        entry.add("SYSLOG_IDENTIFIER", env!("CARGO_PKG_NAME"));
        entry.add("TARGET", target);
        entry.add("MESSAGE", message);
        entry
    }

    /// Adds a field. Its name is in upper case.
    pub(super) fn add(&mut self, name: &str, value: &str) {
        self.0.extend_from_slice(name.as_bytes());
        if value.contains('\n') {
            // A value of several lines has its length before it.
            self.0.push(b'\n');
            self.0.extend_from_slice(&(value.len() as u64).to_le_bytes());
        } else {
            self.0.push(b'=');
        }
        self.0.extend_from_slice(value.as_bytes());
        self.0.push(b'\n');
    }

    /// Adds a field, if there is a value.
    pub(super) fn add_some(&mut self, name: &str, value: Option<&str>) {
        if let Some(value) = value {
            self.add(name, value);
        }
    }

    /// Adds a field that is a number.
    pub(super) fn add_number(&mut self, name: &str, number: u64) {
        self.add(name, itoa::Buffer::new().format(number));
    }

    /// Adds a field whose value is shown in one line.
    pub(super) fn add_shown(&mut self, name: &str, value: impl Display) {
        // A buffer takes whatever is written into it.
        let _ = writeln!(self.0, "{name}={value}");
    }
}

/// The way to the journal.
#[derive(Debug)]
pub(super) struct Journal {
    socket: UnixDatagram,
    path: PathBuf,
}

impl Journal {
    /// Opens it; whether anybody listens is seen by the entries.
    ///
    /// # Errors
    /// When the system gives no socket.
    pub(super) fn open() -> io::Result<Self> {
        Self::at(Path::new(JOURNAL))
    }

    fn at(path: &Path) -> io::Result<Self> {
        Ok(Self { socket: UnixDatagram::unbound()?, path: path.to_owned() })
    }

    /// Sends an entry, and waits while the journal takes none.
    ///
    /// # Errors
    /// When nobody listens, or the entry is longer than a datagram can be.
    pub(super) fn send(&self, entry: &Entry) -> io::Result<()> {
        // To the path, not to a peer once and for all: another journal may listen there after a while.
        self.socket.send_to(&entry.0, &self.path).map(drop)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_written_as_the_journal_reads_them() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("socket");
        let mut entry = Entry::new("mcp_proxy::access", "GET / 200");
        entry.add("PATH", "/a=b");
        entry.add("RULE", "two\nlines");
        entry.add_some("MCP_NAME", None);
        entry.add_some("MCP_METHOD", Some("tools/call"));
        entry.add_number("STATUS", 200);
        entry.add_shown("CLIENT", "127.0.0.1");
        let journal = Journal::at(&path).unwrap();
        assert!(journal.send(&entry).is_err(), "nobody listens");
        let listener = UnixDatagram::bind(&path).unwrap();
        journal.send(&entry).unwrap();
        let mut received = [0; 1024];
        let length = listener.recv(&mut received).unwrap();
        let expected = [
            &b"PRIORITY=6\nSYSLOG_IDENTIFIER=mcp-proxy\nTARGET=mcp_proxy::access\nMESSAGE=GET / 200\nPATH=/a=b\n"[..],
            b"RULE\n\x09\0\0\0\0\0\0\0two\nlines\nMCP_METHOD=tools/call\nSTATUS=200\nCLIENT=127.0.0.1\n",
        ];
        assert_eq!(received[..length], expected.concat());
    }
}
