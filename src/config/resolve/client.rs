//! The clients: who they are, and what each may do.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use ipnet::IpNet;

use crate::config::people::People;
use crate::config::problem::Fault;
use crate::config::resolve::Judge;
use crate::config::{raw, values};
use crate::model::client::ClientName;
use crate::policy::certificate::CertificatePattern;
use crate::policy::client::{Access, Client, Clients, Criteria, Others, UnitPattern};
use crate::policy::grant::Grant;
use crate::policy::pattern::Patterns;
use crate::policy::servers::ServerRules;

impl Judge<'_> {
    /// All clients, in the order in which they are tried.
    pub(super) fn clients(&mut self, raw: &BTreeMap<String, raw::Client>, access: &raw::Access) -> Option<Clients> {
        let by_name = |raw: &raw::Client| raw.users.is_some() || raw.groups.is_some() || raw.units.is_some();
        let people = if raw.values().any(by_name) { People::read() } else { People::default() };
        let in_order = self.clients.iter().filter_map(|name| raw.get(name));
        let judged: Vec<Option<Client>> = in_order.map(|raw| self.client(raw, &people)).collect();
        let others = self.take("access.others", others(&access.others));
        let access = Access { others: others?, containers: access.containers };
        Some(Clients::new(judged.into_iter().collect::<Option<Vec<_>>>()?, access))
    }

    fn client(&mut self, raw: &raw::Client, people: &People) -> Option<Client> {
        let key = |name: &str| format!("client.{}.{name}", raw.name);
        let name = ClientName::parse(&raw.name).ok_or_else(|| Fault::new("not a legal name"));
        let name = self.take(&key("name"), name);
        let criteria = self.criteria(raw, people, &key);
        let grant = self.grant(raw, &key);
        Some(Client { name: name?, criteria: criteria?, grant: grant? })
    }

    /// How the client is known. The names are those of this host, at this moment.
    fn criteria(&mut self, raw: &raw::Client, people: &People, key: &impl Fn(&str) -> String) -> Option<Criteria> {
        let users = self.each(&key("users"), raw.users.as_deref(), |text| people.user(text));
        let groups = self.each(&key("groups"), raw.groups.as_deref(), |text| people.members(text));
        let units = self.each(&key("units"), raw.units.as_deref(), |text| unit(text, people));
        let addresses = self.each(&key("addresses"), raw.addresses.as_deref(), network);
        let certificates = self.each(&key("certificates"), raw.certificates.as_deref(), certificate);
        Some(Criteria {
            users: users?.map(BTreeSet::from_iter),
            members: groups?.map(|groups| groups.into_iter().flatten().collect()),
            units: units?,
            addresses: addresses?,
            certificates: certificates?,
            key: raw.key,
        })
    }

    /// Judges every entry of a list. The outer `None`: there is a problem; the inner one: nobody set it.
    fn each<T>(
        &mut self,
        key: &str,
        entries: Option<&[String]>,
        judge: impl Fn(&str) -> Result<T, Fault>,
    ) -> Option<Option<Vec<T>>> {
        let Some(entries) = entries else { return Some(None) };
        let judged = match entries {
            [] => Err(Fault::new("is empty, and so fits nobody").hint("leave it out to have it fit everybody")),
            entries => entries.iter().map(|text| judge(text.trim())).collect(),
        };
        self.take(key, judged).map(Some)
    }

    fn grant(&mut self, raw: &raw::Client, key: &impl Fn(&str) -> String) -> Option<Grant> {
        let servers = self.take(&key("allowed_servers"), values::servers(&raw.allowed_servers));
        let blocked_servers = self.take(&key("blocked_servers"), values::servers(&raw.blocked_servers));
        let methods = self.take(&key("allowed_methods"), values::patterns(&raw.allowed_methods));
        let blocked_methods = self.take(&key("blocked_methods"), values::patterns(&raw.blocked_methods));
        let tools = self.take(&key("allowed_tools"), values::patterns(&raw.allowed_tools));
        let blocked_tools = self.take(&key("blocked_tools"), values::patterns(&raw.blocked_tools));
        let per_minute = self.take_some(&key("requests_per_minute"), raw.requests_per_minute, values::many);
        let concurrent = self.take_some(&key("concurrent_requests"), raw.concurrent_requests, values::many);
        let body = self.take_some(&key("request_body"), raw.request_body.as_deref(), values::some_size);
        Some(Grant {
            servers: ServerRules { allowed: servers?, blocked: blocked_servers? },
            methods: Patterns { allowed: methods?, blocked: blocked_methods? },
            tools: Patterns { allowed: tools?, blocked: blocked_tools? },
            read_only: raw.read_only,
            requests_per_minute: per_minute?,
            concurrent_requests: concurrent?,
            request_body_limit: body?,
            log_argument_names: raw.log_argument_names,
        })
    }
}

fn others(text: &str) -> Result<Others, Fault> {
    match text {
        "owner" => Ok(Others::Owner),
        "nobody" => Ok(Others::Nobody),
        "anyone" => Ok(Others::Anyone),
        _ => Err(Fault::new(format!("{text:?} is none of owner, nobody and anyone"))),
    }
}

/// `NAME`, or `USER:NAME` for a unit of a user's manager.
fn unit(text: &str, people: &People) -> Result<UnitPattern, Fault> {
    let (manager, name) = match text.split_once(':') {
        Some((user, name)) => (Some(people.user(user)?), name),
        None => (None, text),
    };
    // systemd.unit(5): what a name can be made of.
    let is_legal = |c: char| c.is_ascii_alphanumeric() || ":-_.\\@*".contains(c);
    if !name.contains('.') || !name.chars().all(is_legal) {
        let fault = Fault::new(format!("{name:?} is not the name of a unit"));
        return Err(fault.hint("write it with its ending: \"dify.service\", \"docker-*.scope\""));
    }
    Ok(UnitPattern { manager, name: name.to_owned() })
}

/// A name in a certificate, or the certificate itself.
fn certificate(text: &str) -> Result<CertificatePattern, Fault> {
    CertificatePattern::parse(text).map_err(|why| {
        let hint = "for example \"dns:agent.example.com\", \"uri:spiffe://example.org/agents/*\", \"email:ann@example.com\", \
                    \"sha256:DIGEST\", or \"*\" for every certificate of tls.client_ca_file";
        Fault::new(why).hint(hint)
    })
}

/// An address, or a network in CIDR form.
fn network(text: &str) -> Result<IpNet, Fault> {
    let network = text.parse::<IpNet>().or_else(|_| text.parse::<IpAddr>().map(|ip| IpNet::from(ip.to_canonical())));
    let network = network.map_err(|_| {
        let fault = Fault::new(format!("{text:?} is neither an address nor a network"));
        fault.hint("for example \"192.168.1.7\", \"10.1.0.0/16\", \"fd00::/8\"")
    })?;
    match network == network.trunc() {
        true => Ok(network),
        // One of the two halves is a slip, and the wider reading would let more in than was meant.
        false => Err(Fault::new(format!("{text:?} names an address within a network")).hint(format!(
            "write {} for the network, or {} for the address",
            network.trunc(),
            network.addr()
        ))),
    }
}
