//! The ways out of this machine: CONNECT and SOCKS5 proxies, with and without a password, and a private authority
//! behind them. The real program runs, for proxies come from its environment.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use http::StatusCode;
use tokio::io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use crate::http2::Upstream;
use crate::support::program::{Program, bare};
use crate::support::{post, send, state_dir, whole};
use crate::tls::config_to;

const CALL: &str = r#"{"jsonrpc":"2.0","id":7,"method":"tools/list"}"#;
/// A name that only a proxy knows.
const UPSTREAM: &str = "https://upstream.example";

/// Where somebody wanted to go, and who asked.
type Asked = (String, Option<String>);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Connect,
    Socks5,
}

/// A proxy that leads every request to one place.
struct Way {
    address: SocketAddr,
    asked: Arc<Mutex<Vec<Asked>>>,
    _tasks: JoinSet<()>,
}

impl Way {
    async fn start(kind: Kind, upstream: &Upstream) -> Self {
        let to = upstream.url.replace("https://localhost", "127.0.0.1");
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let asked = Arc::<Mutex<Vec<_>>>::default();
        let (seen, mut tasks) = (asked.clone(), JoinSet::new());
        tasks.spawn(async move {
            let mut ways = JoinSet::new();
            loop {
                let (mut client, _) = listener.accept().await.unwrap();
                let (to, seen) = (to.clone(), seen.clone());
                ways.spawn(async move {
                    let target = match kind {
                        Kind::Connect => connect(&mut client).await,
                        Kind::Socks5 => socks5(&mut client).await,
                    };
                    seen.lock().unwrap().push(target);
                    let mut there = TcpStream::connect(to).await.unwrap();
                    // It ends when one side does.
                    let _ = copy_bidirectional(&mut client, &mut there).await;
                });
            }
        });
        Self { address, asked, _tasks: tasks }
    }

    fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }
}

/// RFC 9110 §9.3.6. The target, and the `Proxy-Authorization`.
async fn connect(client: &mut TcpStream) -> Asked {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(client.read_u8().await.unwrap());
    }
    let head = String::from_utf8(head).unwrap();
    client.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await.unwrap();
    let target = head.strip_prefix("CONNECT ").unwrap().split(' ').next().unwrap().to_owned();
    let who = head.lines().find(|line| line.to_ascii_lowercase().starts_with("proxy-authorization: "));
    (target, who.map(|line| line["proxy-authorization: ".len()..].to_owned()))
}

/// RFC 1928 and RFC 1929. The target, and `user:password`.
async fn socks5(client: &mut TcpStream) -> Asked {
    let counted = async |client: &mut TcpStream| {
        let mut bytes = vec![0; client.read_u8().await.unwrap().into()];
        client.read_exact(&mut bytes).await.unwrap();
        bytes
    };
    assert_eq!(client.read_u8().await.unwrap(), 5);
    let methods = counted(client).await;
    let mut who = None;
    if methods.contains(&2) {
        client.write_all(&[5, 2]).await.unwrap();
        assert_eq!(client.read_u8().await.unwrap(), 1);
        let (user, password) = (counted(client).await, counted(client).await);
        who = Some(format!("{}:{}", String::from_utf8(user).unwrap(), String::from_utf8(password).unwrap()));
        client.write_all(&[1, 0]).await.unwrap();
    } else {
        client.write_all(&[5, 0]).await.unwrap();
    }
    let mut request = [0; 4];
    client.read_exact(&mut request).await.unwrap();
    assert_eq!(request, [5, 1, 0, 3], "CONNECT to a name");
    let name = String::from_utf8(counted(client).await).unwrap();
    let port = client.read_u16().await.unwrap();
    client.write_all(&[5, 0, 0, 1, 0, 0, 0, 0, 0, 0]).await.unwrap();
    (format!("{name}:{port}"), who)
}

/// A POST through the real program, whose environment is `variables`.
async fn status(url: &str, upstream: &Upstream, variables: &[(&str, String)]) -> (StatusCode, String) {
    let directory = state_dir();
    let file = directory.path().join("mcp-proxy.toml");
    std::fs::write(&file, config_to(url, &upstream.identity.file("ca.pem"), directory.path())).unwrap();
    let mut command = bare(&["--config", file.to_str().unwrap()]);
    command.envs(variables.iter().map(|(name, value)| (name, value)));
    let starting = tokio::task::spawn_blocking(|| {
        let mut program = Program::start(command);
        let address: SocketAddr = program.line("Listen: ").replace("Listen: ", "").parse().unwrap();
        (program, address)
    });
    let (_program, address) = starting.await.unwrap();
    let (status, _, body) = whole(send(address, post(address, "/call", CALL)).await).await;
    (status, body)
}

async fn leads(kind: Kind, scheme: &str, variable: &str, user: &str, who: Option<&str>) {
    let upstream = Upstream::allowing(100).await;
    let way = Way::start(kind, &upstream).await;
    let proxy = format!("{scheme}://{user}{}", way.address);
    let (status, body) = status(UPSTREAM, &upstream, &[(variable, proxy)]).await;
    assert_eq!((status, upstream.processed("/call")), (StatusCode::OK, 1), "{body}");
    assert_eq!(way.asked(), [("upstream.example:443".to_owned(), who.map(str::to_owned))]);
}

#[tokio::test]
async fn e9_a_connect_proxy_leads_out() {
    leads(Kind::Connect, "http", "HTTPS_PROXY", "", None).await;
}

#[tokio::test]
async fn e9_a_connect_proxy_may_want_a_password() {
    leads(Kind::Connect, "http", "https_proxy", "me:p%40ss@", Some("Basic bWU6cEBzcw==")).await;
}

#[tokio::test]
async fn e9_a_socks5_proxy_leads_out_and_resolves_the_name() {
    leads(Kind::Socks5, "socks5h", "ALL_PROXY", "", None).await;
}

#[tokio::test]
async fn e9_a_socks5_proxy_may_want_a_password() {
    leads(Kind::Socks5, "socks5h", "HTTPS_PROXY", "me:pass@", Some("me:pass")).await;
}

#[tokio::test]
async fn e9_no_proxy_leads_past_the_proxy() {
    let upstream = Upstream::allowing(100).await;
    let way = Way::start(Kind::Connect, &upstream).await;
    let proxy = ("HTTPS_PROXY", format!("http://{}", way.address));
    let no_proxy = ("NO_PROXY", "example.net,localhost".to_owned());
    let (answer, body) = status(&upstream.url, &upstream, &[proxy.clone(), no_proxy]).await;
    assert_eq!((answer, way.asked().len()), (StatusCode::OK, 0), "{body}");
    let (answer, body) = status(&upstream.url, &upstream, &[proxy]).await;
    assert_eq!((answer, way.asked().len()), (StatusCode::OK, 1), "{body}");
}

#[tokio::test]
async fn e9_a_proxy_that_is_not_there_is_named_as_the_cause() {
    let upstream = Upstream::allowing(100).await;
    let nobody = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let (status, body) = status(UPSTREAM, &upstream, &[("HTTPS_PROXY", format!("http://{nobody}"))]).await;
    assert_eq!((status, upstream.connections()), (StatusCode::BAD_GATEWAY, 0));
    assert!(body.contains("cannot reach gateway"), "{body}");
}
