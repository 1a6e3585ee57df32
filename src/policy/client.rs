//! The clients that the configuration knows, which of them a caller is, and whether a caller that is none may go on.
//!
//! The first client whose criteria all hold is the caller's. What is not known fits no criterion: a look-up that failed
//! is nobody.

use std::collections::BTreeSet;
use std::sync::Arc;

use ipnet::IpNet;

use crate::model::caller::{Place, Process, Unit};
use crate::model::certificate::Certificate;
use crate::model::client::ClientName;
use crate::model::peer::Peer;
use crate::policy::certificate::CertificatePattern;
use crate::policy::grant::Grant;

/// A client: how it is known, and what it may do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Client {
    /// What it is called.
    pub name: ClientName,
    /// How it is known.
    pub criteria: Criteria,
    /// What it may do.
    pub grant: Grant,
}

/// How a client is known. All that is given must hold; without any, every caller fits.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Criteria {
    /// The user who made the connection is one of these.
    pub users: Option<BTreeSet<u32>>,
    /// That user is a member of one of certain groups: these are all the members.
    pub members: Option<BTreeSet<u32>>,
    /// The process is in one of these units.
    pub units: Option<Vec<UnitPattern>>,
    /// The connection comes from one of these networks.
    pub addresses: Option<Vec<IpNet>>,
    /// It has shown one of these certificates.
    pub certificates: Option<Vec<CertificatePattern>>,
    /// It has a key that was made for this client.
    pub key: bool,
}

/// Units of one manager, by name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnitPattern {
    /// The user whose manager runs them; `None` for the system's.
    pub manager: Option<u32>,
    /// Their name, in which `*` stands for any text.
    pub name: String,
}

/// Who may go on without being one of the clients.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Others {
    /// Root, the user that runs the daemon, the person who signed in, and whom the mode of a Unix socket lets in.
    #[default]
    Owner,
    /// Nobody.
    Nobody,
    /// Everybody.
    Anyone,
}

/// Who may go on without being one of the clients.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Access {
    /// In general.
    pub others: Others,
    /// With [`Others::Owner`]: containers of this host, at a listener on the address of a bridge.
    pub containers: bool,
}

impl Default for Access {
    fn default() -> Self {
        Self { others: Others::default(), containers: true }
    }
}

/// What is known about who sends a request.
#[derive(Debug, Clone, Copy)]
pub struct Caller<'a> {
    /// The other end of its connection.
    pub peer: Peer,
    /// Where that is.
    pub place: Place,
    /// The process there; `None` if it is none of this host, or not known.
    pub process: Option<&'a Process>,
    /// The certificate that it has shown, found good.
    pub certificate: Option<&'a Certificate>,
    /// The client that its key was made for.
    pub key: Option<&'a ClientName>,
}

/// Users who count as the daemon's own.
#[derive(Debug, Clone, Copy)]
pub struct Owners<'a> {
    /// The user that runs the daemon.
    pub own: u32,
    /// The persons who signed in.
    pub signed_in: &'a [u32],
}

/// All clients, in the order in which they are tried, and what holds for callers that are none of them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Clients {
    clients: Vec<Arc<Client>>,
    /// What holds for callers that are none of them.
    pub access: Access,
}

/// Why a caller may not go on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Stranger {
    /// It would be this client if it had a key of it.
    KeyMissing(ClientName),
    /// Its key is good, and the client that it was made for is another one, or none.
    KeyDoesNotFit(ClientName),
    /// Another user of this host.
    User(u32),
    /// Somebody on this host: it cannot be told who.
    UnknownUser,
    /// Somebody in a container of this host.
    Container,
    /// Somebody on another machine.
    Elsewhere,
    /// Only clients may go on.
    NoClient,
}

impl Clients {
    /// The clients in their order, and what holds for everybody else.
    pub fn new(clients: Vec<Client>, access: Access) -> Self {
        Self { clients: clients.into_iter().map(Arc::new).collect(), access }
    }

    /// All of them, in the order in which they are tried.
    pub fn in_order(&self) -> impl Iterator<Item = &Client> {
        self.clients.iter().map(Arc::as_ref)
    }

    /// The client of that name.
    pub fn named(&self, name: &str) -> Option<&Arc<Client>> {
        self.clients.iter().find(|client| client.name.as_str() == name)
    }

