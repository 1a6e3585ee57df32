//! What is measured, how often, and how much of it.

use std::path::PathBuf;
use std::time::Duration;

use crate::candidate::Kind;

/// A scenario.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, clap::ValueEnum)]
pub enum Which {
    /// One connection, small calls.
    One,
    /// 64 connections, small calls.
    Many,
    /// 64 KiB in both directions.
    Large,
    /// Answers of 20 events, 64 connections.
    Events,
    /// 1,000 idle streams, then an event per second each.
    Idle,
    /// 10,000 of them.
    Crowd,
    /// 300 streams beside 500 calls per second.
    Mixed,
    /// From the start to the first answer, and the memory then.
    Start,
    /// A new token and a reload, again and again, under load.
    Change,
    /// A restart with the socket kept, as a service manager does, under load.
    Restart,
}

impl Which {
    /// All of them, as the table has them.
    pub const ALL: [Self; 10] = [
        Self::One,
        Self::Many,
        Self::Large,
        Self::Events,
        Self::Idle,
        Self::Crowd,
        Self::Mixed,
        Self::Start,
        Self::Change,
        Self::Restart,
    ];
}

/// What a run does.
#[derive(Debug, Clone)]
pub struct Plan {
    pub(crate) binary: PathBuf,
    /// The program of the lab, which is the naive relay too.
    pub(crate) relay: PathBuf,
    pub(crate) rounds: usize,
    pub(crate) scenarios: Vec<Which>,
    pub(crate) candidates: Vec<Kind>,
    pub(crate) sizes: Sizes,
}

/// How much of each a round has.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sizes {
    pub(crate) connections: usize,
    pub(crate) one: usize,
    pub(crate) many: usize,
    pub(crate) large: usize,
    pub(crate) events: usize,
    /// Idle streams, of the two scenarios.
    pub(crate) idle: usize,
    pub(crate) crowd: usize,
    /// How long they speak.
    pub(crate) speaking: Duration,
    /// Streams beside calls.
    pub(crate) beside: usize,
    pub(crate) per_second: u32,
    pub(crate) steady: Duration,
}

impl Plan {
    /// Everything, with the mcp-proxy at `binary`, and `rounds` of each.
    pub fn full(binary: PathBuf, rounds: usize) -> Self {
        let sizes = Sizes {
            connections: 64,
            one: 4000,
            many: 24_000,
            large: 4000,
            events: 1500,
            idle: 1000,
            crowd: 10_000,
            speaking: Duration::from_secs(5),
            beside: 300,
            per_second: 500,
            steady: Duration::from_secs(4),
        };
        let relay = std::env::current_exe().unwrap_or_default();
        let (scenarios, candidates) = (Which::ALL.to_vec(), Kind::ALL.to_vec());
        Self { binary, relay, rounds: rounds.max(1), scenarios, candidates, sizes }
    }

    /// Everything that needs no other program, once and a little of it: that the lab works, not what anything costs.
    pub fn smoke(binary: PathBuf) -> Self {
        let sizes = Sizes {
            connections: 4,
            one: 20,
            many: 40,
            large: 20,
            events: 8,
            idle: 20,
            crowd: 40,
            speaking: Duration::from_millis(1500),
            beside: 10,
            per_second: 50,
            steady: Duration::from_millis(500),
        };
        let candidates = vec![Kind::McpProxy, Kind::Direct];
        Self { sizes, candidates, ..Self::full(binary, 1) }
    }

    /// Leaves out what is not in a list, if it has anything.
    pub fn choose(&mut self, scenarios: &[Which], candidates: &[Kind]) {
        self.scenarios.retain(|which| scenarios.is_empty() || scenarios.contains(which));
        self.candidates.retain(|kind| candidates.is_empty() || candidates.contains(kind));
    }
}
