//! Reads one TOML text into a layer: every unknown key and every wrong type, with line and column.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use figment::value::Value;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::config::keys::{self, Key, Kind};
use crate::config::layer::{LISTS, Layer};
use crate::config::problem::{Fault, Place, Problem};
use crate::model::upstream::UpstreamName;

/// What a file says, and what is wrong with it.
#[derive(Debug)]
pub(crate) struct Read {
    /// What it sets, as far as it could be understood.
    pub(crate) layer: Layer,
    /// In the order of the text.
    pub(crate) problems: Vec<Problem>,
    /// Whether the layer may lack what the file means to set, so that nothing must be called missing.
    pub(crate) incomplete: bool,
}

/// Reads `text`, which stands in the file at `path`.
pub(crate) fn read(path: &Path, text: &str) -> Read {
    let mut reader = Reader {
        path: path.to_owned(),
        text,
        layer: Layer::new(path.display().to_string()),
        problems: Vec::new(),
        incomplete: false,
    };
    let (document, errors) = DeTable::parse_recoverable(text);
    if errors.is_empty() {
        reader.table(
            document.get_ref(),
            &Prefix { known: String::new(), path: Some(String::new()), label: String::new() },
        );
    } else {
        // What stands around a syntax error is a guess: judging it would report faults that nobody made.
        reader.incomplete = true;
        for error in errors {
            let at = error.span().map_or(0, |span| span.start);
            reader.problem(at, "", Fault::new(format!("not valid TOML: {}", message(&error))));
        }
    }
    reader.problems.sort_by_key(|(at, _)| *at);
    let problems = reader.problems.into_iter().map(|(_, problem)| problem).collect();
    Read { layer: reader.layer, problems, incomplete: reader.incomplete }
}

/// Where in the tree of keys the reader stands.
struct Prefix {
    /// The path as the table of keys has it: `upstream`.
    known: String,
    /// The path in the layer: `upstream.alibaba`; `None`: checked only, because it cannot be set.
    path: Option<String>,
    /// The path as a message says it: `upstream.alibaba` or `upstream[2]`.
    label: String,
}

impl Prefix {
    fn join(&self, name: &str) -> Self {
        let join = |prefix: &str, name: &str| match prefix {
            "" => name.to_owned(),
            prefix => format!("{prefix}.{name}"),
        };
        // A name that needs quotes may hold what does not belong on a terminal.
        let is_bare = name.chars().all(|c| c.is_ascii_alphanumeric() || "-_".contains(c));
        let shown = if is_bare { name.to_owned() } else { format!("{name:?}") };
        let path = self.path.as_deref().map(|path| join(path, name));
        Self { known: join(&self.known, name), path, label: join(&self.label, &shown) }
    }
}

struct Reader<'a> {
    path: PathBuf,
    text: &'a str,
    layer: Layer,
    problems: Vec<(usize, Problem)>,
    incomplete: bool,
}

