//! Crowds before the real program: thousands of clients that send half a head, and 10,000 idle streams (rows C7, C10
//! and C11 of the failure list).
//!
//! The upstream of the first is plain HTTP and as small as can be, so that what is measured is the program; that of the
//! second speaks HTTP/2, so that 20,000 descriptors are enough.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that fails may panic")]
#![allow(clippy::print_stdout, reason = "what was measured is printed")]
#![allow(clippy::disallowed_methods, reason = "a test is measured by the machine's own clock")]

#[path = "upstream_connections/http2.rs"]
#[expect(dead_code, reason = "that it can be told what to do is for others")]
mod http2;
mod support;
#[path = "upstream_connections/tls.rs"]
#[expect(dead_code, reason = "a daemon in this process is for others")]
mod tls;

use std::fs::Permissions;
use std::io;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::time::{Duration, Instant};

use futures_util::StreamExt;
use futures_util::stream::{self, FuturesUnordered};
use http2::Upstream;
use mcp_proxy::daemon::limits::raise_open_files;
use rustix::process::{Resource, getrlimit};
use support::PATIENCE;
use support::program::{Program, bare};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::task::JoinSet;

const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{}";

/// The program before an upstream of ours.
struct World {
    program: Program,
    address: SocketAddr,
    upstream: JoinSet<()>,
    _directory: TempDir,
}

impl World {
    /// Before an upstream as small as can be.
    async fn new(limits: &str) -> Self {
        let listener = listen();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let mut world = Self::before(&url, "", limits).await;
        world.upstream.spawn(serve(listener));
        world
    }

    async fn before(url: &str, network: &str, limits: &str) -> Self {
        raise_open_files();
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path();
        let token = path.join("token");
        std::fs::write(&token, "a-token-of-no-value").unwrap();
        std::fs::set_permissions(&token, Permissions::from_mode(0o600)).unwrap();
        let config = format!(
            "state_dir = \"{state}\"\n[listen]\nport = 0\n[control]\nsocket = \"off\"\n[log]\nlevel = \"warn\"\n\
             [network]\n{network}\n[limits]\n{limits}\n[[upstream]]\nname = \"crowd\"\nmount = \"/\"\nurl = \"{url}\"\n\
             auth = \"token-file\"\ntoken_file = \"{state}/token\"\n",
            state = path.display(),
        );
        std::fs::write(path.join("mcp-proxy.toml"), config).unwrap();
        let mut command = bare(&["serve"]);
        command.arg("--config").arg(path.join("mcp-proxy.toml"));
        let mut program = Program::start(command);
        let address = program.line("Listen: ").strip_prefix("Listen: ").unwrap().parse().unwrap();
        Self { program, address, upstream: JoinSet::new(), _directory: directory }
    }

    async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }

    /// Waits until the program has so many more descriptors than `before`.
    async fn descriptors_grow(&self, before: usize, by: usize) {
        let began = Instant::now();
        while self.descriptors() < before + by {
            assert!(began.elapsed() < PATIENCE, "{} descriptors, {before} before", self.descriptors());
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    fn descriptors(&self) -> usize {
        std::fs::read_dir(format!("/proc/{}/fd", self.program.id())).unwrap().count()
    }

    /// The processor time that the program has used, in clock ticks (proc(5)).
    fn ticks(&self) -> u64 {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.program.id())).unwrap();
        let fields = stat.rsplit(") ").next().unwrap().split(' ');
        fields.skip(11).take(2).map(|field| field.parse::<u64>().unwrap()).sum()
    }

    /// A field of the program's `/proc/PID/status`, in KiB.
    fn memory(&self, field: &str) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.program.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix(field)).unwrap();
        line.trim_matches(|c: char| !c.is_ascii_digit()).parse().unwrap()
    }
}

fn listen() -> TcpListener {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    socket.listen(4096).unwrap()
}

