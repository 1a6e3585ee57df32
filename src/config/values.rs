//! From text to one legal value: each function either returns it or says what is wrong with the text.

use std::net::{IpAddr, SocketAddr};
use std::num::NonZeroU32;
use std::path::{Path, PathBuf};
use std::time::Duration;

use url::{Host, Url};

use crate::alibaba::settings;
use crate::alibaba::site::{Network, Site, UnknownNetwork};
use crate::config::problem::Fault;
use crate::config::units;
use crate::model::upstream::Origin;
use crate::policy::pattern::Pattern;
use crate::policy::servers::ServerRule;

const LEVELS: &[&str] = &["off", "error", "warn", "info", "debug", "trace"];

/// An address, with or without brackets, or a host name, which is not looked up here.
pub(crate) fn host(text: &str) -> Result<Host, Fault> {
    let bare = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(text);
    match bare.parse::<IpAddr>() {
        Ok(IpAddr::V4(ip)) => return Ok(Host::Ipv4(ip)),
        Ok(IpAddr::V6(ip)) => return Ok(Host::Ipv6(ip)),
        Err(_) => {}
    }
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.chars().all(|c| c.is_ascii_alphanumeric() || c == '-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    let labels: Vec<&str> = text.split('.').collect();
    // A name whose last part is a number is an address with a slip in it: 127.0.0.256.
    let is_number = labels.last().is_some_and(|last| last.chars().all(|c| c.is_ascii_digit()));
    if text.len() <= 253 && labels.iter().all(|part| label(part)) && !is_number {
        return Ok(Host::Domain(text.to_ascii_lowercase()));
    }
    Err(Fault::new(format!("{text:?} is neither an IP address nor a host name"))
        .hint("for example 127.0.0.1, 172.17.0.1, ::1, localhost"))
}

pub(crate) fn port(number: i64) -> Result<u16, Fault> {
    u16::try_from(number).map_err(|_| Fault::new(format!("{number} is not a port")).hint("legal: 0 to 65535"))
}

pub(crate) fn count(number: i64) -> Result<usize, Fault> {
    usize::try_from(number)
        .ok()
        .filter(|count| *count > 0)
        .ok_or_else(|| Fault::new(format!("{number} is too few")).hint("legal: 1 or more"))
}

/// A duration that is not zero.
pub(crate) fn some_time(text: &str) -> Result<Duration, Fault> {
    let duration = units::duration(text)?;
    if duration.is_zero() { Err(Fault::new("must be longer than 0").hint("for example \"10s\"")) } else { Ok(duration) }
}

/// A duration; zero stands for no limit.
pub(crate) fn limit(text: &str) -> Result<Option<Duration>, Fault> {
    units::duration(text).map(|duration| (!duration.is_zero()).then_some(duration))
}

/// A size; zero stands for no limit.
pub(crate) fn size_limit(text: &str) -> Result<Option<u64>, Fault> {
    units::size(text).map(|bytes| (bytes > 0).then_some(bytes as u64))
}

/// Levels, or `target=level`, separated by commas.
///
/// The logging library would take a misspelt level for the name of a target and log nothing but it.
/// It does not pass over blanks either, so none come out.
pub(crate) fn log_filter(text: &str) -> Result<String, Fault> {
    let mut directives = Vec::new();
    for directive in text.split(',').map(str::trim) {
        let (target, level) = match directive.rsplit_once('=') {
            Some((target, level)) => (Some(target.trim()), level.trim()),
            None => (None, directive),
        };
        if !LEVELS.contains(&level.to_ascii_lowercase().as_str()) {
            return Err(
                Fault::new(format!("{level:?} is not a level")).hint(format!("the levels are {}", LEVELS.join(", ")))
            );
        }
        let legal = |target: &str| {
            !target.is_empty()
                && target.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | ':' | '-' | '.'))
        };
        if let Some(target) = target.filter(|target| !legal(target)) {
            let fault = Fault::new(format!("{target:?} is not a log target"));
            return Err(fault.hint("write target=level, such as mcp_proxy=debug"));
        }
        directives.push(target.map_or_else(|| level.to_owned(), |target| format!("{target}={level}")));
    }
    Ok(directives.join(","))
}

