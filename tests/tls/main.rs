//! Clients that begin with TLS: the real program, clients of rustls and OpenSSL (curl), and certificates of an authority
//! of the test's own. What is refused must not reach the upstream.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that fails may panic")]
#![allow(clippy::disallowed_methods, reason = "a test has a clock of its own")]
#![allow(dead_code, reason = "the MCP server is made for other tests as well")]

mod authority;
mod certificates;
mod client;
mod handshakes;
mod host;
mod renewal;
#[path = "../grants/server.rs"]
mod server;
mod streams;
#[path = "../support/mod.rs"]
mod support;
