//! Layer 1: who may do what. Plain values and decisions about them: no I/O, no async, no clock of its own.
//!
//! [`client`] says who asks, [`certificate`] by which certificates a client is known, [`keys`] whose a key is, [`register`] what of that changes at run time; [`grant`] what a client
//! may do; [`servers`] which MCP servers that means, [`pattern`] which methods and tools, [`message`] which of them a
//! request uses, [`rate`] how often.

pub mod certificate;
pub mod client;
pub mod grant;
pub mod keys;
pub mod message;
pub mod pattern;
#[cfg(test)]
mod properties;
pub mod rate;
pub mod register;
pub mod servers;
