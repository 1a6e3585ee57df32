//! Who gets which connection: demand and supply of one upstream.
//!
//! Whoever finds no free connection waits in a queue, and what becomes free goes to whoever waits longest. Attempts
//! to connect belong to the pool, not to the request that caused them. As long as the upstream's protocol is not
//! known, one attempt decides for all. With HTTP/1.1 there are as many attempts as requests wait; with HTTP/2 as
//! many as are needed for so many streams, and one more where those that are there have much to do.

use std::collections::VecDeque;
use std::error::Error as StdError;
use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use bytes::Bytes;
use http_body::Body;
use tokio::sync::oneshot;
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::net::pool::h2::{Home, Lease, MOST_STREAMS, Place};
use crate::net::pool::spread::{Connections, Shared};
use crate::net::pool::tally::Tally;
use crate::net::pool::{Dial, Protocol, Wire, h1, h2};

/// Idle connections are closed after this; many servers close theirs after 60 s, and being first avoids the race.
const IDLE: Duration = Duration::from_secs(50);

/// What a request gets.
pub(super) enum Link<B> {
    Http1(Box<h1::Connection<B>>),
    Http2(Lease),
}

impl<B> Link<B> {
    /// True if the connection served a request before.
    pub(super) fn is_reused(&self) -> bool {
        match self {
            Self::Http1(connection) => connection.reused,
            Self::Http2(lease) => lease.reused,
        }
    }
}

/// The connections to one upstream.
pub(super) struct Origin<B> {
    this: Weak<Self>,
    dial: Dial,
    pub(super) tally: Arc<Tally>,
    state: Mutex<State<B>>,
    /// Whatever runs for the pool ends with it.
    tasks: Mutex<JoinSet<()>>,
}

struct State<B> {
    /// What the last new connection agreed on.
    protocol: Option<Protocol>,
    /// HTTP/1.1 connections that nobody uses, the last used at the end.
    #[expect(clippy::vec_box, reason = "the box goes from request to request as it is")]
    idle: Vec<Box<h1::Connection<B>>>,
    shared: Connections,
    /// Whoever waits, longest first.
    waiting: VecDeque<oneshot::Sender<Result<Link<B>, String>>>,
    /// Attempts to connect that are under way.
    attempts: usize,
    /// How many streams a new HTTP/2 connection is expected to allow.
    expected: usize,
    /// The number of the next HTTP/2 connection.
    next: u64,
    /// True while a task closes what is idle for too long.
    tidied: bool,
}

/// A connection that was just made.
enum Opened<B> {
    Http1(Box<h1::Connection<B>>),
    Http2(Shared, Box<h2::Driver>),
}

impl<B> Origin<B> {
    pub(super) fn new(dial: Dial, tally: Arc<Tally>) -> Arc<Self> {
        let state = State {
            protocol: None,
            idle: Vec::new(),
            shared: Connections::new(),
            waiting: VecDeque::new(),
            attempts: 0,
            expected: MOST_STREAMS,
            next: 0,
            tidied: false,
        };
        Arc::new_cyclic(|this| Self {
            this: this.clone(),
            dial,
            tally,
            state: Mutex::new(state),
            tasks: Mutex::new(JoinSet::new()),
        })
    }

    fn lock(&self) -> MutexGuard<'_, State<B>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Runs a task that belongs to the pool.
    pub(super) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        let mut tasks = self.tasks.lock().unwrap_or_else(PoisonError::into_inner);
        while tasks.try_join_next().is_some() {}
        tasks.spawn(task);
    }

    /// Closes what is idle for too long; answers when to look again.
    fn tidy(&self, now: Instant) -> Instant {
        let mut state = self.lock();
        state.idle.retain(|connection| connection.rests() && now < connection.idle_since + IDLE);
        state.shared.all.retain(|shared| shared.open > 0 || now < shared.idle_since + IDLE);
        let idle = state.idle.iter().map(|connection| connection.idle_since);
        let empty = state.shared.all.iter().filter(|shared| shared.open == 0).map(|shared| shared.idle_since);
        // What becomes idle from now on is not due before.
        idle.chain(empty).min().unwrap_or(now) + IDLE
    }
}

