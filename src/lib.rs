//! mcp-proxy: signs in for MCP clients and forwards their traffic.

#![forbid(unsafe_code)]
#![cfg_attr(
    test,
    allow(clippy::unwrap_used, clippy::expect_used, clippy::allow_attributes, reason = "a test that fails may panic")
)]

pub mod alibaba;
pub mod auth;
pub mod bridge;
pub mod cli;
pub mod config;
pub mod daemon;
pub mod model;
pub mod net;
pub mod observe;
pub mod phrase;
pub mod policy;
pub mod process;
pub mod proxy;
pub mod token;
