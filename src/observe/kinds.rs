//! The fixed sets by which requests are counted: whatever clients send, there are no more series than these.

/// Declares a set of words: an enumeration, its words, and how many there are.
macro_rules! set {
    ($(#[$meta:meta])* $name:ident { $($(#[$doc:meta])* $variant:ident = $word:literal),+ $(,)? }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum $name { $($(#[$doc])* $variant),+ }

        impl $name {
            /// All of them, in their order.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];
            /// How many there are.
            pub const COUNT: usize = Self::ALL.len();

            /// The word for it.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word),+ }
            }
        }
    };
}

set! {
    /// What kind of rule refuses a request.
    RuleKind {
        /// `Host` is no name of ours.
        Host = "host",
        /// A web page that may not call.
        Origin = "origin",
        /// Something that is never forwarded: a tunnel, TRACE, a transfer coding, a head without one host.
        Form = "form",
        /// Path or body are too long.
        Size = "size",
        /// A client key that is missing, wrong, or another's.
        Key = "key",
        /// Nobody that the rules for callers let in.
        Caller = "caller",
        /// The lists of MCP servers.
        Servers = "servers",
        /// The lists of methods.
        Methods = "methods",
        /// The lists of tools, and `read_only`.
        Tools = "tools",
        /// Too many requests in a minute.
        Rate = "rate",
        /// Too many requests at once.
        Concurrency = "concurrency",
        /// Rules cannot be applied to what cannot be read.
        Unreadable = "unreadable",
        /// Forwarding is stopped.
        Incident = "incident",
    }
}

set! {
    /// Why a request that was forwarded, or should have been, has no answer of its upstream.
    Failure {
        /// Forwarding is stopped.
        Incident = "incident",
        /// A person has to sign in.
        SignInNeeded = "sign_in_needed",
        /// There is no token now.
        NoToken = "no_token",
        /// The upstream refuses the token.
        TokenRefused = "token_refused",
        /// No connection.
        Connect = "connect",
        /// The connection broke before the answer began.
        Broken = "broken",
        /// The answer did not begin in time.
        Timeout = "timeout",
        /// A redirect that must not be followed.
        Redirect = "redirect",
        /// The client's own request broke off.
        Client = "client",
    }
}

set! {
    /// Who ended an answer before its end.
    Breaker {
        /// The client went away.
        Client = "client",
        /// The upstream broke it off.
        Upstream = "upstream",
    }
}

set! {
    /// By what a client's connection came in.
    Entry {
        /// TCP.
        Tcp = "tcp",
        /// TCP with TLS.
        Tls = "tls",
        /// A Unix socket.
        Unix = "unix",
    }
}

/// The words for classes of status: the first digit; the first word where no answer had begun.
pub const STATUSES: [&str; 6] = ["none", "1xx", "2xx", "3xx", "4xx", "5xx"];

/// The place of a status in [`STATUSES`]; one that no class has counts as the highest.
pub fn class_of(status: Option<u16>) -> usize {
    status.map_or(0, |status| usize::from(status / 100).min(STATUSES.len() - 1))
}

/// The methods that are counted by their names: those that clients send (MCP 2024-11-05 to 2026-07-28), `batch` for
/// several messages at once, `none` for a request without a message that has a method, and `other` for all others.
pub const METHODS: [&str; 30] = [
    "none",
    "other",
    "batch",
    "tools/call",
    "tools/list",
    "initialize",
    "notifications/initialized",
    "ping",
    "server/discover",
    "subscriptions/listen",
    "resources/read",
    "resources/list",
    "resources/templates/list",
    "resources/subscribe",
    "resources/unsubscribe",
    "prompts/get",
    "prompts/list",
    "completion/complete",
    "logging/setLevel",
    "tasks/get",
    "tasks/result",
    "tasks/list",
    "tasks/cancel",
    "tasks/update",
    "notifications/cancelled",
    "notifications/progress",
    "notifications/roots/list_changed",
    "notifications/tasks/status",
    "notifications/elicitation/complete",
    "notifications/message",
];

/// The place of a method in [`METHODS`].
pub fn place_of(method: Option<&str>) -> usize {
    let Some(method) = method else { return 0 };
    // Somebody who calls a method `none` or `other` gets no place of theirs.
    METHODS.iter().skip(2).position(|known| *known == method).map_or(1, |at| at + 2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_method_has_a_place_and_what_is_unknown_shares_one() {
        for (place, method) in METHODS.iter().enumerate().skip(2) {
            assert_eq!(place_of(Some(method)), place);
        }
        let mut sorted = METHODS.to_vec();
        sorted.sort_unstable();
        sorted.dedup();
        assert_eq!(sorted.len(), METHODS.len());
        for (method, word) in
            [(None, "none"), (Some("none"), "other"), (Some("other"), "other"), (Some("x/y"), "other")]
        {
            assert_eq!(METHODS[place_of(method)], word);
        }
    }

    #[test]
    fn every_status_has_a_class() {
        for (status, word) in
            [(None, "none"), (Some(100), "1xx"), (Some(299), "2xx"), (Some(503), "5xx"), (Some(999), "5xx")]
        {
            assert_eq!(STATUSES[class_of(status)], word);
        }
    }
}