    /// True if it has to be known where callers are and whose their processes are.
    pub fn ask_for_the_user(&self) -> bool {
        let by_user = |criteria: &Criteria| criteria.users.is_some() || criteria.members.is_some();
        self.access.others == Others::Owner
            || self.ask_for_the_unit()
            || self.clients.iter().any(|client| by_user(&client.criteria))
    }

    /// True if it has to be known in which units callers are.
    pub fn ask_for_the_unit(&self) -> bool {
        self.clients.iter().any(|client| client.criteria.units.is_some())
    }

    /// The client that this caller is; `None` if no rule fits.
    pub fn find(&self, caller: Caller<'_>) -> Option<&Arc<Client>> {
        self.clients
            .iter()
            .find(|client| client.criteria.fit(caller) && (!client.criteria.key || caller.key == Some(&client.name)))
    }

    /// Decides whether a caller may go on, and as which client.
    ///
    /// # Errors
    /// Why not.
    pub fn admit(&self, caller: Caller<'_>, owners: Owners<'_>) -> Result<Option<&Arc<Client>>, Stranger> {
        if let Some(client) = self.find(caller) {
            return Ok(Some(client));
        }
        if let Some(key) = caller.key {
            return Err(Stranger::KeyDoesNotFit(key.clone()));
        }
        match self.is_welcome(caller, owners) {
            true => Ok(None),
            false => Err(self.stranger(caller)),
        }
    }

    fn is_welcome(&self, caller: Caller<'_>, owners: Owners<'_>) -> bool {
        match (self.access.others, caller.place) {
            (Others::Anyone, _) | (Others::Owner, Place::UnixSocket) => true,
            (Others::Nobody, _) | (Others::Owner, Place::Elsewhere) => false,
            (Others::Owner, Place::Container) => self.access.containers,
            (Others::Owner, Place::ThisHost) => caller.process.is_some_and(|process| {
                process.uid == 0 || process.uid == owners.own || owners.signed_in.contains(&process.uid)
            }),
        }
    }

    fn stranger(&self, caller: Caller<'_>) -> Stranger {
        let lacks_a_key = |client: &&Arc<Client>| client.criteria.key && client.criteria.fit(caller);
        if let Some(client) = self.clients.iter().find(lacks_a_key) {
            return Stranger::KeyMissing(client.name.clone());
        }
        match (self.access.others, caller.place, caller.process) {
            (Others::Nobody, ..) => Stranger::NoClient,
            (_, Place::Container, _) => Stranger::Container,
            (_, Place::Elsewhere, _) => Stranger::Elsewhere,
            (_, _, Some(process)) => Stranger::User(process.uid),
            (_, _, None) => Stranger::UnknownUser,
        }
    }
}

impl Criteria {
    /// True if all that is given holds, but for the key.
    fn fit(&self, caller: Caller<'_>) -> bool {
        let is_user = |among: &BTreeSet<u32>| caller.process.is_some_and(|process| among.contains(&process.uid));
        let unit = || caller.process.and_then(|process| process.unit.as_ref());
        let address = || match caller.peer {
            Peer::Tcp(address) => Some(address.ip().to_canonical()),
            Peer::Unix(_) => None,
        };
        self.users.as_ref().is_none_or(is_user)
            && self.members.as_ref().is_none_or(is_user)
            && self
                .units
                .as_ref()
                .is_none_or(|units| unit().is_some_and(|unit| units.iter().any(|known| known.fits(unit))))
            && self
                .addresses
                .as_ref()
                .is_none_or(|networks| address().is_some_and(|ip| networks.iter().any(|network| network.contains(&ip))))
            && self.certificates.as_ref().is_none_or(|known| {
                caller.certificate.is_some_and(|shown| known.iter().any(|pattern| pattern.fits(shown)))
            })
    }
}

impl UnitPattern {
    fn fits(&self, unit: &Unit) -> bool {
        self.manager == unit.manager && fits(&self.name, &unit.name)
    }
}

