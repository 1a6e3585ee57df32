//! `mcp-proxy login`, and the sign-in of a start in a terminal: shows the URL, waits for the answer through the
//! browser or the keyboard, whichever comes first. Beside a running daemon, it is the daemon that signs in.

pub(super) mod through;

use tokio::process::Child;
use tokio_util::sync::CancellationToken;

use crate::cli::exit::Exit;
use crate::cli::prompt::Prompt;
use crate::cli::running::{self, Running};
use crate::cli::{browser, error_line, note_no_logins, person, prompt, say, settings};
use crate::config::Loaded;
use crate::daemon::sign_in::{Begun, SignIn, SignInError, SignedIn};
use crate::daemon::signals::StopSignals;
use crate::daemon::{Daemon, Environment, Purpose};
use crate::model::time::Clock;

/// What was done: signed in, or stopped by the person.
pub(super) enum Ending {
    SignedIn,
    Stopped,
}

/// The ways by which an answer may come, beside the keyboard.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ways {
    /// A browser may be opened.
    pub(super) open_browser: bool,
    /// Callbacks arrive in this process.
    pub(super) callbacks: bool,
}

/// Signs in to every upstream, then ends.
pub(super) async fn run(loaded: &Loaded, environment: Environment) -> Exit {
    match running::find(loaded).await {
        Running::Daemon(client, status) => through::run(loaded, &environment, &client, &status).await,
        Running::Nobody => alone(loaded, environment).await,
        Running::Denied(path) => {
            error_line(&running::denied(&path));
            Exit::NoPermission
        }
        Running::Silent(error) => {
            error_line(&error.to_string());
            Exit::Unavailable
        }
    }
}

/// Signs in without a daemon.
async fn alone(loaded: &Loaded, environment: Environment) -> Exit {
    let settings = settings(loaded);
    let started = Daemon::start(settings, environment.clone(), Clock::system(), Purpose::SignInOnly).await;
    let daemon = match started {
        Ok(daemon) => daemon,
        Err(error) => {
            error_line(&error.to_string());
            return Exit::from(&error);
        }
    };
    if let Some(error) = daemon.not_listening() {
        if !prompt::is_possible() {
            error_line(&format!(
                "{error}. If it is mcp-proxy that runs there, run this command in a terminal: the answer is then pasted"
            ));
            return Exit::Unavailable;
        }
        say(&format!(
            "Note: {error}. The browser will end on a page that this command cannot see; paste the address of that page here."
        ));
    }
    let ways = Ways { open_browser: settings.open_browser, callbacks: daemon.not_listening().is_none() };
    let sign_ins = daemon.sign_ins().to_vec();
    note_no_logins(&sign_ins);
    let mut prompt = Prompt::begin_if_possible();
    stopped_by_signals(async |stop| {
        let running = daemon.run(stop.clone());
        let signing_in = async {
            let mut exit = Exit::Ok;
            for sign_in in &sign_ins {
                match interactive(sign_in, ways, &environment, &mut prompt, &stop).await {
                    Ok(Ending::SignedIn) => person::note(&settings.state_dir, sign_in.upstream(), &environment),
                    Ok(Ending::Stopped) => {
                        exit = Exit::TempFail;
                        break;
                    }
                    Err(error) => {
                        error_line(&error.to_string());
                        exit = Exit::from(&error);
                        break;
                    }
                }
            }
            stop.cancel();
            exit
        };
        match tokio::join!(running, signing_in) {
            (Ok(()), exit) => exit,
            (Err(error), _) => {
                error_line(&error.to_string());
                Exit::Software
            }
        }
    })
    .await
}

/// Does `work`, which is told by the token that a signal came; the second signal ends it at once.
pub(super) async fn stopped_by_signals(work: impl AsyncFnOnce(CancellationToken) -> Exit) -> Exit {
    let (stop, now) = (CancellationToken::new(), CancellationToken::new());
    let signals = match StopSignals::take() {
        Ok(signals) => signals,
        Err(error) => {
            error_line(&format!("cannot handle signals: {error}"));
            return Exit::OsError;
        }
    };
    tokio::select! {
        exit = work(stop.clone()) => exit,
        () = async { signals.cancel(stop.clone(), now.clone()).await; std::future::pending().await } => Exit::Software,
        () = now.cancelled() => Exit::TempFail,
    }
}

