//! The house rules, held against `src/`: imports go down and never sideways; each foreign crate has one owner.
//!
//! The tables come first, then the checks, then for each check a tree that breaks it, so that it is
//! known to be able to fail. `docs/ARCHITECTURE.md` tells the same story in prose.

#![expect(clippy::unwrap_used, reason = "a test that fails may panic")]

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

/// A module of the first level, the modules it may import, and why.
struct Layer(&'static str, &'static [&'static str], &'static str);

const LAYERS: &[Layer] = &[
    Layer(
        "cli",
        &[
            "daemon", "config", "bridge", "proxy", "auth", "alibaba", "policy", "net", "process", "observe", "phrase",
            "model",
        ],
        "what a person types, and what it asks of the system's commands; it never holds a bearer, so it has no business with token",
    ),
    Layer(
        "daemon",
        &["config", "proxy", "auth", "alibaba", "token", "policy", "net", "observe", "phrase", "model"],
        "introduces the workers to each other, and is known by the command line only",
    ),
    Layer(
        "config",
        &["proxy", "auth", "alibaba", "policy", "net", "observe", "model"],
        "turns text into the workers' settings and knows nothing else of them",
    ),
    Layer(
        "proxy",
        &["token", "policy", "net", "observe", "phrase", "model"],
        "the data path knows neither logins nor vendors",
    ),
    Layer(
        "auth",
        &["token", "net", "process", "observe", "model"],
        "logins see no client's request and know no vendor",
    ),
    Layer("alibaba", &["net", "process", "observe", "model"], "the vendor sees no MCP request and publishes no token"),
    Layer("bridge", &["net", "model"], "to the daemon it is a client like any other, and knows nothing else of it"),
    Layer("phrase", &["model"], "what people read knows neither who says it nor why"),
    Layer("token", &["model"], "the slot does not know where tokens come from"),
    Layer("policy", &["model"], "who may do what is decided from values alone, without I/O"),
    Layer("net", &["model"], "a tool knows nothing of those who use it"),
    Layer("process", &["model"], "a tool knows nothing of those who use it"),
    Layer("observe", &["model"], "a tool knows nothing of those who use it"),
    Layer("model", &[], "the words of the program rest on nothing"),
];

/// Layers that are still being written. A name that exists in `src/` must be taken out here.
const TO_COME: &[&str] = &[];

/// The module that may import of these others only `settings`, and what stands in [`VALUE_TYPES`].
const SETTINGS_ONLY: (&str, &[&str]) = ("config", &["proxy", "auth", "alibaba", "net", "observe"]);

/// A path beside the `settings` modules that may be imported all the same, and why.
struct ValueType(&'static [&'static str], &'static str);

const VALUE_TYPES: &[ValueType] = &[
    ValueType(&["alibaba", "site"], "the vendor's settings are made of a site and its endpoints"),
    ValueType(&["observe", "log", "Settings"], "the log's settings are one field and stand beside their only reader"),
];

/// A foreign crate or type, where alone it may be named, and why.
struct Owner(&'static str, &'static [&'static str], &'static str);

const OWNERS: &[Owner] = &[
    Owner("SystemTime", &["model/time.rs"], "time is an argument: take a Clock"),
    Owner("anyhow", &["cli"], "an error below the command line has a type that code can branch on"),
    Owner("clap", &["cli"], "flags are the command line's; the rest gets values"),
    Owner("figment", &["config"], "the rest gets settings, not layers"),
    Owner("toml", &["config"], "the rest gets settings, not text"),
    Owner("hmac", &["alibaba"], "request signing is the vendor's"),
    Owner("sha1", &["alibaba"], "request signing is the vendor's"),
    Owner("h2", &["net"], "one place decides how connections are shared"),
    Owner("reqwest", &["net"], "one place decides about redirects, proxies and timeouts"),
    Owner("rustls", &["net"], "one place decides whom we trust"),
    Owner("rustls_native_certs", &["net"], "one place decides whom we trust"),
    Owner("tokio_rustls", &["net"], "one place decides whom we trust"),
    Owner("x509_parser", &["net"], "one place decides what a certificate says"),
    Owner("listenfd", &["daemon"], "inherited descriptors are taken once"),
    Owner("sd_notify", &["daemon"], "one voice speaks to the service manager"),
    Owner("signal_hook", &["daemon"], "signals have one receiver"),
    Owner("signal_hook_tokio", &["daemon"], "signals have one receiver"),
    Owner("tracing_journald", &["observe"], "the rest emits events and does not know where they go"),
    Owner("tracing_subscriber", &["observe"], "the rest emits events and does not know where they go"),
    Owner(
        "zeroize",
        &[
            "model/secret.rs",
            "alibaba/profile/mod.rs",
            "alibaba/profile/mode.rs",
            "alibaba/sign.rs",
            "auth/store/format.rs",
            "auth/pkce.rs",
            "auth/source/file.rs",
            "auth/store/mod.rs",
            "auth/store/seal.rs",
            "process.rs",
            "token/bearer.rs",
        ],
        "a secret is a model::secret::Secret; these hold one in another form for a moment: \
         the text of a file, a key's bytes, a header's line",
    ),
];

/// Names that say nothing about what belongs behind them.
const FORBIDDEN_NAMES: &[&str] = &["util", "utils", "common", "helper", "helpers", "misc", "shared"];

/// The most lines a file may have, its tests not counted.
const MAX_LINES: usize = 400;

/// Files that may be longer, and why.
const EXCUSED: &[(&str, &str)] = &[];

/// Files that hold nothing but tests, each declared with `#[cfg(test)]`.
const TEST_FILES: &[&str] = &["tests", "properties", "table"];

/// One file below `src/`.
struct Source {
    /// Relative to `src/`.
    path: String,
    text: String,
}

impl Source {
    fn is_test(&self) -> bool {
        TEST_FILES.iter().any(|name| self.path.ends_with(&format!("/{name}.rs"))) || self.path.contains("/tests/")
    }

    /// The lines before the inline tests.
    fn without_tests(&self) -> &str {
        // A declaration (`mod tests;`) is no end: what follows it is the program's.
        let inline = |at: &usize| self.text[*at..].lines().nth(1).is_some_and(|line| line.contains('{'));
        let mut ends = self.text.match_indices("#[cfg(test)]\nmod ").map(|(at, _)| at);
        ends.find(inline).map_or(&self.text, |at| &self.text[..at])
    }

    /// Without tests, comments and the contents of literals.
    fn code(&self) -> String {
        blank_comments_and_literals(self.without_tests())
    }

    /// The module of the first level; `None` for the roots, which name them all.
    fn module(&self) -> Option<&str> {
        let first = self.path.split('/').next().unwrap_or(&self.path);
        let name = first.strip_suffix(".rs").unwrap_or(first);
        (!matches!(name, "lib" | "main")).then_some(name)
    }
}

fn wrong_imports(sources: &[Source]) -> Vec<String> {
    let mut wrong = Vec::new();
    for source in sources.iter().filter(|source| !source.is_test()) {
        let Some(module) = source.module() else { continue };
        let Some(Layer(_, may, why)) = LAYERS.iter().find(|layer| layer.0 == module) else {
            wrong.push(format!("{}: the module {module} stands in no layer", source.path));
            continue;
        };
        let code = source.code();
        for path in crate_paths(&code) {
            let to = path[0].as_str();
            let is_layer = LAYERS.iter().any(|layer| layer.0 == to);
            if is_layer && to != module && !may.contains(&to) {
                wrong.push(format!("{}: {module} may not import {to}: {why}", source.path));
            }
            let settings = path.get(1).is_some_and(|next| next == "settings");
            let value = VALUE_TYPES.iter().any(|ValueType(allowed, _)| starts_with(&path, allowed));
            if module == SETTINGS_ONLY.0 && SETTINGS_ONLY.1.contains(&to) && !settings && !value {
                wrong.push(format!("{}: {module} may import only {to}::settings: {why}", source.path));
            }
        }
        if words(&code, "super").any(|after| after.starts_with("::")) {
            wrong.push(format!("{}: write crate:: instead of super::, so that this test sees it", source.path));
        }
    }
    wrong
}

fn starts_with(path: &[String], prefix: &[&str]) -> bool {
    path.len() >= prefix.len() && path.iter().zip(prefix).all(|(part, wanted)| part == wanted)
}

/// Exceptions that nobody needs any more.
fn stale_exceptions(sources: &[Source]) -> Vec<String> {
    let code = |keep: &dyn Fn(&Source) -> bool| -> Vec<String> {
        sources.iter().filter(|source| !source.is_test() && keep(source)).map(Source::code).collect()
    };
    let configuration = code(&|source| source.module() == Some(SETTINGS_ONLY.0));
    let imported: Vec<Vec<String>> = configuration.iter().flat_map(|code| crate_paths(code)).collect();
    let values = VALUE_TYPES.iter().filter(|value| !imported.iter().any(|path| starts_with(path, value.0)));
    let values = values.map(|ValueType(path, why)| {
        format!("{}: nobody imports it, so take it out of VALUE_TYPES: {why}", path.join("::"))
    });
    let files = OWNERS.iter().flat_map(|Owner(name, owners, _)| owners.iter().map(move |owner| (*name, *owner)));
    let files = files.filter(|(name, owner)| {
        owner.ends_with(".rs")
            && !code(&|source| source.path == *owner).iter().any(|code| words(code, name).next().is_some())
    });
    values.chain(files.map(|(name, owner)| format!("{owner}: does not name {name}: take it out of OWNERS"))).collect()
}

fn wrong_layers(sources: &[Source], to_come: &[&str]) -> Vec<String> {
    let present: BTreeSet<&str> = sources.iter().filter_map(Source::module).collect();
    let state = |Layer(name, ..): &Layer| match (present.contains(name), to_come.contains(name)) {
        (false, false) => Some(format!("the layer {name} does not exist: take it out of the tables")),
        (true, true) => Some(format!("the layer {name} exists: take it out of TO_COME")),
        _ => None,
    };
    LAYERS.iter().filter_map(state).collect()
}

fn wrong_owners(sources: &[Source]) -> Vec<String> {
    let mut wrong = Vec::new();
    for source in sources.iter().filter(|source| !source.is_test()) {
        let code = source.code();
        for Owner(name, owners, why) in OWNERS {
            let owned =
                owners.iter().any(|owner| source.path == *owner || source.path.starts_with(&format!("{owner}/")));
            let is_type = name.starts_with(char::is_uppercase);
            let named = words(&code, name).any(|after| is_type || after.starts_with("::") || after.starts_with(';'));
            if named && !owned {
                wrong.push(format!("{}: only {} may name {name}: {why}", source.path, owners.join(", ")));
            }
        }
    }
    wrong
}

fn wrong_names(sources: &[Source]) -> Vec<String> {
    let is_wrong = |source: &&Source| {
        source.path.split('/').any(|part| FORBIDDEN_NAMES.contains(&part.strip_suffix(".rs").unwrap_or(part)))
    };
    let say = |source: &Source| format!("{}: a thing belongs to the lowest layer that can say its name", source.path);
    sources.iter().filter(is_wrong).map(say).collect()
}

/// A file that is taken for tests must not be in the program.
fn wrong_tests(sources: &[Source]) -> Vec<String> {
    let declared = |source: &Source, name: &str| {
        let parent = source.path.trim_end_matches(".rs").trim_end_matches(name);
        let line = format!("#[cfg(test)]\nmod {name};");
        sources.iter().any(|other| other.path == format!("{parent}mod.rs") && other.text.contains(&line))
    };
    let of = |name: &&str, source: &&Source| source.path.ends_with(&format!("/{name}.rs"));
    let pairs = TEST_FILES
        .iter()
        .flat_map(|name| sources.iter().filter(move |source| of(name, source)).map(move |source| (source, *name)));
    let wrong = pairs.filter(|(source, name)| !declared(source, name));
    wrong.map(|(source, name)| format!("{}: declare it as #[cfg(test)] mod {name};", source.path)).collect()
}

fn wrong_headers(sources: &[Source]) -> Vec<String> {
    let headless = sources.iter().filter(|source| !source.text.starts_with("//! "));
    headless.map(|source| format!("{}: begin with a //! line that says why the file exists", source.path)).collect()
}

fn wrong_lengths(sources: &[Source], excused: &[(&str, &str)]) -> Vec<String> {
    let mut wrong = Vec::new();
    for source in sources {
        let lines = if source.is_test() { 0 } else { source.without_tests().lines().count() };
        match (lines > MAX_LINES, excused.iter().any(|(path, _)| *path == source.path)) {
            (true, false) => wrong.push(format!("{}: {lines} lines, more than {MAX_LINES}", source.path)),
            (false, true) => wrong.push(format!("{}: short enough to need no excuse", source.path)),
            _ => {}
        }
    }
    let gone = excused.iter().filter(|(path, _)| sources.iter().all(|source| source.path != *path));
    wrong.extend(gone.map(|(path, _)| format!("{path}: excused, but does not exist")));
    wrong
}

/// What follows each occurrence of `name` as a whole word.
fn words<'a>(code: &'a str, name: &'a str) -> impl Iterator<Item = &'a str> {
    let is_part = |c: char| c.is_alphanumeric() || c == '_';
    code.match_indices(name).filter_map(move |(at, _)| {
        let after = &code[at + name.len()..];
        (!code[..at].ends_with(is_part) && !after.starts_with(is_part)).then_some(after)
    })
}

/// Every path that begins with `crate::`, groups taken apart, without the `crate`.
fn crate_paths(code: &str) -> Vec<Vec<String>> {
    let mut paths = Vec::new();
    for after in words(code, "crate") {
        if let Some(mut rest) = after.strip_prefix("::") {
            use_tree(&mut rest, Vec::new(), &mut paths);
        }
    }
    paths.retain(|path| !path.is_empty());
    paths
}

fn use_tree(rest: &mut &str, mut path: Vec<String>, paths: &mut Vec<Vec<String>>) {
    loop {
        *rest = rest.trim_start();
        if let Some(group) = rest.strip_prefix('{') {
            *rest = group;
            loop {
                use_tree(rest, path.clone(), paths);
                // What stands between an item and the next comma is `as name`.
                let Some(end) = rest.find([',', '}']) else { return };
                let closes = rest[end..].starts_with('}');
                *rest = &rest[end + 1..];
                if closes {
                    return;
                }
            }
        }
        let end = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
        if end > 0 {
            path.push(rest[..end].to_owned());
        }
        *rest = &rest[end..];
        match rest.strip_prefix("::") {
            Some(next) if end > 0 => *rest = next,
            _ => return paths.push(path),
        }
    }
}

/// Puts blanks for comments and for what stands in strings, so that only code is looked at.
fn blank_comments_and_literals(text: &str) -> String {
    let mut code = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let skipped = match first {
            '/' if rest.starts_with("//") => rest.find('\n').unwrap_or(rest.len()),
            '/' if rest.starts_with("/*") => rest.find("*/").map_or(rest.len(), |end| end + 2),
            '"' => closing_quote(rest),
            'r' if !code.ends_with(|c: char| c.is_alphanumeric() || c == '_') => raw_string(rest).unwrap_or(0),
            '\'' => char_literal(rest).unwrap_or(0),
            _ => 0,
        };
        if skipped == 0 {
            code.push(first);
            rest = &rest[first.len_utf8()..];
        } else {
            code.push(' ');
            rest = &rest[skipped..];
        }
    }
    code
}

fn closing_quote(text: &str) -> usize {
    let mut escaped = false;
    for (at, c) in text.char_indices().skip(1) {
        match c {
            '"' if !escaped => return at + 1,
            _ => escaped = c == '\\' && !escaped,
        }
    }
    text.len()
}

fn raw_string(text: &str) -> Option<usize> {
    let hashes = text[1..].find(|c| c != '#')?;
    let start = 1 + hashes + 1;
    text[1 + hashes..].starts_with('"').then(|| {
        let end = format!("\"{}", "#".repeat(hashes));
        text[start..].find(&end).map_or(text.len(), |at| start + at + end.len())
    })
}

/// The length of a character literal; a lifetime is none.
fn char_literal(text: &str) -> Option<usize> {
    let inner = &text[1..];
    if inner.starts_with('\\') {
        return inner[2..].find('\'').map(|at| at + 4);
    }
    let length = inner.chars().next()?.len_utf8();
    inner[length..].starts_with('\'').then_some(length + 2)
}

fn sources_below(root: &Path) -> Vec<Source> {
    let (mut sources, mut directories) = (Vec::new(), vec![root.to_owned()]);
    while let Some(directory) = directories.pop() {
        for entry in fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                directories.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let relative = path.strip_prefix(root).unwrap().to_str().unwrap().to_owned();
                sources.push(Source { path: relative, text: fs::read_to_string(&path).unwrap() });
            }
        }
    }
    sources.sort_by(|a, b| a.path.cmp(&b.path));
    sources
}

