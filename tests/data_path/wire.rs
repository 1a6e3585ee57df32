//! Both ends of the wire by hand: a client that writes bytes, an upstream that answers bytes, and a client that
//! asks the sandbox without the daemon between.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, Once};
use std::time::Duration;

use mcp_proxy::model::time::Clock;
use mcp_proxy_sandbox::{Cloud, RequestRecord, Sandbox};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use crate::support::{PATIENCE, Proxy, state_dir};

/// A JSON-RPC request, and how its answer begins when the daemon authors it.
pub(crate) const CALL: &str = r#"{"jsonrpc":"2.0","id":"call-7","method":"tools/list"}"#;
/// A JSON-RPC notification.
pub(crate) const NOTE: &str = r#"{"jsonrpc":"2.0","method":"notifications/cancelled"}"#;

/// A client that decides about every byte.
pub(crate) struct Raw {
    stream: TcpStream,
    unread: Vec<u8>,
}

/// The head of an answer.
#[derive(Debug)]
pub(crate) struct Head {
    pub(crate) status: u16,
    /// Names in lower case.
    pub(crate) headers: Vec<(String, String)>,
}

impl Head {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(own, _)| own == name).map(|(_, value)| value.as_str())
    }
}

impl Raw {
    pub(crate) async fn connect(address: SocketAddr) -> Self {
        Self { stream: TcpStream::connect(address).await.unwrap(), unread: Vec::new() }
    }

    /// Connects and writes; `\n` stands for CRLF.
    pub(crate) async fn asking(address: SocketAddr, text: &str) -> Self {
        let mut raw = Self::connect(address).await;
        raw.write(text.replace('\n', "\r\n").as_bytes()).await;
        raw
    }

    pub(crate) async fn write(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).await.unwrap();
    }

    /// Says that nothing more will be sent.
    pub(crate) async fn close_sending(&mut self) {
        self.stream.shutdown().await.unwrap();
    }

    async fn more(&mut self) -> std::io::Result<usize> {
        tokio::time::timeout(PATIENCE, self.stream.read_buf(&mut self.unread)).await.expect("more bytes in time")
    }

    /// The head of the next answer, interim answers included.
    pub(crate) async fn head(&mut self) -> Head {
        let end = loop {
            match self.unread.windows(4).position(|window| window == b"\r\n\r\n") {
                Some(at) => break at + 4,
                None => assert_ne!(self.more().await.unwrap(), 0, "an answer before the end"),
            }
        };
        let head: Vec<u8> = self.unread.drain(..end).collect();
        let head = String::from_utf8(head).unwrap();
        let mut lines = head.trim_end().split("\r\n");
        let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
        let headers = lines.map(|line| line.split_once(": ").unwrap());
        Head { status, headers: headers.map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned())).collect() }
    }

    /// So many bytes of a body.
    pub(crate) async fn take(&mut self, length: usize) -> Vec<u8> {
        while self.unread.len() < length {
            assert_ne!(self.more().await.unwrap(), 0, "the whole body before the end");
        }
        self.unread.drain(..length).collect()
    }

    /// An answer whose body has a length.
    pub(crate) async fn answer(&mut self) -> (Head, String) {
        let head = self.head().await;
        let length = head.header("content-length").map_or(0, |length| length.parse().unwrap());
        let body = self.take(length).await;
        (head, String::from_utf8_lossy(&body).into_owned())
    }

    /// Everything until the other side closes; a reset counts as closing.
    pub(crate) async fn rest(mut self) -> Vec<u8> {
        while !matches!(self.more().await, Ok(0) | Err(_)) {}
        self.unread
    }
}

/// Between two pieces that an upstream sends one after the other.
const PAUSE: Duration = Duration::from_millis(20);

/// An upstream on plain HTTP that answers every request alike, whatever is asked, and closes.
pub(crate) struct Scripted {
    pub(crate) url: String,
    heads: Arc<Mutex<Vec<String>>>,
    _tasks: JoinSet<()>,
}

