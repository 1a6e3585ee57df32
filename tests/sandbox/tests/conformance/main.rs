//! The stand-in judged from outside: over TLS, with clients of its own kind.
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test may fail by panicking")]

mod actions;
mod api;
mod faults;
mod gateway;
mod mcp;
mod oauth;
mod old_transport;
mod policy;
mod process;
mod sign_in;
mod support;
