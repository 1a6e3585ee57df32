//! Layer 1: what people and programs can see of the daemon: its log, its conditions, its counters.

pub mod access;
pub mod audit;
pub mod health;
pub mod log;
mod outlet;
pub mod pulse;
mod queue;
pub mod text;
pub mod traffic;
pub mod unheard;
