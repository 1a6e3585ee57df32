//! Layer 2: the data path. A request comes in, gets its credential, goes out; the answer streams back.
//!
//! [`handle`] is the path of one request: read it first.

mod admit;
mod body;
mod called;
mod caller;
mod channels;
mod connection;
mod context;
mod cors;
mod crowd;
mod endpoint;
mod error;
mod expect;
#[cfg(any(fuzzing, measuring))]
pub mod fuzzing;
pub mod gate;
mod guard;
mod guesses;
pub mod handle;
mod headers;
mod health_answer;
mod intake;
mod keep_alive;
mod local;
mod pages;
mod permit;
mod quota;
mod refusal;
mod refused;
mod relay;
mod replay;
mod reply;
mod route;
mod rpc;
pub mod server;
pub mod settings;
mod sse;
mod told;
mod tools;
mod trace;
mod trailers;
mod upstream;
mod wait;
