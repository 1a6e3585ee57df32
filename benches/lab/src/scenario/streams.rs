//! Streams that say nothing, then something each second, then end: what one holds, how late its events are, and
//! whether everything is released.

use std::time::{Duration, Instant};

use anyhow::Context;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use crate::candidate::{Candidate, Kind};
use crate::figures::{Line, micros};
use crate::load::{Client, PATIENCE, Target, once};
use crate::plan::Which;
use crate::scenario::Lab;

/// How many streams begin at once.
const AT_ONCE: usize = 64;
/// How long a candidate is left alone before its memory is looked at.
const QUIET: Duration = Duration::from_secs(1);
/// How long it has to release what streams held.
const RELEASE: Duration = Duration::from_secs(3);

/// Open streams. They end when it is dropped.
pub(super) struct Streams {
    tasks: JoinSet<anyhow::Result<()>>,
    /// When events were sent, and how late they came.
    late: mpsc::UnboundedReceiver<Duration>,
}

impl Streams {
    /// Opens them, each on a connection of its own.
    pub(super) async fn open(target: &Target, size: usize, began: Instant) -> anyhow::Result<Self> {
        let (tell, late) = mpsc::unbounded_channel();
        let (mut opening, mut tasks) = (JoinSet::new(), JoinSet::new());
        let mut left = size;
        while left > 0 || !opening.is_empty() {
            while left > 0 && opening.len() < AT_ONCE {
                left -= 1;
                let target = target.clone();
                opening.spawn(async move {
                    let mut client = Client::connect(&target).await?;
                    tokio::time::timeout(PATIENCE, client.listen()).await.context("a stream did not begin")??;
                    Ok::<_, anyhow::Error>(client)
                });
            }
            let Some(opened) = opening.join_next().await else { break };
            let (mut client, tell) = (opened??, tell.clone());
            tasks.spawn(async move {
                loop {
                    let sent = client.event().await?;
                    // Nobody counts any more: the stream is kept all the same.
                    let _ = tell.send(began.elapsed().saturating_sub(sent));
                }
            });
        }
        Ok(Self { tasks, late })
    }

    /// How late the events were that have come since the last call.
    pub(super) fn late(&mut self) -> Vec<Duration> {
        std::iter::from_fn(|| self.late.try_recv().ok()).collect()
    }

    /// How many have ended, which none should.
    pub(super) fn ended(&mut self) -> usize {
        std::iter::from_fn(|| self.tasks.try_join_next()).count()
    }
}

impl Lab<'_> {
    pub(super) async fn streams(&mut self, which: Which, size: usize, rounds: usize) -> anyhow::Result<()> {
        for round in 0..rounds {
            for kind in self.processes(round) {
                self.streams_of(which, kind, size)
                    .await
                    .with_context(|| format!("{}, {size} streams", kind.title()))?;
            }
        }
        Ok(())
    }

    async fn streams_of(&mut self, which: Which, kind: Kind, size: usize) -> anyhow::Result<()> {
        let candidate = Candidate::start(kind, &self.place)?;
        let process = &candidate.process;
        once(&candidate.target).await?;
        tokio::time::sleep(QUIET).await;
        let (memory, sockets) = (process.memory(), process.sockets());
        let mut streams = Streams::open(&candidate.target, size, self.upstream.began()).await?;
        tokio::time::sleep(QUIET).await;
        let held = process.memory().saturating_sub(memory);
        let mut add = |line, value| self.figures.add(which, line, kind, value);
        add(Line::MemoryPerStream, held as f64 / 1024.0 / size as f64);

        self.upstream.speak(true);
        // The first events find everything cold.
        tokio::time::sleep(Duration::from_secs(1)).await;
        streams.late();
        let before = process.cpu();
        tokio::time::sleep(self.plan.sizes.speaking).await;
        let (spent, mut late) = (process.cpu() - before, streams.late());
        self.upstream.speak(false);
        add(Line::CpuPerEvent, micros(spent) / late.len() as f64);
        add(Line::Failed, streams.ended() as f64);
        self.figures.add_times(which, kind, &mut late);

        drop(streams);
        let began = Instant::now();
        while self.upstream.streams() > 0 && began.elapsed() < PATIENCE {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        tokio::time::sleep(RELEASE).await;
        let left = process.memory().saturating_sub(memory);
        let mut add = |line, value| self.figures.add(which, line, kind, value);
        add(Line::MemoryLeft, left as f64 / 1024.0 / size as f64);
        add(Line::SocketsLeft, process.sockets().saturating_sub(sockets) as f64);
        add(Line::StreamsLeft, self.upstream.streams() as f64);
        drop(candidate);
        while self.upstream.streams() > 0 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        Ok(())
    }
}
