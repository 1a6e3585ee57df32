//! Layer 1: what people and programs can see of the daemon: its log, its conditions, its counters.

pub mod access;
pub mod audit;
pub mod exposition;
pub mod health;
pub mod histogram;
mod journal;
pub mod kinds;
mod line;
pub mod log;
mod outlet;
pub mod pulse;
mod queue;
pub mod recent;
pub mod routine;
pub mod stamp;
pub mod text;
pub mod trace;
pub mod traffic;
pub mod unheard;
pub mod usage;
