//! The load lab: what a request costs at mcp-proxy and at other proxies, measured side by side in one run.
//!
//! The load and the upstream are ours, and live in this process, on one CPU; each candidate is a process of its own on
//! another one. The figure that counts is the CPU time that a candidate's threads used (scheduler clock), for it says
//! the same on a busy machine. [`run`] plays the scenarios, round by round and candidate by candidate.

#![allow(clippy::disallowed_methods, reason = "what is measured here is the machine's own time")]
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a program that a person runs")]

mod candidate;
mod cpus;
mod figures;
mod load;
mod order;
mod plan;
mod process;
mod relay;
mod report;
mod scenario;
mod tls;
mod upstream;

pub use crate::candidate::Kind;
pub use crate::order::order;
pub use crate::plan::{Plan, Which};
pub use crate::relay::relay;
pub use crate::report::Report;
pub use crate::scenario::run;
