//! mcp-proxy: signs in for MCP clients and forwards their traffic.

#![forbid(unsafe_code)]
#![cfg_attr(
    test,
    allow(clippy::unwrap_used, clippy::expect_used, clippy::allow_attributes, reason = "a test that fails may panic")
)]

pub mod config;
pub mod model;
pub mod net;
