//! Layer 2: a bridge for clients that speak over standard input and output only (MCP, stdio transport). To the daemon it
//! is a client like any other, of all three transports over HTTP: Streamable HTTP with sessions and without, and
//! HTTP+SSE.
//!
//! `lines` is what the client says, `call` has each line delivered and its answers passed on, `wire` is the HTTP;
//! `session` and `listen` are what revisions up to 2025-11-25 need, `repeated` what later ones do, `channel` what
//! HTTP+SSE does. Messages pass as they are. Whatever goes wrong becomes an error for the request that it hit
//! (`failure`), so that the client never waits for nothing.

mod call;
mod channel;
mod events;
mod failure;
pub mod lines;
mod listen;
mod message;
mod outlet;
mod repeated;
mod room;
mod session;
mod steward;
mod wire;

use std::sync::atomic::AtomicBool;
use std::sync::{Mutex, PoisonError};

use http::uri::PathAndQuery;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use crate::bridge::channel::Channel;
use crate::bridge::repeated::Marks;
use crate::bridge::room::{Held, Room};
use crate::bridge::session::Current;
use crate::bridge::wire::Wire;
use crate::model::secret::Secret;
use crate::net::direct::Door;

pub use self::steward::run;

/// The MCP server at the other end.
#[derive(Debug)]
pub struct Target {
    /// Where the daemon may be, the best first.
    pub doors: Vec<Door>,
    /// What it is called there: the `Host` of requests.
    pub host: String,
    /// The path of the server.
    pub path: String,
    /// True if it is known to speak HTTP+SSE only.
    pub is_sse: bool,
    /// What the daemon knows its client by.
    pub key: Option<Secret>,
}

/// What all tasks of a bridge share.
struct Bridge {
    wire: Wire,
    path: PathAndQuery,
    session: Current,
    /// The revision without sessions that was spoken last.
    stateless: Mutex<Option<String>>,
    marks: Marks,
    channel: Channel,
    over_channel: AtomicBool,
    room: Room,
    out: mpsc::Sender<Held>,
    /// What goes on beside the calls.
    tasks: Mutex<JoinSet<()>>,
}

impl Bridge {
    /// # Errors
    /// What is wrong with the target, in words.
    fn new(target: &Target, out: mpsc::Sender<Held>) -> Result<Self, String> {
        let path = target.path.parse().map_err(|error| format!("{:?} is no path: {error}", target.path))?;
        Ok(Self {
            wire: Wire::new(target)?,
            path,
            session: Current::new(),
            stateless: Mutex::default(),
            marks: Marks::default(),
            channel: Channel::default(),
            over_channel: AtomicBool::new(target.is_sse),
            room: Room::new(),
            out,
            tasks: Mutex::default(),
        })
    }

    /// A message for the client. Waits until there is room for it.
    async fn pass_on(&self, held: Held) {
        // When the client is gone, the end is near.
        let _ = self.out.send(held).await;
    }

    /// An answer of our own.
    async fn say(&self, answer: Vec<u8>) {
        self.pass_on(Held::small(answer)).await;
    }

    fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        let mut tasks = self.tasks.lock().unwrap_or_else(PoisonError::into_inner);
        while tasks.try_join_next().is_some() {}
        tasks.spawn(task);
    }
}
