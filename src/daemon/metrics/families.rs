//! The table of all metrics: what is written, and docs/METRICS.md, come from it.

use crate::observe::exposition::{Family, Kind};

macro_rules! families {
    ($($name:ident: $kind:ident $text:literal [$($label:literal),*] $help:literal;)+) => {
        $(
            #[doc = $help]
            pub const $name: Family =
                Family { name: $text, kind: Kind::$kind, labels: &[$($label),*], help: $help };
        )+

        /// All of them, in the order in which they are written.
        pub const ALL: &[Family] = &[$($name),+];
    };
}

families! {
    BUILD_INFO: Gauge "mcp_proxy_build_info" ["version"]
        "The version that runs; always 1.";
    READY: Gauge "mcp_proxy_ready" []
        "1 if requests to every upstream can be served, else 0.";
    UPSTREAM_SERVES: Gauge "mcp_proxy_upstream_serves" ["upstream"]
        "1 if requests to the upstream can be served, else 0.";
    CONDITION: Gauge "mcp_proxy_condition" ["name", "subject"]
        "1 for each condition that is raised; docs/OPERATING.md has the names and remedies.";

    REQUESTS: Counter "mcp_proxy_requests_total" ["upstream", "server", "method", "status"]
        "Requests that ended.";
    REQUESTS_ACTIVE: Gauge "mcp_proxy_requests_active" []
        "Requests that have not ended, streams among them.";
    REQUEST_DURATION: Histogram "mcp_proxy_request_duration_seconds" ["upstream", "server"]
        "From the head of a request to the end of its answer; without streams that only listen, which last as long as their client wants.";
    REQUEST_ADDED: Histogram "mcp_proxy_request_added_seconds" ["upstream"]
        "The part of mcp-proxy: from the head of a request to the head of its answer, without the waiting for the upstream. Waiting for a token belongs to it.";
    UPSTREAM_WAIT: Histogram "mcp_proxy_upstream_wait_seconds" ["upstream"]
        "The part of the upstream: until the head of its answer is there, connecting and the upload included.";
    UPSTREAM_FAILURES: Counter "mcp_proxy_upstream_failures_total" ["upstream", "reason"]
        "Requests that have no answer of their upstream. Some of them get a JSON-RPC error with status 200.";
    ANSWERS_BROKEN: Counter "mcp_proxy_answers_broken_total" ["upstream", "by"]
        "Answers that ended before their end; not streams that only listen and were left.";
    REFUSALS: Counter "mcp_proxy_refusals_total" ["rule"]
        "Requests that a rule of this mcp-proxy refused.";
    REQUEST_BYTES: Counter "mcp_proxy_request_body_bytes_total" ["upstream"]
        "Bytes of requests' bodies that came from clients.";
    RESPONSE_BYTES: Counter "mcp_proxy_response_body_bytes_total" ["upstream"]
        "Bytes of answers' bodies that were handed to clients.";
    STREAMS_ACTIVE: Gauge "mcp_proxy_event_streams_active" ["upstream"]
        "Event streams to clients that are open.";
    STREAMS: Counter "mcp_proxy_event_streams_total" ["upstream"]
        "Event streams to clients that were opened.";

    CLIENT_CONNECTIONS: Gauge "mcp_proxy_client_connections" ["listener"]
        "Connections of clients that are open.";
    CLIENT_CONNECTIONS_ACCEPTED: Counter "mcp_proxy_client_connections_accepted_total" ["listener"]
        "Connections of clients that were accepted.";
    UNREAD: Counter "mcp_proxy_connections_without_request_total" ["cause"]
        "Connections of clients on which no request could be read.";
    UPSTREAM_CONNECTIONS: Gauge "mcp_proxy_upstream_connections" ["upstream", "protocol"]
        "Connections to the upstream that are open.";
    UPSTREAM_CONNECTIONS_OPENED: Counter "mcp_proxy_upstream_connections_opened_total" ["upstream", "protocol"]
        "Connections to the upstream that were opened.";
    UPSTREAM_CONNECT_FAILURES: Counter "mcp_proxy_upstream_connect_failures_total" ["upstream"]
        "Attempts to connect to the upstream that failed.";
    UPSTREAM_STREAMS: Gauge "mcp_proxy_upstream_streams" ["upstream", "protocol"]
        "Exchanges under way on connections to the upstream.";

    TOKEN_EXPIRY: Gauge "mcp_proxy_token_expiry_timestamp_seconds" ["upstream"]
        "When the access token ends, in Unix time. It is renewed long before.";
    REFRESH_TOKEN_EXPIRY: Gauge "mcp_proxy_refresh_token_expiry_timestamp_seconds" ["upstream"]
        "When the login ends for good, in Unix time, as far as known.";
    TOKEN_RENEWED: Gauge "mcp_proxy_token_renewed_timestamp_seconds" ["upstream"]
        "When a renewal last gave a new token, in Unix time.";
    TOKEN_RENEWALS: Counter "mcp_proxy_token_renewals_total" ["upstream", "outcome"]
        "Renewals of the access token that ended.";

    AUDIT_LOST: Counter "mcp_proxy_audit_records_lost_total" []
        "Records of the audit trail that there was no room for.";
    LOG_LOST: Counter "mcp_proxy_log_lines_lost_total" []
        "Lines of the log that there was no room for, and lines of requests that the journal did not take.";

    TRACES_SENT: Counter "mcp_proxy_traces_sent_total" []
        "Traces of requests that the collector took.";
    TRACES_LOST: Counter "mcp_proxy_traces_lost_total" []
        "Traces of requests that there was no room for, or that the collector did not take.";

    PROCESS_START: Gauge "process_start_time_seconds" []
        "When the process started, in Unix time.";
    PROCESS_CPU: Counter "process_cpu_seconds_total" []
        "Processor time that the process used, in its own code and in the kernel.";
    PROCESS_RESIDENT: Gauge "process_resident_memory_bytes" []
        "Memory that the process holds now.";
    PROCESS_VIRTUAL: Gauge "process_virtual_memory_bytes" []
        "Address space that the process has.";
    PROCESS_OPEN_FDS: Gauge "process_open_fds" []
        "File descriptors that are open.";
    PROCESS_MAX_FDS: Gauge "process_max_fds" []
        "File descriptors that may be open.";
    PROCESS_THREADS: Gauge "process_threads" []
        "Threads of the process.";
}

