//! The load: HTTP/1.1 connections that ask and read, as an MCP client does.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task;
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use bytes::{Buf, BytesMut};
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio_rustls::TlsConnector;

use crate::tls;
use crate::upstream::{EVENTS_BYTES, LARGE, SMALL_BYTES};

/// No answer takes longer, or it counts as none.
pub(crate) const PATIENCE: Duration = Duration::from_secs(10);
const ROOM: usize = 32 * 1024;
/// What a client of MCP sends with each request.
const HEADERS: &str = "accept: application/json, text/event-stream\r\nuser-agent: mcp-lab/1.0\r\n\
    mcp-protocol-version: 2025-11-25\r\nmcp-session-id: 6f1c2d3e4b5a69788796a5b4c3d2e1f0\r\n";
const SMALL_CALL: &str = concat!(
    r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"DescribeInstances","arguments":"#,
    r#"{"RegionId":"cn-hangzhou","PageSize":10}}}"#
);

/// Something that bytes go over.
pub(crate) trait Io: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Io for T {}

/// Where a client connects to.
#[derive(Clone)]
pub(crate) struct Target {
    pub(crate) address: SocketAddr,
    /// Straight to the upstream, with nothing between.
    pub(crate) tls: Option<TlsConnector>,
}

/// What is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Call {
    Small,
    Large,
    Events,
}

impl Call {
    fn request(self, target: &Target) -> Vec<u8> {
        let (path, body) = match self {
            Self::Small => ("/call", SMALL_CALL.to_owned()),
            Self::Large => ("/large", "y".repeat(LARGE)),
            Self::Events => ("/events", SMALL_CALL.to_owned()),
        };
        let (host, length) = (target.address, body.len());
        let head = format!(
            "POST {path} HTTP/1.1\r\nhost: {host}\r\n{HEADERS}content-type: application/json\r\n\
             content-length: {length}\r\n\r\n"
        );
        [head, body].concat().into_bytes()
    }

    /// How long the body of the answer is.
    fn expected(self) -> usize {
        match self {
            Self::Small => SMALL_BYTES,
            Self::Large => LARGE,
            Self::Events => EVENTS_BYTES,
        }
    }
}

/// A client's connection.
pub(crate) struct Client {
    io: Box<dyn Io>,
    buffer: BytesMut,
    host: SocketAddr,
}

/// How the body of an answer is delimited.
enum Framing {
    Length(usize),
    Chunked,
}

impl Client {
    pub(crate) async fn connect(target: &Target) -> anyhow::Result<Self> {
        let tcp = TcpStream::connect(target.address).await.context("cannot connect")?;
        tcp.set_nodelay(true)?;
        let io: Box<dyn Io> = match &target.tls {
            None => Box::new(tcp),
            Some(tls) => Box::new(tls.connect(ServerName::try_from(tls::NAME)?, tcp).await?),
        };
        Ok(Self { io, buffer: BytesMut::new(), host: target.address })
    }

    /// Asks and reads the whole answer, which must be the right one.
    async fn ask(&mut self, request: &[u8], expected: usize) -> anyhow::Result<()> {
        self.io.write_all(request).await?;
        self.io.flush().await?;
        let mut read = 0;
        match self.head().await? {
            Framing::Length(length) => {
                while read < length {
                    self.fill().await?;
                    let here = self.buffer.len().min(length - read);
                    self.buffer.advance(here);
                    read += here;
                }
            }
            Framing::Chunked => loop {
                let size = self.chunk_size().await?;
                let mut left = size + 2;
                while left > 0 {
                    self.fill().await?;
                    let here = self.buffer.len().min(left);
                    self.buffer.advance(here);
                    left -= here;
                }
                read += size;
                if size == 0 {
                    break;
                }
            },
        }
        ensure!(read == expected, "an answer of {read} bytes instead of {expected}");
        Ok(())
    }

