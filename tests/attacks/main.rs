//! An attacker's script against the real program: what nobody honest sends, on every way in. Each attack is refused with
//! the right status, or the connection is closed; the upstream sees nothing that it should not; and the daemon is as well
//! afterwards as before.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that fails may panic")]
#![allow(clippy::disallowed_methods, reason = "a test has a clock of its own")]

#[path = "../support/mod.rs"]
mod support;

mod callback;
mod guessing;
mod injection;
mod oversized;
mod paths;
mod rebinding;
mod smuggling;
mod unheard;
mod wire;
