//! The data path against the sandbox: what breaks in other proxies (rows C of the failure list).

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that fails may panic")]

mod connections;
mod doors;
mod endpoints;
mod faults;
mod headers;
mod http2;
mod leaving;
mod limits;
mod messages;
mod redirects;
mod sockets;
mod streams;
#[path = "../support/mod.rs"]
mod support;
mod trailers;
mod uploads;
mod wire;
