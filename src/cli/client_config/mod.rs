//! `mcp-proxy client-config`: what to paste into an application so that it uses the MCP servers of this mcp-proxy, or the
//! application's own file, changed.
//!
//! What is to be pasted goes to standard output and nothing else, so that it can be redirected; what a person has to know
//! about it goes to standard error.

mod addresses;
mod app;
mod edit;
mod file;
mod json;
mod snippet;

use std::fmt::Display;
use std::io::Write;
use std::path::{Path, PathBuf};

use serde_json::Value;

pub(super) use self::app::App;
use crate::cli::choice::{self, Chosen, Usable};
use crate::cli::client_config::addresses::Reached;
use crate::cli::client_config::edit::NotEdited;
use crate::cli::client_config::file::{FileError, Found};
use crate::cli::client_config::json::Json;
use crate::cli::client_config::snippet::{Common, Entry, PLACEHOLDER};
use crate::cli::exit::Exit;
use crate::cli::running::{self, Running};
use crate::cli::{client, error_line, say, servers, settings, stdio};
use crate::config::Loaded;
use crate::daemon::Environment;
use crate::model::language::Language;
use crate::phrase::{Phrase, client_config as words};
use crate::policy::client::Others;

/// What was asked for.
#[derive(Debug)]
pub(super) struct Wanted<'a> {
    pub(super) app: App,
    /// Only this server: name, id or path.
    pub(super) server: Option<&'a str>,
    /// Only the servers of this upstream.
    pub(super) upstream: Option<&'a str>,
    /// Make a key for this client.
    pub(super) key_for: Option<&'a str>,
    /// Change the application's file.
    pub(super) write: bool,
    /// The file of the project in the current directory.
    pub(super) project: bool,
    /// This file.
    pub(super) file: Option<&'a Path>,
    /// Only say what would be changed.
    pub(super) dry_run: bool,
    /// The configuration that was named on the command line.
    pub(super) config: Option<&'a Path>,
}

/// What it takes to say things to a person.
struct Speaker(Language);

impl Speaker {
    fn note(&self, phrase: &Phrase, values: &[(&str, &dyn Display)]) {
        // A closed standard error is nobody's problem.
        let _ = writeln!(std::io::stderr(), "{}", phrase.fill(self.0, values));
    }
}

/// Prints or writes the configuration.
pub(super) async fn run(loaded: &Loaded, environment: &Environment, wanted: Wanted<'_>, language: Language) -> Exit {
    configure(loaded, environment, &wanted, language).await.unwrap_or_else(|exit| exit)
}

async fn configure(
    loaded: &Loaded,
    environment: &Environment,
    wanted: &Wanted<'_>,
    language: Language,
) -> Result<Exit, Exit> {
    let speaker = Speaker(language);
    let place = match wanted.write || wanted.dry_run {
        true => Some(place(wanted, environment).map_err(|why| refuse(&why, Exit::Usage))?),
        false => None,
    };
    let running = running::find(loaded).await;
    let chosen = chosen(loaded, environment, &running, wanted).await?;
    let reached = addresses::reached(settings(loaded), &running, wanted.app.is_in_a_container());
    let Some(reached) = reached.or_else(|| wanted.app.starts_a_program().then(Reached::nowhere)) else {
        let why = "this mcp-proxy listens on no port, so there is no address to give. Set listen.port, or use an \
                   application that starts `mcp-proxy stdio`";
        return Err(refuse(why, Exit::Unavailable));
    };
    let entries = entries(&chosen, &reached, &running);
    let needs_key = needs_key(loaded);
    let mut common = Common { key: None, program: program(), flags: flags(wanted.config) };
    match place {
        None => {
            common.key = match wanted.key_for {
                Some(name) => Some(made_key(loaded, name, &speaker).await?),
                None => needs_key.then(|| PLACEHOLDER.to_owned()),
            };
            explain(wanted.app, &entries, &reached, &common, environment, &speaker);
            if wanted.key_for.is_none() && common.key.is_some() {
                speaker.note(&words::PLACEHOLDER, &[("placeholder", &PLACEHOLDER)]);
            }
            say(&snippet::text(wanted.app, &entries, &common));
        }
        Some(path) => {
            // Whether it can be written is seen before there is a key that nobody gets.
            common.key = wanted.key_for.map(|_| PLACEHOLDER.to_owned());
            let found = Found::at(&path).map_err(|error| unwritable(&error))?;
            let text = merged(&found, wanted.app, &entries, &common)?;
            if wanted.dry_run {
                return Ok(rehearse(&found, &text, &speaker));
            }
            let text = match wanted.key_for {
                Some(name) => {
                    common.key = Some(made_key(loaded, name, &speaker).await?);
                    merged(&found, wanted.app, &entries, &common)?
                }
                None => text,
            };
            write(&found, &text, common.key.is_some(), &speaker)?;
            if needs_key && common.key.is_none() && !text.contains("mcpk_") {
                speaker.note(&words::NO_KEY_WRITTEN, &[]);
            }
        }
    }
    Ok(Exit::Ok)
}

