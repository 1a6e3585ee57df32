//! `mcp-proxy doctor`: it finds each fault that is seeded on real things, names it, and its remedy, performed as it is
//! printed, mends it. A healthy installation has none.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that fails may panic")]
#![allow(clippy::disallowed_methods, reason = "a test has a clock of its own")]

mod faults;
mod healthy;
mod networks;
mod patient;
#[path = "../support/mod.rs"]
mod support;
