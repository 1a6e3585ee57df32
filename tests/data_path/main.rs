//! The data path against the sandbox: what breaks in other proxies (rows C of the failure list).

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that fails may panic")]

mod connections;
mod doors;
mod faults;
mod headers;
mod messages;
mod redirects;
mod streams;
#[path = "../support/mod.rs"]
mod support;
mod uploads;
mod wire;
