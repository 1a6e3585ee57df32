//! One layer of the configuration: values by dotted path, each with the place it came from.

use std::collections::BTreeMap;

use figment::value::{Dict, Map, Value};
use figment::{Error, Metadata, Profile, Provider};

use crate::config::problem::Place;

/// What one source sets. Every path is a known one and every value has the right type.
#[derive(Debug, Clone, Default)]
pub(crate) struct Layer {
    /// What the layer is called.
    name: String,
    /// The value and its place by dotted path; of an entry of a list: `<list>.<its name>.<key>`.
    leaves: BTreeMap<String, (Value, Place)>,
    /// The names of the clients in the order in which the layer first speaks of them.
    clients: Vec<String>,
}

/// The tables that stand in lists; in a path their name follows: `upstream.alibaba.url`.
pub(crate) const LISTS: &[&str] = &["upstream", "client"];

impl Layer {
    pub(crate) fn new(name: impl Into<String>) -> Self {
        Self { name: name.into(), leaves: BTreeMap::new(), clients: Vec::new() }
    }

    pub(crate) fn set(&mut self, path: impl Into<String>, value: impl Into<Value>, place: Place) {
        let path = path.into();
        if let Some(("client", name)) = entry_of(&path)
            && !self.clients.iter().any(|known| known == name)
        {
            self.clients.push(name.to_owned());
        }
        self.leaves.insert(path, (value.into(), place));
    }

    /// The names of the clients that this layer speaks of, in its order.
    pub(crate) fn clients(&self) -> &[String] {
        &self.clients
    }

    /// Paths and places, in order of the paths.
    pub(crate) fn places(&self) -> impl Iterator<Item = (&str, &Place)> {
        self.leaves.iter().map(|(path, (_, place))| (path.as_str(), place))
    }

    /// Paths and values, in order of the paths; the values in a form that can be compared.
    pub(crate) fn values(&self) -> impl Iterator<Item = (&str, String)> {
        let text = |value: &Value| serde_json::to_string(value).unwrap_or_default();
        self.leaves.iter().map(move |(path, (value, _))| (path.as_str(), text(value)))
    }

    /// The same values, said to come from nowhere in particular.
    pub(crate) fn built_in(mut self) -> Self {
        for (_, place) in self.leaves.values_mut() {
            *place = Place::BuiltIn;
        }
        self
    }

    /// The layer as far as it is not about upstreams.
    pub(crate) fn without_upstreams(mut self) -> Self {
        self.leaves.retain(|path, _| upstream_of(path).is_none());
        self
    }

    /// The names of the upstreams that this layer speaks of, each with a place where it does.
    pub(crate) fn upstreams(&self) -> BTreeMap<&str, &Place> {
        self.places().filter_map(|(path, place)| Some((upstream_of(path)?, place))).collect()
    }
}

/// The upstream's name in a path `upstream.<name>.<key>`.
pub(crate) fn upstream_of(path: &str) -> Option<&str> {
    entry_of(path).filter(|(list, _)| *list == "upstream").map(|(_, name)| name)
}

/// The list and the name in a path `<list>.<name>.<key>`.
pub(crate) fn entry_of(path: &str) -> Option<(&'static str, &str)> {
    LISTS.iter().find_map(|list| {
        let (name, _) = path.strip_prefix(list)?.strip_prefix('.')?.split_once('.')?;
        Some((*list, name))
    })
}

impl Provider for Layer {
    fn metadata(&self) -> Metadata {
        Metadata::named(self.name.clone())
    }

    fn data(&self) -> Result<Map<Profile, Dict>, Error> {
        let mut dict = Dict::new();
        for (path, (value, _)) in &self.leaves {
            insert(&mut dict, path, value.clone());
        }
        Ok(Profile::Default.collect(dict))
    }
}

fn insert(dict: &mut Dict, path: &str, value: Value) {
    let Some((section, rest)) = path.split_once('.') else {
        dict.insert(path.to_owned(), value);
        return;
    };
    let inner = dict.entry(section.to_owned()).or_insert_with(|| Value::from(Dict::new()));
    if let Value::Dict(_, inner) = inner {
        insert(inner, rest, value);
    }
}

#[cfg(test)]
mod tests {
    use figment::Figment;

    use super::*;

    #[test]
    fn later_layers_change_single_keys() {
        let mut first = Layer::new("first");
        first.set("a.x", 1, Place::BuiltIn);
        first.set("a.y", 1, Place::BuiltIn);
        let mut second = Layer::new("second");
        second.set("a.y", 2, Place::BuiltIn);
        let merged: BTreeMap<String, BTreeMap<String, i64>> =
            Figment::new().merge(first).merge(second).extract().unwrap();
        assert_eq!(merged["a"], BTreeMap::from([("x".to_owned(), 1), ("y".to_owned(), 2)]));
    }

    #[test]
    fn knows_its_upstreams() {
        let mut layer = Layer::new("");
        layer.set("upstream.b.url", "x", Place::BuiltIn);
        layer.set("upstream.a.url", "x", Place::BuiltIn);
        layer.set("listen.port", 1, Place::BuiltIn);
        assert_eq!(layer.upstreams().into_keys().collect::<Vec<_>>(), ["a", "b"]);
    }
}