/// True if `*` in the pattern can stand for texts that make it the name.
fn fits(pattern: &str, name: &str) -> bool {
    let Some((head, rest)) = pattern.split_once('*') else { return pattern == name };
    let Some(mut left) = name.strip_prefix(head) else { return false };
    let mut parts: Vec<&str> = rest.split('*').collect();
    let tail = parts.pop().unwrap_or_default();
    for part in parts {
        let Some(at) = left.find(part) else { return false };
        left = &left[at + part.len()..];
    }
    left.ends_with(tail)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::peer::Credentials;

    const OWN: u32 = 990;
    const PERSON: u32 = 1000;
    const OTHER: u32 = 1001;

    fn client(name: &str, criteria: Criteria) -> Client {
        Client { name: ClientName::parse(name).unwrap(), criteria, grant: Grant::default() }
    }

    fn users(users: &[u32]) -> Option<BTreeSet<u32>> {
        Some(users.iter().copied().collect())
    }

    fn process(uid: u32) -> Process {
        Process { uid, unit: None }
    }

    fn tcp(address: &str) -> Peer {
        Peer::Tcp(address.parse().unwrap())
    }

    fn caller(place: Place, process: Option<&Process>) -> Caller<'_> {
        let peer = match place {
            Place::UnixSocket => Peer::Unix(Credentials { pid: None, uid: 7, gid: 7 }),
            Place::Elsewhere => tcp("192.0.2.1:9"),
            Place::Container => tcp("172.17.0.2:9"),
            Place::ThisHost => tcp("127.0.0.1:9"),
        };
        Caller { peer, place, process, certificate: None, key: None }
    }

    fn admit<'a>(clients: &'a Clients, caller: Caller<'_>) -> Result<Option<&'a str>, Stranger> {
        let owners = Owners { own: OWN, signed_in: &[PERSON] };
        clients.admit(caller, owners).map(|client| client.map(|client| client.name.as_str()))
    }

    #[test]
    fn d1_without_clients_only_the_daemons_own_people_may_go_on() {
        let (owner, nobody) = (Others::Owner, Others::Nobody);
        let closed = |others| Clients::new(Vec::new(), Access { others, containers: false });
        let open = |others| Clients::new(Vec::new(), Access { others, containers: true });
        for uid in [0, OWN, PERSON] {
            let process = process(uid);
            let caller = caller(Place::ThisHost, Some(&process));
            assert_eq!(admit(&open(owner), caller), Ok(None), "{uid}");
            assert_eq!(admit(&open(nobody), caller), Err(Stranger::NoClient), "{uid}");
        }
        let other = process(OTHER);
        for (place, process, refusal) in [
            (Place::ThisHost, Some(&other), Stranger::User(OTHER)),
            (Place::ThisHost, None, Stranger::UnknownUser),
            (Place::Elsewhere, None, Stranger::Elsewhere),
            (Place::Container, None, Stranger::Container),
        ] {
            let caller = caller(place, process);
            assert_eq!(admit(&closed(owner), caller), Err(refusal), "{place:?}");
            assert_eq!(admit(&closed(nobody), caller), Err(Stranger::NoClient), "{place:?}");
            assert_eq!(admit(&closed(Others::Anyone), caller), Ok(None), "{place:?}");
        }
        assert_eq!(admit(&open(owner), caller(Place::Container, None)), Ok(None));
        assert_eq!(admit(&open(owner), caller(Place::UnixSocket, None)), Ok(None), "its mode let it in");
        assert_eq!(admit(&open(nobody), caller(Place::UnixSocket, None)), Err(Stranger::NoClient));
    }

    #[test]
    fn all_criteria_must_hold_and_the_first_client_counts() {
        let unit = |manager, name: &str| UnitPattern { manager, name: name.to_owned() };
        let networks = |text: &[&str]| Some(text.iter().map(|text| text.parse().unwrap()).collect());
        let clients = Clients::new(
            vec![
                client(
                    "both",
                    Criteria { users: users(&[PERSON, OTHER]), members: users(&[OTHER, 5]), ..Criteria::default() },
                ),
                client("person", Criteria { users: users(&[PERSON]), ..Criteria::default() }),
                client("unit", Criteria { units: Some(vec![unit(None, "docker-*.scope")]), ..Criteria::default() }),
                client("theirs", Criteria { units: Some(vec![unit(Some(7), "dify.service")]), ..Criteria::default() }),
                client(
                    "net",
                    Criteria { addresses: networks(&["192.0.2.0/24", "2001:db8::/32"]), ..Criteria::default() },
                ),
                client("group", Criteria { members: users(&[]), ..Criteria::default() }),
            ],
            Access { others: Others::Nobody, containers: true },
        );
        let in_unit = |manager, name: &str| Process { uid: 7, unit: Some(Unit { manager, name: name.to_owned() }) };
        for (process, expected) in [
            (process(OTHER), Ok(Some("both"))),
            (process(PERSON), Ok(Some("person"))),
            (process(5), Err(Stranger::NoClient)),
            (process(0), Err(Stranger::NoClient)),
            (in_unit(None, "docker-12ab.scope"), Ok(Some("unit"))),
            (in_unit(Some(7), "docker-12ab.scope"), Err(Stranger::NoClient)),
            (in_unit(Some(7), "dify.service"), Ok(Some("theirs"))),
            (in_unit(Some(8), "dify.service"), Err(Stranger::NoClient)),
            (in_unit(None, "dify.service"), Err(Stranger::NoClient)),
        ] {
            assert_eq!(admit(&clients, caller(Place::ThisHost, Some(&process))), expected, "{process:?}");
        }
        assert_eq!(admit(&clients, caller(Place::Elsewhere, None)), Ok(Some("net")));
        let mapped = Caller { peer: tcp("[::ffff:192.0.2.9]:1"), ..caller(Place::Elsewhere, None) };
        assert_eq!(admit(&clients, mapped), Ok(Some("net")));
        assert_eq!(admit(&clients, caller(Place::UnixSocket, None)), Err(Stranger::NoClient), "it has no address");
        assert_eq!(admit(&clients, caller(Place::ThisHost, None)), Err(Stranger::NoClient), "nothing is known of it");
    }

    #[test]
    fn a_client_without_criteria_is_everybody() {
        let clients = Clients::new(vec![client("all", Criteria::default())], Access::default());
        for place in [Place::UnixSocket, Place::ThisHost, Place::Container, Place::Elsewhere] {
            assert_eq!(admit(&clients, caller(place, None)), Ok(Some("all")), "{place:?}");
        }
        assert!(clients.ask_for_the_user() && !clients.ask_for_the_unit());
        let anyone = Clients::new(Vec::new(), Access { others: Others::Anyone, containers: false });
        assert!(!anyone.ask_for_the_user());
    }

    #[test]
    fn a_key_is_good_for_its_own_client_alone() {
        let with_key = |users: Option<BTreeSet<u32>>| Criteria { users, key: true, ..Criteria::default() };
        let clients = Clients::new(
            vec![client("dify", with_key(None)), client("alice", with_key(users(&[PERSON])))],
            Access::default(),
        );
        let (dify, alice, gone) = ["dify", "alice", "gone"].map(|name| ClientName::parse(name).unwrap()).into();
        let (person, root) = (process(PERSON), process(0));
        let with = |key, process| Caller { key: Some(key), ..caller(Place::ThisHost, Some(process)) };
        assert_eq!(admit(&clients, with(&dify, &root)), Ok(Some("dify")));
        assert_eq!(admit(&clients, with(&alice, &person)), Ok(Some("alice")));
        assert_eq!(admit(&clients, with(&alice, &root)), Err(Stranger::KeyDoesNotFit(alice.clone())));
        assert_eq!(admit(&clients, with(&gone, &root)), Err(Stranger::KeyDoesNotFit(gone.clone())));
        assert_eq!(admit(&clients, caller(Place::ThisHost, Some(&root))), Ok(None), "who may anyway needs no key");
        assert_eq!(admit(&clients, caller(Place::Elsewhere, None)), Err(Stranger::KeyMissing(dify)));
    }

    #[test]
    fn a_star_stands_for_any_text() {
        for (pattern, name, expected) in [
            ("a.service", "a.service", true),
            ("a.service", "ab.service", false),
            ("docker-*.scope", "docker-1.scope", true),
            ("docker-*.scope", "docker-.scope", true),
            ("docker-*.scope", "docker.scope", false),
            ("docker-*.scope", "x-docker-1.scope", false),
            ("*", "anything", true),
            ("a*b*c", "aXbYc", true),
            ("a*b*c", "aXcYb", false),
            ("ab*ba", "aba", false),
            ("*a*a", "ba", false),
        ] {
            assert_eq!(fits(pattern, name), expected, "{pattern} {name}");
        }
    }
}
