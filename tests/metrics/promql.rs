//! As much of PromQL as is needed to find the metrics of an expression, and the labels that it asks them for.

use std::collections::BTreeSet;

/// Words that are no metrics: functions, operators and their modifiers that our expressions use.
const WORDS: &[&str] = &[
    "sum",
    "max",
    "min",
    "rate",
    "increase",
    "histogram_quantile",
    "time",
    "by",
    "without",
    "and",
    "or",
    "unless",
    "on",
    "ignoring",
    "group_left",
    "group_right",
    "clamp_min",
    "absent",
    "avg",
    "count",
    "topk",
    "bool",
    "offset",
    "changes",
    "label_values",
    "vector",
    "inf",
];

/// A metric with the labels that are asked of it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Selector {
    pub(crate) name: String,
    pub(crate) labels: BTreeSet<String>,
}

/// Every selector of an expression.
pub(crate) fn selectors(expression: &str) -> Vec<Selector> {
    let (mut found, mut rest) = (Vec::new(), expression);
    while let Some(character) = rest.chars().next() {
        if character == '"' {
            rest = after_text(rest);
        } else if character == '[' {
            rest = rest.split_once(']').expect("a range has an end").1;
        } else if character == '$' || character.is_ascii_digit() {
            // A variable of the dashboard, or a number with its unit.
            let end = rest[1..].find(|c: char| !is_word(c) && c != '.').map_or(rest.len(), |at| at + 1);
            rest = &rest[end..];
        } else if is_word(character) {
            let end = rest.find(|c: char| !is_word(c)).unwrap_or(rest.len());
            let (word, after) = rest.split_at(end);
            rest = after;
            if ["by", "without", "on", "ignoring"].contains(&word) {
                // Labels follow, not metrics.
                rest = rest.trim_start().split_once(')').expect("a list of labels has an end").1;
            } else if !WORDS.contains(&word) {
                let (labels, after) = matchers(rest);
                rest = after;
                found.push(Selector { name: word.to_owned(), labels });
            }
        } else {
            rest = &rest[character.len_utf8()..];
        }
    }
    found
}

fn is_word(character: char) -> bool {
    character.is_ascii_alphanumeric() || character == '_' || character == ':'
}

fn after_text(text: &str) -> &str {
    let (mut escaped, inside) = (false, &text[1..]);
    for (at, character) in inside.char_indices() {
        match character {
            '"' if !escaped => return &inside[at + 1..],
            '\\' => escaped = !escaped,
            _ => escaped = false,
        }
    }
    panic!("a text without an end: {text}")
}

fn matchers(text: &str) -> (BTreeSet<String>, &str) {
    let Some(mut rest) = text.strip_prefix('{') else { return (BTreeSet::new(), text) };
    let mut labels = BTreeSet::new();
    loop {
        rest = rest.trim_start_matches([' ', ',']);
        if let Some(after) = rest.strip_prefix('}') {
            return (labels, after);
        }
        let end = rest.find(|c: char| !is_word(c)).expect("a matcher has an operator");
        labels.insert(rest[..end].to_owned());
        let value = rest.find('"').expect("a matcher has a value");
        rest = after_text(&rest[value..]);
    }
}

#[test]
fn metrics_and_labels_are_found() {
    let of = |name: &str, labels: &[&str]| Selector {
        name: name.to_owned(),
        labels: labels.iter().map(|label| (*label).to_owned()).collect(),
    };
    for (expression, expected) in [
        ("up == 0", vec![of("up", &[])]),
        ("sum by (a, b) (rate(x_total{c=~\"5..|{none}\", d!=\"\"}[5m])) > 0.05", vec![of("x_total", &["c", "d"])]),
        ("y_seconds - time() < 86400 * 7 and on (a) z == 1", vec![of("y_seconds", &[]), of("z", &[])]),
        (
            "histogram_quantile(0.95, sum(rate(w_bucket{upstream=~\"$upstream\"}[$__rate_interval])) by (le))",
            vec![of("w_bucket", &["upstream"])],
        ),
        ("label_values(v, upstream)", vec![of("v", &[]), of("upstream", &[])]),
    ] {
        assert_eq!(selectors(expression), expected, "{expression}");
    }
}
