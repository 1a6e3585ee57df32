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
    /// The dotted path. `upstream.x` stands for `x` in each `[[upstream]]`.
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
const URL: &str = "a URL with scheme https; http only on this machine";

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
    key("listen.allowed_hosts", List, "host names or addresses, without port", Words("none"),
        "Names under which clients may call, beside the listening address itself (and localhost)."),
    key("listen.allowed_origins", List, "web origins such as https://app.example.com", Words("none"),
        "Web pages that may call; all others are refused."),
    key("login.browser", Bool, "true or false", Value("true"),
        "Whether a login opens a browser; if not, it shows the URL and takes a pasted code."),
    key("login.key_file", Text, "an absolute path, or one that begins with ~/; the file must be private",
        Words("the systemd credential token-key, when there is one; else logins are saved as plain text"),
        "The file with the key that saved logins are encrypted with; mcp-proxy key generate makes one."),
    key("log.level", Text, "off, error, warn, info, debug or trace, also per target: info,mcp_proxy=debug", Value(r#""info""#),
        "How much is logged."),
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
    key("limits.token_wait", Text, DURATION, Value(r#""10s""#),
        "How long a request waits for a token that is being renewed."),
    key("limits.max_connections", Number, "1 or more", Value("10000"),
        "How many client connections may be open at once; more of them wait."),
    key("limits.drain_timeout", Text, r#"a duration; "0" does not wait"#, Value(r#""10s""#),
        "How long open requests may take to finish when the daemon stops."),
    key("alibaba.region_type", Text, "CN or INTL", Value(r#""CN""#),
        "Which Alibaba Cloud site: China (CN) or international (INTL)."),
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
    key("upstream.name", Text, "1 to 32 of a-z, 0-9 and -, beginning with a letter", Words("required in an [[upstream]]; without any: one named alibaba"),
        "What the upstream is called in logs, files and variables."),
    key("upstream.mount", Text, "/ or a path without a slash at its end; unique", Words("/ for alibaba; else required"),
        "The path under which clients reach this upstream."),
    key("upstream.url", Text, "scheme and host; https:// is assumed", Words("by region for alibaba; else required"),
        "Where requests go; their own path and query are kept."),
    key("upstream.auth", Text, "alibaba-oauth, token-file or token-command", Words("alibaba-oauth"),
        "What supplies the credential: a person's login, a file, or a command."),
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
];

/// A variable that begins with `MCP_PROXY_` and is no key, with what it does.
pub const OWN_VARIABLES: &[(&str, &str)] = &[("MCP_PROXY_CONFIG", "The main file, as --config names it.")];

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
        assert_eq!(suggestion("listen.zzzzzzzzz"), "the keys of listen are host, port, allowed_hosts, allowed_origins");
        assert!(suggestion("zzzzzzzzzzzzz").starts_with("no known key"));
    }
}
