//! The known keys: one table from which come the built-in defaults, the detection of unknown keys,
//! the suggestions, and the reference in the manual. A test in `raw.rs` proves that the serde mirror agrees.

/// The TOML type of a key's value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A string.
    Text,
    /// `true` or `false`.
    Bool,
    /// An integer.
    Number,
    /// A list of strings; in a flag or a variable: separated by commas.
    List,
}

impl Kind {
    /// The type as a message says it.
    pub fn in_words(self) -> &'static str {
        match self {
            Self::Text => "a string",
            Self::Bool => "true or false",
            Self::Number => "an integer",
            Self::List => "a list of strings",
        }
    }
}

/// What holds when nobody sets a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fallback {
    /// This value, written as in TOML.
    Value(&'static str),
    /// Nothing, or something computed: said in words.
    Words(&'static str),
}

impl Fallback {
    /// The default as the manual shows it.
    pub fn in_words(self) -> &'static str {
        match self {
            Self::Value(text) | Self::Words(text) => text,
        }
    }
}

/// One key of the configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Key {
    /// The dotted path. `upstream.x` stands for `x` in each `[[upstream]]`, `client.x` for `x` in each `[[client]]`.
    pub path: &'static str,
    /// The TOML type.
    pub kind: Kind,
    /// What values are legal, in words.
    pub values: &'static str,
    /// What holds when it is not set.
    pub default: Fallback,
    /// One line: what it does.
    pub doc: &'static str,
}

const DURATION: &str = r#"a duration such as "500ms", "10s", "2min", "1h 30min""#;
const CREDENTIAL: &str = "an absolute path, one that begins with ~/, or the name of a systemd credential";
const URL: &str = "a URL with scheme https; http only on this machine";

use crate::config::layer::entry_of;
use Fallback::{Value, Words};
use Kind::{Bool, List, Number, Text};

const fn key(path: &'static str, kind: Kind, values: &'static str, default: Fallback, doc: &'static str) -> Key {
    Key { path, kind, values, default, doc }
}

