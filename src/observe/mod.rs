//! Layer 1: what people and programs can see of the daemon: its log, its conditions, its counters.

pub mod access;
pub mod health;
pub mod log;
pub mod text;
pub mod traffic;