pub(crate) fn site(text: &str) -> Result<Site, Fault> {
    text.parse().map_err(|_| Fault::new(format!("invalid region type: {text:?}")).hint("must be CN or INTL"))
}

pub(crate) fn network(text: &str) -> Result<Network, Fault> {
    text.parse().map_err(|error: UnknownNetwork| Fault::new(error.to_string()))
}

/// What supplies a credential.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Auth {
    AlibabaOauth,
    AccessKey,
    TokenFile,
    TokenCommand,
}

impl Auth {
    /// As it is written.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::AlibabaOauth => "alibaba-oauth",
            Self::AccessKey => "access-key",
            Self::TokenFile => "token-file",
            Self::TokenCommand => "token-command",
        }
    }
}

pub(crate) fn auth(text: &str) -> Result<Auth, Fault> {
    match text {
        "alibaba-oauth" => Ok(Auth::AlibabaOauth),
        "access-key" => Ok(Auth::AccessKey),
        "token-file" => Ok(Auth::TokenFile),
        "token-command" => Ok(Auth::TokenCommand),
        _ => Err(Fault::new(format!("{text:?} is not a kind of login"))
            .hint("legal: alibaba-oauth, access-key, token-file, token-command")),
    }
}

/// A program and its arguments. The program is a path, or a name that is looked up in PATH.
pub(crate) fn command(words: &[String]) -> Result<Vec<String>, Fault> {
    if words.iter().any(|word| word.contains('\0')) || words.first().is_none_or(|program| program.trim().is_empty()) {
        return Err(Fault::new("names no program").hint("for example [\"/usr/local/bin/get-token\", \"--json\"]"));
    }
    Ok(words.to_vec())
}

/// A name that is passed on: not empty, no control characters.
pub(crate) fn name(text: &str) -> Result<String, Fault> {
    if text.trim().is_empty() {
        return Err(Fault::new("must not be empty").hint("leave the key out to have the default"));
    }
    if text.chars().any(char::is_control) {
        return Err(Fault::new("contains a control character"));
    }
    Ok(text.to_owned())
}

pub(crate) fn app_name(text: &str) -> Result<String, Fault> {
    settings::parse_app_name(text).map_err(Fault::new)
}

pub(crate) fn scope(text: &str) -> Result<String, Fault> {
    settings::parse_scope(text).map_err(Fault::new)
}

pub(crate) fn client_id(text: &str) -> Result<String, Fault> {
    settings::parse_client_id(text).map_err(Fault::new)
}

pub(crate) fn safety_rules(text: &str) -> Result<String, Fault> {
    settings::parse_safety_rules(text)
        .map_err(|why| Fault::new(why).hint("for example \"ecs:describe-*=allow,*=deny\""))
}

/// Names of tools.
pub(crate) fn tools(names: &[String]) -> Result<Vec<String>, Fault> {
    names.iter().map(|text| name(text)).collect()
}

/// The boundary of a token: JSON, or the path of a file with it.
pub(crate) fn boundary(text: &str, home: Option<&Path>) -> Result<String, Fault> {
    let hint = "for example '{\"Version\": \"1\", \"Statement\": [{\"Effect\": \"Deny\", \"Action\": \"ram:*\", \
                \"Resource\": \"*\"}]}'";
    if text.trim_start().starts_with('{') {
        return settings::parse_boundary(text).map_err(|why| Fault::new(why).hint(hint));
    }
    let path = path(text, home)?;
    let read = std::fs::read_to_string(&path)
        .map_err(|error| Fault::new(format!("cannot read {}: {error}", path.display())))?;
    settings::parse_boundary(&read).map_err(|why| Fault::new(format!("{}: {why}", path.display())).hint(hint))
}

