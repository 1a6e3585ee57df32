//! The connections to upstreams: HTTP/2 with all that its servers may do, and the ways out of this machine.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that fails may panic")]

mod egress;
mod http1;
mod http2;
mod nginx;
mod streams;
#[path = "../support/mod.rs"]
mod support;
mod tls;