    /// Asks for the stream without an end and waits for its first event.
    pub(crate) async fn listen(&mut self) -> anyhow::Result<()> {
        let request = format!("GET /stream HTTP/1.1\r\nhost: {}\r\n{HEADERS}\r\n", self.host);
        self.io.write_all(request.as_bytes()).await?;
        self.io.flush().await?;
        self.head().await?;
        self.event().await.map(drop)
    }

    /// When the next event of that stream was sent, counted as the upstream does.
    pub(crate) async fn event(&mut self) -> anyhow::Result<Duration> {
        loop {
            if let Some(end) = find(&self.buffer, b"\n\n") {
                let sent = find(&self.buffer[..end], b"\"sent\":").and_then(|at| {
                    let digits = self.buffer[at + 7..end].split(|byte| !byte.is_ascii_digit()).next()?;
                    std::str::from_utf8(digits).ok()?.parse().ok()
                });
                self.buffer.advance(end + 2);
                return Ok(Duration::from_nanos(sent.context("an event without its time")?));
            }
            // Ten thousand of these wait at once.
            self.read(512).await?;
        }
    }

    async fn head(&mut self) -> anyhow::Result<Framing> {
        let end = loop {
            match find(&self.buffer, b"\r\n\r\n") {
                Some(end) => break end,
                None => self.read(ROOM).await?,
            }
        };
        let head = self.buffer.split_to(end + 4);
        let text = String::from_utf8_lossy(&head);
        ensure!(text.starts_with("HTTP/1.1 200 "), "the answer is {}", text.lines().next().unwrap_or_default());
        let header = |wanted: &str| {
            text.lines()
                .skip(1)
                .filter_map(|line| line.split_once(':'))
                .find_map(|(name, value)| name.eq_ignore_ascii_case(wanted).then(|| value.trim().to_ascii_lowercase()))
        };
        if let Some(length) = header("content-length") {
            return Ok(Framing::Length(length.parse()?));
        }
        match header("transfer-encoding").as_deref() {
            Some("chunked") => Ok(Framing::Chunked),
            _ => bail!("an answer without an end"),
        }
    }

    async fn chunk_size(&mut self) -> anyhow::Result<usize> {
        loop {
            if let Some(end) = find(&self.buffer, b"\r\n") {
                let size = usize::from_str_radix(std::str::from_utf8(&self.buffer[..end])?.trim(), 16)?;
                self.buffer.advance(end + 2);
                return Ok(size);
            }
            self.read(ROOM).await?;
        }
    }

    /// Reads, if there is nothing to look at.
    async fn fill(&mut self) -> io::Result<()> {
        if self.buffer.is_empty() { self.read(ROOM).await } else { Ok(()) }
    }

    /// Whether the other side has not closed it while nobody asked.
    fn is_open(&mut self) -> bool {
        let (mut byte, mut context) = ([0], task::Context::from_waker(task::Waker::noop()));
        Pin::new(&mut self.io).poll_read(&mut context, &mut ReadBuf::new(&mut byte)).is_pending()
    }

    async fn read(&mut self, room: usize) -> io::Result<()> {
        self.buffer.reserve(room);
        match self.io.read_buf(&mut self.buffer).await? {
            0 => Err(io::ErrorKind::UnexpectedEof.into()),
            _ => Ok(()),
        }
    }
}

fn find(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    bytes.windows(wanted.len()).position(|window| window == wanted)
}

/// How a number of calls went.
#[derive(Debug, Default)]
pub(crate) struct Answers {
    /// How long each took.
    pub(crate) times: Vec<Duration>,
    /// Those that failed, and why the first one did.
    pub(crate) failed: usize,
    pub(crate) why: Option<String>,
}

impl Answers {
    pub(crate) fn take(&mut self, other: Self) {
        self.times.extend(other.times);
        self.failed += other.failed;
        self.why = self.why.take().or(other.why);
    }

    fn failed(&mut self, error: &anyhow::Error) {
        self.failed += 1;
        self.why.get_or_insert_with(|| format!("{error:#}"));
    }
}

