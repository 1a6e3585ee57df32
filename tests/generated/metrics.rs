//! The reference in docs/METRICS.md, from the table of metrics. What stands around it is written by hand.

use std::fmt::Write as _;
use std::fs;

use mcp_proxy::daemon::metrics::families::{ALL, LABELS};

use crate::root;

/// The document.
pub(crate) const DOCUMENT: &str = "docs/METRICS.md";

const BEGIN: &str = "<!-- made by `make generate` from src/daemon/metrics/families.rs -->\n";
const END: &str = "<!-- end -->\n";

/// The document with the reference as the program has it.
pub(crate) fn document() -> String {
    let text = fs::read_to_string(root().join(DOCUMENT)).unwrap();
    let (before, rest) = text.split_once(BEGIN).unwrap();
    let (_, after) = rest.split_once(END).unwrap();
    format!("{before}{BEGIN}\n{}\n{END}{after}", reference())
}

fn reference() -> String {
    let mut text = "| Metric | Type | Labels | What it says |\n|---|---|---|---|\n".to_owned();
    for family in ALL {
        let labels: Vec<String> = family.labels.iter().map(|label| format!("`{label}`")).collect();
        let kind = family.kind.as_str();
        let _ = writeln!(text, "| `{}` | {kind} | {} | {} |", family.name, labels.join(", "), family.help);
    }
    text += "\n| Label | Its values |\n|---|---|\n";
    for (label, values) in LABELS {
        let _ = writeln!(text, "| `{label}` | {values} |");
    }
    text
}