impl<B> Origin<B>
where
    B: Body<Data = Bytes> + Send + Unpin + 'static,
    B::Error: Into<Box<dyn StdError + Send + Sync>>,
{
    /// A connection, as soon as there is one.
    ///
    /// # Errors
    /// Why there is none.
    pub(super) async fn checkout(&self) -> Result<Link<B>, String> {
        let coming = {
            let mut state = self.lock();
            if let Some(link) = state.take(&self.this) {
                if state.shared.are_crowded() {
                    self.try_to_connect(&mut state);
                }
                return Ok(link);
            }
            let (give, coming) = oneshot::channel();
            state.waiting.push_back(give);
            self.try_to_connect(&mut state);
            coming
        };
        coming.await.unwrap_or_else(|_| Err("the pool has ended".to_owned()))
    }

    /// Takes back a connection that is ready for another exchange.
    pub(super) fn give_back(&self, mut connection: Box<h1::Connection<B>>) {
        connection.rest();
        let mut state = self.lock();
        state.idle.push(connection);
        state.serve(&self.this);
    }

    /// Begins as many attempts as those who wait need.
    fn try_to_connect(&self, state: &mut State<B>) {
        let Some(this) = self.this.upgrade() else { return };
        if !state.tidied {
            state.tidied = true;
            self.spawn(tidy(self.this.clone()));
        }
        for _ in 0..state.missing() {
            state.attempts += 1;
            self.spawn(this.clone().attempt());
        }
    }

    async fn attempt(self: Arc<Self>) {
        let opened = match (self.dial)().await {
            Ok(wire) => self.open(wire).await,
            Err(why) => Err(why),
        };
        let mut state = self.lock();
        state.attempts -= 1;
        match opened {
            Ok(Opened::Http1(connection)) => {
                state.protocol = Some(Protocol::Http1);
                state.idle.push(connection);
                state.serve(&self.this);
            }
            Ok(Opened::Http2(shared, driver)) => {
                state.protocol = Some(Protocol::Http2);
                state.shared.all.push(shared);
                state.serve(&self.this);
                // Not before: what it tells is about a connection that is known.
                self.spawn(driver);
            }
            Err(why) => {
                self.tally.attempt_failed();
                state.shared.rest();
                state.fail(&why);
            }
        }
        self.try_to_connect(&mut state);
    }

    async fn open(&self, wire: Wire) -> Result<Opened<B>, String> {
        match wire.protocol {
            Protocol::Http1 => {
                let (connection, driver) = h1::open(wire.io, wire.rests, &self.tally).await?;
                self.spawn(driver);
                Ok(Opened::Http1(connection))
            }
            Protocol::Http2 => {
                let number = {
                    let mut state = self.lock();
                    state.next += 1;
                    state.next
                };
                let home: Weak<dyn Home> = self.this.clone();
                let (sender, driver) = h2::open(wire.io, home, number, &self.tally).await?;
                Ok(Opened::Http2(Shared::new(number, sender), Box::new(driver)))
            }
        }
    }
}

impl<B> Home for Origin<B>
where
    B: Body<Data = Bytes> + Send + Unpin + 'static,
    B::Error: Into<Box<dyn StdError + Send + Sync>>,
{
    fn release(&self, connection: u64) {
        let mut state = self.lock();
        if let Some(shared) = state.shared.numbered(connection) {
            shared.open -= 1;
            if shared.open == 0 {
                shared.idle_since = Instant::now();
            }
            state.serve(&self.this);
        }
    }

    fn allow(&self, connection: u64, streams: usize) {
        let mut state = self.lock();
        if let Some(shared) = state.shared.numbered(connection) {
            shared.allowed = Some(streams.min(MOST_STREAMS));
            state.expected = streams.clamp(1, MOST_STREAMS);
            state.serve(&self.this);
            self.try_to_connect(&mut state);
        }
    }

    fn retire(&self, connection: u64) {
        let mut state = self.lock();
        state.shared.remove(connection);
        self.try_to_connect(&mut state);
    }

    fn gone(&self, connection: u64, why: &str) {
        let mut state = self.lock();
        if let Some(shared) = state.shared.remove(connection) {
            if shared.allowed.is_none() {
                // It never was of use: whoever waits for it has to hear that.
                state.shared.rest();
                state.fail(why);
            }
            self.try_to_connect(&mut state);
        }
    }
}