/// Answers everything at once.
async fn serve(listener: TcpListener) {
    let mut connections = JoinSet::new();
    loop {
        let (mut stream, _) = listener.accept().await.unwrap();
        connections.spawn(async move {
            let mut request = Vec::new();
            while head(&mut stream, &mut request).await.is_ok() {
                request.clear();
                if stream.write_all(ANSWER).await.is_err() {
                    return;
                }
            }
        });
        while connections.try_join_next().is_some() {}
    }
}

/// Reads to the end of a head; nothing follows it.
async fn head(stream: &mut TcpStream, into: &mut Vec<u8>) -> io::Result<()> {
    while !into.ends_with(b"\r\n\r\n") {
        if stream.read_buf(into).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
    Ok(())
}

/// Asks again and again on one connection; how long each answer took.
async fn good_client(mut stream: TcpStream, requests: usize) -> Vec<Duration> {
    let mut answer = [0; 512];
    let mut took = Vec::with_capacity(requests);
    for _ in 0..requests {
        let began = Instant::now();
        stream.write_all(b"POST /mcp HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n").await.unwrap();
        let mut length = 0;
        while !answer[..length].ends_with(b"\r\n\r\n{}") {
            let read =
                tokio::time::timeout(PATIENCE, stream.read(&mut answer[length..])).await.expect("an answer").unwrap();
            assert!(read > 0, "an answer, but {:?}", String::from_utf8_lossy(&answer[..length]));
            length += read;
        }
        assert!(answer.starts_with(b"HTTP/1.1 200 "));
        took.push(began.elapsed());
    }
    took
}

const GOOD_CLIENTS: usize = 64;
const HALF_SENT: usize = 2000;

/// What `GOOD_CLIENTS` see.
#[derive(Debug, Default)]
struct Seen {
    /// The 99th percentile of each round.
    p99: Vec<Duration>,
    /// The processor time that the program took for each round.
    ticks: Vec<u64>,
}

impl Seen {
    async fn round(&mut self, world: &World) {
        let before = world.ticks();
        let clients: FuturesUnordered<_> =
            (0..GOOD_CLIENTS).map(|_| async { good_client(world.connect().await, 30).await }).collect();
        let mut took: Vec<Duration> = clients.collect::<Vec<_>>().await.concat();
        took.sort_unstable();
        self.p99.push(took[took.len() * 99 / 100]);
        self.ticks.push(world.ticks() - before);
    }

    fn medians(&mut self) -> (Duration, u64) {
        self.p99.sort_unstable();
        self.ticks.sort_unstable();
        (self.p99[self.p99.len() / 2], self.ticks[self.ticks.len() / 2])
    }
}

/// Sends half a head and waits for the end: how long that took since `began`, and what was said.
async fn half_sent(mut stream: TcpStream, began: Instant) -> (Duration, Vec<u8>) {
    stream.write_all(b"POST /mcp HTTP/1.1\r\nHost: loc").await.unwrap();
    let mut said = Vec::new();
    // A reset is an end too.
    let _ = tokio::time::timeout(PATIENCE, stream.read_to_end(&mut said)).await.expect("an end");
    (began.elapsed(), said)
}

#[tokio::test(flavor = "multi_thread")]
async fn c7_2000_half_sent_requests_are_cut_on_time_while_64_good_clients_notice_nothing() {
    const LIMIT: Duration = Duration::from_secs(2);
    /// A machine that is busy with other things wakes nobody to the millisecond.
    const SLACK: Duration = Duration::from_millis(1500);
    let world = World::new("header_timeout = \"2s\"").await;
    Seen::default().round(&world).await;
    let (mut quiet, mut crowded, mut cuts) = (Seen::default(), Seen::default(), Vec::new());
    for _ in 0..3 {
        quiet.round(&world).await;
        let (mut halves, before) = (JoinSet::new(), world.descriptors());
        for _ in 0..HALF_SENT {
            let began = Instant::now();
            halves.spawn(half_sent(world.connect().await, began));
        }
        world.descriptors_grow(before, HALF_SENT - GOOD_CLIENTS).await;
        crowded.round(&world).await;
        while let Some(half) = halves.join_next().await {
            let (took, said) = half.unwrap();
            assert!(said.starts_with(b"HTTP/1.1 408 "), "{:?}", String::from_utf8_lossy(&said));
            cuts.push(took);
        }
    }
    cuts.sort_unstable();
    let (first, last) = (cuts[0], cuts[cuts.len() - 1]);
    println!("quiet {quiet:?}; beside {HALF_SENT} half-sent {crowded:?}; cut after {first:?} to {last:?}");
    assert!(first >= LIMIT && last < LIMIT + SLACK, "cut after {first:?} to {last:?}");
    // Processor time is the program's own, whatever else the machine does; the figures above are the result.
    let ((quiet_p99, quiet_ticks), (p99, ticks)) = (quiet.medians(), crowded.medians());
    assert!(ticks <= 2 * quiet_ticks + 10, "{ticks} ticks instead of {quiet_ticks}");
    assert!(p99 < 5 * quiet_p99 + Duration::from_millis(100), "{p99:?} instead of {quiet_p99:?}");
}

/// Opens a stream and reads its first event.
async fn open(world: &World) -> TcpStream {
    let mut stream = world.connect().await;
    stream.write_all(b"GET /hold HTTP/1.1\r\nHost: localhost\r\n\r\n").await.unwrap();
    let mut answer = Vec::new();
    let reading = async {
        while !answer.ends_with(b": open\n\n\r\n") {
            assert!(stream.read_buf(&mut answer).await.unwrap() > 0, "{:?}", String::from_utf8_lossy(&answer));
        }
    };
    tokio::time::timeout(PATIENCE, reading).await.expect("the first event in time");
    stream
}

/// One small request; how long its answer took.
async fn ask(world: &World) -> Duration {
    let began = Instant::now();
    let mut stream = world.connect().await;
    stream.write_all(b"GET /small HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").await.unwrap();
    let mut answer = Vec::new();
    tokio::time::timeout(PATIENCE, stream.read_to_end(&mut answer)).await.expect("an answer in time").unwrap();
    assert!(answer.starts_with(b"HTTP/1.1 200 "), "{:?}", String::from_utf8_lossy(&answer));
    began.elapsed()
}

#[tokio::test(flavor = "multi_thread")]
async fn c10_c11_ten_thousand_idle_streams_are_held_and_all_end_in_order() {
    const DRAIN: Duration = Duration::from_secs(10);
    const STREAMS: usize = 10_000;
    let upstream = Upstream::allowing(100).await;
    let network = format!("extra_ca_file = {:?}", upstream.identity.file("ca.pem"));
    let limits = "max_connections = 20000\ndrain_timeout = \"10s\"";
    let mut world = World::before(&upstream.url, &network, limits).await;
    // This process has both ends of what is the program's one; with fewer descriptors there are fewer streams.
    let descriptors = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
    let count = STREAMS.min(descriptors.saturating_sub(1000) as usize);
    let before = world.memory("VmRSS:");
    let began = Instant::now();
    let streams: Vec<TcpStream> = stream::iter(0..count).map(|_| open(&world)).buffer_unordered(64).collect().await;
    let opened = began.elapsed();
    let each = (world.memory("VmRSS:") - before) as f64 / count as f64;
    assert_eq!(upstream.held(), count);
    println!(
        "{count} streams opened in {opened:?} over {} connections, {each:.1} KiB each; a request beside them: {:?}",
        upstream.connections(),
        ask(&world).await
    );

    let began = Instant::now();
    world.program.signal("TERM");
    let ends = streams.into_iter().map(|mut stream| async move {
        let mut rest = Vec::new();
        stream.read_to_end(&mut rest).await.expect("an end, not a break");
        rest
    });
    let ends: Vec<Vec<u8>> =
        tokio::time::timeout(DRAIN, ends.collect::<FuturesUnordered<_>>().collect()).await.unwrap();
    assert!(ends.iter().all(|rest| rest == b"0\r\n\r\n"), "every stream ends between two events");
    let (code, printed) = world.program.end();
    println!("all ended in {:?}", began.elapsed());
    assert!(code == 0 && !printed.contains("WARN"), "{code}: {printed}");
    assert!(began.elapsed() < DRAIN);
}
