//! The memory of the real program under large bodies and slow readers (rows C1 and C8 of the failure list).

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that fails may panic")]
#![allow(clippy::print_stdout, reason = "what was measured is printed")]

mod support;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use hyper_util::rt::{TokioExecutor, TokioIo};
use mcp_proxy_sandbox::{Cloud, Sandbox};
use support::program::{Program, command};
use support::{Proxy, sandbox};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

const MIB: u64 = 1 << 20;
const LARGE: u64 = 200 * MIB;
/// By how much resident memory may grow.
const GROWTH: u64 = 8 * MIB;
/// What may be on the way in the buffers of the kernel on both sides, and in ours.
const ON_THE_WAY: u64 = 32 * MIB;
/// Nothing moves any more when nothing has moved for this long.
const QUIET: Duration = Duration::from_millis(300);

/// The real program, signed in, and warm: it has served a request.
struct World {
    sandbox: Sandbox,
    program: Program,
    address: SocketAddr,
    _state: Arc<TempDir>,
}

impl World {
    async fn new() -> Self {
        let sandbox = sandbox().await;
        let state = Proxy::signed_in(&sandbox).await.stop().await;
        let mut program = Program::start(command(&sandbox, state.path(), "", &["serve"]));
        // The program's lines are waited for by blocking, and the sandbox has to answer meanwhile.
        let (address, program) = tokio::task::spawn_blocking(move || {
            let line = program.line("Listen: ");
            program.line("Available Servers");
            (line.strip_prefix("Listen: ").unwrap().parse().unwrap(), program)
        })
        .await
        .unwrap();
        let world = Self { sandbox, program, address, _state: state };
        for _ in 0..3 {
            assert_eq!(world.read(MIB).await, MIB);
            world.upload(MIB).await;
        }
        world
    }

    fn cloud(&self) -> Cloud {
        self.sandbox.cloud()
    }

    /// A field of the program's `/proc/PID/status`, in bytes.
    fn memory(&self, field: &str) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.program.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix(field)).unwrap();
        line.trim_matches(|c: char| !c.is_ascii_digit()).parse::<u64>().unwrap() * 1024
    }

    /// Runs something and answers by how much the program grew meanwhile, at the most.
    async fn growth<T>(&self, work: impl Future<Output = T>) -> (u64, T) {
        let before = self.memory("VmRSS:");
        // Sets the mark of the highest memory back to what it is now (proc(5)).
        std::fs::write(format!("/proc/{}/clear_refs", self.program.id()), "5").unwrap();
        let result = work.await;
        (self.memory("VmHWM:").saturating_sub(before), result)
    }

    async fn begin(&self, head: &str) -> TcpStream {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        let head = format!("{head} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n");
        stream.write_all(head.as_bytes()).await.unwrap();
        stream
    }

    /// Asks for so many bytes.
    async fn ask(&self, length: u64) -> TcpStream {
        let mut stream = self.begin(&format!("GET /lab/bytes/{length}")).await;
        stream.write_all(b"\r\n").await.unwrap();
        stream
    }

    async fn read(&self, length: u64) -> u64 {
        rest(self.ask(length).await).await
    }

    async fn upload(&self, length: u64) -> TcpStream {
        let mut stream = self.begin("POST /lab/upload").await;
        stream.write_all(format!("Content-Length: {length}\r\n\r\n").as_bytes()).await.unwrap();
        let piece = vec![7; 64 * 1024];
        for _ in 0..length / piece.len() as u64 {
            stream.write_all(&piece).await.unwrap();
        }
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 200 ") && answer.contains(&format!("\"bytes\":{length}")), "{answer}");
        stream
    }
}

/// Reads to the end; the length of the body.
async fn rest(mut stream: TcpStream) -> u64 {
    let mut buffer = vec![0; 256 * 1024];
    let (mut length, mut head) = (0, Vec::new());
    loop {
        let read = stream.read(&mut buffer).await.unwrap();
        if read == 0 {
            return length;
        }
        length += read as u64;
        if head.is_empty() {
            head.extend_from_slice(&buffer[..read]);
            let end = head.windows(4).position(|window| window == b"\r\n\r\n").unwrap() + 4;
            assert!(head.starts_with(b"HTTP/1.1 200 "));
            length -= end as u64;
        }
    }
}