/// An absolute path, or one below the home directory.
pub(crate) fn path(text: &str, home: Option<&Path>) -> Result<PathBuf, Fault> {
    if let Some(rest) = text.strip_prefix("~/") {
        let fault =
            || Fault::new(format!("{text:?} needs a home directory, and HOME is not set")).hint("write the whole path");
        return home.map(|home| home.join(rest)).ok_or_else(fault);
    }
    if text.starts_with('/') && !text.contains('\0') {
        return Ok(PathBuf::from(text));
    }
    // A daemon's working directory is nobody's intention.
    Err(Fault::new(format!("{text:?} is not an absolute path")).hint("begin it with / or ~/"))
}

/// The longest path of a Unix socket, in bytes: it ends with a zero in the 108 of its address (unix(7)).
const LONGEST_SOCKET: usize = 107;

/// The path of a Unix socket; `None` for none.
pub(crate) fn socket(text: &str, home: Option<&Path>) -> Result<Option<PathBuf>, Fault> {
    if text.is_empty() || text == "off" { Ok(None) } else { socket_path(text, home).map(Some) }
}

fn socket_path(text: &str, home: Option<&Path>) -> Result<PathBuf, Fault> {
    let path = path(text, home)?;
    if path.as_os_str().len() > LONGEST_SOCKET {
        return Err(Fault::new(format!("{text:?} is too long for a socket"))
            .hint(format!("the whole path may have {LONGEST_SOCKET} bytes")));
    }
    Ok(path)
}

/// Paths of Unix sockets, each once.
pub(crate) fn socket_paths(items: &[String], home: Option<&Path>) -> Result<Vec<PathBuf>, Fault> {
    let paths = each(items, |item| socket_path(item, home))?;
    match paths.iter().enumerate().find(|(at, path)| paths[..*at].contains(path)) {
        Some((_, twice)) => Err(Fault::new(format!("{:?} stands there twice", twice.display()))),
        None => Ok(paths),
    }
}

/// An IP address and a port; `None` for none.
pub(crate) fn optional_address(text: &str) -> Result<Option<SocketAddr>, Fault> {
    if text.is_empty() || text == "off" {
        return Ok(None);
    }
    let fault = || Fault::new(format!("{text:?} is not an address with a port")).hint("for example \"127.0.0.1:9464\"");
    text.parse().map(Some).map_err(|_| fault())
}

/// Where a collector of traces takes them; `None` for none. A URL without the path of OTLP gets it (OTLP/HTTP, "OTLP/HTTP
/// Request"). What carries a password is not repeated in the message.
pub(crate) fn collector(text: &str) -> Result<Option<Url>, Fault> {
    const PATH: &str = "/v1/traces";
    const HINT: &str = "for example \"http://127.0.0.1:4318\"";
    if text.is_empty() || text == "off" {
        return Ok(None);
    }
    if text.contains(['@', '?', '#']) {
        return Err(Fault::new("the URL carries a user name, a query or a fragment").hint(HINT));
    }
    let url = Url::parse(text).ok().filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
    let mut url = url.ok_or_else(|| Fault::new(format!("{text:?} is no URL with http or https")).hint(HINT))?;
    let path = url.path().trim_end_matches('/').to_owned();
    if !path.ends_with(PATH) {
        url.set_path(&format!("{path}{PATH}"));
    }
    Ok(Some(url))
}

/// The mode of a file, in octal digits.
pub(crate) fn mode(text: &str) -> Result<u32, Fault> {
    let octal = (3..=4).contains(&text.len()) && text.chars().all(|c| c.is_digit(8));
    let mode = u32::from_str_radix(text, 8).ok().filter(|mode| octal && *mode <= 0o777);
    mode.ok_or_else(|| {
        Fault::new(format!("{text:?} is not the mode of a file")).hint("for example \"0600\" or \"0660\"")
    })
}