/// Signs a person in to one upstream.
pub(super) async fn interactive(
    sign_in: &SignIn,
    ways: Ways,
    environment: &Environment,
    prompt: &mut Option<Prompt>,
    stop: &CancellationToken,
) -> Result<Ending, SignInError> {
    let begun = tokio::select! {
        begun = sign_in.begin() => begun?,
        () = stop.cancelled() => return Ok(Ending::Stopped),
    };
    let browser = show(begun.authorize_url(), begun.redirect_uri(), ways.open_browser, environment);
    match answered(begun, browser, ways.callbacks, prompt, stop).await? {
        Some(SignedIn { upstream, application, not_saved, .. }) => {
            congratulate(upstream.as_str(), &application, not_saved.as_deref());
            Ok(Ending::SignedIn)
        }
        None => Ok(Ending::Stopped),
    }
}

/// Says that it worked, who is signed in, and whether a restart would lose it.
fn congratulate(upstream: &str, application: &str, not_saved: Option<&str>) {
    say("OAuth login successful!");
    signed_in(upstream, application, not_saved);
}

/// Says who is signed in, and whether a restart would lose it.
pub(super) fn signed_in(upstream: &str, application: &str, not_saved: Option<&str>) {
    say(&format!("Signed in to {upstream} with the OAuth application '{application}'."));
    if let Some(reason) = not_saved {
        error_line(&format!("the login is in use, but a restart would lose it: {reason}"));
    }
}

/// A browser that is being opened, if there is one.
struct Browser(Option<Child>);

impl Browser {
    /// Waits until it has turned out that it could not be opened; for ever if it could. The opener is awaited, or it
    /// would stay behind as a zombie.
    async fn failed(&mut self) {
        if let Some(opener) = &mut self.0 {
            let opened = opener.wait().await.is_ok_and(|status| status.success());
            self.0 = None;
            if !opened {
                return;
            }
        }
        std::future::pending().await
    }
}

/// Shows where to sign in, and opens the browser if there is one.
fn show(url: &str, redirect_uri: &str, open_browser: bool, environment: &Environment) -> Browser {
    let browser = match open_browser {
        true => match browser::open(url, environment) {
            Ok(child) => Some(child),
            Err(error) => {
                say(&format!("No browser was opened: {error}."));
                None
            }
        },
        false => None,
    };
    match browser {
        Some(_) => say("Opening browser for OAuth login...\nIf it does not open, open this address:"),
        None => say("Open this address in a browser on any machine, and sign in:"),
    }
    say(&format!("\n  {url}\n"));
    if prompt::is_possible() {
        say(&format!(
            "The browser then arrives at {redirect_uri}?code=... If that page does not load, that is no problem:\n\
             copy the code, or the whole address, from the address bar and paste it here.\n"
        ));
        say("Enter authorization code or address:");
    } else {
        say(&format!("Waiting for the browser to arrive at {redirect_uri} ..."));
    }
    Browser(browser)
}

/// Waits for the answer; `None` when the person stopped it.
async fn answered(
    mut begun: Begun,
    mut browser: Browser,
    callbacks: bool,
    prompt: &mut Option<Prompt>,
    stop: &CancellationToken,
) -> Result<Option<SignedIn>, SignInError> {
    loop {
        let typed = async {
            match prompt.as_mut() {
                Some(prompt) => prompt.next().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = stop.cancelled() => return Ok(None),
            delivery = begun.delivered() => return begun.finish_delivered(delivery?).await.map(Some),
            () = browser.failed() => say("The browser could not be opened; open the address above by hand."),
            text = typed => match text {
                Some(text) => match begun.pasted(&text) {
                    Ok(callback) => return begun.finish(callback).await.map(Some),
                    Err(error) => say(&format!("{error}.\nEnter authorization code or address:")),
                },
                None if callbacks => *prompt = None,
                None => {
                    say("Not signed in: the input has ended, and callbacks do not arrive here. Run it again to paste.");
                    return Ok(None);
                }
            },
        }
    }
}