/// Every key there is, in the order of the manual.
#[rustfmt::skip]
pub const KEYS: &[Key] = &[
    key("state_dir", Text, "an absolute path, or one that begins with ~/",
        Words("$STATE_DIRECTORY; else /var/lib/mcp-proxy for root; else $XDG_STATE_HOME/mcp-proxy; else ~/.local/state/mcp-proxy"),
        "Where logins are kept."),
    key("listen.host", Text, "an IP address or a host name", Value(r#""127.0.0.1""#),
        "The address to listen on."),
    key("listen.port", Number, "0 to 65535; 0 takes any free port", Value("8088"),
        "The TCP port to listen on."),
    key("listen.unix", List, "absolute paths, or ones that begin with ~/", Words("none"),
        "Unix sockets to listen on, beside the port."),
    key("listen.unix_mode", Text, "three or four octal digits, such as \"0660\"", Value(r#""0600""#),
        "The mode of the Unix sockets: who may write may connect."),
    key("listen.allowed_hosts", List, "host names or addresses, without port", Words("none"),
        "Names under which clients may call, beside the listening address itself (and localhost)."),
    key("listen.allowed_origins", List, "web origins such as https://app.example.com", Words("none"),
        "Web pages that may call; all others are refused."),
    key("tls.listen", List, "addresses with their port, such as 10.1.0.5:8443 or [::]:8443", Words("none"),
        "Addresses to listen on for clients that begin with TLS, beside listen.host."),
    key("tls.certificate_file", Text, CREDENTIAL, Words("required with tls.listen"),
        "A PEM file with the certificate to show there, followed by those that lead to its authority; read anew at a reload."),
    key("tls.key_file", Text, CREDENTIAL, Words("required with tls.certificate_file"),
        "A PEM file with the private key of that certificate; nobody else may read it."),
    key("tls.client_ca_file", Text, CREDENTIAL, Words("none; clients are asked for no certificate"),
        "A PEM file with the authorities whose certificates clients may show; client.certificates says which of them count."),
    key("tls.require_client_certificate", Bool, "true or false", Value("false"),
        "Whether clients without such a certificate get no connection at all."),
    key("control.socket", Text, "an absolute path, or one that begins with ~/; off: none",
        Words("$RUNTIME_DIRECTORY/control.sock; else /run/mcp-proxy/control.sock for root; else $XDG_RUNTIME_DIR/mcp-proxy/control.sock"),
        "The Unix socket on which the daemon takes status, login and logout."),
    key("access.others", Text, "owner, nobody or anyone", Value(r#""owner""#),
        "Who may call without being a [[client]]: the daemon's own user, root and who signed in; nobody; or everyone."),
    key("access.containers", Bool, "true or false", Value("true"),
        "Whether, with owner, containers of this host may call where it listens on the address of a bridge."),
    key("login.browser", Bool, "true or false", Value("true"),
        "Whether a login opens a browser; if not, it shows the URL and takes a pasted code."),
    key("login.key_file", Text, "an absolute path, or one that begins with ~/; the file must be private",
        Words("the systemd credential token-key, when there is one; else logins are saved as plain text"),
        "The file with the key that saved logins are encrypted with; mcp-proxy key generate makes one."),
    key("log.level", Text, "off, error, warn, info, debug or trace, also per target: info,mcp_proxy=debug", Value(r#""info""#),
        "How much is logged; trace says what debug says, as what is beyond it is left out of an optimised build."),
    key("log.routine_per_second", Number, "0 or more", Value("50"),
        "How many requests in a second have lines that are neither calls of tools nor refused nor failed; more are summed up."),
    key("log.audit_file", Text, "an absolute path, or one that begins with ~/", Words("none"),
        "The file to which each request is appended as a line of JSON; opened anew at a reload."),
    key("metrics.listen", Text, r#"an IP address and a port, such as "127.0.0.1:9464"; off: none"#, Words("off"),
        "Where metrics are shown to Prometheus, beside the control socket; whoever reaches it may read them."),
    key("telemetry.otlp_endpoint", Text, r#"the URL of an OpenTelemetry collector, such as "http://127.0.0.1:4318"; off: none"#, Words("off"),
        "Where a trace of each request is sent (OTLP over HTTP, as JSON)."),
    key("network.extra_ca_file", Text, "an absolute path, or one that begins with ~/", Words("none"),
        "A PEM file with certificate authorities to trust beside the system's."),
    key("network.connect_timeout", Text, DURATION, Value(r#""10s""#),
        "How long name resolution, TCP and TLS may take together."),
    key("network.api_timeout", Text, DURATION, Value(r#""30s""#),
        "How long a short call (token endpoint, cloud API) may take from first to last byte."),
    key("network.first_byte_timeout", Text, r#"a duration; "0" waits for ever"#, Value(r#""120s""#),
        "How long an upstream may take to begin its answer."),
    key("limits.replay_body", Text, r#"a size such as "64KiB" or "1MiB"; "0" never sends a request twice"#, Value(r#""1MiB""#),
        "The largest request body that is kept, so that it can be sent again after an upstream 401."),
    key("limits.header_timeout", Text, DURATION, Value(r#""10s""#),
        "How long a client may take to send the head of a request."),
    key("limits.idle_timeout", Text, DURATION, Value(r#""2min""#),
        "How long a connection without a request is kept."),
    key("limits.request_body", Text, r#"a size such as "1MiB" or "1GiB"; "0" for no limit"#, Value(r#""256MiB""#),
        "The longest body of a request; a longer one is answered 413."),
    key("limits.token_wait", Text, DURATION, Value(r#""10s""#),
        "How long a request waits for a token that is being renewed."),
    key("limits.max_connections", Number, "1 or more", Value("10000"),
        "How many client connections may be open at once; idle ones are closed in favour of new ones."),
    key("limits.sse_keep_alive", Text, r#"a duration; "0" sends none"#, Value(r#""0""#),
        "After how much silence an event stream gets a comment, so that nothing on the way takes it for dead."),
    key("limits.drain_timeout", Text, r#"a duration; "0" does not wait"#, Value(r#""10s""#),
        "How long open requests may take to finish when the daemon stops."),
    key("alibaba.region_type", Text, "CN or INTL", Value(r#""CN""#),
        "Which Alibaba Cloud site: China (CN) or international (INTL)."),
    key("alibaba.network", Text, "public, or vpc from a machine in a VPC of the site", Value(r#""public""#),
        "The network through which MCP requests go to the gateway; a url of the upstream wins."),
    key("alibaba.oauth_app_name", Text, "the name of an OAuth application of type Native",
        Words("aliyun-cli-mcp-proxy, created if missing"),
        "The OAuth application to sign in with."),
    key("alibaba.scope", Text, "one or more OAuth scopes, separated by single spaces", Value(r#""/acs/mcp-server""#),
        "The scope that a login asks for."),
    key("alibaba.profile", Text, "the name of a profile", Words("as the aliyun CLI picks it"),
        "The aliyun CLI profile that supplies the API credentials."),
    key("alibaba.aliyun_config_file", Text, "an absolute path, or one that begins with ~/", Words("~/.aliyun/config.json"),
        "The aliyun CLI's own configuration file."),
    key("alibaba.endpoints.signin", Text, URL, Words("by region"),
        "Where the browser signs in."),
    key("alibaba.endpoints.oauth", Text, URL, Words("by region"),
        "Where codes and refresh tokens are exchanged."),
    key("alibaba.endpoints.ims", Text, URL, Words("by region"),
        "Where OAuth applications are managed."),
    key("alibaba.endpoints.ramoauth", Text, URL, Words("by region"),
        "Where API credentials are exchanged for a token (access-key)."),
    key("alibaba.endpoints.sts", Text, URL, Words("by the profile's region"),
        "Where temporary keys of a role come from."),
    key("alibaba.endpoints.metadata", Text, URL, Words("http://100.100.100.200"),
        "Where a virtual machine gets the keys of its role."),
    key("upstream.name", Text, "1 to 32 of a-z, 0-9 and -, beginning with a letter", Words("required in an [[upstream]]; without any: one named alibaba"),
        "What the upstream is called in logs, files and variables."),
    key("upstream.mount", Text, "/ or a path without a slash at its end; unique", Words("/ for alibaba; else required"),
        "The path under which clients reach this upstream."),
    key("upstream.url", Text, "scheme and host; https:// is assumed", Words("by region for alibaba; else required"),
        "Where requests go; their own path and query are kept."),
    key("upstream.auth", Text, "alibaba-oauth, access-key, token-file or token-command", Words("alibaba-oauth"),
        "What supplies the credential: a person's login, API credentials, a file, or a command."),
    key("upstream.client_id", Text, "the id of an OAuth client", Words("by region, the cloud's own"),
        "With access-key: the OAuth client that the token is for."),
    key("upstream.scope", Text, "one or more OAuth scopes, separated by single spaces", Words(r#""/internal/acs/openapi""#),
        "With access-key: the scope of the token."),
    key("upstream.boundary_policy", Text,
        "a RAM policy as JSON of at most 512 characters, every statement a Deny; or the path of a file with one", Words("none"),
        "With access-key: permissions that the token shall not have, whatever the identity may do."),
    key("upstream.safety_policy", Text, "PATTERN=VERDICT, separated by commas", Words("none"),
        "With access-key: rules by which the cloud refuses calls with the token."),
    key("upstream.allowed_tools", List, "names of MCP tools", Words("all"),
        "With access-key: the only tools that the cloud lets be called with the token."),
    key("upstream.token_file", Text, "an absolute path, one that begins with ~/, or the name of a systemd credential",
        Words("required with token-file"),
        "The file with the token, read again when it changes: the token alone, or JSON with access_token and expires_at."),
    key("upstream.token_command", List, "a program and its arguments", Words("required with token-command"),
        "The command that prints the token, in the same forms; run without a shell, for at most a minute."),
    key("upstream.allow_cleartext", Bool, "true or false", Words("false"),
        "Whether the credential may cross a network over plain http."),
    key("upstream.allowed_servers", List, "names, ids or path prefixes", Words("all"),
        "The only MCP servers that clients may reach."),
    key("upstream.blocked_servers", List, "names, ids or path prefixes", Words("none"),
        "MCP servers that clients may not reach, even if they are allowed above."),
    key("client.name", Text, "1 to 32 of a-z, 0-9 and -, beginning with a letter", Words("required in a [[client]]"),
        "What the client is called in the log and in refusals."),
    key("client.users", List, "names or numbers of users of this host", Words("any"),
        "A caller is this client only if its connection was made by one of these users."),
    key("client.groups", List, "names or numbers of groups of this host", Words("any"),
        "Only if that user is a member of one of these groups, by the user database."),
    key("client.units", List, "names of units, * for any text; USER:NAME for a unit of that user's manager", Words("any"),
        "Only if its process is in one of these units of systemd."),
    key("client.addresses", List, "addresses or networks such as 10.1.0.0/16", Words("any"),
        "Only if it calls over TCP from one of these addresses."),
    key("client.certificates", List, "dns:NAME, uri:URI, email:ADDRESS, * in them for any text; sha256:DIGEST; * for all", Words("any"),
        "Only if it has shown, over TLS, a certificate of tls.client_ca_file with one of these names."),
    key("client.key", Bool, "true or false", Words("false"),
        "Only if it shows a key that mcp-proxy client add made for this client."),
    key("client.allowed_servers", List, "names, ids or path prefixes", Words("all"),
        "The only MCP servers that this client may use."),
    key("client.blocked_servers", List, "names, ids or path prefixes", Words("none"),
        "MCP servers that this client may not use, even if they are allowed above."),
    key("client.allowed_methods", List, "JSON-RPC methods; * stands for any characters", Words("all"),
        "The only methods that this client may send, beside initialize, server/discover, ping and notifications/*."),
    key("client.blocked_methods", List, "JSON-RPC methods; * stands for any characters", Words("none"),
        "Methods that this client may not send, even if they are allowed above."),
    key("client.allowed_tools", List, "names of MCP tools; * stands for any characters", Words("all"),
        "The only tools that this client may call, and sees in lists of tools."),
    key("client.blocked_tools", List, "names of MCP tools; * stands for any characters", Words("none"),
        "Tools that this client may not call, even if they are allowed above."),
    key("client.read_only", Bool, "true or false", Words("false"),
        "Whether this client may call only tools of which their server says that they change nothing (readOnlyHint)."),
    key("client.requests_per_minute", Number, "1 or more", Words("any number"),
        "How many requests this client may send in a minute; so many at once, from then on evenly."),
    key("client.concurrent_requests", Number, "1 or more", Words("any number"),
        "How many requests of this client may be under way at once; an open event stream is one of them."),
    key("client.request_body", Text, r#"a size such as "64KiB" or "1MiB""#, Words("limits.request_body"),
        "The longest body of a request of this client, where limits.request_body is not lower."),
    key("client.log_argument_names", Bool, "true or false", Words("false"),
        "Whether records of this client's calls have the names of their arguments; never the values."),
];

/// A variable that begins with `MCP_PROXY_` and is no key, with what it does.
pub const OWN_VARIABLES: &[(&str, &str)] = &[
    ("MCP_PROXY_CONFIG", "The main file, as --config names it."),
    ("MCP_PROXY_CLIENT_KEY", "The key that mcp-proxy stdio shows to the daemon, as mcp-proxy client add printed it."),
];

/// The key of that path; of an upstream's: without the upstream's name.
pub(crate) fn find(path: &str) -> Option<&'static Key> {
    KEYS.iter().find(|key| key.path == path)
}

/// True if there are keys below that path.
pub(crate) fn is_section(path: &str) -> bool {
    KEYS.iter().any(|key| below(key.path, path).is_some())
}

fn below<'a>(path: &'a str, section: &str) -> Option<&'a str> {
    path.strip_prefix(section)?.strip_prefix('.')
}

fn split(path: &str) -> (&str, &str) {
    path.rsplit_once('.').unwrap_or(("", path))
}

/// The keys that a reload puts in force; the others wait for a restart.
pub const LIVE: &[&str] = &[
    "listen.allowed_hosts",
    "listen.allowed_origins",
    "tls.certificate_file",
    "tls.key_file",
    "tls.client_ca_file",
    "tls.require_client_certificate",
    "access.others",
    "access.containers",
    "log.level",
    "log.routine_per_second",
    "network.connect_timeout",
    "network.extra_ca_file",
    "network.api_timeout",
    "network.first_byte_timeout",
    "limits.replay_body",
    "limits.request_body",
    "limits.header_timeout",
    "limits.idle_timeout",
    "limits.token_wait",
    "limits.max_connections",
    "limits.sse_keep_alive",
    "limits.drain_timeout",
    "upstream.allowed_servers",
    "upstream.blocked_servers",
    "client.name",
    "client.users",
    "client.groups",
    "client.units",
    "client.addresses",
    "client.certificates",
    "client.key",
    "client.allowed_servers",
    "client.blocked_servers",
    "client.allowed_methods",
    "client.blocked_methods",
    "client.allowed_tools",
    "client.blocked_tools",
    "client.read_only",
    "client.requests_per_minute",
    "client.concurrent_requests",
    "client.request_body",
    "client.log_argument_names",
];

/// True if a reload puts the key with that path in force: `limits.token_wait`, `upstream.alibaba.blocked_servers`.
pub fn is_live(path: &str) -> bool {
    let path = match entry_of(path) {
        Some((_, name)) => path.replacen(&format!(".{name}."), ".", 1),
        None => path.to_owned(),
    };
    LIVE.contains(&path.as_str())
}

/// What to write instead of an unknown path: the nearest known one, or what its section knows.
pub(crate) fn suggestion(unknown: &str) -> String {
    let (section, name) = split(unknown);
    let sections = KEYS.iter().map(|key| split(key.path).0).filter(|path| !path.is_empty());
    let score = |known: &str| {
        let (known_section, known_name) = split(known);
        let names = strsim::normalized_damerau_levenshtein(name, known_name);
        // The right name in the wrong section is a usual slip, but the same section is likelier.
        if section == known_section { names } else { 0.9 * names }
    };
    let nearest = KEYS
        .iter()
        .map(|key| key.path)
        .chain(sections)
        .map(|path| (score(path), path))
        .max_by(|(a, _), (b, _)| a.total_cmp(b))
        .filter(|(score, _)| *score >= 0.5);
    if let Some((_, path)) = nearest {
        return format!("the nearest known key is {path}");
    }
    let in_section: Vec<&str> = KEYS.iter().filter_map(|key| below(key.path, section)).collect();
    if in_section.is_empty() {
        "no known key is like it; the example configuration lists them all".to_owned()
    } else {
        format!("the keys of {section} are {}", in_section.join(", "))
    }
}

/// True if an unknown key looks as if it held a secret, which has no place in the configuration.
/// A known key with a slip in it does not: `token_wiat` is about a token and holds none.
pub(crate) fn looks_secret(path: &str) -> bool {
    const MARKS: &[&str] = &[
        "secret",
        "password",
        "passwd",
        "token",
        "credential",
        "access_key",
        "accesskey",
        "private_key",
        "api_key",
        "bearer",
    ];
    let name = split(path).1.to_ascii_lowercase().replace('-', "_");
    let is_slip = |key: &Key| strsim::normalized_damerau_levenshtein(&name, split(key.path).1) >= 0.8;
    MARKS.iter().any(|mark| name.contains(mark)) && !KEYS.iter().any(is_slip)
}

/// Where secrets go.
pub(crate) const SECRETS_GO: &str = "secrets do not stand in the configuration: pass them as systemd credentials \
     (LoadCredentialEncrypted=), in the aliyun CLI's own file (alibaba.aliyun_config_file), or in the environment \
     (ALIBABA_CLOUD_ACCESS_KEY_ID, ALIBABA_CLOUD_ACCESS_KEY_SECRET)";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_path_stands_once() {
        let mut paths: Vec<_> = KEYS.iter().map(|key| key.path).collect();
        paths.sort_unstable();
        paths.dedup();
        assert_eq!(paths.len(), KEYS.len());
    }

    #[test]
    fn keys_that_a_reload_puts_in_force_are_told_by_their_paths() {
        for path in LIVE {
            assert!(find(path).is_some() && is_live(path), "{path}");
        }
        assert!(is_live("upstream.alibaba.blocked_servers"));
        for path in ["upstream.alibaba.url", "listen.port", "state_dir", "upstream.allowed_servers.url"] {
            assert!(!is_live(path), "{path}");
        }
    }

    #[test]
    fn no_known_key_looks_secret() {
        for key in KEYS {
            assert!(!looks_secret(key.path), "{}", key.path);
        }
        for secret in
            ["alibaba.access_key_secret", "client-secret", "upstream.token", "Password", "alibaba.accessKeySecret"]
        {
            assert!(looks_secret(secret), "{secret}");
        }
        assert!(!looks_secret("limits.token_wiat") && !looks_secret("limits.token-wait"));
    }

    #[test]
    fn slips_are_understood() {
        for (slip, known) in [
            ("listen.prot", "listen.port"),
            ("lisen", "listen"),
            ("port", "listen.port"),
            ("log.levle", "log.level"),
            ("upstream.allow_servers", "upstream.allowed_servers"),
            ("alibaba.endpoint", "alibaba.endpoints"),
            ("network.max_connections", "limits.max_connections"),
            ("statedir", "state_dir"),
            ("limits.token_wiat", "limits.token_wait"),
        ] {
            assert_eq!(suggestion(slip), format!("the nearest known key is {known}"), "{slip}");
        }
        assert_eq!(
            suggestion("listen.zzzzzzzzz"),
            "the keys of listen are host, port, unix, unix_mode, allowed_hosts, allowed_origins"
        );
        assert!(suggestion("zzzzzzzzzzzzz").starts_with("no known key"));
    }
}
