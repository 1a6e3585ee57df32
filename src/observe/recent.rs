//! The requests that ended last, and who sends requests: for a person who looks on. What is said of a request is put
//! into words when somebody reads it, not when it ends.

use std::borrow::Cow;
use std::collections::VecDeque;
use std::fmt;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use http::Method;
use tokio::sync::watch;

use crate::model::client::ClientName;
use crate::model::peer::Peer;
use crate::model::time::Wall;
use crate::observe::audit::event::{Call, Request, Verdict};
use crate::observe::text::shown;
use crate::observe::traffic::RequestId;

/// How many requests are kept.
const MOST: usize = 256;
/// How many clients are kept; the one that was not seen for longest goes.
const MOST_CLIENTS: usize = 64;
/// How much is kept of a path, in bytes: more than is shown of it.
const LONGEST_PATH: usize = 2048;

/// A request that has ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ended {
    /// When it ended.
    pub at: Wall,
    /// What the log calls it.
    pub request: String,
    /// Who sent it: the name of the client, else the user (`uid 1000`), else the address, else `-`.
    pub client: String,
    /// The upstream that it went to.
    pub upstream: Option<String>,
    /// The MCP server that it went to, as the upstream's catalogue calls it.
    pub server: Option<String>,
    /// The JSON-RPC method: of several messages that of the first one that was refused, else of the first one.
    pub method: Option<String>,
    /// The tool, prompt or resource.
    pub name: Option<String>,
    /// The method of the request.
    pub http_method: String,
    /// The path, without a query.
    pub path: String,
    /// The status of the answer; `None` if no answer had begun.
    pub status: Option<u16>,
    /// The rule that refused it.
    pub refused_by: Option<String>,
    /// How long it took, in microseconds.
    pub duration_us: u64,
    /// How many bytes of the answer's body went out.
    pub bytes: u64,
    /// How it ended: `complete`, `upstream broke off` or `client gone`.
    pub ending: &'static str,
}

/// What one client did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientUse {
    /// Who: as in [`Ended::client`].
    pub client: String,
    /// Its requests that have ended, since it was first seen, or seen again after it had to make room.
    pub requests: u64,
    /// Those of them that a rule refused.
    pub refused: u64,
    /// The one that ended last.
    pub last: Ended,
}

/// Who sent a request, as well as it is known.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Who {
    Client(ClientName),
    User(u32),
    Address(IpAddr),
    Nobody,
}

/// What is kept of a request that ended.
#[derive(Debug)]
pub(super) struct Entry {
    at: Wall,
    id: RequestId,
    who: Who,
    upstream: Option<String>,
    server: Option<String>,
    call: Option<(String, Option<String>)>,
    http_method: Method,
    path: String,
    status: Option<u16>,
    refused: bool,
    rule: Option<Cow<'static, str>>,
    duration_us: u64,
    bytes: u64,
    ending: &'static str,
}

/// Keeps what ended last.
#[derive(Debug)]
pub(super) struct Recent {
    state: Mutex<State>,
    ended: watch::Sender<u64>,
}

#[derive(Debug, Default)]
struct State {
    ended: u64,
    /// The newest at the end.
    entries: VecDeque<Arc<Entry>>,
    /// The one seen last at the beginning: there nearly every search ends.
    clients: Vec<Use>,
}

#[derive(Debug)]
struct Use {
    who: Who,
    requests: u64,
    refused: u64,
    last: Arc<Entry>,
}

impl Default for Recent {
    fn default() -> Self {
        Self { state: Mutex::default(), ended: watch::Sender::new(0) }
    }
}

impl Recent {
    /// Puts down a request that ended.
    pub(super) fn note(&self, entry: Entry) {
        let entry = Arc::new(entry);
        // What makes room is freed when the lock is free again.
        let (ended, _gone) = self.lock().take(entry);
        // To tell nobody costs more than to see that there is nobody.
        if self.ended.receiver_count() > 0 {
            self.ended.send_replace(ended);
        }
    }

    /// What ended last, the newest first.
    pub(super) fn ended_last(&self) -> Vec<Ended> {
        let entries: Vec<Arc<Entry>> = self.lock().entries.iter().rev().cloned().collect();
        entries.iter().map(|entry| entry.in_words()).collect()
    }

    /// Who sent requests, the one seen last first.
    pub(super) fn clients(&self) -> Vec<ClientUse> {
        let copy = |used: &Use| (used.requests, used.refused, used.last.clone());
        let clients: Vec<(u64, u64, Arc<Entry>)> = self.lock().clients.iter().map(copy).collect();
        let in_words = |(requests, refused, last): (u64, u64, Arc<Entry>)| {
            let last = last.in_words();
            ClientUse { client: last.client.clone(), requests, refused, last }
        };
        clients.into_iter().map(in_words).collect()
    }

