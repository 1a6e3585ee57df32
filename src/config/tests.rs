//! The whole way, from files, variables and flags to settings or problems.

use std::fs;
use std::num::NonZeroU32;
use std::path::Path;
use std::time::Duration;

use crate::alibaba::settings::Settings as AlibabaSettings;
use crate::alibaba::site::{EndpointOverrides, Endpoints, Site};
use crate::config::problem::Place;
use crate::config::settings::{Auth, Upstream};
use crate::config::text::Flags;
use crate::config::{Inputs, Loaded, load};
use crate::model::client::ClientName;
use crate::net::settings::Settings as NetSettings;
use crate::policy::certificate::CertificatePattern;
use crate::policy::client::{Access, Client, Clients, Criteria, Others, UnitPattern};
use crate::policy::grant::Grant;
use crate::policy::pattern::{Pattern, Patterns};
use crate::policy::servers::{ServerRule, ServerRules};
use crate::proxy::settings::Settings as ProxySettings;

/// A directory with a main file and, by name, files of `conf.d`.
struct Machine {
    directory: tempfile::TempDir,
    inputs: Inputs,
}

impl Machine {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        fs::create_dir(directory.path().join("conf.d")).unwrap();
        let main_file = directory.path().join("main.toml");
        let mut inputs = Inputs { main_file, uid: 1000, ..Inputs::default() };
        inputs.environment.push(("HOME".into(), "/home/a".into()));
        Self { directory, inputs }
    }

    fn file(self, name: &str, text: &str) -> Self {
        fs::write(self.directory.path().join(name), text).unwrap();
        self
    }

    fn variable(mut self, name: &str, value: &str) -> Self {
        self.inputs.environment.push((name.into(), value.into()));
        self
    }

    fn flags(mut self, flags: Flags) -> Self {
        self.inputs.flags = flags;
        self
    }

    #[track_caller]
    fn loads(&self) -> Loaded {
        load(&self.inputs).unwrap_or_else(|problems| panic!("{problems:#?}"))
    }

    /// The problems as lines, the directory's name taken out.
    #[track_caller]
    fn fails(&self) -> Vec<String> {
        let directory = format!("{}/", self.directory.path().display());
        let problems = load(&self.inputs).map(|loaded| loaded.settings).unwrap_err();
        problems.iter().map(|problem| problem.to_string().replace(&directory, "")).collect()
    }
}

const SYSTEM_SOCKET: &str = "/run/mcp-proxy/control.sock";

#[test]
fn the_control_socket_is_sought_where_a_daemon_of_this_user_or_the_systems_has_it() {
    let own = "/run/user/1000/mcp-proxy/control.sock";
    let control = |variables: &[(&str, &str)], uid: u32, file: &str| {
        let machine = Machine::new().file("main.toml", file);
        let mut machine = variables.iter().fold(machine, |machine, (name, value)| machine.variable(name, value));
        machine.inputs.uid = uid;
        let control = machine.loads().settings.control;
        let text = |path: &std::path::PathBuf| path.display().to_string();
        (control.socket.as_ref().map(text), control.sought.iter().map(text).collect::<Vec<_>>())
    };
    let found = |socket: &str, sought: &[&str]| {
        (Some(socket.to_owned()), sought.iter().map(|path| (*path).to_owned()).collect::<Vec<_>>())
    };
    let xdg = ("XDG_RUNTIME_DIR", "/run/user/1000");
    assert_eq!(control(&[xdg], 1000, ""), found(own, &[own, SYSTEM_SOCKET]));
    assert_eq!(control(&[xdg], 0, ""), found(SYSTEM_SOCKET, &[SYSTEM_SOCKET]));
    // The system's daemon is not root; systemd says where its directory is.
    let passed = ("RUNTIME_DIRECTORY", "/run/mcp-proxy:/run/other");
    assert_eq!(control(&[passed], 990, ""), found(SYSTEM_SOCKET, &[SYSTEM_SOCKET]));
    // A named one is the only one.
    assert_eq!(control(&[xdg], 1000, "[control]\nsocket = \"/x\"\n"), found("/x", &["/x"]));
    assert_eq!(control(&[xdg], 0, "[control]\nsocket = \"off\"\n"), (None, Vec::new()));
}

