//! Layer 5: what a person types, and what it prints.

mod args;
mod browser;
mod check_config;
mod choice;
mod client;
mod client_config;
mod doctor;
mod exit;
mod import;
mod incident;
mod interrupt;
mod key;
mod login;
mod logout;
mod person;
mod prompt;
mod qr;
mod running;
mod screen;
mod serve;
mod servers;
mod spinner;
mod startup;
mod status;
mod stdio;
mod terminal;
mod ui;

use std::collections::BTreeMap;
use std::future::ready;
use std::io::Write;
use std::pin::Pin;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use clap::{CommandFactory, Parser};

use crate::cli::args::{Args, ClientCommand, Command, KeyCommand};
use crate::cli::client::Wanted;
use crate::cli::exit::Exit;
use crate::cli::serve::Start;
use crate::cli::terminal::Terminal;
use crate::config::problem::{Place, Problem};
use crate::config::{self, Inputs, Loaded};
use crate::daemon::confine::{self, Confinement};
use crate::daemon::custody::{self, Kept};
use crate::daemon::inherited::Inherited;
use crate::daemon::{Environment, limits};
use crate::model::language::Language;
use crate::observe::log;
use crate::phrase::sign_in;

/// How long what still waits for a disk or a socket may take when the program ends.
const LAST_WORDS: Duration = Duration::from_secs(2);

/// Runs the program: parses what was typed, performs it, and answers with an exit code of sysexits(3).
pub fn main() -> ExitCode {
    let args = match Args::try_parse() {
        Ok(args) => args,
        Err(error) => {
            // Help and version are what was asked for; everything else is a slip.
            let code = if error.use_stderr() { Exit::Usage } else { Exit::Ok };
            let _ = error.print();
            return code.into();
        }
    };
    run(&args).into()
}

/// What can be typed, as the man pages and the completions of the shells need it.
pub fn definition() -> clap::Command {
    Args::command()
}

/// The exit codes and what they mean, as the reference has them.
pub fn exit_codes() -> impl Iterator<Item = (u8, &'static str)> {
    exit::MEANINGS.iter().map(|(exit, meaning)| (*exit as u8, *meaning))
}

fn run(args: &Args) -> Exit {
    limits::write_no_core_files();
    limits::keep_memory_private();
    limits::make_private_files();
    if let Some(Command::Key(KeyCommand::Generate { file })) = &args.command {
        return key::generate(file);
    }
    let inputs = Inputs {
        flags: args.flags(),
        environment: std::env::vars_os().collect(),
        main_file: config::MAIN_FILE.into(),
        uid: rustix::process::geteuid().as_raw(),
    };
    if let Some(Command::Doctor { json }) = &args.command {
        return diagnose(inputs, *json);
    }
    let loaded = match config::load(&inputs) {
        Ok(loaded) => loaded,
        Err(problems) => return complain(&problems),
    };
    if let Some(Command::CheckConfig) = &args.command {
        return check_config::run(&loaded);
    }
    // Before there is another thread: it changes the environment. Only a daemon is passed sockets.
    let inherited = match args.command.as_ref().unwrap_or(&Command::Serve) {
        Command::Serve => Inherited::take(),
        _ => Ok(Inherited::default()),
    };
    let inherited = match inherited {
        Ok(inherited) => inherited,
        Err(error) => {
            error_line(&error.to_string());
            return Exit::Config;
        }
    };
    let environment = environment();
    let terminal = Terminal::of_process(&environment);
    let language = terminal.language;
    // Before there is another thread: it holds for this one and those that it starts.
    let confinement = match args.command.as_ref().unwrap_or(&Command::Serve) {
        Command::Serve => confine::confine(&loaded.settings, &environment),
        _ => Confinement::LeftOut("only the daemon"),
    };
    // Dropped last, when all has been said.
    let log = match log::begin(&loaded.settings.log) {
        Ok(log) => Arc::new(log),
        Err(error) => {
            error_line(&error);
            return Exit::Config;
        }
    };
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            error_line(&format!("cannot start: {error}"));
            return Exit::OsError;
        }
    };
    tracing::debug!("files are written: {confinement:?}");
    // Each in a place of its own: in one for all, the daemon would hold for a year what the largest of them needs.
    let command: Pin<Box<dyn Future<Output = Exit> + '_>> = match args.command.as_ref().unwrap_or(&Command::Serve) {
        Command::Serve => {
            let start = Start { inherited, inputs, loaded, log: log.clone() };
            Box::pin(serve::run(start, environment, terminal.of_daemon()))
        }
        Command::Login { no_qr } => Box::pin(login::run(&loaded, environment, &terminal, !no_qr)),
        Command::Logout { revoke } => Box::pin(logout::run(&loaded, &environment, *revoke, language)),
        Command::Incident { rotate_keys, since } => {
            Box::pin(incident::declare(&loaded, &environment, *rotate_keys, since, language))
        }
        Command::Resume => Box::pin(incident::resume(&loaded, language)),
        Command::Import { file, force, upstream } => {
            let wanted = import::Wanted { file: file.as_deref(), force: *force, upstream: upstream.as_deref() };
            Box::pin(import::run(&loaded, &environment, wanted, language))
        }
        Command::Status { watch: true, .. } => Box::pin(status::watch(&loaded, &environment, &terminal)),
        Command::Status { json, .. } => Box::pin(status::run(&loaded, &environment, &terminal, *json)),
        Command::Stdio { server, upstream } => {
            Box::pin(stdio::run(&loaded, &environment, server.as_deref(), upstream.as_deref()))
        }
        Command::ClientConfig { app, server, upstream, key_for, write, project, file, dry_run } => {
            let wanted = client_config::Wanted {
                app: *app,
                server: server.as_deref(),
                upstream: upstream.as_deref(),
                key_for: key_for.as_deref(),
                write: *write,
                project: *project,
                file: file.as_deref(),
                dry_run: *dry_run,
                config: args.config_file(),
            };
            Box::pin(client_config::run(&loaded, &environment, wanted, language))
        }
        Command::Servers { json } => Box::pin(servers::run(&loaded, &environment, *json)),
        Command::Ui { port, idle } => Box::pin(ui::run(&loaded, &environment, language, port.as_deref(), idle)),
        Command::Client(command) => {
            let wanted = match command {
                ClientCommand::Add { name } => Wanted::Add { name },
                ClientCommand::List { json } => Wanted::List { as_json: *json },
                ClientCommand::Remove { name, key } => Wanted::Remove { name, fingerprint: key.as_deref() },
            };
            Box::pin(client::run(&loaded, wanted, language))
        }
        Command::Key(KeyCommand::Rotate { new_key, old_key }) => {
            Box::pin(key::rotate(&loaded, &environment, new_key, old_key.as_deref()))
        }
        Command::Key(KeyCommand::Generate { file }) => Box::pin(ready(key::generate(file))),
        Command::CheckConfig => Box::pin(ready(check_config::run(&loaded))),
        Command::Doctor { json } => Box::pin(doctor::run(inputs, &environment, *json)),
    };
    let exit = runtime.block_on(command);
    runtime.shutdown_timeout(LAST_WORDS);
    exit
}

