//! Layers that are given as single texts: environment variables and command line flags.

use std::ffi::OsString;
use std::path::PathBuf;

use figment::value::Value;

use crate::config::keys::{self, Key, Kind, OWN_VARIABLES};
use crate::config::layer::{LISTS, Layer, entry_of};
use crate::config::problem::{Fault, Place, Problem};
use crate::model::upstream::UpstreamName;

/// What all our variables begin with.
pub const VARIABLE_PREFIX: &str = "MCP_PROXY_";

/// The flags of the command line, as they were typed; `None`: not given.
///
/// They are judged here, so that a flag, a variable and a file get the same answer to the same slip.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Flags {
    /// `--config FILE`.
    pub config: Option<PathBuf>,
    /// `--host`.
    pub host: Option<String>,
    /// `--port`.
    pub port: Option<String>,
    /// `--no-browser`.
    pub no_browser: bool,
    /// `--oauth-app-name`.
    pub oauth_app_name: Option<String>,
    /// `--region-type`.
    pub region_type: Option<String>,
    /// `--upstream-url`.
    pub upstream_url: Option<String>,
    /// `--scope`.
    pub scope: Option<String>,
    /// `--allowed-servers`, separated by commas.
    pub allowed_servers: Option<String>,
    /// `--blocked-servers`, separated by commas.
    pub blocked_servers: Option<String>,
    /// `--profile`.
    pub profile: Option<String>,
}

/// The upstream that the flags of the aliyun CLI are about.
pub(crate) const DEFAULT_UPSTREAM: &str = "alibaba";

pub(crate) fn flags(flags: &Flags) -> (Layer, Vec<Problem>) {
    let browser = flags.no_browser.then(|| "false".to_owned());
    let given = [
        ("--host", "listen.host", &flags.host),
        ("--port", "listen.port", &flags.port),
        ("--no-browser", "login.browser", &browser),
        ("--oauth-app-name", "alibaba.oauth_app_name", &flags.oauth_app_name),
        ("--region-type", "alibaba.region_type", &flags.region_type),
        ("--scope", "alibaba.scope", &flags.scope),
        ("--profile", "alibaba.profile", &flags.profile),
        ("--upstream-url", "upstream.alibaba.url", &flags.upstream_url),
        ("--allowed-servers", "upstream.alibaba.allowed_servers", &flags.allowed_servers),
        ("--blocked-servers", "upstream.alibaba.blocked_servers", &flags.blocked_servers),
    ];
    let (mut layer, mut problems) = (Layer::new("flags"), Vec::new());
    for (flag, path, text) in given {
        if let Some(text) = text {
            set(&mut layer, &mut problems, path, text, Place::Flag(flag));
        }
    }
    (layer, problems)
}

/// Takes the variables that are ours: `MCP_PROXY_LISTEN__PORT` is `listen.port`, and
/// `MCP_PROXY_UPSTREAM__MY_CLOUD__URL` is the `url` of the upstream `my-cloud`.
pub(crate) fn variables(environment: &[(OsString, OsString)]) -> (Layer, Vec<Problem>) {
    let (mut layer, mut problems) = (Layer::new("environment"), Vec::new());
    let mut ours: Vec<_> = environment
        .iter()
        .map(|(name, value)| (name.to_string_lossy(), value))
        .filter(|(name, _)| name.starts_with(VARIABLE_PREFIX))
        .filter(|(name, _)| OWN_VARIABLES.iter().all(|(own, _)| own != name))
        .collect();
    ours.sort();
    for (name, value) in ours {
        let path = path_of(&name);
        let place = Place::Variable(name.into_owned());
        match value.to_str() {
            Some(text) => set(&mut layer, &mut problems, &path, text, place),
            None => problems.push(Problem::new(place, path, Fault::new("the value is not UTF-8"))),
        }
    }
    (layer, problems)
}

fn path_of(variable: &str) -> String {
    let path = variable.strip_prefix(VARIABLE_PREFIX).unwrap_or(variable).to_ascii_lowercase().replace("__", ".");
    match entry_of(&path) {
        // A variable cannot have a dash in its name, and an upstream or a client cannot have an underscore.
        Some((_, name)) => path.replacen(name, &name.replace('_', "-"), 1),
        None => path,
    }
}

/// Sets one value; `path` may be anything.
fn set(layer: &mut Layer, problems: &mut Vec<Problem>, path: &str, text: &str, place: Place) {
    let entry = entry_of(path);
    let known = entry.map_or_else(|| path.to_owned(), |(_, name)| path.replacen(&format!(".{name}."), ".", 1));
    // The name is in the path already; and `upstream.url` alone does not say whose.
    let settable = match entry {
        Some((_, name)) => !known.ends_with(".name") && UpstreamName::parse(name).is_some(),
        None => !LISTS.iter().any(|list| path.strip_prefix(list).is_some_and(|rest| rest.starts_with('.'))),
    };
    let Some(key) = keys::find(&known).filter(|_| settable) else {
        problems.push(Problem::new(place, path, unknown(&known)));
        return;
    };
    match typed(key, text) {
        Ok(value) => {
            if let Some((list, name)) = entry {
                layer.set(format!("{list}.{name}.name"), name, Place::BuiltIn);
            }
            layer.set(path, value, place);
        }
        Err(fault) => problems.push(Problem::new(place, path, fault)),
    }
}

