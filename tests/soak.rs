//! Many clients, short tokens, and everything that goes wrong, for as long as `SOAK_SECONDS` says (6 by default;
//! `make soak` takes minutes): no request is refused that the login could have served, and no login is lost.
//!
//! The program is the real one; it is killed and restarted too. Faults come in an order that `SOAK_SEED` fixes.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that fails may panic")]
#![allow(clippy::print_stdout, reason = "a soak prints its counts")]
#![allow(clippy::disallowed_methods, reason = "a soak is measured by the machine's own clock")]

mod support;

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use mcp_proxy::auth::timing::Jitter;
use mcp_proxy_sandbox::{Cloud, GatewayFault, Sandbox, TokenFault};
use support::program::{Program, command};
use support::{post, sandbox};
use tokio::task::JoinSet;

/// Seconds that an access token lives.
const LIFE: i64 = 3;
const CLIENTS: usize = 64;
/// Between two requests of a client; the point is the token, not the load.
const PAUSE: Duration = Duration::from_millis(25);
/// The longest outage of the token endpoint.
const LONGEST_OUTAGE: f64 = 20.0;

/// How requests ended.
#[derive(Default)]
struct Ends {
    served: AtomicU64,
    /// The authorization server was away, and the answer said so.
    outage: AtomicU64,
    /// The gateway failed, or a connection broke: faults of ours to begin with.
    faults: AtomicU64,
    /// The client was told to sign in, or got a 401 or 403. There is no excuse.
    refused: AtomicU64,
}

fn setting(name: &str, otherwise: u64) -> u64 {
    std::env::var(name).ok().map_or(otherwise, |text| text.parse().expect("a number"))
}

async fn client(address: SocketAddr, ends: Arc<Ends>, end: Instant) {
    let http = Client::builder(TokioExecutor::new()).build_http::<Full<Bytes>>();
    let body = r#"{"jsonrpc":"2.0","id":1,"method":"tools/call"}"#;
    while Instant::now() < end {
        let mut request = post(address, "/lab/echo", body);
        *request.uri_mut() = format!("http://{address}/lab/echo").parse().unwrap();
        let answer = async {
            let answer = http.request(request).await.ok()?;
            let status = answer.status().as_u16();
            let text = answer.into_body().collect().await.ok()?.to_bytes();
            Some((status, String::from_utf8_lossy(&text).into_owned()))
        };
        let count = match answer.await {
            Some((401 | 403, _)) => &ends.refused,
            Some((_, text)) if text.contains("-31401") => &ends.refused,
            Some((200, _)) => &ends.served,
            Some((503, text)) if text.contains("-31503") => &ends.outage,
            Some(_) | None => &ends.faults,
        };
        count.fetch_add(1, Ordering::Relaxed);
        tokio::time::sleep(PAUSE).await;
    }
}

/// Starts the program on `port` and waits until it listens.
fn start(sandbox: &Sandbox, directory: &std::path::Path, port: u16) -> (Program, SocketAddr) {
    let mut program = Program::start(command(sandbox, directory, "", &["serve", "--port", &port.to_string()]));
    let address = program.line("Listen: ").rsplit(' ').next().unwrap().parse().unwrap();
    (program, address)
}

/// Signs in as a person does, with `mcp-proxy login` beside the running daemon's state.
fn sign_in(sandbox: &Sandbox, directory: &std::path::Path, port: u16) {
    let mut login =
        Program::start(command(sandbox, directory, "", &["login", "--no-browser", "--port", &port.to_string()]));
    let url = login.line("/oauth2/v1/auth?").trim().to_owned();
    let callback = sandbox.approve(&url).expect("the page allows");
    let fetched = std::process::Command::new("curl").args(["-s", "-o", "/dev/null", &callback]).status().unwrap();
    assert!(fetched.success());
    assert!(login.wait().success(), "{}", login.seen());
}

struct Done {
    outages: u64,
    revocations: u64,
    gateway_faults: u64,
    cuts: u64,
    kills: u64,
    worst_outage: Duration,
}