#[test]
fn with_nothing_set_the_defaults_hold() {
    let loaded = Machine::new().loads();
    let settings = &loaded.settings;
    assert_eq!((settings.listen.host.to_string().as_str(), settings.listen.port), ("127.0.0.1", 8088));
    assert!(settings.open_browser);
    let control = &settings.control;
    assert_eq!((control.socket.as_deref(), control.sought.as_slice()), (None, [SYSTEM_SOCKET.into()].as_slice()));
    assert_eq!(settings.log.level, "info");
    assert_eq!(settings.state_dir, Path::new("/home/a/.local/state/mcp-proxy"));
    assert_eq!(settings.net, NetSettings::default());
    let proxy = ProxySettings {
        clients: Clients::default(),
        allowed_hosts: Vec::new(),
        allowed_origins: Vec::new(),
        header_timeout: Duration::from_secs(10),
        idle_timeout: Duration::from_secs(120),
        max_connections: 10_000,
        request_body_limit: Some(256 << 20),
        replay_limit: 1 << 20,
        first_byte_timeout: Some(Duration::from_secs(120)),
        token_wait: Duration::from_secs(10),
        sse_keep_alive: None,
        drain_timeout: Duration::from_secs(10),
    };
    assert_eq!(settings.proxy, proxy);
    let [upstream] = settings.upstreams.as_slice() else { panic!("{:?}", settings.upstreams) };
    assert_eq!((upstream.proxy.name.as_str(), upstream.proxy.mount.as_str()), ("alibaba", "/"));
    assert_eq!(upstream.proxy.origin.to_string(), "https://openapi-mcp.cn-hangzhou.aliyuncs.com");
    assert!(upstream.proxy.rules.are_empty());
    let alibaba = AlibabaSettings {
        site: Site::Cn,
        endpoints: Endpoints::resolve(Site::Cn, &EndpointOverrides::default()).unwrap(),
        oauth_app_name: None,
        scope: "/acs/mcp-server".to_owned(),
        profile: None,
        aliyun_config_file: Some("/home/a/.aliyun/config.json".into()),
    };
    assert_eq!(upstream.auth, Auth::AlibabaOauth(Box::new(alibaba)));
    assert!(loaded.files.is_empty() && loaded.places.is_empty());
}

#[test]
fn later_layers_win() {
    let machine = Machine::new()
        .file("main.toml", "[listen]\nhost = \"::1\"\nport = 1\n[log]\nlevel = \"warn\"\n[alibaba]\nprofile = \"p\"\n")
        .file("conf.d/20-b.toml", "listen.port = 3\nlog.level = \"debug\"\n")
        .file("conf.d/10-a.toml", "listen.port = 2\n")
        .file("conf.d/.hidden.toml", "[")
        .file("conf.d/30-c.toml.bak", "[")
        .variable("MCP_PROXY_LOG__LEVEL", "error")
        .variable("MCP_PROXY_LISTEN__PORT", "4")
        .flags(Flags { port: Some("5".to_owned()), no_browser: true, ..Flags::default() });
    let loaded = machine.loads();
    let settings = &loaded.settings;
    assert_eq!((settings.listen.host.to_string().as_str(), settings.listen.port), ("[::1]", 5));
    assert_eq!((settings.log.level.as_str(), settings.open_browser), ("error", false));
    let names: Vec<_> = loaded.files.iter().map(|file| file.file_name().unwrap().to_str().unwrap()).collect();
    assert_eq!(names, ["main.toml", "10-a.toml", "20-b.toml"]);
    assert_eq!(loaded.places["listen.port"], Place::Flag("--port"));
    assert_eq!(loaded.places["log.level"], Place::Variable("MCP_PROXY_LOG__LEVEL".to_owned()));
    assert_eq!(loaded.places["alibaba.profile"], Place::File { path: loaded.files[0].clone(), at: Some((7, 11)) });
}

#[test]
fn all_problems_are_reported_at_once_and_in_order() {
    let machine = Machine::new()
        .file(
            "main.toml",
            "[listen]\nprot = 1\nhost = \"a b\"\n[log]\nlevel = \"inof\"\n[limits]\nmax_connections = \"x\"\n",
        )
        .file("conf.d/a.toml", "[alibaba]\nregion_type = \n")
        .file("conf.d/b.toml", "network.api_timeout = \"soon\"\nnetwork.connect_timeout = \"0\"\n")
        .variable("MCP_PROXY_LISTEN__PORT", "99999")
        .flags(Flags { region_type: Some("xx".to_owned()), ..Flags::default() });
    let found = machine.fails();
    let expected = [
        "main.toml:2:1: listen.prot: unknown key; the nearest known key is listen.port",
        "main.toml:3:8: listen.host: \"a b\" is neither an IP address nor a host name; for example",
        "main.toml:5:9: log.level: \"inof\" is not a level; the levels are off, error",
        "main.toml:7:19: limits.max_connections: is a string, but must be an integer",
        "conf.d/a.toml:2:15: not valid TOML: ",
        "conf.d/b.toml:1:23: network.api_timeout: \"soon\" is not a duration",
        "conf.d/b.toml:2:27: network.connect_timeout: must be longer than 0",
        "environment variable MCP_PROXY_LISTEN__PORT: listen.port: 99999 is not a port; legal: 0 to 65535",
        "--region-type: invalid region type: \"xx\"; must be CN or INTL",
    ];
    assert_eq!(found.len(), expected.len(), "{found:#?}");
    for (found, expected) in found.iter().zip(expected) {
        assert!(found.starts_with(expected), "{found}\nis not\n{expected}");
    }
}

