//! One line per request: method, path without query, status, bytes, duration. Never a body, a query value, a
//! code or a token.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;

use http::{Method, StatusCode};

use crate::model::time::{Clock, Mono};
use crate::observe::traffic::Traffic;

/// How a request ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ending {
    /// The whole answer went out.
    Complete,
    /// The upstream broke the answer off.
    UpstreamBroke,
    /// The client went away, or the daemon stopped.
    ClientGone,
}

/// The record of one request. It is written exactly once: when it is dropped.
#[derive(Debug)]
pub struct Record {
    traffic: Arc<Traffic>,
    clock: Clock,
    began: Mono,
    method: Method,
    path: String,
    client: Option<SocketAddr>,
    status: Option<StatusCode>,
    bytes: u64,
    /// The answer has no end of its own: it goes on until the client leaves.
    endless: bool,
    ending: Ending,
}

impl Record {
    /// Begins the record of a request. `path` is the path alone.
    pub fn begin(traffic: Arc<Traffic>, clock: Clock, client: Option<SocketAddr>, method: Method, path: &str) -> Self {
        traffic.begin();
        let began = clock.now().mono;
        let path = path.to_owned();
        Self {
            traffic,
            clock,
            began,
            method,
            path,
            client,
            status: None,
            bytes: 0,
            endless: false,
            ending: Ending::ClientGone,
        }
    }

    /// The answer's status is known.
    pub fn status(&mut self, status: StatusCode) {
        self.status = Some(status);
    }

    /// The answer goes on until the client leaves, which is then no failure.
    pub fn endless(&mut self) {
        self.endless = true;
    }

    /// So many more bytes of the answer's body were handed over.
    pub fn sent(&mut self, bytes: usize) {
        self.bytes = self.bytes.saturating_add(bytes as u64);
    }

    /// The answer's body ended as it should.
    pub fn complete(&mut self) {
        self.ending = Ending::Complete;
    }

    /// The upstream broke the answer's body off.
    pub fn upstream_broke(&mut self) {
        self.ending = Ending::UpstreamBroke;
    }
}

impl Drop for Record {
    fn drop(&mut self) {
        let complete = match self.ending {
            Ending::Complete => true,
            Ending::ClientGone => self.endless,
            Ending::UpstreamBroke => false,
        };
        let good = self.status.is_some_and(|status| status.as_u16() < 400);
        self.traffic.end(complete && good);
        let duration = self.clock.now().mono.since(self.began);
        tracing::info!(
            target: "mcp_proxy::access",
            "{} {} {} {} B {:.1} ms{}{}",
            self.method,
            self.path,
            Shown(self.status.map(|status| status.as_u16())),
            self.bytes,
            duration.as_secs_f64() * 1e3,
            match self.ending {
                Ending::Complete => "",
                Ending::UpstreamBroke => " (upstream broke off)",
                Ending::ClientGone => " (client gone)",
            },
            ShownClient(self.client),
        );
    }
}

struct Shown(Option<u16>);

impl fmt::Display for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(status) => write!(f, "{status}"),
            None => f.write_str("-"),
        }
    }
}

struct ShownClient(Option<SocketAddr>);

impl fmt::Display for ShownClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(client) => write!(f, " from {client}"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(method: Method, mark: fn(&mut Record)) -> (u64, u64) {
        let traffic = Arc::new(Traffic::default());
        let mut record = Record::begin(traffic.clone(), Clock::system(), None, method, "/mcp");
        record.status(StatusCode::OK);
        mark(&mut record);
        drop(record);
        (traffic.counts().success, traffic.counts().error)
    }

    #[test]
    fn leaving_an_endless_stream_is_no_failure() {
        assert_eq!(counts(Method::GET, Record::endless), (1, 0));
        assert_eq!(counts(Method::POST, |_| ()), (0, 1));
        assert_eq!(counts(Method::GET, |record| (record.endless(), record.upstream_broke()).1), (0, 1));
    }
}