impl Reader<'_> {
    fn place(&self, at: usize) -> Place {
        Place::File { path: self.path.clone(), at: Some(line_and_column(self.text, at)) }
    }

    fn problem(&mut self, at: usize, key: &str, fault: Fault) {
        let place = self.place(at);
        self.problems.push((at, Problem::new(place, key, fault)));
    }

    fn table(&mut self, table: &DeTable<'_>, prefix: &Prefix) {
        for (name, value) in table {
            let here = prefix.join(name.get_ref());
            if let Some(list) = LISTS.iter().find(|list| **list == here.known) {
                self.list(list, value);
            } else if let Some(key) = keys::find(&here.known) {
                self.leaf(key, &here, value);
            } else if keys::is_section(&here.known) {
                match value.get_ref() {
                    DeValue::Table(inner) => self.table(inner, &here),
                    other => {
                        let hint = format!("write its keys below a line [{}]", here.known);
                        let fault = Fault::new(format!("is {}, but must be a table", type_of(other))).hint(hint);
                        self.problem(value.span().start, &here.label, fault);
                    }
                }
            } else {
                self.unknown(name.span().start, &here, value);
            }
        }
    }

    fn leaf(&mut self, key: &Key, here: &Prefix, value: &Spanned<DeValue<'_>>) {
        let at = value.span().start;
        match (typed(key.kind, value.get_ref()), &here.path) {
            (Some(typed), Some(path)) => {
                let place = self.place(at);
                self.layer.set(path.clone(), typed, place);
            }
            (Some(_), None) => {}
            (None, _) => {
                let what = match (key.kind, value.get_ref()) {
                    (Kind::Number, DeValue::Integer(_)) => "is out of range".to_owned(),
                    (kind, other) => format!("is {}, but must be {}", type_of(other), kind.in_words()),
                };
                self.problem(at, &here.label, Fault::new(what).hint(format!("legal: {}", key.values)));
            }
        }
    }

    fn list(&mut self, list: &'static str, value: &Spanned<DeValue<'_>>) {
        let DeValue::Array(entries) = value.get_ref() else {
            self.incomplete = true;
            let what = format!("is {}, but must be a list of tables", type_of(value.get_ref()));
            let hint = format!("begin each {list} with a line [[{list}]] and give it a name");
            return self.problem(value.span().start, list, Fault::new(what).hint(hint));
        };
        let mut seen = BTreeSet::new();
        for (index, entry) in entries.iter().enumerate() {
            let mut here = Prefix { known: list.to_owned(), path: None, label: format!("{list}[{}]", index + 1) };
            let DeValue::Table(table) = entry.get_ref() else {
                self.incomplete = true;
                let what = format!("is {}, but must be a table", type_of(entry.get_ref()));
                self.problem(entry.span().start, &here.label, Fault::new(what));
                continue;
            };
            match self.name_of(list, table, entry.span().start, &here.label) {
                Some(name) if seen.insert(name.to_owned()) => {
                    here.label = format!("{list}.{name}");
                    here.path = Some(here.label.clone());
                }
                Some(name) => {
                    let fault = Fault::new(format!("this file lists the {list} {name} twice"));
                    self.problem(entry.span().start, &format!("{list}.{name}"), fault);
                }
                None => self.incomplete = true,
            }
            self.table(table, &here);
        }
    }

    /// The legal name of an entry, or a problem. A name of another type is reported with the other keys.
    fn name_of<'t>(&mut self, list: &str, table: &'t DeTable<'_>, at: usize, label: &str) -> Option<&'t str> {
        let rule = || keys::find(&format!("{list}.name")).map_or("", |key| key.values);
        let Some(value) = table.get("name") else {
            self.problem(at, label, Fault::new(format!("this {list} has no name")).hint(format!("name: {}", rule())));
            return None;
        };
        let text = value.get_ref().as_str()?;
        if UpstreamName::parse(text).is_none() {
            let fault = Fault::new(format!("{text:?} is not a legal name")).hint(format!("legal: {}", rule()));
            self.problem(value.span().start, &format!("{label}.name"), fault);
            return None;
        }
        Some(text)
    }

    fn unknown(&mut self, at: usize, here: &Prefix, value: &Spanned<DeValue<'_>>) {
        if keys::looks_secret(&here.known) {
            let fault = Fault::new("unknown key, and it looks like a secret").hint(keys::SECRETS_GO);
            return self.problem(at, &here.label, fault);
        }
        let before = self.problems.len();
        if let DeValue::Table(inner) = value.get_ref() {
            for (name, value) in inner.iter().filter(|(name, _)| keys::looks_secret(name.get_ref())) {
                self.unknown(name.span().start, &here.join(name.get_ref()), value);
            }
        }
        if self.problems.len() == before {
            self.problem(at, &here.label, Fault::new("unknown key").hint(keys::suggestion(&here.known)));
        }
    }
}

/// The value in the type that the key wants.
fn typed(kind: Kind, value: &DeValue<'_>) -> Option<Value> {
    match (kind, value) {
        (Kind::Text, DeValue::String(text)) => Some(Value::from(text.as_ref())),
        (Kind::Bool, DeValue::Boolean(yes)) => Some(Value::from(*yes)),
        (Kind::Number, DeValue::Integer(number)) => {
            i64::from_str_radix(number.as_str(), number.radix()).ok().map(Value::from)
        }
        (Kind::List, DeValue::Array(items)) => {
            let texts: Option<Vec<&str>> = items.iter().map(|item| item.get_ref().as_str()).collect();
            texts.map(Value::from)
        }
        _ => None,
    }
}

/// The parser's words, without the list of what it expected where that list is empty.
fn message(error: &toml::de::Error) -> &str {
    let message = error.message();
    message.strip_suffix(", expected nothing").unwrap_or(message)
}

fn type_of(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "a string",
        DeValue::Integer(_) => "an integer",
        DeValue::Float(_) => "a number with a fraction",
        DeValue::Boolean(_) => "true or false",
        DeValue::Datetime(_) => "a date",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a table",
    }
}

