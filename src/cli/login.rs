//! `mcp-proxy login`, and the sign-in of a start in a terminal: shows the URL, waits for the answer through the
//! browser or the keyboard, whichever comes first.

use tokio::process::Child;
use tokio_util::sync::CancellationToken;

use crate::cli::exit::Exit;
use crate::cli::prompt::Prompt;
use crate::cli::{browser, error_line, note_no_logins, prompt, say, settings};
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
    let (stop, now) = (CancellationToken::new(), CancellationToken::new());
    let signals = match StopSignals::take() {
        Ok(signals) => signals,
        Err(error) => {
            error_line(&format!("cannot handle signals: {error}"));
            return Exit::OsError;
        }
    };
    let sign_ins = daemon.sign_ins().to_vec();
    note_no_logins(&sign_ins);
    let mut prompt = Prompt::begin_if_possible();
    let running = daemon.run(stop.clone());
    let signing_in = async {
        let mut exit = Exit::Ok;
        for sign_in in &sign_ins {
            match interactive(sign_in, ways, &environment, &mut prompt, &stop).await {
                Ok(Ending::SignedIn) => {}
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
    tokio::select! {
        (collapsed, exit) = async { tokio::join!(running, signing_in) } => match collapsed {
            Ok(()) => exit,
            Err(error) => {
                error_line(&error.to_string());
                Exit::Software
            }
        },
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
    let browser = show(&begun, ways.open_browser, environment);
    match answered(begun, browser, ways.callbacks, prompt, stop).await? {
        Some(signed_in) => {
            say("OAuth login successful!");
            congratulate(&signed_in);
            Ok(Ending::SignedIn)
        }
        None => Ok(Ending::Stopped),
    }
}

/// Says who is signed in, and whether a restart would lose it.
pub(super) fn congratulate(signed_in: &SignedIn) {
    let SignedIn { upstream, application, not_saved } = signed_in;
    say(&format!("Signed in to {upstream} with the OAuth application '{application}'."));
    if let Some(reason) = not_saved {
        error_line(&format!("the login is in use, but a restart would lose it: {reason}"));
    }
}

/// Shows where to sign in, and opens the browser if there is one.
fn show(begun: &Begun, open_browser: bool, environment: &Environment) -> Option<Child> {
    let browser = match open_browser {
        true => match browser::open(begun.authorize_url(), environment) {
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
    say(&format!("\n  {}\n", begun.authorize_url()));
    if prompt::is_possible() {
        let arrives = begun.redirect_uri();
        say(&format!(
            "The browser then arrives at {arrives}?code=... If that page does not load, that is no problem:\n\
             copy the code, or the whole address, from the address bar and paste it here.\n"
        ));
        say("Enter authorization code or address:");
    } else {
        say(&format!("Waiting for the browser to arrive at {} ...", begun.redirect_uri()));
    }
    browser
}

/// Waits for the answer; `None` when the person stopped it.
async fn answered(
    mut begun: Begun,
    browser: Option<Child>,
    callbacks: bool,
    prompt: &mut Option<Prompt>,
    stop: &CancellationToken,
) -> Result<Option<SignedIn>, SignInError> {
    // The opener must be awaited, or it stays behind as a zombie.
    let mut opener = std::pin::pin!(async move {
        match browser {
            Some(mut child) => child.wait().await.is_ok_and(|status| status.success()),
            None => std::future::pending().await,
        }
    });
    let mut opened = false;
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
            success = &mut opener, if !opened => {
                opened = true;
                if !success {
                    say("The browser could not be opened; open the address above by hand.");
                }
            }
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