fn unknown(known: &str) -> Fault {
    if keys::looks_secret(known) {
        return Fault::new("unknown key, and it looks like a secret").hint(keys::SECRETS_GO);
    }
    let hint = match known.split_once('.').filter(|_| keys::find(known).is_some()) {
        Some((list, _)) => {
            let (article, upper) = (if list == "upstream" { "an" } else { "a" }, list.to_uppercase());
            format!(
                "{article} {list}'s key is set by {VARIABLE_PREFIX}{upper}__<NAME>__<KEY>; the name itself cannot be changed"
            )
        }
        None => keys::suggestion(known),
    };
    Fault::new("unknown key").hint(hint)
}

fn typed(key: &Key, text: &str) -> Result<Value, Fault> {
    let fault =
        || Fault::new(format!("{text:?} is not {}", key.kind.in_words())).hint(format!("legal: {}", key.values));
    match key.kind {
        Kind::Text => Ok(Value::from(text)),
        Kind::Bool => text.parse::<bool>().map(Value::from).map_err(|_| fault()),
        Kind::Number => text.parse::<i64>().map(Value::from).map_err(|_| fault()),
        Kind::List => {
            let items: Vec<&str> = text.split(',').map(str::trim).filter(|item| !item.is_empty()).collect();
            Ok(Value::from(items))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(pairs: &[(&str, &str)]) -> (Vec<String>, Vec<String>) {
        let pairs: Vec<_> = pairs.iter().map(|(name, value)| (name.into(), value.into())).collect();
        let (layer, problems) = variables(&pairs);
        (layer.places().map(|(path, _)| path.to_owned()).collect(), problems.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn variables_nest_by_two_underscores() {
        let (paths, problems) = read(&[
            ("MCP_PROXY_STATE_DIR", "/x"),
            ("MCP_PROXY_LISTEN__PORT", "1"),
            ("MCP_PROXY_ALIBABA__ENDPOINTS__IMS", "https://x"),
            ("MCP_PROXY_UPSTREAM__MY_CLOUD__ALLOWED_SERVERS", "a, b,"),
            ("MCP_PROXY_CONFIG", "/x"),
            ("PATH", "/bin"),
        ]);
        assert_eq!(problems, [""; 0]);
        assert_eq!(
            paths,
            [
                "alibaba.endpoints.ims",
                "listen.port",
                "state_dir",
                "upstream.my-cloud.allowed_servers",
                "upstream.my-cloud.name"
            ]
        );
    }

    #[test]
    fn unknown_variables_are_problems() {
        let (paths, problems) = read(&[
            ("MCP_PROXY_PORT", "1"),
            ("MCP_PROXY_LISTEN__PORT", "x"),
            ("MCP_PROXY_UPSTREAM__URL", "x"),
            ("MCP_PROXY_UPSTREAM__A__NAME", "x"),
            ("MCP_PROXY_ALIBABA__ACCESS_KEY_SECRET", "hush"),
        ]);
        assert_eq!(paths, [""; 0]);
        assert_eq!(problems.len(), 5, "{problems:?}");
        assert!(problems[0].contains("systemd credentials") && !problems[0].contains("hush"), "{problems:?}");
        assert_eq!(
            problems[1],
            "environment variable MCP_PROXY_LISTEN__PORT: listen.port: \"x\" is not an integer; legal: 0 to 65535; 0 takes any free port"
        );
        assert!(problems[2].contains("the nearest known key is listen.port"), "{problems:?}");
        assert!(problems[3].contains("UPSTREAM__<NAME>__<KEY>"), "{problems:?}");
    }

    #[test]
    fn a_value_that_is_not_utf_8_is_named() {
        use std::os::unix::ffi::OsStringExt;
        let (_, problems) = variables(&[("MCP_PROXY_STATE_DIR".into(), OsString::from_vec(vec![0xff]))]);
        assert_eq!(
            problems[0].to_string(),
            "environment variable MCP_PROXY_STATE_DIR: state_dir: the value is not UTF-8"
        );
    }

    #[test]
    fn every_flag_has_a_known_key() {
        let text = || Some("1".to_owned());
        let all = Flags {
            config: None,
            host: text(),
            port: text(),
            no_browser: true,
            oauth_app_name: text(),
            region_type: text(),
            upstream_url: text(),
            scope: text(),
            allowed_servers: text(),
            blocked_servers: text(),
            profile: text(),
        };
        let (layer, problems) = flags(&all);
        assert_eq!(problems, []);
        assert_eq!(layer.places().filter(|(_, place)| matches!(place, Place::Flag(_))).count(), 10);
    }
}
