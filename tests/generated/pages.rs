//! The man pages: one for each command, mcp-proxy.toml(5) from the table of keys, mcp-proxy.service(8) from
//! docs/SYSTEMD.md.

use std::collections::BTreeMap;
use std::fs;

use clap::Command;
use clap_mangen::Man;
use mcp_proxy::cli;
use mcp_proxy::config::keys::{Fallback, KEYS, Key, OWN_VARIABLES};

use crate::roff::{bold, entry, markdown, section, text, title};
use crate::root;

/// Every page, by its file name.
pub(crate) fn all() -> BTreeMap<String, String> {
    let mut pages = BTreeMap::new();
    let mut program = cli::definition().disable_help_subcommand(true);
    program.build();
    commands(&program, "mcp-proxy", &mut pages);
    pages.insert("mcp-proxy.toml.5".to_owned(), configuration());
    pages.insert("mcp-proxy.service.8".to_owned(), service());
    pages
}

/// The page of a command and those of its own commands.
fn commands(command: &Command, name: &str, pages: &mut BTreeMap<String, String>) {
    for inner in command.get_subcommands() {
        commands(inner, &format!("{name}-{}", inner.get_name()), pages);
    }
    let man = Man::new(command.clone().name(name.to_owned()).display_name(name)).date("");
    let mut page = Vec::new();
    man.render_title(&mut page).unwrap();
    man.render_name_section(&mut page).unwrap();
    man.render_synopsis_section(&mut page).unwrap();
    man.render_description_section(&mut page).unwrap();
    man.render_options_section(&mut page).unwrap();
    if command.has_subcommands() {
        man.render_subcommands_section(&mut page).unwrap();
    }
    let mut page = String::from_utf8(page).unwrap();
    if name == "mcp-proxy" {
        page += &section("Exit status");
        page += &markdown(&exit_codes());
        page += &section("Environment");
        page += &OWN_VARIABLES.iter().map(|(name, meaning)| entry(&bold(name), &text(meaning))).collect::<String>();
        let every =
            "Any key of the configuration, in capitals; two underscores stand for the dot: MCP_PROXY_LISTEN__PORT.";
        page += &entry(&bold("MCP_PROXY_*"), &text(every));
        page += &see_also(&["mcp-proxy.toml(5)", "mcp-proxy.service(8)"]);
    } else {
        page += &see_also(&["mcp-proxy(1)", "mcp-proxy.toml(5)"]);
    }
    pages.insert(format!("{name}.1"), page);
}

fn exit_codes() -> String {
    let rows = cli::exit_codes().map(|(code, meaning)| format!("| {code} | {meaning} |\n"));
    format!("| Code | Meaning |\n|---|---|\n{}", rows.collect::<String>())
}

fn see_also(pages: &[&str]) -> String {
    let linked = pages.iter().map(|page| {
        let (name, section) = page.split_once('(').unwrap();
        format!("{}({section}", bold(name))
    });
    format!("{}{}\n", section("See also"), linked.collect::<Vec<_>>().join(",\n"))
}

fn configuration() -> String {
    let mut page = title("mcp\\-proxy.toml", 5);
    page += &section("Name");
    page += "mcp\\-proxy.toml \\- the configuration of mcp\\-proxy\n";
    page += &section("Synopsis");
    page += ".nf\n/etc/mcp\\-proxy/mcp\\-proxy.toml\n/etc/mcp\\-proxy/conf.d/*.toml\n.fi\n";
    page += &section("Description");
    page += &markdown(
        "TOML. A later layer wins: the defaults, the main file, the files of `conf.d` beside it in the order of their \
         names, the environment (`MCP_PROXY_LISTEN__PORT=8088`), the flags of the command line. All problems are \
         reported at once, with file, line and key: `mcp-proxy check-config`.\n\n\
         Durations: 500ms, 10s, 2min, 1h 30min, 1d. Sizes: 512B, 64KiB, 1MiB. Paths: absolute, or ~/...\n\n\
         No secret stands in it. The file that the package installs has every key with its default.\n",
    );
    let mut above = None;
    for key in KEYS {
        let (heading, name) = key.path.rsplit_once('.').unwrap_or(("", key.path));
        if above != Some(heading) {
            page += &match heading {
                "" => section("Top of the file"),
                "upstream" => section("[[upstream]]"),
                heading => section(&format!("[{heading}]")),
            };
            above = Some(heading);
        }
        page += &entry(&bold(name), &described(key));
    }
    page += &section("Files");
    page += &entry(&bold("/usr/share/doc/mcp-proxy"), "This documentation, where packages put it.");
    page + &see_also(&["mcp-proxy(1)", "mcp-proxy.service(8)"])
}

fn described(key: &Key) -> String {
    let default = match key.default {
        Fallback::Value(value) => bold(value),
        Fallback::Words(words) => text(words),
    };
    let values = format!("{} ({})", key.kind.in_words(), key.values);
    format!("{}\n.br\nValue: {}.\n.br\nDefault: {default}.", text(key.doc), text(&values))
}

fn service() -> String {
    let document = fs::read_to_string(root().join("docs/SYSTEMD.md")).unwrap();
    let (heading, body) = document.split_once("\n\n").unwrap();
    assert!(heading.starts_with("# "), "docs/SYSTEMD.md begins with its heading");
    let mut page = title("mcp\\-proxy.service", 8);
    page += &section("Name");
    page +=
        "mcp\\-proxy.service, mcp\\-proxy.socket, mcp\\-proxy\\-control.socket \\- mcp\\-proxy as a system service\n";
    page += &section("Description");
    page += &markdown(body);
    page + &see_also(&["mcp-proxy(1)", "mcp-proxy.toml(5)", "systemd.socket(5)", "systemd-creds(1)"])
}
