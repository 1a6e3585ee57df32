//! The victim: a daemon of the real program before an upstream that puts down every byte. And the attacker's end.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::support::program::{Program, bare};
use crate::support::{PATIENCE, state_dir};

/// The credential that the daemon adds: no client may learn it, and every request that reaches the upstream has it once.
pub(crate) const TOKEN: &str = "the-token-that-nobody-may-see";
/// The path that a smuggled request would have. It is asked for in no other way.
pub(crate) const SMUGGLED: &str = "/smuggled";
/// A path that no rule of these tests is about.
const GOOD: &str = "/id/good/mcp";
/// Connections to the upstream that may be kept: no more attacks than these are under way at once.
const AT_ONCE: usize = 16;

/// A request as the upstream got it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Got {
    /// Method, target and version.
    pub(crate) line: String,
    /// Names in lower case.
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Got {
    pub(crate) fn target(&self) -> &str {
        self.line.split(' ').nth(1).unwrap_or_default()
    }

    pub(crate) fn all(&self, name: &str) -> Vec<&str> {
        self.headers.iter().filter(|(own, _)| own == name).map(|(_, value)| value.as_str()).collect()
    }
}

/// An upstream that answers every request with `ok`, and keeps what it got. It is strict: what is no plain request of
/// HTTP/1.1 fails the test.
struct Upstream {
    address: SocketAddr,
    got: Arc<Mutex<Vec<Got>>>,
    odd: Arc<Mutex<Vec<String>>>,
}

impl Upstream {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let upstream = Self { address: listener.local_addr().unwrap(), got: Arc::default(), odd: Arc::default() };
        let (got, odd) = (upstream.got.clone(), upstream.odd.clone());
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (got, odd) = (got.clone(), odd.clone());
                std::thread::spawn(move || serve(stream, &got, &odd));
            }
        });
        upstream
    }
}

fn serve(mut stream: TcpStream, got: &Mutex<Vec<Got>>, odd: &Mutex<Vec<String>>) {
    let mut unread = Vec::new();
    loop {
        match request(&mut stream, &mut unread) {
            Ok(Some(request)) => {
                got.lock().unwrap().push(request);
                if stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").is_err() {
                    return;
                }
            }
            Ok(None) => return,
            Err(what) => return odd.lock().unwrap().push(what),
        }
    }
}

/// The next request; `None` if the connection ends, in the middle of one too: the daemon ends it so when its client breaks
/// a body off.
fn request(stream: &mut TcpStream, unread: &mut Vec<u8>) -> Result<Option<Got>, String> {
    let Some(head) = up_to(stream, unread, b"\r\n\r\n") else { return Ok(None) };
    let text = String::from_utf8(head).map_err(|error| format!("not UTF-8: {error}"))?;
    let mut lines = text.trim_end().split("\r\n");
    let line = lines.next().unwrap_or_default().to_owned();
    if line.split(' ').count() != 3 || !line.ends_with(" HTTP/1.1") {
        return Err(format!("no request line: {line:?}"));
    }
    let mut headers = Vec::new();
    for line in lines {
        let Some((name, value)) = line.split_once(':') else { return Err(format!("no header: {line:?}")) };
        let token = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c);
        if name.is_empty() || !name.chars().all(token) || value.chars().any(|c| c.is_control() && c != '\t') {
            return Err(format!("a bad header: {line:?}"));
        }
        headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
    }
    let mut got = Got { line, headers, body: Vec::new() };
    let (lengths, codings) = (got.all("content-length"), got.all("transfer-encoding"));
    match (lengths.as_slice(), codings.as_slice()) {
        ([], []) => {}
        ([length], []) => {
            let length: usize = length.parse().map_err(|_| format!("a bad length: {length:?}"))?;
            while unread.len() < length {
                if !more(stream, unread) {
                    return Ok(None);
                }
            }
            got.body = unread.drain(..length).collect();
        }
        ([], ["chunked"]) => match chunks(stream, unread)? {
            Some(body) => got.body = body,
            None => return Ok(None),
        },
        _ => return Err(format!("two ways to tell the length: {:?}", got.headers)),
    }
    Ok(Some(got))
}

