//! What each application wants to have pasted, from the addresses of the servers.

use crate::cli::client_config::app::App;
use crate::cli::client_config::json::{Json, quoted};

/// What stands where a client key goes.
pub(super) const PLACEHOLDER: &str = "mcpk_...";

/// One server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Entry {
    /// What the application is to call it: letters, digits and dashes.
    pub(super) name: String,
    /// What `mcp-proxy stdio --server` finds it by.
    pub(super) reference: String,
    /// Where the application reaches it.
    pub(super) url: String,
    /// True if it speaks HTTP+SSE only.
    pub(super) is_sse: bool,
}

/// What all servers share.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Common {
    /// The client key, or what stands in its place.
    pub(super) key: Option<String>,
    /// How `mcp-proxy` is started.
    pub(super) program: String,
    /// Flags that lead it to the same daemon.
    pub(super) flags: Vec<String>,
}

impl Common {
    fn bearer(&self) -> Option<String> {
        self.key.as_ref().map(|key| format!("Bearer {key}"))
    }
}

/// The text to paste, without a line break at its end.
pub(super) fn text(app: App, entries: &[Entry], common: &Common) -> String {
    match app {
        App::Dify => each(entries, "\n\n", |entry| dify(entry, common)),
        // A key has no place among the arguments of a command, where others can read it.
        App::ClaudeCode if common.key.is_none() => each(entries, "\n", claude_command),
        App::CherryStudio => each(entries, "\n\n", |entry| whole(app, std::slice::from_ref(entry), common)),
        App::Langchain => langchain(entries, common),
        App::OpenaiAgents => openai_agents(entries, common),
        App::ClaudeCode | App::ClaudeDesktop | App::Cursor | App::Vscode | App::Inspector => {
            whole(app, entries, common)
        }
    }
}

/// The members of the application's file.
pub(super) fn members(app: App, entries: &[Entry], common: &Common) -> Vec<(String, Json)> {
    let servers = entries.iter().map(|entry| (entry.name.clone(), server(app, entry, common))).collect();
    vec![(app.member().to_owned(), Json::Object(servers))]
}

fn each(entries: &[Entry], between: &str, text: impl Fn(&Entry) -> String) -> String {
    entries.iter().map(text).collect::<Vec<_>>().join(between)
}

fn whole(app: App, entries: &[Entry], common: &Common) -> String {
    Json::Object(members(app, entries, common)).pretty()
}

