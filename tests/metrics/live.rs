//! A daemon that worked, seen by who reads its metrics.

use std::net::{SocketAddr, TcpListener};
use std::os::fd::AsFd;
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use http::{HeaderMap, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use mcp_proxy::daemon::metrics::families::ALL;
use tokio::net::UnixStream;

use crate::exposition::{Family, lint, parse};
use crate::support::person::sign_in;
use crate::support::program::{Program, command};
use crate::support::systemd::start_with;
use crate::support::{PATIENCE, post, sandbox, send, state_dir, whole};

const CALL: &str =
    r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"echo","arguments":{"text":"s3cret"}}}"#;
const LIST: &str = r#"{"jsonrpc":"2.0","id":2,"method":"tools/list"}"#;

fn get(host: &str, path: &str) -> Request<Full<Bytes>> {
    Request::get(path).header("host", host).body(Full::default()).unwrap()
}

async fn ask(address: SocketAddr, path: &str) -> (StatusCode, HeaderMap, String) {
    whole(send(address, get(&address.to_string(), path)).await).await
}

/// What a socket for metrics says, read strictly.
async fn scrape(address: SocketAddr) -> Vec<Family> {
    let (status, headers, text) = ask(address, "/metrics").await;
    assert_eq!(status, StatusCode::OK, "{text}");
    assert_eq!(headers["content-type"], "text/plain; version=0.0.4; charset=utf-8");
    assert!(!text.contains("s3cret"), "{text}");
    parse(&text).unwrap_or_else(|why| panic!("{why}\n{text}"))
}

fn family<'a>(families: &'a [Family], name: &str) -> &'a Family {
    families.iter().find(|family| family.name == name).unwrap_or_else(|| panic!("no {name}"))
}