fn chunks(stream: &mut TcpStream, unread: &mut Vec<u8>) -> Result<Option<Vec<u8>>, String> {
    let mut body = Vec::new();
    loop {
        let Some(line) = up_to(stream, unread, b"\r\n") else { return Ok(None) };
        let size = String::from_utf8_lossy(&line).trim_end().to_owned();
        let Ok(size) = usize::from_str_radix(&size, 16) else { return Err(format!("no size of a chunk: {size:?}")) };
        while unread.len() < size + 2 {
            if !more(stream, unread) {
                return Ok(None);
            }
        }
        body.extend(unread.drain(..size));
        if unread.drain(..2).as_slice() != b"\r\n" {
            return Err("a chunk without an end".to_owned());
        }
        if size == 0 {
            return Ok(Some(body));
        }
    }
}

fn up_to(stream: &mut TcpStream, unread: &mut Vec<u8>, end: &[u8]) -> Option<Vec<u8>> {
    loop {
        if let Some(at) = unread.windows(end.len()).position(|window| window == end) {
            return Some(unread.drain(..at + end.len()).collect());
        }
        if !more(stream, unread) {
            return None;
        }
    }
}

fn more(stream: &mut TcpStream, unread: &mut Vec<u8>) -> bool {
    let mut buffer = [0; 16 * 1024];
    match stream.read(&mut buffer) {
        Ok(0) | Err(_) => false,
        Ok(length) => {
            unread.extend_from_slice(&buffer[..length]);
            true
        }
    }
}