#[test]
fn the_source_keeps_the_rules() {
    let sources = sources_below(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"));
    assert!(sources.len() > 10, "the source was not found");
    let wrong = [
        wrong_layers(&sources, TO_COME),
        wrong_imports(&sources),
        wrong_owners(&sources),
        stale_exceptions(&sources),
        wrong_names(&sources),
        wrong_tests(&sources),
        wrong_headers(&sources),
        wrong_lengths(&sources, EXCUSED),
    ]
    .concat();
    assert!(wrong.is_empty(), "\n{}\n", wrong.join("\n"));
}

#[test]
fn the_layers_have_an_order() {
    for (index, Layer(name, may, _)) in LAYERS.iter().enumerate() {
        for lower in *may {
            let below = LAYERS.iter().position(|layer| layer.0 == *lower);
            assert!(below.is_some_and(|below| below > index), "{name} -> {lower} does not go down");
        }
    }
}

#[test]
fn the_prose_has_the_same_table() {
    let prose = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/ARCHITECTURE.md")).unwrap();
    let rows: Vec<&str> = prose.lines().skip_while(|line| !line.starts_with("| Module |")).skip(2).collect();
    for (Layer(name, may, why), row) in LAYERS.iter().zip(rows) {
        let may: String = may.iter().map(|lower| format!("`{lower}` ")).collect();
        assert_eq!(row, format!("| `{name}` | {may}| {why} |"), "docs/ARCHITECTURE.md");
    }
    for ValueType(path, _) in VALUE_TYPES {
        let path = path.join("::");
        assert!(prose.contains(&format!("`{path}`")), "docs/ARCHITECTURE.md does not name {path}");
    }
}

#[cfg(test)]
mod synthetic {
    use super::*;

    fn source(path: &str, text: &str) -> Source {
        Source { path: path.to_owned(), text: text.to_owned() }
    }

    #[track_caller]
    fn finds(wrong: Vec<String>, expected: &[&str]) {
        assert_eq!(wrong.len(), expected.len(), "{wrong:?}");
        for (wrong, expected) in wrong.iter().zip(expected) {
            assert!(wrong.starts_with(expected), "{wrong}\nis not\n{expected}");
        }
    }

    #[test]
    fn an_edge_that_is_not_allowed() {
        for text in [
            "use crate::auth::store;",
            "use crate::{model::x, auth as a};",
            "use crate::{\n    net,\n    auth::{store, flow},\n};",
            "fn f() { let x = 'c'; let y = \"\\\"\"; crate::auth::f() }",
            "fn f<'a>(x: &'a str) -> crate::auth::X { r#\"\"//\"# }",
        ] {
            let wrong = wrong_imports(&[source("proxy/route.rs", text)]);
            assert!(
                wrong.iter().all(|line| line.starts_with("proxy/route.rs: proxy may not import auth: ")),
                "{wrong:?}"
            );
            assert!(!wrong.is_empty(), "{text}");
        }
    }

    #[test]
    fn edges_that_are_allowed() {
        let fine = [
            source("proxy/a.rs", "use crate::{model::x, net};\nuse crate::proxy::b;\npub(crate) fn f() {}"),
            source("proxy/b.rs", "//! See [`crate::auth`].\n/* crate::auth */ fn f() -> &str { \"crate::auth\" }"),
            source("proxy/c.rs", "//! C.\n\n#[cfg(test)]\nmod tests {\n    use super::*;\n    use crate::auth::x;\n}"),
            source("proxy/tests.rs", "use crate::auth;"),
            source("config/a.rs", "use crate::proxy::settings::Settings;\nuse crate::{net::settings, model};"),
            source("config/b.rs", "use crate::alibaba::site::Site;\nuse crate::observe::log::{Settings as Log};"),
            source("main.rs", "use crate::cli;"),
        ];
        finds(wrong_imports(&fine), &[]);
    }

    #[test]
    fn other_imports_that_are_not_allowed() {
        let sources = [
            source("config/a.rs", "use crate::net::tls;\nuse crate::token;"),
            source("config/b.rs", "use crate::observe::log::{Settings, begin};\nuse crate::observe::log;"),
            source("model/a.rs", "use super::super::net;"),
            source("extra.rs", "use crate::model;"),
        ];
        let expected = [
            "config/a.rs: config may import only net::settings",
            "config/a.rs: config may not import token",
            "config/b.rs: config may import only observe::settings",
            "config/b.rs: config may import only observe::settings",
            "model/a.rs: write crate:: instead of super::",
            "extra.rs: the module extra stands in no layer",
        ];
        finds(wrong_imports(&sources), &expected);
    }

    #[test]
    fn layers_that_are_gone_or_have_come() {
        let all: Vec<Source> = LAYERS.iter().map(|layer| source(&format!("{}/mod.rs", layer.0), "")).collect();
        finds(wrong_layers(&all, &[]), &[]);
        finds(wrong_layers(&all[1..], &[]), &["the layer cli does not exist"]);
        finds(wrong_layers(&all[1..], &["cli"]), &[]);
        finds(wrong_layers(&all, &["cli"]), &["the layer cli exists"]);
    }

    #[test]
    fn a_crate_outside_its_owner() {
        let sources = [
            source("proxy/a.rs", "use figment::Figment;\nfn f(figment: u8) {}\nuse my_clap::x;"),
            source("proxy/b.rs", "use std::time::{Duration, SystemTime};"),
            source("model/time.rs", "use std::time::SystemTime;"),
            source("config/a.rs", "use figment;"),
            source("cli/a.rs", "#[derive(clap::Parser)]\nuse rustls;"),
        ];
        let expected = [
            "proxy/a.rs: only config may name figment",
            "proxy/b.rs: only model/time.rs may name SystemTime",
            "cli/a.rs: only net may name rustls",
        ];
        finds(wrong_owners(&sources), &expected);
    }

    #[test]
    fn tests_that_are_in_the_program() {
        let sources = [
            source("net/mod.rs", "#[cfg(test)]\nmod tests;\nmod properties;"),
            source("net/tests.rs", ""),
            source("net/properties.rs", ""),
        ];
        finds(wrong_tests(&sources), &["net/properties.rs: "]);
    }

    #[test]
    fn exceptions_that_nobody_needs() {
        let sources = [
            source("config/a.rs", "use crate::alibaba::site;"),
            source("config/tests.rs", "use crate::observe::log;"),
            source("model/secret.rs", "use zeroize::Zeroizing;"),
            source("model/time.rs", "use std::time::SystemTime;"),
        ];
        let stale = stale_exceptions(&sources);
        assert!(stale[0].starts_with("observe::log::Settings: nobody imports it"), "{stale:?}");
        assert_eq!(stale[1], "alibaba/profile/mod.rs: does not name zeroize: take it out of OWNERS");
        assert!(stale.iter().all(|line| !line.starts_with("model/")), "{stale:?}");
    }

    #[test]
    fn names_headers_and_lengths() {
        let long = format!("//! Long.\n{}", "\n".repeat(MAX_LINES));
        let tested = format!("//! Tested.\n#[cfg(test)]\nmod tests {{}}\n{}", "\n".repeat(MAX_LINES));
        let sources = [
            source("proxy/util.rs", "//! X."),
            source("common/a.rs", "fn f() {}"),
            source("net/long.rs", &long),
            source("net/tested.rs", &tested),
        ];
        finds(wrong_names(&sources), &["proxy/util.rs: ", "common/a.rs: "]);
        finds(wrong_headers(&sources), &["common/a.rs: "]);
        finds(wrong_lengths(&sources, &[]), &["net/long.rs: 401 lines"]);
        finds(wrong_lengths(&sources, &[("net/long.rs", "a table")]), &[]);
        let stale = [("net/long.rs", "a table"), ("net/tested.rs", "none"), ("gone.rs", "none")];
        finds(wrong_lengths(&sources, &stale), &["net/tested.rs: short enough", "gone.rs: excused"]);
    }
}
