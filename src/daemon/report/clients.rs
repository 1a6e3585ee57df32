//! The clients and their keys, as programs read them. Of a key there is nothing that could be used as one.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::daemon::report::Date;
use crate::model::client::ClientName;
use crate::model::time::Wall;
use crate::policy::client::Clients as Configured;
use crate::policy::keys::{ClientKey, KeyRing};

/// Grows when a field changes its meaning or goes away; new fields may come at any time.
pub const VERSION: u32 = 1;

/// All clients.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Clients {
    /// [`VERSION`].
    pub version: u32,
    /// Now.
    pub time: Option<Date>,
    /// Those of the configuration in their order, then those that have nothing but keys.
    pub clients: Vec<Client>,
}

/// One client.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Client {
    /// Its name.
    pub name: String,
    /// True if the configuration has it. Without that its keys are good for nothing.
    pub configured: bool,
    /// True if it needs a key.
    pub needs_key: bool,
    /// Its keys.
    pub keys: Vec<Key>,
}

/// One key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Key {
    /// What tells it from others.
    pub fingerprint: String,
    /// When it was made.
    pub created: Option<Date>,
    /// When it was used last, to the hour.
    pub last_used: Option<Date>,
}

/// Puts the clients of the configuration and the keys together.
pub fn listed(configured: &Configured, keys: &KeyRing, now: Wall) -> Clients {
    let mut by_client: BTreeMap<&str, Vec<Key>> = BTreeMap::new();
    for key in keys.keys() {
        by_client.entry(key.client.as_str()).or_default().push(report(key));
    }
    let mut clients: Vec<Client> = configured
        .in_order()
        .map(|client| Client {
            name: client.name.to_string(),
            configured: true,
            needs_key: client.criteria.key,
            keys: by_client.remove(client.name.as_str()).unwrap_or_default(),
        })
        .collect();
    let left = by_client.into_iter();
    clients.extend(left.map(|(name, keys)| Client {
        name: name.to_owned(),
        configured: false,
        needs_key: false,
        keys,
    }));
    Clients { version: VERSION, time: Date::of(Some(now)), clients }
}

fn report(key: &ClientKey) -> Key {
    let (created, last_used) = (Date::of(Some(key.created)), Date::of(key.last_used()));
    Key { fingerprint: key.fingerprint(), created, last_used }
}

/// Whether a key for a client of that name would be good for something.
///
/// # Errors
/// Why not, and what to do.
pub fn takes_keys(configured: &Configured, name: &ClientName) -> Result<(), String> {
    let lines = format!("[[client]]\nname = \"{name}\"\nkey = true");
    match configured.named(name.as_str()) {
        Some(client) if client.criteria.key => Ok(()),
        Some(_) => Err(format!(
            "the client {name} of the configuration needs no key. Add key = true to its [[client]], reload mcp-proxy, and \
             run this again"
        )),
        None => Err(format!(
            "the configuration has no client {name}, so a key would be good for nothing. Add this to it, reload mcp-proxy, \
             and run this again:\n\n{lines}"
        )),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::policy::client::{Access, Client as Known, Criteria};
    use crate::policy::grant::Grant;

    #[test]
    fn keys_stand_with_their_clients_and_those_of_nobody_at_the_end() {
        let name = |text: &str| ClientName::parse(text).unwrap();
        let known = |text: &str, key| {
            let criteria = Criteria { key, ..Criteria::default() };
            Known { name: name(text), criteria, grant: Grant::default() }
        };
        let configured = Configured::new(vec![known("b", true), known("a", false)], Access::default());
        let now = Wall::from_unix_seconds(1000);
        let key = |text: &str, digest| Arc::new(ClientKey::new(name(text), [digest; 32], now, None));
        let keys = KeyRing::new(vec![key("gone", 1), key("b", 2), key("b", 3)]);
        let clients = listed(&configured, &keys, now).clients;
        let shown: Vec<_> =
            clients.iter().map(|client| (client.name.as_str(), client.configured, client.keys.len())).collect();
        assert_eq!(shown, [("b", true, 2), ("a", true, 0), ("gone", false, 1)]);
        assert!(takes_keys(&configured, &name("b")).is_ok());
        assert!(takes_keys(&configured, &name("a")).unwrap_err().contains("key = true"));
        assert!(takes_keys(&configured, &name("gone")).unwrap_err().contains("[[client]]"));
    }
}
