//! Reads the Prometheus text format strictly, and lints it as `promtool check metrics` would, and a little more.

use std::collections::{BTreeMap, BTreeSet};

/// One line with a value.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Sample {
    pub(crate) name: String,
    pub(crate) labels: BTreeMap<String, String>,
    pub(crate) value: f64,
}

/// A family with its samples.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Family {
    pub(crate) name: String,
    pub(crate) kind: String,
    pub(crate) help: String,
    pub(crate) samples: Vec<Sample>,
}

impl Family {
    /// The value of the one sample that has these labels.
    pub(crate) fn value(&self, labels: &[(&str, &str)]) -> f64 {
        self.find(&self.name, labels)
    }

    /// The same of a name with a suffix.
    pub(crate) fn find(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        let has = |sample: &&Sample| {
            sample.name == name
                && labels.iter().all(|(label, value)| sample.labels.get(*label).is_some_and(|found| found == value))
        };
        let found: Vec<&Sample> = self.samples.iter().filter(has).collect();
        assert_eq!(found.len(), 1, "{name} {labels:?}: {:#?}", self.samples);
        found[0].value
    }
}

/// Reads a whole text.
pub(crate) fn parse(text: &str) -> Result<Vec<Family>, String> {
    if !text.ends_with('\n') {
        return Err("the last line has no end".to_owned());
    }
    let mut families: Vec<Family> = Vec::new();
    for line in text.lines() {
        if let Some(rest) = line.strip_prefix("# HELP ") {
            let (name, help) = rest.split_once(' ').ok_or_else(|| format!("no help: {line}"))?;
            if families.iter().any(|family| family.name == name) {
                return Err(format!("{name} stands there twice"));
            }
            let (name, kind, help) = (name.to_owned(), String::new(), help.to_owned());
            families.push(Family { name, kind, help, samples: Vec::new() });
        } else if let Some(rest) = line.strip_prefix("# TYPE ") {
            let (name, kind) = rest.split_once(' ').ok_or_else(|| format!("no type: {line}"))?;
            let family = families.last_mut().filter(|family| family.name == name && family.kind.is_empty());
            let family = family.ok_or_else(|| format!("a type without its help: {line}"))?;
            if !["counter", "gauge", "histogram"].contains(&kind) {
                return Err(format!("no type that we use: {line}"));
            }
            family.kind = kind.to_owned();
        } else if line.starts_with('#') || line.is_empty() {
            return Err(format!("neither help, type nor sample: {line:?}"));
        } else {
            let sample = sample(line)?;
            let family = families.last_mut().ok_or_else(|| format!("a sample of no family: {line}"))?;
            if !suffixes(&family.kind).iter().any(|suffix| sample.name == format!("{}{suffix}", family.name)) {
                return Err(format!("{line} stands among the samples of {}", family.name));
            }
            family.samples.push(sample);
        }
    }
    Ok(families)
}

/// What the names of samples end with.
fn suffixes(kind: &str) -> &'static [&'static str] {
    if kind == "histogram" { &["_bucket", "_sum", "_count"] } else { &[""] }
}

fn sample(line: &str) -> Result<Sample, String> {
    let end = line.find(['{', ' ']).ok_or_else(|| format!("no value: {line}"))?;
    let (name, mut rest) = line.split_at(end);
    let mut labels = BTreeMap::new();
    if let Some(inside) = rest.strip_prefix('{') {
        rest = inside;
        loop {
            let (label, after) = rest.split_once("=\"").ok_or_else(|| format!("no label: {line}"))?;
            let (value, after) = quoted(after).ok_or_else(|| format!("a label without an end: {line}"))?;
            if labels.insert(label.to_owned(), value).is_some() {
                return Err(format!("the label {label} stands there twice: {line}"));
            }
            if let Some(after) = after.strip_prefix(',') {
                rest = after;
            } else {
                rest = after.strip_prefix('}').ok_or_else(|| format!("labels without an end: {line}"))?;
                break;
            }
        }
    }
    let value = rest.strip_prefix(' ').ok_or_else(|| format!("no value: {line}"))?;
    // What Rust reads beyond the format (`inf`, `nan`) has no place here either.
    let plain = value.chars().all(|c| c.is_ascii_digit() || ".-+e".contains(c));
    let value = value.parse().ok().filter(|_| plain).ok_or_else(|| format!("no number: {line}"))?;
    Ok(Sample { name: name.to_owned(), labels, value })
}