impl Scripted {
    /// `answer` is written as it is, but `\n` stands for CRLF.
    pub(crate) async fn start(answer: &str) -> Self {
        Self::with("\n\n", &[answer]).await
    }

    /// The same, but answers when `end` was read, and pauses before each further piece of the answer.
    pub(crate) async fn with(end: &str, pieces: &[&str]) -> Self {
        let end = end.replace('\n', "\r\n").into_bytes();
        let pieces: Vec<_> = pieces.iter().map(|piece| piece.replace('\n', "\r\n").into_bytes()).collect();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let heads = Arc::new(Mutex::new(Vec::new()));
        let (seen, mut tasks) = (heads.clone(), JoinSet::new());
        tasks.spawn(async move {
            let mut connections = JoinSet::new();
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let (seen, end, pieces) = (seen.clone(), end.clone(), pieces.clone());
                connections.spawn(async move {
                    let mut raw = Raw { stream, unread: Vec::new() };
                    while !raw.unread.windows(end.len()).any(|window| window == end) {
                        if matches!(raw.more().await, Ok(0) | Err(_)) {
                            break;
                        }
                    }
                    seen.lock().unwrap().push(String::from_utf8_lossy(&raw.unread).into_owned());
                    for (number, piece) in pieces.iter().enumerate() {
                        if number > 0 {
                            tokio::time::sleep(PAUSE).await;
                        }
                        raw.write(piece).await;
                    }
                });
            }
        });
        Self { url, heads, _tasks: tasks }
    }

    /// The requests so far.
    pub(crate) fn heads(&self) -> Vec<String> {
        self.heads.lock().unwrap().clone()
    }
}

/// A signed-in daemon with more configuration, which may change what it is given by default.
pub(crate) async fn proxy_with(sandbox: &Sandbox, more: &str) -> Proxy {
    let state = state_dir();
    let later = state.path().join("conf.d");
    std::fs::create_dir(&later).unwrap();
    std::fs::write(later.join("more.toml"), more).unwrap();
    let proxy = Proxy::start_with(sandbox, "", Clock::system(), state).await;
    proxy.sign_in(sandbox).await;
    proxy
}

/// A daemon whose login is at the sandbox and whose requests go to `url`.
pub(crate) async fn proxy_to(url: &str, sandbox: &Sandbox) -> Proxy {
    proxy_with(sandbox, &format!("[[upstream]]\nname = \"alibaba\"\nurl = \"{url}\"\n")).await
}

/// A client that asks the sandbox itself, with the daemon's own credential.
pub(crate) struct Direct {
    pub(crate) http: reqwest::Client,
    base: String,
    authorization: String,
}

impl Direct {
    pub(crate) async fn new(sandbox: &Sandbox, proxy: &Proxy) -> Self {
        static PROVIDER: Once = Once::new();
        PROVIDER.call_once(|| rustls::crypto::ring::default_provider().install_default().unwrap());
        let ca = reqwest::Certificate::from_pem(&std::fs::read(sandbox.ca_file()).unwrap()).unwrap();
        let policy = reqwest::redirect::Policy::none();
        let http = reqwest::Client::builder().tls_certs_only([ca]).redirect(policy).no_proxy().build().unwrap();
        proxy.get("/lab/echo?whose").await;
        let authorization = asked(&sandbox.cloud(), "/lab/echo?whose")[0].header("authorization")[0].to_owned();
        Self { http, base: sandbox.cloud_url(), authorization }
    }

    pub(crate) fn get(&self, path: &str) -> reqwest::RequestBuilder {
        self.http.get(format!("{}{path}", self.base)).header("authorization", &self.authorization)
    }
}

/// The requests for exactly this target that reached the sandbox.
pub(crate) fn asked(cloud: &Cloud, target: &str) -> Vec<RequestRecord> {
    cloud.received().into_iter().filter(|record| record.target == target).collect()
}