/// Connections that ask one thing after the other, each when its answer is there.
pub(crate) struct Crowd {
    clients: Vec<Client>,
    request: Vec<u8>,
    expected: usize,
    target: Target,
}

impl Crowd {
    pub(crate) async fn connect(target: &Target, call: Call, size: usize) -> anyhow::Result<Self> {
        let mut clients = Vec::with_capacity(size);
        for _ in 0..size {
            clients.push(Client::connect(target).await?);
        }
        Ok(Self { clients, request: call.request(target), expected: call.expected(), target: target.clone() })
    }

    /// Asks `total` times, all connections together. A connection that fails is made anew.
    pub(crate) async fn ask(&mut self, total: usize) -> anyhow::Result<Answers> {
        let mut tasks = JoinSet::new();
        let (size, mut answers) = (self.clients.len(), Answers::default());
        for (at, mut client) in self.clients.drain(..).enumerate() {
            let (request, expected, target) = (self.request.clone(), self.expected, self.target.clone());
            let share = total / size + usize::from(at < total % size);
            tasks.spawn(async move {
                let mut answers = Answers::default();
                answers.times.reserve(share);
                for _ in 0..share {
                    let began = Instant::now();
                    match in_time(client.ask(&request, expected)).await {
                        Ok(()) => answers.times.push(began.elapsed()),
                        Err(error) => {
                            answers.failed(&error);
                            client = Client::connect(&target).await?;
                        }
                    }
                }
                Ok::<_, anyhow::Error>((client, answers))
            });
        }
        while let Some(done) = tasks.join_next().await {
            let (client, part) = done??;
            self.clients.push(client);
            answers.take(part);
        }
        Ok(answers)
    }
}

/// Calls at a fixed rate, whether or not the ones before are answered: each counts from when it was due.
pub(crate) async fn steady(target: &Target, call: Call, per_second: u32, length: Duration) -> anyhow::Result<Answers> {
    let (request, expected) = (call.request(target), call.expected());
    let (mut idle, mut tasks, mut answers) = (Vec::new(), JoinSet::new(), Answers::default());
    let began = Instant::now();
    let total = (f64::from(per_second) * length.as_secs_f64()) as u32;
    let mut settle = |done: Result<(Option<Client>, Answers), tokio::task::JoinError>, idle: &mut Vec<Client>| {
        let (client, part) = done?;
        idle.extend(client);
        answers.take(part);
        Ok::<_, anyhow::Error>(())
    };
    for number in 0..total {
        let due = began + Duration::from_secs(1) * number / per_second;
        tokio::time::sleep_until(due.into()).await;
        while let Some(done) = tasks.try_join_next() {
            settle(done, &mut idle)?;
        }
        idle.retain_mut(Client::is_open);
        let (client, target, request) = (idle.pop(), target.clone(), request.clone());
        tasks.spawn(async move {
            let mut answers = Answers::default();
            let asking = async {
                let mut client = match client {
                    Some(client) => client,
                    None => Client::connect(&target).await?,
                };
                client.ask(&request, expected).await?;
                Ok(client)
            };
            match in_time(asking).await {
                Ok(client) => {
                    answers.times.push(due.elapsed());
                    (Some(client), answers)
                }
                Err(error) => {
                    answers.failed(&error);
                    (None, answers)
                }
            }
        });
    }
    while let Some(done) = tasks.join_next().await {
        settle(done, &mut idle)?;
    }
    Ok(answers)
}

async fn in_time<T>(asking: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
    tokio::time::timeout(PATIENCE, asking).await.context("no answer in time")?
}

/// One call on a connection of its own.
pub(crate) async fn once(target: &Target) -> anyhow::Result<()> {
    in_time(async {
        let mut client = Client::connect(target).await?;
        client.ask(&Call::Small.request(target), Call::Small.expected()).await
    })
    .await
}
