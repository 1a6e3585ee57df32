//! `mcp-proxy serve`: the daemon in the foreground, with a sign-in first where a person sits at the terminal.

use std::net::SocketAddr;
use std::sync::Arc;

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::cli::exit::Exit;
use crate::cli::prompt::Prompt;
use crate::cli::terminal::Terminal;
use crate::cli::{error_line, login, person, prompt, say, startup};
use crate::config::settings::Settings;
use crate::config::{Inputs, Loaded};
use crate::daemon::inherited::Inherited;
use crate::daemon::limits;
use crate::daemon::listener;
use crate::daemon::reload::Source;
use crate::daemon::report::servers::Known;
use crate::daemon::sign_in::{SignIn, SignInError, SignedIn};
use crate::daemon::signals::{Orders, Signals};
use crate::daemon::{Daemon, Environment, Listing, Purpose};
use crate::model::language::Language;
use crate::model::time::Clock;
use crate::model::upstream::UpstreamName;
use crate::observe::log::Log;
use crate::phrase::{commands, sign_in as words};

/// What a daemon starts with.
pub(super) struct Start {
    /// The sockets that were passed.
    pub(super) inherited: Inherited,
    /// Where the configuration came from, and comes from at a reload.
    pub(super) inputs: Inputs,
    /// The configuration.
    pub(super) loaded: Loaded,
    /// The log.
    pub(super) log: Arc<Log>,
}

/// Serves until stopped.
pub(super) async fn run(start: Start, environment: Environment, terminal: Terminal) -> Exit {
    let Start { inherited, inputs, loaded, log } = start;
    let settings = &loaded.settings;
    limits::raise_open_files();
    let signals = match Signals::take() {
        Ok(signals) => signals,
        Err(error) => {
            error_line(&format!("cannot handle signals: {error}"));
            return Exit::OsError;
        }
    };
    note_unused_addresses(&inherited, &loaded);
    let Inherited { proxy, tls, control, metrics, diag } = inherited;
    let passed = Inherited { proxy, tls, diag, ..Inherited::default() };
    let starting = Daemon::start_on(passed, settings, environment.clone(), Clock::system(), Purpose::Serve);
    let mut daemon = match starting.await {
        Ok(daemon) => daemon,
        Err(error) => {
            error_line(&error.to_string());
            return Exit::from(&error);
        }
    };
    let orders = Orders::default();
    daemon.reload_from(Source { inputs, loaded: loaded.clone(), log, asked: orders.reload.clone() });
    // After what it looks at.
    daemon.open_control(control, settings).await;
    daemon.open_metrics(metrics, settings);
    say(&startup::head(settings, daemon.listening()));
    let Orders { stop, now, .. } = orders.clone();
    let greeting = greet(settings, &daemon, &environment, terminal, &stop);
    let running = daemon.run(stop.clone());
    tokio::select! {
        (collapsed, greeted) = async { tokio::join!(running, greeting) } => match collapsed {
            Ok(()) => greeted,
            Err(error) => {
                error_line(&error.to_string());
                Exit::Software
            }
        },
        () = async { signals.obey(orders).await; std::future::pending().await } => Exit::Software,
        () = now.cancelled() => Exit::Ok,
    }
}

/// Says so if somebody set an address that nothing is bound to, because the service manager passed sockets.
fn note_unused_addresses(inherited: &Inherited, loaded: &Loaded) {
    let set = ["listen.host", "listen.port", "listen.unix", "tls.listen"]
        .into_iter()
        .filter(|key| loaded.places.contains_key(*key));
    let set: Vec<&str> = set.collect();
    let passed = !inherited.proxy.is_empty() || !inherited.tls.is_empty();
    if passed && !set.is_empty() {
        tracing::info!("the service manager passes sockets, so these are not used: {}", set.join(", "));
    }
}