/// A path, or the name of a systemd credential (systemd.exec(5), "Credentials").
pub(crate) fn credential_or_path(
    text: &str,
    credentials: Option<&Path>,
    home: Option<&Path>,
) -> Result<PathBuf, Fault> {
    if text.is_empty() || text.contains('/') {
        return path(text, home);
    }
    let fault = || {
        Fault::new(format!("{text:?} is the name of a systemd credential, and systemd passed none"))
            .hint(format!("add LoadCredential={text}:/path to the unit, or write the path of a file"))
    };
    credentials.map(|directory| directory.join(text)).ok_or_else(fault)
}

/// The path under which an upstream is reached: `/`, or whole plain segments.
pub(crate) fn mount(text: &str) -> Result<String, Fault> {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_' | '~');
    let fault = |what: &str| Err(Fault::new(format!("{text:?} {what}")).hint("for example / or /github"));
    if text == "/" {
        return Ok(text.to_owned());
    }
    let Some(segments) = text.strip_prefix('/') else { return fault("does not begin with /") };
    if text.ends_with('/') {
        return fault("ends with /");
    }
    for segment in segments.split('/') {
        if matches!(segment, "" | "." | "..") {
            return fault("has an empty or dotted segment");
        }
        if !segment.chars().all(plain) {
            return fault("has a character other than letters, digits and - . _ ~");
        }
    }
    Ok(text.to_owned())
}

/// Where an upstream is. What carries a password is not repeated in the message.
pub(crate) fn origin(text: &str, allow_cleartext: bool) -> Result<Origin, Fault> {
    if text.contains('@') {
        return Err(Fault::new("the URL carries a user name or password")
            .hint("leave it out; the credential comes from the login"));
    }
    let origin = Origin::parse(text).map_err(Fault::new)?;
    if origin.is_cleartext_to_another_machine() && !allow_cleartext {
        return Err(Fault::new(format!("{text:?} would carry the credential over the network unencrypted"))
            .hint("write https://, or set allow_cleartext = true on this upstream"));
    }
    Ok(origin)
}

/// Names, ids or path prefixes of MCP servers.
pub(crate) fn servers(items: &[String]) -> Result<Vec<ServerRule>, Fault> {
    each(items, |item| {
        // A list in a variable or flag comes without blanks; in a file they are a slip.
        if item.trim() != item || item.is_empty() || item.chars().any(char::is_control) {
            return Err(Fault::new(format!("{item:?} is not the name, id or path prefix of a server")));
        }
        ServerRule::parse(item).map_err(Fault::new)
    })
}

/// Names of methods or tools, or patterns for them.
pub(crate) fn patterns(items: &[String]) -> Result<Vec<Pattern>, Fault> {
    each(items, |item| Pattern::parse(item).map_err(Fault::new))
}

/// How many of something: at least one.
pub(crate) fn many(number: i64) -> Result<NonZeroU32, Fault> {
    let fault = || Fault::new(format!("{number} is out of range")).hint("legal: 1 or more; leave it out for no limit");
    u32::try_from(number).ok().and_then(NonZeroU32::new).ok_or_else(fault)
}

/// A size that is not zero.
pub(crate) fn some_size(text: &str) -> Result<u64, Fault> {
    let fault = || Fault::new("must be more than 0").hint("leave it out for no limit of its own");
    size_limit(text)?.ok_or_else(fault)
}

/// Host names and addresses under which clients may call; an IPv6 address without its brackets.
pub(crate) fn hosts(items: &[String]) -> Result<Vec<String>, Fault> {
    each(items, |item| {
        host(item).map(|host| match host {
            Host::Domain(name) => name,
            Host::Ipv4(ip) => ip.to_string(),
            Host::Ipv6(ip) => ip.to_canonical().to_string(),
        })
    })
}

/// Web origins: scheme, host and port, nothing else (RFC 6454 §6.2).
pub(crate) fn origins(items: &[String]) -> Result<Vec<String>, Fault> {
    each(items, |item| {
        let origin = Url::parse(item).ok().map(|url| url.origin()).filter(url::Origin::is_tuple);
        if let Some(origin) = origin.map(|origin| origin.ascii_serialization()).filter(|origin| origin == item) {
            return Ok(origin);
        }
        Err(Fault::new(format!("{item:?} is not a web origin")).hint("for example https://app.example.com"))
    })
}