#[tokio::test]
async fn c1_an_answer_of_200_mib_costs_no_memory() {
    let world = World::new().await;
    let (growth, length) = world.growth(world.read(LARGE)).await;
    assert_eq!(length, LARGE);
    assert!(growth < GROWTH, "grew by {} KiB", growth / 1024);
}

/// As the first event of a stream that a GET opens, and as a line that never ends before it does.
#[tokio::test]
async fn c3_a_line_of_200_mib_costs_no_memory() {
    let world = World::new().await;
    let (growth, length) = world
        .growth(async {
            let mut stream = world.begin(&format!("GET /lab/line/{LARGE}")).await;
            stream.write_all(b"\r\n").await.unwrap();
            rest(stream).await
        })
        .await;
    assert!(length >= LARGE, "{length}");
    assert!(growth < GROWTH, "grew by {} KiB", growth / 1024);
}

#[tokio::test]
async fn c8_an_upload_of_200_mib_costs_no_memory() {
    let world = World::new().await;
    let (growth, _) = world.growth(world.upload(LARGE)).await;
    assert!(growth < GROWTH, "grew by {} KiB", growth / 1024);
}

#[tokio::test]
async fn c1_a_reader_that_stops_holds_the_upstream_back() {
    let world = World::new().await;
    let cloud = world.cloud();
    let before = cloud.counts().gateway_response_bytes;
    let (growth, stream) = world
        .growth(async {
            let stream = world.ask(LARGE).await;
            while tokio::time::timeout(QUIET, cloud.changed()).await.is_ok() {}
            stream
        })
        .await;
    let handed_over = cloud.counts().gateway_response_bytes - before;
    assert!(handed_over > 0 && handed_over < ON_THE_WAY, "the upstream got {} KiB off", handed_over / 1024);
    assert!(growth < GROWTH, "grew by {} KiB", growth / 1024);
    assert_eq!(rest(stream).await, LARGE, "and goes on where it was");
}

#[tokio::test]
async fn c1_an_upstream_that_does_not_read_holds_the_client_back() {
    let world = World::new().await;
    let (growth, written) = world
        .growth(async {
            let mut stream = world.begin("POST /lab/upload?wait_ms=600000").await;
            stream.write_all(format!("Content-Length: {LARGE}\r\n\r\n").as_bytes()).await.unwrap();
            let piece = vec![7; 64 * 1024];
            let mut written = 0;
            while let Ok(wrote) = tokio::time::timeout(QUIET, stream.write(&piece)).await {
                written += wrote.unwrap() as u64;
            }
            written
        })
        .await;
    assert!(written > 0 && written < ON_THE_WAY, "the client got {} KiB off", written / 1024);
    assert!(growth < GROWTH, "grew by {} KiB", growth / 1024);
}

/// How many streams of one HTTP/2 connection nobody reads, and what each may cost on both sides of the program.
const UNREAD: u64 = 30;
const COST: u64 = 256 * 1024;

#[tokio::test]
async fn c8_thirty_streams_that_nobody_reads_cost_a_bounded_amount_each() {
    let world = World::new().await;
    let stream = TcpStream::connect(world.address).await.unwrap();
    let (mut sender, serving) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
    let mut connection = tokio::task::JoinSet::new();
    connection.spawn(serving);
    let cloud = world.cloud();
    let (growth, answers) = world
        .growth(async {
            let mut answers = Vec::new();
            for _ in 0..UNREAD {
                let request = http::Request::get(format!("http://localhost/lab/bytes/{LARGE}"));
                let request = request.body(http_body_util::Empty::<bytes::Bytes>::new()).unwrap();
                answers.push(sender.send_request(request).await.unwrap());
            }
            while tokio::time::timeout(QUIET, cloud.changed()).await.is_ok() {}
            answers
        })
        .await;
    println!("{UNREAD} unread streams: {} KiB each", growth / 1024 / UNREAD);
    assert!(answers.iter().all(|answer| answer.status() == 200));
    assert!(growth < UNREAD * COST, "grew by {} KiB", growth / 1024);
}