    /// Sees a new value whenever a request has ended.
    pub(super) fn subscribe(&self) -> watch::Receiver<u64> {
        self.ended.subscribe()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // No code panics while it holds this lock.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Answers how many ended until now, and what made room.
    fn take(&mut self, entry: Arc<Entry>) -> (u64, [Option<Arc<Entry>>; 2]) {
        let refused = u64::from(entry.refused);
        let before = match self.clients.iter().position(|used| used.who == entry.who) {
            Some(at) => {
                self.clients[..=at].rotate_right(1);
                let used = &mut self.clients[0];
                used.requests += 1;
                used.refused += refused;
                Some(std::mem::replace(&mut used.last, entry.clone()))
            }
            None => {
                let gone = if self.clients.len() < MOST_CLIENTS { None } else { self.clients.pop() };
                let used = Use { who: entry.who.clone(), requests: 1, refused, last: entry.clone() };
                self.clients.insert(0, used);
                gone.map(|used| used.last)
            }
        };
        let oldest = if self.entries.len() < MOST { None } else { self.entries.pop_front() };
        self.entries.push_back(entry);
        self.ended += 1;
        (self.ended, [before, oldest])
    }
}

impl Entry {
    /// What is kept of `request`, which ended at that time: taken out of it, or copied if `needed` by somebody else.
    pub(super) fn of(request: &mut Request, at: Wall, needed: bool) -> Self {
        let caller = &request.caller;
        let who = match (&caller.name, caller.uid, request.peer) {
            (Some(name), _, _) => Who::Client(name.clone()),
            (None, Some(uid), _) => Who::User(uid),
            (None, None, Some(Peer::Unix(credentials))) => Who::User(credentials.uid),
            (None, None, Some(Peer::Tcp(address))) => Who::Address(address.ip()),
            (None, None, None) => Who::Nobody,
        };
        let most_telling = request.calls.iter().position(|call| call.rule.is_some()).unwrap_or_default();
        let call = request.calls.get_mut(most_telling);
        let call = call.map(|Call { method, name, .. }| (got(method, needed), got(name, needed)));
        let path = match request.path.len() {
            0..=LONGEST_PATH => got(&mut request.path, needed),
            _ => beginning(&request.path).to_owned(),
        };
        Self {
            at,
            id: request.id,
            who,
            upstream: got(&mut request.upstream, needed),
            server: request.server.as_mut().map(|server| got(&mut server.name, needed)),
            call,
            http_method: request.http_method.clone(),
            path,
            status: request.status,
            refused: request.verdict == Verdict::Refused,
            rule: got(&mut request.rule, needed),
            duration_us: request.duration_us,
            bytes: request.bytes_out,
            ending: request.ending,
        }
    }

    fn in_words(&self) -> Ended {
        let (method, name) = self.call.clone().unzip();
        Ended {
            at: self.at,
            request: self.id.to_string(),
            client: self.who.to_string(),
            upstream: self.upstream.clone(),
            server: self.server.clone(),
            method,
            name: name.flatten(),
            http_method: self.http_method.to_string(),
            path: shown(&self.path, &[]),
            status: self.status,
            refused_by: self.rule.as_deref().map(str::to_owned),
            duration_us: self.duration_us,
            bytes: self.bytes,
            ending: self.ending,
        }
    }
}

/// A value of the record, which somebody else may still need.
fn got<T: Clone + Default>(value: &mut T, needed: bool) -> T {
    if needed { value.clone() } else { std::mem::take(value) }
}

/// As much of a long path as is kept.
fn beginning(path: &str) -> &str {
    let end = (0..=LONGEST_PATH).rev().find(|at| path.is_char_boundary(*at)).unwrap_or_default();
    &path[..end]
}

impl fmt::Display for Who {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Client(name) => name.fmt(f),
            Self::User(uid) => write!(f, "uid {uid}"),
            Self::Address(address) => address.fmt(f),
            Self::Nobody => f.write_str("-"),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, SocketAddr};

    use http::StatusCode;

    use super::*;
    use crate::model::peer::Credentials;
    use crate::model::time::{Clock, Mono, Now};
    use crate::observe::access::Record;
    use crate::observe::kinds::RuleKind;
    use crate::observe::traffic::Traffic;