/// What the values of each label can be.
pub const LABELS: &[(&str, &str)] = &[
    ("version", "The version, as `mcp-proxy --version` says it."),
    (
        "upstream",
        "The name of an `[[upstream]]`; `none` for requests that go to no upstream: refused before, or answered here.",
    ),
    (
        "server",
        "The MCP server, as the upstream's list calls it; `none` if the list does not have it; `other` beyond a hundred \
         servers of an upstream.",
    ),
    (
        "method",
        "The JSON-RPC method, if MCP knows it, else `other`; `batch` for several messages at once; `none` for a request \
         without a message that has a method (GET, DELETE, answers of a client).",
    ),
    ("status", "The class of the answer's status: `1xx` to `5xx`; `none` if no answer had begun when the client left."),
    (
        "reason",
        "`incident`, `sign_in_needed`, `no_token` (it is being renewed, or that failed), `token_refused` (by the upstream), \
         `connect`, `broken` (before the answer began), `timeout`, `redirect` (to somewhere else), `client` (its request \
         broke off).",
    ),
    ("by", "`client`: it went away. `upstream`: it broke its answer off."),
    (
        "rule",
        "`host`, `origin`, `form` (never forwarded), `size`, `key` (client keys), `caller` (`[access]`), `servers`, `methods`, \
         `tools`, `rate`, `concurrency`, `unreadable` (rules cannot be applied), `incident`.",
    ),
    (
        "cause",
        "`malformed` (no request of HTTP), `too-long` or `too-late` (its head), `not-tls` (plain where TLS is spoken), \
         `tls-handshake`.",
    ),
    ("listener", "`tcp`, `tls` or `unix`."),
    ("protocol", "`http1` or `http2`."),
    ("outcome", "`renewed` or `failed`."),
    ("name", "The condition's name."),
    ("subject", "What the condition concerns: an upstream, `audit`, `configuration` …"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_label_is_described_and_no_other() {
        let mut used: Vec<&str> = ALL.iter().flat_map(|family| family.labels.iter().copied()).collect();
        used.sort_unstable();
        used.dedup();
        let mut described: Vec<&str> = LABELS.iter().map(|(label, _)| *label).collect();
        described.sort_unstable();
        assert_eq!(used, described);
    }
}