/// Does one bad thing after another until `end`.
async fn misfortune(
    sandbox: &Sandbox,
    directory: &std::path::Path,
    mut program: Program,
    address: SocketAddr,
    end: Instant,
) -> (Program, Done) {
    let cloud = sandbox.cloud();
    let mut dice = Jitter::new(setting("SOAK_SEED", 1));
    let mut done =
        Done { outages: 0, revocations: 0, gateway_faults: 0, cuts: 0, kills: 0, worst_outage: Duration::ZERO };
    while Instant::now() < end {
        tokio::time::sleep(Duration::from_secs_f64(0.3 + dice.next_fraction())).await;
        match dice.next_fraction() {
            chance if chance < 0.15 => {
                let left = end.saturating_duration_since(Instant::now());
                let outage = Duration::from_secs_f64(dice.next_fraction() * LONGEST_OUTAGE).min(left);
                let fault = if dice.next_fraction() < 0.5 {
                    TokenFault::Status { status: 503, retry_after: None }
                } else {
                    TokenFault::CutBefore
                };
                cloud.fail_token(fault, None);
                tokio::time::sleep(outage).await;
                cloud.clear_faults();
                done.outages += 1;
                done.worst_outage = done.worst_outage.max(outage);
            }
            chance if chance < 0.45 => {
                cloud.revoke_access_tokens();
                done.revocations += 1;
            }
            chance if chance < 0.65 => {
                cloud.fail_gateway(GatewayFault::Status { status: 500, retry_after: None }, Some(5));
                done.gateway_faults += 1;
            }
            chance if chance < 0.9 => {
                cloud.cut_connections();
                done.cuts += 1;
            }
            _ => {
                settle(&cloud).await;
                program.signal("KILL");
                program.wait();
                (program, _) = start(sandbox, directory, address.port());
                done.kills += 1;
            }
        }
    }
    (program, done)
}

/// Waits for the moment right after a renewal. A kill in the middle of one can lose its answer with any program;
/// what must not be lost is everything else.
async fn settle(cloud: &Cloud) {
    let before = cloud.counts().refreshes;
    let _ = cloud.wait_until(|counts| counts.refreshes > before, Duration::from_secs(4)).await;
    tokio::time::sleep(Duration::from_millis(150)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_login_is_lost_and_no_request_is_refused_for_nothing() {
    let seconds = setting("SOAK_SECONDS", 6);
    let sandbox = sandbox().await;
    let cloud = sandbox.cloud();
    cloud.set_access_token_life(Some(LIFE));
    let directory = tempfile::tempdir().unwrap();
    let (program, address) = start(&sandbox, directory.path(), 0);
    drop(program);
    sign_in(&sandbox, directory.path(), address.port());
    let (program, address) = start(&sandbox, directory.path(), address.port());

    let (began, ends) = (Instant::now(), Arc::new(Ends::default()));
    let end = began + Duration::from_secs(seconds);
    let mut clients = JoinSet::new();
    for _ in 0..CLIENTS {
        clients.spawn(client(address, ends.clone(), end));
    }
    let (mut program, done) = misfortune(&sandbox, directory.path(), program, address, end).await;
    clients.join_all().await;

    // The last outage is over: the login works again by itself, within the longest wait between two tries.
    cloud.clear_faults();
    let recovered = Arc::new(Ends::default());
    let until = Instant::now() + Duration::from_secs(70);
    while recovered.served.load(Ordering::Relaxed) == 0 && Instant::now() < until {
        client(address, recovered.clone(), Instant::now() + Duration::from_millis(50)).await;
    }
    let counts = cloud.counts();
    let of = |count: &AtomicU64| count.load(Ordering::Relaxed);
    let elapsed = began.elapsed().as_secs_f64();
    println!(
        "soak of {elapsed:.0} s: {} served, {} refused, {} during outages, {} broken by faults; {} renewals, {} failed; \
         {} outages (longest {:.1} s), {} revocations, {} gateway faults, {} cuts, {} kills",
        of(&ends.served),
        of(&ends.refused),
        of(&ends.outage),
        of(&ends.faults),
        counts.refreshes,
        counts.refreshes_failed,
        done.outages,
        done.worst_outage.as_secs_f64(),
        done.revocations,
        done.gateway_faults,
        done.cuts,
        done.kills,
    );
    assert_eq!(of(&ends.refused), 0, "a request was refused that the login could have served:\n{}", program.seen());
    assert!(of(&recovered.served) > 0, "the login is lost:\n{}", program.seen());
    assert!(of(&ends.served) > 100);
    // Three quarters of a life at the earliest; one for each revocation and each restart.
    let explained = elapsed / (0.74 * LIFE as f64) + (done.revocations + done.kills + 2) as f64;
    assert!(counts.refreshes as f64 <= explained, "{} renewals, {explained:.0} explained", counts.refreshes);
    program.signal("TERM");
    assert!(program.wait().success());
}