/// One server as the application's JSON has it.
fn server(app: App, entry: &Entry, common: &Common) -> Json {
    let url = || Json::text(&entry.url);
    let kind = |streamable: &str| Json::text(if entry.is_sse { "sse" } else { streamable });
    let mut members = match app {
        App::ClaudeDesktop => {
            let mut arguments = vec!["stdio".to_owned(), "--server".to_owned(), entry.reference.clone()];
            arguments.extend(common.flags.iter().cloned());
            vec![("command", Json::text(&common.program)), ("args", Json::List(arguments))]
        }
        App::CherryStudio => vec![
            ("name", Json::text(&entry.name)),
            ("type", kind("streamableHttp")),
            ("baseUrl", url()),
            ("isActive", Json::Truth(true)),
        ],
        App::Inspector => vec![("type", kind("streamable-http")), ("url", url())],
        App::Cursor => vec![("url", url())],
        _ => vec![("type", kind("http")), ("url", url())],
    };
    match (app, &common.key, common.bearer()) {
        (App::ClaudeDesktop, Some(key), _) => {
            members.push(("env", Json::object([("MCP_PROXY_CLIENT_KEY", Json::text(key))])));
        }
        (_, _, Some(bearer)) => members.push(("headers", Json::object([("Authorization", Json::Text(bearer))]))),
        _ => {}
    }
    Json::Object(members.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
}

/// Dify's form. An identifier has at most 24 of a-z, 0-9, _ and -.
fn dify(entry: &Entry, common: &Common) -> String {
    let identifier: String = entry.name.to_ascii_lowercase().chars().take(24).collect();
    let mut lines = vec![
        format!("Server URL: {}", entry.url),
        format!("Name: {}", entry.name),
        format!("Server Identifier: {}", identifier.trim_end_matches('-')),
    ];
    lines.extend(common.bearer().map(|bearer| format!("Headers: Authorization: {bearer}")));
    lines.join("\n")
}

fn claude_command(entry: &Entry) -> String {
    let url = shlex::try_quote(&entry.url).map_or_else(|_| entry.url.clone(), |url| url.into_owned());
    let transport = if entry.is_sse { "sse" } else { "http" };
    format!("claude mcp add --transport {transport} {} {url}", entry.name)
}

fn langchain(entries: &[Entry], common: &Common) -> String {
    let server = |entry: &Entry| {
        let transport = if entry.is_sse { "sse" } else { "streamable_http" };
        let headers = common.bearer().map_or_else(String::new, |bearer| {
            format!("        \"headers\": {{\"Authorization\": {}}},\n", quoted(&bearer))
        });
        format!(
            "    {}: {{\n        \"transport\": \"{transport}\",\n        \"url\": {},\n{headers}    }},\n",
            quoted(&entry.name),
            quoted(&entry.url)
        )
    };
    format!(
        "import asyncio\n\nfrom langchain_mcp_adapters.client import MultiServerMCPClient\n\n\
         client = MultiServerMCPClient({{\n{}}})\n\n\n\
         async def main():\n    for tool in await client.get_tools():\n        print(tool.name)\n\n\n\
         asyncio.run(main())",
        each(entries, "", server)
    )
}

fn openai_agents(entries: &[Entry], common: &Common) -> String {
    let class = |entry: &Entry| if entry.is_sse { "MCPServerSse" } else { "MCPServerStreamableHttp" };
    let server = |entry: &Entry| {
        let headers = common
            .bearer()
            .map_or_else(String::new, |bearer| format!(", \"headers\": {{\"Authorization\": {}}}", quoted(&bearer)));
        let (name, url) = (quoted(&entry.name), quoted(&entry.url));
        format!("    {}(\n        name={name},\n        params={{\"url\": {url}{headers}}},\n    ),\n", class(entry))
    };
    let mut classes: Vec<&str> = entries.iter().map(class).collect();
    classes.sort_unstable();
    classes.dedup();
    format!(
        "import asyncio\nfrom contextlib import AsyncExitStack\n\nfrom agents import Agent, Runner\n\
         from agents.mcp import {}\n\nservers = [\n{}]\n\n\n\
         async def main():\n    async with AsyncExitStack() as stack:\n        for server in servers:\n            \
         await stack.enter_async_context(server)\n        \
         agent = Agent(name=\"Assistant\", instructions=\"Use the tools.\", mcp_servers=servers)\n        \
         result = await Runner.run(agent, \"What can you do?\")\n        print(result.final_output)\n\n\n\
         asyncio.run(main())",
        classes.join(", "),
        each(entries, "", server)
    )
}

/// The name under which applications know a server: of letters, digits and dashes, and different for each.
pub(super) fn names<'a>(servers: impl IntoIterator<Item = (&'a str, Option<&'a str>)>) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    for (name, id) in servers {
        let wanted = [Some(plain(name)), id.map(plain), Some("mcp-proxy".to_owned())];
        let wanted = wanted.into_iter().flatten().find(|name| !name.is_empty()).unwrap_or_default();
        let with_id = id.map(|id| format!("{wanted}-{}", plain(id)));
        let numbered = (2..).map(|number| format!("{wanted}-{number}"));
        let mut free = [wanted.clone()].into_iter().chain(with_id).chain(numbered).filter(|name| !names.contains(name));
        names.extend(free.next());
    }
    names
}