/// Signs in if that is needed and a person is there, then prints the servers. Runs beside the daemon, and stops
/// it when the sign-in fails: who started it in a terminal wants to hear that.
fn greet<'a>(
    settings: &'a Settings,
    daemon: &Daemon,
    environment: &Environment,
    terminal: Terminal,
    stop: &CancellationToken,
) -> impl Future<Output = Exit> + use<'a> {
    let standings = daemon.health().standings();
    let needs_login =
        |sign_in: &&SignIn| standings.get(sign_in.upstream().as_str()).is_none_or(|standing| !standing.signed_in);
    let missing: Vec<SignIn> = daemon.sign_ins().iter().filter(needs_login).cloned().collect();
    let listings = daemon.listings().to_vec();
    let (address, environment, stop) = (daemon.address(), environment.clone(), stop.clone());
    let language = terminal.language;
    async move {
        let found = missing.iter().find_map(SignIn::importable);
        if let Some((path, _)) = &found {
            say(&words::FOUND_OTHER_LOGIN.fill(language, &[("file", &path.display())]));
        }
        if !missing.is_empty() && !prompt::is_possible() {
            say(words::NOT_SIGNED_IN.text(language));
        } else if !missing.is_empty() {
            let ways = login::Ways { open_browser: settings.open_browser, callbacks: address.is_some(), qr: true };
            let place = login::Place { ways, environment: &environment, terminal: &terminal };
            let mut prompt = Prompt::begin_if_possible();
            for sign_in in &missing {
                let signed_in = tokio::select! {
                    signed_in = offer(sign_in, missing.len() == 1, &mut prompt, language) => signed_in,
                    () = stop.cancelled() => return Exit::Ok,
                };
                if signed_in {
                    person::note(&settings.state_dir, sign_in.upstream(), &environment);
                    continue;
                }
                match login::interactive(sign_in, &place, &mut prompt, &stop).await {
                    Ok(login::Ending::SignedIn) => {
                        person::note(&settings.state_dir, sign_in.upstream(), &environment);
                    }
                    // The person went on at another terminal: `mcp-proxy login` signs in here too.
                    Err(error @ SignInError::Superseded(_)) => say(&format!("{error}.")),
                    Ok(login::Ending::Stopped) => return Exit::Ok,
                    Err(error) => {
                        login::failed(&error, language);
                        stop.cancel();
                        return Exit::from(&error);
                    }
                }
            }
        }
        let Some(address) = address else { return Exit::Ok };
        tokio::select! {
            () = print_servers(settings, listings, address) => {}
            () = stop.cancelled() => {}
        }
        Exit::Ok
    }
}

/// Asks whether a login that was found is to be taken over; answers whether it was. With several upstreams it is not
/// offered: two that renew one login end each other's.
async fn offer(sign_in: &SignIn, alone: bool, prompt: &mut Option<Prompt>, language: Language) -> bool {
    let (Some((_, credential)), true, Some(prompt)) = (sign_in.importable(), alone, prompt) else { return false };
    say(words::TAKE_OVER.text(language));
    let answer = prompt.next().await.unwrap_or_default().trim().to_ascii_lowercase();
    if answer != "y" && answer != "yes" {
        return false;
    }
    match sign_in.take_over(credential).await {
        Ok(SignedIn { upstream, application, not_saved, .. }) => {
            login::signed_in(upstream.as_str(), &application, not_saved.as_deref(), language);
            say(commands::ONE_OF_TWO.text(language));
            true
        }
        Err(error) => {
            error_line(&error.to_string());
            false
        }
    }
}

async fn print_servers(
    settings: &Settings,
    listings: Vec<(UpstreamName, watch::Receiver<Listing>)>,
    address: SocketAddr,
) {
    for (name, mut listing) in listings {
        let Some(upstream) = settings.upstreams.iter().find(|upstream| upstream.proxy.name == name) else { continue };
        let Ok(known) = listing.wait_for(|listing| *listing != Listing::Pending).await else { return };
        match &*known {
            listing @ Listing::Fresh { servers, .. } => {
                let (proxy, address) = (&upstream.proxy, listener::from_here(address).to_string());
                let known = Known {
                    name: proxy.name.as_str(),
                    mount: &proxy.mount,
                    rules: &proxy.rules,
                    address: Some(&address),
                    catalogue: Some((servers, listing)),
                };
                say(&startup::servers(&known.report()));
            }
            Listing::Failed(reason) => say(&format!("Available Servers: not known ({reason})")),
            Listing::Pending => {}
        }
    }
}
