//! A local stand-in for the cloud that mcp-proxy signs in to: for the demo and the tests.
//!
//! It speaks what the real services speak and refuses what they refuse: signed API calls
//! (`api`, `sign`), the sign-in page and the token endpoint (`oauth`), the MCP gateway with real
//! MCP servers (`gateway`, `mcp`). [`Cloud`] steers it: faults, time, counters, records.
//!
//! It never uses code of the program under test: two independent readings of the protocol
//! have to agree.
#![forbid(unsafe_code)]
#![cfg_attr(
    test,
    allow(clippy::unwrap_used, clippy::expect_used, clippy::allow_attributes, reason = "a test may fail by panicking")
)]

mod admin;
mod api;
mod clock;
mod cloud;
mod gateway;
mod mcp;
mod metadata;
mod oauth;
mod portal;
mod random;
mod sandbox;
mod server;
mod sign;
mod sync;
mod wire;

pub use crate::cloud::Cloud;
pub use crate::cloud::counts::Counts;
pub use crate::cloud::faults::{ApiFault, GatewayFault, TokenFault};
pub use crate::cloud::settings::{Consent, ExpiresIn, SignedInAs};
pub use crate::sandbox::{Options, Sandbox, Server};
pub use crate::wire::request::RequestRecord;