#[test]
fn a_named_file_must_exist() {
    let absent = |machine: &Machine| machine.directory.path().join("absent.toml");
    let machine = Machine::new();
    let file = absent(&machine);
    let by_flag = machine.flags(Flags { config: Some(file), ..Flags::default() }).fails();
    assert!(
        by_flag[0].starts_with("absent.toml: cannot be read: ") && by_flag[0].ends_with("named by --config"),
        "{by_flag:?}"
    );
    let machine = Machine::new();
    let file = absent(&machine);
    let by_variable = machine.variable("MCP_PROXY_CONFIG", file.to_str().unwrap()).fails();
    assert!(by_variable[0].ends_with("named by MCP_PROXY_CONFIG"), "{by_variable:?}");
}

#[test]
fn a_named_file_takes_the_place_of_the_usual_one() {
    let machine = Machine::new().file("main.toml", "[").file("other.toml", "listen.port = 7\n");
    let other = machine.directory.path().join("other.toml");
    let loaded = machine.flags(Flags { config: Some(other.clone()), ..Flags::default() }).loads();
    assert_eq!((loaded.settings.listen.port, loaded.files), (7, vec![other]));
}

#[test]
fn what_cannot_be_read_is_a_problem() {
    let machine = Machine::new();
    fs::write(machine.directory.path().join("main.toml"), b"a = \"\xff\"").unwrap();
    fs::create_dir(machine.directory.path().join("conf.d/x.toml")).unwrap();
    let found = machine.fails();
    assert!(found.contains(&"main.toml: the file is not UTF-8 text".to_owned()), "{found:?}");
    assert!(found.iter().any(|line| line.starts_with("conf.d/x.toml: cannot be read")), "{found:?}");
    assert_eq!(found.len(), 2);
}

#[test]
fn integers_are_read_in_every_form_of_toml() {
    for (text, port) in [("0x1F98", 8088), ("8_088", 8088), ("0o17", 15), ("0b11", 3), ("+5", 5)] {
        let loaded = Machine::new().file("main.toml", &format!("listen.port = {text}\n")).loads();
        assert_eq!(loaded.settings.listen.port, port, "{text}");
    }
}

proptest::proptest! {
    /// Whatever a file contains, the answer is settings or problems, and the problems have a place in it.
    #[test]
    fn no_text_is_too_odd(text in r#"(\[\[?(upstream|listen|log|x)\]?\]|(name|port|level|url|a\.b) ?= ?|"[a-zä/]*"|[0-9]{1,25}|true|[\[\]{},]|'|"|\n|ä){0,40}"#) {
        let machine = Machine::new().file("main.toml", &text);
        if let Err(problems) = load(&machine.inputs) {
            proptest::prop_assert!(!problems.is_empty());
            let placed = |place: &Place| matches!(place, Place::File { at: Some(_), .. });
            proptest::prop_assert!(problems.iter().all(|problem| placed(&problem.place)), "{problems:?}");
        }
    }
}

/// A list as it is written.
fn entries(rules: &[ServerRule]) -> Vec<String> {
    rules.iter().map(ToString::to_string).collect()
}

/// The vendor's endpoints of an upstream.
fn endpoints(upstream: &Upstream) -> &Endpoints {
    let Auth::AlibabaOauth(alibaba) = &upstream.auth else { panic!("{upstream:?}") };
    &alibaba.endpoints
}

#[test]
fn upstreams_are_merged_by_name() {
    let machine = Machine::new()
        .file(
            "main.toml",
            "[[upstream]]\nname = \"alibaba\"\n[[upstream]]\nname = \"b\"\nmount = \"/b\"\nurl = \"b.example\"\n",
        )
        .file("conf.d/c.toml", "[[upstream]]\nname = \"b\"\nallowed_servers = [\"x\", \"y\"]\n")
        .variable("MCP_PROXY_UPSTREAM__B__URL", "http://127.0.0.1:1")
        .flags(Flags { blocked_servers: Some("z, /accounts/1".to_owned()), ..Flags::default() });
    let upstreams = machine.loads().settings.upstreams;
    let [alibaba, b] = upstreams.as_slice() else { panic!("{upstreams:?}") };
    assert_eq!(entries(&alibaba.proxy.rules.blocked), ["z", "/accounts/1"]);
    assert_eq!((b.proxy.mount.as_str(), entries(&b.proxy.rules.allowed)), ("/b", vec!["x".to_owned(), "y".to_owned()]));
    assert_eq!(b.proxy.origin.to_string(), "http://127.0.0.1:1");
    assert!(b.proxy.rules.blocked.is_empty());
}

