//! Who is at the other end of a connection, found out once: before anything is read, if the rules in force need it then,
//! else at the first request under rules that do.

use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, OnceLock};

use crate::model::caller::{Place, Process, Unit};
use crate::model::certificate::Certificate;
use crate::model::peer::Peer;
use crate::model::time::Wall;
use crate::net::cgroup;
use crate::net::identity::Presented;
use crate::net::listener::Stream;
use crate::net::owner::{Finder, Found};
use crate::net::place;
use crate::observe::access::Record;
use crate::policy::client::{self, Clients};
use crate::proxy::admit::Entrance;

/// The user that the kernel names for all whom our user namespace does not know.
const UNKNOWN_USER: u32 = 65_534;

/// Who calls, and by which listener. Cheap to clone.
#[derive(Debug, Clone)]
pub(super) struct Caller {
    pub(super) peer: Peer,
    pub(super) entrance: Entrance,
    known: Arc<Known>,
}

/// What is known, each as soon as it was looked for.
#[derive(Debug)]
struct Known {
    /// Our end.
    near: Option<SocketAddr>,
    /// The inode of our socket.
    inode: Option<u64>,
    user: OnceLock<User>,
    /// The same process, with its unit.
    in_unit: OnceLock<Option<Process>>,
    /// What was shown in the handshake of TLS.
    certificate: OnceLock<Presented>,
}

#[derive(Debug)]
struct User {
    place: Place,
    process: Option<Process>,
    group: Option<Group>,
}

/// By what its control group can be found.
#[derive(Debug, Clone, Copy)]
enum Group {
    Id(u64),
    Of { pid: i32, uid: u32 },
}

impl Caller {
    /// Who came in by a listener.
    pub(super) fn of(stream: &Stream, peer: Peer, entrance: Entrance) -> Self {
        let known = Known {
            near: stream.local_address(),
            inode: stream.inode(),
            user: OnceLock::new(),
            in_unit: OnceLock::new(),
            certificate: OnceLock::new(),
        };
        Self { peer, entrance, known: Arc::new(known) }
    }

    /// A certificate was shown.
    pub(super) fn shows(&self, certificate: Presented) {
        // A connection begins once.
        let _ = self.known.certificate.set(certificate);
    }

    /// The certificate that was shown, if it is still good.
    pub(super) fn certificate(&self, now: Wall) -> Option<&Certificate> {
        self.known.certificate.get()?.while_good(now)
    }

    /// Finds out what the rules need to know and is not known yet.
    pub(super) async fn look(&self, finder: &Finder, clients: &Clients) {
        if !clients.ask_for_the_user() {
            return;
        }
        let user = self.known.user.get_or_init(|| self.user(finder));
        if !clients.ask_for_the_unit() || self.known.in_unit.get().is_some() {
            return;
        }
        let unit = match user.group {
            // The tree of control groups may be large.
            Some(group) => tokio::task::spawn_blocking(move || group.unit()).await.ok().flatten(),
            None => None,
        };
        let process = user.process.clone().map(|process| Process { unit, ..process });
        self.known.in_unit.get_or_init(|| process);
    }

    /// What is known, for the rules to decide on; what can end is asked for apart ([`Caller::certificate`]).
    pub(super) fn facts(&self) -> client::Caller<'_> {
        let user = self.known.user.get();
        let process = match self.known.in_unit.get() {
            Some(process) => process.as_ref(),
            None => user.and_then(|user| user.process.as_ref()),
        };
        let place = user.map_or(Place::Elsewhere, |user| user.place);
        client::Caller { peer: self.peer, place, process, certificate: None, key: None }
    }

    /// Tells the record what is known.
    pub(super) fn tell(&self, record: &mut Record, now: Wall) {
        if let Some(certificate) = self.certificate(now) {
            record.certificate(certificate.fingerprint);
        }
        if let Some(process) = self.facts().process {
            let unit = process.unit.as_ref().map(ToString::to_string);
            record.caller(Some(process.uid), unit.as_deref());
        }
    }

    fn user(&self, finder: &Finder) -> User {
        match self.peer {
            Peer::Unix(credentials) => {
                let known = Some(credentials.uid).filter(|uid| *uid != UNKNOWN_USER);
                let uid = known.or_else(|| finder.unix(self.known.inode?));
                let group = uid.and_then(|uid| Some(Group::Of { pid: credentials.pid?, uid }));
                let process = uid.map(|uid| Process { uid, unit: None });
                User { place: Place::UnixSocket, process, group }
            }
            Peer::Tcp(far) => match self.known.near.map(|near| finder.tcp(far, near)) {
                Some(Found::Owner { uid, cgroup }) => User {
                    place: Place::ThisHost,
                    process: Some(Process { uid, unit: None }),
                    group: cgroup.map(Group::Id),
                },
                _ => User { place: self.place_of(far.ip()), process: None, group: None },
            },
        }
    }

    /// Where a caller is whose socket is none of ours.
    fn place_of(&self, ip: IpAddr) -> Place {
        if place::is_of_this_host(ip) {
            return Place::ThisHost;
        }
        match self.entrance.bound() {
            Some(bound) if !bound.is_unspecified() && !bound.is_loopback() && place::is_on_own_bridge(bound, ip) => {
                Place::Container
            }
            _ => Place::Elsewhere,
        }
    }
}

impl Group {
    fn unit(self) -> Option<Unit> {
        let path = match self {
            Self::Id(id) => cgroup::path_of(id),
            Self::Of { pid, uid } => cgroup::of_process(pid, uid),
        };
        Unit::of_control_group(&path?)
    }
}