fn plain(text: &str) -> String {
    let dashed: String = text.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect();
    dashed.split('-').filter(|part| !part.is_empty()).collect::<Vec<_>>().join("-")
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn entries() -> Vec<Entry> {
        let entry = |name: &str, end: &str| Entry {
            name: name.to_owned(),
            reference: name.to_owned(),
            url: format!("http://127.0.0.1:8088/custom/{name}/{end}"),
            is_sse: end == "sse",
        };
        vec![entry("ecs", "mcp"), entry("old", "sse")]
    }

    fn common(key: Option<&str>) -> Common {
        Common { key: key.map(str::to_owned), program: "mcp-proxy".to_owned(), flags: Vec::new() }
    }

    fn parsed(app: App, key: Option<&str>) -> Value {
        let text = text(app, &entries(), &common(key));
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{app:?}: {error}\n{text}"))
    }

    #[test]
    fn every_application_gets_its_own_json() {
        let (new, old) = ("http://127.0.0.1:8088/custom/ecs/mcp", "http://127.0.0.1:8088/custom/old/sse");
        let bearer = json!({"Authorization": "Bearer mcpk_x"});
        for (app, member, ecs, older) in [
            (App::ClaudeCode, "mcpServers", json!({"type": "http", "url": new}), json!({"type": "sse", "url": old})),
            (App::Cursor, "mcpServers", json!({"url": new}), json!({"url": old})),
            (App::Vscode, "servers", json!({"type": "http", "url": new}), json!({"type": "sse", "url": old})),
            (
                App::Inspector,
                "mcpServers",
                json!({"type": "streamable-http", "url": new}),
                json!({"type": "sse", "url": old}),
            ),
        ] {
            let with = |mut server: Value| {
                server["headers"] = bearer.clone();
                server
            };
            let expected = json!({member: {"ecs": with(ecs.clone()), "old": with(older.clone())}});
            assert_eq!(parsed(app, Some("mcpk_x")), expected, "{app:?}");
            if app != App::ClaudeCode {
                assert_eq!(parsed(app, None), json!({member: {"ecs": ecs, "old": older}}), "{app:?}");
            }
        }
        let desktop = parsed(App::ClaudeDesktop, Some("mcpk_x"));
        let expected = json!({
            "command": "mcp-proxy",
            "args": ["stdio", "--server", "ecs"],
            "env": {"MCP_PROXY_CLIENT_KEY": "mcpk_x"},
        });
        assert_eq!(desktop["mcpServers"]["ecs"], expected);
        let cherry = text(App::CherryStudio, &entries()[..1], &common(Some("mcpk_x")));
        let expected = json!({"mcpServers": {"ecs": {
            "name": "ecs", "type": "streamableHttp", "baseUrl": new, "isActive": true, "headers": bearer,
        }}});
        assert_eq!(serde_json::from_str::<Value>(&cherry).unwrap(), expected);
    }

    #[test]
    fn commands_and_forms_have_no_key_where_others_see_it() {
        let commands = text(App::ClaudeCode, &entries(), &common(None));
        let expected = "claude mcp add --transport http ecs http://127.0.0.1:8088/custom/ecs/mcp\n\
                        claude mcp add --transport sse old http://127.0.0.1:8088/custom/old/sse";
        assert_eq!(commands, expected);
        let odd = Entry { url: "http://h/a b?x=1&y='".to_owned(), ..entries().remove(0) };
        let command = text(App::ClaudeCode, std::slice::from_ref(&odd), &common(None));
        assert_eq!(shlex::split(&command).unwrap().last().unwrap(), &odd.url);
        assert!(!text(App::ClaudeCode, &entries(), &common(Some("mcpk_x"))).contains("claude mcp add"));
        let dify = text(App::Dify, &entries()[..1], &common(Some("mcpk_x")));
        assert_eq!(
            dify,
            "Server URL: http://127.0.0.1:8088/custom/ecs/mcp\nName: ecs\nServer Identifier: ecs\n\
             Headers: Authorization: Bearer mcpk_x"
        );
    }

    #[test]
    fn the_code_is_python() {
        let directory = tempfile::tempdir().unwrap();
        for app in [App::Langchain, App::OpenaiAgents] {
            for key in [None, Some("mcpk_x\"\\")] {
                let file = directory.path().join("code.py");
                std::fs::write(&file, text(app, &entries(), &common(key))).unwrap();
                let compiled = std::process::Command::new("python3").arg("-m").arg("py_compile").arg(&file).output();
                // A machine without Python compiles none; the clients' tests run the code where they can.
                let Ok(compiled) = compiled else { return };
                assert!(compiled.status.success(), "{app:?}: {}", String::from_utf8_lossy(&compiled.stderr));
            }
        }
    }

    #[test]
    fn names_are_plain_and_different() {
        let given = [
            ("ecs", Some("A1")),
            ("ecs", Some("B2")),
            ("My Server (test)", None),
            ("云服务器", Some("C3")),
            ("云", None),
            ("ecs", None),
        ];
        let expected = ["ecs", "ecs-B2", "My-Server-test", "C3", "mcp-proxy", "ecs-2"];
        assert_eq!(names(given), expected);
    }
}