    fn clock() -> Clock {
        let now = Now { wall: Wall::from_unix_seconds(100), mono: Mono::from_start(std::time::Duration::ZERO) };
        Clock::from_fn(move || now)
    }

    fn address(last: u8) -> Peer {
        Peer::Tcp(SocketAddr::from((Ipv4Addr::new(192, 0, 2, last), 7)))
    }

    fn record(traffic: &Arc<Traffic>, peer: Option<Peer>, path: &str) -> Record {
        Record::begin(traffic.clone(), clock(), None, peer, Method::POST, path)
    }

    #[test]
    fn a_request_that_ended_is_told_without_what_was_said() {
        let traffic = Arc::new(Traffic::default());
        let mut ended = traffic.ended();
        let mut record = record(&traffic, Some(address(1)), "/mcp/a");
        let id = record.id().to_string();
        record.client(&ClientName::parse("dify").unwrap());
        record.caller(Some(1000), Some("dify.service"));
        record.upstream(&traffic.usage("alibaba"));
        record.server("ecs", "B1");
        record.called("tools/list", None);
        record.call_refused(RuleKind::Tools, "tools/call", Some("delete"), "blocked_tools has delete");
        record.argument_names(["region"]);
        record.status(StatusCode::FORBIDDEN);
        record.sent(12);
        record.complete();
        assert!(!ended.has_changed().unwrap());
        drop(record);
        assert!(ended.has_changed().unwrap());
        assert_eq!(*ended.borrow_and_update(), 1);
        let expected = Ended {
            at: Wall::from_unix_seconds(100),
            request: id,
            client: "dify".to_owned(),
            upstream: Some("alibaba".to_owned()),
            server: Some("ecs".to_owned()),
            method: Some("tools/call".to_owned()),
            name: Some("delete".to_owned()),
            http_method: "POST".to_owned(),
            path: "/mcp/a".to_owned(),
            status: Some(403),
            refused_by: Some("blocked_tools has delete".to_owned()),
            duration_us: 0,
            bytes: 12,
            ending: "complete",
        };
        assert_eq!(traffic.recent(), std::slice::from_ref(&expected));
        let used = ClientUse { client: "dify".to_owned(), requests: 1, refused: 1, last: expected };
        assert_eq!(traffic.clients(), [used]);
    }

    #[test]
    fn clients_are_named_as_well_as_they_are_known() {
        let traffic = Arc::new(Traffic::default());
        let unix = Peer::Unix(Credentials { pid: None, uid: 7, gid: 7 });
        for peer in [None, Some(address(1)), Some(unix), Some(address(1))] {
            drop(record(&traffic, peer, "/"));
        }
        let mut known = record(&traffic, Some(address(1)), "/");
        known.caller(Some(1000), None);
        drop(known);
        let clients = traffic.clients();
        let named: Vec<(&str, u64)> = clients.iter().map(|used| (used.client.as_str(), used.requests)).collect();
        assert_eq!(named, [("uid 1000", 1), ("192.0.2.1", 2), ("uid 7", 1), ("-", 1)]);
    }

    #[test]
    fn old_ones_make_room() {
        let traffic = Arc::new(Traffic::default());
        for round in 0..MOST + 3 {
            drop(record(&traffic, Some(address(u8::try_from(round % 100).unwrap())), &format!("/{round}")));
            // One that is seen all the time stays, whoever comes and goes.
            drop(record(&traffic, None, "/again"));
        }
        let recent = traffic.recent();
        assert_eq!(recent.len(), MOST);
        assert_eq!((recent[0].path.as_str(), recent[1].path.as_str()), ("/again", "/258"));
        let clients = traffic.clients();
        assert_eq!(clients.len(), MOST_CLIENTS);
        assert_eq!((clients[0].client.as_str(), clients[0].requests), ("-", MOST as u64 + 3));
        assert_eq!(clients[1].client, format!("192.0.2.{}", (MOST + 2) % 100));
    }

    #[test]
    fn a_path_is_fit_to_be_shown_and_of_bounded_length() {
        let traffic = Arc::new(Traffic::default());
        drop(record(&traffic, None, &format!("/\u{7f}{}", "é".repeat(LONGEST_PATH))));
        let path = traffic.recent().remove(0).path;
        assert!(path.starts_with("/ é") && path.len() < 700, "{path}");
        let kept: Vec<usize> = traffic.recent.lock().entries.iter().map(|entry| entry.path.len()).collect();
        assert!(kept[0] <= LONGEST_PATH && kept[0] > LONGEST_PATH - 4, "{kept:?}");
    }
}