/// An attack: its name, its bytes, the answers to it, and whether it passes, as one plain request that is what it seems.
pub(crate) struct Attack(pub(crate) &'static str, pub(crate) &'static str, pub(crate) &'static [u16], pub(crate) bool);

/// A request that got through has our credential, and nothing that belongs to the connection or to the client alone.
pub(crate) fn is_clean(got: &Got) {
    assert_eq!(got.all("authorization"), [format!("Bearer {TOKEN}")], "{got:?}");
    assert_eq!(got.all("host").len(), 1, "{got:?}");
    // That a client takes trailers is passed on.
    assert!(got.all("te").iter().all(|value| *value == "trailers"), "{got:?}");
    assert!(got.all("connection").iter().all(|value| *value == "te"), "{got:?}");
    for name in ["keep-alive", "proxy-connection", "proxy-authorization", "upgrade"] {
        assert_eq!(got.all(name), Vec::<&str>::new(), "{got:?}");
    }
}

/// A daemon under attack.
pub(crate) struct Victim {
    upstream: Upstream,
    pub(crate) daemon: Program,
    pub(crate) address: SocketAddr,
    pub(crate) directory: Arc<TempDir>,
    /// Of the client that asks for something good; empty where none is needed.
    pub(crate) key: String,
    descriptors: usize,
}

impl Victim {
    pub(crate) fn start() -> Self {
        Self::start_with("")
    }

    /// `more` are further lines of the configuration, the upstream's own first.
    pub(crate) fn start_with(more: &str) -> Self {
        Self::start_as(more, |_| String::new())
    }

    /// The same, after `prepare` has made a key for whoever asks for something good, in the directory of the configuration.
    pub(crate) fn start_as(more: &str, prepare: impl FnOnce(&Path) -> String) -> Self {
        let (upstream, directory) = (Upstream::start(), state_dir());
        let at = |name: &str| directory.path().join(name).display().to_string();
        std::fs::write(at("token"), TOKEN).unwrap();
        let private = std::os::unix::fs::PermissionsExt::from_mode(0o600);
        std::fs::set_permissions(at("token"), private).unwrap();
        let text = format!(
            "state_dir = {:?}\n[listen]\nport = 0\n[control]\nsocket = {:?}\n[limits]\nheader_timeout = \"2s\"\n\
             request_body = \"1MiB\"\n[[upstream]]\nname = \"victim\"\nmount = \"/\"\nurl = \"http://{}\"\n\
             auth = \"token-file\"\ntoken_file = {:?}\n{more}\n",
            at("state"),
            at("control.sock"),
            upstream.address,
            at("token"),
        );
        std::fs::write(at("mcp-proxy.toml"), text).unwrap();
        let key = prepare(directory.path());
        let mut daemon = Program::start(bare_with(&at("mcp-proxy.toml")));
        let address = daemon.line("Listen: ").replace("Listen: ", "").parse().unwrap();
        let mut victim = Self { upstream, daemon, address, directory, key, descriptors: 0 };
        // Once through, so that what is made once is made.
        victim.serves();
        victim.forget();
        victim.descriptors = victim.open_files();
        victim
    }

    /// Writes `bytes` on a connection of its own, and answers what comes back.
    pub(crate) fn send(&self, bytes: &[u8]) -> Answers {
        ask(self.address, bytes)
    }

    /// Plays attacks beside each other, each on a connection of its own and with a target of its own. In their bytes `@T`
    /// is that target, `@H` the address of the daemon, `@I` a request that is hidden, and `@N` its length.
    pub(crate) fn withstands(&mut self, attacks: &[Attack]) {
        let (inner, host) = (format!("GET {SMUGGLED} HTTP/1.1\r\nHost: x\r\n\r\n"), self.address.to_string());
        let of = |number: usize| format!("/attack-{number}");
        let bytes = |number: usize, text: &str| {
            let length = inner.len().to_string();
            let pairs = [("@T", &of(number)), ("@H", &host), ("@I", &inner), ("@N", &length)];
            pairs.iter().fold(text.to_owned(), |text, (mark, value)| text.replace(mark, value))
        };
        let numbered: Vec<(usize, &Attack)> = attacks.iter().enumerate().collect();
        let address = self.address;
        for some in numbered.chunks(AT_ONCE) {
            std::thread::scope(|scope| {
                for (number, Attack(name, text, expected, _)) in some {
                    let bytes = bytes(*number, text);
                    scope.spawn(move || {
                        let answers = ask(address, bytes.as_bytes());
                        assert_eq!(answers.statuses, *expected, "{name}: {answers:?}");
                        // What cannot be understood ends the connection: nobody knows where the next request begins.
                        let lost = matches!(expected, [400] | [502] | [413]);
                        assert!(answers.closed || !lost, "{name}: the connection stays open");
                    });
                }
            });
        }
        let got = self.got();
        for (number, Attack(name, .., reaches)) in numbered {
            let times = got.iter().filter(|got| got.target() == of(number)).count();
            assert_eq!(times, usize::from(*reaches), "{name}: {got:#?}");
        }
        let expected = attacks.iter().filter(|Attack(.., reaches)| *reaches).count();
        assert_eq!(got.len(), expected, "something else got through: {got:#?}");
        got.iter().for_each(is_clean);
        let names: Vec<&str> = attacks.iter().map(|Attack(name, ..)| *name).collect();
        self.is_unharmed(&names.join(", "));
    }

    /// What the upstream got since it was asked last.
    pub(crate) fn got(&self) -> Vec<Got> {
        std::mem::take(&mut self.upstream.got.lock().unwrap())
    }

    pub(crate) fn forget(&self) {
        drop(self.got());
    }

    /// It forwards a plain request, as it did before anything happened.
    pub(crate) fn serves(&self) {
        let before = self.upstream.got.lock().unwrap().len();
        let key = &self.key;
        let good = format!(
            "GET {GOOD} HTTP/1.1\r\nHost: {}\r\nX-MCP-Proxy-Key: {key}\r\nConnection: close\r\n\r\n",
            self.address
        );
        let answers = self.send(good.as_bytes());
        assert_eq!(answers.statuses, [200], "{answers:?}");
        let mut got = self.upstream.got.lock().unwrap();
        let good = got.remove(before);
        assert_eq!((good.target(), good.all("authorization")), (GOOD, vec![&*format!("Bearer {TOKEN}")]));
    }

    /// Nothing got through that should not have, and the daemon is as well as before.
    pub(crate) fn is_unharmed(&mut self, after: &str) {
        assert_eq!(*self.upstream.odd.lock().unwrap(), Vec::<String>::new(), "after {after}");
        self.serves();
        let deadline = Instant::now() + PATIENCE;
        // A connection that was closed is gone in a moment; those to the upstream are kept for the next request.
        while self.open_files() > self.descriptors + AT_ONCE {
            assert!(Instant::now() < deadline, "descriptors are lost after {after}: {}", self.open_files());
            std::thread::sleep(Duration::from_millis(10));
        }
        let resident = self.resident();
        assert!(resident < 128 * 1024, "{resident} KiB after {after}");
        assert!(!self.daemon.seen().contains("panicked"), "after {after}: {}", self.daemon.seen());
        assert!(!self.daemon.seen().contains(TOKEN), "the log has the token");
    }

    fn open_files(&self) -> usize {
        std::fs::read_dir(format!("/proc/{}/fd", self.daemon.id())).unwrap().count()
    }

    /// In KiB.
    fn resident(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.daemon.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        line.trim().trim_end_matches(" kB").parse().unwrap()
    }

    pub(crate) fn control_socket(&self) -> std::path::PathBuf {
        Path::new(self.directory.path()).join("control.sock")
    }
}

fn bare_with(file: &str) -> std::process::Command {
    bare(&["serve", "--config", file])
}

/// Writes `bytes` on a connection of its own, and answers what comes back.
pub(crate) fn ask(address: SocketAddr, bytes: &[u8]) -> Answers {
    let mut raw = Raw::connect(address);
    raw.write(bytes);
    raw.answers()
}

/// What came back on a connection, until it was closed, or until the daemon waits for more.
#[derive(Debug)]
pub(crate) struct Answers {
    pub(crate) statuses: Vec<u16>,
    pub(crate) closed: bool,
    pub(crate) text: String,
}

/// The attacker's end of a connection.
pub(crate) struct Raw(pub(crate) TcpStream);

impl Raw {
    pub(crate) fn connect(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_nodelay(true).unwrap();
        stream.set_write_timeout(Some(PATIENCE)).unwrap();
        Self(stream)
    }

    /// Writes; that the daemon has closed already is its answer.
    pub(crate) fn write(&mut self, bytes: &[u8]) -> bool {
        self.0.write_all(bytes).is_ok()
    }

    /// Everything that is answered. Whether more comes is asked with a request that nobody can take for a part of what
    /// was sent before, if the connection is still open: its answer is the last one.
    pub(crate) fn answers(mut self) -> Answers {
        let (mut read, mut closed, mut buffer) = (Vec::new(), false, [0; 64 * 1024]);
        self.0.set_read_timeout(Some(Duration::from_millis(700))).unwrap();
        loop {
            match self.0.read(&mut buffer) {
                Ok(0) => closed = true,
                Ok(length) => {
                    read.extend_from_slice(&buffer[..length]);
                    continue;
                }
                Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
                Err(_) => closed = true,
            }
            break;
        }
        let _ = self.0.shutdown(Shutdown::Both);
        let text = String::from_utf8_lossy(&read).into_owned();
        assert!(!text.contains(TOKEN), "the token came back: {text}");
        let statuses = text.match_indices("HTTP/1.1 ").filter_map(|(at, _)| text.get(at + 9..at + 12)?.parse().ok());
        Answers { statuses: statuses.collect(), closed, text }
    }
}
