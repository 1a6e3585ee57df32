//! `mcp-proxy serve`: the daemon in the foreground, with a sign-in first where a person sits at the terminal.

use std::net::SocketAddr;

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::cli::exit::Exit;
use crate::cli::prompt::Prompt;
use crate::cli::{error_line, import, login, prompt, say, settings, startup};
use crate::config::Loaded;
use crate::config::settings::Settings;
use crate::daemon::limits;
use crate::daemon::sign_in::SignIn;
use crate::daemon::signals::StopSignals;
use crate::daemon::{Daemon, Environment, Listing, Purpose};
use crate::model::time::Clock;
use crate::model::upstream::UpstreamName;

/// Serves until stopped.
pub(super) async fn run(loaded: &Loaded, environment: Environment) -> Exit {
    let settings = settings(loaded);
    limits::raise_open_files();
    let signals = match StopSignals::take() {
        Ok(signals) => signals,
        Err(error) => {
            error_line(&format!("cannot handle signals: {error}"));
            return Exit::OsError;
        }
    };
    let daemon = match Daemon::start(settings, environment.clone(), Clock::system(), Purpose::Serve).await {
        Ok(daemon) => daemon,
        Err(error) => {
            error_line(&error.to_string());
            return Exit::from(&error);
        }
    };
    if let Some(address) = daemon.address() {
        say(&startup::head(settings, address));
    }
    let (stop, now) = (CancellationToken::new(), CancellationToken::new());
    let greeting = greet(settings, &daemon, &environment, &stop);
    let running = daemon.run(stop.clone());
    tokio::select! {
        (collapsed, greeted) = async { tokio::join!(running, greeting) } => match collapsed {
            Ok(()) => greeted,
            Err(error) => {
                error_line(&error.to_string());
                Exit::Software
            }
        },
        () = async { signals.cancel(stop.clone(), now.clone()).await; std::future::pending().await } => Exit::Software,
        () = now.cancelled() => Exit::Ok,
    }
}

/// Signs in if that is needed and a person is there, then prints the servers. Runs beside the daemon, and stops
/// it when the sign-in fails: who started it in a terminal wants to hear that.
fn greet<'a>(
    settings: &'a Settings,
    daemon: &Daemon,
    environment: &Environment,
    stop: &CancellationToken,
) -> impl Future<Output = Exit> + use<'a> {
    let standings = daemon.health().standings();
    let needs_login =
        |sign_in: &&SignIn| standings.get(sign_in.upstream().as_str()).is_none_or(|standing| !standing.signed_in);
    let missing: Vec<SignIn> = daemon.sign_ins().iter().filter(needs_login).cloned().collect();
    let listings = daemon.listings().to_vec();
    let (address, environment, stop) = (daemon.address(), environment.clone(), stop.clone());
    async move {
        let found = missing.iter().find_map(SignIn::importable);
        if let Some((path, _)) = &found {
            say(&format!(
                "Found the login of `aliyun mcp-proxy` ({}); take it over with: mcp-proxy import",
                path.display()
            ));
        }
        if !missing.is_empty() && !prompt::is_possible() {
            say("Not signed in. Sign in with: mcp-proxy login");
        } else if !missing.is_empty() {
            let ways = login::Ways { open_browser: settings.open_browser, callbacks: true };
            let mut prompt = Prompt::begin_if_possible();
            for sign_in in &missing {
                let signed_in = tokio::select! {
                    signed_in = offer(sign_in, missing.len() == 1, &mut prompt) => signed_in,
                    () = stop.cancelled() => return Exit::Ok,
                };
                if signed_in {
                    continue;
                }
                match login::interactive(sign_in, ways, &environment, &mut prompt, &stop).await {
                    Ok(login::Ending::SignedIn) => {}
                    Ok(login::Ending::Stopped) => return Exit::Ok,
                    Err(error) => {
                        error_line(&error.to_string());
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
async fn offer(sign_in: &SignIn, alone: bool, prompt: &mut Option<Prompt>) -> bool {
    let (Some((_, credential)), true, Some(prompt)) = (sign_in.importable(), alone, prompt) else { return false };
    say("Take it over now? [y/N]");
    let answer = prompt.next().await.unwrap_or_default().trim().to_ascii_lowercase();
    if answer != "y" && answer != "yes" {
        return false;
    }
    match sign_in.take_over(credential).await {
        Ok(signed_in) => {
            login::congratulate(&signed_in);
            say(import::ONE_OF_TWO);
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
            Listing::Fresh(servers) => {
                let upstream = &upstream.proxy;
                say(&startup::servers(servers, &upstream.rules, &upstream.mount, address));
            }
            Listing::Failed(reason) => say(&format!("Available Servers: not known ({reason})")),
            Listing::Pending => {}
        }
    }
}