/// The text up to the quote that ends it, and what follows.
fn quoted(text: &str) -> Option<(String, &str)> {
    let (mut value, mut characters) = (String::new(), text.char_indices());
    while let Some((at, character)) = characters.next() {
        match character {
            '"' => return Some((value, &text[at + 1..])),
            '\\' => value.push(match characters.next()?.1 {
                'n' => '\n',
                escaped @ ('"' | '\\') => escaped,
                _ => return None,
            }),
            other => value.push(other),
        }
    }
    None
}

/// What is wrong with them, if anything.
pub(crate) fn lint(families: &[Family]) -> Vec<String> {
    let mut wrong = Vec::new();
    for family in families {
        wrong.extend(lint_name(family).into_iter().map(|why| format!("{}: {why}", family.name)));
        wrong.extend(lint_samples(family).into_iter().map(|why| format!("{}: {why}", family.name)));
        if family.kind == "histogram" {
            wrong.extend(lint_histogram(family).into_iter().map(|why| format!("{}: {why}", family.name)));
        }
    }
    wrong
}

fn is_name(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_lowercase())
        && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
        && !name.contains("__")
        && !name.ends_with('_')
}

fn lint_name(family: &Family) -> Vec<String> {
    const FOREIGN_UNITS: &[&str] = &[
        "milliseconds",
        "microseconds",
        "nanoseconds",
        "minutes",
        "hours",
        "days",
        "ms",
        "us",
        "kilobytes",
        "megabytes",
        "kib",
        "mib",
        "bits",
        "percent",
        "sec",
        "secs",
    ];
    const UNITS: &[&str] = &["seconds", "bytes", "ratio"];
    let Family { name, kind, help, .. } = family;
    let mut wrong = Vec::new();
    let mut rule = |holds: bool, why: &str| {
        if !holds {
            wrong.push(why.to_owned());
        }
    };
    let words: Vec<&str> = name.split('_').collect();
    rule(is_name(name), "not a name in snake_case");
    rule(name.starts_with("mcp_proxy_") || name.starts_with("process_"), "neither ours nor of the process");
    rule(!kind.is_empty(), "no type");
    rule(help.ends_with('.') && help.len() > 10, "help is a sentence");
    rule((kind == "counter") == name.ends_with("_total"), "_total is for counters, and for all of them");
    rule(!["_sum", "_count", "_bucket", "_info_total"].iter().any(|end| name.ends_with(end)), "a suffix of others");
    rule(
        !words.iter().any(|word| ["counter", "gauge", "histogram", "metric"].contains(word)),
        "its type is no part of it",
    );
    rule(!words.iter().any(|word| FOREIGN_UNITS.contains(word)), "base units alone: seconds, bytes");
    let unit = words.iter().rposition(|word| UNITS.contains(word));
    let last = words.len() - 1 - usize::from(kind == "counter");
    rule(unit.is_none_or(|at| at == last), "the unit stands at the end");
    rule(kind != "histogram" || unit == Some(last), "a histogram has a unit");
    rule(
        !words.contains(&"timestamp") || (kind == "gauge" && unit == Some(last)),
        "a point in time is a gauge in seconds",
    );
    wrong
}

fn lint_samples(family: &Family) -> Vec<String> {
    let (mut wrong, mut seen, mut names) = (Vec::new(), BTreeSet::new(), BTreeSet::new());
    for Sample { name, labels, value } in &family.samples {
        if !seen.insert((name, labels)) {
            wrong.push(format!("{name} {labels:?} stands there twice"));
        }
        let own: Vec<&String> = labels.keys().filter(|label| *label != "le").collect();
        names.insert(own.clone());
        for label in own {
            let reserved = ["job", "instance", "le", "quantile", "__name__"].contains(&label.as_str());
            if !is_name(label) || reserved || label.contains(&family.name) {
                wrong.push(format!("the label {label}"));
            }
        }
        if !value.is_finite() || (family.kind != "gauge" && *value < 0.0) {
            wrong.push(format!("{name} {labels:?} is {value}"));
        }
    }
    if names.len() > 1 {
        wrong.push(format!("its samples have other labels than each other: {names:?}"));
    }
    wrong
}

