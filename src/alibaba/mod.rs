//! Layer 2, the vendor adapter: request signing, aliyun CLI files, the OAuth application and the server list.
//!
//! Everything here happens at a login or at start, with a person's API credentials. No MCP request and no
//! bearer passes through; the data path does not need this module once a login is saved.

pub mod call;
pub mod catalog;
pub mod cloud_error;
pub mod credentials;
mod lenient;
pub mod mcpproxy_file;
pub mod oauth_app;
pub mod profile;
pub mod settings;
pub mod sign;
pub mod site;
#[cfg(test)]
mod testing;
