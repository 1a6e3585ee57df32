//! `GET /metrics`: counters and gauges in the Prometheus text format 0.0.4.

use std::fmt::{Display, Write};

use crate::daemon::control::{Context, snapshot};
use crate::model::time::Wall;
use crate::observe::health::{Condition, Standing};

/// What the text is, in its `Content-Type`.
pub(super) const FORMAT: &str = "text/plain; version=0.0.4; charset=utf-8";

/// All of them.
pub(super) fn text(context: &Context) -> String {
    let now = context.clock.now();
    let (counts, answers) = (context.traffic.counts(), context.traffic.answers());
    let started = now.wall.minus(now.mono.since(context.started.mono));
    let mut page = Page::default();
    page.metric("build_info", "gauge", "The version that runs; always 1.");
    page.sample("build_info", &[("version", env!("CARGO_PKG_VERSION"))], 1);
    page.metric("start_time_seconds", "gauge", "When the daemon started, in Unix time.");
    page.sample("start_time_seconds", &[], seconds(started));
    page.metric("ready", "gauge", "1 if requests to every upstream can be served, else 0.");
    page.sample("ready", &[], u8::from(snapshot::is_ready(context)));
    page.metric("requests_total", "counter", "Requests that ended, by class of status; none: before an answer began.");
    for (class, count) in ["none", "1xx", "2xx", "3xx", "4xx", "5xx"].into_iter().zip(answers.by_class) {
        page.sample("requests_total", &[("status", class)], count);
    }
    page.metric("requests_failed_total", "counter", "Requests that ended with 400 or above, or were broken off.");
    page.sample("requests_failed_total", &[], counts.error);
    page.metric("requests_active", "gauge", "Requests that have not ended, streams among them.");
    page.sample("requests_active", &[], counts.active);
    page.metric("response_body_bytes_total", "counter", "Bytes of answers that were handed to clients.");
    page.sample("response_body_bytes_total", &[], answers.bytes);
    if let Some(audit) = &context.audit {
        page.metric("audit_records_lost_total", "counter", "Records of the audit trail that there was no room for.");
        page.sample("audit_records_lost_total", &[], audit.lost());
    }
    page.upstreams(context, now.wall);
    page.conditions(&context.health.conditions());
    page.0
}

#[derive(Default)]
struct Page(String);

impl Page {
    fn metric(&mut self, name: &str, kind: &str, help: &str) {
        let _ = writeln!(self.0, "# HELP mcp_proxy_{name} {help}\n# TYPE mcp_proxy_{name} {kind}");
    }

    fn sample(&mut self, name: &str, labels: &[(&str, &str)], value: impl Display) {
        let labels: Vec<String> = labels.iter().map(|(name, value)| format!("{name}=\"{}\"", escaped(value))).collect();
        let labels = if labels.is_empty() { String::new() } else { format!("{{{}}}", labels.join(",")) };
        let _ = writeln!(self.0, "mcp_proxy_{name}{labels} {value}");
    }

    fn upstreams(&mut self, context: &Context, now: Wall) {
        let mut standings = context.health.standings();
        let upstreams: Vec<(&str, Standing)> = context
            .upstreams
            .iter()
            .map(|upstream| upstream.proxy.name.as_str())
            .map(|name| (name, standings.remove(name).unwrap_or_default()))
            .collect();
        self.metric("upstream_serves", "gauge", "1 if requests to the upstream can be served, else 0.");
        for (name, standing) in &upstreams {
            self.sample("upstream_serves", &[("upstream", name)], u8::from(standing.serves(now)));
        }
        let help = "When the access token ends, in Unix time.";
        self.ends("token_expiry_timestamp_seconds", help, &upstreams, |standing| standing.expires_at);
        let help = "When the login ends for good, in Unix time.";
        self.ends("refresh_token_expiry_timestamp_seconds", help, &upstreams, |standing| standing.refresh_expires_at);
        self.metric("token_renewals_total", "counter", "Renewals that ended, by outcome.");
        for (name, standing) in &upstreams {
            for (outcome, count) in [("renewed", standing.renewals), ("failed", standing.renewal_failures)] {
                self.sample("token_renewals_total", &[("upstream", name), ("outcome", outcome)], count);
            }
        }
    }

    fn ends(
        &mut self,
        metric: &str,
        help: &str,
        upstreams: &[(&str, Standing)],
        end: impl Fn(&Standing) -> Option<Wall>,
    ) {
        self.metric(metric, "gauge", help);
        for (name, standing) in upstreams {
            if let Some(end) = end(standing) {
                self.sample(metric, &[("upstream", name)], seconds(end));
            }
        }
    }

    fn conditions(&mut self, conditions: &[Condition]) {
        self.metric("condition", "gauge", "1 for each condition that is raised; docs/OPERATING.md has the names.");
        for Condition { name, subject, .. } in conditions {
            self.sample("condition", &[("name", name), ("upstream", subject)], 1);
        }
    }
}

/// A label's value as the format wants it.
fn escaped(value: &str) -> String {
    value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

fn seconds(at: Wall) -> f64 {
    at.unix_millis() as f64 / 1e3
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sample_is_one_line_whatever_its_labels_hold() {
        let mut page = Page::default();
        page.metric("x", "gauge", "Help.");
        page.sample("x", &[], 1.5);
        page.sample("x", &[("a", "b\"\\\n"), ("c", "d")], 2);
        let expected = "# HELP mcp_proxy_x Help.\n# TYPE mcp_proxy_x gauge\nmcp_proxy_x 1.5\n\
                        mcp_proxy_x{a=\"b\\\"\\\\\\n\",c=\"d\"} 2\n";
        assert_eq!(page.0, expected);
    }
}
