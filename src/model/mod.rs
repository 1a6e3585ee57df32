//! Layer 0, the words of the program: plain values with no I/O, no async and no logging.
//!
//! Every other layer may use these; they use nothing but `std`, `http`, `url` and `zeroize`.

pub mod callback;
pub mod caller;
pub mod certificate;
pub mod client;
pub mod language;
pub mod peer;
pub mod secret;
pub mod server;
pub mod service_manager;
pub mod time;
pub mod trace;
pub mod upstream;
