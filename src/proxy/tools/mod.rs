//! Lists of tools (MCP, server/tools) on their way to a client that may not call all of them: it sees what it may call.
//!
//! A list comes as the answer to a POST, whole ([`mod@whole`]) or in an event stream, or in the stream that a GET opened
//! ([`events`]). What cannot be cut does not pass.

mod events;
mod known;
mod list;
mod whole;

use std::sync::Arc;

pub(super) use crate::proxy::tools::events::{Cut, EventCutter};
pub(super) use crate::proxy::tools::known::Known;
pub(super) use crate::proxy::tools::list::Unreadable;
pub(super) use crate::proxy::tools::whole::{NotCut, whole};

use crate::model::client::ClientName;
use crate::policy::client::Client;

/// The longest list that is cut, in bytes; in an event stream the longest event. It is collected, so it is bounded.
pub(super) const LONGEST_LIST: usize = 8 * 1024 * 1024;

/// Cuts lists for one client, and learns from them.
#[derive(Debug, Clone)]
pub(super) struct Cutter {
    client: Arc<Client>,
    known: Arc<Known>,
    address: String,
}

impl Cutter {
    /// For lists that come from `address`, path and query.
    pub(super) fn new(client: Arc<Client>, known: Arc<Known>, address: String) -> Self {
        Self { client, known, address }
    }

    /// For whom.
    pub(super) fn client(&self) -> &ClientName {
        &self.client.name
    }

    /// The text without the tools that the client may not call; `None` if it may call all in it.
    ///
    /// # Errors
    /// When it cannot be told what is in it.
    pub(super) fn cut(&self, text: &str) -> Result<Option<String>, Unreadable> {
        let mut learnt = Vec::new();
        let cut = list::cut(text, |tool| {
            learnt.push((tool.name.clone().into_owned(), tool.is_read_only));
            self.client.grant.lets_call(&tool.name, tool.is_read_only)
        })?;
        if !learnt.is_empty() {
            self.known.learn(&self.address, &learnt);
        }
        Ok(cut)
    }
}