impl<B> State<B>
where
    Origin<B>: Home + 'static,
{
    /// A connection that has room for one more exchange now.
    fn take(&mut self, origin: &Weak<Origin<B>>) -> Option<Link<B>> {
        let origin = origin.upgrade()?;
        while let Some(mut connection) = self.idle.pop() {
            if connection.rests() && Instant::now() < connection.idle_since + IDLE {
                connection.begin(origin);
                return Some(Link::Http1(connection));
            }
        }
        self.shared.next().map(|shared| {
            shared.open += 1;
            let counted = origin.tally.begun(Protocol::Http2);
            let place = Place::new(origin, shared.number, counted);
            let reused = std::mem::replace(&mut shared.reused, true);
            Link::Http2(Lease { sender: shared.sender.clone(), place, open: shared.open, reused })
        })
    }

    /// Gives what is free to those who wait longest.
    fn serve(&mut self, origin: &Weak<Origin<B>>) {
        while let Some(waiting) = self.waiting.pop_front() {
            if waiting.is_closed() {
                continue;
            }
            let Some(link) = self.take(origin) else {
                self.waiting.push_front(waiting);
                return;
            };
            match waiting.send(Ok(link)) {
                Ok(()) => {}
                // Its request ended in this moment.
                Err(Ok(Link::Http1(mut connection))) => {
                    connection.rest();
                    self.idle.push(connection);
                }
                Err(Ok(Link::Http2(lease))) => {
                    let number = lease.place.forget();
                    if let Some(shared) = self.shared.numbered(number) {
                        shared.open -= 1;
                    }
                }
                Err(Err(_)) => {}
            }
        }
    }
}

impl<B> State<B> {
    /// How many attempts to connect are missing for those who wait, or for those who need not wait yet.
    fn missing(&mut self) -> usize {
        self.waiting.retain(|waiting| !waiting.is_closed());
        let waiting = self.waiting.len();
        let needed = match self.protocol {
            None => waiting.min(1),
            Some(Protocol::Http1) => waiting,
            Some(Protocol::Http2) => {
                let untold = self.shared.all.iter().filter(|shared| shared.allowed.is_none());
                let coming: usize = untold.map(|shared| self.expected.saturating_sub(shared.open)).sum();
                waiting.saturating_sub(coming).div_ceil(self.expected).max(usize::from(self.shared.are_crowded()))
            }
        };
        needed.saturating_sub(self.attempts)
    }

    /// Tells those for whom an attempt was made that it failed.
    fn fail(&mut self, why: &str) {
        self.waiting.retain(|waiting| !waiting.is_closed());
        let told = match self.protocol {
            None => self.waiting.len(),
            Some(Protocol::Http1) => 1,
            Some(Protocol::Http2) => self.expected,
        };
        for waiting in self.waiting.drain(..told.min(self.waiting.len())) {
            // One who has left needs no answer.
            let _ = waiting.send(Err(why.to_owned()));
        }
    }
}

/// Closes idle connections in time, for as long as there is a pool.
async fn tidy<B>(origin: Weak<Origin<B>>) {
    let mut next = Instant::now() + IDLE;
    loop {
        tokio::time::sleep_until(next).await;
        let Some(origin) = origin.upgrade() else { return };
        next = origin.tidy(Instant::now());
    }
}
