//! docs/REFERENCE.md: everything that can be typed, set and met, from the program's own tables.

use std::fmt::Write as _;

use clap::{Arg, Command};
use mcp_proxy::cli;
use mcp_proxy::config::keys::{KEYS, LIVE, OWN_VARIABLES};
use mcp_proxy::model::language::Language;
use mcp_proxy::phrase::conditions::CONDITIONS;

/// The document.
pub(crate) const DOCUMENT: &str = "docs/REFERENCE.md";

/// All of it.
pub(crate) fn document() -> String {
    let mut program = cli::definition().disable_help_subcommand(true);
    program.build();
    let mut text = "# Reference\n\n<!-- made by `make generate` from the program's own tables -->\n\n\
                    What can be typed, what can be set, and what can be met. Metrics have a page of their own: \
                    [METRICS.md](METRICS.md).\n"
        .to_owned();
    text += "\n## Commands\n\nWithout a command, mcp-proxy serves. `mcp-proxy help COMMAND`, or mcp-proxy-COMMAND(1), says more.\n\n\
             | Command | Meaning |\n|---|---|\n";
    commands(&program, "", &mut text);
    text += "\n## Flags\n\nOf any command, before or behind its name; they override the configuration.\n\n| Flag | Meaning |\n|---|---|\n";
    for flag in program.get_arguments().filter(|argument| argument.is_global_set()) {
        let _ = writeln!(text, "| `{}` | {} |", written(flag), cell(&help(flag)));
    }
    text += "\n## Exit codes\n\nAs sysexits(3) has them.\n\n| Code | Meaning |\n|---|---|\n";
    for (code, meaning) in cli::exit_codes() {
        let _ = writeln!(text, "| {code} | {meaning} |");
    }
    text += "\n## Configuration\n\nLater wins: defaults, `/etc/mcp-proxy/mcp-proxy.toml`, `conf.d/*.toml` beside it, the environment, flags. \
             What is marked ↻ comes into force with a reload, the rest with a restart.\n\n\
             | Key | Value | Default | Meaning |\n|---|---|---|---|\n";
    for key in KEYS {
        let live = if LIVE.contains(&key.path) { " ↻" } else { "" };
        let (values, default) = (cell(key.values), cell(key.default.in_words()));
        let _ = writeln!(
            text,
            "| `{}`{live} | {}: {values} | {default} | {} |",
            key.path,
            key.kind.in_words(),
            cell(key.doc)
        );
    }
    text += "\n## Variables\n\n| Variable | Meaning |\n|---|---|\n";
    for (name, meaning) in OWN_VARIABLES {
        let _ = writeln!(text, "| `{name}` | {} |", cell(meaning));
    }
    text += "| `MCP_PROXY_*` | Any key, in capitals; two underscores stand for the dot: `MCP_PROXY_LISTEN__PORT`. |\n";
    text += "\n## Conditions\n\nWhat can be wrong, as `status`, `/health`, the metrics and the log name it; \
             [OPERATING.md](OPERATING.md#conditions) explains each.\n\n| Condition | Meaning | What to do |\n|---|---|---|\n";
    for (name, title, remedy) in CONDITIONS {
        let [title, remedy] = [title, remedy].map(|phrase| cell(phrase.text(Language::English)));
        let _ = writeln!(text, "| `{name}` | {title}. | {remedy}. |");
    }
    text
}

fn commands(command: &Command, above: &str, text: &mut String) {
    for inner in command.get_subcommands() {
        let name = format!("{above}{}", inner.get_name());
        if inner.has_subcommands() {
            commands(inner, &format!("{name} "), text);
            continue;
        }
        let own = inner.get_arguments().filter(|argument| !argument.is_global_set() && argument.get_id() != "help");
        let line: String = own.map(|argument| format!(" {}", typed(argument))).collect();
        let about = inner.get_about().map(ToString::to_string).unwrap_or_default();
        let _ = writeln!(text, "| `{name}{line}` | {}. |", cell(about.trim_end_matches('.')));
    }
}

/// An argument as it is typed, in brackets if it can be left out.
fn typed(argument: &Arg) -> String {
    let written = written(argument);
    if argument.is_required_set() { written } else { format!("[{written}]") }
}

fn written(argument: &Arg) -> String {
    let value = argument.get_action().takes_values().then(|| {
        let names = argument.get_value_names().unwrap_or_default();
        names.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
    });
    match (argument.get_long(), value) {
        (Some(long), Some(value)) => format!("--{long} {value}"),
        (Some(long), None) => format!("--{long}"),
        (None, value) => value.unwrap_or_default(),
    }
}

fn help(argument: &Arg) -> String {
    argument.get_help().map(ToString::to_string).unwrap_or_default()
}

/// A text that does not end its cell.
fn cell(text: &str) -> String {
    text.replace('|', "\\|").replace('\n', " ")
}
