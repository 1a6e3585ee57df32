//! Layer 1: the network. TLS, the client for short calls and the client for streams.

pub mod api_client;
mod connector;
mod egress;
mod patient;
pub mod settings;
pub mod stream_client;
pub mod tls;

pub use settings::Settings;
