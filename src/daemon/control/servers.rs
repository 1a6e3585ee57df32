//! `GET /servers`: what is known of the MCP servers, with the server lists that are in force.

use std::sync::Arc;

use tokio::sync::watch;

use crate::config::settings::Upstream;
use crate::daemon::catalogue::Listing;
use crate::daemon::control::Context;
use crate::daemon::report::Date;
use crate::daemon::report::servers::{Known, Servers, VERSION};
use crate::model::server::McpServer;
use crate::model::upstream::UpstreamName;

/// What is known of the servers of one upstream, as it becomes known.
pub(in crate::daemon) struct Shelf {
    pub(in crate::daemon) upstream: UpstreamName,
    pub(in crate::daemon) servers: watch::Receiver<Arc<[McpServer]>>,
    pub(in crate::daemon) listing: watch::Receiver<Listing>,
}

/// The servers of all upstreams.
pub(super) fn servers(context: &Context) -> Servers {
    let address = context.reached_at.as_deref();
    let of = |upstream: &Upstream| {
        let proxy = &upstream.proxy;
        let in_force = context.server.as_ref().and_then(|server| server.rules(&proxy.name));
        let rules = in_force.as_ref().unwrap_or(&proxy.rules);
        let shelf = context.shelves.iter().find(|shelf| shelf.upstream == proxy.name);
        let seen = shelf.map(|shelf| (shelf.servers.borrow().clone(), shelf.listing.borrow().clone()));
        let catalogue = seen.as_ref().map(|(servers, listing)| (servers.as_ref(), listing));
        Known { name: proxy.name.as_str(), mount: &proxy.mount, rules, address, catalogue }.report()
    };
    let time = Date::of(Some(context.clock.now().wall));
    Servers { version: VERSION, time, upstreams: context.upstreams.iter().map(of).collect() }
}