/// Looks for what is wrong: with a configuration that cannot be read too, and without a log.
fn diagnose(inputs: Inputs, as_json: bool) -> Exit {
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            error_line(&format!("cannot start: {error}"));
            return Exit::OsError;
        }
    };
    let exit = runtime.block_on(doctor::run(inputs, &environment(), as_json));
    // Names that nobody resolves may still be waited for.
    runtime.shutdown_background();
    exit
}

/// The environment, as far as it is text; variables that are not cannot be meant for us.
fn environment() -> Environment {
    let text =
        std::env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
    Arc::new(text.collect::<BTreeMap<_, _>>())
}

/// Prints every problem of the configuration. Slips on the command line alone are a matter of usage.
fn complain(problems: &[Problem]) -> Exit {
    for problem in problems {
        error_line(&problem.to_string());
    }
    match problems.iter().all(|problem| matches!(problem.place, Place::Flag(_))) {
        true => Exit::Usage,
        false => Exit::Config,
    }
}

/// One line on standard error. A closed standard error is nobody's problem.
fn error_line(text: &str) {
    let _ = writeln!(std::io::stderr(), "mcp-proxy: {text}");
}

/// Text on standard output, at once. A closed standard output is nobody's problem.
fn say(text: &str) {
    let mut out = std::io::stdout().lock();
    let _ = writeln!(out, "{text}").and_then(|()| out.flush());
}

/// The saved logins of the configured upstreams. An unusable key is reported.
fn kept(loaded: &Loaded, environment: &Environment) -> Result<Vec<Kept>, Exit> {
    let settings = settings(loaded);
    match custody::key(settings, environment) {
        Ok(key) => Ok(custody::kept(settings, key)),
        Err(error) => {
            error_line(&error.to_string());
            Err(Exit::Config)
        }
    }
}

/// Says so if no upstream has a login: a command that ends without a word looks as if it had done something.
fn note_no_logins<T>(logins: &[T], language: Language) {
    if logins.is_empty() {
        say(sign_in::NO_LOGINS.text(language));
    }
}

/// The settings alone, for those who need nothing else.
fn settings(loaded: &Loaded) -> &crate::config::settings::Settings {
    &loaded.settings
}