/// Reads until the metrics say what is awaited: a request is counted when its answer has ended, which may be a moment
/// after its client has read it.
async fn awaited(address: SocketAddr, holds: impl Fn(&[Family]) -> bool) -> Vec<Family> {
    for _ in 0..1000 {
        let families = scrape(address).await;
        if holds(&families) {
            return families;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("in vain: {:#?}", scrape(address).await)
}

/// The line with that text, which may have come already: the log and what is printed have ways of their own.
fn said(program: &mut Program, text: &str) -> String {
    match program.seen().lines().find(|line| line.contains(text)) {
        Some(line) => line.to_owned(),
        None => program.line(text),
    }
}

fn address_after(program: &mut Program, text: &str) -> SocketAddr {
    said(program, text).split_once(text).unwrap().1.trim().parse().unwrap()
}

/// The number that a family has for no label at all.
fn plain(families: &[Family], name: &str) -> f64 {
    family(families, name).value(&[])
}

#[tokio::test(flavor = "multi_thread")]
async fn a_daemon_that_worked_says_so_and_every_line_is_well_formed() {
    let (sandbox, directory) = (sandbox().await, state_dir());
    sign_in(&sandbox, directory.path(), &[]).await;
    let more = format!(
        "blocked_servers = [\"/blocked\"]\n[metrics]\nlisten = \"127.0.0.1:0\"\n[log]\naudit_file = \"{}/audit\"\n",
        directory.path().display()
    );
    let mut program = Program::start(command(&sandbox, directory.path(), &more, &["serve"]));
    let metrics = address_after(&mut program, "metrics at ");
    let address = address_after(&mut program, "Listen: ");
    let server = sandbox.servers()[0].clone();
    // The catalogue is read in the background; until it is there, the server has no name.
    said(&mut program, &server.name);

    for body in [CALL, CALL, LIST, r#"{"jsonrpc":"2.0","id":3,"method":"made/up"}"#] {
        whole(send(address, post(address, &server.mcp_path, body)).await).await;
    }
    assert_eq!(ask(address, "/blocked/mcp").await.0, StatusCode::FORBIDDEN);
    assert_eq!(ask(address, "/favicon.ico").await.0, StatusCode::NOT_FOUND);
    let foreign = whole(send(address, get("evil.example", "/lab/echo")).await).await;
    assert_eq!(foreign.0, StatusCode::FORBIDDEN);
    let stream = send(address, get(&address.to_string(), "/lab/hold")).await;
    let upload = vec![b' '; 100_000];
    let request = Request::post("/lab/upload").header("host", address.to_string()).body(Full::from(upload)).unwrap();
    whole(send(address, request).await).await;

    let named = [("upstream", "alibaba"), ("server", server.name.as_str())];
    let families = awaited(metrics, |families| {
        let bytes = family(families, "mcp_proxy_request_body_bytes_total").value(&[("upstream", "alibaba")]);
        let streams = family(families, "mcp_proxy_event_streams_active").value(&[("upstream", "alibaba")]);
        let ended: f64 = family(families, "mcp_proxy_requests_total").samples.iter().map(|sample| sample.value).sum();
        bytes >= 100_000.0 && streams == 1.0 && ended >= 8.0
    })
    .await;
    assert_eq!(lint(&families), Vec::<String>::new());
    let names: Vec<&str> = families.iter().map(|family| family.name.as_str()).collect();
    assert_eq!(names, ALL.iter().map(|family| family.name).collect::<Vec<_>>(), "the table is what is written");
    for (written, family) in families.iter().zip(ALL) {
        assert_eq!((written.help.as_str(), written.kind.as_str()), (family.help, family.kind.as_str()));
        for sample in &written.samples {
            let mut labels: Vec<&str> =
                sample.labels.keys().map(String::as_str).filter(|label| *label != "le").collect();
            let mut expected = family.labels.to_vec();
            labels.sort_unstable();
            expected.sort_unstable();
            assert_eq!(labels, expected, "{}", family.name);
        }
    }

    let requests = family(&families, "mcp_proxy_requests_total");
    let of = |method: &str| {
        let is = |sample: &&crate::exposition::Sample| {
            sample.labels["method"] == method && sample.labels["server"] == server.name
        };
        requests.samples.iter().filter(is).map(|sample| sample.value).sum::<f64>()
    };
    assert_eq!((of("tools/call"), of("tools/list"), of("other")), (2.0, 1.0, 1.0), "{requests:#?}");
    let own = [("upstream", "none"), ("server", "none"), ("method", "none"), ("status", "4xx")];
    assert_eq!(requests.value(&own), 3.0);
    let refusals = family(&families, "mcp_proxy_refusals_total");
    let refused = |rule: &str| refusals.value(&[("rule", rule)]);
    assert_eq!((refused("host"), refused("servers"), refused("tools")), (1.0, 1.0, 0.0));
    let took = family(&families, "mcp_proxy_request_duration_seconds");
    assert_eq!(took.find("mcp_proxy_request_duration_seconds_count", &named), 4.0);
    for name in ["mcp_proxy_request_added_seconds", "mcp_proxy_upstream_wait_seconds"] {
        let count = family(&families, name).find(&format!("{name}_count"), &[("upstream", "alibaba")]);
        assert!(count >= 6.0, "{name}: {count}");
    }
    let added = family(&families, "mcp_proxy_request_added_seconds");
    let sum = |family: &Family| family.find(&format!("{}_sum", family.name), &[("upstream", "alibaba")]);
    assert!(sum(added) < 20.0, "{added:#?}");

    let open = family(&families, "mcp_proxy_client_connections").value(&[("listener", "tcp")]);
    assert!(open >= 1.0, "{open}");
    let http2 = [("upstream", "alibaba"), ("protocol", "http2")];
    let http1 = [("upstream", "alibaba"), ("protocol", "http1")];
    let exchanges = family(&families, "mcp_proxy_upstream_streams");
    assert_eq!(exchanges.value(&http1) + exchanges.value(&http2), 1.0, "{exchanges:#?}");
    let connections = family(&families, "mcp_proxy_upstream_connections");
    assert!(connections.value(&http1) + connections.value(&http2) >= 1.0, "{connections:#?}");

    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs_f64();
    let expiry = family(&families, "mcp_proxy_token_expiry_timestamp_seconds").value(&[("upstream", "alibaba")]);
    assert!(expiry > now && expiry < now + 11_000.0, "{expiry}");
    let started = plain(&families, "process_start_time_seconds");
    assert!(started < now + 1.0 && started > now - 300.0, "{started}");
    assert!(plain(&families, "process_resident_memory_bytes") > 1e6);
    assert!(plain(&families, "process_virtual_memory_bytes") >= plain(&families, "process_resident_memory_bytes"));
    assert!(plain(&families, "process_cpu_seconds_total") >= 0.0);
    let (fds, most) = (plain(&families, "process_open_fds"), plain(&families, "process_max_fds"));
    assert!(fds > 5.0 && fds < most, "{fds} {most}");
    assert_eq!(plain(&families, "mcp_proxy_ready"), 1.0);
    assert_eq!(plain(&families, "mcp_proxy_requests_active"), 1.0, "the stream");

    drop(stream);
    let families = awaited(metrics, |families| plain(families, "mcp_proxy_requests_active") == 0.0).await;
    let streams = |name: &str| family(&families, name).value(&[("upstream", "alibaba")]);
    assert_eq!((streams("mcp_proxy_event_streams_active"), streams("mcp_proxy_event_streams_total")), (0.0, 1.0));
    let broken = family(&families, "mcp_proxy_answers_broken_total");
    assert_eq!(broken.value(&[("upstream", "alibaba"), ("by", "client")]), 0.0, "a stream that is left is whole");
    program.signal("TERM");
    assert_eq!(program.end().0, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_upstream_does_not_answer_is_counted_by_reason_whatever_its_status() {
    let (sandbox, directory) = (sandbox().await, state_dir());
    let more = "[metrics]\nlisten = \"127.0.0.1:0\"\n";
    let mut program = Program::start(command(&sandbox, directory.path(), more, &["serve"]));
    let metrics = address_after(&mut program, "metrics at ");
    let address = address_after(&mut program, "Listen: ");
    let (status, _, text) = whole(send(address, post(address, "/lab/echo", CALL)).await).await;
    assert!(status == StatusCode::OK && text.contains("mcp-proxy login"), "{text}");
    let reason = [("upstream", "alibaba"), ("reason", "sign_in_needed")];
    let families =
        awaited(metrics, |families| family(families, "mcp_proxy_upstream_failures_total").value(&reason) == 1.0).await;
    let condition = [("name", "login-required"), ("subject", "alibaba")];
    assert_eq!(family(&families, "mcp_proxy_condition").value(&condition), 1.0);
    assert_eq!(plain(&families, "mcp_proxy_ready"), 0.0);
    assert_eq!(lint(&families), Vec::<String>::new());
    let (status, _, text) = ask(metrics, "/ready").await;
    assert!(status == StatusCode::SERVICE_UNAVAILABLE && text.contains("login-required"), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_socket_for_metrics_does_nothing_else() {
    let (sandbox, directory) = (sandbox().await, state_dir());
    let more = "[metrics]\nlisten = \"127.0.0.1:0\"\n";
    let mut program = Program::start(command(&sandbox, directory.path(), more, &["serve"]));
    let metrics = address_after(&mut program, "metrics at ");
    let host = metrics.to_string();
    for path in ["/status", "/recent", "/clients", "/lab/echo", "/", "/metrics/", "/health", "/callback?code=x"] {
        assert_eq!(ask(metrics, path).await.0, StatusCode::NOT_FOUND, "{path}");
    }
    for method in ["POST", "PUT", "DELETE", "OPTIONS"] {
        let request = Request::builder().method(method).uri("/metrics").header("host", &host);
        let (status, headers, _) = whole(send(metrics, request.body(Full::default()).unwrap()).await).await;
        assert_eq!(
            (status, &headers["allow"]),
            (StatusCode::METHOD_NOT_ALLOWED, &"GET, HEAD".parse().unwrap()),
            "{method}"
        );
    }
    let head = Request::head("/metrics").header("host", &host).body(Full::default()).unwrap();
    let (status, _, text) = whole(send(metrics, head).await).await;
    assert_eq!((status, text.as_str()), (StatusCode::OK, ""));
    for foreign in ["evil.example", "evil.example:9464", "127.0.0.1.evil.example"] {
        let (status, _, text) = whole(send(metrics, get(foreign, "/metrics")).await).await;
        assert!(status == StatusCode::FORBIDDEN && text.contains("allowed_hosts"), "{foreign}: {text}");
    }
    let page = Request::get("/metrics").header("host", &host).header("origin", "https://evil.example");
    let (status, ..) = whole(send(metrics, page.body(Full::default()).unwrap()).await).await;
    assert_eq!(status, StatusCode::FORBIDDEN, "a web page reads nothing");
    assert_eq!(whole(send(metrics, get("localhost", "/metrics")).await).await.0, StatusCode::OK);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_in_use_is_a_condition_and_requests_are_served() {
    let (sandbox, directory) = (sandbox().await, state_dir());
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let more = format!("[metrics]\nlisten = \"{}\"\n", taken.local_addr().unwrap());
    let mut program = Program::start(command(&sandbox, directory.path(), &more, &["serve"]));
    let address = address_after(&mut program, "Listen: ");
    said(&mut program, "Metrics are not served where they should be");
    assert!(ask(address, "/health").await.2.contains("metrics-not-served"));
}

#[tokio::test(flavor = "multi_thread")]
async fn sockets_that_systemd_passes_are_used_instead() {
    let (sandbox, directory) = (sandbox().await, state_dir());
    let (tcp, unused) = (TcpListener::bind("127.0.0.1:0").unwrap(), TcpListener::bind("127.0.0.1:0").unwrap());
    let (address, not_bound) = (tcp.local_addr().unwrap(), unused.local_addr().unwrap());
    drop(unused);
    let path = directory.path().join("metrics.sock");
    let unix = UnixListener::bind(&path).unwrap();
    let more = format!("[metrics]\nlisten = \"{not_bound}\"\n");
    let serve = command(&sandbox, directory.path(), &more, &["serve"]);
    let mut program = start_with(serve, &[tcp.as_fd(), unix.as_fd()], Some("metrics:metrics"));
    program.line("Listen: ");
    assert_eq!(lint(&scrape(address).await), Vec::<String>::new());
    let text = over_unix(&path, get("whatever.example", "/metrics")).await;
    assert!(text.contains("mcp_proxy_build_info"), "no name leads to a Unix socket: {text}");
    assert!(std::net::TcpStream::connect(not_bound).is_err(), "what is passed comes instead of metrics.listen");
    program.signal("TERM");
    assert_eq!(program.end().0, 0);
    assert!(path.exists(), "it is not ours to remove");
}

async fn over_unix(path: &Path, request: Request<Full<Bytes>>) -> String {
    let stream = UnixStream::connect(path).await.unwrap();
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    let answer: Response<Incoming> =
        tokio::time::timeout(PATIENCE, sender.send_request(request)).await.unwrap().unwrap();
    assert_eq!(answer.status(), StatusCode::OK);
    String::from_utf8_lossy(&answer.into_body().collect().await.unwrap().to_bytes()).into_owned()
}
