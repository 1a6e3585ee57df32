//! Layer 1: the network. Listening sockets and who is at the other end of them, TLS on both sides, the client for short calls and the
//! client for streams.

pub mod api_client;
pub mod certificate;
pub mod cgroup;
mod connector;
pub mod diag;
pub mod direct;
mod egress;
pub mod identity;
pub mod listener;
pub mod namespace;
pub mod owner;
mod patient;
pub mod place;
pub mod pool;
pub mod settings;
pub mod stream_client;
pub mod tls;
mod watched;
pub mod way_out;

pub use settings::Settings;
