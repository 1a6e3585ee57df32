//! What a client may do (`[[client]]`): servers, methods, tools, limits, and the lists of tools that it sees. Through a
//! real daemon, against an MCP server that notes what reaches it.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that fails may panic")]

mod bodies;
mod limits;
mod lists;
mod matrix;
mod old;
mod server;
#[path = "../support/mod.rs"]
mod support;
mod world;