#[test]
fn variables_alone_change_the_default_upstream_and_add_others() {
    let machine = Machine::new()
        .variable("MCP_PROXY_UPSTREAM__ALIBABA__BLOCKED_SERVERS", "x")
        .variable("MCP_PROXY_UPSTREAM__MY_CLOUD__URL", "gw.example")
        .variable("MCP_PROXY_UPSTREAM__MY_CLOUD__MOUNT", "/c");
    let upstreams = machine.loads().settings.upstreams;
    let names: Vec<_> = upstreams.iter().map(|upstream| upstream.proxy.name.as_str()).collect();
    assert_eq!(names, ["alibaba", "my-cloud"]);
    assert_eq!((upstreams[0].proxy.mount.as_str(), upstreams[0].proxy.rules.blocked.len()), ("/", 1));
}

#[test]
fn an_upstream_says_what_it_lacks() {
    let text = "[[upstream]]\nname = \"a\"\n[[upstream]]\nname = \"b\"\nurl = 1\nmount = \"b\"\n[[upstream]]\nname = \"c\"\n\
                url = \"http://gw.example\"\nmount = \"/x\"\nauth = \"static\"\n[[upstream]]\nname = \"d\"\nurl = \"gw.example\"\nmount = \"/\"\n\
                [[upstream]]\nname = \"e\"\nurl = \"http://gw.example\"\nallow_cleartext = true\nmount = \"/\"\n";
    let found = Machine::new().file("main.toml", text).fails();
    let expected = [
        "main.toml:2:8: upstream.a.mount: is required; for example",
        "main.toml:2:8: upstream.a.url: is required; for example",
        "main.toml:5:7: upstream.b.url: is an integer",
        "main.toml:6:9: upstream.b.mount: \"b\" does not begin with /",
        "main.toml:9:7: upstream.c.url: \"http://gw.example\" would carry the credential over the network unencrypted",
        "main.toml:11:8: upstream.c.auth: \"static\" is not a kind of login; legal: alibaba-oauth, access-key, token-file, token-command",
        "main.toml:20:9: upstream.e.mount: \"/\" is the mount of the upstream d as well",
    ];
    assert_eq!(found.len(), expected.len(), "{found:#?}");
    for (found, expected) in found.iter().zip(expected) {
        assert!(found.starts_with(expected), "{found}\nis not\n{expected}");
    }
}

#[test]
fn the_vendor_asks_the_gateway_where_the_traffic_goes() {
    for (text, origin, gateway) in [
        ("127.0.0.1:9", "https://127.0.0.1:9", "https://127.0.0.1:9/"),
        ("http://127.0.0.1:9", "http://127.0.0.1:9", "http://127.0.0.1:9/"),
        ("localhost:9", "https://localhost:9", "https://localhost:9/"),
        ("[::1]:9/ignored", "https://[::1]:9", "https://[::1]:9/"),
        ("gw.example", "https://gw.example", "https://gw.example/"),
    ] {
        let machine = Machine::new().flags(Flags { upstream_url: Some(text.to_owned()), ..Flags::default() });
        let upstreams = machine.loads().settings.upstreams;
        assert_eq!(upstreams[0].proxy.origin.to_string(), origin);
        assert_eq!(endpoints(&upstreams[0]).gateway.as_str(), gateway);
    }
    let machine = Machine::new().variable("MCP_PROXY_ALIBABA__REGION_TYPE", "INTL");
    let upstreams = machine.loads().settings.upstreams;
    assert_eq!(upstreams[0].proxy.origin.to_string(), "https://openapi-mcp.ap-southeast-1.aliyuncs.com");
    assert_eq!(endpoints(&upstreams[0]).signin.as_str(), "https://signin.alibabacloud.com/");
}

