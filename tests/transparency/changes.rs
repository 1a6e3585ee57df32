//! What the proxy changes, as a list; `docs/TRANSPARENCY.md` shows the same list to readers.

/// A header that may differ, and why. A name that ends with `*` stands for all that begin so.
#[derive(Debug)]
pub(crate) struct Change {
    pub(crate) header: &'static str,
    pub(crate) what: What,
    pub(crate) why: &'static str,
}

/// How a header may differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum What {
    /// It belongs to one connection; each connection has its own, or none.
    PerConnection,
    /// It does not pass.
    Removed,
    /// Another value stands in its place, once.
    Replaced,
    /// It is added if it is missing.
    Added,
    /// It is added to event streams if it is missing.
    AddedToEventStreams,
    /// It does not pass; web pages of allowed origins get ours.
    ForWebPages,
    /// It is added for web pages of allowed origins.
    AddedForWebPages,
    /// It does not pass with a 304 to another method than `HEAD`.
    NotWith304,
}

impl What {
    /// In the words of the document.
    pub(crate) fn in_words(self) -> &'static str {
        match self {
            Self::PerConnection => "each connection's own",
            Self::Removed => "removed",
            Self::Replaced => "replaced",
            Self::Added => "added if missing",
            Self::AddedToEventStreams => "added to event streams if missing",
            Self::ForWebPages => "removed; web pages of allowed origins get our own",
            Self::AddedForWebPages => "`origin` added for web pages of allowed origins",
            Self::NotWith304 => "removed from a 304 to `GET`",
        }
    }
}

const fn change(header: &'static str, what: What, why: &'static str) -> Change {
    Change { header, what, why }
}

const OF_THE_CONNECTION: &str = "of one connection, not of the message (RFC 9110 §7.6.1)";

/// From the client to the upstream.
pub(crate) const TO_UPSTREAM: &[Change] = &[
    change("Authorization", What::Replaced, "the upstream's token; whatever the client sent was not meant for it"),
    change(
        "Connection",
        What::PerConnection,
        "of one connection, and so is every header that it names (RFC 9110 §7.6.1)",
    ),
    change("Cookie", What::Removed, "belongs to pages of this machine"),
    change("Forwarded", What::Removed, "where a request comes from is nobody's business but this machine's"),
    change("Host", What::Replaced, "names the upstream; many servers allow no other"),
    change("Keep-Alive", What::PerConnection, OF_THE_CONNECTION),
    change(
        "Origin",
        What::Removed,
        "is checked here; upstreams refuse origins of this machine (MCP, Security Warning)",
    ),
    change("Proxy-Authorization", What::PerConnection, "a credential for this proxy, not for the upstream"),
    change("Proxy-Connection", What::PerConnection, OF_THE_CONNECTION),
    change("Referer", What::Removed, "belongs to pages of this machine"),
    change("Sec-*", What::Removed, "what a browser says about a page, not about the request"),
    change("TE", What::PerConnection, "codings are of one connection; `trailers` passes (RFC 9110 §10.1.4)"),
    change("Transfer-Encoding", What::PerConnection, OF_THE_CONNECTION),
    change("Upgrade", What::PerConnection, OF_THE_CONNECTION),
    change("X-Forwarded-*", What::Removed, "where a request comes from is nobody's business but this machine's"),
    change("X-MCP-Proxy-Key", What::Removed, "a key for this proxy, not for the upstream"),
    change("X-Real-IP", What::Removed, "where a request comes from is nobody's business but this machine's"),
];

/// From the upstream to the client.
pub(crate) const TO_CLIENT: &[Change] = &[
    change("Access-Control-*", What::ForWebPages, "who may read an answer is decided by `listen.allowed_origins`"),
    change("Alt-Svc", What::Removed, "leads around mcp-proxy"),
    change("Cache-Control", What::AddedToEventStreams, "`no-cache, no-transform`: nothing may hold events back"),
    change("Clear-Site-Data", What::Removed, "would clear what pages of this machine have stored"),
    change(
        "Connection",
        What::PerConnection,
        "of one connection, and so is every header that it names (RFC 9110 §7.6.1)",
    ),
    change("Content-Length", What::NotWith304, "there is no body that it could be the length of"),
    change("Date", What::Added, "who passes on an answer without a date adds one (RFC 9110 §6.6.1)"),
    change("Keep-Alive", What::PerConnection, OF_THE_CONNECTION),
    change("Proxy-Authenticate", What::PerConnection, OF_THE_CONNECTION),
    change("Set-Cookie", What::Removed, "would be kept for all of this machine's pages"),
    change("Strict-Transport-Security", What::Removed, "a promise about another host; this one has no TLS"),
    change("Transfer-Encoding", What::PerConnection, OF_THE_CONNECTION),
    change("Upgrade", What::PerConnection, OF_THE_CONNECTION),
    change("Vary", What::AddedForWebPages, "their answers differ from those of others"),
    change("WWW-Authenticate", What::Removed, "would start a sign-in of the client's own"),
    change("X-Accel-Buffering", What::AddedToEventStreams, "`no`: nothing may hold events back"),
];

/// What else may differ.
pub(crate) const BESIDE_HEADERS: &[(&str, &str)] = &[
    ("The HTTP version", "each connection has its own (RFC 9110 §2.5)"),
    (
        "Case and order of header names",
        "they have no meaning (RFC 9110 §5.1, §5.3); lines of one name keep their order",
    ),
    ("Sizes of chunks, extensions of chunks", "they belong to one connection (RFC 9112 §7.1); bytes pass as they come"),
    (
        "A body that ends with the connection",
        "comes in chunks to clients of HTTP/1.1, so that its end can be told from a break",
    ),
    ("A reset", "is an end before the end was said: a break stays a break, but which kind is not told"),
    ("A reason phrase outside ASCII", "comes empty; it has no meaning (RFC 9112 §4)"),
    (
        "Trailers",
        "pass as said by `TE` and `Trailer`, but for what means something only before a body (RFC 9110 §6.5.1)",
    ),
    (
        "The `endpoint` event that begins an event stream of HTTP+SSE",
        "an absolute address of the upstream becomes a path, so that messages come back here; any other breaks it off",
    ),
    ("Comments between the events of a silent stream", "only where `limits.sse_keep_alive` asks for them"),
    (
        "A body that goes on for more than a second after its whole answer",
        "is broken off: the answer will not change any more",
    ),
    (
        "Interim answers (1xx)",
        "`100` passes to clients that ask for it, and is said after a second in which nothing came; others do not pass",
    ),
];
