//! `mcp-proxy-lab`: measures, prints one table, and writes it where it is told.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a program that a person runs")]

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::{Parser, Subcommand};
use mcp_proxy_lab::{Kind, Plan, Which};

/// Measures what a request costs at mcp-proxy, nginx, haproxy and a naive relay.
#[derive(Debug, Parser)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Plays the scenarios.
    Run {
        /// The release build of mcp-proxy.
        #[arg(long, default_value = "target/release/mcp-proxy")]
        binary: PathBuf,
        /// How many rounds each scenario has.
        #[arg(long, default_value_t = 5)]
        rounds: usize,
        /// Only these scenarios.
        #[arg(long, value_delimiter = ',')]
        only: Vec<Which>,
        /// Only these candidates.
        #[arg(long, value_delimiter = ',')]
        candidates: Vec<Kind>,
        /// Where the table is written to, beside being printed.
        #[arg(long)]
        write: Option<PathBuf>,
    },
    /// Writes a linker script that puts the functions which the daemon uses next to each other.
    Order {
        /// A build of mcp-proxy with symbols.
        #[arg(long, default_value = "target/profiling/mcp-proxy")]
        binary: PathBuf,
        /// Where the script is written to.
        #[arg(long, default_value = "packaging/order.ld")]
        write: PathBuf,
    },
    /// The naive relay, one of the candidates: hyper on both sides and nothing between.
    Relay {
        /// Where it listens.
        listen: SocketAddr,
        /// Where it connects to, as `localhost`.
        upstream: SocketAddr,
        /// The authority that it trusts.
        authority: PathBuf,
    },
}

fn main() -> anyhow::Result<()> {
    match Arguments::parse().command {
        Command::Run { binary, rounds, only, candidates, write } => {
            let mut plan = Plan::full(binary, rounds);
            plan.choose(&only, &candidates);
            let report = mcp_proxy_lab::run(&plan)?;
            println!("\n{report}");
            match write {
                Some(path) => written(&path, &report.document()),
                None => Ok(()),
            }
        }
        Command::Order { binary, write } => written(&write, &mcp_proxy_lab::order(&binary)?),
        Command::Relay { listen, upstream, authority } => mcp_proxy_lab::relay(listen, upstream, &authority),
    }
}

fn written(path: &Path, text: &str) -> anyhow::Result<()> {
    std::fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))
}
