//! The dashboard and the alert rules that are shipped speak of metrics and labels that there are.

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::Path;

use mcp_proxy::daemon::metrics::families::ALL;
use mcp_proxy::observe::exposition::{Family, Kind};
use serde_json::Value;

use crate::promql::selectors;
use crate::rules::{Rule, rules};

fn read(name: &str) -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(name)).unwrap()
}

/// The labels of each name that a sample can have.
fn known() -> BTreeMap<String, Vec<&'static str>> {
    let names = |family: &'static Family| {
        let suffixes: &[&str] = if family.kind == Kind::Histogram { &["_bucket", "_sum", "_count"] } else { &[""] };
        suffixes.iter().map(move |suffix| (format!("{}{suffix}", family.name), family.labels.to_vec()))
    };
    let mut known: BTreeMap<_, _> = ALL.iter().flat_map(names).collect();
    for (name, labels) in &mut known {
        // What Prometheus itself puts there.
        labels.extend(["job", "instance"]);
        if name.ends_with("_bucket") {
            labels.push("le");
        }
    }
    known
}

/// What is wrong with an expression, if anything.
fn unknown(expression: &str) -> Option<String> {
    let known = known();
    let found = selectors(expression);
    if found.is_empty() {
        return Some(format!("no metric in {expression}"));
    }
    found.iter().find_map(|selector| match known.get(&selector.name) {
        None => Some(format!("no metric {} ({expression})", selector.name)),
        Some(labels) => {
            let label = selector.labels.iter().find(|label| !labels.contains(&label.as_str()))?;
            Some(format!("{} has no label {label} ({expression})", selector.name))
        }
    })
}

#[test]
fn expressions_about_what_is_not_there_are_found() {
    assert_eq!(unknown("mcp_proxy_ready == 0"), None);
    assert!(unknown("mcp_proxy_raedy == 0").is_some());
    assert!(unknown("mcp_proxy_ready{upstream=\"a\"} == 0").is_some());
    assert!(unknown("mcp_proxy_request_duration_seconds > 1").is_some(), "a histogram has no such sample");
    assert!(unknown("1 > 0").is_some());
}

#[test]
fn every_alert_rests_on_metrics_that_there_are_and_says_what_to_do() {
    let rules = rules(&read("packaging/monitoring/alerts.yml"));
    let mut names: Vec<&str> = rules.iter().map(|rule| rule.alert.as_str()).collect();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), rules.len(), "an alert stands there twice");
    for needed in [
        "McpProxySignInNeeded",
        "McpProxyLoginEndsSoon",
        "McpProxyTokenEnded",
        "McpProxyNotReady",
        "McpProxyErrorRatio",
        "McpProxySlow",
        "McpProxyRefusals",
        "McpProxyAuditRecordsLost",
        "McpProxyRenewalsFail",
    ] {
        assert!(names.contains(&needed), "no alert {needed}");
    }
    for Rule { alert, expr, severity, summary, description, pending } in &rules {
        assert_eq!(unknown(expr), None, "{alert}");
        assert!(alert.starts_with("McpProxy"), "{alert}");
        assert!(["critical", "warning", "info"].contains(&severity.as_str()), "{alert}: {severity}");
        assert!(!summary.is_empty() && summary.len() < 120 && !summary.ends_with('.'), "{alert}: {summary}");
        let commands = ["mcp-proxy ", "systemctl ", "journalctl "];
        assert!(commands.iter().any(|command| description.contains(command)), "{alert}: no remedy");
        assert!(pending.as_deref().is_none_or(|time| time.ends_with(['s', 'm', 'h'])), "{alert}: {pending:?}");
    }
}

#[test]
fn the_conditions_of_alerts_are_documented_ones() {
    let operating = read("docs/OPERATING.md");
    let text = read("packaging/monitoring/alerts.yml");
    for part in text.split("name=\"").skip(1) {
        let name = part.split('"').next().unwrap();
        assert!(operating.contains(&format!("`{name}`")), "docs/OPERATING.md has no condition {name}");
    }
}

#[test]
fn every_panel_of_the_dashboard_shows_something_that_there_is() {
    let dashboard: Value = serde_json::from_str(&read("packaging/monitoring/grafana-dashboard.json")).unwrap();
    assert_eq!(dashboard["title"], "mcp-proxy");
    assert_eq!(dashboard["id"], Value::Null, "Grafana gives it one");
    let panels = dashboard["panels"].as_array().unwrap();
    assert!(panels.len() >= 15, "{}", panels.len());
    let (mut ids, mut places) = (Vec::new(), Vec::new());
    for panel in panels {
        let title = panel["title"].as_str().unwrap();
        ids.push(panel["id"].as_u64().unwrap());
        let at = |key: &str| panel["gridPos"][key].as_u64().unwrap();
        assert!(at("x") + at("w") <= 24, "{title} is too wide");
        places.push((title, at("x")..at("x") + at("w"), at("y")..at("y") + at("h")));
        if panel["type"] == "row" {
            continue;
        }
        assert!(panel["description"].as_str().is_some_and(|text| text.ends_with('.')), "{title}: say what it shows");
        assert!(panel["fieldConfig"]["defaults"]["unit"].is_string(), "{title}: no unit");
        let targets = panel["targets"].as_array().unwrap();
        assert!(!targets.is_empty(), "{title}");
        for target in targets {
            assert_eq!(unknown(target["expr"].as_str().unwrap()), None, "{title}");
            assert_eq!(target["datasource"]["uid"], "${datasource}", "{title}: no data source of ours");
        }
    }
    let meets = |a: &Range<u64>, b: &Range<u64>| a.start < b.end && b.start < a.end;
    for (at, (title, across, down)) in places.iter().enumerate() {
        let other = places[at + 1..].iter().find(|other| meets(across, &other.1) && meets(down, &other.2));
        assert_eq!(other.map(|other| other.0), None, "{title} lies on another panel");
    }
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), panels.len(), "an id stands there twice");
    for variable in dashboard["templating"]["list"].as_array().unwrap() {
        if let Some(query) = variable["definition"].as_str() {
            let metric = query.trim_start_matches("label_values(").split(',').next().unwrap();
            assert_eq!(unknown(metric), None);
        }
    }
}

#[test]
fn every_metric_is_shown_or_watched_somewhere_or_is_about_the_process() {
    let text = read("packaging/monitoring/alerts.yml") + &read("packaging/monitoring/grafana-dashboard.json");
    let shown = |family: &&Family| text.contains(family.name) || family.name.starts_with("process_");
    let missing: Vec<&str> = ALL.iter().filter(|family| !shown(family)).map(|family| family.name).collect();
    assert_eq!(missing, Vec::<&str>::new());
}