#[test]
fn traffic_goes_through_the_network_that_is_asked_for() {
    const INTL: &str = "https://openapi-mcp-intl.vpc-proxy.aliyuncs.com";
    for (text, origin, gateway) in [
        (
            "network = \"vpc\"\n",
            "https://openapi-mcp-cn.vpc-proxy.aliyuncs.com",
            "https://openapi-mcp.cn-hangzhou.aliyuncs.com/",
        ),
        ("region_type = \"INTL\"\nnetwork = \"vpc\"\n", INTL, "https://openapi-mcp.ap-southeast-1.aliyuncs.com/"),
        (
            "network = \"vpc\"\n[[upstream]]\nname = \"alibaba\"\nurl = \"gw.example\"\n",
            "https://gw.example",
            "https://gw.example/",
        ),
        (
            "[[upstream]]\nname = \"alibaba\"\nurl = \"openapi-mcp-intl.vpc-proxy.aliyuncs.com\"\n",
            INTL,
            "https://openapi-mcp.ap-southeast-1.aliyuncs.com/",
        ),
    ] {
        let upstreams = Machine::new().file("main.toml", &format!("[alibaba]\n{text}")).loads().settings.upstreams;
        assert_eq!(upstreams[0].proxy.origin.to_string(), origin, "{text}");
        assert_eq!(endpoints(&upstreams[0]).gateway.as_str(), gateway, "{text}");
    }
    let found = Machine::new().file("main.toml", "[alibaba]\nnetwork = \"VPC\"\n").fails();
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(found[0].starts_with("main.toml:2:11: alibaba.network: \"VPC\" is not a network"), "{found:?}");
}

#[test]
fn cleartext_must_be_allowed_and_stays_with_its_upstream() {
    let text = |allow: &str| {
        format!(
            "[[upstream]]\nname = \"a\"\nmount = \"/a\"\nurl = \"http://gw.example\"\nallow_cleartext = {allow}\n\
             [[upstream]]\nname = \"alibaba\"\n"
        )
    };
    let found = Machine::new().file("main.toml", &text("false")).fails();
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(found[0].starts_with("main.toml:4:7: upstream.a.url: "), "{found:?}");
    assert!(found[0].ends_with("set allow_cleartext = true on this upstream"), "{found:?}");
    let upstreams = Machine::new().file("main.toml", &text("true")).loads().settings.upstreams;
    assert_eq!(endpoints(&upstreams[0]).gateway.as_str(), "http://gw.example/");
    assert_eq!(endpoints(&upstreams[1]).gateway.as_str(), "https://openapi-mcp.cn-hangzhou.aliyuncs.com/");
}

#[test]
fn a_bad_address_is_reported_at_its_key() {
    let machine = Machine::new()
        .file(
            "main.toml",
            "[alibaba.endpoints]\nsignin = \"http://signin.example\"\noauth = \"https://a:hush@x\"\nims = \"x/path\"\n",
        )
        .variable("MCP_PROXY_UPSTREAM__B__URL", "ftp://gw.example")
        .variable("MCP_PROXY_UPSTREAM__B__MOUNT", "/")
        .flags(Flags { upstream_url: Some("https://a:hush@gw.example".to_owned()), ..Flags::default() });
    let found = machine.fails();
    let expected = [
        "main.toml:2:10: alibaba.endpoints.signin: \"http://signin.example\" cannot be used: credentials would cross",
        "main.toml:3:9: alibaba.endpoints.oauth: it cannot be used: it carries a user name or password",
        "main.toml:4:7: alibaba.endpoints.ims: \"x/path\" cannot be used: it has a path or a query",
        "environment variable MCP_PROXY_UPSTREAM__B__URL: upstream.b.url: \"ftp://gw.example\" has the scheme",
        "environment variable MCP_PROXY_UPSTREAM__B__MOUNT: upstream.b.mount: \"/\" is the mount of the upstream alibaba",
        "--upstream-url: the URL carries a user name or password",
    ];
    assert_eq!(found.len(), expected.len(), "{found:#?}");
    for (found, expected) in found.iter().zip(expected) {
        assert!(found.starts_with(expected) && !found.contains("hush"), "{found}\nis not\n{expected}");
    }
}

#[test]
fn callers_and_waits_reach_the_data_path() {
    let text = "[listen]\nallowed_hosts = [\"Gw.Example\", \"10.0.0.1\"]\nallowed_origins = [\"https://app.example\"]\n\
                [limits]\ntoken_wait = \"3s\"\n[network]\nfirst_byte_timeout = \"0\"\n";
    let proxy = Machine::new().file("main.toml", text).loads().settings.proxy;
    assert_eq!(proxy.allowed_hosts, ["gw.example", "10.0.0.1"]);
    assert_eq!(proxy.allowed_origins, ["https://app.example"]);
    assert_eq!((proxy.token_wait, proxy.first_byte_timeout), (Duration::from_secs(3), None));
    let text = "[listen]\nallowed_hosts = [\"gw.example:80\"]\nallowed_origins = [\"*\"]\n\
                [[upstream]]\nname = \"alibaba\"\nblocked_servers = [\"ram\", \"a/b\"]\n[limits]\ntoken_wait = \"0\"\n";
    let found = Machine::new().file("main.toml", text).fails();
    let expected = [
        "main.toml:2:17: listen.allowed_hosts: \"gw.example:80\" is neither",
        "main.toml:3:19: listen.allowed_origins: \"*\" is not a web origin; for example https://",
        "main.toml:6:19: upstream.alibaba.blocked_servers: \"a/b\" is neither a name nor a path",
        "main.toml:8:14: limits.token_wait: must be longer than 0",
    ];
    assert_eq!(found.len(), expected.len(), "{found:#?}");
    for (found, expected) in found.iter().zip(expected) {
        assert!(found.starts_with(expected), "{found}\nis not\n{expected}");
    }
}

