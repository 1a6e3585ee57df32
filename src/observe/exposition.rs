//! The Prometheus text format 0.0.4: what a family of metrics is, and how its samples are written.

use std::fmt::{Display, Write};

use crate::observe::histogram::Reading;

/// What the text is, in its `Content-Type`.
pub const FORMAT: &str = "text/plain; version=0.0.4; charset=utf-8";

/// What a metric is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Only grows, from zero at the start.
    Counter,
    /// Is what it is now.
    Gauge,
    /// Counts lengths of time, in seconds.
    Histogram,
}

impl Kind {
    /// The word of the format.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
        }
    }
}

/// Metrics that differ in the values of their labels alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Family {
    /// The whole name.
    pub name: &'static str,
    /// What they are.
    pub kind: Kind,
    /// The names of their labels.
    pub labels: &'static [&'static str],
    /// A sentence that says what is measured.
    pub help: &'static str,
}

/// A text that grows.
#[derive(Debug, Default)]
pub struct Page {
    text: String,
}

/// One family of it. Its samples follow each other, for nothing else can be written meanwhile.
#[derive(Debug)]
pub struct Samples<'a> {
    family: &'static Family,
    text: &'a mut String,
}

impl Page {
    /// Begins a family.
    pub fn family(&mut self, family: &'static Family) -> Samples<'_> {
        let Family { name, kind, help, .. } = family;
        let help = help.replace('\\', "\\\\").replace('\n', "\\n");
        // To write into a text never fails.
        let _ = writeln!(self.text, "# HELP {name} {help}\n# TYPE {name} {}", kind.as_str());
        Samples { family, text: &mut self.text }
    }

    /// The whole text.
    pub fn into_text(self) -> String {
        self.text
    }
}

impl Samples<'_> {
    /// Writes one sample; `labels` are the values of the labels, in the order of the family.
    pub fn sample(&mut self, labels: &[&str], value: impl Display) {
        self.line("", labels, None, value);
    }

    /// Writes the samples of one histogram.
    pub fn histogram(&mut self, labels: &[&str], reading: &Reading) {
        for (limit, count) in &reading.buckets {
            self.line("_bucket", labels, Some(&limit.to_string()), count);
        }
        self.line("_bucket", labels, Some("+Inf"), reading.count);
        self.line("_sum", labels, None, reading.sum);
        self.line("_count", labels, None, reading.count);
    }

    fn line(&mut self, suffix: &str, labels: &[&str], limit: Option<&str>, value: impl Display) {
        let Family { name, labels: names, .. } = self.family;
        debug_assert_eq!(names.len(), labels.len(), "{name}");
        let pairs = names.iter().copied().zip(labels.iter().copied()).chain(limit.map(|limit| ("le", limit)));
        let _ = write!(self.text, "{name}{suffix}");
        let mut before = '{';
        for (label, value) in pairs {
            let _ = write!(self.text, "{before}{label}=\"");
            escape(self.text, value);
            self.text.push('"');
            before = ',';
        }
        let end = if before == ',' { "}" } else { "" };
        let _ = writeln!(self.text, "{end} {value}");
    }
}

/// Appends a label's value as the format wants it.
fn escape(text: &mut String, value: &str) {
    for character in value.chars() {
        match character {
            '\\' => text.push_str("\\\\"),
            '"' => text.push_str("\\\""),
            '\n' => text.push_str("\\n"),
            other => text.push(other),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAIN: Family = Family { name: "x", kind: Kind::Gauge, labels: &[], help: "Help\nwith \\ in it." };
    const LABELLED: Family = Family { name: "y_total", kind: Kind::Counter, labels: &["a", "c"], help: "Help." };
    const LENGTHS: Family = Family { name: "z_seconds", kind: Kind::Histogram, labels: &["a"], help: "Help." };

    #[test]
    fn a_sample_is_one_line_whatever_its_labels_hold() {
        let mut page = Page::default();
        page.family(&PLAIN).sample(&[], 1.5);
        let mut samples = page.family(&LABELLED);
        samples.sample(&["b\"\\\n", "d"], 2);
        samples.sample(&["", "é"], u64::MAX);
        let expected = "# HELP x Help\\nwith \\\\ in it.\n# TYPE x gauge\nx 1.5\n\
                        # HELP y_total Help.\n# TYPE y_total counter\n\
                        y_total{a=\"b\\\"\\\\\\n\",c=\"d\"} 2\ny_total{a=\"\",c=\"é\"} 18446744073709551615\n";
        assert_eq!(page.into_text(), expected);
    }

    #[test]
    fn a_histogram_ends_with_everything() {
        let mut page = Page::default();
        let reading = Reading { buckets: vec![(0.005, 1), (1.0, 3)], count: 4, sum: 2.25 };
        page.family(&LENGTHS).histogram(&["b"], &reading);
        let expected = "# HELP z_seconds Help.\n# TYPE z_seconds histogram\n\
                        z_seconds_bucket{a=\"b\",le=\"0.005\"} 1\nz_seconds_bucket{a=\"b\",le=\"1\"} 3\n\
                        z_seconds_bucket{a=\"b\",le=\"+Inf\"} 4\nz_seconds_sum{a=\"b\"} 2.25\nz_seconds_count{a=\"b\"} 4\n";
        assert_eq!(page.into_text(), expected);
    }
}
