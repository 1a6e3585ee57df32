//! Layer 2, the vendor adapter: request signing, aliyun CLI files, the OAuth application and the server list.
//!
//! Everything here happens at a login, at start, or when a token is made without a person, with API credentials. No MCP
//! request passes through; the data path does not need this module once there is a token.

pub mod access_token;
pub mod boundary;
pub mod call;
mod call_error;
pub mod catalog;
pub mod cloud_error;
pub mod credentials;
mod lenient;
pub mod mcpproxy_file;
mod metadata;
pub mod oauth_app;
pub mod profile;
mod request;
pub mod settings;
pub mod sign;
mod sign_rpc;
pub mod site;
mod sts;
#[cfg(test)]
mod testing;