/// The file that is to be changed.
fn place(wanted: &Wanted<'_>, environment: &Environment) -> Result<PathBuf, String> {
    if let Some(file) = wanted.file {
        let has_file = wanted.app.file(Path::new("/"), Path::new("/"), None).is_some();
        return has_file.then(|| file.to_owned()).ok_or_else(|| no_file(wanted.app));
    }
    let (home, config) = homes(environment).ok_or("HOME is not set, so the file is not known; name it with --file")?;
    let project = wanted.project.then(|| PathBuf::from("."));
    wanted.app.file(&home, &config, project.as_deref()).ok_or_else(|| no_file(wanted.app))
}

fn no_file(app: App) -> String {
    let which = if app == App::ClaudeDesktop { "no file in projects" } else { "no file that could be changed" };
    format!("this application has {which}. Paste what is printed without --write and --dry-run")
}

fn homes(environment: &Environment) -> Option<(PathBuf, PathBuf)> {
    let absolute = |name: &str| environment.get(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let home = absolute("HOME")?;
    let config = absolute("XDG_CONFIG_HOME").unwrap_or_else(|| home.join(".config"));
    Some((home, config))
}

async fn chosen(
    loaded: &Loaded,
    environment: &Environment,
    running: &Running,
    wanted: &Wanted<'_>,
) -> Result<Vec<Chosen>, Exit> {
    // A path says enough where nobody can be asked.
    if let Some(chosen) = wanted.server.and_then(choice::by_path).filter(|_| !matches!(running, Running::Daemon(..))) {
        return Ok(vec![chosen]);
    }
    let report = servers::found(loaded, environment, running).await?;
    let usable = choice::usable(&report, &stdio::mounts(loaded, running), wanted.upstream);
    let Usable { servers, unusable, unknown } =
        usable.map_err(|error| refuse(&error.to_string(), Exit::Unavailable))?;
    match wanted.server {
        Some(_) => choice::one(&servers, &unusable, wanted.server)
            .map(|chosen| vec![chosen])
            .map_err(|error| refuse(&with_unknown(&error.to_string(), unknown.as_deref()), Exit::Unavailable)),
        None if servers.is_empty() => {
            let why =
                with_unknown("there is no MCP server that can be used. See: mcp-proxy servers", unknown.as_deref());
            Err(refuse(&why, Exit::Unavailable))
        }
        None => Ok(servers),
    }
}

fn with_unknown(why: &str, unknown: Option<&str>) -> String {
    match unknown {
        Some(unknown) => format!("{why}. The list is not known: {unknown}"),
        None => why.to_owned(),
    }
}

fn entries(chosen: &[Chosen], reached: &Reached, running: &Running) -> Vec<Entry> {
    let names = snippet::names(chosen.iter().map(|server| (server.name.as_str(), server.id.as_deref())));
    let same_name = |name: &str| chosen.iter().filter(|server| server.name == name).count();
    // A name is looked up at the control socket, which not everybody may open who may use the port; root may.
    let can_look_up = matches!(running, Running::Daemon(..)) && !rustix::process::geteuid().is_root();
    let reference = |server: &Chosen| match (&server.id, can_look_up) {
        (Some(_), true) if same_name(&server.name) == 1 => server.name.clone(),
        (Some(id), true) => id.clone(),
        _ => server.path.clone(),
    };
    let entry = |(server, name): (&Chosen, String)| Entry {
        name,
        reference: reference(server),
        url: reached.url(server),
        is_sse: server.is_sse,
    };
    chosen.iter().zip(names).map(entry).collect()
}

/// True if whoever has no key is a stranger, as far as the configuration says.
fn needs_key(loaded: &Loaded) -> bool {
    let clients = &settings(loaded).proxy.clients;
    clients.access.others == Others::Nobody && clients.in_order().all(|client| client.criteria.key)
}

async fn made_key(loaded: &Loaded, name: &str, speaker: &Speaker) -> Result<String, Exit> {
    let key = client::made_key(loaded, name).await?;
    speaker.note(&words::KEY_MADE, &[("client", &name)]);
    Ok(key.expose().to_owned())
}

/// How the program is started: by its name where every shell finds it.
fn program() -> String {
    let program = std::env::current_exe().unwrap_or_default();
    let is_known =
        ["/usr/bin", "/usr/local/bin", "/bin"].iter().any(|place| program.parent() == Some(Path::new(place)));
    if is_known || program.as_os_str().is_empty() { "mcp-proxy".to_owned() } else { program.display().to_string() }
}

fn flags(config: Option<&Path>) -> Vec<String> {
    let absolute = config.and_then(|file| std::path::absolute(file).ok());
    absolute.map_or_else(Vec::new, |file| vec!["--config".to_owned(), file.display().to_string()])
}

/// Says where to put it, and what to know.
fn explain(
    app: App,
    entries: &[Entry],
    reached: &Reached,
    common: &Common,
    environment: &Environment,
    speaker: &Speaker,
) {
    if let (App::Dify, Some(wrong)) = (app, &reached.not_for_containers) {
        speaker.note(&words::NOT_FOR_CONTAINERS, &[("listens", wrong)]);
        let _ = writeln!(std::io::stderr(), "\n  [Socket]\n  ListenStream={}\n  FreeBind=yes\n", reached.address);
        speaker.note(&words::IN_FORCE, &[("host", &reached.host())]);
    }
    let (home, config) = homes(environment).unwrap_or_else(|| ("~".into(), "~/.config".into()));
    let file = app.file(&home, &config, None).unwrap_or_default().display().to_string();
    let name = entries.first().map_or("", |entry| entry.name.as_str());
    let phrase = match app {
        App::Dify => &words::DIFY,
        App::ClaudeCode if common.key.is_none() => &words::CLAUDE_CODE_COMMANDS,
        App::ClaudeCode => &words::CLAUDE_CODE,
        App::ClaudeDesktop => &words::CLAUDE_DESKTOP,
        App::Cursor => &words::CURSOR,
        App::Vscode => &words::VSCODE,
        App::CherryStudio => &words::CHERRY_STUDIO,
        App::Langchain => &words::LANGCHAIN,
        App::OpenaiAgents => &words::OPENAI_AGENTS,
        App::Inspector => &words::INSPECTOR,
    };
    speaker.note(phrase, &[("file", &file), ("name", &name)]);
    if app == App::Dify {
        speaker.note(&words::DOCKER_DESKTOP, &[("port", &reached.port())]);
    }
}

/// The file's text with the servers in it.
fn merged(found: &Found, app: App, entries: &[Entry], common: &Common) -> Result<String, Exit> {
    let members = snippet::members(app, entries, common);
    let merged = free(&found.text, app, &members).and_then(|()| edit::merged(&found.text, &members));
    merged.map_err(|error| {
        refuse(
            &format!("{} is left alone: {error}. Paste what is printed without --write", found.path().display()),
            Exit::DataError,
        )
    })
}

/// Sees to it that no entry takes the place of a server of somebody else.
fn free(text: &str, app: App, members: &[(String, Json)]) -> Result<(), NotEdited> {
    let there = edit::meaning(text)?;
    for (_, servers) in members {
        let Value::Object(servers) = servers.value() else { continue };
        for (name, ours) in servers {
            let theirs = &there[app.member()][&name];
            if !theirs.is_null() && !is_ours(theirs, &ours) {
                return Err(NotEdited::Taken(format!(
                    "it has another server of the name {name:?}; rename or remove that"
                )));
            }
        }
    }
    Ok(())
}

/// True if an entry is one that was written for the same server: the same path, or started by the same program.
fn is_ours(theirs: &Value, ours: &Value) -> bool {
    let path =
        |entry: &Value| entry["url"].as_str().and_then(|url| url.parse::<http::Uri>().ok()?.path_and_query().cloned());
    let program = |entry: &Value| {
        let command = entry["command"].as_str().map(Path::new)?;
        command.file_name().map(|name| name.to_owned())
    };
    match ours.get("url") {
        Some(_) => theirs.get("command").is_none() && path(theirs) == path(ours),
        None => {
            let starts_a_bridge =
                theirs["args"].as_array().is_some_and(|words| words.iter().any(|word| word == "stdio"));
            theirs.get("url").is_none() && starts_a_bridge && program(theirs) == program(ours)
        }
    }
}

fn rehearse(found: &Found, text: &str, speaker: &Speaker) -> Exit {
    let file = found.path().display();
    if found.text == text {
        speaker.note(&words::UNCHANGED, &[("file", &file)]);
    } else {
        speaker.note(&words::WOULD_WRITE, &[("file", &file)]);
        say(&file::difference(&found.text, text));
    }
    Exit::Ok
}

fn write(found: &Found, text: &str, has_key: bool, speaker: &Speaker) -> Result<(), Exit> {
    let file = found.path().display();
    if found.text == text {
        speaker.note(&words::UNCHANGED, &[("file", &file)]);
        return Ok(());
    }
    match found.replace(text, has_key).map_err(|error| unwritable(&error))? {
        Some(backup) => speaker.note(&words::WROTE, &[("file", &file), ("backup", &backup.display())]),
        None => speaker.note(&words::MADE, &[("file", &file)]),
    }
    Ok(())
}

fn unwritable(error: &FileError) -> Exit {
    let exit = match error {
        FileError::LeftAlone { .. } => Exit::DataError,
        FileError::Disk { .. } => Exit::IoError,
    };
    refuse(&error.to_string(), exit)
}

fn refuse(why: &str, exit: Exit) -> Exit {
    error_line(why);
    exit
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn only_entries_of_our_own_are_changed() {
        let url = |url: &str| json!({"url": url});
        let bridge = |command: &str| json!({"command": command, "args": ["stdio", "--server", "x"]});
        for (theirs, ours, expected) in [
            (url("http://127.0.0.1:8088/a/mcp"), url("http://10.0.0.1:1/a/mcp"), true),
            (url("http://127.0.0.1:8088/b/mcp"), url("http://127.0.0.1:8088/a/mcp"), false),
            (url("https://elsewhere.example/"), url("http://127.0.0.1:8088/a/mcp"), false),
            (bridge("npx"), url("http://127.0.0.1:8088/a/mcp"), false),
            (bridge("/opt/mcp-proxy"), bridge("mcp-proxy"), true),
            (bridge("npx"), bridge("mcp-proxy"), false),
            (json!({"command": "mcp-proxy", "args": ["serve"]}), bridge("mcp-proxy"), false),
            (url("http://127.0.0.1:8088/a/mcp"), bridge("mcp-proxy"), false),
            (json!(7), url("http://127.0.0.1:8088/a/mcp"), false),
            (json!({}), url("http://127.0.0.1:8088/a/mcp"), false),
        ] {
            assert_eq!(is_ours(&theirs, &ours), expected, "{theirs} {ours}");
        }
    }
}