/// Every entry of a list, or what is wrong with each that is wrong.
fn each<T>(items: &[String], judge: impl Fn(&str) -> Result<T, Fault>) -> Result<Vec<T>, Fault> {
    let (mut legal, mut faults) = (Vec::new(), Vec::new());
    for item in items {
        match judge(item) {
            Ok(value) => legal.push(value),
            Err(fault) => faults.push(fault),
        }
    }
    let Some(hint) = faults.first().map(|fault| fault.hint.clone()) else { return Ok(legal) };
    let what: Vec<String> = faults.into_iter().map(|fault| fault.what).collect();
    Err(Fault { what: what.join("; "), hint })
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, Ipv6Addr};

    use super::*;

    #[track_caller]
    fn all_wrong<T: std::fmt::Debug>(read: impl Fn(&str) -> Result<T, Fault>, texts: &[&str]) {
        for text in texts {
            assert!(read(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn hosts() {
        assert_eq!(host("127.0.0.1"), Ok(Host::Ipv4(Ipv4Addr::LOCALHOST)));
        assert_eq!(host("::1"), Ok(Host::Ipv6(Ipv6Addr::LOCALHOST)));
        assert_eq!(host("[::1]"), Ok(Host::Ipv6(Ipv6Addr::LOCALHOST)));
        assert_eq!(host("LocalHost"), Ok(Host::Domain("localhost".to_owned())));
        assert!(host("gw-1.example.org").is_ok());
        all_wrong(host, &["", "127.0.0.256", "a b", "-a", "a..b", "http://x", "x:80", "[x]", &"a".repeat(64)]);
    }

    #[test]
    fn numbers() {
        assert_eq!((port(0), port(65_535)), (Ok(0), Ok(65_535)));
        assert!(port(-1).is_err() && port(65_536).is_err());
        assert_eq!(count(1), Ok(1));
        assert!(count(0).is_err() && count(-1).is_err());
    }

    #[test]
    fn a_misspelt_level_is_not_a_target() {
        for text in ["info", "INFO", "info,mcp_proxy=debug"] {
            assert_eq!(log_filter(text).as_deref(), Ok(text));
        }
        assert_eq!(log_filter("warn, hyper::client = off").as_deref(), Ok("warn,hyper::client=off"));
        all_wrong(log_filter, &["", "inof", "info,", "mcp_proxy", "a b=debug", "=debug", "x=loud"]);
    }

    #[test]
    fn regions_are_listed() {
        assert_eq!((site("CN"), site("INTL")), (Ok(Site::Cn), Ok(Site::Intl)));
        let fault = site("cn").unwrap_err();
        assert_eq!(fault, Fault::new("invalid region type: \"cn\"").hint("must be CN or INTL"));
        assert_eq!(
            auth("static").unwrap_err().hint.as_deref(),
            Some("legal: alibaba-oauth, access-key, token-file, token-command")
        );
    }

    #[test]
    fn paths() {
        let home = Path::new("/home/a");
        assert_eq!(path("~/x", Some(home)), Ok("/home/a/x".into()));
        assert_eq!(path("/x", None), Ok("/x".into()));
        assert!(path("~/x", None).is_err());
        all_wrong(|text| path(text, Some(home)), &["", "x", "./x", "~x", "/a\0b"]);
    }

    #[test]
    fn sockets() {
        let home = Some(Path::new("/home/a"));
        assert_eq!(
            socket_paths(&list(&["/run/x.sock", "~/y"]), home),
            Ok(vec!["/run/x.sock".into(), "/home/a/y".into()])
        );
        for bad in [&["x.sock"][..], &["/x", "/x"], &[&format!("/{}", "x".repeat(107))]] {
            assert!(socket_paths(&list(bad), home).is_err(), "{bad:?}");
        }
        assert_eq!((mode("0600"), mode("666")), (Ok(0o600), Ok(0o666)));
        all_wrong(mode, &["", "6", "0800", "1777", "+600", "-600", "rw", "00600"]);
        assert_eq!(socket("~/x.sock", home), Ok(Some("/home/a/x.sock".into())));
        assert_eq!((socket("", None), socket("off", None)), (Ok(None), Ok(None)));
        all_wrong(|text| socket(text, None), &["x", "on", "~/x", &format!("/{}", "a".repeat(107))]);
    }

    #[test]
    fn mounts_are_whole_segments() {
        for text in ["/", "/a", "/a/b-1.2"] {
            assert_eq!(mount(text).as_deref(), Ok(text));
        }
        all_wrong(mount, &["", "a", "/a/", "//", "/a//b", "/a/../b", "/.", "/a%2fb", "/a b", "/a?b", "/ä"]);
    }

    #[test]
    fn nothing_goes_in_the_clear_unasked() {
        assert!(origin("gw.example", false).is_ok());
        assert!(origin("http://127.0.0.1:1", false).is_ok());
        assert!(origin("http://gw.example", false).unwrap_err().hint.unwrap().contains("allow_cleartext"));
        assert!(origin("http://gw.example", true).is_ok());
        assert!(!origin("https://a:hush@gw.example", false).unwrap_err().what.contains("hush"));
    }

    #[test]
    fn words() {
        // Several scopes are the vendor's to allow; a list in another form is not.
        assert_eq!(scope("openid /acs/mcp-server").as_deref(), Ok("openid /acs/mcp-server"));
        all_wrong(scope, &["", " ", "a  b", " a", "a,b ", "a;b", "a\nb"]);
        assert!(scope("/acs/mcp-server").is_ok());
        assert!(name(" ").is_err() && name("a\nb").is_err() && name("my app").is_ok());
        assert!(app_name("a b").is_err() && app_name("my-app").is_ok());
        assert!(some_time("0").is_err());
        assert_eq!((limit("0"), size_limit("0"), size_limit("1KiB")), (Ok(None), Ok(None), Ok(Some(1024))));
    }

    fn list(items: &[&str]) -> Vec<String> {
        items.iter().map(|item| (*item).to_owned()).collect()
    }

    #[test]
    fn every_bad_entry_of_a_list_is_named() {
        let rules = |items: &[&str]| servers(&list(items));
        assert_eq!(
            rules(&["a", "/accounts/1"]),
            Ok(vec![
                ServerRule::NameOrId("a".to_owned()),
                ServerRule::Path(vec!["accounts".to_owned(), "1".to_owned()])
            ])
        );
        for bad in [" a", "", "a\nb", "a/b", "/", "/a/../b"] {
            let fault = rules(&["fine", bad]).unwrap_err();
            assert!(fault.what.starts_with(&format!("{bad:?} ")) && !fault.what.contains("fine"), "{fault:?}");
        }
        let fault = rules(&["", "fine", "a/b"]).unwrap_err();
        assert!(fault.what.contains("\"\" is not") && fault.what.contains("; \"a/b\" is"), "{fault:?}");
    }

    #[test]
    fn callers_are_named_exactly() {
        assert_eq!(
            super::hosts(&list(&["Gw.Example", "::1", "[fd00::1]"])),
            Ok(list(&["gw.example", "::1", "fd00::1"]))
        );
        for bad in ["gw.example:8088", "http://gw.example", "*.example", "", "a b"] {
            assert!(super::hosts(&list(&[bad])).unwrap_err().what.contains(&format!("{bad:?}")), "{bad}");
        }
        let fine = list(&["https://app.example.com", "http://localhost:3000"]);
        assert_eq!(origins(&fine), Ok(fine));
        for bad in [
            "*",
            "null",
            "",
            "app.example",
            "https://app.example/",
            "https://App.example",
            "https://a.example:443",
            "file:///x",
        ] {
            assert!(origins(&list(&[bad])).unwrap_err().what.contains(&format!("{bad:?}")), "{bad}");
        }
    }
}
