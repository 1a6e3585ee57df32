//! The promise of transparency: one scripted exchange, once straight with an upstream and once through the proxy, is
//! the same at both ends to the byte, but for a list (`changes.rs`, `docs/TRANSPARENCY.md`).
//!
//! Both ends are raw sockets held by the test. A script waits for what it wants to see, never for time: a piece that
//! the upstream sends after the client has read the piece before it shows that nothing is held back. Every case
//! prints a line. Redirects, web pages and renewals are told by `tests/data_path` and `tests/token_life.rs`.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that fails may panic")]
#![allow(clippy::print_stdout, reason = "the table of cases is the output")]

mod answers;
mod changes;
mod compare;
mod connections;
mod document;
mod exchange;
mod message;
mod never_minted;
mod refused;
mod requests;
mod script;
mod sdk;
mod streams;
#[path = "../support/mod.rs"]
mod support;

use std::collections::BTreeSet;
use std::path::PathBuf;

use mcp_proxy::model::time::Clock;
use mcp_proxy_sandbox::Sandbox;
use tempfile::TempDir;

use compare::{Replaced, Used, compare};
use exchange::{Upstream, play};
use script::Case;
use support::{Proxy, sandbox, state_dir};

/// The token that the proxy adds.
const TOKEN: &str = "the-upstreams-token";

/// An upstream, and a proxy before it.
struct Bench {
    upstream: Upstream,
    proxy: Proxy,
    token: TempDir,
    _sandbox: Sandbox,
}

impl Bench {
    async fn start(more: &str) -> Self {
        Self::with_token(TOKEN, more).await
    }

    /// Another token, or none, and more configuration.
    async fn with_token(token: &str, more: &str) -> Self {
        let upstream = Upstream::start().await;
        let bench = Self::at(&format!("http://{}", upstream.address), token, more).await;
        Self { upstream, ..bench }
    }

    /// A proxy that leads somewhere else.
    async fn at(url: &str, token: &str, more: &str) -> Self {
        let (sandbox, directory, state) = (sandbox().await, tempfile::tempdir().unwrap(), state_dir());
        let file = directory.path().join("token");
        std::fs::write(&file, token).unwrap();
        let source = format!("auth = \"token-file\"\ntoken_file = {file:?}\n");
        let later = state.path().join("conf.d");
        std::fs::create_dir(&later).unwrap();
        let config = format!("{more}\n[[upstream]]\nname = \"alibaba\"\nurl = \"{url}\"\n{source}");
        std::fs::write(later.join("more.toml"), config).unwrap();
        let proxy = Proxy::start_with(&sandbox, "", Clock::system(), state).await;
        Self { upstream: Upstream::start().await, proxy, token: directory, _sandbox: sandbox }
    }

    /// A proxy that nobody signed in.
    async fn without_a_login() -> Self {
        let sandbox = sandbox().await;
        let proxy = Proxy::start(&sandbox).await;
        Self { upstream: Upstream::start().await, proxy, token: tempfile::tempdir().unwrap(), _sandbox: sandbox }
    }

    /// Where the proxy reads its token.
    fn token_file(&self) -> PathBuf {
        self.token.path().join("token")
    }
}

/// Plays every case twice and compares; answers which of the listed changes were seen.
async fn hold(cases: Vec<Case>) -> Used {
    let mut bench = Bench::start("").await;
    let replaced = Replaced { host: bench.upstream.address.to_string(), authorization: format!("Bearer {TOKEN}") };
    let (mut used, mut differing, mut names) = (Used::new(), Vec::new(), BTreeSet::new());
    for Case { name, script } in cases {
        assert!(names.insert(name.clone()), "two cases have the name {name}");
        let straight = bench.upstream.address;
        let direct = play(&mut bench.upstream, straight, &script, &format!("{name}, directly")).await;
        let proxied = play(&mut bench.upstream, bench.proxy.address, &script, &name).await;
        match compare(&direct, &proxied, &replaced, &mut used) {
            Ok(()) => println!("same: {name}"),
            Err(why) => {
                println!("DIFFERENT: {name}: {why}");
                differing.push(name);
            }
        }
    }
    assert!(differing.is_empty(), "different: {differing:#?}");
    used
}

#[tokio::test]
async fn methods() {
    hold(requests::methods()).await;
}

#[tokio::test]
async fn targets() {
    hold(requests::targets()).await;
}

#[tokio::test]
async fn request_bodies() {
    hold(requests::bodies()).await;
}

#[tokio::test]
async fn statuses() {
    hold(answers::statuses()).await;
}

#[tokio::test]
async fn answer_bodies() {
    hold(answers::bodies()).await;
}

#[tokio::test]
async fn event_streams() {
    hold(streams::cases()).await;
}

#[tokio::test]
async fn connections_and_their_ends() {
    hold(connections::cases()).await;
}

/// Every entry of the list is needed by a case, so that none stays in it for nothing.
#[tokio::test]
async fn headers() {
    let used = hold([requests::headers(), answers::headers()].concat()).await;
    let to_upstream = changes::TO_UPSTREAM.iter().map(|change| (true, change.header));
    let listed: Used = to_upstream.chain(changes::TO_CLIENT.iter().map(|change| (false, change.header))).collect();
    assert_eq!(used, listed);
}
