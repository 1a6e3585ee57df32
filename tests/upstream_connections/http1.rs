//! An HTTP/1.1 upstream that closes when it should not, and what that costs.

use std::sync::{Arc, Mutex};

use http::{Request, StatusCode};
use http_body_util::Full;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use crate::support::{PATIENCE, Proxy};
use crate::tls::{Identity, proxy_to};

const CALL: &str = r#"{"jsonrpc":"2.0","id":7,"method":"tools/list"}"#;

/// How many requests a connection takes, and whether the one after them is read before it is closed.
#[derive(Debug, Clone, Copy)]
struct Manner {
    served: usize,
    reads_one_more: bool,
}

struct Upstream {
    url: String,
    /// The first lines of all requests that were read.
    read: Arc<Mutex<Vec<String>>>,
    /// Connections that both sides have closed.
    closed: Arc<Semaphore>,
    _tasks: JoinSet<()>,
}

impl Upstream {
    async fn start(manner: Manner) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let read = Arc::new(Mutex::new(Vec::new()));
        let (lines, mut tasks) = (read.clone(), JoinSet::new());
        let closed = Arc::new(Semaphore::new(0));
        let closing = closed.clone();
        tasks.spawn(async move {
            let mut connections = JoinSet::new();
            loop {
                let (tcp, _) = listener.accept().await.unwrap();
                connections.spawn(serve(tcp, manner, lines.clone(), closing.clone()));
            }
        });
        Self { url, read, closed, _tasks: tasks }
    }

    /// Waits until another connection is closed by both sides.
    async fn closed(&self) {
        tokio::time::timeout(PATIENCE, self.closed.acquire()).await.expect("it is closed").unwrap().forget();
    }

    fn read(&self, line: &str) -> usize {
        self.read.lock().unwrap().iter().filter(|read| *read == line).count()
    }
}

async fn serve(mut tcp: TcpStream, manner: Manner, lines: Arc<Mutex<Vec<String>>>, closed: Arc<Semaphore>) {
    for _ in 0..manner.served {
        if request(&mut tcp, &lines).await.is_none() {
            return;
        }
        tcp.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").await.unwrap();
    }
    if manner.reads_one_more {
        request(&mut tcp, &lines).await;
        return;
    }
    tcp.shutdown().await.unwrap();
    while request(&mut tcp, &lines).await.is_some() {}
    closed.add_permits(1);
}

/// Reads a whole request with a body of known length.
async fn request(tcp: &mut TcpStream, lines: &Mutex<Vec<String>>) -> Option<()> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(tcp.read_u8().await.ok()?);
    }
    let head = String::from_utf8(head).unwrap();
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).map_or(0, |n| n.parse().unwrap());
    tcp.read_exact(&mut vec![0; length]).await.ok()?;
    lines.lock().unwrap().push(head.lines().next().unwrap().to_owned());
    Some(())
}

async fn world(manner: Manner) -> (Upstream, Proxy) {
    let upstream = Upstream::start(manner).await;
    let proxy = proxy_to(&upstream.url, &Identity::new()).await;
    (upstream, proxy)
}

async fn get(proxy: &Proxy, path: &str) -> StatusCode {
    proxy.send(Request::get(path).header("host", "localhost").body(Full::default()).unwrap()).await.status()
}

#[tokio::test]
async fn c13_a_connection_that_is_closed_after_some_requests_costs_none() {
    let (upstream, proxy) = world(Manner { served: 3, reads_one_more: false }).await;
    for round in 0..30 {
        let path = format!("/call/{round}");
        let (status, _, body) = proxy.post(&path, CALL).await;
        assert_eq!(status, StatusCode::OK, "{path}: {body}");
        assert_eq!(upstream.read(&format!("POST {path} HTTP/1.1")), 1);
        if round % 3 == 2 {
            upstream.closed().await;
        }
    }
}

#[tokio::test]
async fn c13_a_call_that_was_read_before_the_end_is_not_repeated_and_a_safe_one_is() {
    let (upstream, proxy) = world(Manner { served: 1, reads_one_more: true }).await;
    assert_eq!(proxy.post("/first", CALL).await.0, StatusCode::OK);
    let (status, _, body) = proxy.post("/call", CALL).await;
    assert_eq!((status, upstream.read("POST /call HTTP/1.1")), (StatusCode::BAD_GATEWAY, 1));
    assert!(body.contains("whether it acted is not known"), "{body}");
    assert_eq!(proxy.post("/second", CALL).await.0, StatusCode::OK);
    assert_eq!((get(&proxy, "/safe").await, upstream.read("GET /safe HTTP/1.1")), (StatusCode::OK, 2));
}

#[tokio::test]
async fn a_new_connection_that_breaks_costs_one_try() {
    let (upstream, proxy) = world(Manner { served: 0, reads_one_more: true }).await;
    assert_eq!((get(&proxy, "/safe").await, upstream.read("GET /safe HTTP/1.1")), (StatusCode::BAD_GATEWAY, 1));
}