#[test]
fn flags_do_not_make_an_upstream() {
    let machine = Machine::new()
        .file("main.toml", "[[upstream]]\nname = \"b\"\nurl = \"b.example\"\nmount = \"/\"\n")
        .flags(Flags { upstream_url: Some("x.example".to_owned()), ..Flags::default() });
    let found = machine.fails();
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(found[0].starts_with("--upstream-url: no upstream is named alibaba; "), "{found:?}");
}

#[test]
fn state_is_kept_where_the_surroundings_say() {
    let state_dir = |uid, pairs: &[(&str, &str)]| {
        let environment = pairs.iter().map(|(name, value)| (name.into(), value.into())).collect();
        load(&Inputs { uid, environment, main_file: "/nowhere/main.toml".into(), ..Inputs::default() })
            .map(|loaded| loaded.settings.state_dir.display().to_string())
    };
    for (uid, pairs, expected) in [
        (1, [("STATE_DIRECTORY", "/s/a:/s/b"), ("HOME", "/h")].as_slice(), "/s/a"),
        (0, &[("STATE_DIRECTORY", "/s/a")], "/s/a"),
        (0, &[("HOME", "/root"), ("XDG_STATE_HOME", "/x")], "/var/lib/mcp-proxy"),
        (1, &[("HOME", "/h"), ("XDG_STATE_HOME", "/x")], "/x/mcp-proxy"),
        (1, &[("HOME", "/h"), ("XDG_STATE_HOME", "x")], "/h/.local/state/mcp-proxy"),
        (1, &[("STATE_DIRECTORY", "/s"), ("MCP_PROXY_STATE_DIR", "/mine")], "/mine"),
    ] {
        assert_eq!(state_dir(uid, pairs).unwrap(), expected, "{pairs:?}");
    }
    let problems = state_dir(1, &[]).unwrap_err();
    assert_eq!(problems.len(), 1);
    assert!(problems[0].to_string().starts_with("configuration: state_dir: there is no telling"), "{problems:?}");
}

/// The source of the one upstream, as its settings show it; or the problems.
fn source(lines: &str, credentials: Option<&str>) -> Result<String, Vec<String>> {
    let text = format!("[[upstream]]\nname = \"x\"\nmount = \"/x\"\nurl = \"gw.example\"\n{lines}\n");
    let mut machine = Machine::new().file("main.toml", &text);
    if let Some(directory) = credentials {
        machine = machine.variable("CREDENTIALS_DIRECTORY", directory);
    }
    match load(&machine.inputs) {
        Ok(loaded) => Ok(format!("{:?}", loaded.settings.upstreams[0].auth)),
        Err(_) => Err(machine.fails()),
    }
}

#[test]
fn a_token_file_is_a_path_or_the_name_of_a_credential() {
    let file = |text: &str| format!("auth = \"token-file\"\ntoken_file = \"{text}\"");
    for (text, credentials, path) in [
        ("/etc/token", None, "/etc/token"),
        ("~/token", None, "/home/a/token"),
        ("/etc/token", Some("/run/credentials/x"), "/etc/token"),
        ("github", Some("/run/credentials/x"), "/run/credentials/x/github"),
    ] {
        assert_eq!(source(&file(text), credentials), Ok(format!("Source(File({path:?}))")), "{text}");
    }
    for (text, credentials, says) in [
        ("github", None, "systemd passed none; add LoadCredential=github:/path to the unit"),
        ("etc/token", Some("/run/credentials/x"), "is not an absolute path"),
        ("", Some("/run/credentials/x"), "is not an absolute path"),
    ] {
        let found = source(&file(text), credentials).unwrap_err();
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(
            found[0].starts_with("main.toml:6:14: upstream.x.token_file: ") && found[0].contains(says),
            "{found:?}"
        );
    }
}

