//! Metrics: what a daemon that has worked says of itself, linted; the socket for it; and what is shipped to look at it.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that fails may panic")]
#![allow(clippy::disallowed_methods, reason = "a test has a clock of its own")]

mod exposition;
mod live;
mod promql;
mod rules;
mod shipped;
#[path = "../support/mod.rs"]
mod support;
