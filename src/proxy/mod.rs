//! Layer 2: the data path. A request comes in, gets its credential, goes out; the answer streams back.
//!
//! [`handle`] is the path of one request: read it first.

mod admit;
mod body;
mod context;
mod cors;
mod error;
pub mod handle;
mod headers;
mod health_answer;
mod local;
mod pages;
pub mod policy;
mod refused;
mod relay;
mod replay;
mod reply;
mod route;
mod rpc;
pub mod server;
pub mod settings;
mod sse;
mod upstream;