#[test]
fn a_token_command_names_a_program() {
    let command = |words: &str| format!("auth = \"token-command\"\n{words}");
    let found = source(&command("token_command = [\"get-token\", \"--json\"]"), None).unwrap();
    assert!(found.contains("[\"get-token\", \"--json\"]"), "{found}");
    for words in ["token_command = []", "token_command = [\"\"]", "token_command = [\" \", \"x\"]", ""] {
        let found = source(&command(words), None).unwrap_err();
        assert_eq!(found.len(), 1, "{words}: {found:?}");
        assert!(found[0].contains("upstream.x.token_command: names no program; for example"), "{words}: {found:?}");
    }
}

#[test]
fn keys_of_another_kind_of_login_are_a_slip() {
    let (file, command) = ("token_file = \"/etc/token\"", "token_command = [\"get-token\"]");
    for (auth, lines, key) in [
        ("alibaba-oauth", file, "token_file"),
        ("alibaba-oauth", command, "token_command"),
        ("token-file", &format!("{file}\n{command}"), "token_command"),
        ("token-command", &format!("{file}\n{command}"), "token_file"),
    ] {
        let found = source(&format!("auth = \"{auth}\"\n{lines}"), None).unwrap_err();
        let kind = key.replace('_', "-");
        let says =
            format!("upstream.x.{key}: is not read with auth = \"{auth}\"; leave it out, or set auth = \"{kind}\"");
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(found[0].contains(&says), "{found:?}\n{says}");
    }
    let found = source(file, None).unwrap_err();
    assert!(found[0].contains("auth = \"alibaba-oauth\""), "it is the default: {found:?}");
}

#[test]
fn what_a_client_may_do_is_read_and_every_slip_is_named() {
    let machine = Machine::new().file(
        "main.toml",
        "[[client]]\nname = \"a\"\nallowed_servers = [\"/x\"]\nblocked_methods = [\"resources/*\"]\n\
         allowed_tools = [\"Describe*\"]\nread_only = true\nrequests_per_minute = 60\nconcurrent_requests = 4\n\
         request_body = \"1KiB\"\nlog_argument_names = true\n[[client]]\nname = \"b\"\n",
    );
    let clients = machine.loads().settings.proxy.clients;
    let pattern = |text: &str| vec![Pattern::parse(text).unwrap()];
    let grant = Grant {
        servers: ServerRules { allowed: vec![ServerRule::parse("/x").unwrap()], blocked: vec![] },
        methods: Patterns { allowed: vec![], blocked: pattern("resources/*") },
        tools: Patterns { allowed: pattern("Describe*"), blocked: vec![] },
        read_only: true,
        requests_per_minute: NonZeroU32::new(60),
        concurrent_requests: NonZeroU32::new(4),
        request_body_limit: Some(1024),
        log_argument_names: true,
    };
    let client =
        |name: &str, grant| Client { name: ClientName::parse(name).unwrap(), criteria: Criteria::default(), grant };
    assert_eq!(clients, Clients::new(vec![client("a", grant), client("b", Grant::default())], Access::default()));
    let machine = Machine::new().file(
        "main.toml",
        "[[client]]\nname = \"a\"\nallowed_methods = [\"\"]\nblocked_tools = [\" x\"]\nrequests_per_minute = 0\n\
         concurrent_requests = -1\nrequest_body = \"0\"\nread_only = \"yes\"\n",
    );
    assert_eq!(
        machine.fails(),
        [
            "main.toml:3:19: client.a.allowed_methods: \"\" is no name; \"*\" in one stands for any characters",
            "main.toml:4:17: client.a.blocked_tools: \" x\" is no name; \"*\" in one stands for any characters",
            "main.toml:5:23: client.a.requests_per_minute: 0 is out of range; legal: 1 or more; leave it out for no limit",
            "main.toml:6:23: client.a.concurrent_requests: -1 is out of range; legal: 1 or more; leave it out for no limit",
            "main.toml:7:16: client.a.request_body: must be more than 0; leave it out for no limit of its own",
            "main.toml:8:13: client.a.read_only: is a string, but must be true or false; legal: true or false",
        ]
    );
}

