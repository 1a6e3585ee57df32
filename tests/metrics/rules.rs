//! Alert rules, read out of the YAML that Prometheus reads.

use yaml_rust2::{Yaml, YamlLoader};

/// One alert.
pub(crate) struct Rule {
    pub(crate) alert: String,
    pub(crate) expr: String,
    pub(crate) severity: String,
    pub(crate) summary: String,
    pub(crate) description: String,
    /// How long it has to last.
    pub(crate) pending: Option<String>,
}

/// The alerts of a file. What Prometheus does not know of a rule is refused, as Prometheus does.
pub(crate) fn rules(text: &str) -> Vec<Rule> {
    let documents = YamlLoader::load_from_str(text).expect("YAML");
    assert_eq!(documents.len(), 1);
    let groups = documents[0]["groups"].as_vec().expect("groups");
    let all = groups.iter().flat_map(|group| {
        assert!(group["name"].as_str().is_some(), "a group has a name");
        group["rules"].as_vec().expect("rules")
    });
    all.map(rule).collect()
}

fn rule(rule: &Yaml) -> Rule {
    for key in rule.as_hash().expect("a rule").keys() {
        let known = ["alert", "expr", "for", "keep_firing_for", "labels", "annotations"];
        assert!(known.contains(&key.as_str().unwrap()), "{key:?} is no key of a rule");
    }
    let text =
        |value: &Yaml, what: &str| value.as_str().unwrap_or_else(|| panic!("{what} in {rule:?}")).trim().to_owned();
    Rule {
        alert: text(&rule["alert"], "alert"),
        expr: text(&rule["expr"], "expr"),
        severity: text(&rule["labels"]["severity"], "severity"),
        summary: text(&rule["annotations"]["summary"], "summary"),
        description: text(&rule["annotations"]["description"], "description"),
        pending: rule["for"].as_str().map(str::to_owned),
    }
}