fn lint_histogram(family: &Family) -> Vec<String> {
    let (mut wrong, mut series) = (Vec::new(), BTreeMap::<BTreeMap<String, String>, Vec<&Sample>>::new());
    for sample in &family.samples {
        let mut labels = sample.labels.clone();
        labels.remove("le");
        series.entry(labels).or_default().push(sample);
    }
    for (labels, samples) in series {
        let named = |suffix: &str| {
            let name = format!("{}{suffix}", family.name);
            samples.iter().filter(|sample| sample.name == name).map(|sample| sample.value).collect::<Vec<_>>()
        };
        let limit = |text: &str| if text == "+Inf" { Some(f64::INFINITY) } else { text.parse::<f64>().ok() };
        let limits: Vec<Option<f64>> =
            samples.iter().filter_map(|sample| sample.labels.get("le")).map(|text| limit(text)).collect();
        let (buckets, sums, counts) = (named("_bucket"), named("_sum"), named("_count"));
        if limits.len() != buckets.len() || limits.iter().any(Option::is_none) || !limits.is_sorted_by(|a, b| a < b) {
            wrong.push(format!("{labels:?}: limits do not grow: {limits:?}"));
        }
        if limits.last() != Some(&Some(f64::INFINITY)) || buckets.last() != counts.first() {
            wrong.push(format!("{labels:?}: does not end with everything"));
        }
        if !buckets.is_sorted() {
            wrong.push(format!("{labels:?}: buckets are not cumulative: {buckets:?}"));
        }
        if (sums.len(), counts.len()) != (1, 1) {
            wrong.push(format!("{labels:?}: one sum and one count are needed"));
        }
    }
    wrong
}

#[test]
fn what_is_wrong_is_found() {
    for (text, says) in [
        ("x 1", "no end"),
        ("x 1\n", "of no family"),
        ("# TYPE x gauge\n", "without its help"),
        ("# HELP x Help of x.\n# TYPE x gauge\ny 1\n", "among the samples of x"),
        ("# HELP x Help of x.\n# TYPE x gauge\nx{a=\"b} 1\n", "without an end"),
        ("# HELP x Help of x.\n# TYPE x gauge\nx{a=\"b\\q\"} 1\n", "without an end"),
        ("# HELP x Help of x.\n# TYPE x gauge\nx{a=\"b\",a=\"c\"} 1\n", "twice"),
        ("# HELP x Help of x.\n# TYPE x gauge\nx NaN\n", "no number"),
        ("# HELP x Help of x.\n# TYPE x gauge\nx 1\n# HELP y Help of y.\n# TYPE y gauge\n# HELP x A.\n", "twice"),
        ("# HELP x Help of x.\n\n", "neither"),
    ] {
        let error = parse(text).unwrap_err();
        assert!(error.contains(says), "{text}: {error}");
    }
    let of =
        |name: &str, kind: &str, samples: &str| format!("# HELP {name} Help of it.\n# TYPE {name} {kind}\n{samples}");
    let buckets = |first: u8, second: u8, count: u8| {
        of(
            "mcp_proxy_x_seconds",
            "histogram",
            &format!(
                "mcp_proxy_x_seconds_bucket{{le=\"1\"}} {first}\nmcp_proxy_x_seconds_bucket{{le=\"+Inf\"}} {second}\n\
                 mcp_proxy_x_seconds_sum 1\nmcp_proxy_x_seconds_count {count}\n"
            ),
        )
    };
    for (text, says) in [
        (of("mcp_proxy_x", "counter", ""), "_total"),
        (of("mcp_proxy_x_total", "gauge", ""), "_total"),
        (of("mcp_proxy_x_ms", "gauge", ""), "base units"),
        (of("mcp_proxy_bytes_sent", "gauge", ""), "at the end"),
        (of("mcp_proxy_X", "gauge", ""), "snake_case"),
        (of("other_x", "gauge", ""), "neither ours"),
        (of("mcp_proxy_x_count", "gauge", ""), "suffix of others"),
        (of("mcp_proxy_x_gauge", "gauge", ""), "type is no part"),
        (of("mcp_proxy_x_timestamp", "gauge", ""), "point in time"),
        (of("mcp_proxy_x", "histogram", ""), "has a unit"),
        (of("mcp_proxy_x", "gauge", "mcp_proxy_x{a=\"b\"} 1\nmcp_proxy_x{a=\"b\"} 2\n"), "twice"),
        (of("mcp_proxy_x", "gauge", "mcp_proxy_x{a=\"b\"} 1\nmcp_proxy_x{c=\"b\"} 2\n"), "other labels"),
        (of("mcp_proxy_x", "gauge", "mcp_proxy_x{instance=\"b\"} 1\n"), "the label instance"),
        (of("mcp_proxy_x_total", "counter", "mcp_proxy_x_total -1\n"), "is -1"),
        (buckets(3, 2, 2), "not cumulative"),
        (buckets(1, 2, 3), "everything"),
    ] {
        let wrong = lint(&parse(&text).unwrap());
        assert!(wrong.iter().any(|why| why.contains(says)), "{text}: {wrong:?}");
    }
    assert_eq!(lint(&parse(&buckets(1, 2, 2)).unwrap()), Vec::<String>::new());
}
