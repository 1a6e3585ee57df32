//! The service manager's side of its protocols: a notify socket that is read, sockets that are passed, and a journal.

use std::collections::BTreeMap;
use std::fs::File;
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::MetadataExt;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, PoisonError};

use rustix::io::{FdFlags, fcntl_dupfd_cloexec, fcntl_setfd};
use tempfile::TempDir;

use super::PATIENCE;
use super::program::Program;

/// Hears what a daemon says.
pub struct Manager {
    socket: UnixDatagram,
    directory: TempDir,
}

impl Manager {
    pub fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let socket = UnixDatagram::bind(directory.path().join("notify")).unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        Self { socket, directory }
    }

    /// Lets the program of `command` speak with us.
    pub fn listens_to(&self, command: &mut Command) {
        command.env("NOTIFY_SOCKET", self.directory.path().join("notify"));
    }

    /// The next message, line by line.
    pub fn next(&self) -> Vec<String> {
        let mut buffer = [0; 4096];
        let length = self.socket.recv(&mut buffer).expect("the daemon says something");
        String::from_utf8_lossy(&buffer[..length]).lines().map(str::to_owned).collect()
    }

    /// Waits for a message with a line that begins with `text`, and answers all of that message.
    pub fn wait_for(&self, text: &str) -> Vec<String> {
        let mut seen = Vec::new();
        for _ in 0..1000 {
            let message = self.next();
            if message.iter().any(|line| line.starts_with(text)) {
                return message;
            }
            seen.push(message);
        }
        panic!("nothing begins with {text:?}: {seen:?}");
    }

    /// Everything that was said meanwhile.
    pub fn said(&self) -> Vec<String> {
        self.socket.set_nonblocking(true).unwrap();
        let mut said = Vec::new();
        let mut buffer = [0; 4096];
        while let Ok(length) = self.socket.recv(&mut buffer) {
            said.extend(String::from_utf8_lossy(&buffer[..length]).lines().map(str::to_owned));
        }
        self.socket.set_nonblocking(false).unwrap();
        said
    }
}

/// One process is started at a time: until it is, the sockets that it is to have would go to any other one too.
static STARTING: Mutex<()> = Mutex::new(());

/// Starts `command` with `sockets` as the descriptors from 3 on, as systemd passes them.
pub fn start_with(command: Command, sockets: &[BorrowedFd<'_>], names: Option<&str>) -> Program {
    let _alone = STARTING.lock().unwrap_or_else(PoisonError::into_inner);
    // High numbers, so that no copy is in the way of another.
    let copies: Vec<OwnedFd> = sockets.iter().map(|socket| fcntl_dupfd_cloexec(socket, 100).unwrap()).collect();
    let mut redirections = String::new();
    for (number, copy) in copies.iter().enumerate() {
        fcntl_setfd(copy, FdFlags::empty()).unwrap();
        redirections.push_str(&format!(" {}<&{number} {number}<&-", number + 3, number = copy.as_raw_fd()));
    }
    // The process id is that of the shell, which becomes the program.
    let script = format!("LISTEN_PID=$$ exec \"$0\" \"$@\"{redirections}");
    let mut shell = Command::new("/bin/bash");
    shell.arg("-c").arg(script).arg(command.get_program()).args(command.get_args()).env_clear();
    shell.envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
    shell.env("LISTEN_FDS", sockets.len().to_string());
    shell.envs(names.map(|names| ("LISTEN_FDNAMES", names)));
    Program::start(shell)
}

/// A journal, in a namespace of mounts where it has the journal's place.
pub struct Journal {
    pub socket: UnixDatagram,
    directory: TempDir,
}

/// One entry, by field.
pub type Entry = BTreeMap<String, String>;

impl Journal {
    pub fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let socket = UnixDatagram::bind(directory.path().join("socket")).unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        Self { socket, directory }
    }

    /// The command that runs `command` where this is the journal and standard error leads to it.
    pub fn of(&self, command: &Command) -> Command {
        let script = "mount -t tmpfs -o mode=755 tmpfs /run && mkdir -p /run/systemd/journal && \
                      mount --bind \"$0\" /run/systemd/journal && exec \"$@\" 2>\"$0/stderr\"";
        let stderr = File::create(self.stderr()).unwrap().metadata().unwrap();
        let mut inside = Command::new("unshare");
        inside.args(["--mount", "/bin/sh", "-c", script]).arg(self.directory.path());
        inside.arg(command.get_program()).args(command.get_args()).env_clear();
        inside.env("PATH", std::env::var_os("PATH").unwrap_or_default());
        inside.envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
        inside.env("JOURNAL_STREAM", format!("{}:{}", stderr.dev(), stderr.ino()));
        inside
    }

    /// Where standard error goes.
    pub fn stderr(&self) -> PathBuf {
        Path::new(self.directory.path()).join("stderr")
    }

    /// The next entry.
    pub fn next(&self) -> Entry {
        let mut buffer = vec![0; 64 * 1024];
        let length = self.socket.recv(&mut buffer).expect("another entry");
        entry(&buffer[..length])
    }

    /// Waits for an entry whose message contains `text`; answers it and everything before it.
    pub fn wait_for(&self, text: &str) -> (Entry, Vec<Entry>) {
        let mut seen = Vec::new();
        loop {
            let entry = self.next();
            if entry.get("MESSAGE").is_some_and(|message| message.contains(text)) {
                return (entry, seen);
            }
            seen.push(entry);
        }
    }
}

/// Reads the journal's own protocol: `NAME=value`, or the name, a length in eight bytes, and as many bytes.
fn entry(mut bytes: &[u8]) -> Entry {
    let mut fields = Entry::new();
    while let Some(end) = bytes.iter().position(|byte| *byte == b'\n') {
        let (line, rest) = (&bytes[..end], &bytes[end + 1..]);
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        if let Some(at) = line.iter().position(|byte| *byte == b'=') {
            fields.insert(text(&line[..at]), text(&line[at + 1..]));
            bytes = rest;
        } else {
            let length = usize::try_from(u64::from_le_bytes(rest[..8].try_into().unwrap())).unwrap();
            fields.insert(text(line), text(&rest[8..8 + length]));
            bytes = &rest[8 + length + 1..];
        }
    }
    fields
}
