//! What a client may do (`[[client]]`): servers, methods, tools, limits, and the lists of tools that it sees. Through a
//! real daemon, against an MCP server that notes what reaches it.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that fails may panic")]
#![allow(clippy::disallowed_methods, reason = "a test has a clock of its own")]
#![allow(clippy::print_stdout, reason = "what is skipped is printed by name")]
#![allow(dead_code, reason = "hosts with TLS are made for other tests as well")]

#[path = "../tls/authority.rs"]
mod authority;
mod bodies;
#[path = "../tls/client.rs"]
mod client;
mod everybody;
#[path = "../tls/host.rs"]
mod host;
mod limits;
mod lists;
mod matrix;
mod old;
mod server;
#[path = "../support/mod.rs"]
mod support;
mod world;