/// Line and column of a byte, both from 1; the column counts characters.
fn line_and_column(text: &str, at: usize) -> (usize, usize) {
    let before = text.get(..at).unwrap_or(text);
    let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
    (before.matches('\n').count() + 1, before[line_start..].chars().count() + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problems(text: &str) -> Vec<String> {
        read(Path::new("f.toml"), text).problems.iter().map(ToString::to_string).collect()
    }

    #[track_caller]
    fn reports(text: &str, expected: &[&str]) {
        assert_eq!(problems(text), expected, "{text}");
    }

    #[test]
    fn every_fault_of_a_file_is_named_with_line_and_column() {
        reports(
            "listen = 1\n[log]\nlevel = 3\nlevle = \"x\"\n[limits]\nmax_connections = \"many\"\nreplay_body = 1.5\n",
            &[
                "f.toml:1:10: listen: is an integer, but must be a table; write its keys below a line [listen]",
                "f.toml:3:9: log.level: is an integer, but must be a string; legal: off, error, warn, info, debug or trace, also per target: info,mcp_proxy=debug",
                "f.toml:4:1: log.levle: unknown key; the nearest known key is log.level",
                "f.toml:6:19: limits.max_connections: is a string, but must be an integer; legal: 1 or more",
                "f.toml:7:15: limits.replay_body: is a number with a fraction, but must be a string; legal: a size such as \"64KiB\" or \"1MiB\"; \"0\" never sends a request twice",
            ],
        );
    }

    #[test]
    fn an_integer_of_any_size_is_an_integer() {
        let expected = "f.toml:1:15: listen.port: is out of range; legal: 0 to 65535; 0 takes any free port";
        reports("listen.port = 99999999999999999999\n", &[expected]);
    }

    #[test]
    fn every_syntax_error_is_named() {
        let found = problems("a = \n[log\nlevel = \"x\"\nb = 'y\n");
        assert!(found.len() > 1, "{found:?}");
        assert!(found[0].starts_with("f.toml:1:"), "{found:?}");
        assert!(found.iter().all(|line| line.contains("not valid TOML: ")), "{found:?}");
        reports("a = 1\na = 2\n", &["f.toml:2:1: not valid TOML: duplicate key"]);
        reports("a = 08\n", &["f.toml:1:5: not valid TOML: unexpected leading zero"]);
    }

    #[test]
    fn a_name_in_quotes_is_shown_in_quotes() {
        let unknown = "unknown key; no known key is like it; the example configuration lists them all";
        reports(
            "\"\\u001b[31m\\n\" = 1\n\"a.b\" = 1\n",
            &[&format!(r#"f.toml:1:1: "\u{{1b}}[31m\n": {unknown}"#), &format!(r#"f.toml:2:1: "a.b": {unknown}"#)],
        );
    }

    #[test]
    fn upstreams_are_taken_by_name() {
        let read = read(Path::new("f.toml"), "[[upstream]]\nname = \"a\"\nurl = \"x\"\n[[upstream]]\nname = \"b\"\n");
        assert!(read.problems.is_empty() && !read.incomplete);
        assert_eq!(
            read.layer.places().map(|(path, _)| path).collect::<Vec<_>>(),
            ["upstream.a.name", "upstream.a.url", "upstream.b.name"]
        );
    }

    #[test]
    fn upstreams_that_cannot_be_taken_are_still_checked() {
        reports(
            "[[upstream]]\nurl = 1\n[[upstream]]\nname = \"A b\"\n[[upstream]]\nname = \"a\"\n[[upstream]]\nname = \"a\"\nurll = 1\n",
            &[
                "f.toml:1:1: upstream[1]: this upstream has no name; name: 1 to 32 of a-z, 0-9 and -, beginning with a letter",
                "f.toml:2:7: upstream[1].url: is an integer, but must be a string; legal: scheme and host; https:// is assumed",
                "f.toml:4:8: upstream[2].name: \"A b\" is not a legal name; legal: 1 to 32 of a-z, 0-9 and -, beginning with a letter",
                "f.toml:7:1: upstream.a: this file lists the upstream a twice",
                "f.toml:9:1: upstream[4].urll: unknown key; the nearest known key is upstream.url",
            ],
        );
        reports(
            "[upstream.a]\nurl = \"x\"\n",
            &[
                "f.toml:1:2: upstream: is a table, but must be a list of tables; begin each upstream with a line [[upstream]] and give it a name",
            ],
        );
    }

    #[test]
    fn a_secret_is_sent_elsewhere_and_never_repeated() {
        for text in
            ["[alibaba]\naccess_key_secret = \"hush\"\n", "[cloud]\npassword = \"hush\"\n", "token = \"hush\"\n"]
        {
            let found = problems(text);
            assert_eq!(found.len(), 1, "{found:?}");
            assert!(found[0].contains("systemd credentials") && !found[0].contains("hush"), "{found:?}");
        }
    }

    #[test]
    fn columns_count_characters() {
        assert_eq!(line_and_column("a\näö = 1", 8), (2, 5));
        assert_eq!(line_and_column("", 0), (1, 1));
    }
}