#[test]
fn clients_are_known_as_the_configuration_says() {
    let loaded = Machine::new()
        .file(
            "main.toml",
            "[access]\nothers = \"nobody\"\ncontainers = false\n[[client]]\nname = \"b\"\nusers = [\"root\", \"1000\"]\n\
             groups = [\"root\"]\nunits = [\"docker-*.scope\", \"root:a@1.service\"]\n\
             addresses = [\"10.1.0.0/16\", \"::1\", \"::ffff:10.0.0.1\"]\ncertificates = [\"dns:a.example\"]\nkey = true\n\
             [[client]]\nname = \"a\"\n[tls]\ncertificate_file = \"/t/c\"\nkey_file = \"/t/k\"\nclient_ca_file = \"/t/a\"\n",
        )
        .file("conf.d/more.toml", "[[client]]\nname = \"a\"\nkey = true\n")
        .loads();
    let clients = loaded.settings.proxy.clients;
    assert_eq!(clients.access, Access { others: Others::Nobody, containers: false });
    let names: Vec<&str> = clients.in_order().map(|client| client.name.as_str()).collect();
    assert_eq!(names, ["b", "a"]);
    let unit = |manager, name: &str| UnitPattern { manager, name: name.to_owned() };
    let expected = Criteria {
        users: Some([0, 1000].into()),
        members: Some([0].into()),
        units: Some(vec![unit(None, "docker-*.scope"), unit(Some(0), "a@1.service")]),
        addresses: Some(["10.1.0.0/16", "::1/128", "10.0.0.1/32"].map(|text| text.parse().unwrap()).into()),
        certificates: Some(vec![CertificatePattern::parse("dns:a.example").unwrap()]),
        key: true,
    };
    assert_eq!(clients.named("b").unwrap().criteria, expected);
    assert_eq!(clients.named("a").unwrap().criteria, Criteria { key: true, ..Criteria::default() });
    assert!(clients.ask_for_the_unit());
}

#[test]
fn a_listener_with_tls_is_whole_or_a_problem() {
    let loaded = |text: &str| Machine::new().file("main.toml", text);
    assert_eq!(loaded("").loads().settings.tls, None);
    let files = "[tls]\ncertificate_file = \"/t/c\"\nkey_file = \"/t/k\"\n";
    let tls = loaded(&format!("{files}listen = [\"0.0.0.0:8443\", \"[::1]:1\"]")).loads().settings.tls.unwrap();
    assert_eq!(tls.listen, ["0.0.0.0:8443".parse().unwrap(), "[::1]:1".parse().unwrap()]);
    assert_eq!((tls.identity.client_ca_file.is_none(), tls.identity.key_is_credential), (true, false));
    let credentials = "[tls]\ncertificate_file = \"/t/c\"\nkey_file = \"tls-key\"\n";
    let passed = loaded(credentials).variable("CREDENTIALS_DIRECTORY", "/run/credentials/x").loads();
    let identity = passed.settings.tls.unwrap().identity;
    assert_eq!(
        (identity.key_file.as_path(), identity.key_is_credential),
        (Path::new("/run/credentials/x/tls-key"), true)
    );
    let lines = loaded("[tls]\nlisten = [\"8443\"]\nrequire_client_certificate = true\n").fails();
    let said = lines.join("\n");
    assert_eq!(lines.len(), 4, "{said}");
    for says in [
        "main.toml:2:10: tls.listen: \"8443\" is no address with a port",
        "tls.certificate_file: is required",
        "tls.key_file: is required",
        "tls.require_client_certificate: lets nobody in",
    ] {
        assert!(said.contains(says), "{says}: {said}");
    }
    assert!(loaded(credentials).fails()[0].contains("LoadCredential=tls-key"));
}

#[test]
fn a_client_that_fits_nobody_by_a_slip_is_a_problem() {
    for (line, says) in [
        ("users = []", "is empty, and so fits nobody"),
        ("users = [\"no-such-user\"]", "there is no user \"no-such-user\" on this host"),
        ("users = [\"nobody\"]", "cannot be told from others"),
        ("groups = [\"no-such-group\"]", "there is no group \"no-such-group\" on this host"),
        ("units = [\"dify\"]", "is not the name of a unit"),
        ("units = [\"a/b.service\"]", "is not the name of a unit"),
        ("units = [\"no-such-user:a.service\"]", "there is no user"),
        ("addresses = [\"localhost\"]", "is neither an address nor a network"),
        ("addresses = [\"10.1.2.3/16\"]", "names an address within a network; write 10.1.0.0/16"),
        ("certificates = [\"dns:a\"]", "set tls.client_ca_file"),
        (
            "certificates = [\"a\"]\n[tls]\nclient_ca_file = \"/a\"\ncertificate_file = \"/b\"\nkey_file = \"/c\"",
            "does not say which name",
        ),
        ("key = \"yes\"", "must be true or false"),
    ] {
        let problems = Machine::new().file("main.toml", &format!("[[client]]\nname = \"a\"\n{line}\n")).fails();
        assert_eq!(problems.len(), 1, "{problems:?}");
        assert!(problems[0].starts_with("main.toml:3:") && problems[0].contains(says), "{line}: {problems:?}");
    }
    let problems = Machine::new().file("main.toml", "[access]\nothers = \"all\"\n").fails();
    assert!(problems[0].contains("owner, nobody and anyone"), "{problems:?}");
}
